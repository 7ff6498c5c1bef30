"""Observations as CF-JSON: dimensions, attributes, and variables over stations and times."""

import itertools
import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import BadRequest, from_decoding
from .instants import SECOND, in_range, instant
from .observation import MOST_ROWS, Reading
from .stations import Station

_COORDINATES = frozenset(
    {"latitude", "longitude", "lat", "lon", "height", "altitude", "alt", "elevation", "depth"}
)
_STATIONS = frozenset({"station", "station_id", "station_name", "site", "location"})
_SINCE = re.compile(
    r"(second|minute|hour|day|millisecond|microsecond|sec|min|hr|s|h|d|ms)s? since (.+)"
)
_UNITS = {
    "microsecond": 1,
    "millisecond": 1000,
    "ms": 1000,
    "second": SECOND,
    "sec": SECOND,
    "s": SECOND,
    "minute": 60 * SECOND,
    "min": 60 * SECOND,
    "hour": 3600 * SECOND,
    "hr": 3600 * SECOND,
    "h": 3600 * SECOND,
    "day": 86_400 * SECOND,
    "d": 86_400 * SECOND,
}
# Beyond every time that is one; larger numbers would not become whole ones.
_FAR = 2**62
_CALENDARS = frozenset({"", "standard", "gregorian", "proleptic_gregorian"})


class _Variable(msgspec.Struct):
    data: Any
    shape: list[str] = []
    attributes: dict[str, Any] = {}


class _Document(msgspec.Struct):
    dimensions: dict[str, int]
    variables: dict[str, _Variable]
    attributes: dict[str, Any] = {}


