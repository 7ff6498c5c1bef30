"""Runs a listener's work: some at once, one at a time for each key, tried again after pauses."""

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from ..catalogs.events.consumer import Taken
from .rules.model import Retry


class Work(msgspec.Struct, kw_only=True):
    """What a function is called with, and the events that are done with it.

    Attributes
    ----------
    given : Event or list of Event
        The function's argument.
    taken : tuple of Taken
        The leases.
    key : str
        Work of the same key runs one at a time, in order; none with an empty key.
    attempt : int
        Which attempt comes next, counted from 1.
    due : float
        Not before this time, on the monotonic clock.
    """

    given: Any
    taken: tuple[Taken, ...] = ()
    key: str = ""
    attempt: int = 1
    due: float = 0.0


class Lanes:
    """Work by keys, each in its own lane.

    Parameters
    ----------
    attempt : callable
        Does a piece of work; returns what went wrong, or None.
    ended : callable
        Told of each piece that was done, or given up with its last error.
    retry : Retry
        How often and when it is tried.
    concurrency : int
        So many pieces at once.
    name : str
        For the names of threads.
    """

    def __init__(
        self,
        attempt: Callable[[Work], Exception | None],
        ended: Callable[[Work, Exception | None], None],
        *,
        retry: Retry,
        concurrency: int,
        name: str,
    ) -> None:
        self._attempt = attempt
        self._ended = ended
        self._retry = retry
        self._concurrency = concurrency
        self._changed = threading.Condition()
        self._lanes: dict[Any, deque[Work]] = {}
        self._busy: set[Any] = set()
        self._stopped = False
        # Holds also what is done in the caller's thread.
        self._turns = threading.Semaphore(concurrency)
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix=f"boathouse-on-{name}")
        self._clock = threading.Thread(target=self._tick, daemon=True, name="boathouse-lanes")

    def run_here(self, work: Work) -> None:
        """Do it in this thread, unless its lane is taken; what fails is tried again in another."""
        with self._changed:
            taken = work.key in self._lanes
        if taken:
            self.add(work)
            return
        error = self._try(work)
        if error is None or self._is_last(work):
            self._ended(work, error)
            return
        self._put_off(work)
        self.add(work)

    def add(self, work: Work) -> None:
        """Put it at the end of its lane."""
        with self._changed:
            if not self._clock.is_alive() and not self._stopped:
                self._clock.start()
            # What has no key waits for nothing but its turn.
            self._lanes.setdefault(work.key or id(work), deque()).append(work)
            self._start_ready()
            # The clock may be waiting for nothing, and this for its time.
            self._changed.notify_all()

    def wait(self, timeout: float) -> None:
        """Wait until something has ended, or for ``timeout`` seconds."""
        with self._changed:
            self._changed.wait(timeout)

    def stop(self) -> None:
        """Start nothing more; what runs ends in peace."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def drain(self, timeout: float) -> bool:
        """Wait until nothing runs any more; False when something does after ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy, timeout)

    def _start_ready(self) -> None:
        now = time.monotonic()
        for key, lane in self._lanes.items():
            if self._stopped or len(self._busy) >= self._concurrency:
                return
            if key not in self._busy and lane[0].due <= now:
                self._busy.add(key)
                self._pool.submit(self._do, key, lane[0])

    def _do(self, key: Any, work: Work) -> None:
        error = self._try(work)
        over = error is None or self._is_last(work)
        if over:
            self._ended(work, error)
        with self._changed:
            if over:
                lane = self._lanes[key]
                lane.popleft()
                if not lane:
                    del self._lanes[key]
            else:
                self._put_off(work)
            self._busy.discard(key)
            self._start_ready()
            self._changed.notify_all()

    def _tick(self) -> None:
        """Start what was waiting for its next attempt."""
        with self._changed:
            while not self._stopped:
                self._start_ready()
                waiting = [
                    lane[0].due for key, lane in self._lanes.items() if key not in self._busy
                ]
                left = max(0.0, min(waiting, default=0.0) - time.monotonic())
                full = len(self._busy) >= self._concurrency
                # Who waits for a free thread, or for work, is notified.
                self._changed.wait(left if waiting and not full else None)

    def _try(self, work: Work) -> Exception | None:
        with self._turns:
            return self._attempt(work)

    def _put_off(self, work: Work) -> None:
        work.due = time.monotonic() + self._pause(work)
        work.attempt += 1

    def _is_last(self, work: Work) -> bool:
        return work.attempt >= self._retry.attempts

    def _pause(self, work: Work) -> float:
        most = min(self._retry.longest, self._retry.first * 2.0 ** min(work.attempt - 1, 60))
        return random.uniform(0, most)  # noqa: S311 - spreads load, hides nothing
