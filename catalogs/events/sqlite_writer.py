"""The one thread that writes an event log's file: what comes while it syncs shares the next."""

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import BoathouseError, Busy, StorageFull, Unavailable
from .table import Entry, insert, insert_new

logger = logging.getLogger(__name__)

# At most so many events share one transaction, so that nobody waits for long.
GROUP = 2000
# So much may wait for the writer; who comes then is told to come back.
MOST_WAITING = 20_000
MOST_BYTES = 64_000_000


class _Append(NamedTuple):
    entries: list[Entry]
    size: int
    answer: "Future[list[int]]"


class _Work(NamedTuple):
    function: Callable[[sqlite3.Connection], Any]
    durable: bool
    answer: "Future[Any]"


class Writer:
    """Writes appends and other changes in the order in which they come, many in one transaction.

    Parameters
    ----------
    connection : sqlite3.Connection
        In autocommit mode, with ``synchronous=FULL``; the writer's own.
    path : Path
        Its file, for errors.
    written : callable
        Called in the writer's thread after each transaction.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: Path, written: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._path = path
        self._written = written
        self._lock = threading.Lock()
        self._closed = False
        self._waiting = 0
        self._bytes = 0
        self._full = True
        self._queue: queue.SimpleQueue[_Append | _Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="event-log-writer", daemon=True)
        self._thread.start()

    def append(self, entries: list[Entry]) -> "Future[list[int]]":
        """Store entries, all or none; the answer comes when they are on disk.

        Raises
        ------
        Busy
            When too much waits already.
        """
        size = sum(len(entry.body) for entry in entries)
        append = _Append(entries, size, Future())
        with self._lock:
            waiting, waiting_bytes = self._waiting, self._bytes
            # What comes alone is taken, however large it is.
            if waiting and (
                waiting + len(entries) > MOST_WAITING or waiting_bytes + size > MOST_BYTES
            ):
                raise Busy(
                    f"{waiting:,} events wait to be stored; nothing of this was taken. Try again "
                    "in a moment."
                )
            self._check_open()
            self._waiting += len(entries)
            self._bytes += size
            self._queue.put(append)
        return append.answer

    def change(
        self, function: Callable[[sqlite3.Connection], Any], *, durable: bool = True
    ) -> "Future[Any]":
        """Call a function within a transaction; what it returns is the answer.

        When it raises, what it changed is undone.  What is not ``durable`` survives the end of
        the process, but may not survive that of the machine.
        """
        work = _Work(function, durable, Future())
        with self._lock:
            self._check_open()
            self._queue.put(work)
        return work.answer

    def close(self) -> None:
        """End, once what came before is done."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("The event log is closed.")

    def _run(self) -> None:
        going_on = True
        while going_on:
            appends: list[_Append] = []
            works: list[_Work] = []
            size = 0
            first = self._queue.get()
            while first is not None:
                if isinstance(first, _Work):
                    works.append(first)
                else:
                    appends.append(first)
                    size += len(first.entries)
                if size >= GROUP or self._queue.empty():
                    break
                first = self._queue.get()
            going_on = first is not None
            with self._lock:
                self._waiting -= sum(len(append.entries) for append in appends)
                self._bytes -= sum(append.size for append in appends)
            appends = [each for each in appends if each.answer.set_running_or_notify_cancel()]
            works = [each for each in works if each.answer.set_running_or_notify_cancel()]
            if appends or works:
                self._commit(appends, works)

    def _commit(self, appends: list[_Append], works: list[_Work]) -> None:
        answers: list[tuple[Future[Any], Any]] = []
        try:
            self._sync(bool(appends) or any(work.durable for work in works))
            answers += self._stored(appends)
            answers += [(work.answer, self._done(work)) for work in works]
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            logger.warning("Cannot write to %s: %s", self._path, error)
            self._fail(explain(error, self._path), appends, works)
            return
        except Exception as error:
            # A defect: whoever waits is told, and the thread lives on.
            logger.exception("Cannot write to %s", self._path)
            self._fail(error, appends, works)
            return
        for answer, value in answers:
            if isinstance(value, Exception):
                answer.set_exception(value)
            else:
                answer.set_result(value)
        self._written()

    def _done(self, work: _Work) -> Any:
        """What a change returns, or the error that undid it alone."""
        self._connection.execute("SAVEPOINT work")
        try:
            value = work.function(self._connection)
        except sqlite3.Error:
            raise
        except Exception as error:
            if not isinstance(error, BoathouseError):
                logger.exception("Cannot change %s", self._path)
            self._connection.execute("ROLLBACK TO work")
            value = error
        self._connection.execute("RELEASE work")
        return value

    def _fail(self, error: Exception, appends: list[_Append], works: list[_Work]) -> None:
        # A full disk may have rolled back already.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        for each in (*appends, *works):
            each.answer.set_exception(error)

    def _stored(self, appends: list[_Append]) -> list[tuple["Future[Any]", list[int]]]:
        """Begin the transaction and write the appends."""
        entries = [entry for append in appends for entry in append.entries]
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            numbers = insert(self._connection, entries)
        except sqlite3.IntegrityError:
            # Some are known: that is rare, and takes longer.
            self._connection.execute("ROLLBACK")
            self._connection.execute("BEGIN IMMEDIATE")
            numbers = insert_new(self._connection, entries)
        rest = iter(numbers)
        return [(append.answer, [next(rest) for _ in append.entries]) for append in appends]

    def _sync(self, full: bool) -> None:
        if full is not self._full:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            self._full = full


def explain(error: Exception, path: Path) -> Exception:
    """What a user can mend, as an error of the family."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFull("The lake's disk is full: the events were not stored. Free some room.")
    if code == sqlite3.SQLITE_BUSY:
        return Unavailable(f"Another process holds {path.name} for too long; try again.")
    return error
