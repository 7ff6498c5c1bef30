"""Publishers and consumers are killed at random moments; nothing that was said is undone."""

import json
import subprocess
import sys
import time
from pathlib import Path

from boathouse.catalogs.events.event import EventFilter
from boathouse.catalogs.events.sqlite import SqliteEventLog

SCRIPT = Path(__file__).parent / "event_log_kills.py"


def test_forty_kills_lose_nothing_and_repeat_no_effect(tmp_path: Path):
    """20 of publishers and 20 of consumers, of two each that share the file."""
    path = tmp_path / "events.sqlite"
    run = subprocess.run(
        [sys.executable, str(SCRIPT), str(path), "40", "7"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    told = json.loads(run.stdout)
    acknowledged = {id: int(number) for kind, id, number in told if kind == "a"}
    done = [id for kind, id, _ in told if kind == "d"]
    assert len(acknowledged) > 100
    assert len(done) > 20

    log = SqliteEventLog(path)
    assert log._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    work = log.read(limit=10**6, where=EventFilter(type="org.example.work"))
    stored = {event.id: event.sequence for event in work}
    assert {id: stored.get(id) for id in acknowledged} == acknowledged
    assert len(stored) == len(work)
    for writer in {id.partition("-")[0] for id in stored}:
        counts = [int(id.partition("-")[2]) for id in stored if id.partition("-")[0] == writer]
        assert counts == list(range(len(counts))), "out of order, or a batch by halves"
        assert len(counts) % 3 == 0

    # What was said to be done is not delivered again, and all else is.
    consumer = log.consume("worker")
    rest: list[str] = []
    give_up = time.monotonic() + 20
    while consumer.state().behind and time.monotonic() < give_up:
        taken = consumer.take(1000, wait=1)
        rest += [each.event.id for each in taken]
        consumer.done(*taken)
    assert len(set(done)) == len(done), "said to be done twice"
    assert not set(rest) & set(done)
    effects = log.read(limit=10**6, where=EventFilter(type="org.example.effect"))
    assert len({event.id for event in effects}) == len(effects)
    assert set(done) <= {event.id for event in effects}, "done without its effect"
    assert set(rest) | {event.id for event in effects} == set(stored), "a delivery was lost"
    assert log.dead_letters() == []
    log.close()
