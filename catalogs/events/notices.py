"""The notebook face of the event log: ``notify``, ``listen`` and ``replay``."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, cast, overload

import msgspec

from ..access import PRIVATE
from ..errors import BadEvent
from ..lake import Lake, LakeLike, open_lake
from .conditions import make_filter, rfc3339, write_bbox
from .event import Event, EventFilter, new_id
from .listening import ConsumerSource, Listening, Source, Watching

Extensions = Mapping[str, str | int | bool]

_PAGE = 1000


def notify(
    type: str,
    *,
    source: str = "",
    collection: str = "",
    subject: str = "",
    data: Any = None,
    datatime: str | datetime = "",
    bbox: Sequence[float] | str = (),
    dataref: str = "",
    partitionkey: str = "",
    expirytime: str | datetime = "",
    extensions: Extensions | None = None,
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
    bbox : sequence of float or str, optional
        West, south, east, north in degrees; west > east crosses the antimeridian.
    dataref : str, optional
        Where the data themselves lie.
    partitionkey : str, optional
        What belongs together, for logs that are spread over several machines.
    expirytime : str or datetime, optional
        After this nobody need care.
    extensions : mapping, optional
        Further attributes of CloudEvents: lower-case letters and digits to a text, an integer
        or a truth value.
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
        datatime=_time_text(datatime),
        bbox=write_bbox(bbox),
        dataref=dataref,
        partitionkey=partitionkey,
        expirytime=_time_text(expirytime),
        extensions=dict(extensions or {}),
        owner=opened.user,
        access=access,
        id=id or new_id(),
    )
    (sequence,) = opened.log.append([event])
    return msgspec.structs.replace(event, sequence=sequence)


def notify_many(
    events: Iterable[Event | Mapping[str, Any]], *, lake: LakeLike = None
) -> list[Event]:
    """Put many events in the log, much faster than one by one; all are on disk afterwards.

    Parameters
    ----------
    events : iterable of Event or mapping
        Events, or what :func:`notify` takes: ``{"type": ..., "data": ...}``.
    lake : Lake, path or None, optional
        The default lake when None.

    Returns
    -------
    list of Event
        In the same order, with their sequence numbers.

    Raises
    ------
    BadEvent
        When one is wrong; its text begins with its place, and none of its batch is stored.

    Examples
    --------
    >>> import tempfile
    >>> sent = notify_many(({"type": "org.example.ping", "data": n} for n in range(3)),
    ...                    lake=tempfile.mkdtemp())
    >>> [event.sequence for event in sent]
    [1, 2, 3]
    """
    opened = open_lake(lake)
    made = [_event_of(each, place, opened) for place, each in enumerate(events)]
    sequences = opened.log.append(made) if made else []
    return [
        msgspec.structs.replace(event, sequence=sequence)
        for event, sequence in zip(made, sequences, strict=True)
    ]


@overload
def listen(
    type: str | Sequence[str] = "",
    *,
    callback: None = None,
    consumer: str = "",
    collection: str = "",
    source: str = "",
    subject: str = "",
    types: Sequence[str] = (),
    bbox: Sequence[float] | str = (),
    area: Any = None,
    where: Mapping[str, Any] | EventFilter | None = None,
    after: int | None = None,
    since: datetime | date | str = "",
    timeout: float | None = None,
    lease: float | None = None,
    attempts: int | None = None,
    lake: LakeLike = None,
    **fields: Any,
) -> Listening: ...


@overload
def listen(
    type: str | Sequence[str] = "",
    *,
    callback: Callable[[Event], Any],
    consumer: str = "",
    collection: str = "",
    source: str = "",
    subject: str = "",
    types: Sequence[str] = (),
    bbox: Sequence[float] | str = (),
    area: Any = None,
    where: Mapping[str, Any] | EventFilter | None = None,
    after: int | None = None,
    since: datetime | date | str = "",
    timeout: float | None = None,
    lease: float | None = None,
    attempts: int | None = None,
    lake: LakeLike = None,
    **fields: Any,
) -> Watching: ...


def listen(
    type: str | Sequence[str] = "",
    *,
    callback: Callable[[Event], Any] | None = None,
    consumer: str = "",
    after: int | None = None,
    since: datetime | date | str = "",
    timeout: float | None = None,
    lease: float | None = None,
    attempts: int | None = None,
    lake: LakeLike = None,
    **conditions: Any,
) -> Listening | Watching:
    """Events as they come, for ever or until ``timeout`` seconds pass without one.

    Parameters
    ----------
    type : str or sequence of str, optional
        Only events of exactly this type; ``"org.example.*"`` is each that begins so.
    callback : callable, optional
        Called with each event, in a thread; an error in it is logged.
    consumer : str, optional
        A name for your place in the log, kept on the server: whoever listens with it goes on
        where the work stopped, and two who do share the events.  An event is done when the
        callback has returned, or when the loop asks for the next; after an error it comes
        again, later, and after ``attempts`` it is a dead letter.  Its filter is kept too: other
        conditions replace it, none leave it as it is.
    collection, source, subject : str, optional
        Exact; a ``*`` at the end of a subject means each that begins so.
    types : sequence of str, optional
        Any of these.
    bbox : sequence of float, optional
        West, south, east, north in degrees: what the event concerns touches it.
    area : bh.Polygon or other geometry, optional
        A shape such as ``bh.Polygon``, GeoJSON, or a geometry of shapely.
    where : mapping or EventFilter, optional
        Field to its value, or to ``{"lt": 20}`` and the like; or a whole filter.
    after : int, optional
        Begin after this sequence number; None begins with what comes after this call.
    since : datetime, date or str, optional
        Begin with what was published at or after this time.
    timeout : float, optional
        Seconds of silence after which to stop.
    lease : float, optional
        Of a consumer: seconds after which the events of one that died come again; 30 at first.
    attempts : int, optional
        Of a consumer: after so many an event is a dead letter; 5 at first.
    lake : Lake, path or None, optional
        The default lake when None.
    **fields
        Further fields, as in ``where``: ``cloud_cover={"lt": 20}``.

    Returns
    -------
    Listening or Watching
        To iterate over, with ``for`` or ``async for``; with a callback a handle that has
        ``stop()``.

    Raises
    ------
    BadEvent
        When a condition is wrong, or ``after`` is past the end; ``field`` names it.
    Gone
        When the events after ``after`` are kept no longer.

    Examples
    --------
    >>> import tempfile
    >>> lake = tempfile.mkdtemp()
    >>> sent = notify("org.example.ping", lake=lake)
    >>> [event.type for event in listen(after=0, timeout=0.1, lake=lake)]
    ['org.example.ping']
    """
    wanted = filter_of(type, since=since, **conditions)
    log = open_lake(lake).log
    start = 0 if after is None and wanted.since else after
    if consumer:
        asked = None if wanted == EventFilter() else wanted
        opened = log.consume(consumer, where=asked, after=start, lease=lease, attempts=attempts)
        source: Source = ConsumerSource(log, opened, timeout)
    else:
        source = Source(log, wanted, start, timeout)
    return Listening(source) if callback is None else Watching(source, callback)


def replay(
    since: datetime | date | str | int = 0,
    until: datetime | date | str | int = "",
    *,
    type: str | Sequence[str] = "",
    collection: str = "",
    until_now: bool = True,
    lake: LakeLike = None,
    **conditions: Any,
) -> Iterator[Event]:
    """All events of the past, oldest first, without a limit.

    Parameters
    ----------
    since : datetime, date, str or int, optional
        Published at or after this time (ISO 8601; without a zone it is UTC), or with a
        sequence number above this one.
    until : datetime, date, str or int, optional
        Published before this time, or with a sequence number up to this one.
    type : str or sequence of str, optional
        Only events of exactly this type; ``"org.example.*"`` is each that begins so.
    collection : str, optional
        Only events of exactly this collection.
    until_now : bool, optional
        False goes on with new events as they come, for ever.
    lake : Lake, path or None, optional
        The default lake when None.
    **conditions
        ``data_since`` and ``data_until`` are the times of the data; all others are those of
        :func:`listen`: ``types``, ``source``, ``subject``, ``bbox``, ``area``, ``where`` and
        fields.

    Yields
    ------
    Event

    Raises
    ------
    BadEvent
        When a condition is wrong; ``field`` names it.
    Gone
        When ``since`` is a number below what the log still keeps.

    Examples
    --------
    >>> import tempfile
    >>> lake = tempfile.mkdtemp()
    >>> sent = notify("org.example.ping", lake=lake)
    >>> [event.sequence for event in replay("2026-01-01", lake=lake)]
    [1]
    """
    numbered = isinstance(since, int)
    ends = isinstance(until, int)
    wanted = filter_of(
        type,
        collection=collection,
        since="" if numbered else since,
        until="" if ends else until,
        **conditions,
    )
    opened = open_lake(lake)
    number = since if isinstance(since, int) else 0
    if not until_now:
        if until != "":
            raise BadEvent("until and until_now=False exclude each other.", field="until")
        return iter(Listening(Source(opened.log, wanted, number, None)))
    end = opened.log.last()
    return _history(opened, number, min(until, end) if isinstance(until, int) else end, wanted)


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


_CONDITIONS = {"collection", "source", "subject", "types", "since", "until", "data_since",
               "data_until", "bbox", "area"}  # fmt: skip


def filter_of(type: str | Sequence[str], **conditions: Any) -> EventFilter:
    """The filter of these keywords; those that are no conditions are fields."""
    where = conditions.pop("where", None)
    given = {name: conditions.pop(name) for name in _CONDITIONS & conditions.keys()}
    if not isinstance(where, EventFilter):
        return make_filter(type=type, where=where, fields=conditions, **given)
    alone = make_filter(type=type, fields=conditions, **given)
    return where.validated() if alone == EventFilter() else EventFilter(all=(where, alone))


def _event_of(given: Event | Mapping[str, Any], place: int, lake: Lake) -> Event:
    try:
        if isinstance(given, Event):
            mine = given if given.owner else msgspec.structs.replace(given, owner=lake.user)
            return mine.validated()
        if not isinstance(cast("Any", given), Mapping):
            raise BadEvent("An event is a mapping such as {'type': 'org.example.ping'}.")
        attributes = dict(given)
        for name in ("datatime", "expirytime"):
            attributes[name] = _time_text(attributes.get(name, ""))
        attributes["bbox"] = write_bbox(attributes.get("bbox", ()))
        full: dict[str, Any] = {"source": f"/users/{lake.user}", "access": PRIVATE, **attributes}
        unknown = full.keys() - set(Event.__struct_fields__) | full.keys() & {"sequence"}
        if unknown:
            name = min(unknown)
            raise BadEvent(f"{name} is no attribute that you can set.", field=name)
        if "type" not in full:
            raise BadEvent("An event needs a type; this one has none.", field="type")
        full["owner"] = lake.user
        return Event(**full).validated()
    except BadEvent as error:
        raise BadEvent(f"events[{place}]: {error.detail}", field=error.field) from error


def _time_text(time: str | datetime) -> str:
    # A text is left as it is: the event says what is wrong with it.
    return time if isinstance(time, str) else rfc3339(time)
