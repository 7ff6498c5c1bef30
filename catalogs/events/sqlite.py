"""The event log in one SQLite file: durable before it answers, open to several processes."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..access import Reader
from ..errors import BoathouseError, Unavailable
from ..sqlite import open_database
from .consumer import Consumer, ConsumerState, DeadLetter, check_opening
from .consumer_rows import forget, letters, open_consumer, rows, state_of
from .event import Event, EventFilter
from .log import LogEngine, Retention, Stored, Subscription, Trimmed, check_place
from .query import select
from .sqlite_consumers import SqliteConsumer
from .sqlite_retention import trim
from .sqlite_writer import Writer, explain
from .table import entry_of, first, last, prepare

logger = logging.getLogger(__name__)

# How often the file is asked for events of other processes, in seconds; our own wake at once.
POLL_SECONDS = 0.05
PAGE = 1000
# What the writer keeps in memory, in KiB, and after how many pages of 4 KiB it tidies up.
CACHE_KIB = 65_536
CHECKPOINT_PAGES = 8000


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
        self._connection = _open(self.path)
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        # The watcher starts with the first follower: a script that only appends needs none.
        self._watcher: threading.Thread | None = None
        self._wake = threading.Event()
        self._seen = 0
        # Counts whatever followers and consumers wait for.
        self._turns = 0
        self._grown = threading.Condition()
        self._subscribers: list[Callable[[list[Stored]], None]] = []
        self._writer = Writer(self._connection, self.path, self._wake.set)

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
        with self.reading() as connection:
            return select(
                connection, after=after, limit=limit, where=where, reader=reader, largest=largest
            )

    def last(self) -> int:
        """The highest sequence number in the log; 0 when it is empty."""
        with self.reading() as connection:
            return last(connection)

    def first(self) -> int:
        """The lowest sequence number that is kept; 0 when the log is empty."""
        with self.reading() as connection:
            return first(connection)

    def follow(
        self,
        *,
        after: int | None = None,
        where: EventFilter | None = None,
        reader: Reader | None = None,
        timeout: float | None = None,
    ) -> Iterator[Event]:
        """Yield events as they come, of any process; see :class:`.EventLog`."""
        if where:
            where.validated()
        start = self.last() if after is None else after
        check_place(self, start)
        self.start_watcher()
        return self._follow(start, where, reader, timeout)

    def subscribe(self, callback: Callable[[list[Stored]], None]) -> Subscription:
        """Call ``callback`` with each run of new events, of any process, in order, once each.

        It is called in the log's own thread and must return at once.  Events up to the
        returned ``after`` are not given.
        """
        self.start_watcher()

        def cancel() -> None:
            with self._grown:
                if callback in self._subscribers:
                    self._subscribers.remove(callback)

        with self._grown:
            self._subscribers.append(callback)
            return Subscription(self._seen, cancel)

    def consume(
        self,
        name: str,
        *,
        where: EventFilter | None = None,
        after: int | None = None,
        reader: Reader | None = None,
        lease: float | None = None,
        attempts: int | None = None,
    ) -> Consumer:
        """Open a consumer, or make it; see :class:`.EventLog`."""
        check_opening(name, lease, attempts)
        if after is not None:
            check_place(self, after)
        owner = reader.name if reader else ""
        self.change(
            lambda connection: open_consumer(
                connection,
                owner,
                name,
                where=where and where.validated(),
                after=after,
                lease=lease,
                attempts=attempts,
            )
        )
        self.nudge()
        return SqliteConsumer(self, owner, name, reader)

    def consumers(self, *, reader: Reader | None = None) -> list[ConsumerState]:
        """The reader's consumers; see :class:`.EventLog`."""
        with self.reading() as connection:
            return [state_of(connection, row, None) for row in rows(connection, reader)]

    def forget(self, name: str, *, reader: Reader | None = None) -> None:
        """Remove a consumer with its dead letters; raises ``NotFound``."""
        owner = reader.name if reader else ""
        self.change(lambda connection: forget(connection, owner, name))
        self.nudge()

    def dead_letters(
        self, consumer: str = "", *, reader: Reader | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """What the reader's consumers gave up on; see :class:`.EventLog`."""
        with self.reading() as connection:
            return letters(connection, consumer, reader, limit)

    def trim(self, retention: Retention, *, force: bool = False) -> Trimmed:
        """Cut off the oldest events; see :class:`.LogEngine`."""
        return trim(self.change, retention, force=force)

    def close(self) -> None:
        """End the threads and close the file; appends under way are finished first."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._writer.close()
        self._wake.set()
        self.nudge()
        if self._watcher is not None and self._watcher is not threading.current_thread():
            self._watcher.join()
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in (*idle, self._connection):
            connection.close()

    # What consumers need

    def change(self, function: Callable[[sqlite3.Connection], Any], *, durable: bool = True) -> Any:
        """Call a function within a transaction of the writer; return what it returns."""
        return self._writer.change(function, durable=durable).result()

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """A connection to read with."""
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

    def turns(self) -> int:
        """What :meth:`wait` is to wait beyond."""
        return self._turns

    def wait(self, turns: int, seconds: float) -> None:
        """Wait until something came or changed since then, at most for so long."""
        with self._grown:
            self._grown.wait_for(lambda: self._closed or self._turns != turns, seconds)

    def nudge(self) -> None:
        """Wake whoever waits."""
        with self._grown:
            self._turns += 1
            self._grown.notify_all()

    def start_watcher(self) -> None:
        """Begin to look for new events."""
        with self._grown:
            if self._watcher is None:
                self._seen = self.last()
                self._watcher = threading.Thread(
                    target=self._watch, name="event-log-watcher", daemon=True
                )
                self._watcher.start()

    # Following

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
            check_place(self, after)
            page = self.stored(after=after, limit=PAGE, where=where, reader=reader)
            for row in page:
                after = row.sequence
                if row.expired():
                    continue
                yield row.event()
                silent_since = time.monotonic()
            if len(page) == PAGE:
                continue
            after = max(after, horizon)
            left = None if timeout is None else silent_since + timeout - time.monotonic()
            if left is not None and left <= 0:
                return
            with self._grown:
                self._grown.wait_for(lambda mark=after: self._closed or self._seen > mark, left)

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
                self._turns += 1
                self._grown.notify_all()
            for subscriber in subscribers:
                subscriber(page)

    def submit(self, events: Sequence[Event]) -> "Future[list[int]]":
        """See :class:`.LogEngine`; events that arrive while one group is synced share the next."""
        entries = [entry_of(event, self.schemas) for event in events]
        if entries:
            return self._writer.append(entries)
        answer: Future[list[int]] = Future()
        answer.set_result([])
        return answer


def _open(path: Path) -> sqlite3.Connection:
    try:
        connection = open_database(path)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    try:
        # Its indexes are written all over: they stay in memory, and are moved from the
        # write-ahead log to their places only now and then.
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        prepare(connection)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise explain(error, path) from error
        raise
    return connection
