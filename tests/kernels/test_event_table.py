"""The table of events without a browser: what it shows, what it is told, what it gives."""

import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boathouse.catalogs.errors import BadEvent
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.events.notices import notify, notify_many
from boathouse.catalogs.lake import Lake, open_lake
from boathouse.kernels.event_table import feed
from boathouse.kernels.event_table.feed import read_before
from boathouse.kernels.event_table.inputs import EMPTY, describe, read_inputs, write_inputs
from boathouse.kernels.event_table.rows import place_of, row_of, text_of
from boathouse.kernels.event_table.widget import EventTable, events


def until(true: Callable[[], object], what: str, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)


@pytest.fixture
def followers() -> Callable[[], int]:
    """Counts the threads that follow a log since the test began."""
    old = set(threading.enumerate())

    def count() -> int:
        new = set(threading.enumerate()) - old
        return sum(thread.name == "boathouse-event-table" for thread in new)

    return count


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = open_lake(tmp_path / "lake", user="ann")
    yield opened
    opened.close()


@pytest.fixture
def show(lake: Lake) -> Iterator[Callable[..., EventTable]]:
    tables: list[EventTable] = []

    def make(*where: Any, **options: Any) -> EventTable:
        tables.append(events(*where, lake=lake, **options))
        return tables[-1]

    yield make
    for table in tables:
        table.close()


def browser_sends(table: EventTable, **state: Any) -> None:
    table.set_state(state)


