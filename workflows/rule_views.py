"""How rules, their deliveries and dry runs look in a notebook."""

from collections.abc import Iterable
from html import escape
from typing import Any

import msgspec

from ..catalogs.events.event import EventFilter
from .deliveries import Delivery, DryRun
from .listing import COLOURS, Cell, Listing
from .rules.model import (
    Action,
    CommandAction,
    FunctionAction,
    NotebookAction,
    NotifyAction,
    OperateAction,
    PostAction,
    Rule,
)

STATE_COLOURS = {
    "waiting": COLOURS["accepted"],
    "leased": COLOURS["running"],
    "done": COLOURS["successful"],
    "dead": COLOURS["failed"],
    "withdrawn": COLOURS["dismissed"],
}
# What people read: "leased" says who holds it, they ask what happens.
STATE_WORDS = {"leased": "running", "dead": "dead letter"}
_SIGNS = {"eq": "=", "ne": "≠", "lt": "<", "lte": "≤", "gt": ">", "gte": "≥"}
LONGEST_TEXT = 80


class Tally(msgspec.Struct, kw_only=True):
    """What a rule did lately.

    Attributes
    ----------
    done, dead, waiting : int
        How many of its deliveries are in these states; those that run count as waiting.
    last : Delivery or None
        The newest.
    """

    done: int = 0
    dead: int = 0
    waiting: int = 0
    last: Delivery | None = None


def tallies(deliveries: Iterable[Delivery]) -> dict[tuple[str, str], Tally]:
    """Deliveries counted by owner and rule; one that is there twice counts once."""
    found: dict[tuple[str, str], Tally] = {}
    for each in {delivery.id: delivery for delivery in deliveries}.values():
        tally = found.setdefault((each.owner, each.rule), Tally())
        if each.state in ("waiting", "leased"):
            tally.waiting += 1
        elif each.state == "done":
            tally.done += 1
        elif each.state == "dead":
            tally.dead += 1
        if tally.last is None or each.number > tally.last.number:
            tally.last = each
    return found


def action_text(action: Action) -> str:
    """What a rule does, in a few words.

    Examples
    --------
    >>> action_text(NotebookAction(recipe="mean-over-shape"))
    'runs mean-over-shape'
    """
    match action:
        case NotebookAction():
            return f"runs {action.recipe}"
        case PostAction():
            # Not the query: what gives access to a webhook often stands there.
            return f"posts to {action.url.partition('?')[0]}"
        case CommandAction():
            return _short(f"runs {' '.join(action.words)}")
        case NotifyAction():
            return f"sends {action.type}"
        case FunctionAction():
            return f"calls {action.name}"
        case OperateAction():
            return f"sends {action.command} to {action.station}"


def condition_text(where: EventFilter) -> str:
    """Which events a filter picks, in a few words.

    Examples
    --------
    >>> condition_text(EventFilter(type="org.example.ping", collection="sst"))
    'org.example.ping in sst'
    """
    types = [where.type] if where.type else list(where.types)
    head = " or ".join(types) or "any event"
    parts = [f"in {where.collection}"] if where.collection else []
    parts += [f"from {where.source}"] if where.source else []
    parts += [f"about {where.subject}"] if where.subject else []
    for field, wanted in where.where.items():
        parts.append(f"with {_comparison(field, wanted)}")
    if where.bbox or where.area:
        parts.append("in an area")
    if where.any or where.all or where.not_:
        parts.append("and more")
    return _short(" ".join([head, *parts]))


def rule_condition(rule: Rule) -> str:
    """When a rule fires, with silence and batches."""
    parts = [condition_text(each) for each in rule.fan.all_of] or [condition_text(rule.where)]
    text = " and ".join(parts)
    if rule.within:
        return f"no {text} for {duration_text(rule.within)}"
    if rule.fan.count > 1:
        text = f"{rule.fan.count} of {text}"
    if rule.fan.window:
        text += f" within {duration_text(rule.fan.window)}"
    return text


def duration_text(seconds: float) -> str:
    """Seconds as people say them.

    Examples
    --------
    >>> duration_text(7200)
    '2 h'
    """
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and not seconds % size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def state_text(delivery: Delivery) -> str:
    """A delivery's state in the words of people."""
    return STATE_WORDS.get(delivery.state, delivery.state)


def result_text(delivery: Delivery) -> str:
    """What came of a delivery, in one line."""
    if delivery.error:
        return _short(delivery.error.partition("\n")[0])
    return _short(", ".join(f"{name}: {value}" for name, value in delivery.result.items()))


