"""The notebook face of the log, in process: notify, listen, replay."""

import threading
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import boathouse as bh
from boathouse.catalogs import lake as lakes
from boathouse.catalogs.errors import BadEvent, BadRequest
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.events.notices import listen, notify, notify_many, replay
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


class TestNotifyMany:
    def test_stores_all_in_order(self, lake: Lake):
        given = [{"type": "a", "data": n, "bbox": (5, 44, 6, 45)} for n in range(5)]
        sent = notify_many([*given, Event(type="b", source="/s")], lake=lake)
        assert [event.sequence for event in sent] == [1, 2, 3, 4, 5, 6]
        assert list(replay(lake=lake)) == sent
        assert (sent[0].owner, sent[0].access, sent[0].source) == ("ann", "private", "/users/ann")
        assert sent[0].bbox == "5,44,6,45"
        assert notify_many([], lake=lake) == []

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"data": 1}, "type"),
            ({"type": "a", "kind": "b"}, "kind"),
            ({"type": "a", "sequence": 7}, "sequence"),
            ({"type": "a", "datatime": "noon"}, "datatime"),
            ({"type": "a", "bbox": (1, 2)}, "bbox"),
            ({"type": "a", "extensions": {"Not-One": "x"}}, "Not-One"),
            ("a", None),
        ],
    )
    def test_says_which_one_is_wrong_and_stores_none(self, lake: Lake, wrong: Any, field: Any):
        with pytest.raises(BadEvent, match=r"^events\[1\]: ") as caught:
            notify_many([{"type": "a"}, wrong], lake=lake)
        assert caught.value.field == field
        assert lake.log.last() == 0


def test_the_new_attributes_reach_the_log(lake: Lake):
    event = notify(
        "a.b",
        bbox=(170, -10, -170, 10),
        dataref="s3://bucket/key",
        partitionkey="tile-32",
        expirytime=datetime(2999, 1, 1),
        extensions={"severity": 3, "region": "alps", "drill": True},
        lake=lake,
    )
    (stored,) = replay(lake=lake)
    assert stored == event
    assert stored.bbox == "170,-10,-170,10"
    assert stored.expirytime == "2999-01-01T00:00:00Z"
    assert stored.extensions == {"severity": 3, "region": "alps", "drill": True}


class TestFilters:
    """Keywords of listen and replay reach the log; what the filter does is tested with it."""

    @pytest.fixture
    def scenes(self, lake: Lake) -> Lake:
        notify_many(
            [
                {
                    "type": "org.example.scene",
                    "source": f"/stations/{n % 2}",
                    "subject": f"/tiles/{'ab'[n % 2]}/{n}",
                    "datatime": f"2026-01-0{n + 1}T00:00:00Z",
                    "bbox": (n, 0, n + 0.5, 1),
                    "data": {"properties": {"cloud_cover": 10 * n}},
                }
                for n in range(6)
            ],
            lake=lake,
        )
        notify("org.other.thing", lake=lake)
        return lake

    @pytest.mark.parametrize(
        ("conditions", "expected"),
        [
            ({"type": "org.example.*"}, [1, 2, 3, 4, 5, 6]),
            ({"type": ["org.other.thing", "org.nothing"]}, [7]),
            ({"types": ["org.other.*"]}, [7]),
            ({"source": "/stations/1"}, [2, 4, 6]),
            ({"subject": "/tiles/b*"}, [2, 4, 6]),
            ({"bbox": (1.2, 0, 3.1, 1)}, [2, 3, 4]),
            ({"area": bh.Box(latitude=(0, 1), longitude=(4.2, 9))}, [5, 6]),
            ({"cloud_cover": {"lt": 20}}, [1, 2]),
            ({"cloud_cover": 30}, [4]),
            ({"cloud_cover": [10, 50]}, [2, 6]),
            ({"where": {"data.properties.cloud_cover": {"gte": 40}}}, [5, 6]),
            ({"where": EventFilter(not_=EventFilter(type="org.example.*"))}, [7]),
            ({"where": EventFilter(source="/stations/0"), "cloud_cover": {"gt": 0}}, [3, 5]),
        ],
    )
    def test_pick(self, scenes: Lake, conditions: dict[str, Any], expected: list[int]):
        assert [event.sequence for event in replay(lake=scenes, **conditions)] == expected
        heard = listen(after=0, timeout=0, lake=scenes, **conditions)
        assert [event.sequence for event in heard] == expected

    def test_replay_by_data_time_and_by_number(self, scenes: Lake):
        def numbers(*place: Any, **conditions: Any) -> list[int]:
            return [event.sequence for event in replay(*place, lake=scenes, **conditions)]

        assert numbers(data_since="2026-01-03", data_until=date(2026, 1, 5)) == [3, 4]
        assert numbers(2, 4) == [3, 4]
        assert numbers(2, until=4) + numbers(4, until=9) == [3, 4, 5, 6, 7]
        assert numbers(0, datetime(2026, 1, 1)) == []
        with pytest.raises(BadEvent, match="exclude each other"):
            replay(until="2026-01-01", until_now=False, lake=scenes)

    @pytest.mark.parametrize("ask", [listen, replay])
    def test_what_is_wrong_is_said_before_anything_is_read(self, scenes: Lake, ask: Any):
        with pytest.raises(BadEvent) as caught:
            ask(lake=scenes, colection="sst")
        assert caught.value.field == "colection"
        with pytest.raises(BadEvent) as caught:
            ask(lake=scenes, cloud_cover={"below": 20})
        assert caught.value.field == "where.cloud_cover"

    def test_a_place_past_the_end_is_refused(self, scenes: Lake):
        with pytest.raises(BadEvent) as caught:
            listen(after=99, lake=scenes)
        assert caught.value.field == "after"
