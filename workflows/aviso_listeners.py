"""Aviso's ``listeners:`` files as rules; what has no counterpart here is refused by name."""

import re
import shlex
from collections.abc import Mapping
from typing import Any, cast

from ..catalogs.events.areas import geojson_of
from ..catalogs.events.event import EventFilter
from .rule_files import check_names, seconds_of
from .rule_filters import COMPARISONS, FilterReader, both, check_filter, mapping_of, text_of, wrong
from .rules.model import Action, CommandAction, FunctionAction, PostAction, Retry, Rule

# What Aviso calls "mars" is an event of the type "int.ecmwf.aviso.mars".
PREFIX = "int.ecmwf.aviso."
_LISTENER = ("name", "event", "request", "identifiers", "triggers")
_EVERYWHERE = ("type", "retries", "required", "fail_fast", "timeout")
_OF_TRIGGERS = {
    "echo": (),
    "log": ("path",),
    "command": ("command", "working_dir", "environment", "env"),
    "post": ("url", "protocol"),
    "function": ("function",),
}
_ELSEWHERE = {
    "webhook": "use post: it sends the CloudEvent",
    "teams": "use post, and let the receiver make the card",
    "email": "let a notebook or a command send it",
}
_POST_PROTOCOLS = ("cloudevent", "cloudevents", "cloudevents_http")
# These mean something to a shell, which nothing here runs.
_SHELL = re.compile(r"[|&;<>`*?\n]|\$\(|\$\{?[A-Z_]")
_OLD_PLACE = re.compile(r"\$\{([^}]*)\}")
_NEW_PLACE = re.compile(r"\{\{\s*([^}]*?)\s*\}\}")
_NAME = re.compile(r"\w+(?:\.\w+)*")


def rules_of_listeners(document: Mapping[str, Any]) -> list[Rule]:
    """The rules that a document of Aviso 1 or 2 means, one for each trigger.

    Aviso's two generations are both read: ``request:`` or ``identifiers:``, ``${request.date}``
    or ``{{ notification.identifier.date }}``.  A trigger that fails is tried again and becomes
    a dead letter; unlike there, neither the next trigger nor the listener waits for it.

    Parameters
    ----------
    document : mapping
        With ``listeners``; other settings of Aviso beside it are passed over.

    Raises
    ------
    BadRequest
        For what has no counterpart; ``field`` is the place, such as
        ``listeners[0].triggers[1].type``.

    Examples
    --------
    >>> trigger = {"type": "log", "path": "mars.log"}
    >>> rule, = rules_of_listeners({"listeners": [{"event": "mars", "triggers": [trigger]}]})
    >>> rule.action.words
    ('tee', '-a', 'mars.log')
    """
    listeners = document.get("listeners")
    if not isinstance(listeners, list) or not listeners:
        raise wrong("listeners", "this is a list of listeners")
    rules = [
        rule
        for index, each in enumerate(cast("list[Any]", listeners))
        for rule in _listener(each, f"listeners[{index}]", index)
    ]
    check_names(rules, "listeners")
    return rules


def _listener(document: Any, place: str, index: int) -> list[Rule]:
    given = mapping_of(document, place)
    for word in given:
        if word in ("from_id", "from_date"):
            raise wrong(
                f"{place}.{word}",
                "a rule sees what comes after it was saved; leave this out, and replay the past "
                "with bh.rules().replay(name, since=...)",
            )
    mapping_of(given, place, _LISTENER)
    event = text_of(given.get("event"), f"{place}.event")
    if "request" in given and "identifiers" in given:
        raise wrong(f"{place}.identifiers", "request and identifiers are the same; give one")
    word = "identifiers" if "identifiers" in given else "request"
    where = EventFilter(type=event if "." in event else f"{PREFIX}{event}")
    for key, value in (
        mapping_of(given[word], f"{place}.{word}") if given.get(word) else {}
    ).items():
        where = both(where, _identifier(key, value, f"{place}.{word}.{key}"))
    where = check_filter(where, f"{place}.{word}")
    triggers = given.get("triggers")
    if not isinstance(triggers, list) or not triggers:
        raise wrong(f"{place}.triggers", "this is a list of triggers")
    name = text_of(given["name"], f"{place}.name") if "name" in given else f"{event} {index + 1}"
    single = len(cast("list[Any]", triggers)) == 1
    rules: list[Rule] = []
    for number, each in enumerate(cast("list[Any]", triggers)):
        here = f"{place}.triggers[{number}]"
        trigger = mapping_of(each, here)
        kind = _kind(trigger, here)
        rules.append(
            Rule(
                name=name if single else f"{name}: {kind} {number + 1}",
                owner="",
                where=where,
                action=_ACTIONS[kind](trigger, here, event),
                retry=_retry(trigger, here),
            )
        )
    return rules


