"""Listening and the table of events through the service: shared work, and restarts."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boathouse.catalogs.errors import BadEvent
from boathouse.catalogs.events.notices import listen, notify, notify_many, replay
from boathouse.catalogs.http import call
from boathouse.catalogs.lake import Lake, connect_lake
from boathouse.kernels.event_table.widget import EventTable

from .event_service import Service, until


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "events.sqlite", state=tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def lake(service: Service, tmp_path: Path) -> Lake:
    return connect_lake(tmp_path, service.log_of("ann").connection)


def test_all_filters_travel(lake: Lake):
    notify_many(
        [
            {"type": "a.b", "bbox": (n, 0, n + 0.5, 1), "data": {"level": n}, "subject": f"/s/{n}"}
            for n in range(6)
        ],
        lake=lake,
    )
    for conditions, expected in (
        ({"bbox": (1.2, 0, 3.1, 1)}, [2, 3, 4]),
        ({"level": {"gte": 4}, "type": "a.*"}, [5, 6]),
        ({"where": {"level": [0, 5]}, "subject": "/s/*"}, [1, 6]),
    ):
        assert [event.sequence for event in replay(lake=lake, **conditions)] == expected
        heard = listen(after=0, timeout=0.2, lake=lake, **conditions)
        assert [event.sequence for event in heard] == expected
    with pytest.raises(BadEvent) as caught:
        listen(after=77, lake=lake)
    assert caught.value.field == "after"


def test_two_listeners_of_one_consumer_share_the_events_over_a_restart(
    service: Service, lake: Lake
):
    got: list[int] = []
    lock = threading.Lock()

    def react(event: Any) -> None:
        time.sleep(0.005)
        with lock:
            got.append(event.data)

    options: Any = {"consumer": "crew", "callback": react, "lake": lake}
    first, second = listen("n", after=0, **options), listen("n", **options)
    notify_many([{"type": "n", "data": n} for n in range(40)], lake=lake)
    until(lambda: len(got) > 5)
    service.stop()
    service.start()
    notify_many([{"type": "n", "data": n} for n in range(40, 60)], lake=lake)
    until(lambda: len(set(got)) == 60)
    first.stop()
    second.stop()
    assert first.handled
    assert second.handled
    # A call whose answer the restart swallowed may come again; nothing else may.
    assert len(got) <= 60 + 2


def test_the_table_shows_what_its_user_may_see_and_outlives_a_restart(
    service: Service, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(call.__kwdefaults__, "patience", 0.2)
    monkeypatch.setattr("boathouse.kernels.event_table.feed.RETRY_SECONDS", 0.2)
    other = connect_lake(tmp_path, service.log_of("bob").connection)
    notify("secret", lake=other)
    notify("open", access="public", lake=other)
    table = EventTable(lake=lake)
    try:
        assert [event.type for event in table.events] == ["open"]
        notify("secret", lake=other)
        notify("mine", lake=lake)
        until(lambda: [event.type for event in table.events] == ["mine", "open"])
        service.stop()
        table.filter = {"type": "mine"}
        assert "does not answer" in table.trouble["text"]
        service.start()
        until(lambda: [event.type for event in table.events] == ["mine"])
        assert table.trouble == {}
        notify("mine", lake=lake)
        until(lambda: len(table.events) == 2)
    finally:
        table.close()
