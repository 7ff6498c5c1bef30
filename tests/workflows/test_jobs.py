"""Jobs for real: papermill in kernels, on a Dask cluster, driven by DBOS and the ledger."""

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boathouse.catalogs.access import Reader
from boathouse.catalogs.errors import (
    BadParameter,
    BadRequest,
    Conflict,
    NotFound,
    PlanExceeded,
    Unavailable,
)
from boathouse.catalogs.events.event import JOB_CHANGED, Event, EventFilter
from boathouse.catalogs.lake import Lake, open_lake
from boathouse.workflows import local
from boathouse.workflows.driver import Driver, Stopped
from boathouse.workflows.executor import Executor, LocalExecutor, Submission
from boathouse.workflows.jobs import Job, Schedule
from boathouse.workflows.ledger import Ledger
from boathouse.workflows.local import LocalAutomation, open_automation
from boathouse.workflows.recipes import Shelf
from boathouse.workflows.rules.model import NotebookAction, Rule
from boathouse.workflows.runner import Order, run_notebook

from .conftest import until


def ended(automation: LocalAutomation, id: str) -> Job:
    return until(lambda: (job := automation.job(id)).ended and job)


def test_a_job_runs_publishes_and_links_what_it_made(
    automation: LocalAutomation, lake: Lake
) -> None:
    job = automation.submit("give", {"name": "given"})
    assert job.state == "accepted"
    done = ended(automation, job.id)
    assert (done.state, done.message) == ("successful", "")
    assert done.results == ("given",)
    assert done.cells_done == done.cells_total == 3
    assert done.started <= done.finished
    assert done.attempt == 1
    (item,) = lake.store.items("given")
    assert [(link.rel, link.href) for link in item.links] == [("via", f"/jobs/{job.id}")]

    again = ended(automation, automation.submit("give", {"name": "more", "source": "given"}).id)
    links = {link.rel: link.href for link in lake.store.collection("more").links}
    assert links == {"derived_from": "/collections/given", "via": f"/jobs/{again.id}"}

    executed = json.loads(automation.notebook(job.id))
    assert executed["metadata"]["papermill"]["input_path"] == "give.ipynb"
    assert (lake.root / done.notebook).parent.stat().st_mode & 0o077 == 0

    def told() -> list[str]:
        return [e.data["state"] for e in lake.log.read(where=EventFilter(type=JOB_CHANGED))]

    until(lambda: told()[-1] == "successful")
    assert told()[:3] == ["accepted", "accepted", "running"]
    others = lake.log.read(where=EventFilter(type=JOB_CHANGED), reader=Reader(name="bob"))
    assert others == [], "jobs are private"


def test_a_failing_notebook_says_why_and_is_kept(automation: LocalAutomation) -> None:
    job = ended(automation, automation.submit("fail", {"station": "Ob"}).id)
    assert job.state == "failed"
    assert "ValueError: no such station: Ob" in job.message
    assert job.attempt == 1, "a user's error is not tried again"
    text = automation.notebook(job.id).decode()
    assert "before" in text
    assert "no such station: Ob" in text


def test_a_dismissed_job_loses_its_kernel_at_once(
    automation: LocalAutomation, tmp_path: Path
) -> None:
    path = tmp_path / "pid"
    job = automation.submit("slow", {"path": str(path)})
    pid = int(until(lambda: path.exists() and path.read_text()))
    began = time.monotonic()
    assert automation.dismiss(job.id).state == "dismissed"
    until(lambda: not Path(f"/proc/{pid}").exists(), seconds=10)
    assert time.monotonic() - began < 4
    assert automation.dismiss(job.id).state == "dismissed"
    # The place is free again.
    after = automation.submit("note", {"path": str(tmp_path / "notes")})
    assert ended(automation, after.id).state == "successful"
    assert automation.job(job.id).state == "dismissed"


def test_a_user_has_two_jobs_at_once_and_others_need_not_wait(
    automation: LocalAutomation, tmp_path: Path
) -> None:
    ann, bob = Reader(name="ann"), Reader(name="bob")

    def slow(number: int, reader: Reader) -> Job:
        parameters = {"path": str(tmp_path / f"{reader.name}{number}"), "seconds": 600.0}
        return automation.submit("slow", parameters, reader=reader)

    anns = [slow(number, ann) for number in range(3)]
    bobs = slow(0, bob)
    until(lambda: automation.job(anns[1].id).attempt and automation.job(bobs.id).attempt)
    time.sleep(0.7)
    assert automation.job(anns[2].id).attempt == 0
    automation.dismiss(anns[0].id, reader=ann)
    until(lambda: automation.job(anns[2].id).attempt)
    assert {each.owner for each in automation.jobs(reader=bob)} == {"bob"}
    with pytest.raises(NotFound):
        automation.job(anns[1].id, reader=bob)
    with pytest.raises(NotFound):
        automation.dismiss(anns[1].id, reader=bob)
    for job in (*anns, bobs):
        automation.dismiss(job.id)


