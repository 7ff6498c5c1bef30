"""Kill -9 of the engine in the middle of everything: no event is lost, none runs twice."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

from boathouse.catalogs.events.event import JOB_CHANGED, Event, EventFilter
from boathouse.catalogs.lake import Lake
from boathouse.workflows.ledger import Ledger
from boathouse.workflows.recipes import Shelf
from boathouse.workflows.rules.model import NotebookAction, Rule

from .conftest import until

EVENTS = 6


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=1,
        threads_per_worker=3,
        processes=False,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address=":0",
        resources={"kernel": 2},
    ) as made:
        yield made


@pytest.fixture
def rule_ledger(lake: Lake, tmp_path: Path) -> Iterator[Ledger]:
    """The lake's ledger with a rule that notes each event, before any engine has run."""
    ledger = Ledger(lake.state / "automation.sqlite")
    ledger.dispatch(0, ())
    ledger.keep(
        Rule(
            name="note",
            owner="ann",
            where=EventFilter(type="org.example.tick"),
            action=NotebookAction(
                recipe="note", parameters={"path": str(tmp_path / "notes"), "text": "{id}"}
            ),
        )
    )
    yield ledger
    ledger.close()


def test_an_engine_that_is_killed_loses_and_doubles_nothing(
    cluster: LocalCluster, lake: Lake, rule_ledger: Ledger, shelf: Shelf, tmp_path: Path
) -> None:
    chance = random.Random(7)
    words = [str(lake.root), cluster.scheduler_address, str(tmp_path / "recipes")]
    script = str(Path(__file__).with_name("engine_process.py"))

    def start() -> "subprocess.Popen[str]":
        engine = subprocess.Popen(
            [sys.executable, script, *words], stdout=subprocess.PIPE, text=True
        )
        assert engine.stdout is not None
        assert engine.stdout.readline() == "ready\n"
        return engine

    def kill(engine: "subprocess.Popen[str]") -> None:
        engine.send_signal(signal.SIGKILL)
        engine.communicate()

    ids = [f"tick-{number}" for number in range(EVENTS)]
    for some in (ids[:3], ids[3:]):
        engine = start()
        lake.log.append([Event(type="org.example.tick", source="/clock", id=each) for each in some])
        # Somewhere between the event, the queue, the cluster and the first cells.
        until(lambda: rule_ledger.jobs(limit=99))
        time.sleep(chance.uniform(0.0, 0.6))
        kill(engine)
    engine = start()
    until(lambda: len(rule_ledger.jobs(limit=99)) == EVENTS)
    until(lambda: not rule_ledger.open_jobs(), seconds=90)
    until(lambda: not rule_ledger.pending(1))
    kill(engine)

    jobs = rule_ledger.jobs(limit=99)
    assert {job.state for job in jobs} == {"successful"}, [job.message for job in jobs]
    assert sorted(job.parameters["text"] for job in jobs) == ids
    assert sorted((tmp_path / "notes").read_text().split()) == ids
    told = lake.log.read(limit=10_000, where=EventFilter(type=JOB_CHANGED))
    ends = [event.subject for event in told if event.data["state"] == "successful"]
    assert sorted(ends) == sorted(f"/jobs/{job.id}" for job in jobs)
