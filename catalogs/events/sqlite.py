"""The event log in one SQLite file: durable before it answers, open to several processes."""

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..access import Reader
from ..errors import BoathouseError, StorageFull, Unavailable
from ..sqlite import open_database
from .event import Event, EventFilter, moment
from .log import LogEngine, Stored, Subscription
from .table import SCHEMA, Entry, entry_of, insert, last, select

logger = logging.getLogger(__name__)

# At most so many events share one transaction, so that nobody waits for long.
GROUP = 2000
# How often the file is asked for events of other processes, in seconds; our own wake at once.
POLL_SECONDS = 0.05
PAGE = 1000


class _Append(NamedTuple):
    entries: list[Entry]
    answer: "Future[list[int]]"


class SqliteEventLog(LogEngine):
    """An event log in a SQLite file in WAL mode that is synced before each answer.

    One thread writes; appends that arrive while it syncs share the next sync.

    Parameters
    ----------
    path : path
        The file; created with mode 0600 when missing.

    Examples
    --------
    >>> import tempfile
    >>> log = SqliteEventLog(Path(tempfile.mkdtemp()) / "events.sqlite")
    >>> log.append([Event(type="org.example.ping", source="/me")])
    [1]
    >>> log.close()
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._connection = open_database(self.path, SCHEMA)
        except sqlite3.Error as error:
            raise _explain(error, self.path) from error
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        self._appends: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="event-log-writer", daemon=True)
        self._writer.start()
        # The watcher starts with the first follower: a script that only appends needs none.
        self._watcher: threading.Thread | None = None
        self._wake = threading.Event()
        self._seen = 0
        self._grown = threading.Condition()
        self._subscribers: list[Callable[[list[Stored]], None]] = []

    def append(self, events: Sequence[Event]) -> list[int]:
        """Store events durably, all or none, and return their sequence numbers, in order.

        Raises
        ------
        BadEvent
            When one of them is not valid; ``field`` names the attribute.
        StorageFull
            When the disk is full; nothing is stored.
        """
        return self._submit(events).result()

    async def append_async(self, events: Sequence[Event]) -> list[int]:
        """:meth:`append` for an event loop, which goes on meanwhile."""
        return await asyncio.wrap_future(self._submit(events))

    def read(
        self,
        *,
        after: int = 0,
        limit: int = PAGE,
        where: EventFilter | None = None,
        reader: Reader | None = None,
    ) -> list[Event]:
        """Events with a sequence above ``after``, oldest first; see :class:`EventLog`."""
        rows = self.stored(after=after, limit=limit, where=where, reader=reader)
        return [row.event() for row in rows]

    def stored(
        self,
        *,
        after: int = 0,
        limit: int = PAGE,
        where: EventFilter | None = None,
        reader: Reader | None = None,
        largest: int | None = None,
    ) -> list[Stored]:
        """As :meth:`read`, but undecoded: what a service passes on needs no decoding.

        A page of ``largest`` bytes ends there, though more events may follow.
        """
        with self._reading() as connection:
            return select(
                connection, after=after, limit=limit, where=where, reader=reader, largest=largest
            )

    def last(self) -> int:
        """The highest sequence number in the log; 0 when it is empty."""
        with self._reading() as connection:
            return last(connection)

    def follow(
        self,
        *,
        after: int | None = None,
        where: EventFilter | None = None,
        reader: Reader | None = None,
        timeout: float | None = None,
    ) -> Iterator[Event]:
        """Yield events as they come, of any process; see :class:`EventLog`."""
        if where and where.since:
            moment(where.since, "since")
        start = self.last() if after is None else after
        self._start_watcher()
        return self._follow(start, where, reader, timeout)

    def subscribe(self, callback: Callable[[list[Stored]], None]) -> Subscription:
        """Call ``callback`` with each run of new events, of any process, in order, once each.

        It is called in the log's own thread and must return at once.  Events up to the
        returned ``after`` are not given.
        """
        self._start_watcher()

        def cancel() -> None:
            with self._grown:
                if callback in self._subscribers:
                    self._subscribers.remove(callback)

        with self._grown:
            self._subscribers.append(callback)
            return Subscription(self._seen, cancel)

    def close(self) -> None:
        """End the threads and close the file; appends under way are finished first."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._appends.put(None)
        self._writer.join()
        self._wake.set()
        with self._grown:
            self._grown.notify_all()
        if self._watcher is not None and self._watcher is not threading.current_thread():
            self._watcher.join()
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in (*idle, self._connection):
            connection.close()

    # Reading

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        with self._lock:
            if self._closed:
                raise Unavailable("The event log is closed.")
            connection = self._idle.pop() if self._idle else None
        connection = connection or open_database(self.path)
        try:
            yield connection
        finally:
            with self._lock:
                if not self._closed:
                    self._idle.append(connection)
                    connection = None
            if connection is not None:
                connection.close()

    def _follow(
        self,
        after: int,
        where: EventFilter | None,
        reader: Reader | None,
        timeout: float | None,
    ) -> Iterator[Event]:
        silent_since = time.monotonic()
        while not self._closed:
            horizon = self.last()
            page = self.read(after=after, limit=PAGE, where=where, reader=reader)
            for event in page:
                yield event
                after = event.sequence
                silent_since = time.monotonic()
            if len(page) == PAGE:
                continue
            after = max(after, horizon)
            left = None if timeout is None else silent_since + timeout - time.monotonic()
            if left is not None and left <= 0:
                return
            with self._grown:
                self._grown.wait_for(lambda mark=after: self._closed or self._seen > mark, left)

    def _start_watcher(self) -> None:
        with self._grown:
            if self._watcher is None:
                self._seen = self.last()
                self._watcher = threading.Thread(
                    target=self._watch, name="event-log-watcher", daemon=True
                )
                self._watcher.start()

    def _watch(self) -> None:
        while not self._closed:
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()
            try:
                self._spread()
            except (sqlite3.Error, BoathouseError):
                if not self._closed:
                    logger.exception("Cannot look for new events in %s; trying again", self.path)
                    time.sleep(1)

    def _spread(self) -> None:
        last = self.last()
        while self._seen < last:
            page = self.stored(after=self._seen, limit=PAGE) if self._subscribers else []
            with self._grown:
                subscribers = list(self._subscribers)
                if subscribers and not page:
                    continue  # the first one came just now, and must get this page
                self._seen = page[-1].sequence if page else last
                self._grown.notify_all()
            for subscriber in subscribers:
                subscriber(page)

    # Writing

    def _submit(self, events: Sequence[Event]) -> "Future[list[int]]":
        entries = [entry_of(event) for event in events]
        answer: Future[list[int]] = Future()
        if not entries:
            answer.set_result([])
            return answer
        with self._lock:
            if self._closed:
                raise Unavailable("The event log is closed.")
            self._appends.put(_Append(entries, answer))
        return answer

    def _write(self) -> None:
        going_on = True
        while going_on:
            group: list[_Append] = []
            size = 0
            first = self._appends.get()
            while first is not None:
                if first.answer.set_running_or_notify_cancel():
                    group.append(first)
                    size += len(first.entries)
                if size >= GROUP or self._appends.empty():
                    break
                first = self._appends.get()
            going_on = first is not None
            if group:
                self._commit(group)

    def _commit(self, group: list[_Append]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            answers = [insert(self._connection, append.entries) for append in group]
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            # A full disk may have rolled back already.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            logger.warning("Cannot append to %s: %s", self.path, error)
            for append in group:
                append.answer.set_exception(_explain(error, self.path))
            return
        for append, numbers in zip(group, answers, strict=True):
            append.answer.set_result(numbers)
        self._wake.set()


def _explain(error: sqlite3.Error, path: Path) -> Exception:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFull("The lake's disk is full: the events were not stored. Free some room.")
    if code == sqlite3.SQLITE_BUSY:
        return Unavailable(f"Another process holds {path.name} for too long; try again.")
    return error
