"""Sums and differences of a shape's values, as far as they can be said without a cube."""

from collections.abc import Iterable
from typing import Literal

from ....catalogs.errors import BadShape
from ..values import Instant, Value, duration_text, parse_duration, parse_instant

Kind = Literal["number", "time", "duration", "label"]

_DAY = 86_400 * 10**9


def kind_of(value: Value) -> Kind:
    """What a value is; a label is text that names neither a time nor a duration."""
    if not isinstance(value, str):
        return "number"
    if parse_instant(value) is not None:
        return "time"
    return "label" if parse_duration(value) is None else "duration"


def moved(value: Value, length: Value, axis: str, *, back: bool = False) -> Value:
    """A value that lies a length further along its axis, or back.

    Parameters
    ----------
    value : number, time or duration
        Where to start.
    length : number or duration
        A number for numbers, else a duration.
    axis : str
        The axis, for the error.
    back : bool
        Whether to go towards lower values.

    Raises
    ------
    BadShape
        If the two do not fit each other.

    Examples
    --------
    >>> moved("2026-01-01", "PT21600S", "time", back=True)
    '2025-12-31T18:00:00'
    """
    sign = -1 if back else 1
    if not isinstance(value, str) and not isinstance(length, str):
        return value + sign * length
    away = parse_duration(length) if isinstance(length, str) else None
    if not isinstance(value, str) or away is None:
        mend = "a number" if not isinstance(value, str) else "a duration such as '6h'"
        raise BadShape(f"{axis}: {length!r} is no length from {value!r}; give {mend}", field=axis)
    moment = parse_instant(value)
    if moment is not None:
        return _later(moment, sign * away).text()
    start = parse_duration(value)
    if start is None:
        raise BadShape(
            f"{axis}: {value!r} is neither a time nor a duration; write a time as "
            "2026-01-31T06:00, a duration as '6h'",
            field=axis,
        )
    return duration_text(start + sign * away)


def half_width(low: Value, high: Value, axis: str) -> Value:
    """Half of what lies between two values: a number, or a duration between times."""
    if not isinstance(low, str) and not isinstance(high, str):
        return (high - low) / 2
    texts = (str(low), str(high))
    first, last = map(parse_instant, texts)
    if first is not None and last is not None:
        ends = [_nanoseconds(first), _nanoseconds(last)]
    else:
        ends = [length for text in texts if (length := parse_duration(text)) is not None]
    if len(ends) != 2:
        raise BadShape(
            f"{axis}: the width from {low!r} to {high!r} cannot be said; give two times, or two "
            "durations such as '-3h' and '3h'",
            field=axis,
        )
    return duration_text(-((ends[0] - ends[1]) // 2))


def extremes(values: Iterable[Value]) -> tuple[Value, Value]:
    """The lowest and the highest of values of one kind; labels by the alphabet."""
    found = list(values)
    numbers = [value for value in found if not isinstance(value, str)]
    if numbers:
        return min(numbers), max(numbers)
    texts = [value for value in found if isinstance(value, str)]
    if all(parse_instant(text) is None for text in texts):
        lasting = [(length, text) for text in texts if (length := parse_duration(text)) is not None]
        if len(lasting) == len(texts):
            return min(lasting)[1], max(lasting)[1]
    return min(texts), max(texts)  # ISO text sorts as its time does


def _later(moment: Instant, nanoseconds: int) -> Instant:
    """A moment some time after; dates that only a 360-day calendar has are counted in it."""
    days, rest = divmod(_clock(moment) + nanoseconds, _DAY)
    try:
        midnight = Instant(moment.year, moment.month, moment.day).since_epoch()
    except ValueError:
        year, day = divmod(moment.year * 360 + (moment.month - 1) * 30 + moment.day - 1 + days, 360)
        date = (year, day // 30 + 1, day % 30 + 1)
    else:
        date = _date(midnight // _DAY + days)
    seconds, nanosecond = divmod(rest, 10**9)
    return Instant(*date, seconds // 3600, seconds // 60 % 60, seconds % 60, nanosecond)


def _nanoseconds(moment: Instant) -> int:
    try:
        return moment.since_epoch()
    except ValueError:
        days = (moment.year - 1970) * 360 + (moment.month - 1) * 30 + moment.day - 1
        return days * _DAY + _clock(moment)


def _clock(moment: Instant) -> int:
    seconds = (moment.hour * 60 + moment.minute) * 60 + moment.second
    return seconds * 10**9 + moment.nanosecond


def _date(days: int) -> tuple[int, int, int]:
    from datetime import date

    day = date.fromordinal(days + date(1970, 1, 1).toordinal())
    return day.year, day.month, day.day