def decode_cf(body: bytes, station: str, stations: Mapping[str, Station]) -> list[Reading]:
    """Read a CF-JSON text, as cf-json.org has it.

    A variable is one of the station's by its name, or else by its ``standard_name``.  Times are
    ISO 8601 texts or numbers of a CF unit; ``null`` and the ``_FillValue`` are no observations.
    Rows are counted along the time axis, from 1.
    """
    try:
        document = msgspec.json.decode(body, type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise from_decoding(error) from error
    time_name = _named(document, "time")
    times = _times(document, time_name)
    ids, station_dim, station_name = _stations(document, station)
    (time_dim,) = document.variables[time_name].shape or [""]
    axes = {time_dim: len(times), station_dim: len(ids)}
    readings: list[Reading] = []
    for name, variable in document.variables.items():
        if name in (time_name, station_name) or _is_coordinate(name, variable):
            continue
        units = str(variable.attributes.get("units", ""))
        standard = str(variable.attributes.get("standard_name", ""))
        for place, value in _cells(name, variable, axes):
            at, who = place.get(time_dim, 0), ids[place.get(station_dim, 0)]
            ours = _own_name(name, standard, stations.get(who))
            readings.append(Reading(at + 1, who, times[at], ours, value, None, units))
        if len(readings) > MOST_ROWS:
            raise BadRequest(f"A request holds at most {MOST_ROWS:,} values; send several.")
    return readings


def _named(document: _Document, name: str) -> str:
    for each, variable in document.variables.items():
        if each == name or variable.attributes.get("standard_name") == name:
            if len(variable.shape) > 1:
                raise BadRequest(
                    f"{each!r} must have one dimension.", field=f"variables.{each}.shape"
                )
            return each
    raise BadRequest(f"There is no variable {name!r}.", field=f"variables.{name}")


def _times(document: _Document, name: str) -> list[int]:
    variable = document.variables[name]
    field = f"variables.{name}.data"
    values = variable.data if isinstance(variable.data, list) else [variable.data]
    if variable.shape:
        _check_length(document, field, variable.shape[0], len(values))
    elif len(values) != 1:
        raise BadRequest(f"{name!r} must have a dimension.", field=f"variables.{name}.shape")
    units = str(variable.attributes.get("units", ""))
    since = _SINCE.fullmatch(units.strip().lower())
    if since and str(variable.attributes.get("calendar", "")).lower() not in _CALENDARS:
        raise BadRequest(
            "Times must be of the standard calendar.", field=f"variables.{name}.attributes.calendar"
        )
    found: list[int] = []
    for row, value in enumerate(values, 1):
        where = f"{field}.{row - 1}"
        if since and isinstance(value, int | float) and math.isfinite(value):
            start = instant(since[2].strip().upper(), f"variables.{name}.attributes.units")
            offset = value * _UNITS[since[1]]
            moment = start + round(offset) if abs(offset) < _FAR else _FAR
        else:
            moment = None
        try:
            found.append(instant(value, where) if moment is None else in_range(moment, where))
        except BadRequest as error:
            raise BadRequest(f"Row {row}: {error.detail}", field=where) from error
    return found


def _stations(document: _Document, station: str) -> tuple[list[str], str, str]:
    """The stations' ids, their dimension ("" for one only) and their variable."""
    for name, variable in document.variables.items():
        role = variable.attributes.get("cf_role")
        if role != "timeseries_id" and not (role is None and name.lower() in _STATIONS):
            continue
        field = f"variables.{name}.data"
        values = variable.data if isinstance(variable.data, list) else [variable.data]
        if len(variable.shape) > 1 or not all(isinstance(each, str) for each in values):
            raise BadRequest(f"{name!r} must be the stations' ids.", field=field)
        if variable.shape:
            _check_length(document, field, variable.shape[0], len(values))
            return values, variable.shape[0], name
        if len(values) == 1:
            return values, "", name
        raise BadRequest(f"{name!r} must have a dimension.", field=f"variables.{name}.shape")
    one = station or str(document.attributes.get("station", ""))
    if not one:
        raise BadRequest(
            "It says no station: give a variable of cf_role 'timeseries_id', or an attribute "
            "'station'.",
            field="variables.station",
        )
    return [one], "", ""


def _cells(
    name: str, variable: _Variable, axes: Mapping[str, int]
) -> "list[tuple[dict[str, int], float]]":
    """Every value that is there, with its place along the dimensions."""
    field = f"variables.{name}"
    shape = variable.shape
    for dim in shape:
        if not dim or dim not in axes:
            raise BadRequest(
                f"{name!r} lies along {dim!r}, which is neither time nor station.",
                field=f"{field}.shape",
            )
    for dim, size in axes.items():
        if dim not in shape and size != 1:
            raise BadRequest(
                f"{name!r} does not lie along {dim!r}, so it is not said of which it is.",
                field=f"{field}.shape",
            )
    fill = variable.attributes.get("_FillValue", variable.attributes.get("missing_value"))
    found: list[tuple[dict[str, int], float]] = []
    for place in itertools.product(*(range(axes[dim]) for dim in shape)):
        value: Any = variable.data
        for depth, index in enumerate(place):
            size = axes[shape[depth]]
            if not isinstance(value, list) or len(value) != size:
                raise BadRequest(
                    f"{name!r} must have {size} values along {shape[depth]!r}.",
                    field=f"{field}.data",
                )
            value = value[index]
        if value is None or value == fill:
            continue
        where = ".".join([field, "data", *map(str, place)])
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadRequest(f"{name!r}: {str(value)[:60]!r} is not a number.", field=where)
        found.append((dict(zip(shape, place, strict=True)), float(value)))
    return found


def _check_length(document: _Document, field: str, dim: str, length: int) -> None:
    if document.dimensions.get(dim) != length:
        raise BadRequest(
            f"{field} has {length} values, but the dimension {dim!r} is "
            f"{document.dimensions.get(dim)}.",
            field=field,
        )


def _is_coordinate(name: str, variable: _Variable) -> bool:
    standard = variable.attributes.get("standard_name", name)
    return name.lower() in _COORDINATES or str(standard).lower() in _COORDINATES


def _own_name(name: str, standard: str, station: Station | None) -> str:
    if station is None or name in station.variables or not standard:
        return name
    same = [n for n, variable in station.variables.items() if variable.standard_name == standard]
    return same[0] if len(same) == 1 else name
