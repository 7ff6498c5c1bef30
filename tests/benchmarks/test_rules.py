"""From an event to the function of a rule and of a notebook, in process, on disk before each step.

Run by ``make bench``; never part of the suite.
"""

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.lake import open_lake
from boathouse.workflows.deliveries import Delivery, Performed, Performer
from boathouse.workflows.face import on
from boathouse.workflows.local import open_automation
from boathouse.workflows.rules.model import Action, NotifyAction, Rule

pytestmark = [pytest.mark.timeout(600)]

TICK = "org.example.tick"
COUNT = 400


class Note(Performer):
    """Notes when each event came."""

    def __init__(self) -> None:
        self.came: dict[str, float] = {}

    def perform(self, delivery: Delivery, events: Sequence[Event]) -> Performed:
        for event in events:
            self.came[event.id] = time.perf_counter()
        return Performed()

    def check(self, action: Action, *, owner: str) -> None:
        """Anything will do."""


def paced(lake: Any, came: dict[str, float], prefix: str) -> list[float]:
    """Milliseconds from the call of append to the function, for events 10 ms apart."""
    sent: dict[str, float] = {}
    for number in range(COUNT):
        name = f"{prefix}-{number}"
        sent[name] = time.perf_counter()
        lake.log.append([Event(type=TICK, source="/clock", id=name)])
        time.sleep(0.01)
    end = time.monotonic() + 30
    while len(came) < COUNT and time.monotonic() < end:
        time.sleep(0.01)
    assert came.keys() == sent.keys(), "each once"
    return sorted((came[name] - began) * 1e3 for name, began in sent.items())


def test_from_an_event_to_a_function(tmp_path: Path, benchmark: Any) -> None:
    lines: list[str] = []

    def add(name: str, late: list[float]) -> None:
        p50, p99 = late[len(late) // 2], late[int(len(late) * 0.99)]
        lines.append(f"{name:<34} p50 {p50:>6.2f} ms  p99 {p99:>6.2f} ms  (goal p50 5 ms)")

    def run() -> None:
        lake = open_lake(tmp_path, user="ann")
        automation = open_automation(lake)
        note = Note()
        automation._engine.dispatcher._performer = note
        automation.save_rule(
            Rule(
                name="note",
                owner="ann",
                where=EventFilter(type=TICK),
                action=NotifyAction(type="org.example.tock"),
            )
        )
        add("event -> rule -> performer", paced(lake, note.came, "rule"))
        automation.delete_rule("note")
        came: dict[str, float] = {}
        ready = threading.Event()

        @on(TICK, lake=lake)
        def heard(event: Event) -> None:
            came[event.id] = time.perf_counter()

        ready.wait(0.5)
        add("event -> function of a notebook", paced(lake, came, "function"))
        heard.stop()
        automation.close()
        lake.close()

    benchmark.pedantic(run, rounds=1)
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\nFrom appending an event to a function, on disk in between  (load {load})")
    for line in lines:
        print(f"  {line}")
