"""Bodies of observations by media type: JSON (one or many), ndjson, CSV and CF-JSON.

A body becomes readings, or a refusal that names the row, counted from 1, and the field.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from ..errors import BadRequest, from_decoding
from .formats_cf import decode_cf
from .formats_csv import decode_csv
from .instants import instant
from .observation import MOST_ROWS, Reading
from .stations import Station

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
CF_JSON = "application/cf+json"
# What a client may call them; the first is ours.
KINDS: dict[str, tuple[str, ...]] = {
    JSON: (JSON,),
    NDJSON: (NDJSON, "application/ndjson", "application/jsonl"),
    CSV: (CSV,),
    CF_JSON: (CF_JSON, "application/vnd.cf+json", "application/x-cf-json"),
}


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    """One observation, or several of one station and time, as JSON."""

    time: str
    station: str = ""
    variable: str = ""
    value: float | msgspec.UnsetType | None = msgspec.UNSET
    values: dict[str, float | None] = {}
    units: str | dict[str, str] = ""
    issued: str = ""


def decode(
    body: bytes, kind: str, station: str, stations: Mapping[str, Station]
) -> Sequence[Reading]:
    """Read a body of observations.

    Parameters
    ----------
    body : bytes
        UTF-8.
    kind : str
        The media type, as in a Content-Type header; JSON that has ``dimensions`` is CF-JSON.
    station : str
        Whose observations they are where the body does not say it.
    stations : mapping
        The known stations by id, by which CF standard names are told.

    Raises
    ------
    BadRequest
        Naming the row and the field, or the media type.

    Examples
    --------
    >>> decode(b'{"time": "1970-01-01", "variable": "t", "value": 1}', JSON, "quay", {})[0].time
    0
    """
    plain = kind.partition(";")[0].strip().lower()
    ours = next((name for name, others in KINDS.items() if plain in others), None)
    match ours:
        case "text/csv":
            return decode_csv(_text(body), station)
        case "application/x-ndjson":
            return _bounded(_read_lines(body), station)
        case "application/cf+json":
            return decode_cf(body, station, stations)
        case "application/json":
            if _is_cf(body):
                return decode_cf(body, station, stations)
            return _bounded(_read_rows(body), station)
        case _:
            raise BadRequest(
                f"{kind[:80]!r} is not a kind of observations; send {', '.join(KINDS)}.",
                field="Content-Type",
            )


_CF = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ROWS = msgspec.json.Decoder(list[_Row])
_ONE = msgspec.json.Decoder(_Row)


def _is_cf(body: bytes) -> bool:
    if body.lstrip()[:1] != b"{" or b'"dimensions"' not in body:
        return False
    try:
        return {"dimensions", "variables"} <= _CF.decode(body).keys()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False


def _read_rows(body: bytes) -> Iterator[tuple[int, _Row]]:
    many = body.lstrip()[:1] == b"["
    try:
        rows = _ROWS.decode(body) if many else [_ONE.decode(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _at_row(from_decoding(error)) from error
    yield from enumerate(rows, 1)


def _read_lines(body: bytes) -> Iterator[tuple[int, _Row]]:
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, _ONE.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _at_row(from_decoding(error), number) from error


def _at_row(error: BadRequest, row: int = 1) -> BadRequest:
    """Say the row as people count it, from 1."""
    field = (error.field or "").replace("[...]", "")
    place = re.match(r"\[(\d+)\]\.?(.*)", field)
    if place:
        row, field = int(place[1]) + 1, place[2]
    return BadRequest(f"Row {row}: {error.detail}", field=f"rows.{row}.{field}".rstrip("."))


def _bounded(rows: Iterator[tuple[int, _Row]], station: str) -> list[Reading]:
    readings: list[Reading] = []
    times: dict[str, int] = {}
    for number, row in rows:
        readings += _readings(number, row, station, times)
        if len(readings) > MOST_ROWS:
            raise BadRequest(f"A request holds at most {MOST_ROWS:,} values; send several.")
    return readings


def _readings(number: int, row: _Row, station: str, times: dict[str, int]) -> list[Reading]:
    where = f"rows.{number}"
    id = row.station or station
    if not id:
        raise BadRequest(f"Row {number}: it says no station.", field=f"{where}.station")
    time = times.get(row.time)
    if time is None:
        time = times[row.time] = _instant(row.time, number, "time")
    issued = _instant(row.issued, number, "issued") if row.issued else None
    values: dict[str, float | None] = row.values
    if row.variable:
        if values or isinstance(row.value, msgspec.UnsetType):
            raise BadRequest(
                f"Row {number}: give one variable with a value, or values by variable.",
                field=f"{where}.value",
            )
        values = {row.variable: row.value}
    if not values:
        raise BadRequest(f"Row {number}: it says no variable.", field=f"{where}.variable")
    units = row.units
    return [
        Reading(
            number,
            id,
            time,
            name,
            value,
            issued,
            units if isinstance(units, str) else units.get(name, ""),
        )
        for name, value in values.items()
    ]


def _instant(text: str, number: int, name: str) -> int:
    try:
        return instant(text, f"rows.{number}.{name}")
    except BadRequest as error:
        raise BadRequest(f"Row {number}: {error.detail}", field=error.field) from error


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = body[: error.start].count(b"\n")
        raise BadRequest(f"Row {row}: it is not UTF-8.", field=f"rows.{row}") from error
