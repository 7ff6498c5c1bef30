"""An event as one row of the table: short texts that a person can take in."""

from collections.abc import Iterable
from typing import TypedDict

import msgspec

from ...catalogs.events.event import Event
from ...catalogs.events.places import event_shape
from ...catalogs.events.wire import encode_numbered

# A longer text would not fit into a cell in any case.
LONGEST = 200


class Row(TypedDict):
    """What the browser shows of one event (JSON)."""

    n: int
    time: str
    type: str
    collection: str
    subject: str
    where: str


def row_of(event: Event) -> Row:
    """The row of one event.

    Examples
    --------
    >>> row_of(Event(type="a.b", source="/a", bbox="5,44,17,48", sequence=7))["where"]
    '44–48° N, 5–17° E'
    """
    return {
        "n": event.sequence,
        "time": event.time,
        "type": event.type[:LONGEST],
        "collection": event.collection[:LONGEST],
        "subject": event.subject[:LONGEST],
        "where": place_of(event),
    }


def place_of(event: Event) -> str:
    """Where an event is, in words; empty when it does not say, or nothing that can be read."""
    shape = event_shape(event)
    if shape is None:
        return ""
    from shapely import get_coordinates

    return place_text([(east, north) for east, north in get_coordinates(shape).tolist()])


def place_text(points: list[tuple[float, float]]) -> str:
    """One place, or the ranges of several, longitude first.

    Examples
    --------
    >>> place_text([(4.25, 51.5)])
    '51.5° N, 4.25° E'
    """
    if not points:
        return ""
    east, north = zip(*points, strict=True)
    return f"{_range(north, 'N', 'S')}, {_range(_together(east), 'E', 'W')}"


def text_of(event: Event) -> str:
    """The whole event as CloudEvents JSON, to read and to copy."""
    return msgspec.json.format(encode_numbered(event), indent=2).decode()


def _together(east: Iterable[float]) -> list[float]:
    """Longitudes on both sides of the antimeridian as one run, the westernmost first."""
    known = sorted(east)
    if known[-1] - known[0] <= 180 or known[0] > -180 or known[-1] < 180:
        return known
    # Pieces that were cut at 180 degrees belong together.
    return sorted(each + 360 if each < 0 else each for each in known)


def _range(values: Iterable[float], positive: str, negative: str) -> str:
    known = list(values)
    low, high = min(known), max(known)
    if abs(high - low) < 1e-9:
        return _degrees(low, positive, negative)
    if low >= 0 and high <= 180:
        return f"{_number(low)}–{_degrees(high, positive, negative)}"
    if high <= 0:
        return f"{_number(-high)}–{_degrees(low, positive, negative)}"
    return f"{_degrees(low, positive, negative)} – {_degrees(high, positive, negative)}"


def _degrees(value: float, positive: str, negative: str) -> str:
    value = value - 360 if value > 180 else value
    return f"{_number(abs(value))}° {negative if value < 0 else positive}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
