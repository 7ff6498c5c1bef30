"""The notebook face of the event log: ``notify``, ``listen`` and ``replay``."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from ..access import PRIVATE
from ..errors import BadEvent
from ..lake import Lake, LakeLike, open_lake
from .event import Event, EventFilter, moment, new_id

_PAGE = 1000


def notify(
    type: str,
    *,
    source: str = "",
    collection: str = "",
    subject: str = "",
    data: Any = None,
    datatime: str | datetime = "",
    access: str = PRIVATE,
    id: str = "",
    lake: LakeLike = None,
) -> Event:
    """Put an event in the log; it is on disk when this returns.

    Parameters
    ----------
    type : str
        Reverse-DNS type, such as ``"org.example.station.reading"``.
    source : str, optional
        Where it happened, a URI reference; ``/users/NAME`` by default.
    collection, subject : str, optional
        The collection and the thing that it is about.
    data : Any, optional
        A payload that can be written as JSON, of at most 1 MB.
    datatime : str or datetime, optional
        The time of the data, RFC 3339; a datetime without a zone is UTC.
    access : str, optional
        Who sees it: ``"private"`` (you), ``"public"`` or ``"group:NAME"``.
    id : str, optional
        Your own name for the event: the same source and id again change nothing.
    lake : Lake, path or None, optional
        The default lake when None.

    Returns
    -------
    Event
        With its sequence number.

    Raises
    ------
    BadEvent
        When an attribute is wrong; ``field`` names it.

    Examples
    --------
    >>> import tempfile
    >>> notify("org.example.ping", data={"n": 1}, lake=tempfile.mkdtemp()).sequence
    1
    """
    opened = open_lake(lake)
    event = Event(
        type=type,
        source=source or f"/users/{opened.user}",
        collection=collection,
        subject=subject,
        data=data,
        datatime=datatime if isinstance(datatime, str) else _rfc3339(datatime),
        owner=opened.user,
        access=access,
        id=id or new_id(),
    )
    (sequence,) = opened.log.append([event])
    return msgspec.structs.replace(event, sequence=sequence)


def listen(
    type: str = "",
    *,
    collection: str = "",
    after: int | None = None,
    timeout: float | None = None,
    lake: LakeLike = None,
) -> Iterator[Event]:
    """Events as they come, for ever or until ``timeout`` seconds pass without one.

    Parameters
    ----------
    type, collection : str, optional
        Only events of exactly this type and collection; empty means any.
    after : int, optional
        Begin after this sequence number; None begins with what comes after this call.
    timeout : float, optional
        Seconds of silence after which to stop.
    lake : Lake, path or None, optional
        The default lake when None.

    Yields
    ------
    Event

    Examples
    --------
    >>> import tempfile
    >>> lake = tempfile.mkdtemp()
    >>> sent = notify("org.example.ping", lake=lake)
    >>> [event.type for event in listen(after=0, timeout=0.1, lake=lake)]
    ['org.example.ping']
    """
    where = EventFilter(type=type, collection=collection)
    return open_lake(lake).log.follow(after=after, where=where, timeout=timeout)


def replay(
    since: datetime | date | str | int = 0,
    *,
    type: str = "",
    collection: str = "",
    until_now: bool = True,
    lake: LakeLike = None,
) -> Iterator[Event]:
    """All events of the past, oldest first, without a limit.

    Parameters
    ----------
    since : datetime, date, str or int, optional
        Published at or after this time (ISO 8601; without a zone it is UTC), or with a
        sequence number above this one.
    type, collection : str, optional
        Only events of exactly this type and collection; empty means any.
    until_now : bool, optional
        False goes on with new events as they come, for ever.
    lake : Lake, path or None, optional
        The default lake when None.

    Yields
    ------
    Event

    Raises
    ------
    BadEvent
        When ``since`` is no time.

    Examples
    --------
    >>> import tempfile
    >>> lake = tempfile.mkdtemp()
    >>> sent = notify("org.example.ping", lake=lake)
    >>> [event.sequence for event in replay("2026-01-01", lake=lake)]
    [1]
    """
    number = since if isinstance(since, int) else 0
    where = EventFilter(
        type=type,
        collection=collection,
        since="" if isinstance(since, int) else _time_of(since),
    )
    opened = open_lake(lake)
    if not until_now:
        return opened.log.follow(after=number, where=where)
    return _history(opened, number, opened.log.last(), where)


def _history(lake: Lake, after: int, end: int, where: EventFilter) -> Iterator[Event]:
    while after < end:
        page = lake.log.read(after=after, limit=_PAGE, where=where)
        for event in page:
            if event.sequence > end:
                return
            yield event
        if len(page) < _PAGE:
            return
        after = page[-1].sequence


def _time_of(since: datetime | date | str) -> str:
    if isinstance(since, str):
        try:
            since = datetime.fromisoformat(since)
        except ValueError as error:
            raise BadEvent(
                f"since must be a time such as '2026-01-31' or '2026-01-31T06:00:00Z', "
                f"or a sequence number; {since!r} is neither.",
                field="since",
            ) from error
    if not isinstance(since, datetime):
        since = datetime(since.year, since.month, since.day)
    return _rfc3339(since)


def _rfc3339(time: datetime) -> str:
    zoned = time if time.tzinfo else time.replace(tzinfo=UTC)
    text = zoned.astimezone(UTC).isoformat().replace("+00:00", "Z")
    moment(text)
    return text
