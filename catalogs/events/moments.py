"""Times of events as numbers, so that times of any offset compare."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

import msgspec

from ..errors import BadEvent

_Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(text: str, field: str = "time") -> int:
    """An RFC 3339 time as microseconds since 1970, so that times of any offset compare.

    Parameters
    ----------
    text : str
        Such as ``2026-01-31T06:00:00Z``; the offset is required.
    field : str, optional
        The attribute to name when the text is no such time.

    Raises
    ------
    BadEvent
        When the text is not an RFC 3339 time.

    Examples
    --------
    >>> moment("1970-01-01T01:00:00+01:00")
    0
    """
    try:
        return _moment(text)
    except (msgspec.ValidationError, OverflowError, TypeError) as error:
        raise BadEvent(
            f"{field} must be an RFC 3339 time with an offset, such as "
            f"'2026-01-31T06:00:00Z'; {str(text)[:60]!r} is not.",
            field=field,
        ) from error


# Each event's time is looked at when it is checked, when it is stored and by each filter.
@lru_cache(maxsize=4096)
def _moment(text: str) -> int:
    since = msgspec.convert(text, type=_Instant) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def now_text() -> str:
    """This moment as an RFC 3339 time with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
