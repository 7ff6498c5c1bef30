"""The dashboard's lists, and how work and events reach a page."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from boathouse.catalogs.access import Reader
from boathouse.catalogs.errors import BadStep, Unavailable
from boathouse.catalogs.events.event import ITEM_CREATED, JOB_CHANGED, Event, EventFilter
from boathouse.catalogs.lake import open_lake
from boathouse.catalogs.records import Collection, Item, Link
from boathouse.hub.dashboard.arrivals import ArrivalsView, readable
from boathouse.hub.dashboard.feed import Follower, Subscriber
from boathouse.hub.dashboard.loading import Loader, Notices
from boathouse.hub.dashboard.results import ResultsView, named_by
from boathouse.hub.dashboard.runs import RunsView
from boathouse.hub.dashboard.thumbnails import Thumbnail
from boathouse.hub.dashboard.work import Latest, message_of
from boathouse.workflows.jobs import Job
from boathouse.workflows.rules.model import NotebookAction, Rule

ANN = Reader(name="ann")


class HandDesk:
    """Does work at once and keeps what is to come later, until it is asked for."""

    open = True

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def run(self, work: Any, then: Any, failed: Any) -> None:
        def do() -> None:
            with ThreadPoolExecutor(1) as pool:
                future = pool.submit(work)
            error = future.exception()
            then(future.result()) if error is None else failed(error)

        self.waiting.append(do)

    def soon(self, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def later(self, _milliseconds: int, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def go_on(self) -> None:
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback()


def pool(owner: str = "boathouse") -> Collection:
    return Collection(id="air", title="Fresh air", kind="pool", location="pools/air", owner=owner)


def job(**fields: Any) -> Job:
    return Job(**{"id": "j", "recipe": "mean", "parameters": {}, "owner": "ann", **fields})


def told(job: Job, owner: str = "ann") -> Event:
    return Event(
        type=JOB_CHANGED,
        source=f"/jobs/{job.id}",
        owner=owner,
        access="private",
        data=msgspec.to_builtins(job),
    )


def runs_of(reader: Reader = ANN) -> RunsView:
    return RunsView("/services/dashboard", lambda: reader, lambda _: None)


def test_a_run_never_goes_back() -> None:
    view = runs_of()
    view.load(([job(state="running", attempt=1, cells_done=3, cells_total=9)], []))
    view.add([told(job(state="successful", attempt=1, cells_done=9, cells_total=9))])
    view.add([told(job(state="running", attempt=1, cells_done=4, cells_total=9))])  # was late
    (row,) = view.view.rows
    assert row["badge"] == "done"
    assert "total" not in row
    view.add([told(job(state="running", attempt=2, cells_done=1, cells_total=9))])
    assert view.view.rows[0]["done"] == 1


def test_runs_of_others_are_not_believed() -> None:
    view = runs_of()
    view.add([told(job(id="a", owner="bob"), owner="bob")])
    view.add([told(job(id="b"), owner="bob")])  # Bob says that Ann has a run
    view.add([Event(type=JOB_CHANGED, source="/x", owner="ann", data={"id": 3})])
    assert view.view.rows == []
    assert not view.view.loaded


def test_a_run_says_where_it_came_from_and_what_it_made() -> None:
    view = runs_of()
    made = job(id="a/b", state="successful", rule="when", results=("cut",), started="s")
    rule = Rule(
        name="when",
        owner="ann",
        where=EventFilter(collection="air"),
        action=NotebookAction(recipe="mean"),
    )
    view.load(([made], []))
    assert not view.lacks_rule  # it was withdrawn
    view.add([told(job(id="c", rule="new"))])
    assert view.lacks_rule
    view.load(([made], [rule]))
    assert not view.lacks_rule
    _, run = view.view.rows
    assert run["details"][0] == "by rule when"
    assert [link.get("href") for link in run["links"]] == [
        "/services/dashboard/runs/a%2Fb",
        None,
    ]


def test_arrivals_join_the_catalog_and_the_log() -> None:
    view = ArrivalsView(lambda *_: None)
    event = Event(
        type=ITEM_CREATED,
        source="/collections/air",
        subject="/collections/air/items/two",
        collection="air",
        owner="boathouse",
        datatime="2019-03-01T06:00:00Z",
        time="2026-01-01T00:00:02Z",
    )
    view.add([event], {"air": pool()})
    one, two = (
        Item(id=id, collection="air", created=f"2026-01-01T00:00:0{second}Z")
        for id, second in (("one", 1), ("two", 2))
    )
    view.load([one, two], {"air": pool()})
    assert [row["key"] for row in view.view.rows] == ["air/two", "air/one"]
    assert view.view.rows[0]["details"] == ("data of 2019-03-01 06:00",)
    forged = msgspec.structs.replace(event, owner="bob", subject="/collections/air/items/three")
    hidden = msgspec.structs.replace(event, collection="of-bob")
    view.add([forged, hidden], {"air": pool()})
    assert len(view.view.rows) == 2


def test_a_click_names_only_what_was_shown() -> None:
    opened: list[tuple[str, str]] = []
    view = ArrivalsView(lambda *place: opened.append(place))
    view.load([Item(id="one", collection="air", datetime="2019-03-01T06:00:00Z")], {"air": pool()})
    for asked in (["air/two", 1], [{"a": 1}, 2], [], ["air/one", 3]):
        view.view.asked = asked
    assert opened == [("air", "2019-03-01T06:00:00Z")]


def test_results_link_to_inputs_and_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "boathouse.hub.dashboard.results.thumbnail", lambda *_: Thumbnail(line=(1.0, 2.0))
    )
    desk, chosen = HandDesk(), []
    view = ResultsView(desk, None, None, "/services/dashboard", chosen.append)  # type: ignore[arg-type]
    links = (
        Link(rel="derived_from", href="/collections/air"),
        Link(rel="via", href="/jobs/j-1"),
        Link(rel="about", href="https://elsewhere.invalid/"),
    )
    cut = msgspec.structs.replace(pool("ann"), id="cut", kind="result", links=links)
    view.show([pool(), cut])
    desk.go_on()
    (row,) = view.view.rows
    assert row["line"] == (1.0, 2.0)
    assert row["code"] == 'catalog["cut"].to_dask()'
    assert [link["text"] for link in row["links"]] == ["From air", "Run"]
    assert row["links"][1]["href"] == "/services/dashboard/runs/j-1"
    view.view.asked = [row["links"][0]["key"], 1]
    assert chosen == ["air"]


def test_only_links_of_ours_name_things() -> None:
    assert named_by("/jobs/a%2Fb") == ("jobs", "a/b")
    assert named_by("https://elsewhere.invalid/") == ("", "")
    assert readable("not a time") == "not a time"


def test_the_newest_ask_wins() -> None:
    desk, answers, busy = HandDesk(), [], []
    latest = Latest(desk, answers.append, answers.append, busy.append)  # type: ignore[arg-type]
    for number in range(5):
        latest.ask(lambda number=number: number)
    while desk.waiting:
        desk.go_on()
    assert answers == [0, 4]
    assert busy == [True, True, False]


def test_a_loader_tries_again_until_it_works() -> None:
    desk, notices, got = HandDesk(), Notices(), []
    answers: list[Any] = [Unavailable("No catalog."), ValueError("a defect"), "all of it"]

    def work() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    loader = Loader(desk, notices, "The catalog", work, got.append)  # type: ignore[arg-type]
    loader.load()
    desk.go_on()
    assert "No catalog." in notices.view.rows[0]["text"]
    desk.go_on()  # the wait
    desk.go_on()  # the second try
    assert "quote reference" in notices.view.rows[0]["text"]
    assert "a defect" not in notices.view.rows[0]["text"]
    desk.go_on()
    desk.go_on()
    assert got == ["all of it"]
    assert notices.view.rows == []


def test_only_errors_for_users_are_shown_to_them() -> None:
    assert message_of(BadStep("wrong units")) == "wrong units"
    assert "secret" not in message_of(RuntimeError("secret"))


def test_the_follower_misses_nothing_in_an_outage(tmp_path: Path) -> None:
    lake = open_lake(tmp_path / "lake", user="ann")
    lake.log.append([Event(type="old", source="/s")])
    broken, begun = threading.Event(), threading.Event()

    def fragile(work: Any) -> Any:
        def do(**options: Any) -> Any:
            if broken.is_set():
                raise Unavailable("gone")
            found = work(**options)
            begun.set()
            return found

        return do

    lake.log.follow = fragile(lake.log.follow)  # type: ignore[method-assign]
    lake.log.last = fragile(lake.log.last)  # type: ignore[method-assign]
    desk, seen, health = HandDesk(), [], []
    follower = Follower(lake.log, patience=0.1, retry=0.05)
    subscriber = Subscriber(
        desk,  # type: ignore[arg-type]
        lambda: ANN,
        seen.extend,
        lambda: health.append(follower.broken),
    )
    follower.add(subscriber)
    follower.start()
    assert begun.wait(10), "it begins with what comes after its first look"

    def until(condition: Callable[[], bool]) -> None:
        for _ in range(200):
            desk.go_on()
            if condition():
                return
            threading.Event().wait(0.05)
        raise AssertionError("it did not come about")

    lake.log.append([Event(type="one", source="/s")])
    until(lambda: [event.type for event in seen] == ["one"])
    broken.set()
    until(lambda: health == [True])
    lake.log.append(
        [
            Event(type="two", source="/s"),
            Event(type="hid", source="/s", owner="bob", access="private"),
        ]
    )
    broken.clear()
    until(lambda: [event.type for event in seen] == ["one", "two"])
    assert health == [True, False]
    follower.remove(subscriber)
    lake.log.append([Event(type="three", source="/s")])
    follower.stop()
    assert len(seen) == 2
    lake.close()
