"""Times as the catalog writes them: RFC 3339 in UTC."""

from datetime import UTC, datetime
from typing import Any

import numpy as np


def time_text(value: Any) -> str:
    """A time as RFC 3339 in UTC; NumPy's times to the second (finer where needed).

    Examples
    --------
    >>> time_text(np.datetime64("2019-03-01T00:00"))
    '2019-03-01T00:00:00Z'
    """
    if isinstance(value, np.datetime64):
        seconds = value.astype("M8[s]")
        fine = seconds if seconds == value else value.astype("M8[ns]")
        return f"{fine}Z"
    return f"{value.isoformat()}Z"  # a cftime date


def now_text() -> str:
    """This moment as RFC 3339 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """An RFC 3339 time (or a date) as an aware datetime; without an offset it is UTC."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def item_id(time: np.datetime64) -> str:
    """The name of the item that holds a time, such as ``20190301T0000Z``.

    Examples
    --------
    >>> item_id(np.datetime64("2019-03-01T06:00:20"))
    '20190301T060020Z'
    """
    text = str(time.astype("M8[s]")).replace("-", "").replace(":", "")
    return f"{text.removesuffix('00') if text.endswith('00') else text}Z"
