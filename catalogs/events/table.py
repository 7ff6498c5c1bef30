"""The SQLite tables of the event log: their rows, and the statements that write them."""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .event import Event, moment
from .keys import KeyValue, keys_of
from .log import Schemas
from .places import Box, event_boxes
from .wire import decode_event, encode_event

VERSION = 2
# Rows are deleted from the front only and never all of them, so numbers are never used twice;
# AUTOINCREMENT would only spend one on each event that is known already.
# ``newest`` is the latest moment up to this row, ``stored`` when it was stored and
# ``bytes_before`` the size of all bodies before it: none of them falls along ``sequence``, so
# that the first row at or after a value is found by halving and needs no index.
# The body is last: whoever wants the other columns need not read over it.
TABLES = (
    """
CREATE TABLE IF NOT EXISTS events(
    sequence INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    collection TEXT NOT NULL,
    subject TEXT NOT NULL,
    moment INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    data_moment INTEGER,
    expires INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    bytes_before INTEGER NOT NULL,
    owner TEXT NOT NULL,
    access TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE(source, id))""",
    "CREATE INDEX IF NOT EXISTS events_type ON events(type)",
    "CREATE INDEX IF NOT EXISTS events_source ON events(source)",
    "CREATE INDEX IF NOT EXISTS events_collection ON events(collection) WHERE collection <> ''",
    "CREATE INDEX IF NOT EXISTS events_subject ON events(subject) WHERE subject <> ''",
    """CREATE INDEX IF NOT EXISTS events_data ON events(data_moment)
    WHERE data_moment IS NOT NULL""",
    # Fields of the data and other extensions; see keys.py.
    """
CREATE TABLE IF NOT EXISTS event_keys(
    name TEXT NOT NULL, value NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY(name, value, sequence)) WITHOUT ROWID""",
    # The number is a dimension too, so that a page of a long history is a small box.  An event
    # on both sides of the antimeridian has two boxes: twice its number, and one more.
    """
CREATE VIRTUAL TABLE IF NOT EXISTS event_places USING rtree(
    id, west, east, south, north, low, high)""",
    "CREATE TABLE IF NOT EXISTS marks(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    """
CREATE TABLE IF NOT EXISTS consumers(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    filter BLOB NOT NULL,
    position INTEGER NOT NULL,
    lease REAL NOT NULL,
    attempts INTEGER NOT NULL,
    created TEXT NOT NULL,
    UNIQUE(owner, name))""",
    # What was handed out and is not done.  ``due`` is when it may be handed out again: the end
    # of its lease or of a pause.  A dead letter that was revived brings its body.
    """
CREATE TABLE IF NOT EXISTS deliveries(
    consumer INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    token TEXT NOT NULL,
    due REAL NOT NULL,
    attempt INTEGER NOT NULL,
    reason TEXT NOT NULL,
    body BLOB,
    PRIMARY KEY(consumer, sequence)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries(consumer, due)",
    """
CREATE TABLE IF NOT EXISTS dead_letters(
    consumer INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    reason TEXT NOT NULL,
    time TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY(consumer, sequence)) WITHOUT ROWID""",
)
_INSERT = """
INSERT INTO events(sequence, source, id, type, collection, subject, moment, newest, data_moment,
    expires, stored, bytes_before, owner, access, body)
VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_INSERT_KEY = "INSERT OR IGNORE INTO event_keys(name, value, sequence) VALUES(?, ?, ?)"
_INSERT_PLACE = "INSERT INTO event_places VALUES(?, ?, ?, ?, ?, ?, ?)"
# The farthest that a moment lies before the newest one that was stored before it.
LATENESS = "lateness"
BEFORE_ALL_TIMES = -(2**62)


class Entry(NamedTuple):
    """A checked event on its way into the tables."""

    event: Event
    body: bytes
    moment: int
    data_moment: int | None
    expires: int
    keys: Sequence[tuple[str, KeyValue]]
    boxes: Sequence[Box]


def entry_of(event: Event, schemas: Schemas | None = None) -> Entry:
    """Check an event and encode it; raises ``BadEvent``."""
    if schemas is not None:
        event = schemas.check(event)
    body = encode_event(event)
    keys = keys_of(event)
    if keys is None:
        event = decode_event(body)
        keys = keys_of(event) or ()
    return Entry(
        event,
        body,
        moment(event.time),
        moment(event.datatime, "datatime") if event.datatime else None,
        # The epoch itself would read as never.
        (moment(event.expirytime, "expirytime") or 1) if event.expirytime else 0,
        keys,
        event_boxes(event),
    )


def prepare(connection: sqlite3.Connection) -> None:
    """Make what is missing; bring a file of an earlier version up to this one."""
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection) < VERSION:  # another process may have been faster
            columns = connection.execute("SELECT name FROM pragma_table_info('events')").fetchall()
            old = bool(columns) and ("subject",) not in columns
            if old:
                connection.execute("ALTER TABLE events RENAME TO events_1")
                for name in ("type", "collection", "newest"):
                    connection.execute(f"DROP INDEX IF EXISTS events_{name}")
            for statement in TABLES:
                connection.execute(statement)
            if old:
                _copy(connection)
                connection.execute("DROP TABLE events_1")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def insert(connection: sqlite3.Connection, entries: Sequence[Entry]) -> list[int]:
    """Write entries in the open transaction; return their numbers.

    Raises
    ------
    sqlite3.IntegrityError
        When one is known already; the transaction is then to be rolled back.
    """
    writing = _Writing(connection)
    rows = [writing.row(entry) for entry in entries]
    connection.executemany(_INSERT, rows)
    writing.finish()
    return [row[0] for row in rows]


def insert_new(connection: sqlite3.Connection, entries: Iterable[Entry]) -> list[int]:
    """As :func:`insert`, but one by one: known events keep their numbers."""
    known = "SELECT sequence FROM events WHERE source = ? AND id = ?"
    writing = _Writing(connection)
    numbers: list[int] = []
    for entry in entries:
        found = connection.execute(known, (entry.event.source, entry.event.id)).fetchone()
        if found is None:
            row = writing.row(entry)
            connection.execute(_INSERT, row)
            numbers.append(row[0])
        else:
            numbers.append(found[0])
    writing.finish()
    return numbers


def delete(connection: sqlite3.Connection, first: int, end: int) -> int:
    """Remove the rows from ``first`` up to and without ``end``; return how many there were."""
    rows = connection.execute(
        "SELECT sequence, body FROM events WHERE sequence >= ? AND sequence < ?", (first, end)
    ).fetchall()
    keys: list[tuple[Any, ...]] = []
    for sequence, body in rows:
        event = decode_event(body)
        keys += [(name, value, sequence) for name, value in keys_of(event) or ()]
    connection.executemany(
        "DELETE FROM event_keys WHERE name = ? AND value = ? AND sequence = ?", keys
    )
    places = [(2 * row[0] + half,) for row in rows for half in (0, 1)]
    connection.executemany("DELETE FROM event_places WHERE id = ?", places)
    connection.execute("DELETE FROM events WHERE sequence >= ? AND sequence < ?", (first, end))
    return len(rows)


def first(connection: sqlite3.Connection) -> int:
    """The lowest number in the table; 0 when it is empty."""
    return connection.execute("SELECT coalesce(min(sequence), 0) FROM events").fetchone()[0]


def last(connection: sqlite3.Connection) -> int:
    """The highest number in the table; 0 when it is empty."""
    return connection.execute("SELECT coalesce(max(sequence), 0) FROM events").fetchone()[0]


def first_at(connection: sqlite3.Connection, column: str, value: int) -> int:
    """The first number whose ``newest``, ``stored`` or ``bytes_before`` is at least ``value``.

    One above the last when there is none.
    """
    low, high = first(connection), last(connection) + 1
    statement = f"SELECT {column} FROM events WHERE sequence = ?"  # noqa: S608 - our own names
    while low < high:
        middle = (low + high) // 2
        row = connection.execute(statement, (middle,)).fetchone()
        # Cut off meanwhile: whatever is kept is above.
        if row is None or row[0] < value:
            low = middle + 1
        else:
            high = middle
    return low


class _Writing:
    """Gives the rows of one transaction their numbers and what grows along them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        row = connection.execute(
            "SELECT sequence, newest, stored, bytes_before + length(body) FROM events "
            "ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        self._sequence, self._newest, self._stored, self._before = row or (
            0,
            BEFORE_ALL_TIMES,
            BEFORE_ALL_TIMES,
            0,
        )
        self._stored = max(self._stored, time.time_ns() // 1000)
        self._lateness = 0
        self._keys: list[tuple[Any, ...]] = []
        self._places: list[tuple[Any, ...]] = []

    def row(self, entry: Entry, stored: int | None = None, sequence: int = 0) -> tuple[Any, ...]:
        event, body, moment_, data_moment, expires, keys, boxes = entry
        self._sequence = sequence = sequence or self._sequence + 1
        self._newest = max(self._newest, moment_)
        self._lateness = max(self._lateness, self._newest - moment_)
        before = self._before
        self._before += len(body)
        for name, value in keys:
            self._keys.append((name, value, sequence))
        for half, (west, south, east, north) in enumerate(boxes):
            place = (west, east, south, north, sequence, sequence)
            self._places.append((2 * sequence + half, *place))
        names = (sequence, event.source, event.id, event.type, event.collection, event.subject)
        times = (moment_, self._newest, data_moment, expires, stored or self._stored)
        return (*names, *times, before, event.owner, event.access, body)

    def finish(self) -> None:
        if self._keys:
            self._connection.executemany(_INSERT_KEY, self._keys)
            self._keys = []
        if self._places:
            self._connection.executemany(_INSERT_PLACE, self._places)
            self._places = []
        if self._lateness > lateness(self._connection):
            self._connection.execute(
                "INSERT OR REPLACE INTO marks VALUES(?, ?)", (LATENESS, self._lateness)
            )


def lateness(connection: sqlite3.Connection) -> int:
    """No event was published so many microseconds before one that was stored before it."""
    row = connection.execute("SELECT value FROM marks WHERE name = ?", (LATENESS,)).fetchone()
    return row[0] if row else 0


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def _copy(connection: sqlite3.Connection) -> None:
    """Take over the rows of the first version, whose bodies hold all that the columns want."""
    writing = _Writing(connection)
    stored = BEFORE_ALL_TIMES
    rows = connection.execute("SELECT sequence, moment, body FROM events_1 ORDER BY sequence")
    now = time.time_ns() // 1000
    for count, (sequence, moment_, body) in enumerate(rows, 1):
        # When they were stored is not known: not before they were published, and not later
        # than now.
        stored = max(stored, min(moment_, now))
        entry = entry_of(decode_event(body))
        connection.execute(_INSERT, writing.row(entry._replace(body=body), stored, sequence))
        if count % 1000 == 0:
            writing.finish()
    writing.finish()
