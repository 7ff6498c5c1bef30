"""What bounds a shape: numbers, instants and durations, each in one JSON-able spelling."""

import math
import re
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np

from ...catalogs.errors import BadShape

# A number; an instant as ISO 8601 text (UTC, no suffix); a duration as "PT...S"; or a label.
Value = int | float | str

_LARGEST = 1e100  # beyond it products of coordinates overflow; no coordinate is that large
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)(?:-(\d\d)(?:[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9})\d*)?)?)?)?"
    r"\s*(Z|UTC|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)
_DAY = 86_400 * 10**9
_EPOCH = date(1970, 1, 1).toordinal()


class Instant(NamedTuple):
    """The fields of a moment, of no particular calendar."""

    year: int
    month: int
    day: int
    hour: int = 0
    minute: int = 0
    second: int = 0
    nanosecond: int = 0

    def text(self) -> str:
        """ISO 8601, as short as it can be without loss."""
        day = f"{self.year:04d}-{self.month:02d}-{self.day:02d}"
        if not any(self[3:]):
            return day
        fraction = f".{self.nanosecond:09d}".rstrip("0").rstrip(".")
        return f"{day}T{self.hour:02d}:{self.minute:02d}:{self.second:02d}{fraction}"

    def since_epoch(self) -> int:
        """Nanoseconds since 1970-01-01 (Gregorian); ValueError if there is no such day."""
        days = date(self.year, self.month, self.day).toordinal() - _EPOCH
        seconds = (self.hour * 60 + self.minute) * 60 + self.second
        return days * _DAY + seconds * 10**9 + self.nanosecond


def canonical(value: Any, field: str) -> Value:
    """One value of a shape in its one spelling.

    Parameters
    ----------
    value : int, float, str, datetime, date, timedelta, np.datetime64, np.timedelta64, cftime date
        What the user gave.
    field : str
        Its place in the shape, for the error.

    Returns
    -------
    int, float or str
        Numbers as they are; moments as ISO 8601 text in UTC; durations as ``PT...S``; other
        text (labels) unchanged.

    Raises
    ------
    BadShape
        If it is none of these, or NaN, infinite or NaT.

    Examples
    --------
    >>> canonical(np.datetime64("2026-01-01T06:00:00"), "time")
    '2026-01-01T06:00:00'
    """
    if isinstance(value, np.ndarray):
        if value.ndim:
            raise BadShape(f"{field}: one value is needed, not {value.size}", field=field)
        value = value[()]
    if isinstance(value, bool | np.bool_):
        raise BadShape(f"{field}: a number or a time is needed, not {bool(value)}", field=field)
    if isinstance(value, timedelta | np.timedelta64):
        # Also a NumPy integer, so asked first.
        return _duration(value, field)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return _number(float(value), field)
    if isinstance(value, str):
        return _text(value, field)
    return _moment(value, field)


def in_order(lower: Value, upper: Value) -> bool | None:
    """Whether lower <= upper; None when that cannot be said without the cube's axis."""
    if not isinstance(lower, str) and not isinstance(upper, str):
        return lower <= upper
    if not isinstance(lower, str) or not isinstance(upper, str):
        return None
    first, last = parse_instant(lower), parse_instant(upper)
    if first is not None and last is not None:
        return first <= last
    short, long = parse_duration(lower), parse_duration(upper)
    return None if short is None or long is None else short <= long


def parse_instant(text: str) -> Instant | None:
    """The moment that a text names, in UTC; None if it names none.

    ``2026-01``, ``2026-01-31``, ``2026-01-31T06:00``, seconds, up to nine decimals of them and an
    offset are read. Days that only some calendars have (30 February) pass.
    """
    match = _INSTANT.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    moment = Instant(
        int(year),
        int(month),
        int(day or 1),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        int((fraction or "").ljust(9, "0")),
    )
    if not (1 <= moment.month <= 12 and 1 <= moment.day <= 31 and moment.hour < 24):
        return None
    if moment.minute > 59 or moment.second > 59:
        return None
    return _shifted(moment, offset)


def parse_duration(text: str) -> int | None:
    """The nanoseconds that a text such as ``6h`` or ``PT21600S`` names; None if it names none."""
    import pandas as pd

    if not any(letter.isalpha() for letter in text):
        return None
    try:
        length = pd.Timedelta(text)
    except ValueError:
        return None
    if not isinstance(length, pd.Timedelta):  # NaT
        return None
    return int(length.as_unit("ns").value)


def duration_text(nanoseconds: int) -> str:
    """A duration as ISO 8601 in seconds."""
    seconds, rest = divmod(abs(nanoseconds), 10**9)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{'-' if nanoseconds < 0 else ''}PT{seconds}{fraction}S"


def _number(value: float, field: str) -> float:
    if not math.isfinite(value):
        raise BadShape(f"{field}: {value} is no coordinate; give a finite number", field=field)
    if abs(value) > _LARGEST:
        raise BadShape(f"{field}: {value} is too large for a coordinate", field=field)
    return value


def _text(value: str, field: str) -> str:
    text = value.strip()
    if not text or text == "NaT":
        raise BadShape(f"{field}: empty; give a number or a time", field=field)
    moment = parse_instant(text)
    return text if moment is None else moment.text()


def _moment(value: Any, field: str) -> str:
    if isinstance(value, np.datetime64):
        unit = np.datetime_data(value.dtype)[0]
        text = str(value if unit in ("s", "ms", "us", "ns") else value.astype("M8[s]"))
    elif hasattr(value, "isoformat"):  # date, datetime, pandas.Timestamp, cftime
        text = str(value.isoformat())
    else:
        raise BadShape(
            f"{field}: a number, a time or a duration is needed, not {type(value).__name__}",
            field=field,
        )
    if parse_instant(text) is None:
        raise BadShape(f"{field}: {text} is not a time; write it as 2026-01-31T06:00", field=field)
    return _text(text, field)


def _duration(value: Any, field: str) -> str:
    if hasattr(value, "to_timedelta64"):  # pandas.Timedelta, which also knows nanoseconds
        value = value.to_timedelta64()
    elif not isinstance(value, np.timedelta64):
        value = np.timedelta64(value)
    if np.isnat(value) or np.datetime_data(value.dtype)[0] in ("Y", "M", "generic"):
        raise BadShape(f"{field}: a duration of hours, minutes or seconds is needed", field=field)
    return duration_text(int(value.astype("m8[ns]").astype(np.int64)))


def _shifted(moment: Instant, offset: str | None) -> Instant | None:
    if offset is None or offset.upper() in ("Z", "UTC"):
        return moment
    sign = -1 if offset[0] == "-" else 1
    minutes = sign * (int(offset[1:3]) * 60 + int(offset[-2:]))
    try:
        days, rest = divmod(moment.since_epoch() - minutes * 60 * 10**9, _DAY)
        day = date.fromordinal(days + _EPOCH)
    except ValueError:
        return None
    seconds, nanosecond = divmod(rest, 10**9)
    hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    return Instant(day.year, day.month, day.day, hour, minute, second, nanosecond)
