"""Rules as a YAML file: read without running anything, complaints say where in the file."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import yaml

from ..catalogs.errors import BadRequest
from ..catalogs.events.areas import geojson_of
from ..catalogs.events.event import EventFilter
from .deliveries import RULE_DEAD
from .recipes import jsonable
from .rule_filters import FilterReader, both, check_filter, mapping_of, text_of, wrong
from .rules.model import (
    Action,
    Fan,
    Retry,
    Rule,
)

LARGEST_FILE = 1_000_000
RULES_OF_A_FILE = 1000
LARGEST_DOCUMENT = 200_000
DEAD = "when it failed"
# (source, id) is what tells events apart anyway, so this key asks for nothing more.
ALWAYS = "{source}/{id}"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|w)")
_WORDS = (
    "name",
    "when",
    "do",
    "retry",
    "concurrency",
    "key",
    "dedup",
    "batch",
    "within",
    "on_dead",
    "paused",
    "tell",
    "kind",
)
_OF_ACTIONS = {
    "notebook": ("parameters",),
    "post": ("secret",),
    "command": ("timeout",),
    "notify": ("collection", "subject", "data", "access"),
    "function": ("digest",),
    "operate": ("station", "parameters", "expires"),
}


def read_rule_file(
    path: str | Path, *, areas: Mapping[str, Any] | None = None
) -> tuple[list[Rule], str]:
    """The rules of a file, and which dialect it is written in.

    Parameters
    ----------
    path : path
        YAML with ``rules:`` (and perhaps ``areas:``), or Aviso's with ``listeners:``.
    areas : mapping, optional
        Further areas that the filters may name; anything that
        :func:`boathouse.catalogs.events.areas.geojson_of` takes.

    Returns
    -------
    rules : list of Rule
        As they stand in the file; what a rule does with its dead letters (``on_dead``) is a
        rule of its own.
    dialect : str
        ``"rules"`` or ``"listeners"``.

    Raises
    ------
    BadRequest
        For what is no such file; ``field`` is the place, such as ``rules[0].when.all[1].lt``.
    """
    document = _loaded(Path(path).expanduser())
    if "listeners" in document:
        from .aviso_listeners import rules_of_listeners

        return rules_of_listeners(document), "listeners"
    return rules_of(document, areas=areas), "rules"


def rules_of(document: Mapping[str, Any], *, areas: Mapping[str, Any] | None = None) -> list[Rule]:
    """The rules of a loaded document; see :func:`read_rule_file`.

    Examples
    --------
    >>> rules_of(
    ...     {
    ...         "rules": [
    ...             {
    ...                 "name": "log",
    ...                 "when": {"exact": {"type": "org.example.ping"}},
    ...                 "do": {"notify": "org.example.pong", "access": "private"},
    ...             }
    ...         ]
    ...     }
    ... )[0].where.type
    'org.example.ping'
    """
    document = mapping_of(document, "the file", ("areas", "rules"))
    known = {name: geojson_of(area, field=f"areas.{name}") for name, area in (areas or {}).items()}
    if document.get("areas") is not None:
        for name, area in mapping_of(document["areas"], "areas").items():
            known[name] = geojson_of(area, field=f"areas.{name}")
    given = document.get("rules")
    if not isinstance(given, list) or not given:
        raise wrong("rules", "this is a list of rules")
    given = cast("list[Any]", given)
    if len(given) > RULES_OF_A_FILE:
        raise wrong("rules", f"a file has at most {RULES_OF_A_FILE}")
    reader = _RuleReader(FilterReader(known))
    rules = [rule for index, each in enumerate(given) for rule in reader.read(each, index)]
    check_names(rules, "rules")
    return rules


def check_names(rules: list[Rule], place: str) -> None:
    """Raise ``BadRequest`` when two rules of a file have one name: the last would replace all."""
    names: set[str] = set()
    for rule in rules:
        if rule.name in names:
            raise wrong(place, f"two are called {rule.name!r}")
        names.add(rule.name)


class _RuleReader:
    def __init__(self, filters: FilterReader) -> None:
        self._filters = filters

    def read(self, document: Any, index: int) -> list[Rule]:
        place = f"rules[{index}]"
        given = mapping_of(document, place, _WORDS)
        for word in ("name", "when", "do"):
            if word not in given:
                raise wrong(f"{place}.{word}", "every rule needs this")
        name = text_of(given["name"], f"{place}.name")
        where, within = self._when(given["when"], f"{place}.when")
        if "within" in given:
            within = seconds_of(given["within"], f"{place}.within")
        rule = Rule(
            name=name,
            owner="",
            where=check_filter(where, f"{place}.when"),
            action=action_of(given["do"], f"{place}.do"),
            kind=_one_of(given.get("kind", ""), ("", "compute", "service", "operate"), place),
            fan=self._fan(given.get("batch"), f"{place}.batch"),
            within=within,
            retry=retry_of(given.get("retry"), f"{place}.retry"),
            concurrency=_count(given.get("concurrency", 4), f"{place}.concurrency"),
            key=_key(given, place),
            paused=_truth(given.get("paused", False), f"{place}.paused"),
            tell=_truth(given.get("tell", False), f"{place}.tell"),
        )
        if given.get("on_dead") is None:
            return [rule]
        return [rule, dead_rule(name, action_of(given["on_dead"], f"{place}.on_dead"))]

    def _when(self, document: Any, place: str) -> tuple[EventFilter, float]:
        """The filter, and how long there must be silence; 0 when events set the rule off."""
        given = mapping_of(document, place)
        absent = given.pop("absent", None)
        if absent is None:
            return self._filters.read(given, place), 0.0
        asked = mapping_of(absent, f"{place}.absent")
        if "within" not in asked:
            raise wrong(f"{place}.absent.within", "say after how long a silence, such as 2h")
        within = seconds_of(asked.pop("within"), f"{place}.absent.within")
        where = self._filters.read(asked, f"{place}.absent")
        if given:
            where = both(where, self._filters.read(given, place))
        return where, within

    def _fan(self, document: Any, place: str) -> Fan:
        if document is None:
            return Fan()
        if isinstance(document, int):
            return Fan(count=_count(document, place))
        given = mapping_of(document, place, ("count", "window", "all_of", "by"))
        filters = given.get("all_of") or []
        if not isinstance(filters, list):
            raise wrong(f"{place}.all_of", "this is a list of filters")
        all_of = [
            check_filter(self._filters.read(each, here), here)
            for index, each in enumerate(cast("list[Any]", filters))
            for here in [f"{place}.all_of[{index}]"]
        ]
        return Fan(
            count=_count(given.get("count", 1), f"{place}.count"),
            window=seconds_of(given.get("window", 0), f"{place}.window"),
            all_of=tuple(all_of),
            by=text_of(given["by"], f"{place}.by") if "by" in given else "",
        )


def dead_rule(name: str, action: Action) -> Rule:
    """The rule that does something with the dead letters of another one of the same owner."""
    return Rule(
        name=f"{name}: {DEAD}",
        owner="",
        where=EventFilter(type=RULE_DEAD, where={"data.rule": {"eq": name}}),
        action=action,
    )


def action_of(document: Any, place: str) -> Action:
    """What a rule does, from ``{notebook: recipe, parameters: ...}`` and its like."""
    given = mapping_of(document, place)
    kinds = [kind for kind in _OF_ACTIONS if kind in given]
    if len(kinds) != 1:
        raise wrong(place, f"say one of {', '.join(_OF_ACTIONS)}")
    (kind,) = kinds
    mapping_of(given, place, (kind, *_OF_ACTIONS[kind]))
    main, here = given.pop(kind), f"{place}.{kind}"
    for name in ("timeout", "expires"):
        if name in given:
            given[name] = seconds_of(given[name], f"{place}.{name}")
    if kind == "command":
        if not isinstance(main, list) or not main:
            raise wrong(here, "this is a list: the program and its arguments; there is no shell")
        given["words"] = [str(word) for word in cast("list[Any]", main)]
    else:
        given[_MAIN[kind]] = text_of(main, here)
    if kind == "notebook":
        given["recipe"] = recipe_of(given["recipe"])
    if kind == "function":
        given.setdefault("digest", "")
    try:
        return msgspec.convert({**jsonable(given), "do": kind}, Action)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise BadRequest(f"{place}: {error}", field=place) from error


_MAIN = {
    "notebook": "recipe",
    "post": "url",
    "notify": "type",
    "function": "name",
    "operate": "command",
}


def recipe_of(text: str) -> str:
    """A recipe's name; ``workflows/ndvi.ipynb`` means ``ndvi``."""
    return text.rpartition("/")[2].removesuffix(".ipynb") if text.endswith(".ipynb") else text


