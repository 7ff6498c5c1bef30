"""The laws of the ledger: one live attempt, ends are final, every change is told once."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from boathouse.catalogs.errors import NotFound
from boathouse.catalogs.events.event import JOB_CHANGED, EventFilter
from boathouse.workflows.jobs import ENDED, Job, Schedule
from boathouse.workflows.ledger import LEASE_SECONDS, Ledger
from boathouse.workflows.rules.model import NotebookAction, Rule


def job(id: str = "a", owner: str = "ann") -> Job:
    return Job(id=id, recipe="note", parameters={"n": 1}, owner=owner)


def test_a_known_id_returns_the_first_job(ledger: Ledger) -> None:
    first = ledger.insert(job())
    again = ledger.insert(Job(id="a", recipe="other", parameters={}, owner="ann"))
    assert again == first
    assert ledger.jobs(limit=10) == [first]


def test_an_attempt_is_claimed_once_and_fenced_when_overtaken(ledger: Ledger) -> None:
    ledger.insert(job())
    ledger.begin("a")
    assert ledger.claim("a", 1)
    assert not ledger.claim("a", 1)
    ledger.begin("a")
    assert not ledger.progress("a", 1, done=1, total=2)
    assert not ledger.finish("a", 1)
    assert ledger.claim("a", 2)
    assert ledger.progress("a", 2, done=1, total=2, message="reading")
    assert ledger.job("a").message == "reading"
    assert ledger.finish("a", 2, results=("mean",))
    assert ledger.finish("a", 2, results=("mean",)), "saying it twice is fine"
    assert ledger.job("a").state == "successful"
    assert ledger.begin("a") is None


def test_a_lost_attempt_is_refused_before_the_next_one_begins(ledger: Ledger) -> None:
    ledger.insert(job())
    ledger.begin("a")
    ledger.claim("a", 1)
    ledger.lose("a", 1, "gone")
    assert not ledger.progress("a", 1, done=1, total=2)
    assert not ledger.finish("a", 1)
    assert not ledger.claim("a", 1)
    ledger.lose("a", 1, "gone, as was said before")
    assert ledger.attempt("a").losses == 1
    assert ledger.job("a").state == "accepted"


def test_the_lease_lives_by_heartbeats(ledger: Ledger, ledger_clock: list[float]) -> None:
    ledger.insert(job())
    ledger.begin("a")
    ledger.claim("a", 1)
    for _ in range(3):
        ledger_clock[0] += 8.0
        assert ledger.alive(ledger.attempt("a"))
        ledger.progress("a", 1, done=0, total=0)
    ledger_clock[0] += LEASE_SECONDS + 1
    assert not ledger.alive(ledger.attempt("a"))
    ledger.renew_leases()
    assert ledger.alive(ledger.attempt("a"))


def test_a_dismissed_job_tells_its_worker_to_stop(ledger: Ledger) -> None:
    ledger.insert(job())
    ledger.begin("a")
    ledger.claim("a", 1)
    assert ledger.end("a", "dismissed", "Dismissed.").state == "dismissed"
    assert not ledger.progress("a", 1, done=1, total=2)
    assert not ledger.finish("a", 1)
    assert ledger.end("a", "failed", "later").state == "dismissed"


def test_jobs_and_cursor_are_written_together(ledger: Ledger) -> None:
    assert ledger.cursor() is None
    ledger.dispatch(7, [job("a"), job("b")])
    ledger.dispatch(7, [job("a"), job("c")])
    assert [each.id for _number, each in ledger.open_jobs()] == ["a", "b", "c"]
    assert ledger.cursor() == 7
    with pytest.raises(AttributeError):
        ledger.dispatch(8, [job("d"), None])  # type: ignore[list-item]
    assert ledger.cursor() == 7
    assert ledger.find("d") is None


def test_every_change_is_an_event_of_its_owner(ledger: Ledger) -> None:
    ledger.insert(job())
    ledger.begin("a")
    ledger.claim("a", 1)
    ledger.progress("a", 1, done=1, total=2)
    ledger.progress("a", 1, done=1, total=2)
    ledger.finish("a", 1, error="In [1]: ValueError: no")
    pending = ledger.pending(100)
    events = [event for _number, event in pending]
    assert [event.data["state"] for event in events] == [
        "accepted",
        "accepted",
        "running",
        "running",
        "failed",
    ]
    assert len({event.id for event in events}) == len(events)
    assert {(e.type, e.source, e.owner, e.access) for e in events} == {
        (JOB_CHANGED, "/jobs/a", "ann", "private")
    }
    ledger.sent(pending[2][0])
    assert ledger.pending(100) == pending[3:]


def test_what_another_process_writes_is_noticed(ledger: Ledger) -> None:
    version = ledger.version
    other = Ledger(ledger.path)
    other.insert(job())
    other.close()
    ledger.look()
    assert ledger.version > version
    seen = ledger.version
    ledger.look()
    assert ledger.version == seen


def test_rules_and_schedules_are_kept_by_owner_and_name(ledger: Ledger) -> None:
    where = EventFilter(collection="sst")
    mine = Rule(name="r", owner="ann", where=where, action=NotebookAction(recipe="note"))
    ledger.keep(mine)
    ledger.keep(Rule(name="r", owner="bob", where=where, action=NotebookAction(recipe="note")))
    ledger.keep(Schedule(name="r", owner="ann", cron="* * * * *", recipe="note"))
    ledger.keep(Rule(name="r", owner="ann", where=where, action=NotebookAction(recipe="fail")))
    assert [(each.owner, each.recipe) for each in ledger.rules()] == [
        ("ann", "fail"),
        ("bob", "note"),
    ]
    ledger.drop(mine)
    assert [each.owner for each in ledger.rules()] == ["bob"]
    assert len(ledger.kept(Schedule)) == 1


def test_the_file_is_for_its_owner_only_and_survives(ledger: Ledger) -> None:
    ledger.insert(job())
    assert ledger.path.stat().st_mode & 0o777 == 0o600
    other = Ledger(ledger.path)
    assert other.job("a").owner == "ann"
    other.close()
    with pytest.raises(NotFound, match="no job 'b'"):
        ledger.job("b")


class LedgerMachine(RuleBasedStateMachine):
    """One job, an engine that begins and loses attempts, and workers that may be late."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.now = 1000.0
        self.ledger = Ledger(Path(self.folder.name) / "l.sqlite", clock=lambda: self.now)
        self.ledger.insert(job())
        self.holders: set[int] = set()  # attempts whose worker was let in
        self.lost: set[int] = set()
        self.finished = ""

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()

    @property
    def newest(self) -> int:
        return self.ledger.job("a").attempt

    @rule()
    def begin(self) -> None:
        before = self.newest
        begun = self.ledger.begin("a")
        assert (begun is None) == bool(self.finished)
        assert begun is None or begun.attempt == before + 1

    @rule(late=st.integers(0, 2))
    def claim(self, late: int) -> None:
        attempt = self.newest - late
        fresh = attempt == self.newest > 0 and not self.finished
        allowed = self.ledger.claim("a", attempt)
        assert allowed == (fresh and attempt not in self.holders and attempt not in self.lost)
        if allowed:
            self.holders.add(attempt)

    @rule(late=st.integers(0, 2), done=st.integers(0, 3))
    def progress(self, late: int, done: int) -> None:
        attempt = self.newest - late
        current = self.ledger.job("a").state == "running" and late == 0
        assert self.ledger.progress("a", attempt, done=done, total=3) == current
        if current:
            assert self.ledger.alive(self.ledger.attempt("a"))

    @precondition(lambda self: not self.finished)
    @rule(late=st.integers(0, 2), error=st.sampled_from(["", "no"]))
    def finish(self, late: int, error: str) -> None:
        attempt = self.newest - late
        current = self.ledger.job("a").state == "running" and late == 0
        assert self.ledger.finish("a", attempt, error=error) == current
        if current:
            self.finished = "failed" if error else "successful"

    @rule(late=st.integers(0, 1))
    def lose(self, late: int) -> None:
        self.ledger.lose("a", self.newest - late, "gone")
        self.lost.add(self.newest - late)

    @rule()
    def dismiss(self) -> None:
        self.ledger.end("a", "dismissed", "")
        self.finished = self.finished or "dismissed"

    @rule(seconds=st.sampled_from([1.0, 20.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def an_end_is_final(self) -> None:
        state = self.ledger.job("a").state
        assert state == (self.finished or state)
        assert (state in ENDED) == bool(self.finished)

    @invariant()
    def the_last_event_tells_the_truth(self) -> None:
        pending = self.ledger.pending(10_000)
        assert pending[-1][1].data["state"] == self.ledger.job("a").state
        assert len({event.id for _number, event in pending}) == len(pending)


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