def test_a_rule_runs_a_notebook_once_per_event(
    automation: LocalAutomation, lake: Lake, tmp_path: Path
) -> None:
    path = tmp_path / "notes"
    lake.log.append([Event(type="org.example.tick", source="/clock", id="before")])
    automation.save_rule(
        Rule(
            name="tick",
            owner="",
            where=EventFilter(type="org.example.tick"),
            action=NotebookAction(
                recipe="note", parameters={"path": str(path), "text": "{id} of {source}"}
            ),
        )
    )
    tick = Event(type="org.example.tick", source="/clock", id="one")
    lake.log.append([tick])
    lake.log.append([tick])
    job = until(lambda: next(iter(automation.jobs()), None))
    ended(automation, job.id)
    assert path.read_text() == "one of /clock\n"
    assert (job.rule, job.event) == ("tick", 2)
    assert len(automation.jobs()) == 1


def test_a_schedule_makes_jobs_by_the_clock(automation: LocalAutomation, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    saved = automation.save_schedule(
        Schedule(
            name="often",
            owner="",
            cron="*/2 * * * * *",
            recipe="note",
            parameters={"path": str(path), "text": "tick"},
        )
    )
    assert saved.next > saved.created[:19]
    until(lambda: path.exists() and path.read_text().count("tick") >= 2)
    automation.delete_schedule("often")
    with pytest.raises(NotFound):
        automation.delete_schedule("often")
    assert {job.schedule for job in automation.jobs()} == {"often"}
    assert len({job.id for job in automation.jobs()}) == len(automation.jobs())


@pytest.mark.parametrize("cron", ["", "now", "61 * * * *", "* * * *", "* * * * * * *", "@daily"])
def test_a_line_that_is_no_cron_is_refused(automation: LocalAutomation, cron: str) -> None:
    with pytest.raises(BadRequest, match="cron") as caught:
        automation.save_schedule(
            Schedule(name="s", owner="", cron=cron, recipe="note", parameters={"path": "p"})
        )
    assert caught.value.field == "cron"


def test_wrong_submissions_make_no_job(automation: LocalAutomation) -> None:
    with pytest.raises(NotFound, match="there are: fail"):
        automation.submit("nothing", {})
    with pytest.raises(BadParameter, match="must be int"):
        automation.submit("note", {"path": "p", "times": "many"})
    with pytest.raises(BadParameter, match="larger than"):
        automation.submit("note", {"path": "x" * 600_000})
    assert automation.jobs() == []


def test_a_key_makes_one_job(automation: LocalAutomation, tmp_path: Path) -> None:
    parameters = {"path": str(tmp_path / "notes")}
    first = automation.submit("note", parameters, key="k")
    assert automation.submit("note", parameters, key="k").id == first.id
    other = automation.submit("note", parameters, key="k", reader=Reader(name="bob"))
    assert other.id != first.id
    ended(automation, other.id)
    ended(automation, first.id)


def test_a_queue_that_grows_without_end_is_refused(
    automation: LocalAutomation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local, "OPEN_JOBS_OF_A_USER", 1)
    job = automation.submit("slow", {"path": str(tmp_path / "pid")})
    with pytest.raises(PlanExceeded, match="dismiss some first"):
        automation.submit("slow", {"path": "p"})
    automation.dismiss(job.id)


def test_one_engine_has_a_lake(
    automation: LocalAutomation, lake: Lake, shelf: Shelf, tmp_path: Path
) -> None:
    automation.start()
    assert open_automation(lake, shelf=shelf) is automation
    other = open_automation(open_lake(tmp_path / "other"), shelf=shelf)
    with pytest.raises(Conflict, match="in this process"):
        other.submit("note", {"path": "p"})
    assert other.jobs() == []
    other.close()


class Silent(Submission):
    """What a cluster gives that never says a word again, unless it is told to."""

    def __init__(self, says: str = "") -> None:
        self.says = says
        self.cancelled = False

    def failure(self) -> str:
        return self.says

    def lost(self) -> bool:
        return False

    def homeless(self) -> bool:
        return True

    def cancel(self) -> None:
        self.cancelled = True


class Scripted(Executor):
    """Does with each attempt what the test says."""

    def __init__(self, ledger: Ledger, *acts: Any) -> None:
        super().__init__(Path())
        self.ledger_of_test = ledger
        self.acts = list(acts)
        self.given: list[Silent] = []

    def client(self, job: Job) -> Any:
        raise NotImplementedError

    def submit(self, job: Job, notebook: str) -> Submission:
        says = self.acts.pop(0)(self.ledger_of_test, job)
        self.given.append(Silent(says or ""))
        return self.given[-1]


def claim(ledger: Ledger, job: Job) -> None:
    ledger.claim(job.id, job.attempt)


def succeed(ledger: Ledger, job: Job) -> None:
    claim(ledger, job)
    ledger.finish(job.id, job.attempt)


def no_cluster(ledger: Ledger, job: Job) -> None:
    raise Unavailable("The gateway is away.")


def break_down(ledger: Ledger, job: Job) -> str:
    claim(ledger, job)
    return "The worker failed: OSError('No space left on device')"


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "short.sqlite", lease=0.3)
    ledger.insert(Job(id="a", recipe="note", parameters={"path": "p"}, owner="ann"))
    yield ledger
    ledger.close()


