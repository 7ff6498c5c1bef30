"""Texts with ``{name}`` in them, into which fields of events are put; nothing is evaluated."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ...catalogs.events.event import Event

# The attributes of an event; other names must be fields that somebody promises.
PLACES = (
    "collection",
    "datatime",
    "subject",
    "id",
    "source",
    "type",
    "time",
    "sequence",
    "owner",
    "dataref",
    "expirytime",
    "partitionkey",
    "dataschema",
    "traceparent",
    "bbox",
)
_PLACE = re.compile(r"\{([A-Za-z_]\w*|data(?:\.[\w-]+)+)\}")


def fill(value: Any, event: Event) -> Any:
    """A value with the event's fields in place of ``{collection}`` and the like.

    A text that is nothing but ``{data.a}``, or the name of another field that is no attribute,
    becomes the field's own JSON value; everything else becomes text.

    Examples
    --------
    >>> fill("{collection}-mean", Event(type="t", source="/s", collection="sst"))
    'sst-mean'
    >>> fill("{data.level}", Event(type="t", source="/s", data={"level": 3}))
    3
    """
    return _filled(value, (event,), listed=False)


def fill_list(value: Any, events: Sequence[Event]) -> Any:
    """A value for several events: a text that is nothing but ``{name}`` becomes a list.

    Elsewhere in a text the field of the last event is put in.

    Examples
    --------
    >>> both = [Event(type="t", source="/s", subject=each) for each in "ab"]
    >>> fill_list(["{subject}", "until {subject}"], both)
    [['a', 'b'], 'until b']
    """
    return _filled(value, events, listed=True)


def places(value: Any) -> Iterator[str]:
    """The names that stand in the texts of a value."""
    if isinstance(value, str):
        yield from _PLACE.findall(value)
    elif isinstance(value, msgspec.Struct):
        yield from places(msgspec.to_builtins(value))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from places(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from places(each)


def open_place(value: Any) -> bool:
    """Whether a value is one place alone whose type only the event tells."""
    found = _PLACE.fullmatch(value) if isinstance(value, str) else None
    return found is not None and found[1] not in PLACES


def as_listed(value: Any) -> Any:
    """What :func:`fill_list` will make of a parameter, for a check before there are events."""
    return [value] if isinstance(value, str) and _PLACE.fullmatch(value) else value


def _filled(value: Any, events: Sequence[Event], *, listed: bool) -> Any:
    if isinstance(value, str):
        whole = _PLACE.fullmatch(value)
        if whole and listed:
            return [_field(event, whole[1], value) for event in events]
        if whole:
            return _field(events[-1], whole[1], value)
        return _PLACE.sub(lambda found: _text(_field(events[-1], found[1], found[0])), value)
    if isinstance(value, Mapping):
        return {key: _filled(each, events, listed=listed) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(each, events, listed=listed) for each in value]
    return value


def _field(event: Event, name: str, otherwise: str) -> Any:
    if name in PLACES:
        return _text(event.field(name))
    found = event.field(name)
    return otherwise if found is None else found


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return str(value) if isinstance(value, int | float) else msgspec.json.encode(value).decode()