def _identifier(key: str, value: Any, place: str) -> EventFilter:
    if key in ("polygon", "point"):
        return EventFilter(area=_area(key, value, place))
    if isinstance(value, Mapping):
        operators = cast("Mapping[str, Any]", value)
        for name in operators:
            if name not in COMPARISONS:
                raise wrong(f"{place}.{name}", f"a condition is one of {', '.join(COMPARISONS)}")
        read = FilterReader({}).read
        found = EventFilter()
        for name, wanted in operators.items():
            found = both(found, read({name: {key: wanted}}, place))
        return found
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    if not values or not all(isinstance(each, str | int | float) for each in values):
        raise wrong(place, "this is a text, a number, a list of those, or a condition")
    # Aviso's schema may make a text of a number, so "step: 1" means both.
    either = [form for each in values for form in dict.fromkeys((each, str(each)))]
    return EventFilter(where={key: {"eq": either[0]} if len(either) == 1 else {"in": either}})


def _area(key: str, value: Any, place: str) -> dict[str, Any]:
    """Aviso writes latitude first, as a list of pairs or as one text of numbers."""
    if isinstance(value, str):
        numbers = re.findall(r"-?\d+(?:\.\d+)?", value)
        value = [numbers[at : at + 2] for at in range(0, len(numbers), 2)]
        value = value[0] if key == "point" and len(value) == 1 else value
    try:
        if key == "point":
            latitude, longitude = (float(each) for each in value)
            return geojson_of({"type": "Point", "coordinates": [longitude, latitude]}, field=place)
        ring = [[float(longitude), float(latitude)] for latitude, longitude in value]
    except (TypeError, ValueError) as error:
        raise wrong(place, "this is a list of [latitude, longitude]") from error
    return geojson_of({"type": "Polygon", "coordinates": [ring]}, field=place)


def _kind(trigger: dict[str, Any], place: str) -> str:
    kind = text_of(trigger.get("type"), f"{place}.type")
    if kind not in _OF_TRIGGERS:
        advice = _ELSEWHERE.get(kind, f"there are: {', '.join(_OF_TRIGGERS)}")
        raise wrong(f"{place}.type", f"the trigger {kind!r} has no counterpart; {advice}")
    mapping_of(trigger, place, (*_EVERYWHERE, *_OF_TRIGGERS[kind]))
    return kind


def _retry(trigger: dict[str, Any], place: str) -> Retry:
    if "retries" not in trigger:
        return Retry()
    retries = trigger["retries"]
    if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
        raise wrong(f"{place}.retries", "this is a whole number, at least 0")
    return Retry(attempts=retries + 1)


def _echo(trigger: dict[str, Any], place: str, event: str) -> Action:
    # A command gets the event as its input, and what it says is kept in the history.
    return CommandAction(words=("cat",))


def _log(trigger: dict[str, Any], place: str, event: str) -> Action:
    path = text_of(trigger.get("path"), f"{place}.path")
    return CommandAction(words=("tee", "-a", _from_home(path, f"{place}.path")))


