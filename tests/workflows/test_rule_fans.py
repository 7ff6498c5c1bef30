"""The laws of fans and of silence: nothing dropped, nothing twice, whatever comes and goes."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boathouse.catalogs.access import Reader
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.workflows.ledger import Ledger
from boathouse.workflows.replay import deliveries_of
from boathouse.workflows.rules.fan import Gathered, Pile
from boathouse.workflows.rules.model import Fan, NotifyAction, Rule
from boathouse.workflows.rules.silence import RULE_SILENT
from boathouse.workflows.watch import Watch

KINDS = ("a", "b", "c")
PARTS = tuple(EventFilter(type=f"org.example.{kind}") for kind in KINDS)
ARRIVALS = st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from("xy")), max_size=60)


def arrived(number: int, kind: str = "a", by: str = "x") -> Event:
    return Event(
        type=f"org.example.{kind}",
        source="/s",
        id=str(number),
        subject=by,
        sequence=number,
        time="1970-01-01T00:00:00Z",
    )


def rule(**changes: Any) -> Rule:
    usual: dict[str, Any] = {
        "name": "r",
        "owner": "ann",
        "where": EventFilter(type="org.example.a"),
        "action": NotifyAction(type="org.example.seen"),
        "version": 1,
    }
    return Rule(**{**usual, **changes})


class Kept:
    """What a pile has written down, and a pile that is read from it after a crash."""

    def __init__(self, fan: Fan) -> None:
        self.rows: list[Gathered] = []
        self.fan = fan
        self.pile = Pile(fan)

    def write(self) -> None:
        gone = [each.place for each in self.pile.removed]
        self.rows = [each for each in (*self.rows, *self.pile.added) if each.place not in gone]
        self.pile.added.clear()
        self.pile.removed.clear()

    def crash(self) -> None:
        self.pile = Pile(self.fan, self.rows)


@given(ARRIVALS, st.sets(st.integers(0, 60)))
def test_the_kth_of_each_part_goes_with_the_kth_of_the_others(
    arrivals: list[tuple[str, str]], crashes: set[int]
) -> None:
    kept = Kept(Fan(all_of=PARTS, by="{subject}"))
    sets: list[tuple[Event, ...]] = []
    for number, (kind, by) in enumerate(arrivals):
        if number in crashes:
            kept.crash()
        sets += kept.pile.add(arrived(number + 1, kind, by), by, 0.0)
        kept.write()
    by_both = {
        (kind, by): [number + 1 for number, each in enumerate(arrivals) if each == (kind, by)]
        for kind in KINDS
        for by in "xy"
    }
    expected = [
        row for by in "xy" for row in zip(*(by_both[kind, by] for kind in KINDS), strict=False)
    ]
    found = [tuple(event.sequence for event in each) for each in sets]
    assert sorted(found) == sorted(expected)
    waiting = sum(map(len, by_both.values())) - 3 * len(expected)
    assert len(kept.pile) == len(kept.rows) == waiting


@given(
    st.lists(st.tuples(st.sampled_from("xy"), st.floats(0, 5)), max_size=60),
    st.integers(1, 5),
    st.sampled_from([0.0, 3.0]),
    st.sets(st.integers(0, 60)),
)
def test_every_event_is_in_one_batch_in_order(
    arrivals: list[tuple[str, float]], count: int, window: float, crashes: set[int]
) -> None:
    kept = Kept(Fan(count=count, window=window, by="{subject}"))
    batches: list[tuple[Event, ...]] = []
    now = 0.0
    for number, (by, pause) in enumerate(arrivals):
        if number in crashes:
            kept.crash()
        now += pause
        closed = kept.pile.close(now)
        assert all(closed)
        batches += closed
        batches += kept.pile.add(arrived(number + 1, by=by), by, now)
        kept.write()
        due = kept.pile.due()
        assert due is None or now < due <= now + window
    assert all(len(each) <= count for each in batches if count > 1)
    batches += kept.pile.flush()
    for by in "xy":
        mine = [event.sequence for each in batches for event in each if event.subject == by]
        assert mine == [n + 1 for n, (other, _pause) in enumerate(arrivals) if other == by]
    assert all(len({event.subject for event in each}) == 1 for each in batches)


@given(st.lists(st.integers(1, 20), max_size=30))
def test_an_event_that_waits_is_not_taken_twice(numbers: list[int]) -> None:
    pile = Pile(Fan(count=100))
    for number in numbers:
        assert pile.add(arrived(number), "", 0.0) == []
    assert len(pile) == len(set(numbers))


@pytest.fixture
def watch(ledger: Ledger) -> Watch:
    return Watch(ledger, lambda _user: ())


def fired(ledger: Ledger, watch: Watch, *, caught_up: bool = True) -> list[Event]:
    looked = watch.clock(caught_up=caught_up)
    ledger.look_at(looked)
    watch.done()
    return [each.events[-1] for each in looked.owed]


def see(ledger: Ledger, watch: Watch, *events: Event) -> None:
    ledger.look_at(watch.look(events))
    watch.done()


def test_silence_sets_a_rule_off_once_and_again_after_the_next_event(
    ledger: Ledger, ledger_clock: list[float], watch: Watch
) -> None:
    ledger.keep(rule(within=60.0))
    assert fired(ledger, watch) == []
    ledger_clock[0] += 59.0
    assert fired(ledger, watch) == []
    assert watch.due() == ledger_clock[0] + 1.0
    ledger_clock[0] += 1.0
    assert fired(ledger, watch, caught_up=False) == [], "the events so far may be unread"
    (told,) = fired(ledger, watch)
    assert (told.type, told.data["rule"], told.data["within"]) == (RULE_SILENT, "r", 60.0)
    for _restart in range(2):
        watch = Watch(ledger, lambda _user: ())
        ledger_clock[0] += 500.0
        assert fired(ledger, watch) == []
    see(ledger, watch, arrived(5))
    ledger_clock[0] += 59.0
    watch = Watch(ledger, lambda _user: ())
    assert fired(ledger, watch) == [], "it came just now, whatever it says"
    ledger_clock[0] += 2.0
    (again,) = fired(ledger, watch)
    assert again.id != told.id
    watch.backlog = 6
    see(ledger, watch, arrived(6))
    assert len(fired(ledger, watch)) == 1, "it came in 1970, while nobody looked"
    assert len(ledger.deliveries(limit=9)) == 3


def test_a_paused_rule_does_not_mind_silence(
    ledger: Ledger, ledger_clock: list[float], watch: Watch
) -> None:
    ledger.keep(rule(within=60.0, paused=True))
    ledger_clock[0] += 500.0
    assert fired(ledger, watch) == []
    ledger.keep(rule(within=60.0, cursor=9))
    assert fired(ledger, watch) == []
    ledger_clock[0] += 61.0
    assert len(fired(ledger, watch)) == 1


def test_a_window_is_closed_by_the_clock_also_after_a_restart(
    ledger: Ledger, ledger_clock: list[float], watch: Watch
) -> None:
    ledger.keep(rule(fan=Fan(window=10.0)))
    see(ledger, watch, arrived(1), arrived(2))
    ledger_clock[0] += 9.0
    watch = Watch(ledger, lambda _user: ())
    see(ledger, watch, arrived(3))
    assert watch.due() == ledger_clock[0] + 1.0
    assert fired(ledger, watch) == []
    ledger_clock[0] += 1.0
    assert [event.sequence for event in fired(ledger, watch)] == [3]
    (delivery,) = ledger.deliveries(limit=9)
    assert delivery.events == (1, 2, 3)
    assert ledger.piles(rule()) == []


def test_what_was_not_written_is_looked_at_again(ledger: Ledger, watch: Watch) -> None:
    ledger.keep(rule(fan=Fan(count=2)))
    watch.look([arrived(1), arrived(2), arrived(3)])
    watch.forget()  # the disk was full
    see(ledger, watch, arrived(1), arrived(2), arrived(3))
    see(ledger, watch, arrived(4))
    assert [each.events for each in ledger.deliveries(limit=9)] == [(3, 4), (1, 2)]


@settings(max_examples=25, deadline=None)
@given(ARRIVALS, st.lists(st.integers(1, 60), max_size=5))
def test_events_live_and_in_the_past_lead_to_the_same(
    tmp_path_factory: pytest.TempPathFactory, arrivals: list[tuple[str, str]], cuts: list[int]
) -> None:
    events = [arrived(number + 1, *each) for number, each in enumerate(arrivals)]
    rules = [
        rule(name="each"),
        rule(name="batch", fan=Fan(count=3, by="{subject}")),
        rule(name="set", where=EventFilter(), fan=Fan(all_of=PARTS)),
    ]
    ledger = Ledger(tmp_path_factory.mktemp("fans") / "automation.sqlite")
    try:
        for each in rules:
            ledger.keep(each)
        for run in _runs(events, cuts):
            # A new watch each time: as after a restart.
            see(ledger, Watch(ledger, lambda _user: ()), *run)
        for each in rules:
            past = deliveries_of(each, events, reader=Reader(name="ann"))
            past_ids = Counter(owed.delivery.id for owed in past)
            live = Counter(one.id for one in ledger.deliveries(rule=each.name, limit=999))
            open_batches = sum(count for id, count in past_ids.items() if id not in live)
            assert live == Counter({id: 1 for id in past_ids if id in live})
            assert open_batches <= (2 if each.name == "batch" else 0)
    finally:
        ledger.close()


def _runs(events: list[Event], cuts: list[int]) -> Iterator[list[Event]]:
    edges = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    for begin, end in pairwise(edges):
        yield events[begin:end]


def test_old_ledgers_open(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "automation.sqlite"
    with sqlite3.connect(path) as old:
        old.executescript(
            """
            create table standing(kind text not null, owner text not null, name text not null,
                body blob not null, primary key(kind, owner, name)) without rowid;
            create table outbox(number integer primary key autoincrement, body blob not null);
            create table place(name text primary key, value integer not null) without rowid;
            insert into place values('cursor', 41);
            insert into standing values('Rule', 'ann', 'r', '{"name":"r","owner":"ann",
                "where":{"collection":"sst"},"recipe":"note","parameters":{"path":"{id}"},
                "paused":false,"cursor":3,"created":"2026-01-01T00:00:00Z"}');
            """
        )
    ledger = Ledger(path)
    (kept,) = ledger.rules()
    assert (kept.recipe, kept.parameters, kept.kind) == ("note", {"path": "{id}"}, "compute")
    assert ledger.cursor() == 41
    see(
        ledger,
        Watch(ledger, lambda _user: ()),
        Event(type="t", source="/s", collection="sst", id="x", sequence=42),
    )
    ((_number, job),) = ledger.open_jobs()
    assert (job.parameters, job.rule) == ({"path": "x"}, "r")
    (delivery,) = ledger.deliveries(limit=9)
    assert (delivery.id, delivery.state, delivery.result) == (job.id, "done", {"job": job.id})
    ledger.close()
