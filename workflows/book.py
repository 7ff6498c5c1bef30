"""What the ledger is written in: one SQLite file with rules, schedules and an outbox of events."""

import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ..catalogs.events.event import Event
from ..catalogs.sqlite import open_database, transaction
from .jobs import Rule, Schedule

SCHEMA = """
create table if not exists standing(
    kind text not null, owner text not null, name text not null, body blob not null,
    primary key(kind, owner, name)) without rowid;
create table if not exists outbox(
    number integer primary key autoincrement, body blob not null);
create table if not exists place(
    name text primary key, value integer not null) without rowid;
"""

Kept = TypeVar("Kept", Rule, Schedule)


class Book:
    """Standing orders and the outbox; :class:`boathouse.workflows.ledger.Ledger` adds the jobs.

    Parameters
    ----------
    path : Path
        The SQLite file; made when missing, for the owner's eyes only.
    schema : str
        Statements that make further tables.
    """

    def __init__(self, path: Path, schema: str = "") -> None:
        self.path = path
        self._lock = threading.RLock()
        self._database = open_database(path, SCHEMA + schema)
        self._changed = threading.Condition()
        #: Grows with every change, also with those of other processes that :meth:`look` finds.
        self.version = 0
        self._seen = self._data_version()
        self._rules: list[Rule] | None = None
        self._by_name: dict[tuple[str, str], Rule] = {}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def look(self) -> None:
        """Notice what other processes have written."""
        with self._lock:
            seen = self._data_version()
            if seen == self._seen:
                return
            self._seen = seen
        self.wake()

    def wait(self, version: int, timeout: float) -> None:
        """Wait until :attr:`version` is not the given one any more, or for ``timeout`` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self.version != version, timeout=timeout)

    def wake(self) -> None:
        """Let everybody who waits look again."""
        with self._changed:
            self.version += 1
            self._changed.notify_all()

    def cursor(self) -> int | None:
        """The last event that was looked at; None before the first."""
        rows = self._rows("select value from place where name='cursor'")
        return rows[0][0] if rows else None

    # Rules and schedules.

    def keep(self, thing: Rule | Schedule) -> None:
        """Store a rule or a schedule in place of its owner's last one of that name."""
        with self._write():
            self._database.execute(
                "insert or replace into standing values(?, ?, ?, ?)",
                (type(thing).__name__, thing.owner, thing.name, msgspec.json.encode(thing)),
            )
            self._rules = None

    def kept(self, kind: type[Kept]) -> list[Kept]:
        """All rules, or all schedules, by name."""
        rows = self._rows(
            "select body from standing where kind=? order by name, owner", kind.__name__
        )
        return [msgspec.json.decode(body, type=kind) for (body,) in rows]

    def rules(self) -> list[Rule]:
        """All rules, remembered between changes: every event asks for them."""
        with self._lock:
            if self._rules is None:
                self._rules = self.kept(Rule)
                self._by_name = {(rule.owner, rule.name): rule for rule in self._rules}
            return self._rules

    def rule(self, owner: str, name: str) -> Rule | None:
        """One rule, or None."""
        with self._lock:
            self.rules()
            return self._by_name.get((owner, name))

    def drop(self, thing: Rule | Schedule) -> None:
        """Forget a rule or a schedule."""
        with self._write():
            self._database.execute(
                "delete from standing where kind=? and owner=? and name=?",
                (type(thing).__name__, thing.owner, thing.name),
            )
            self._rules = None

    # The outbox.

    def announce(self, events: Iterable[Event]) -> None:
        """Put events on their way to the log."""
        rows = [(msgspec.json.encode(event),) for event in events]
        if rows:
            with self._write():
                self._database.executemany("insert into outbox(body) values(?)", rows)

    def pending(self, limit: int) -> list[tuple[int, Event]]:
        """Events that the log does not have yet, oldest first, with their numbers."""
        rows = self._rows("select number, body from outbox order by number limit ?", limit)
        return [(number, msgspec.json.decode(body, type=Event)) for number, body in rows]

    def sent(self, number: int) -> None:
        """Forget pending events up to this number, which the log has."""
        # Nobody waits for this, so nobody is woken.
        with self._lock, transaction(self._database):
            self._database.execute("delete from outbox where number<=?", (number,))

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._database.execute(query, values).fetchall()

    @contextmanager
    def together(self) -> Generator[None]:
        """Make all writes of a block one transaction; nobody is woken for them."""
        with self._lock, transaction(self._database):
            yield

    @contextmanager
    def _write(self) -> Generator[None]:
        with self._lock:
            if self._database.in_transaction:
                yield
                return
            with transaction(self._database):
                yield
        self.wake()

    def _data_version(self) -> int:
        return self._database.execute("pragma data_version").fetchone()[0]
