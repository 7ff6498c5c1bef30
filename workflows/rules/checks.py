"""What is wrong with a rule, found when it is saved and not when it fires."""

from collections.abc import Callable, Collection, Iterator

from ...catalogs.errors import BadParameter, BadRequest
from ...catalogs.events.event import EventFilter
from .matching import parts_of
from .model import CommandAction, FunctionAction, NotebookAction, NotifyAction, OperateAction, Rule
from .naming import check_name
from .templates import PLACES, places

LARGEST_BATCH = 10_000
MOST_ATTEMPTS = 100
MOST_AT_ONCE = 64
LONGEST_SECONDS = 366 * 86_400.0

#: The names of the fields that every event of a type has, by its schema; None when unknown.
Fields = Callable[[str], Collection[str] | None]


def check_rule(rule: Rule, fields: Fields = lambda _type: None) -> None:
    """Raise ``BadRequest`` when a rule would see everything, or names what no event has.

    Parameters
    ----------
    rule : Rule
        The rule.
    fields : callable, optional
        The fields of a type of events, by its schema.
    """
    check_name(rule.name)
    parts = rule.fan.all_of
    if not _narrow(rule.where) and not (parts and all(map(_narrow, parts))):
        raise BadRequest(
            "A rule needs an event type or a collection; without both every event would set "
            "it off.",
            field="where",
        )
    for where in (rule.where, *rule.fan.all_of):
        where.validated()
    _check_numbers(rule)
    _check_fan(rule)
    known = {*PLACES, *_promised(rule, fields)}
    for field, value in _templates(rule):
        for place in places(value):
            if place not in known and not place.startswith("data."):
                raise BadParameter(
                    f"{field!r} holds {{{place}}}; an event can put in only "
                    f"{', '.join(sorted(known))}, or {{data.NAME}} for a field of its payload.",
                    field=field,
                )


def _narrow(where: EventFilter) -> bool:
    """Whether a filter names a type or a collection, in whichever way."""
    return bool(
        where.type
        or where.collection
        or where.types
        or any(map(_narrow, where.all))
        or (where.any and all(map(_narrow, where.any)))
    )


def _check_numbers(rule: Rule) -> None:
    limits = {
        "concurrency": (rule.concurrency, 1, MOST_AT_ONCE),
        "within": (rule.within, 0, LONGEST_SECONDS),
        "retry.attempts": (rule.retry.attempts, 1, MOST_ATTEMPTS),
        "retry.first": (rule.retry.first, 0, LONGEST_SECONDS),
        "retry.longest": (rule.retry.longest, 0, LONGEST_SECONDS),
        "fan.count": (rule.fan.count, 1, LARGEST_BATCH),
        "fan.window": (rule.fan.window, 0, LONGEST_SECONDS),
    }
    for field, (value, least, most) in limits.items():
        if not least <= value <= most:
            raise BadRequest(f"{field} must be from {least} to {most:g}.", field=field)


def _check_fan(rule: Rule) -> None:
    fan = rule.fan
    if fan.all_of and (fan.count > 1 or fan.window):
        raise BadRequest(
            "all_of waits for each of its parts, so it takes neither a count nor a window.",
            field="fan",
        )
    if fan.by and fan.single:
        raise BadRequest("by puts nothing together without a count, window or all_of.", field="by")
    if rule.within and not fan.single:
        raise BadRequest("A rule that fires on silence gathers no events.", field="within")
    if isinstance(rule.action, CommandAction) and not all([rule.action.words, *rule.action.words]):
        raise BadRequest("A command needs words, none of them empty.", field="words")
    if isinstance(rule.action, NotifyAction) and not rule.action.type:
        raise BadRequest("An event needs a type.", field="type")
    if isinstance(rule.action, OperateAction) and rule.action.expires <= 0:
        raise BadRequest("A command must live for some seconds.", field="expires")


def _promised(rule: Rule, fields: Fields) -> Iterator[str]:
    """Fields that an event that matches surely has, or that its silence has."""
    for where in (rule.where, *rule.fan.all_of):
        for part in parts_of(where):
            yield from part.where
            for type in (part.type, *part.types):
                yield from (fields(type) or ()) if type else ()


def _templates(rule: Rule) -> Iterator[tuple[str, object]]:
    yield "key", rule.key
    yield "by", rule.fan.by
    action = rule.action
    if isinstance(action, NotebookAction | OperateAction):
        yield from action.parameters.items()
    if isinstance(action, CommandAction):
        yield "words", action.words
    for name in ("station", "command", "collection", "subject", "data"):
        if not isinstance(action, FunctionAction):
            yield name, getattr(action, name, "")
