"""``boathouse rules | dead-letters | consumers``: what events set off, and what is left over."""

import argparse
from collections.abc import Callable
from typing import Any

import msgspec

from ..catalogs.errors import BadRequest, BoathouseError, NotFound
from .cli_events import when
from .cli_lake import automation_of, event_log
from .cli_output import hint, say, say_json, say_things, wants_json, when_text

_STATES = ("waiting", "leased", "done", "dead", "withdrawn")


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter of a rule or of a consumer, as it is listed.

    Attributes
    ----------
    id : str
        What ``retry`` takes: a delivery's id, or ``CONSUMER/SEQUENCE``.
    of : str
        ``rule NAME`` or ``consumer NAME``.
    events : tuple of int
        Sequence numbers.
    attempts : int
        How often it was tried.
    time : str
        When it was given up, RFC 3339.
    reason : str
        Why.
    """

    id: str
    of: str
    events: tuple[int, ...]
    attempts: int
    time: str
    reason: str


def add(commands: Any, lake: argparse.ArgumentParser, listing: argparse.ArgumentParser) -> None:
    """Add the commands."""
    _add_rules(commands, [lake, listing])
    _add_letters(commands, [lake, listing])

    consumers = commands.add_parser(
        "consumers", parents=[lake, listing], help="named places in the log"
    )
    consumers.set_defaults(command=_consumers)
    each = consumers.add_subparsers(metavar="COMMAND")
    each.add_parser("list", parents=[lake, listing], help="your consumers (the default)")
    forget = each.add_parser("forget", parents=[lake], help="delete one; its place is lost")
    forget.add_argument("name")
    forget.set_defaults(command=_forget)


def _add_rules(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    rules = commands.add_parser("rules", parents=parents, help="when this happens, do that")
    rules.set_defaults(command=_list)
    each = rules.add_subparsers(metavar="COMMAND")

    def one(name: str, command: Callable[..., int | None], text: str) -> argparse.ArgumentParser:
        parser = each.add_parser(name, parents=parents, help=text)
        parser.set_defaults(command=command)
        return parser

    one("list", _list, "your rules (the default)")
    for name, command, text in (
        ("show", _show, "all that a rule says"),
        ("pause", _pause, "let it rest; events that come meanwhile are passed over"),
        ("resume", _resume, "let it go on"),
        ("delete", _delete, "withdraw it and what waits"),
    ):
        one(name, command, text).add_argument("name")
    dry = one("dry-run", _dry_run, "what it would have done on the events of the past")
    dry.add_argument("name")
    dry.add_argument("--since", default="", type=when, help="ISO 8601, or how long ago: 2h, 7d")
    dry.add_argument("--limit", type=int, default=100, help="at most so many")
    past = one("history", _history, "what it did and will do, newest first")
    past.add_argument("name", nargs="?", default="", help="default: all rules")
    past.add_argument("--state", default="", choices=_STATES)
    past.add_argument("--limit", type=int, default=50, help="at most so many")
    load = one("load", _load, "save the rules of a YAML file, also Aviso's listeners")
    load.add_argument("file")
    load.add_argument("--dry-run", action="store_true", help="check them and save nothing")


def _add_letters(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    letters = commands.add_parser(
        "dead-letters", parents=parents, help="what was tried often enough in vain"
    )
    letters.set_defaults(command=_letters, limit=100)
    each = letters.add_subparsers(metavar="COMMAND")
    shown = each.add_parser("list", parents=parents, help="those of rules and of consumers")
    shown.add_argument("--limit", type=int, default=100, help="at most so many of each")
    retry = each.add_parser("retry", parents=parents, help="let them be tried again")
    retry.add_argument("ids", nargs="*", metavar="ID", help="as the list shows it")
    retry.add_argument("--all", action="store_true", help="every one")
    retry.set_defaults(command=_retry)


# --- rules -------------------------------------------------------------------------------
def _list(given: argparse.Namespace) -> None:
    from ..workflows.rule_views import action_text, rule_condition

    say_things(
        given,
        automation_of(given).rules(),
        {
            "RULE": lambda rule: rule.name,
            "WHEN": rule_condition,
            "DOES": lambda rule: action_text(rule.action),
            "STATE": lambda rule: "paused" if rule.paused else "on",
        },
        empty="No rules yet: boathouse rules load FILE, or bh.on(...) in a notebook.",
    )


def _show(given: argparse.Namespace) -> None:
    rule = _rule(automation_of(given), given.name)
    if wants_json(given):
        say_json(rule)
    else:
        say(msgspec.json.format(msgspec.json.encode(rule), indent=2).decode())


def _pause(given: argparse.Namespace) -> None:
    automation_of(given).pause_rule(given.name, True)
    hint(f"The rule {given.name!r} rests; boathouse rules resume lets it go on.")


def _resume(given: argparse.Namespace) -> None:
    automation_of(given).pause_rule(given.name, False)
    hint(f"The rule {given.name!r} is on.")


def _delete(given: argparse.Namespace) -> None:
    automation_of(given).delete_rule(given.name)
    hint(f"The rule {given.name!r} is withdrawn.")


def _dry_run(given: argparse.Namespace) -> None:
    from ..catalogs.events.conditions import rfc3339
    from ..workflows.rule_views import action_text

    automation = automation_of(given)
    rule = _rule(automation, given.name)
    say_things(
        given,
        automation.dry_run(rule, since=rfc3339(given.since, "since"), limit=given.limit),
        {
            "TIME": lambda run: when_text(run.time),
            "EVENTS": lambda run: _numbers(run.events),
            "KEY": lambda run: run.key,
            "WOULD DO": lambda run: action_text(run.action),
        },
        empty="Nothing: no event of the past would have set it off.",
    )


def _history(given: argparse.Namespace) -> None:
    from ..workflows.rule_views import action_text, result_text, state_text

    automation = automation_of(given)
    if given.name:
        _rule(automation, given.name)
    say_things(
        given,
        automation.deliveries(given.name, state=given.state, limit=given.limit),
        {
            "DELIVERY": lambda each: each.id,
            "RULE": lambda each: each.rule,
            "EVENTS": lambda each: _numbers(each.events),
            "STATE": state_text,
            "TRIES": lambda each: str(each.attempts),
            "CREATED": lambda each: when_text(each.created),
            "DOES": lambda each: action_text(each.action),
            "RESULT": result_text,
        },
        empty="Nothing yet.",
    )


def _load(given: argparse.Namespace) -> None:
    from ..workflows.rule_files import read_rule_file
    from ..workflows.rule_handle import save_rules
    from ..workflows.rule_views import action_text, rule_condition

    rules, dialect = read_rule_file(given.file)
    if not given.dry_run:
        rules = save_rules(rules, automation_of(given))
    say_things(
        given,
        rules,
        {
            "RULE": lambda rule: rule.name,
            "WHEN": rule_condition,
            "DOES": lambda rule: action_text(rule.action),
        },
        empty=f"There are no {dialect} in {given.file}.",
    )
    hint(f"{len(rules)} {'checked' if given.dry_run else 'saved'}.")


def _rule(automation: Any, name: str) -> Any:
    rules = automation.rules()
    for rule in rules:
        if rule.name == name:
            return rule
    known = ", ".join(rule.name for rule in rules) or "none"
    raise NotFound(f"You have no rule {name!r}; there are: {known}.", field="name")


def _numbers(events: tuple[int, ...]) -> str:
    first = ", ".join(map(str, events[:3]))
    return first if len(events) <= 3 else f"{first} and {len(events) - 3} more"


# --- dead letters and consumers ----------------------------------------------------------
def _letters(given: argparse.Namespace) -> None:
    say_things(
        given,
        _all_letters(given, given.limit),
        {
            "ID": lambda letter: letter.id,
            "OF": lambda letter: letter.of,
            "EVENTS": lambda letter: _numbers(letter.events),
            "TRIES": lambda letter: str(letter.attempts),
            "TIME": lambda letter: when_text(letter.time),
            "REASON": lambda letter: letter.reason,
        },
        empty="No dead letters.",
    )


def _all_letters(given: argparse.Namespace, limit: int) -> list[Letter]:
    found = [
        Letter(
            id=f"{letter.consumer}/{letter.event.sequence}",
            of=f"consumer {letter.consumer}",
            events=(letter.event.sequence,),
            attempts=letter.attempts,
            time=letter.time,
            reason=letter.reason,
        )
        for letter in event_log(given).dead_letters(limit=limit)
    ]
    found += [
        Letter(
            id=each.id,
            of=f"rule {each.rule}",
            events=each.events,
            attempts=each.attempts,
            time=each.finished,
            reason=each.error,
        )
        for each in automation_of(given).deliveries(state="dead", limit=limit)
    ]
    return sorted(found, key=lambda letter: letter.time, reverse=True)


def _retry(given: argparse.Namespace) -> int:
    if given.all == bool(given.ids):
        raise BadRequest("Name dead letters by their ID, or give --all.", field="ids")
    ids = [letter.id for letter in _all_letters(given, 1000)] if given.all else given.ids
    failed = 0
    for id in ids:
        try:
            _retry_one(given, id)
            say_json({"id": id, "retried": True}) if wants_json(given) else say(f"{id}  again")
        except BoathouseError as error:
            # The others can be tried all the same.
            hint(f"boathouse: {id}: {error}")
            failed = 1
    return failed


def _retry_one(given: argparse.Namespace, id: str) -> None:
    consumer, mark, sequence = id.rpartition("/")
    if not mark or not sequence.isdecimal():
        automation_of(given).retry_delivery(id)
        return
    log = event_log(given)
    if all(state.name != consumer for state in log.consumers()):
        raise NotFound(f"There is no consumer {consumer!r}.", field="ids")
    log.consume(consumer).revive(int(sequence))


def _consumers(given: argparse.Namespace) -> None:
    say_things(
        given,
        event_log(given).consumers(),
        {
            "CONSUMER": lambda state: state.name,
            "OWNER": lambda state: state.owner,
            "CURSOR": lambda state: str(state.cursor),
            "LEASED": lambda state: str(state.leased),
            "BEHIND": lambda state: str(state.behind),
            "DEAD": lambda state: str(state.dead),
        },
        empty="No consumers yet: boathouse listen --consumer NAME",
    )


def _forget(given: argparse.Namespace) -> None:
    log = event_log(given)
    if all(state.name != given.name for state in log.consumers()):
        raise NotFound(f"There is no consumer {given.name!r}.", field="name")
    log.forget(given.name)
    hint(f"The consumer {given.name!r} is forgotten.")
