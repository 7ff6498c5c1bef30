"""Functions that listen: nothing missed between kernels, errors tried again, then buried."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import boathouse as bh
from boathouse.catalogs.events.event import Event
from boathouse.catalogs.lake import Lake
from boathouse.workflows.listener import Listener
from boathouse.workflows.options import default_name
from boathouse.workflows.rules.silence import RULE_SILENT

from .conftest import until

QUICK = {"attempts": 3, "first": 0.01, "max": 0.02}


@pytest.fixture
def listen(lake: Lake) -> Iterator[Callable[..., Listener]]:
    """Begin to listen to pings; ended after the test."""
    begun: list[Listener] = []

    def listen(function: Callable[..., Any], **options: Any) -> Listener:
        begun.append(bh.on("org.example.ping", lake=lake, **options)(function))
        return begun[-1]

    yield listen
    for listener in begun:
        listener.stop()


def ping(lake: Lake, *ids: Any, **about: Any) -> None:
    lake.log.append(
        [Event(type="org.example.ping", source="/me", id=str(id), **about) for id in ids]
    )


def test_events_reach_a_function_in_milliseconds(lake: Lake, listen: Any) -> None:
    heard: dict[str, float] = {}
    listen(lambda event: heard.setdefault(event.id, time.perf_counter()), name="quick")
    waits: list[float] = []
    for number in range(40):
        begun = time.perf_counter()
        ping(lake, number)
        while str(number) not in heard:
            time.sleep(0.0002)
            assert time.perf_counter() < begun + 20
        waits.append(heard[str(number)] - begun)
    # The bar is 5 ms on a quiet machine; the suite shares its two cores.
    assert statistics.median(waits) < 0.015


def test_the_next_kernel_goes_on_where_the_last_was(lake: Lake, listen: Any) -> None:
    first: list[str] = []
    listener = listen(lambda event: first.append(event.id), name="ndvi")
    ping(lake, 1, 2)
    until(lambda: len(first) == 2)
    listener.stop()
    assert "stopped" in repr(listener)
    ping(lake, 3, 4)
    second: list[str] = []
    listen(lambda event: second.append(event.id), name="ndvi")
    until(lambda: second == ["3", "4"])
    assert first == ["1", "2"]


def test_a_cell_that_runs_again_replaces_its_function(lake: Lake, listen: Any) -> None:
    old: list[str] = []
    new: list[str] = []
    before = listen(lambda event: old.append(event.id), name="cell")
    ping(lake, 1)
    until(lambda: old == ["1"])
    listen(lambda event: new.append(event.id), name="cell")
    assert not before.alive
    ping(lake, *range(2, 12))
    until(lambda: len(new) == 10)
    assert old == ["1"]


def test_one_in_ten_fails_once_and_all_are_done_in_the_end(lake: Lake, listen: Any) -> None:
    done: list[str] = []
    failed: set[str] = set()

    def shaky(event: Event) -> None:
        if int(event.id) % 10 == 0 and event.id not in failed:
            failed.add(event.id)
            raise ValueError("not this time")
        if event.id == "33":
            raise RuntimeError("never")
        done.append(event.id)

    listener = listen(shaky, retry=QUICK)
    ping(lake, *range(50))
    until(lambda: len(done) == 49 and listener.dead_letters())
    assert sorted(map(int, done)) == [number for number in range(50) if number != 33]
    (letter,) = listener.dead_letters()
    assert (letter.event.id, letter.reason) == ("33", "RuntimeError: never")
    assert listener.alive
    assert (listener.handled, listener.failed) == (49, 5 + QUICK["attempts"])


def test_one_key_at_a_time_and_in_order(lake: Lake, listen: Any) -> None:
    lock = threading.Lock()
    busy: set[str] = set()
    order: dict[str, list[int]] = {"a": [], "b": []}
    failed: set[str] = set()
    several = 0

    def react(event: Event) -> None:
        nonlocal several
        with lock:
            assert event.subject not in busy
            busy.add(event.subject)
            several = max(several, len(busy))
        time.sleep(0.005)
        with lock:
            busy.discard(event.subject)
            if int(event.id) % 7 == 0 and event.id not in failed:
                failed.add(event.id)
                raise ValueError("once more")
            order[event.subject].append(int(event.id))

    listener = listen(react, key="{subject}", concurrency=4, retry=QUICK)
    for number in range(40):
        ping(lake, number, subject="ab"[number % 2])
    until(lambda: sum(map(len, order.values())) == 40)
    assert order == {"a": list(range(0, 40, 2)), "b": list(range(1, 40, 2))}
    assert several == 2
    assert listener.failed == len(failed) == 6


def test_several_events_together(lake: Lake, listen: Any) -> None:
    batches: list[list[str]] = []
    listen(lambda events: batches.append([each.id for each in events]), name="b", batch=3)
    windows: list[list[str]] = []
    listen(lambda events: windows.append([each.id for each in events]), name="w", window=0.2)
    ping(lake, *range(7))
    until(lambda: batches == [["0", "1", "2"], ["3", "4", "5"]])
    until(lambda: [id for each in windows for id in each] == [str(id) for id in range(7)])
    ping(lake, 7, 8)
    until(lambda: len(batches) == 3 and batches[2] == ["6", "7", "8"])


def test_all_of_them_have_arrived(lake: Lake) -> None:
    pairs: list[list[str]] = []
    parts = [bh.on("org.example.sst", lake=lake), {"type": "org.example.ice"}]
    listener = bh.on(all_of=parts, by="{datatime}", name="pairs", lake=lake)(
        lambda events: pairs.append(sorted(each.id for each in events))
    )
    for id, type, day in (
        ("sst-1", "sst", 1), ("sst-2", "sst", 2), ("ice-2", "ice", 2), ("air-1", "air", 1),
        ("ice-3", "ice", 3), ("ice-1", "ice", 1),
    ):  # fmt: skip
        when = f"2026-01-0{day}T00:00:00Z"
        lake.log.append([Event(type=f"org.example.{type}", source="/me", id=id, datatime=when)])
    until(lambda: len(pairs) == 2)
    assert pairs == [["ice-2", "sst-2"], ["ice-1", "sst-1"]]
    listener.stop(forget=True)
    assert [each.name for each in lake.log.consumers()] == []


def test_silence_is_told_once(lake: Lake, listen: Any) -> None:
    told: list[str] = []
    listen(lambda event: told.append(event.type), within=0.3, name="silence")
    until(lambda: told == [RULE_SILENT])
    ping(lake, 1)
    until(lambda: told == [RULE_SILENT] * 2)
    time.sleep(0.5)
    assert told == [RULE_SILENT] * 2, "once for each silence, and never for an event"


def test_conditions_are_looked_at_by_the_server(lake: Lake, listen: Any) -> None:
    heard: list[str] = []
    listen(
        lambda event: heard.append(event.id),
        name="alps",
        area=bh.Box(latitude=(44, 48), longitude=(5, 17)),
        cloud_cover={"lt": 20},
        where={"data.level": [1, 2]},
    )
    good = {"bbox": "6,45,7,46", "data": {"cloud_cover": 3, "level": 2}}
    ping(lake, "far", **{**good, "bbox": "60,45,61,46"})
    ping(lake, "cloudy", **{**good, "data": {"cloud_cover": 30, "level": 2}})
    ping(lake, "high", **{**good, "data": {"cloud_cover": 3, "level": 3}})
    ping(lake, "good", **good)
    until(lambda: heard)
    assert heard == ["good"]


def test_who_asks_for_the_past_gets_it_once(lake: Lake, listen: Any) -> None:
    ping(lake, "early")
    heard: list[str] = []
    listen(lambda event: heard.append(event.id), since="2020-01-01", name="past").stop
    until(lambda: heard == ["early"])
    again: list[str] = []
    listen(lambda event: again.append(event.id), since="2020-01-01", name="past")
    ping(lake, "late")
    until(lambda: again == ["late"])


def test_a_function_may_ask_for_the_lake(lake: Lake, listen: Any) -> None:
    seen: list[Any] = []

    def with_lake(event: Event, lake: Lake) -> None:
        seen.append(lake)

    listener = listen(with_lake)
    ping(lake, 1)
    until(lambda: seen)
    assert seen == [lake]
    listener(Event(type="org.example.ping", source="/by/hand"))
    assert seen == [lake, lake]


def test_wrong_conditions_are_refused_where_they_are_written(lake: Lake) -> None:
    for options, field in (
        ({}, "where"),
        ({"collection": "x", "retry": 0}, "retry"),
        ({"collection": "x", "concurrency": 0}, "concurrency"),
        ({"collection": "x", "batch": 0}, "batch"),
        ({"collection": "x", "window": "soon"}, "window"),
        ({"collection": "x", "within": -1}, "within"),
        ({"all_of": [3]}, "all_of[0]"),
        ({"all_of": [{"type": "a", "colour": 1}, {"tpye": "x"}]}, "tpye"),
        ({"collection": "x", "area": "alps"}, "area"),
        ({"collection": "x", "since": "yesterday"}, "since"),
        ({"collection": "x", "n": {"near": 3}}, "n"),
    ):
        with pytest.raises(bh.BadRequest) as wrong:
            bh.on(lake=lake, **options)(lambda event: None)
        assert field in str(wrong.value.field), options
    with pytest.raises(bh.BadRequest, match="name="):
        bh.on("org.example.ping", lake=lake)(lambda event: None)


def test_names_stay_the_same_in_the_next_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    here = default_name(ping)
    assert here.endswith("test_listener.ping")
    monkeypatch.setenv("JPY_SESSION_NAME", "my work/Storms & gusts.ipynb")
    made: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("def react(event): ...", "cell", "exec"), made)
    assert default_name(made["react"]) == "Storms-gusts.react"
    assert Path(here).name == here
