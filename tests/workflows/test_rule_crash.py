"""Kill -9 of the rule worker twenty times: nothing is lost, no effect in our store is doubled."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.workflows.delivery_book import Looked
from boathouse.workflows.ledger import Ledger
from boathouse.workflows.rules.model import Fan, NotifyAction, Retry, Rule

from .conftest import until

KILLS = 20
EVENTS = 1900
BATCH = 19


def rules() -> list[Rule]:
    each = Rule(
        name="each",
        owner="ann",
        where=EventFilter(type="org.example.tick"),
        action=NotifyAction(type="org.example.tock"),
        retry=Retry(attempts=50, first=0.001, longest=0.01),
        concurrency=16,
    )
    batch = Rule(
        name="batch",
        owner="ann",
        where=EventFilter(type="org.example.tick"),
        action=NotifyAction(type="org.example.tock"),
        retry=Retry(attempts=50, first=0.001, longest=0.01),
        fan=Fan(count=BATCH),
    )
    return [each, batch]


def test_a_rule_worker_that_is_killed_loses_and_doubles_nothing(tmp_path: Path) -> None:
    chance = random.Random(11)
    ledger = Ledger(tmp_path / "automation.sqlite")
    log = SqliteEventLog(tmp_path / "events.sqlite")
    for rule in rules():
        ledger.keep(rule)
    ledger.look_at(Looked(cursor=0))
    script = str(Path(__file__).with_name("rule_process.py"))
    with subprocess.Popen(
        [sys.executable, script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        ids = [f"tick-{number}" for number in range(EVENTS)]
        share = EVENTS // KILLS
        died_at_work = 0
        for kill in range(KILLS + 1):
            print("go", file=nursery.stdin, flush=True)
            worker = int(nursery.stdout.readline())
            some = ids[kill * share : (kill + 1) * share] if kill < KILLS else []
            for begin in range(0, len(some), 10):
                log.append(
                    [
                        Event(type="org.example.tick", source="/clock", id=each)
                        for each in some[begin : begin + 10]
                    ]
                )
            if kill == KILLS:
                break
            time.sleep(chance.uniform(0.0, 0.15))
            os.kill(worker, signal.SIGKILL)
            died_at_work += bool(ledger.deliveries(state="leased", limit=1))
        total = EVENTS + EVENTS // BATCH
        until(lambda: len(ledger.deliveries(state="done", limit=9999)) == total, seconds=30)
        os.kill(worker, signal.SIGKILL)
        nursery.stdin.close()

    deliveries = ledger.deliveries(limit=9999)
    assert {each.state for each in deliveries} == {"done"}
    single = [each.events for each in deliveries if each.rule == "each"]
    assert sorted(single) == [(number,) for number in range(1, EVENTS + 1)]
    batches = [number for each in deliveries if each.rule == "batch" for number in each.events]
    assert sorted(batches) == list(range(1, EVENTS + 1))
    effects = Counter(event.id for _number, event in ledger.pending(9999))
    assert effects == Counter({f"{each.id}~0": 1 for each in deliveries})
    assert died_at_work >= 3, "the kills were at moments that matter"
    log.close()
    ledger.close()
