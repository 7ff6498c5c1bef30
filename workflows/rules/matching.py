"""When a rule fires, and with which parameters."""

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any
from uuid import uuid4

from ...catalogs.access import Reader
from ...catalogs.errors import BadParameter, BadRequest
from ...catalogs.events.event import JOB_CHANGED, Event, moment
from ..jobs import Job
from .model import Rule

# The attributes of an event that a rule may put into a parameter.
PLACES = ("collection", "datatime", "subject", "id", "source", "type", "time", "sequence")
_PLACE = re.compile(r"\{(\w+)\}")
_NAME = re.compile(r"[\w][\w .:-]{0,99}")


def job_id(*parts: object) -> str:
    """A job's id: the same parts give the same id for ever; no parts give a new one.

    Examples
    --------
    >>> job_id("ann", "key") == job_id("ann", "key")
    True
    """
    if not parts:
        return uuid4().hex[:20]
    text = "\0".join(str(part) for part in parts)
    return blake2b(text.encode(), digest_size=10).hexdigest()


def check_name(name: str) -> None:
    """Raise ``BadRequest`` when a rule or schedule cannot have this name."""
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"{name!r} cannot be a name: use up to 100 letters, digits, blanks and . : - _, "
            "beginning with a letter or digit.",
            field="name",
        )


def check_rule(rule: Rule) -> None:
    """Raise ``BadRequest`` when a rule would see everything or names an unknown place."""
    check_name(rule.name)
    if not rule.where.type and not rule.where.collection:
        raise BadRequest(
            "A rule needs an event type or a collection; without both every event would "
            "start a job.",
            field="where",
        )
    if rule.where.since:
        moment(rule.where.since, "since")
    for name, value in rule.parameters.items():
        for place in _places(value):
            if place not in PLACES:
                raise BadParameter(
                    f"Parameter {name!r} holds {{{place}}}; an event can put in only "
                    f"{', '.join(PLACES)}.",
                    field=name,
                )


def matches(rule: Rule, event: Event, reader: Reader) -> bool:
    """Whether an event sets off a rule whose owner is ``reader``.

    Events that came before the rule, that the owner may not see, or that only tell of
    jobs (unless the rule names that type) do not.
    """
    if rule.paused or event.sequence <= rule.cursor:
        return False
    if event.type == JOB_CHANGED and rule.where.type != JOB_CHANGED:
        return False
    return rule.where.matches(event) and reader.may_see(event.owner, event.access)


def comes_from(rule: Rule, maker: Job | None, job_of: Callable[[str], Job | None]) -> bool:
    """Whether a job is one of this very rule, or one that such a job led to.

    Without this a rule that publishes what it listens for would run for ever.

    Parameters
    ----------
    rule : Rule
        The rule that an event matches.
    maker : Job, optional
        The job that made the event.
    job_of : callable
        Finds a job by id.
    """
    seen: set[str] = set()
    while maker is not None and maker.id not in seen:
        if (maker.rule, maker.owner) == (rule.name, rule.owner):
            return True
        seen.add(maker.id)
        maker = job_of(maker.parent) if maker.parent else None
    return False


def maker_of(event: Event) -> str:
    """The id of the job that made the event; empty when none is known.

    What a job publishes or puts into a pool says so in ``data["job"]``.
    """
    if event.type == JOB_CHANGED:
        return event.source.removeprefix("/jobs/")
    if isinstance(event.data, Mapping):
        return str(event.data.get("job") or "")
    return ""


def fill(value: Any, event: Event) -> Any:
    """A parameter with the event's attributes in place of ``{collection}`` and the like.

    Examples
    --------
    >>> fill("{collection}-mean", Event(type="t", source="/s", collection="sst"))
    'sst-mean'
    """
    if isinstance(value, str):
        return _PLACE.sub(
            lambda found: str(getattr(event, found[1])) if found[1] in PLACES else found[0], value
        )
    if isinstance(value, Mapping):
        return {key: fill(each, event) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, event) for each in value]
    return value


def job_for(rule: Rule, event: Event, parent: str = "") -> Job:
    """The job that a rule asks for on an event; its id never changes."""
    return Job(
        id=job_id("rule", rule.owner, rule.name, event.source, event.id),
        recipe=rule.recipe,
        parameters=fill(rule.parameters, event),
        owner=rule.owner,
        rule=rule.name,
        event=event.sequence,
        parent=parent,
    )


def _places(value: Any) -> list[str]:
    if isinstance(value, str):
        return _PLACE.findall(value)
    if isinstance(value, Mapping):
        return [place for each in value.values() for place in _places(each)]
    if isinstance(value, list):
        return [place for each in value for place in _places(each)]
    return []
