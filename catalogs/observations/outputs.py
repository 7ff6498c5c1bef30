"""Observations as a client may want them: JSON, ndjson, CSV, CoverageJSON point series."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ..errors import BadRequest
from .observation import Observation
from .stations import Station

COLUMNS = ("station", "time", "variable", "value", "units", "issued", "revision")
COVERAGE_JSON = "application/prs.coverage+json"

Rows = Sequence[Observation]
Stations = Mapping[str, Station]


def encode_rows(rows: Rows, stations: Stations, format: str) -> tuple[bytes, str]:
    """Write observations; returns the body and its media type.

    Parameters
    ----------
    rows : sequence of Observation
        In the order of a query's answer.
    stations : mapping
        Where they are, by id.
    format : str
        ``json``, ``ndjson``, ``csv`` or ``covjson``; a media type names one too.

    Raises
    ------
    BadRequest
        When the format is another.
    """
    plain = format.partition(";")[0].strip().lower()
    for names, media, write in _FORMATS:
        if plain in names or plain == media:
            return write(rows, stations), media
    raise BadRequest(
        f"f must be one of {', '.join(names[0] for names, _, _ in _FORMATS)}, not {plain[:40]!r}.",
        field="f",
    )


def _json(rows: Rows, _stations: Stations) -> bytes:
    return msgspec.json.encode(rows)


def _ndjson(rows: Rows, _stations: Stations) -> bytes:
    return msgspec.json.Encoder().encode_lines(list(rows))


def _csv(rows: Rows, _stations: Stations) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(row, column) for column in COLUMNS] for row in rows)
    return text.getvalue().encode()


def _coverage_json(rows: Rows, stations: Stations) -> bytes:
    by_station: dict[str, list[Observation]] = {}
    for row in rows:
        by_station.setdefault(row.station, []).append(row)
    parameters: dict[str, Any] = {}
    for id, found in by_station.items():
        for name in {row.variable for row in found}:
            parameters.setdefault(name, _parameter(name, stations[id]))
    document: dict[str, Any] = {
        "type": "CoverageCollection",
        "domainType": "PointSeries",
        "parameters": parameters,
        "referencing": _REFERENCING,
        "coverages": [_coverage(stations[id], found) for id, found in by_station.items()],
    }
    return msgspec.json.encode(document)


def _coverage(station: Station, rows: Rows) -> dict[str, Any]:
    times = sorted({row.time for row in rows})
    place = {time: number for number, time in enumerate(times)}
    ranges: dict[str, Any] = {}
    for row in rows:
        if row.variable not in ranges:
            ranges[row.variable] = {
                "type": "NdArray",
                "dataType": "float",
                "axisNames": ["t"],
                "shape": [len(times)],
                "values": [None] * len(times),
            }
        ranges[row.variable]["values"][place[row.time]] = row.value
    axes = {"x": [station.lon], "y": [station.lat], "t": times}
    if station.height is not None:
        axes["z"] = [station.height]
    return {
        "type": "Coverage",
        "id": station.id,
        "domain": {
            "type": "Domain",
            "axes": {name: {"values": values} for name, values in axes.items()},
        },
        "ranges": ranges,
    }


def _parameter(name: str, station: Station) -> dict[str, Any]:
    variable = station.variables[name]
    standard = variable.standard_name
    label = variable.long_name or standard.replace("_", " ") or name
    known = {"id": f"http://vocab.nerc.ac.uk/standard_name/{standard}/"} if standard else {}
    return {
        "type": "Parameter",
        "description": {"en": label},
        "unit": {"symbol": variable.units},
        "observedProperty": {**known, "label": {"en": label}},
    }


_REFERENCING = [
    {
        "coordinates": ["x", "y"],
        "system": {
            "type": "GeographicCRS",
            "id": "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
        },
    },
    {"coordinates": ["t"], "system": {"type": "TemporalRS", "calendar": "Gregorian"}},
]
_FORMATS: list[tuple[tuple[str, ...], str, Callable[[Rows, Stations], bytes]]] = [
    (("json",), "application/json", _json),
    (("ndjson",), "application/x-ndjson", _ndjson),
    (("csv",), "text/csv", _csv),
    (("covjson",), COVERAGE_JSON, _coverage_json),
]
