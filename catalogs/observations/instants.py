"""Times of observations: whole microseconds since 1970 in UTC, which sort everywhere alike."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from ..errors import BadRequest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
SECOND = 1_000_000
DAY = 86_400 * SECOND
# What xarray's nanoseconds can hold, with some room: the years 1700 to 2199.
_FIRST = (datetime(1700, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_END = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND


def instant(text: object, field: str = "time") -> int:
    """A time as microseconds since 1970; without an offset it is UTC.

    Parameters
    ----------
    text : str
        ISO 8601, such as ``2021-05-16T12:00:00Z``, ``2021-05-16 12:00`` or ``2021-05-16``.
    field : str, optional
        What to name when it is no time.

    Raises
    ------
    BadRequest
        When it is no time, or not of the years 1700 to 2199.

    Examples
    --------
    >>> instant("1970-01-01T01:00:00+01:00")
    0
    """
    try:
        moment = datetime.fromisoformat(text)  # type: ignore[arg-type]
    except (ValueError, TypeError) as error:
        raise BadRequest(
            f"{str(text)[:60]!r} is not a time; write '2021-05-16T12:00:00Z'.", field=field
        ) from error
    zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return in_range((zoned - _EPOCH) // _MICROSECOND, field)


def in_range(time: int, field: str = "time") -> int:
    """Return the time, or raise ``BadRequest`` when it is not of the years 1700 to 2199."""
    if not _FIRST <= time < _END:
        raise BadRequest("The time is not of the years 1700 to 2199.", field=field)
    return time


# A batch says few times, of many values.
@lru_cache(maxsize=4096)
def instant_text(time: int) -> str:
    """The RFC 3339 text of a time, in UTC, as short as it is exact.

    Examples
    --------
    >>> instant_text(1_500_000)
    '1970-01-01T00:00:01.500Z'
    """
    spec = "seconds" if time % SECOND == 0 else "milliseconds" if time % 1000 == 0 else "auto"
    return (_EPOCH + timedelta(microseconds=time)).replace(tzinfo=None).isoformat(
        timespec=spec
    ) + "Z"
