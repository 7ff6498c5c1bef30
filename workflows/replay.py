"""A rule on the events of the past: what it would have done, by their own clock."""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from ..catalogs.access import Reader
from ..catalogs.events.event import Event, moment
from .rules.fan import Pile
from .rules.matching import Made, comes_from, maker_of, matches
from .rules.model import Rule
from .rules.owing import Owed, owed_for
from .rules.silence import begin
from .rules.templates import fill


def deliveries_of(
    rule: Rule,
    events: Iterable[Event],
    *,
    reader: Reader,
    find: Callable[[str], Made | None] = lambda _id: None,
    again: str = "",
) -> Iterator[Owed]:
    """What a rule owes for events that are over.

    Windows and silences are measured by the events' own times.  At the end an open batch is
    closed as it is; parts of sets that are not whole lead to nothing.

    Parameters
    ----------
    rule : Rule
        The rule; where it began and whether it is paused do not matter.
    events : iterable of Event
        In order.
    reader : Reader
        Its owner.
    find : callable, optional
        Finds a job or delivery by id, so that it does not hear of what it led to.
    again : str, optional
        See :func:`.rules.owing.owed_for`.

    Examples
    --------
    >>> from .rules.model import NotifyAction
    >>> from ..catalogs.events.event import EventFilter
    >>> rule = Rule(
    ...     name="r", owner="ann", where=EventFilter(type="t"), action=NotifyAction(type="seen")
    ... )
    >>> tick = Event(type="t", source="/s", id="1", sequence=1)
    >>> [each.delivery.events for each in deliveries_of(rule, [tick], reader=Reader(name="ann"))]
    [(1,)]
    """
    rule = msgspec.structs.replace(rule, paused=False, cursor=0)
    hit = (event for event in events if _is_meant(rule, event, reader, find))
    if rule.within:
        yield from _silences(rule, hit, again)
    elif rule.fan.single:
        for event in hit:
            yield owed_for(rule, [event], maker_of(event), again=again)
    else:
        for together in _sets(rule, hit):
            yield owed_for(rule, together, maker_of(together[-1]), again=again)


def _is_meant(rule: Rule, event: Event, reader: Reader, find: Callable[[str], Made | None]) -> bool:
    if not matches(rule, event, reader):
        return False
    maker = maker_of(event)
    return not (maker and comes_from(rule, find(maker), find))


def _sets(rule: Rule, events: Iterable[Event]) -> Iterator[tuple[Event, ...]]:
    pile = Pile(rule.fan)
    for event in events:
        now = moment(event.time) / 1e6
        yield from pile.close(now)
        yield from pile.add(event, str(fill(rule.fan.by, event)), now)
    yield from pile.flush()


def _silences(rule: Rule, events: Iterable[Event], again: str) -> Iterator[Owed]:
    silence = None
    for event in events:
        now = moment(event.time) / 1e6
        silence = silence or begin(rule, now)
        if silence.over(rule, now):
            yield owed_for(rule, [silence.event(rule)], again=again)
        silence = silence.heard(event, now, live=True)
