"""Consumers of the SQLite event log: leases and dead letters are rows beside the events."""

import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ..access import Reader
from ..errors import NotFound
from .consumer import Consumer, ConsumerState, Taken
from .consumer_rows import (
    Row,
    bury,
    drop,
    leased,
    leasing,
    lost,
    row_of,
    state_of,
    stored_event,
)
from .query import select
from .table import last

# How soon a waiting taker sees what another process gave back, in seconds.
LOOK_SECONDS = 0.25
# A place that lies so many events behind is moved on although nothing there matched.
LAG = 1000
# What is taken at once ends with the event that brings it to so many bytes.
LARGEST_TAKE = 16_000_000
# Tokens of work that is done, so that it may be said twice over a bad connection.
_REMEMBERED = 2000


class Holder(Protocol):
    """What a consumer needs of its log."""

    def change(self, function: Callable[[sqlite3.Connection], Any], *, durable: bool = True) -> Any:
        """Call a function within a transaction."""
        ...

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection to read with."""
        ...

    def turns(self) -> int:
        """What ``wait`` is to wait beyond."""
        ...

    def wait(self, turns: int, seconds: float) -> None:
        """Wait until something came or changed."""
        ...

    def nudge(self) -> None:
        """Wake whoever waits."""
        ...

    def start_watcher(self) -> None:
        """Begin to look for new events."""
        ...


class SqliteConsumer(Consumer):
    """A consumer whose leases are rows of the log's file; made by ``consume``.

    Parameters
    ----------
    log : SqliteEventLog
        Where it belongs.
    owner, name : str
        Together they name it.
    reader : Reader or None
        Who sees what; None sees everything.
    """

    def __init__(self, log: Holder, owner: str, name: str, reader: Reader | None) -> None:
        self.name = name
        self._log = log
        self._owner = owner
        self._reader = reader
        self._done_tokens: dict[str, None] = {}
        # So far nothing matched this filter, beyond the position that is written down.
        self._scanned: tuple[bytes, int] = (b"", 0)

    def take(self, limit: int = 1, *, wait: float = 0.0) -> list[Taken]:
        """Lease up to ``limit`` events, in order; see :class:`.Consumer`."""
        end = time.monotonic() + wait
        if wait > 0:
            self._log.start_watcher()
        while True:
            turns = self._log.turns()
            due = self._next_due()
            if due <= 0:
                # A lease that a power cut forgets is only an event that comes again.
                taken = self._log.change(
                    lambda connection: self._take(connection, limit), durable=False
                )
                if taken:
                    return taken
            left = end - time.monotonic()
            if left <= 0:
                return []
            if due > 0:
                self._log.wait(turns, min(left, LOOK_SECONDS, due))

    def done(self, *taken: Taken) -> None:
        """Say that the work is done; see :class:`.Consumer`."""
        gone = self._log.change(lambda connection: self._finish(connection, taken))
        for each in taken:
            if each.event.sequence not in gone:
                self._done_tokens[each.token] = None
        while len(self._done_tokens) > _REMEMBERED:
            del self._done_tokens[next(iter(self._done_tokens))]
        if gone:
            raise lost(gone)

    def again(self, taken: Taken, *, delay: float = 0.0, reason: str = "") -> None:
        """Deliver it once more, after ``delay`` seconds; see :class:`.Consumer`."""
        due = time.time() + max(delay, 0.0)

        def change(connection: sqlite3.Connection) -> None:
            row = self._row(connection)
            attempt = leased(connection, row.id, taken)
            if attempt >= row.attempts:
                bury(connection, row.id, taken.event.sequence, attempt, reason)
            else:
                connection.execute(
                    "UPDATE deliveries SET token = '', due = ?, reason = ? "
                    "WHERE consumer = ? AND sequence = ?",
                    (due, reason, row.id, taken.event.sequence),
                )

        self._log.change(change)
        self._log.nudge()

    def extend(self, taken: Taken, seconds: float) -> None:
        """Let the lease end ``seconds`` from now; see :class:`.Consumer`.

        An event that is given back counts as not delivered.
        """
        back = seconds <= 0
        due = time.time() + max(seconds, 0.0)

        def change(connection: sqlite3.Connection) -> None:
            row = self._row(connection)
            attempt = leased(connection, row.id, taken)
            connection.execute(
                "UPDATE deliveries SET token = ?, due = ?, attempt = ? "
                "WHERE consumer = ? AND sequence = ?",
                (
                    "" if back else taken.token,
                    due,
                    attempt - 1 if back else attempt,
                    row.id,
                    taken.event.sequence,
                ),
            )

        self._log.change(change, durable=False)
        if back:
            self._log.nudge()

    def give_up(self, taken: Taken, reason: str) -> None:
        """Make it a dead letter at once; see :class:`.Consumer`."""

        def change(connection: sqlite3.Connection) -> None:
            row = self._row(connection)
            attempt = leased(connection, row.id, taken)
            bury(connection, row.id, taken.event.sequence, attempt, reason)

        self._log.change(change)

    def revive(self, sequence: int) -> None:
        """Deliver a dead letter again, with all its attempts; see :class:`.Consumer`."""

        def change(connection: sqlite3.Connection) -> None:
            row = self._row(connection)
            found = connection.execute(
                "SELECT body FROM dead_letters WHERE consumer = ? AND sequence = ?",
                (row.id, sequence),
            ).fetchone()
            if found is None:
                raise NotFound(
                    f"{self.name} has no dead letter of number {sequence}.", field="sequence"
                )
            connection.execute(
                "DELETE FROM dead_letters WHERE consumer = ? AND sequence = ?", (row.id, sequence)
            )
            connection.execute(
                "INSERT INTO deliveries VALUES(?, ?, '', 0, 0, '', ?)",
                (row.id, sequence, found[0]),
            )

        self._log.change(change)
        self._log.nudge()

    def state(self) -> ConsumerState:
        """Where it stands."""
        with self._log.reading() as connection:
            return state_of(connection, self._row(connection), self._reader)

    # Within the log

    def _row(self, connection: sqlite3.Connection) -> Row:
        return row_of(connection, self._owner, self.name)

    def _next_due(self) -> float:
        """Seconds until there is something to take; 0 when there is, or the place must move on."""
        with self._log.reading() as connection:
            row = self._row(connection)
            (due,) = connection.execute(
                "SELECT min(due) FROM deliveries WHERE consumer = ?", (row.id,)
            ).fetchone()
            now = time.time()
            if due is not None and due <= now:
                return 0.0
            scanned = self._scanned[1] if self._scanned[0] == row.filter else 0
            after, horizon = max(row.position, scanned), last(connection)
            if after < horizon:
                where, reader = row.where(), self._reader
                if select(connection, after=after, limit=1, where=where, reader=reader):
                    return 0.0
            if horizon - row.position > LAG:
                return 0.0
            self._scanned = (row.filter, horizon)
            return float("inf") if due is None else due - now

    def _take(self, connection: sqlite3.Connection, limit: int) -> list[Taken]:
        row = self._row(connection)
        now = time.time()
        taken = list(self._due(connection, row, now, limit))
        position, where = row.position, row.where()
        fresh: list[tuple[Any, ...]] = []
        going_on = len(taken) < limit
        while going_on:
            horizon = max(last(connection), position)
            wanted = limit - len(taken)
            page = select(
                connection,
                after=position,
                limit=wanted,
                where=where,
                reader=self._reader,
                largest=LARGEST_TAKE,
            )
            for stored in page:
                if not stored.expired():
                    each = leasing(stored.event(), 1, now + row.lease)
                    taken.append(each)
                    fresh.append((row.id, stored.sequence, each.token, each.until, 1))
            large = sum(len(stored.body) for stored in page) >= LARGEST_TAKE
            full = large or len(page) == wanted
            position = page[-1].sequence if full else horizon
            going_on = full and not large and len(taken) < limit
        connection.executemany("INSERT INTO deliveries VALUES(?, ?, ?, ?, ?, '', NULL)", fresh)
        if position != row.position:
            connection.execute("UPDATE consumers SET position = ? WHERE id = ?", (position, row.id))
        return taken

    def _due(
        self, connection: sqlite3.Connection, row: Row, now: float, limit: int
    ) -> Iterable[Taken]:
        """What falls due again: leased once more, or a dead letter, or of no use any more."""
        found = 0
        deliveries = connection.execute(
            "SELECT sequence, attempt, reason, body FROM deliveries "
            "WHERE consumer = ? AND due <= ? ORDER BY sequence",
            (row.id, now),
        ).fetchall()
        for sequence, attempt, reason, body in deliveries:
            if found >= limit:
                return
            stored = stored_event(connection, sequence, body)
            visible = stored is not None and (
                self._reader is None or self._reader.may_see(stored.owner, stored.access)
            )
            if stored is None or stored.expired() or not visible:
                drop(connection, row.id, sequence)
            elif attempt >= row.attempts:
                bury(connection, row.id, sequence, attempt, reason or "The lease ran out.")
            else:
                taken = leasing(stored.event(), attempt + 1, now + row.lease)
                connection.execute(
                    "UPDATE deliveries SET token = ?, due = ?, attempt = ? "
                    "WHERE consumer = ? AND sequence = ?",
                    (taken.token, taken.until, taken.attempt, row.id, sequence),
                )
                found += 1
                yield taken

    def _finish(self, connection: sqlite3.Connection, taken: Iterable[Taken]) -> list[int]:
        row = self._row(connection)
        gone: list[int] = []
        for each in taken:
            removed = connection.execute(
                "DELETE FROM deliveries WHERE consumer = ? AND sequence = ? AND token = ?",
                (row.id, each.event.sequence, each.token),
            ).rowcount
            if not removed and each.token not in self._done_tokens:
                gone.append(each.event.sequence)
        return gone
