"""Where events are: whatever producers write, nothing breaks, and boxes hold their shapes."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boathouse.catalogs.errors import BadEvent
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.events.places import GEOMETRIES, boxes_of, event_boxes, event_shape
from boathouse.catalogs.events.sqlite import SqliteEventLog

from .event_log_conformance import ping

NUMBERS = st.integers(-400, 400) | st.floats(-400, 400) | st.sampled_from([10**400, 1e300, -1e300])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)
RINGS = st.lists(st.lists(NUMBERS, min_size=2, max_size=3), min_size=3, max_size=6)
GEOMETRY = st.fixed_dictionaries(
    {
        "type": st.sampled_from(sorted(GEOMETRIES)) | JSON,
        "coordinates": JSON | RINGS | st.lists(RINGS, max_size=2) | st.lists(NUMBERS, max_size=3),
    }
)
PLACES = (
    st.fixed_dictionaries({"geometry": GEOMETRY | JSON})
    | st.fixed_dictionaries({"bbox": JSON | st.lists(NUMBERS, min_size=4, max_size=6)})
    | st.fixed_dictionaries(
        {"identifier": st.fixed_dictionaries({"polygon": JSON | RINGS, "point": JSON})}
    )
)


@settings(deadline=None, max_examples=150)
@given(PLACES)
def test_no_data_breaks_anything_and_boxes_hold_the_shape(data: dict[str, Any]):
    event = Event(type="a", source="/me", data=data)
    event.geometry()
    boxes, shape = event_boxes(event), event_shape(event)
    assert bool(boxes) == (shape is not None)
    for west, south, east, north in boxes:
        assert -180 <= west <= east <= 180
        assert -90 <= south <= north <= 90
    if shape is not None:
        for x, y in [(each[0], each[1]) for each in boxes_of(shape)]:
            assert any(w <= x <= e and s <= y <= n for w, s, e, n in boxes)
    with contextlib.suppress(BadEvent):
        # A geometry that is good enough for a filter touches itself.
        wanted = EventFilter(area=data.get("geometry") or {}).validated()
        assert wanted.matches(event)


@pytest.mark.parametrize("data", [{"geometry": {"type": []}}, {"bbox": [10**400, 0, 0, 0]}])
def test_events_whose_place_is_none_are_stored_and_nowhere(tmp_path: Path, data: dict[str, Any]):
    log = SqliteEventLog(tmp_path / "events.sqlite")
    log.append([ping(data=data)])
    assert len(log.read()) == 1
    assert log.read(where=EventFilter(bbox=(-180, -90, 180, 90))) == []
    log.close()


def test_a_change_that_fails_is_undone_alone(tmp_path: Path):
    log = SqliteEventLog(tmp_path / "events.sqlite")
    log.consume("c")

    def broken(connection: Any) -> None:
        connection.execute("DELETE FROM consumers")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        log.change(broken)
    assert log.append([ping()]) == [1]
    assert [state.name for state in log.consumers()] == ["c"]
    log.close()