class Deliveries(Listing[Delivery]):
    """Deliveries of rules, newest first, as a table in a notebook."""


def list_deliveries(deliveries: Iterable[Delivery], lab: str = "") -> Deliveries:
    """Deliveries as a table.

    Parameters
    ----------
    deliveries : iterable of Delivery
        Newest first.
    lab : str, optional
        What stands before ``ID`` in the address of a job's page; empty when there is none.
    """

    def came_of(delivery: Delivery) -> str:
        job = delivery.result.get("job")
        if not job:
            return escape(result_text(delivery))
        name = escape(str(job))
        if not lab:
            return f"job <code>{name}</code>"
        return f'<a href="{escape(lab)}{name}" target="_blank" rel="noopener">job {name}</a>'

    columns: dict[str, Cell] = {
        "delivery": lambda each: f"<code>{escape(each.id)}</code>",
        "rule": lambda each: escape(each.rule),
        "state": _state_html,
        "attempts": lambda each: str(each.attempts),
        "events": lambda each: (
            ", ".join(map(str, each.events[:5])) + (" ..." if len(each.events) > 5 else "")
        ),
        "did": lambda each: escape(action_text(each.action)),
        "created": lambda each: escape(each.created),
        "finished": lambda each: escape(each.finished),
        "result": came_of,
    }
    empty = "Nothing yet: no event has set it off since it was saved."
    return Deliveries(deliveries, columns, empty)


def list_dry_runs(runs: Iterable[DryRun]) -> Listing[DryRun]:
    """What a rule would have done, as a table."""
    columns: dict[str, Cell] = {
        "events": lambda run: ", ".join(map(str, run.events)),
        "time": lambda run: escape(run.time),
        "key": lambda run: escape(run.key),
        "would have": lambda run: escape(action_text(run.action)),
        "with": lambda run: escape(_short(_details(run.action))),
    }
    return Listing(runs, columns, "It would have done nothing: no event of the past matches.")


def rule_html(rule: Rule) -> str:
    """A rule in one line."""
    state = "paused" if rule.paused else "on"
    colour = COLOURS["dismissed" if rule.paused else "successful"]
    details = _details(rule.action)
    more = f" with {escape(_short(details))}" if details else ""
    return (
        f"<div><b>{escape(rule.name)}</b> <b style='color:{colour}'>{state}</b>: on "
        f"<code>{escape(rule_condition(rule))}</code> it "
        f"<b>{escape(action_text(rule.action))}</b>{more}</div>"
    )


def rule_columns(counted: dict[tuple[str, str], Tally]) -> dict[str, Cell]:
    """The columns of a table of rules."""

    def tally(rule: Rule) -> Tally:
        return counted.get((rule.owner, rule.name)) or Tally()

    def last(rule: Rule) -> str:
        delivery = tally(rule).last
        if delivery is None:
            return ""
        return f"{_state_html(delivery)} {escape(delivery.finished or delivery.created)}"

    def number(count: int, state: str) -> str:
        colour = f" style='color:{STATE_COLOURS[state]}'" if count else ""
        return f"<b{colour}>{count}</b>" if count else "0"

    return {
        "rule": lambda rule: escape(rule.name),
        "when": lambda rule: escape(rule_condition(rule)),
        "then it": lambda rule: escape(action_text(rule.action)),
        "state": lambda rule: "paused" if rule.paused else "on",
        "done": lambda rule: number(tally(rule).done, "done"),
        "waiting": lambda rule: number(tally(rule).waiting, "leased"),
        "dead letters": lambda rule: number(tally(rule).dead, "dead"),
        "last delivery": last,
    }


def _state_html(delivery: Delivery) -> str:
    return f"<b style='color:{STATE_COLOURS[delivery.state]}'>{escape(state_text(delivery))}</b>"


def _details(action: Action) -> str:
    values: dict[str, Any] = msgspec.to_builtins(action)
    hidden = ("do", "secret", "digest", "recipe", "url", "words", "name", "type", "station")
    shown = {key: value for key, value in values.items() if key not in hidden and value}
    if isinstance(action, NotebookAction):
        shown = dict(action.parameters)
    return ", ".join(f"{key}={value!r}" for key, value in shown.items())


def _comparison(field: str, wanted: Any) -> str:
    if not isinstance(wanted, dict):
        return f"{field} = {wanted}"
    return " and ".join(
        f"{field} {_SIGNS.get(operator, operator)} {value}" for operator, value in wanted.items()
    )


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 3]}..."
