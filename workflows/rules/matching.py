"""Which events set off a rule, and which never do."""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from ...catalogs.access import Reader
from ...catalogs.events.event import JOB_CHANGED, Event, EventFilter
from .model import Rule

# Events that tell of automation itself set off only rules that name their type.
OURS = (JOB_CHANGED, "org.boathouse.rule.dead", "org.boathouse.rule.delivered")


class Made(Protocol):
    """What a rule has set off: a job or a delivery."""

    @property
    def id(self) -> str:
        """Its name for ever."""
        ...

    @property
    def rule(self) -> str:
        """The rule that set it off."""
        ...

    @property
    def owner(self) -> str:
        """In whose name."""
        ...

    @property
    def parent(self) -> str:
        """What made the event that set it off."""
        ...


def matches(rule: Rule, event: Event, reader: Reader) -> bool:
    """Whether an event sets off a rule whose owner is ``reader``.

    Events that came before the rule, that the owner may not see, or that only tell of
    automation itself (unless the rule names that type) do not.
    """
    if rule.paused or event.sequence <= rule.cursor:
        return False
    if event.type in OURS and not _names(rule, event.type):
        return False
    if not rule.where.matches(event):
        return False
    if rule.fan.all_of and not any(each.matches(event) for each in rule.fan.all_of):
        return False
    return reader.may_see(event.owner, event.access)


def comes_from(rule: Rule, maker: Made | None, find: Callable[[str], Made | None]) -> bool:
    """Whether a job or delivery is one of this very rule, or one that such a one led to.

    Without this a rule that publishes what it listens for would run for ever.

    Parameters
    ----------
    rule : Rule
        The rule that an event matches.
    maker : Job or Delivery, optional
        What made the event.
    find : callable
        Finds a job or a delivery by id.
    """
    seen: set[str] = set()
    while maker is not None and maker.id not in seen:
        if (maker.rule, maker.owner) == (rule.name, rule.owner):
            return True
        seen.add(maker.id)
        maker = find(maker.parent) if maker.parent else None
    return False


def maker_of(event: Event) -> str:
    """The id of the job or delivery that made the event; empty when none is known.

    What a job publishes or puts into a pool says so in ``data["job"]``; an event that a
    delivery appends has an id that begins with the delivery's.
    """
    if event.type == JOB_CHANGED:
        return event.source.removeprefix("/jobs/")
    if isinstance(event.data, Mapping) and event.data.get("job"):
        return str(event.data["job"])
    return event.id.partition("~")[0] if "~" in event.id else ""


def made_id(delivery: str, number: int) -> str:
    """The id of the n-th event that a delivery appends; see :func:`maker_of`."""
    return f"{delivery}~{number}"


def parts_of(where: EventFilter) -> Iterator[EventFilter]:
    """A filter and those that stand in it and ask for something (not those behind a ``not``)."""
    yield where
    for part in (*where.all, *where.any):
        yield from parts_of(part)


def _names(rule: Rule, type: str) -> bool:
    return any(
        type == each.type or type in each.types
        for where in (rule.where, *rule.fan.all_of)
        for each in parts_of(where)
    )
