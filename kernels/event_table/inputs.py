"""What stands in the table's filter inputs, as an EventFilter and back."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from ...catalogs.events.conditions import make_filter, read_value
from ...catalogs.events.event import EventFilter

# The spans that can be chosen; "own" is from one time to another.
SPANS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
OPERATORS = ("eq", "ne", "lt", "lte", "gt", "gte", "prefix", "suffix", "in", "exists")
EMPTY = {
    "type": "", "collection": "", "text": "", "span": "", "since": "", "until": "",
    "field": "", "operator": "eq", "value": "",
}  # fmt: skip


def read_inputs(inputs: Mapping[str, Any], base: EventFilter) -> EventFilter:
    """The filter that the inputs and what else was asked for make together.

    Raises
    ------
    BadEvent
        When an input is wrong; ``field`` names it.

    Examples
    --------
    >>> read_inputs({"field": "cloud_cover", "operator": "lt", "value": "20"}, EventFilter()).where
    {'cloud_cover': {'lt': 20}}
    """
    given = {**EMPTY, **{name: str(value).strip() for name, value in inputs.items()}}
    types = [each.strip() for each in given["type"].split(",") if each.strip()]
    since, until = given["since"], given["until"]
    if span := SPANS.get(given["span"]):
        since, until = (datetime.now(UTC) - span).isoformat(timespec="seconds"), ""
    elif given["span"] != "own":
        since = until = ""
    typed = make_filter(
        type=types if len(types) > 1 else "".join(types),
        collection=given["collection"],
        since=since,
        until=until,
        where=_condition(given),
    )
    if base == EventFilter():
        return typed
    return base if typed == EventFilter() else EventFilter(all=(base, typed))


def write_inputs(where: EventFilter) -> tuple[dict[str, str], EventFilter]:
    """A filter as inputs, and what of it the inputs cannot say.

    Examples
    --------
    >>> inputs, rest = write_inputs(EventFilter(type="a.b", source="/s"))
    >>> inputs["type"], rest == EventFilter(source="/s")
    ('a.b', True)
    """
    inputs = dict(EMPTY)
    said: dict[str, Any] = {"type": "", "types": (), "collection": "", "since": "", "until": ""}
    if where.type and where.types:
        said.pop("types")
    elif where.types:
        inputs["type"] = ", ".join(where.types)
    inputs["type"] = inputs["type"] or where.type
    inputs["collection"] = where.collection
    if where.since or where.until:
        inputs.update(span="own", since=where.since, until=where.until)
    if len(where.where) == 1:
        ((name, condition),) = where.where.items()
        operators = condition if isinstance(condition, Mapping) else {"eq": condition}
        ((operator, value), *others) = operators.items() or ((("", ""),))
        if operator in OPERATORS and not others:
            inputs.update(field=name, operator=operator, value=_value_text(operator, value))
            said["where"] = {}
    return inputs, msgspec.structs.replace(where, **said)


def describe(rest: EventFilter) -> str:
    """In a few words what holds besides the inputs; empty for nothing.

    Examples
    --------
    >>> describe(EventFilter(source="/stations", bbox=(5.0, 44.0, 17.0, 48.0)))
    'source /stations · bbox 5, 44, 17, 48'
    """
    words: list[str] = []
    for name, value in msgspec.to_builtins(rest).items():
        if name == "area":
            words.append(f"in {'an area' if value else ''}")
        elif name == "bbox":
            words.append("bbox " + ", ".join(f"{each:g}" for each in value))
        elif name in ("where", "not", "any", "all"):
            words.append("further conditions")
        else:
            text = ", ".join(value) if isinstance(value, list | tuple) else str(value)
            words.append(f"{name.replace('_', ' ')} {text}")
    return " · ".join(dict.fromkeys(words))


def _value_text(operator: str, value: Any) -> str:
    """As it is to be typed: a text that looks like a number stands in quotes."""
    plain = operator in ("prefix", "suffix") or read_value(str(value)) == value
    if isinstance(value, str) and plain:
        return value
    return msgspec.json.encode(value).decode()


def _condition(given: Mapping[str, str]) -> dict[str, Any]:
    name, operator, text = given["field"], given["operator"], given["value"]
    if not name or (not text and operator != "exists"):
        return {}  # not said yet
    if operator in ("prefix", "suffix"):
        return {name: {operator: text}}
    value = read_value(text) if text else True
    if operator == "in" and not isinstance(value, list):
        value = [read_value(each.strip()) for each in text.split(",")]
    return {name: {operator: value}}
