"""Tells followers, consumers and subscribers of a NATS log in this process what is new."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from ..errors import BoathouseError
from .log import Stored, Subscription

logger = logging.getLogger(__name__)

# How often the cluster is asked besides; usually it says at once that something came.
POLL_SECONDS = 0.5
PAGE = 1000


class Source(Protocol):
    """What a watcher needs of its log."""

    name: str

    def last(self) -> int:
        """The highest number."""
        ...

    def stored(self, *, after: int, limit: int) -> list[Stored]:
        """Events above a number."""
        ...


class Watcher:
    """One thread that looks for new events; it starts with whoever waits for them first.

    Parameters
    ----------
    log : NatsEventLog
        The log.
    listen : callable
        Has its argument called with the number of each event that is stored.
    """

    def __init__(self, log: Source, listen: Callable[[Callable[[int], None]], None]) -> None:
        self._log = log
        self._listen = listen
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._closed = False
        self._heard = 0
        self._seen = 0
        # Counts whatever consumers wait for.
        self._turns = 0
        self._grown = threading.Condition()
        self._subscribers: list[Callable[[list[Stored]], None]] = []

    def start(self) -> None:
        """Begin to look for new events."""
        with self._grown:
            if self._thread is not None:
                return
            self._listen(self._hear)
            self._seen = self._log.last()
            self._thread = threading.Thread(
                target=self._watch, name="event-log-watcher", daemon=True
            )
            self._thread.start()

    def subscribe(self, callback: Callable[[list[Stored]], None]) -> Subscription:
        """Call ``callback`` with each run of new events, in order, once each."""
        self.start()

        def cancel() -> None:
            with self._grown:
                if callback in self._subscribers:
                    self._subscribers.remove(callback)

        with self._grown:
            self._subscribers.append(callback)
            return Subscription(self._seen, cancel)

    def turns(self) -> int:
        """What :meth:`wait` is to wait beyond."""
        return self._turns

    def wait(self, turns: int, seconds: float) -> None:
        """Wait until something came or changed since then, at most for so long."""
        with self._grown:
            self._grown.wait_for(lambda: self._closed or self._turns != turns, seconds)

    def wait_beyond(self, number: int, seconds: float | None) -> None:
        """Wait until there is an event above a number, at most for so long."""
        with self._grown:
            self._grown.wait_for(lambda: self._closed or self._seen > number, seconds)

    def nudge(self) -> None:
        """Wake whoever waits."""
        with self._grown:
            self._turns += 1
            self._grown.notify_all()

    def close(self) -> None:
        """End the thread, and whoever waits."""
        self._closed = True
        self._wake.set()
        self.nudge()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _hear(self, number: int) -> None:
        self._heard = number
        self._wake.set()

    def _watch(self) -> None:
        while not self._closed:
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()
            try:
                self._spread()
            except BoathouseError:
                if not self._closed:
                    logger.exception("Cannot look for new events of %s; again", self._log.name)
                    time.sleep(POLL_SECONDS)

    def _spread(self) -> None:
        # What was said may have been lost on its way: then the cluster is asked.
        last = self._heard if self._heard > self._seen else self._log.last()
        while self._seen < last and not self._closed:
            page = self._log.stored(after=self._seen, limit=PAGE) if self._subscribers else []
            with self._grown:
                subscribers = list(self._subscribers)
                if subscribers and not page:
                    continue  # the first one came just now, and must get this page
                self._seen = page[-1].sequence if page else last
                self._turns += 1
                self._grown.notify_all()
            for subscriber in subscribers:
                subscriber(page)