def drive(driver: Driver) -> None:
    while attempt := driver.begin("a"):
        driver.watch("a", attempt)


def test_a_lease_that_runs_out_makes_attempt_two_and_fences_one(
    short: Ledger, shelf: Shelf
) -> None:
    drive(Driver(short, shelf, Scripted(short, claim, succeed)))
    job = short.job("a")
    assert (job.state, job.attempt) == ("successful", 2)
    assert not short.progress("a", 1, done=1, total=1)
    assert not short.finish("a", 1, error="late")
    assert short.job("a").state == "successful"


def test_a_job_that_loses_three_workers_is_given_up(short: Ledger, shelf: Shelf) -> None:
    drive(Driver(short, shelf, Scripted(short, claim, claim, claim)))
    job = short.job("a")
    assert (job.state, job.attempt) == ("failed", 3)
    assert "3 lost attempts" in job.message


def test_a_worker_that_breaks_is_replaced_at_once(shelf: Shelf, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "long.sqlite", lease=60.0)
    ledger.insert(Job(id="a", recipe="note", parameters={"path": "p"}, owner="ann"))
    drive(Driver(ledger, shelf, Scripted(ledger, break_down, succeed)))
    assert (ledger.job("a").state, ledger.job("a").attempt) == ("successful", 2)
    told = [event.data["message"] for _number, event in ledger.pending(100)]
    ledger.close()
    assert any("No space left" in message for message in told)


def test_a_cluster_that_cannot_be_had_is_tried_again(
    short: Ledger, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boathouse.workflows.driver.FIRST_PAUSE_SECONDS", 0.01)
    drive(Driver(short, shelf, Scripted(short, no_cluster, no_cluster, succeed)))
    assert (short.job("a").state, short.job("a").attempt) == ("successful", 3)


def test_a_recipe_that_has_gone_fails_its_job(short: Ledger, tmp_path: Path) -> None:
    drive(Driver(short, Shelf(tmp_path), Scripted(short)))
    assert short.job("a").state == "failed"
    assert "no recipe 'note'" in short.job("a").message


def test_a_restarted_driver_adopts_a_living_attempt(short: Ledger, shelf: Shelf) -> None:
    first = Driver(short, shelf, Scripted(short, claim))
    attempt = first.begin("a")
    first.stop()
    with pytest.raises(Stopped):
        first.watch("a", attempt)
    assert short.job("a").state == "running"
    second = Driver(short, shelf, Scripted(short))
    assert second.begin("a") == attempt
    short.finish("a", attempt)
    second.watch("a", attempt)
    assert second.begin("a") == 0


def test_a_restarted_driver_overtakes_what_was_never_taken(short: Ledger, shelf: Shelf) -> None:
    first = Driver(short, shelf, Scripted(short, lambda _ledger, _job: None))
    attempt = first.begin("a")
    second = Driver(short, shelf, Scripted(short, succeed))
    second.watch("a", attempt)
    drive(second)
    assert short.job("a").attempt == 2
    assert not short.claim("a", 1)
    assert short.attempt("a").losses == 0


def test_a_waiting_attempt_is_taken_back_when_dismissed(short: Ledger, shelf: Shelf) -> None:
    executor = Scripted(short, lambda _ledger, _job: None)
    driver = Driver(short, shelf, executor)
    attempt = driver.begin("a")
    threading.Timer(0.1, short.end, ("a", "dismissed", "")).start()
    driver.watch("a", attempt)
    assert executor.given[0].cancelled
    assert driver.begin("a") == 0


def test_a_late_worker_is_turned_away(short: Ledger, shelf: Shelf, tmp_path: Path) -> None:
    short.begin("a")
    short.begin("a")
    order = Order(
        job="a",
        attempt=1,
        recipe="note",
        notebook=shelf.source("note"),
        parameters={"path": str(tmp_path / "notes")},
        lake=str(tmp_path),
        ledger=str(short.path),
    )
    assert run_notebook(order) == "overtaken"
    assert not (tmp_path / "notes").exists()
    assert not (tmp_path / "runs").exists()


def test_secrets_are_not_shown() -> None:
    from boathouse.catalogs.lake import Connection

    connection = Connection(address="http://hub/", token="s3cret", user="ann")
    order = Order(
        job="a",
        attempt=1,
        recipe="r",
        notebook="{}",
        parameters={},
        lake="l",
        connection=connection,
    )
    assert "s3cret" not in repr(order)


def test_jobs_use_the_client_that_is_open(lake: Lake, tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        executor = LocalExecutor(lake.root, ledger=tmp_path / "l")
        assert executor.client(Job(id="a", recipe="r", parameters={}, owner="ann")) is client
        executor.close()
        assert client.status == "running"
    assert os.environ.get("BOATHOUSE_JOB") is None