def retry_of(document: Any, place: str) -> Retry:
    """How often it is tried, from ``{attempts, backoff, first, max}`` or a number of attempts."""
    if document is None:
        return Retry()
    if isinstance(document, int):
        return Retry(attempts=_count(document, place))
    given = mapping_of(document, place, ("attempts", "backoff", "first", "max"))
    if given.get("backoff", "exponential") != "exponential":
        raise wrong(f"{place}.backoff", "pauses grow exponentially; leave it out")
    default = Retry()
    return Retry(
        attempts=_count(given.get("attempts", default.attempts), f"{place}.attempts"),
        first=seconds_of(given.get("first", default.first), f"{place}.first"),
        longest=seconds_of(given.get("max", default.longest), f"{place}.max"),
    )


def seconds_of(value: Any, place: str) -> float:
    """A duration in seconds, from a number or a text such as ``10m`` or ``1h 30m``.

    Examples
    --------
    >>> seconds_of("1h 30m", "within")
    5400.0
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e10:
        return float(value)
    if isinstance(value, str):
        text = value.strip()
        if re.fullmatch(rf"(?:{_DURATION.pattern}\s*)+", text):
            found: list[tuple[str, str]] = _DURATION.findall(text)
            return sum(float(number) * _UNITS[unit] for number, unit in found)
    raise wrong(place, f"this is a duration such as 30s, 10m, 2h or 1d; {str(value)[:40]!r} is not")


def _loaded(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise wrong(path.name, f"a file of rules has at most {LARGEST_FILE // 1000} kB")
        document: Any = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path.name} cannot be read: {error}", field="path") from error
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        said = getattr(error, "problem", None) or "it is nested too deep"
        raise BadRequest(f"{path.name} is no YAML{line}: {said}.", field="path") from error
    _check_size(document)
    if not isinstance(document, Mapping):
        raise wrong(path.name, "this is a mapping with 'rules:' (or, for Aviso's, 'listeners:')")
    return cast("Mapping[str, Any]", document)


def _check_size(document: Any) -> None:
    """Refuse what is small as a file and huge when its aliases are followed, or has no end."""
    seen, left = 0, [document]
    while left:
        each = left.pop()
        seen += 1
        if seen > LARGEST_DOCUMENT:
            raise wrong("the file", f"it holds more than {LARGEST_DOCUMENT} things")
        if isinstance(each, Mapping):
            left.extend(cast("Mapping[Any, Any]", each).values())
        elif isinstance(each, list):
            left.extend(cast("list[Any]", each))


def _key(given: Mapping[str, Any], place: str) -> str:
    if "key" in given and "dedup" in given:
        raise wrong(f"{place}.dedup", "key and dedup are the same; give one")
    for word in ("key", "dedup"):
        if given.get(word) is not None:
            key = text_of(given[word], f"{place}.{word}")
            return "" if key == ALWAYS else key
    return ""


def _count(value: Any, place: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise wrong(place, "this is a whole number, at least 1")
    return value


def _truth(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise wrong(place, "this is true or false")
    return value


def _one_of(value: Any, known: tuple[str, ...], place: str) -> Any:
    if value not in known:
        raise wrong(f"{place}.kind", f"this is one of {', '.join(filter(None, known))}")
    return value
