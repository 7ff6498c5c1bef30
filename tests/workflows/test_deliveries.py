"""Deliveries: leased, performed within limits, tried again, buried, revived, withdrawn."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from boathouse.catalogs.errors import BadRequest, Conflict
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.workflows.deliveries import (
    RULE_DEAD,
    RULE_DELIVERED,
    Delivery,
    Later,
    Performed,
    Performer,
    Refused,
)
from boathouse.workflows.delivery_book import Looked
from boathouse.workflows.dispatcher import LOSSES, Dispatcher
from boathouse.workflows.ledger import Ledger
from boathouse.workflows.pools import Limits
from boathouse.workflows.rules.model import (
    Action,
    NotebookAction,
    NotifyAction,
    PostAction,
    Retry,
    Rule,
)
from boathouse.workflows.rules.owing import owed_for

from .conftest import until

TICK = "org.example.tick"
FAST = Retry(attempts=5, first=0.002, longest=0.01)


def rule(**changes: Any) -> Rule:
    usual: dict[str, Any] = {
        "name": "r",
        "owner": "ann",
        "where": EventFilter(type=TICK),
        "action": NotifyAction(type="org.example.tock", subject="{id}"),
        "retry": FAST,
        "version": 1,
    }
    return Rule(**{**usual, **changes})


def tick(number: int, **changes: Any) -> Event:
    usual: dict[str, Any] = {"type": TICK, "source": "/clock", "id": str(number)}
    return Event(**{**usual, "sequence": number, **changes})


class Doer(Performer):
    """Performs with a function, and remembers who was at work and how many at once."""

    def __init__(self, do: Callable[[Delivery], object] = lambda _delivery: None) -> None:
        self._do = do
        self._lock = threading.Lock()
        self.at_work = Counter[str]()
        self.most = Counter[str]()
        self.done: list[str] = []

    def perform(self, delivery: Delivery, events: Sequence[Event]) -> Performed:
        names = [delivery.kind, delivery.owner, f"rule {delivery.rule}", f"key {delivery.key}"]
        with self._lock:
            self.at_work.update(names)
            for name in names:
                self.most[name] = max(self.most[name], self.at_work[name])
        try:
            given = self._do(delivery)
            with self._lock:
                self.done.append(events[-1].id)
        finally:
            with self._lock:
                self.at_work.subtract(names)
        return given if isinstance(given, Performed) else Performed()

    def check(self, action: Action, *, owner: str) -> None:
        return None


@contextmanager
def working(ledger: Ledger, doer: Performer, **more: Any) -> Iterator[Dispatcher]:
    dispatcher = Dispatcher(ledger, doer, chance=random.Random(1), **more)
    dispatcher.start()
    yield dispatcher
    dispatcher.stop()


@pytest.fixture
def real(tmp_path: Any) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "automation.sqlite")
    yield opened
    opened.close()


def states(ledger: Ledger) -> Counter[str]:
    return Counter(each.state for each in ledger.deliveries(limit=10_000))


def owe(ledger: Ledger, of: Rule, numbers: Sequence[int]) -> Looked:
    ledger.keep(of)
    return Looked(cursor=max(numbers), owed=[owed_for(of, [tick(each)]) for each in numbers])


def all_done(ledger: Ledger, count: int) -> None:
    until(lambda: states(ledger)["done"] == count, seconds=10)


def test_one_delivery_for_each_rule_and_event(real: Ledger) -> None:
    doer = Doer()
    with working(real, doer) as dispatcher:
        dispatcher.hand(owe(real, rule(), range(1, 31)))
        dispatcher.hand(owe(real, rule(), range(1, 31)))
        dispatcher.hand(owe(real, rule(name="other"), range(1, 31)))
        all_done(real, 60)
    assert sorted(doer.done) == sorted(2 * [str(each) for each in range(1, 31)])
    (newest,) = real.deliveries(limit=1, rule="other")
    assert (newest.idempotency, newest.events) == ("ann/other//clock/30", (30,))
    assert newest.action == NotifyAction(type="org.example.tock", subject="30")
    assert newest.created <= newest.finished


def test_what_fails_once_in_ten_is_done_in_the_end_and_poison_is_buried(real: Ledger) -> None:
    chance, lock = random.Random(4), threading.Lock()

    def flaky(delivery: Delivery) -> None:
        if delivery.events[0] % 100 == 50:
            raise OSError("the instrument is broken")
        if delivery.events[0] == 33:
            raise BadRequest("no such station")
        with lock:
            if chance.random() < 0.1:
                raise OSError("try again")

    doer = Doer(flaky)
    with working(real, doer) as dispatcher:
        dispatcher.hand(owe(real, rule(concurrency=16), range(1, 301)))
        until(lambda: not {"waiting", "leased"} & set(states(real)), seconds=15)
    assert states(real) == {"done": 296, "dead": 4}
    assert len(doer.done) == len(set(doer.done)) == 296
    dead = {each.events[0]: each for each in real.deliveries(limit=10, state="dead")}
    assert sorted(dead) == [33, 50, 150, 250]
    assert dead[50].attempts == 5
    assert dead[50].error == "OSError: the instrument is broken"
    assert (dead[33].attempts, dead[33].error) == (1, "no such station")
    told = [event for _number, event in real.pending(1000)]
    assert {(each.type, each.owner, each.access) for each in told} == {
        (RULE_DEAD, "ann", "private")
    }
    assert sorted(each.data["events"][0] for each in told) == [33, 50, 150, 250]


def test_a_key_is_kept_in_order_one_at_a_time(real: Ledger) -> None:
    chance, lock = random.Random(5), threading.Lock()

    def wobble(_delivery: Delivery) -> None:
        time.sleep(0.0005)
        with lock:
            if chance.random() < 0.2:
                raise OSError("try again")

    doer = Doer(wobble)
    keyed = rule(key="{subject}", concurrency=8, retry=Retry(attempts=50, first=0.001))
    real.keep(keyed)
    events = [tick(each, subject=f"s{each % 3}") for each in range(1, 121)]
    with working(real, doer) as dispatcher:
        dispatcher.hand(Looked(cursor=120, owed=[owed_for(keyed, [each]) for each in events]))
        all_done(real, 120)
    for remainder in range(3):
        mine = [int(each) for each in doer.done if int(each) % 3 == remainder]
        assert mine == sorted(mine)
        assert doer.most[f"key s{remainder}"] == 1
    assert doer.most["rule r"] > 1


def test_limits_of_kinds_rules_and_users_hold(real: Ledger) -> None:
    doer = Doer(lambda _delivery: time.sleep(0.004))
    limits = Limits(compute=2, service=6, operate=3, user=4)
    rules = [
        rule(name="a", concurrency=2),
        rule(name="b", concurrency=64),
        rule(name="c", owner="bob", concurrency=64),
        rule(name="d", kind="compute", concurrency=64),
        rule(name="e", action=PostAction(url="https://example.org"), concurrency=1),
    ]
    with working(real, doer, limits=limits) as dispatcher:
        for each in rules:
            dispatcher.hand(owe(real, each, range(1, 31)))
        all_done(real, 150)
    assert doer.most["service"] == 6
    assert doer.most["compute"] == 2
    assert doer.most["rule a"] <= 2
    assert doer.most["rule e"] == 1
    assert doer.most["bob"] <= 4
    assert doer.most["ann"] <= 4 + 2


def test_one_kind_does_not_wait_for_another(real: Ledger) -> None:
    free = threading.Event()
    doer = Doer(lambda delivery: delivery.kind == "compute" and free.wait(10))
    with working(real, doer) as dispatcher:
        dispatcher.hand(owe(real, rule(name="slow", kind="compute", concurrency=64), range(1, 50)))
        dispatcher.hand(owe(real, rule(name="quick"), range(1, 50)))
        until(lambda: states(real)["done"] == 49, seconds=5)
        free.set()
        all_done(real, 98)


def test_what_a_performer_leaves_in_our_store_is_written_with_its_end(real: Ledger) -> None:
    seen: list[int] = []

    def tock(delivery: Delivery) -> Performed:
        seen.append(delivery.attempts)
        if delivery.attempts < 3:
            raise Later("busy", after=0.01)
        return Performed(
            result={"status": 200}, events=(Event(type="org.example.tock", source="/r"),)
        )

    with working(real, Doer(tock)) as dispatcher:
        dispatcher.hand(owe(real, rule(tell=True), [1]))
        all_done(real, 1)
    assert seen == [1, 2, 3]
    (delivery,) = real.deliveries(limit=9)
    assert delivery.result == {"status": 200}
    tock_event, told = (event for _number, event in real.pending(9))
    assert (tock_event.id, told.type) == (f"{delivery.id}~0", RULE_DELIVERED)


def test_a_dead_letter_is_revived_with_its_events(real: Ledger) -> None:
    broken = True

    def once(_delivery: Delivery) -> None:
        if broken:
            raise Refused("410 Gone")

    doer = Doer(once)
    with working(real, doer) as dispatcher:
        dispatcher.hand(owe(real, rule(), [7]))
        until(lambda: states(real)["dead"] == 1)
        (dead,) = real.deliveries(limit=1)
        assert (dead.error, dead.attempts) == ("410 Gone", 1)
        broken = False
        assert real.revive(dead).state == "waiting"
        dispatcher.wake()
        all_done(real, 1)
    assert doer.done == ["7"]
    with pytest.raises(Conflict):
        real.revive(dead)


def test_a_withdrawn_rule_leaves_nothing_waiting(real: Ledger) -> None:
    free = threading.Event()

    def hold(_delivery: Delivery) -> None:
        assert free.wait(10)
        raise OSError("fails when its rule is gone")

    mine = rule(concurrency=1)
    with working(real, Doer(hold)) as dispatcher:
        dispatcher.hand(owe(real, mine, range(1, 6)))
        until(lambda: states(real)["leased"] == 1)
        real.drop(mine)
        real.withdraw(mine.owner, mine.name)
        dispatcher.wake()
        free.set()
        until(lambda: states(real) == {"withdrawn": 5})


def test_a_paused_rule_starts_nothing(real: Ledger) -> None:
    doer = Doer()
    with working(real, doer) as dispatcher:
        looked = owe(real, rule(paused=True), [1, 2])
        dispatcher.hand(looked)
        time.sleep(0.05)
        assert states(real) == {"waiting": 2}
        real.keep(rule())
        dispatcher.wake()
        all_done(real, 2)


def test_a_lease_that_ends_is_taken_by_another_and_the_first_is_not_heard(
    ledger: Ledger, ledger_clock: list[float]
) -> None:
    ledger.look_at(owe(ledger, rule(), [1]))
    (first,) = ledger.lease("ann", "r", limit=9, holder="one", until=1030.0)
    assert ledger.lease("ann", "r", limit=9, holder="two", until=1030.0) == []
    ledger.hold("one", 1040.0)
    assert ledger.lost(besides="two", before=1035.0) == []
    ledger_clock[0] = 1041.0
    (lost,) = ledger.lost(besides="two", before=1041.0)
    assert ledger.take_back(lost.delivery, most=LOSSES)
    (second,) = ledger.lease("ann", "r", limit=9, holder="two", until=1071.0)
    assert (second.delivery.id, second.delivery.attempts) == (first.delivery.id, 1)
    news = [Event(type="org.example.tock", source="/r")]
    assert not ledger.end_delivery(first.delivery, "done", holder="one", events=news)
    assert ledger.pending(9) == []
    assert ledger.end_delivery(second.delivery, "done", holder="two", events=news)
    assert not ledger.end_delivery(second.delivery, "done", holder="two", events=news)
    assert len(ledger.pending(9)) == 1


def test_what_kills_its_process_again_and_again_is_buried(real: Ledger) -> None:
    real.look_at(owe(real, rule(), [1]))
    for attempt in range(LOSSES):
        (leased,) = real.lease("ann", "r", limit=1, holder=f"h{attempt}", until=0.0)
        assert real.take_back(leased.delivery, most=LOSSES)
    real.lease("ann", "r", limit=1, holder="last", until=0.0)
    with working(real, Doer(), alone=True):
        until(lambda: states(real) == {"dead": 1})
    assert [event.type for _number, event in real.pending(9)] == [RULE_DEAD]


def test_history_is_read_page_by_page(ledger: Ledger) -> None:
    ledger.look_at(owe(ledger, rule(), range(1, 8)))
    ledger.look_at(owe(ledger, rule(name="bobs", owner="bob"), range(1, 4)))
    pages: list[list[int]] = []
    before = 0
    while page := ledger.deliveries(owner="ann", limit=3, before=before):
        pages.append([each.events[0] for each in page])
        before = page[-1].number
    assert pages == [[7, 6, 5], [4, 3, 2], [1]]
    assert ledger.count_deliveries("bob", "bobs") == {"waiting": 3}
    assert ledger.lanes() == [("ann", "r"), ("bob", "bobs")]


def test_old_history_is_cleared_and_dead_letters_are_not(
    ledger: Ledger, ledger_clock: list[float]
) -> None:
    ledger.look_at(owe(ledger, rule(), [1, 2, 3]))
    taken = ledger.lease("ann", "r", limit=2, holder="me", until=1030.0)
    for leased, state in zip(taken, ("done", "dead"), strict=True):
        assert ledger.end_delivery(leased.delivery, state, holder="me")  # type: ignore[arg-type]
    ledger_clock[0] += 31 * 86_400
    assert ledger.clear_old() == 1
    assert states(ledger) == {"dead": 1, "waiting": 1}


def test_keyed_notebooks_run_one_after_the_other(real: Ledger) -> None:
    keyed = rule(key="{source}", action=NotebookAction(recipe="note", parameters={"path": "{id}"}))
    with working(real, Doer()) as dispatcher:
        dispatcher.hand(owe(real, keyed, [1, 2]))
        ((_number, first),) = until(real.open_jobs)
        assert first.parameters == {"path": "1"}
        time.sleep(0.05)
        assert len(real.open_jobs()) == 1
        real.end(first.id, "failed", "it may end as it likes")
        dispatcher.wake()
        ((_number, second),) = until(real.open_jobs)
        assert second.parameters == {"path": "2"}
        real.end(second.id, "successful", "")
        dispatcher.wake()
        all_done(real, 2)
    assert {each.result["state"] for each in real.deliveries(limit=2)} == {"failed", "successful"}
