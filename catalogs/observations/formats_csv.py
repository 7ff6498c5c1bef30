"""Observations as CSV with a header: a line for each value, or a column for each variable."""

import csv
import io
import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ..errors import BadRequest
from .instants import instant
from .observation import MOST_ROWS, Reading

# The columns that mean something themselves; any other is a variable, with units or without:
# "air_temperature", "air_temperature (K)", "air_temperature [K]".
_OWN = ("station", "time", "variable", "value", "units", "issued")
_COLUMN = re.compile(r"\s*([^\s(\[]+)\s*(?:\((.*)\)|\[(.*)\])?\s*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_MISSING = frozenset({"", "nan", "na", "null", "none"})
_MOST_COLUMNS = 250


class _Header(msgspec.Struct):
    """Where the columns are; ``variables`` are (position, name, units) of a wide table."""

    own: dict[str, int]
    variables: list[tuple[int, str, str]]
    width: int


def decode_csv(text: str, station: str) -> list[Reading]:
    """Read a CSV text; commas, semicolons or tabs between the columns.

    A wide table's empty cells are no observations; a long table's empty value is a missing one.

    Examples
    --------
    >>> decode_csv("time,t (K)\\n1970-01-01,280.5\\n", "quay")[0].units
    'K'
    """
    first, _, _ = text.partition("\n")
    delimiter = max(",;\t", key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    readings: list[Reading] = []
    times: dict[str, int] = {}
    try:
        header = _header(next(lines, []), station)
        for number, cells in enumerate(lines, 1):
            if any(cells):
                readings += _row(number, cells, header, station, times)
            if len(readings) > MOST_ROWS:
                raise BadRequest(f"A request holds at most {MOST_ROWS:,} values; send several.")
    except csv.Error as error:
        row = max(lines.line_num - 1, 0)
        raise BadRequest(f"Row {row}: it is not CSV: {error}.", field=f"rows.{row}") from error
    return readings


def _header(cells: list[str], station: str) -> _Header:
    own: dict[str, int] = {}
    variables: list[tuple[int, str, str]] = []
    names: set[str] = set()
    if len(cells) > _MOST_COLUMNS:
        raise _wrong_header(f"it has more than {_MOST_COLUMNS} columns")
    for position, cell in enumerate(cells):
        column = _COLUMN.fullmatch(cell)
        if column is None:
            raise _wrong_header(f"{cell[:80]!r} names no column")
        name = column[1]
        if name.lower() in _OWN and column[2] is None and column[3] is None:
            name = name.lower()
            own[name] = position
        else:
            variables.append((position, name, (column[2] or column[3] or "").strip()))
        if name in names:
            raise _wrong_header(f"{name[:80]!r} stands twice")
        names.add(name)
    if "time" not in own:
        raise _wrong_header("there is no column 'time'", "time")
    if "station" not in own and not station:
        raise _wrong_header("there is no column 'station'", "station")
    if ("variable" in own) != ("value" in own) or ("variable" in own) == bool(variables):
        raise _wrong_header("give columns 'variable' and 'value', or one for each variable")
    if variables and "units" in own:
        raise _wrong_header("units of a variable stand beside its name: 'wind_speed (m s-1)'")
    return _Header(own, variables, len(cells))


def _row(
    number: int, cells: list[str], header: _Header, station: str, times: dict[str, int]
) -> Iterator[Reading]:
    if len(cells) != header.width:
        raise _wrong(number, "", f"it has {len(cells)} columns, the header {header.width}")
    own = {name: cells[position].strip() for name, position in header.own.items()}
    id = own.get("station") or station
    if not id:
        raise _wrong(number, "station", "it says no station")
    time = times.get(own["time"])
    if time is None:
        time = times[own["time"]] = _instant(number, "time", own["time"])
    issued = _instant(number, "issued", own["issued"]) if own.get("issued") else None
    if not header.variables:
        name = own["variable"]
        value = _number(number, "value", own["value"])
        yield Reading(number, id, time, name, value, issued, own.get("units", ""))
        return
    for position, name, units in header.variables:
        value = _number(number, name, cells[position].strip())
        if value is not None:
            yield Reading(number, id, time, name, value, issued, units)


def _number(row: int, field: str, text: str) -> float | None:
    if text.lower() in _MISSING:
        return None
    # float() itself would also take "1_0" and "infinity".
    value = float(text) if _NUMBER.fullmatch(text) else math.inf
    if not math.isfinite(value):
        raise _wrong(row, field, f"{text[:60]!r} is not a number")
    return value


def _instant(row: int, field: str, text: str) -> int:
    try:
        return instant(text, field)
    except BadRequest as error:
        raise _wrong(row, field, error.detail.rstrip(".")) from error


def _wrong(row: int, field: str, what: str, **_: Any) -> BadRequest:
    return BadRequest(f"Row {row}: {what}.", field=f"rows.{row}.{field}".rstrip("."))


def _wrong_header(what: str, field: str = "header") -> BadRequest:
    return BadRequest(f"The header is wrong: {what}.", field=field)