def _command(trigger: dict[str, Any], place: str, event: str) -> Action:
    text = text_of(trigger.get("command"), f"{place}.command")
    filled = _filled(text, f"{place}.command", event)
    if _SHELL.search(re.sub(r"\$HOME\b", "", filled)):
        raise wrong(
            f"{place}.command",
            "commands run without a shell, so pipes, redirections, wildcards and variables mean "
            "nothing; put them into a script",
        )
    try:
        words = shlex.split(filled)
    except ValueError as error:
        raise wrong(f"{place}.command", f"this is no command: {error}") from error
    folder = trigger.get("working_dir")
    # A program that lies in a folder is looked for from the folder that it runs in.
    words = [_from_home(word, f"{place}.command", moved=folder is not None) for word in words]
    before: list[str] = []
    if folder is not None:
        where = f"{place}.working_dir"
        before += ["-C", _from_home(text_of(folder, where), where)]
    before += _variables(trigger, place, event)
    if before:
        words = ["env", *before, *words]
    timeout = seconds_of(trigger.get("timeout", 300), f"{place}.timeout")
    return CommandAction(words=tuple(words), timeout=timeout)


def _variables(trigger: dict[str, Any], place: str, event: str) -> list[str]:
    found: list[str] = []
    for word in ("environment", "env"):
        if trigger.get(word) is None:
            continue
        for name, value in mapping_of(trigger[word], f"{place}.{word}").items():
            here = f"{place}.{word}.{name}"
            if not re.fullmatch(r"[A-Za-z_]\w*", name):
                raise wrong(here, "this cannot be the name of a variable")
            found.append(f"{name}={_filled(str(value), here, event)}")
    return found


def _post(trigger: dict[str, Any], place: str, event: str) -> Action:
    if "url" in trigger:
        return PostAction(url=text_of(trigger["url"], f"{place}.url"))
    here = f"{place}.protocol"
    protocol = mapping_of(trigger.get("protocol"), here)
    kind = protocol.get("type")
    if kind not in _POST_PROTOCOLS:
        raise wrong(f"{here}.type", f"the protocol {kind!r} has no counterpart; use an https url")
    mapping_of(protocol, here, ("type", "url", "timeout"))
    return PostAction(url=text_of(protocol.get("url"), f"{here}.url"))


def _function(trigger: dict[str, Any], place: str, event: str) -> Action:
    return FunctionAction(name=text_of(trigger.get("function"), f"{place}.function"), digest="")


_ACTIONS = {
    "echo": _echo,
    "log": _log,
    "command": _command,
    "post": _post,
    "function": _function,
}


def _filled(text: str, place: str, event: str) -> str:
    """Aviso's places as ours; braces that are none of these stay as they are written."""

    def old(found: "re.Match[str]") -> str:
        name = found[1].strip()
        if name == "event":
            return event
        if name.partition(".")[0] == "location" and _NAME.fullmatch(name):
            return "{data.payload" + name.removeprefix("location") + "}"
        if name.startswith("request.") and _NAME.fullmatch(name):
            return "{data.identifier." + name.removeprefix("request.") + "}"
        raise wrong(place, f"${{{name}}} has no counterpart; commands get the event as input")

    def new(found: "re.Match[str]") -> str:
        name = found[1].removeprefix("notification.")
        if name == found[1] or not _NAME.fullmatch(name):
            raise wrong(place, f"{found[0]} has no counterpart; commands get the event as input")
        if name == "event_type":
            return event
        if name == "sequence":
            return "{sequence}"
        if name.partition(".")[0] in ("identifier", "payload"):
            return "{data." + name + "}"
        raise wrong(place, f"{found[0]} has no counterpart; commands get the event as input")

    if "${" in text:
        # The values in quotes would be data of a shell; here each place stays within its word.
        return _OLD_PLACE.sub(old, text)
    return _NEW_PLACE.sub(new, text)


def _from_home(path: str, place: str, *, moved: bool = False) -> str:
    """A path below the home folder without its name: that is where commands begin."""
    for start in ("$HOME/", "${HOME}/", "~/"):
        if path.startswith(start):
            if moved:
                raise wrong(place, f"{start} with a working_dir; write the path from there")
            return path.removeprefix(start)
    if "$HOME" in path:
        raise wrong(place, "$HOME stands only at the beginning of a path")
    return path
