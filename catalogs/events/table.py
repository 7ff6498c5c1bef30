"""The SQLite table of the event log: its rows, and the statements that write and pick them."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from ..access import PUBLIC, Reader
from .event import Event, EventFilter, moment
from .log import Stored
from .wire import encode_event

# Rows are never deleted, so numbers are never used twice; AUTOINCREMENT would only spend
# one on each event that is known already.
# ``newest`` is the latest moment up to this row: it never falls along ``sequence``, so the
# first event at or after a time is one index look-up although producers' clocks differ.
SCHEMA = """
CREATE TABLE IF NOT EXISTS events(
    sequence INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    collection TEXT NOT NULL,
    moment INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    owner TEXT NOT NULL,
    access TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE(source, id));
CREATE INDEX IF NOT EXISTS events_type ON events(type);
CREATE INDEX IF NOT EXISTS events_collection ON events(collection);
CREATE INDEX IF NOT EXISTS events_newest ON events(newest);
"""
_INSERT = """
INSERT INTO events(source, id, type, collection, owner, access, body, moment, newest)
VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(source, id) DO NOTHING
"""
_COLUMNS = "sequence, type, collection, moment, owner, access, body, 0"
_BEFORE_ALL_TIMES = -(2**62)


class Entry(NamedTuple):
    """A checked event on its way into the table."""

    event: Event
    body: bytes
    moment: int


def entry_of(event: Event) -> Entry:
    """Check an event and encode it; raises ``BadEvent``."""
    return Entry(event, encode_event(event), moment(event.time))


def insert(connection: sqlite3.Connection, entries: Sequence[Entry]) -> list[int]:
    """Write entries in the open transaction; return their numbers, old ones for known events."""
    row = connection.execute("SELECT newest FROM events ORDER BY sequence DESC LIMIT 1").fetchone()
    newest: int = row[0] if row else _BEFORE_ALL_TIMES
    numbers: list[int] = []
    for event, body, moment_ in entries:
        newest = max(newest, moment_)
        key = (event.source, event.id)
        attributes = (event.type, event.collection, event.owner, event.access)
        cursor = connection.execute(_INSERT, (*key, *attributes, body, moment_, newest))
        if cursor.rowcount == 1 and cursor.lastrowid is not None:
            numbers.append(cursor.lastrowid)
        else:
            known = "SELECT sequence FROM events WHERE source = ? AND id = ?"
            numbers.append(connection.execute(known, key).fetchone()[0])
    return numbers


def select(
    connection: sqlite3.Connection,
    *,
    after: int,
    limit: int,
    where: EventFilter | None,
    reader: Reader | None,
    largest: int | None = None,
) -> list[Stored]:
    """Rows above ``after`` that fulfil ``where`` and that ``reader`` may see, oldest first.

    The page ends early with the row that brings its bodies to ``largest`` bytes.
    """
    conditions, values = _conditions(after, where, reader)
    statement = (
        f"SELECT {_COLUMNS} FROM events WHERE {' AND '.join(conditions)} "  # noqa: S608 - constants
        "ORDER BY sequence LIMIT ?"
    )
    cursor = connection.execute(statement, (*values, limit))
    if largest is None:
        return [Stored._make(row) for row in cursor]
    rows: list[Stored] = []
    size = 0
    for row in map(Stored._make, cursor):
        rows.append(row)
        size += len(row.body)
        if size >= largest:
            cursor.close()
            break
    return rows


def last(connection: sqlite3.Connection) -> int:
    """The highest number in the table; 0 when it is empty."""
    return connection.execute("SELECT coalesce(max(sequence), 0) FROM events").fetchone()[0]


def _conditions(
    after: int, where: EventFilter | None, reader: Reader | None
) -> tuple[list[str], list[int | str]]:
    conditions = ["sequence > ?"]
    values: list[int | str] = [after]
    if where and where.type:
        conditions.append("type = ?")
        values.append(where.type)
    if where and where.collection:
        conditions.append("collection = ?")
        values.append(where.collection)
    if where and where.since:
        first = "SELECT sequence FROM events WHERE newest >= ? ORDER BY newest, sequence LIMIT 1"
        since = moment(where.since, "since")
        conditions.append(f"moment >= ? AND sequence >= ({first})")
        values += [since, since]
    if reader and not reader.admin:
        levels = [PUBLIC, *(f"group:{group}" for group in reader.groups)]
        marks = ", ".join("?" * len(levels))
        conditions.append(f"(owner = ? OR access IN ({marks}))")
        values += [reader.name, *levels]
    return conditions, values
