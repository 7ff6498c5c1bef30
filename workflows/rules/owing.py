"""What a rule owes for events: the delivery, with its templates filled."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec

from ...catalogs.events.event import Event
from ..deliveries import Delivery
from ..jobs import JOBS_OF_A_USER, Job
from .model import Action, CommandAction, FunctionAction, NotebookAction, PostAction, Rule
from .naming import job_id
from .templates import fill, fill_list


class Owed(NamedTuple):
    """A delivery and the events that its performer gets."""

    delivery: Delivery
    events: tuple[Event, ...]


def owed_for(rule: Rule, events: Sequence[Event], parent: str = "", *, again: str = "") -> Owed:
    """The delivery that a rule owes for events; the same events give the same id for ever.

    Parameters
    ----------
    rule : Rule
        The rule.
    events : sequence of Event
        One, or those that its fan has put together.
    parent : str
        The job or delivery that made the (last) event.
    again : str
        Something new makes another delivery of the same events.
    """
    last = events[-1]
    names = [part for event in events for part in (event.source, event.id)]
    words: list[object] = ["rule", rule.owner, rule.name, *names, *([again] if again else [])]
    single = rule.fan.single
    delivery = Delivery(
        id=job_id(*words),
        rule=rule.name,
        owner=rule.owner,
        version=rule.version,
        kind=rule.kind or "compute",
        action=filled(rule.action, events, single=single),
        key=str(fill(rule.key, last)) if rule.key else "",
        events=tuple(event.sequence for event in events if event.sequence),
        idempotency="/".join(filter(None, (rule.owner, rule.name, last.source, last.id, again))),
        parent=parent,
    )
    return Owed(delivery, tuple(events))


def filled(action: Action, events: Sequence[Event], *, single: bool) -> Action:
    """An action with its templates filled; what must not depend on an event is left alone."""
    if isinstance(action, PostAction | FunctionAction):
        return action
    if isinstance(action, CommandAction):
        words = tuple(str(fill(word, events[-1])) for word in action.words)
        return msgspec.structs.replace(action, words=words)
    if isinstance(action, NotebookAction):
        parameters = _fill(action.parameters, events, single=single)
        return msgspec.structs.replace(action, parameters=parameters)
    changes = {
        name: _fill(getattr(action, name), events, single=single)
        for name in ("parameters", "data")
        if hasattr(action, name)
    }
    for name in ("station", "command", "collection", "subject"):
        if hasattr(action, name):
            changes[name] = str(fill(getattr(action, name), events[-1]))
    return msgspec.structs.replace(action, **changes)


def runs_at_once(rule: Rule) -> bool:
    """Whether its jobs may be queued as soon as their events are seen.

    They may unless the rule limits them more than the queue of jobs does by itself.
    """
    return (
        isinstance(rule.action, NotebookAction)
        and not rule.key
        and rule.concurrency >= JOBS_OF_A_USER
    )


def job_for(delivery: Delivery) -> Job:
    """The job of a delivery that runs a recipe; they have the same id."""
    action = cast("NotebookAction", delivery.action)
    return Job(
        id=delivery.id,
        recipe=action.recipe,
        parameters=action.parameters,
        owner=delivery.owner,
        rule=delivery.rule,
        event=delivery.events[-1] if delivery.events else 0,
        parent=delivery.parent,
    )


def _fill(value: Any, events: Sequence[Event], *, single: bool) -> Any:
    return fill(value, events[-1]) if single else fill_list(value, events)
