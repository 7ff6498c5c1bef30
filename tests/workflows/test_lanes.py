"""Work in lanes: one at a time for each key, in order, tried again after pauses."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boathouse.workflows.lanes import Lanes, Work
from boathouse.workflows.rules.model import Retry

from .conftest import until

QUICK = Retry(attempts=4, first=0.002, longest=0.004)


class Yard:
    """Fails as often as each piece of work says, and notes what happened."""

    def __init__(self, retry: Retry = QUICK, concurrency: int = 4, seconds: float = 0.0) -> None:
        self.begun: list[tuple[str, Any]] = []
        self.ended: list[tuple[Any, bool]] = []
        self.at_once = self.most = 0
        self._seconds = seconds
        self._lock = threading.Lock()
        self.lanes = Lanes(
            self._attempt, self._ended, retry=retry, concurrency=concurrency, name="test"
        )

    def _attempt(self, work: Work) -> Exception | None:
        with self._lock:
            self.begun.append((work.key, work.given))
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        time.sleep(self._seconds)
        with self._lock:
            self.at_once -= 1
        return ValueError() if work.attempt <= work.given[1] else None

    def _ended(self, work: Work, error: Exception | None) -> None:
        with self._lock:
            self.ended.append((work.given, error is None))


@contextmanager
def yard(**more: Any) -> Iterator[Yard]:
    made = Yard(**more)
    yield made
    made.lanes.stop()
    assert made.lanes.drain(5)


@settings(max_examples=15, deadline=None)
@given(
    work=st.lists(st.tuples(st.sampled_from("ab "), st.integers(0, 5)), max_size=12),
    concurrency=st.integers(1, 4),
    here=st.booleans(),
)
def test_all_work_ends_once_and_in_order_of_its_key(
    work: list[tuple[str, int]], concurrency: int, here: bool
) -> None:
    with yard(concurrency=concurrency) as made:
        for number, (key, failures) in enumerate(work):
            piece = Work(given=(number, failures), key=key.strip())
            made.lanes.run_here(piece) if here else made.lanes.add(piece)
        until(lambda: len(made.ended) == len(work), seconds=10)
        assert sorted(given for given, _good in made.ended) == [
            (number, failures) for number, (_key, failures) in enumerate(work)
        ]
        for given, good in made.ended:
            assert good == (given[1] < QUICK.attempts), "given up after the last attempt"
        for key in "ab":
            mine = [given[0] for given, _ in made.ended if work[given[0]][0] == key]
            assert mine == sorted(mine)
            begun = [given[0] for each, given in made.begun if each == key]
            assert begun == sorted(begun), "none begins before the one before has ended"
        assert made.most <= concurrency


def test_so_many_at_once_and_no_more() -> None:
    with yard(concurrency=3, seconds=0.03) as made:
        for number in range(9):
            made.lanes.add(Work(given=(number, 0)))
        until(lambda: len(made.ended) == 9, seconds=10)
        assert made.most == 3


def test_what_fails_does_not_hold_up_the_others() -> None:
    slow = Retry(attempts=2, first=0.5, longest=0.5)
    with yard(retry=slow, concurrency=1) as made:
        for number, failures in ((0, 1), (1, 0), (2, 0)):
            made.lanes.run_here(Work(given=(number, failures)))
        assert [given[0] for given, _good in made.ended][:2] == [1, 2]
        until(lambda: len(made.ended) == 3, seconds=10)


def test_the_last_that_fails_is_tried_again_too() -> None:
    with yard(concurrency=1) as made:
        for number in range(5):
            made.lanes.run_here(Work(given=(number, 1)))
            # Nothing else comes that would wake anybody.
            until(lambda number=number: len(made.ended) == number + 1, seconds=5)


@pytest.mark.parametrize("attempt", [1, 2, 3, 5, 50, 500])
def test_pauses_grow_to_the_longest_and_are_spread(attempt: int) -> None:
    with yard(retry=Retry(attempts=1000, first=1, longest=10)) as made:
        most = min(10, 2 ** min(attempt - 1, 9))
        pauses = [made.lanes._pause(Work(given=0, attempt=attempt)) for _ in range(200)]
        assert 0 <= min(pauses) < most / 2 < max(pauses) <= most