class TestTable:
    def test_shows_the_newest_first_and_what_comes(self, lake: Lake, show: Any) -> None:
        notify_many([{"type": "n", "data": n} for n in range(3)], lake=lake)
        table = show()
        assert [row["n"] for row in table.rows] == [3, 2, 1]
        notify("later", lake=lake)
        until(lambda: len(table.events) == 4, "the fourth")
        assert table.events[0].type == "later"
        assert repr(table) == "<EventTable, live: 4 events>"
        assert table.known["types"] == ["later", "n"]

    def test_holds_back_while_paused(self, lake: Lake, show: Any) -> None:
        table = show(paused=True)
        notify_many([{"type": "n"}] * 3, lake=lake)
        until(lambda: table.waiting == 3, "three to wait")
        assert table.events == []
        table.paused = False
        assert [event.sequence for event in table.events] == [3, 2, 1]
        assert table.waiting == 0

    def test_another_filter_is_another_table(self, lake: Lake, show: Any, followers: Any) -> None:
        notify_many([{"type": "a"}, {"type": "b"}], lake=lake)
        table = show("a")
        assert [event.type for event in table.events] == ["a"]
        table.filter = EventFilter(type="b")
        notify_many([{"type": "a"}, {"type": "b"}], lake=lake)
        until(lambda: len(table.events) == 2, "the second b")
        assert {event.type for event in table.events} == {"b"}
        until(lambda: followers() == 1, "the first follower to end")

    def test_a_wrong_input_is_said_and_the_table_stays(self, lake: Lake, show: Any) -> None:
        notify("a", lake=lake)
        table = show()
        browser_sends(table, inputs={**EMPTY, "span": "own", "since": "soon"})
        assert table.trouble["field"] == "since"
        assert len(table.rows) == 1
        browser_sends(table, inputs=dict(EMPTY))
        assert table.trouble == {}

    def test_a_text_is_looked_for_in_all_of_an_event(self, lake: Lake, show: Any) -> None:
        notify_many(
            [{"type": "n", "data": {"name": name}} for name in ("Kiel", "Cochem", "Köln")],
            lake=lake,
        )
        table = show()
        browser_sends(table, inputs={**EMPTY, "text": "kö"})
        assert [event.data["name"] for event in table.events] == ["Köln"]

    def test_selection_goes_both_ways(self, lake: Lake, show: Any) -> None:
        sent = notify_many([{"type": "n"}] * 5, lake=lake)
        table = show()
        browser_sends(table, chosen=[2, 4])
        assert table.selection == [sent[3], sent[1]]
        table.selection = [sent[0], 3]
        assert sorted(table.chosen) == [1, 3]
        with pytest.raises(BadEvent, match="99"):
            table.selection = [99]

    def test_opens_an_event_as_cloudevents_json(self, lake: Lake, show: Any) -> None:
        event = notify("n", data={"a": [1, "é"]}, extensions={"severity": 3}, lake=lake)
        table = show()
        browser_sends(table, opened=1)
        document = json.loads(table.detail["text"])
        assert document["severity"] == 3
        assert document["data"] == event.data
        browser_sends(table, opened=77)
        assert "does not hold" in table.detail["error"]
        browser_sends(table, opened=0)
        assert table.detail == {}

    def test_the_past_comes_page_by_page_up_to_a_limit(
        self, lake: Lake, show: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(feed, "PAGE", 10)
        monkeypatch.setattr(feed, "MOST", 25)
        notify_many([{"type": "ab"[n % 2]} for n in range(60)], lake=lake)
        table = show("b")
        assert (len(table.events), table.more) == (10, "more")
        browser_sends(table, pages=1)
        assert (len(table.events), table.more, table.served) == (20, "more", 1)
        table.older()
        assert (len(table.events), table.more) == (25, "full")
        assert [event.sequence for event in table.events] == list(range(60, 10, -2))
        table.filter = {"type": "b", "where": {"sequence": {"lte": 30}}}
        table.older()
        assert (len(table.events), table.more) == (15, "")

    def test_ends_its_thread_when_it_is_closed(self, lake: Lake, followers: Any) -> None:
        table = events(lake=lake)
        assert followers() == 1
        table.close()
        del table
        gc.collect()
        until(lambda: followers() == 0, "the thread to end")

    def test_a_wrong_condition_is_refused_at_once(self, lake: Lake, followers: Any) -> None:
        with pytest.raises(BadEvent) as caught:
            EventTable(lake=lake, colection="sst")
        assert caught.value.field == "colection"
        assert followers() == 0


@pytest.mark.parametrize(
    ("where", "shown", "rest"),
    [
        (EventFilter(), {}, EventFilter()),
        (
            EventFilter(type="a.*", collection="c"),
            {"type": "a.*", "collection": "c"},
            EventFilter(),
        ),
        (EventFilter(types=("a", "b")), {"type": "a, b"}, EventFilter()),
        (
            EventFilter(where={"a": {"lt": 2}}),
            {"field": "a", "operator": "lt", "value": "2"},
            EventFilter(),
        ),
        (
            EventFilter(where={"a": "2t"}),
            {"field": "a", "operator": "eq", "value": "2t"},
            EventFilter(),
        ),
        (
            EventFilter(where={"a": {"gt": 1, "lt": 2}}),
            {},
            EventFilter(where={"a": {"gt": 1, "lt": 2}}),
        ),
        (EventFilter(type="a", source="/s"), {"type": "a"}, EventFilter(source="/s")),
    ],
)
def test_inputs_hold_what_they_can_of_a_filter(
    where: EventFilter, shown: dict[str, str], rest: EventFilter
) -> None:
    inputs, left = write_inputs(where)
    assert inputs == {**EMPTY, **shown}
    assert left == rest


_names = st.sampled_from(["a", "b.c", "cloud_cover"])
_values = st.one_of(st.integers(-5, 5), st.text("ab2", min_size=1).map(str.strip).filter(bool))
_filters = st.builds(
    EventFilter,
    type=st.sampled_from(["", "n", "n.*"]),
    types=st.sampled_from([(), ("n", "m.x")]),
    collection=st.sampled_from(["", "c"]),
    source=st.sampled_from(["", "/s"]),
    where=st.dictionaries(
        _names, st.dictionaries(st.sampled_from(["eq", "ne"]), _values, min_size=1), max_size=2
    ),
)
_events = st.builds(
    Event,
    type=st.sampled_from(["n", "n.a", "m.x"]),
    source=st.sampled_from(["/s", "/t"]),
    collection=st.sampled_from(["", "c"]),
    data=st.dictionaries(st.sampled_from(["a", "cloud_cover"]), _values),
)


@settings(deadline=None)
@given(_filters, _events)
def test_a_filter_survives_the_inputs(where: EventFilter, event: Event) -> None:
    inputs, rest = write_inputs(where)
    assert read_inputs(inputs, rest).matches(event) == where.matches(event)


def test_what_the_inputs_cannot_say_is_said_in_words() -> None:
    rest = EventFilter(
        source="/s", area={"type": "Point", "coordinates": [0, 0]}, not_=EventFilter(type="a")
    )
    assert describe(rest) == "source /s · in an area · further conditions"
    assert describe(EventFilter()) == ""


@pytest.mark.parametrize(
    ("attributes", "place"),
    [
        ({}, ""),
        ({"bbox": "5,44,17,48"}, "44–48° N, 5–17° E"),
        ({"bbox": "-10,-5.5,-4,6"}, "5.5° S – 6° N, 4–10° W"),
        ({"bbox": "170,-20,-170,-10"}, "10–20° S, 170° E – 170° W"),
        (
            {"data": {"geometry": {"type": "Point", "coordinates": [4.256, 51.5]}}},
            "51.5° N, 4.26° E",
        ),
        ({"data": {"geometry": {"type": "Point", "coordinates": ["x"]}}}, ""),
        ({"data": {"geometry": {"type": "Nothing"}}}, ""),
    ],
)
def test_a_place_is_said_in_words(attributes: dict[str, Any], place: str) -> None:
    assert place_of(Event(type="n", source="/s", **attributes)) == place


_anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(_anything, st.sampled_from(["geometry", "bbox", "identifier"]))
def test_any_payload_has_a_row(data: Any, name: str) -> None:
    event = Event(type="n", source="/s", data={name: data}, sequence=3)
    assert row_of(event)["n"] == 3
    assert json.loads(text_of(event))["data"] == json.loads(json.dumps({name: data}))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None
)
@given(
    types=st.lists(st.sampled_from("ab"), min_size=1, max_size=400),
    before=st.integers(1, 401),
    count=st.integers(1, 50),
)
def test_reading_backwards_finds_the_last_ones(
    tmp_path_factory: pytest.TempPathFactory, types: list[str], before: int, count: int
) -> None:
    lake = open_lake(tmp_path_factory.mktemp("lake", numbered=True), user="ann")
    lake.log.append([Event(type=each, source="/s") for each in types])
    before = min(before, len(types) + 1)
    expected = [n for n, each in enumerate(types, 1) if each == "b" and n < before][-count:]
    found, bottom = read_before(lake.log, before, count, EventFilter(type="b"))
    assert [event.sequence for event in found] == expected
    if len(expected) == count:
        assert bottom <= expected[0]
    lake.close()
