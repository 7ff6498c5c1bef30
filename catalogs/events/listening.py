"""Events as they come: to a loop, to an asynchronous loop, or to a function in a thread."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from ..errors import Conflict, Unavailable
from .event import Event, EventFilter
from .log import Consumer, EventLog, Taken, check_place

logger = logging.getLogger(__name__)

# How soon one that was stopped ends, in seconds; without a hub looking costs nothing.
SLICE_SECONDS = 0.5
SLICE_SECONDS_REMOTE = 15.0
# So many events are leased at once, so that a slow function does not keep them from others.
TAKE = 16
# The first pause after an error of the function, and the longest, in seconds.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 300.0
_PAUSE = 1.0


class Listening(Iterator[Event], AsyncIterator[Event]):
    """Events as they come, for ``for`` and for ``async for``; made by :func:`.listen`.

    Parameters
    ----------
    source : Source
        Where the events come from.
    """

    def __init__(self, source: "Source") -> None:
        self._source = source
        self._events = source.events()
        self._asked: SimpleQueue[Future[Event | None]] = SimpleQueue()
        self._answer: Future[Event | None] | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<listening{' (stopped)' if self._source.stopping.is_set() else ''}>"

    def __iter__(self) -> "Listening":
        return self

    def __next__(self) -> Event:
        return next(self._events)

    def __aiter__(self) -> "Listening":
        return self

    async def __anext__(self) -> Event:
        # A thread of its own, and none of the loop's pool: it may wait for days, and must not
        # keep the process from ending.  Whoever is cancelled leaves the answer to the next.
        if self._source.stopping.is_set():
            raise StopAsyncIteration
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._serve, name="boathouse-listen", daemon=True
            )
            self._thread.start()
        if self._answer is None:
            self._answer = Future()
            self._asked.put(self._answer)
        answer = self._answer
        event = await asyncio.shield(asyncio.wrap_future(answer))
        if self._answer is answer:
            self._answer = None
        if event is None:
            raise StopAsyncIteration
        return event

    def stop(self) -> None:
        """Listen no longer: a loop ends, at the latest after some seconds of silence."""
        self._source.stopping.set()
        self._asked.put(Future())
        if self._answer is not None:
            with suppress(InvalidStateError):
                self._answer.set_result(None)

    def __enter__(self) -> "Listening":
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def _serve(self) -> None:
        while not self._source.stopping.is_set():
            answer = self._asked.get()
            try:
                event = next(self._events, None)
            except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the event
                with suppress(InvalidStateError):
                    answer.set_exception(error)
                return
            with suppress(InvalidStateError):
                answer.set_result(event)


class Watching:
    """A function that is called with each event, in a thread, until :meth:`stop`.

    Parameters
    ----------
    source : Source
        Where the events come from.
    callback : callable
        Called with one event at a time.

    Attributes
    ----------
    handled : int
        So many calls returned.
    failed : int
        So many calls raised.
    error : Exception or None
        What the last call that failed raised, or what ended the listening.
    """

    def __init__(self, source: "Source", callback: Callable[[Event], Any]) -> None:
        self._source = source
        self._callback = callback
        self.handled = 0
        self.failed = 0
        self.error: Exception | None = None
        name = getattr(callback, "__name__", type(callback).__name__)
        self._thread = threading.Thread(
            target=self._run, name=f"boathouse-listen-{name}", daemon=True
        )
        self._thread.start()

    def __repr__(self) -> str:
        name = self._thread.name.removeprefix("boathouse-listen-")
        state = "listening" if self.alive else "stopped"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"<{name}: {state}, {self.handled} handled{failed}>"

    @property
    def alive(self) -> bool:
        """Whether events still reach the function."""
        return self._thread.is_alive() and not self._source.stopping.is_set()

    def stop(self) -> None:
        """Listen no longer; returns when the call that is under way has ended."""
        self._source.stopping.set()
        with self._source.calling:
            pass  # whoever holds it is in the function; from the function itself one passes

    def __enter__(self) -> "Watching":
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            self._source.call(self._call)
        except Exception as error:
            self.error = error
            logger.exception("%s listens no longer", self._thread.name)

    def _call(self, event: Event) -> Exception | None:
        try:
            self._callback(event)
        except Exception as error:
            self.failed += 1
            self.error = error
            logger.exception("%s failed on event %d", self._thread.name, event.sequence)
            return error
        self.handled += 1
        return None


class Source:
    """Events of a log that match, from a sequence number on.

    Parameters
    ----------
    log : EventLog
        The log.
    where : EventFilter
        Which events.
    after : int or None
        Above this number; None begins now.
    timeout : float or None
        Ends after so many seconds of silence.

    Raises
    ------
    BadEvent, Gone
        When the log does not hold that place, not yet or no longer.
    """

    def __init__(
        self, log: EventLog, where: EventFilter, after: int | None, timeout: float | None
    ) -> None:
        self.log = log
        self.where = where
        self.timeout = timeout
        self.stopping = threading.Event()
        self.calling = threading.RLock()
        self.slice = SLICE_SECONDS_REMOTE if hasattr(log, "connection") else SLICE_SECONDS
        # From here on, not from when somebody happens to ask for the first.
        self.cursor = log.last() if after is None else after
        check_place(log, self.cursor if after else 0)

    def events(self) -> Iterator[Event]:
        """The events, one by one."""
        silent_since = time.monotonic()
        first = True
        while not self.stopping.is_set():
            left = self._left(silent_since)
            try:
                seen = self.log.last()
                for event in self.log.follow(
                    after=self.cursor, where=self.where, timeout=max(min(left, self.slice), 0)
                ):
                    self.cursor = event.sequence
                    yield event
                    silent_since = time.monotonic()
                    if self.stopping.is_set():
                        return
            except Unavailable:
                if first:
                    raise
                self.stopping.wait(min(_PAUSE, max(self._left(silent_since), 0)))
            else:
                # What was there before the silence has been looked at: not once more.
                self.cursor = max(self.cursor, seen)
            first = False
            if self._left(silent_since) <= 0:
                return

    def call(self, function: Callable[[Event], Exception | None]) -> None:
        """Call a function with each event; what it returns is looked at by none."""
        for event in self.events():
            with self.calling:
                if self.stopping.is_set():
                    return
                function(event)

    def _left(self, silent_since: float) -> float:
        if self.timeout is None:
            return float("inf")
        return silent_since + self.timeout - time.monotonic()


class ConsumerSource(Source):
    """Events that a named consumer leases, done when the work on them is.

    Parameters
    ----------
    log : EventLog
        The log.
    consumer : Consumer
        Whose cursor is on the server.
    timeout : float or None
        Ends after so many seconds of silence.
    """

    def __init__(self, log: EventLog, consumer: Consumer, timeout: float | None) -> None:
        super().__init__(log, EventFilter(), 0, timeout)
        self.consumer = consumer
        self._held: dict[int, Taken] = {}
        self._lock = threading.Lock()

    def events(self) -> Iterator[Event]:
        """The events; one is done when the next is asked for."""
        for taken in self._taken():
            try:
                yield taken.event
            except GeneratorExit:
                self._release(taken)
                raise
            self._done(taken)

    def call(self, function: Callable[[Event], Exception | None]) -> None:
        """Call a function; what it returns without an error is done, else it comes again."""
        for taken in self._taken():
            with self.calling:
                if self.stopping.is_set():
                    self._release(taken)
                    return
                error = function(taken.event)
            if error is None:
                self._done(taken)
            else:
                self._again(taken, f"{type(error).__name__}: {error}")

    def _taken(self) -> Generator[Taken]:
        silent_since = time.monotonic()
        first, ended = True, threading.Event()
        keeper = threading.Thread(target=self._keep, args=(ended,), daemon=True)
        keeper.start()
        try:
            while not self.stopping.is_set():
                wait = max(min(self._left(silent_since), self.slice), 0)
                try:
                    several = self.consumer.take(TAKE, wait=wait)
                except Unavailable:
                    if first:
                        raise
                    several = []
                    self.stopping.wait(min(_PAUSE, max(self._left(silent_since), 0)))
                first = False
                with self._lock:
                    self._held.update({each.event.sequence: each for each in several})
                for taken in several:
                    yield taken
                    silent_since = time.monotonic()
                if self._left(silent_since) <= 0:
                    return
        finally:
            ended.set()
            for taken in list(self._held.values()):
                self._release(taken)

    def _keep(self, ended: threading.Event) -> None:
        """Long work keeps its lease, and so does what waits behind it."""
        lease = self.consumer.state().lease
        while not ended.wait(lease / 3):
            with self._lock:
                held = list(self._held.values())
            for taken in held:
                with suppress(Conflict, Unavailable):
                    self.consumer.extend(taken, lease)

    def _let_go(self, taken: Taken) -> None:
        with self._lock:
            self._held.pop(taken.event.sequence, None)

    def _done(self, taken: Taken) -> None:
        self._let_go(taken)
        self._say(lambda: self.consumer.done(taken), taken)

    def _again(self, taken: Taken, reason: str) -> None:
        self._let_go(taken)
        pause = min(FIRST_PAUSE * 2 ** (taken.attempt - 1), LONGEST_PAUSE)
        self._say(lambda: self.consumer.again(taken, delay=pause, reason=reason), taken)

    def _release(self, taken: Taken) -> None:
        self._let_go(taken)
        with suppress(Conflict, Unavailable):
            self.consumer.extend(taken, 0)

    def _say(self, what: Callable[[], None], taken: Taken) -> None:
        # Not heard means that the lease ends and the event comes once more: nothing is lost.
        try:
            what()
        except (Conflict, Unavailable) as error:
            logger.warning("event %d will come again: %s", taken.event.sequence, error)
