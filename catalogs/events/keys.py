"""The fields of events that the log keeps an index of, and how their values are ordered there."""

from collections.abc import Mapping
from typing import Any, cast

from .event import RESERVED, Event

# Longer texts are indexed by their beginning, which keeps their order.
LONGEST_VALUE = 255
# An event with more fields is under one mark, and looked at by whoever looks for any.
MOST_KEYS = 64
UNLISTED = ("", 0)

_SCALARS = frozenset({str, int, float, bool})
_PLAIN = _SCALARS | {dict, list, type(None)}

KeyValue = str | int | float | bytes


def keys_of(event: Event) -> list[tuple[str, KeyValue]] | None:
    """Name and value of each indexed field: the scalars that :meth:`.Event.field` finds by name.

    None when the data is not as JSON gives it (an object that is only written as JSON).

    Examples
    --------
    >>> keys_of(Event(type="t", source="/s", data={"identifier": {"step": 6}, "n": None}))
    [('step', 6)]
    """
    found: dict[str, Any] = {}
    plain = True
    if isinstance(event.data, dict):
        data = cast("dict[str, Any]", event.data)
        # The later ones go before the earlier ones, as in ``field``.
        for part in (data, data.get("properties"), data.get("identifier")):
            if isinstance(part, dict):
                plain = _add(found, cast("dict[str, Any]", part)) and plain
    elif type(event.data) not in _PLAIN:
        plain = False
    _add(found, event.extensions)
    if not plain:
        return None
    if len(found) > MOST_KEYS:
        return [UNLISTED]
    return [(name, key_value(value)) for name, value in found.items()]


def key_value(value: str | float) -> KeyValue:
    """A scalar as the index holds it; the order of numbers and that of texts are kept.

    Booleans become bytes, so that true is not 1.
    """
    if isinstance(value, str):
        return value[:LONGEST_VALUE]
    if isinstance(value, bool):
        return b"\x01" if value else b"\x00"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    return value


def after_prefix(prefix: str) -> str | bytes:
    """The least value above all texts that begin so.

    Examples
    --------
    >>> after_prefix("ab")
    'ac'
    """
    while prefix:
        point = ord(prefix[-1]) + 1
        if point == 0xD800:
            point = 0xE000  # no text holds surrogates
        if point <= 0x10FFFF:
            return prefix[:-1] + chr(point)
        prefix = prefix[:-1]
    return b""  # bytes are above all texts


def _add(found: dict[str, Any], part: Mapping[str, Any]) -> bool:
    """Add the scalars; return whether all is as JSON gives it."""
    plain = True
    for name, value in part.items():
        kind = type(value)
        if kind in _SCALARS:
            if type(name) is not str:
                plain = False
            elif name not in RESERVED:
                found[name] = value
        elif kind not in _PLAIN:
            plain = False
    return plain
