"""The notebook face of the log, in process: notify, listen, replay."""

import threading
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from boathouse.catalogs import lake as lakes
from boathouse.catalogs.errors import BadEvent, BadRequest
from boathouse.catalogs.events.event import Event
from boathouse.catalogs.events.notices import listen, notify, replay
from boathouse.catalogs.lake import Lake


def test_an_event_is_ours_and_private_unless_said(lake: Lake):
    event = notify("org.example.ping", data={"n": 1}, lake=lake)
    assert (event.sequence, event.owner, event.access) == (1, "ann", "private")
    assert event.source == "/users/ann"
    assert list(replay(lake=lake)) == [event]


def test_all_attributes_reach_the_log(lake: Lake):
    given: dict[str, Any] = {
        "source": "https://example.org/station",
        "collection": "sst",
        "subject": "/collections/sst/items/1",
        "data": [1, "é"],
        "access": "group:crew",
        "id": "reading-7",
    }
    when = datetime(2026, 1, 1, 12)
    event = notify("org.example.reading", **given, datatime=when, lake=lake)
    assert event.datatime == "2026-01-01T12:00:00Z"
    assert {name: getattr(event, name) for name in given} == given
    again = notify("org.example.reading", **given, lake=lake)
    assert again.sequence == event.sequence == 1
    assert list(replay(lake=lake)) == [event]


@pytest.mark.parametrize(
    ("attributes", "field"),
    [
        ({"type": ""}, "type"),
        ({"data": {1j}}, "data"),
        ({"access": "all"}, "access"),
        ({"datatime": "2026-01-01"}, "datatime"),
    ],
)
def test_a_bad_event_is_named(lake: Lake, attributes: dict[str, Any], field: str):
    with pytest.raises(BadEvent) as caught:
        notify(**{"type": "org.example.ping", **attributes}, lake=lake)
    assert caught.value.field == field
    assert lake.log.last() == 0


def test_listening_begins_now_or_after_a_number(lake: Lake):
    notify("a", lake=lake)
    heard = listen(timeout=0.2, lake=lake)
    second = notify("b", lake=lake)
    assert list(heard) == [second]
    assert [event.type for event in listen(after=0, timeout=0, lake=lake)] == ["a", "b"]
    assert [event.type for event in listen("a", after=0, timeout=0, lake=lake)] == ["a"]
    assert list(listen(collection="c", after=0, timeout=0, lake=lake)) == []


class TestReplay:
    @pytest.fixture
    def days(self, lake: Lake) -> Lake:
        """Four events of 2026-01-01 to 04, at six in the morning."""
        lake.log.append(
            [Event(type="day", source="/d", time=f"2026-01-0{n}T06:00:00Z") for n in range(1, 5)]
        )
        return lake

    @pytest.mark.parametrize(
        ("since", "first"),
        [
            (0, 1),
            (2, 3),
            ("2026-01-02", 2),
            ("2026-01-02T06:00:00Z", 2),
            ("2026-01-02T06:00:00.001Z", 3),
            ("2026-01-02T09:00:00+03:00", 2),
            (date(2026, 1, 3), 3),
            (datetime(2026, 1, 3, 7), 4),
            (datetime(2026, 1, 3, 6, tzinfo=UTC), 3),
            (datetime(2027, 1, 1), 5),
        ],
    )
    def test_begins_where_it_is_told(self, days: Lake, since: Any, first: int):
        found = [event.sequence for event in replay(since, lake=days)]
        assert found == list(range(first, 5))

    def test_a_time_that_is_none_is_named(self, days: Lake):
        with pytest.raises(BadEvent) as caught:
            replay("last week", lake=days)
        assert caught.value.field == "since"

    def test_has_no_limit_and_ends_at_the_present(self, lake: Lake):
        total = 2500
        lake.log.append([Event(type="n", source="/n", id=str(n)) for n in range(total)])
        numbers: list[int] = []
        for event in replay(lake=lake):
            numbers.append(event.sequence)
            if event.sequence == 1:
                notify("late", lake=lake)
        assert numbers == list(range(1, total + 1))

    def test_may_go_on(self, days: Lake):
        thread = threading.Timer(0.1, notify, ["later"], {"lake": days})
        thread.start()
        going_on = replay("2026-01-04", until_now=False, lake=days)
        assert [event.type for event in islice(going_on, 2)] == ["day", "later"]
        thread.join()

    def test_finds_a_late_start_without_reading_all(self, lake: Lake):
        """Clocks differ: the look-up must not be fooled by one that runs ahead."""
        base = datetime(2026, 1, 1, tzinfo=UTC)
        hours = [0, 9, 1, 2, 30, 3, 10, 11]
        lake.log.append(
            [
                Event(type="n", source="/n", time=(base + timedelta(hours=h)).isoformat())
                for h in hours
            ]
        )
        for since in range(32):
            found = [e.sequence for e in replay(base + timedelta(hours=since), lake=lake)]
            assert found == [n for n, h in enumerate(hours, 1) if h >= since]


def test_a_lake_must_be_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lakes, "_default", None)
    with pytest.raises(BadRequest, match="No lake is configured"):
        notify("a")
    opened = lakes.open_lake(tmp_path / "new")
    monkeypatch.setattr(lakes, "_default", lambda: opened)
    assert notify("a").sequence == 1
    opened.close()
