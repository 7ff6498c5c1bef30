"""The catalog store in one SQLite file: collections, items, and the outbox of their events."""

import logging
import sqlite3
import threading
from pathlib import Path
from typing import Any

import msgspec

from .access import PUBLIC, Reader
from .errors import BadRequest, BoathouseError, Conflict, Forbidden, NotFound
from .events.event import Event
from .events.log import EventLog
from .outbox import OutboxRelay
from .records import Collection, Item, Record
from .sqlite import open_database, transaction
from .store import Store
from .times import now_text

logger = logging.getLogger(__name__)

# How long record() waits for the log, in seconds, before it leaves the events to the relay.
RELAY_WAIT_SECONDS = 1.0
RELAY_BATCH = 200

# `arrived` numbers every write of an item, so that "newest first" needs no clock and a page
# can go on where the last one ended.
SCHEMA = """
create table if not exists collections(
    id text primary key, owner text not null, access text not null,
    snapshot text not null, body blob not null) without rowid;
create table if not exists snapshots(
    collection text not null, snapshot text not null,
    primary key(collection, snapshot)) without rowid;
create table if not exists items(
    arrived integer primary key autoincrement,
    collection text not null, id text not null, body blob not null,
    unique(collection, id));
create index if not exists items_of on items(collection, arrived);
create table if not exists outbox(
    position integer primary key autoincrement, body blob not null, refused text);
create index if not exists outbox_pending on outbox(position) where refused is null;
"""


# Each query below ends in the rules of ``Reader.may_see``.
COLLECTIONS = """
select c.body from collections c
where (:all or c.owner = :name or c.access in (select value from json_each(:levels)))
order by c.id
"""
COLLECTION = """
select c.body from collections c where c.id = :collection
and (:all or c.owner = :name or c.access in (select value from json_each(:levels)))
"""
ITEMS = """
select i.body from items i join collections c on c.id = i.collection
where (:all or c.owner = :name or c.access in (select value from json_each(:levels)))
order by i.arrived desc limit :limit
"""
ITEMS_OF = """
select i.body from items i join collections c on c.id = i.collection
where i.collection = :collection
and (:all or c.owner = :name or c.access in (select value from json_each(:levels)))
order by i.arrived desc limit :limit
"""
ITEM = """
select i.body from items i join collections c on c.id = i.collection
where i.collection = :collection and i.id = :item
and (:all or c.owner = :name or c.access in (select value from json_each(:levels)))
"""


class SqliteStore(Store):
    """The catalog store in one SQLite file.

    Parameters
    ----------
    path : Path
        The database; made with mode 0600 when missing.
    log : EventLog
        Where the outbox goes.  A log that does not answer is tried again in the background
        and at the next start.

    Examples
    --------
    >>> import tempfile
    >>> from .events.sqlite import SqliteEventLog
    >>> folder = Path(tempfile.mkdtemp())
    >>> store = SqliteStore(folder / "catalog.sqlite", log=SqliteEventLog(folder / "events.sqlite"))
    >>> store.collections()
    []
    """

    def __init__(self, path: str | Path, *, log: EventLog) -> None:
        self.path = Path(path)
        self.log = log
        self._writer = open_database(self.path, SCHEMA)
        self._reader = open_database(self.path)
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        self._relay = OutboxRelay(
            self._move_outbox, failures=(BoathouseError, OSError, sqlite3.Error)
        )
        if self.pending():
            self._relay.wake()

    def collections(self, *, reader: Reader | None = None) -> list[Collection]:
        """All visible collections, by id."""
        rows = self._rows(COLLECTIONS, _asker(reader))
        return [msgspec.json.decode(body, type=Collection) for (body,) in rows]

    def collection(self, id: str, *, reader: Reader | None = None) -> Collection:
        """One collection; raises ``NotFound``."""
        rows = self._rows(COLLECTION, {**_asker(reader), "collection": id})
        if not rows:
            raise NotFound(f"There is no collection {id!r} that you may see.", field="collection")
        return msgspec.json.decode(rows[0][0], type=Collection)

    def items(
        self, collection: str | None = None, *, limit: int = 100, reader: Reader | None = None
    ) -> list[Item]:
        """Visible items, newest first, of one collection or of all."""
        if limit < 1:
            raise BadRequest("limit must be at least 1.", field="limit")
        values = {**_asker(reader), "limit": limit, "collection": collection}
        if collection is None:
            rows = self._rows(ITEMS, values)
        else:
            self.collection(collection, reader=reader)
            rows = self._rows(ITEMS_OF, values)
        return [msgspec.json.decode(body, type=Item) for (body,) in rows]

    def item(self, collection: str, id: str, *, reader: Reader | None = None) -> Item:
        """One item; raises ``NotFound``."""
        values = {**_asker(reader), "collection": collection, "item": id}
        rows = self._rows(ITEM, values)
        if not rows:
            raise NotFound(
                f"There is no item {id!r} in a collection {collection!r} that you may see.",
                field="item",
            )
        return msgspec.json.decode(rows[0][0], type=Item)

    def record(self, record: Record, *, reader: Reader | None = None) -> None:
        """Make a commit visible in one transaction, then hand its events to the log.

        A snapshot that was recorded before and has been followed by another is left alone;
        the newest may be recorded again, for instance with a better title.

        Raises
        ------
        BadRequest
            When the record contradicts itself.
        Conflict
            When another owner has a collection of that id.
        Forbidden
            When ``reader`` would write in another's name.
        StorageFull
            When the disk is full; then nothing is recorded.
        """
        record = record.validated()
        face = record.collection
        if reader is not None and not reader.admin and face.owner != reader.name:
            raise Forbidden(
                f"You are {reader.name!r} and cannot record in the name of {face.owner!r}.",
                field="owner",
            )
        with self._writing, transaction(self._writer) as connection:
            if not _admit(connection, face):
                return
            _write(connection, record)
        if record.events:
            self._relay.wake(wait=RELAY_WAIT_SECONDS)

    def pending(self) -> int:
        """How many events the log has not taken yet."""
        return self._rows("select count(*) from outbox where refused is null", {})[0][0]

    def close(self) -> None:
        """Release connections; events that are still pending are moved at the next start."""
        self._relay.close()
        with self._writing, self._reading:
            self._writer.close()
            self._reader.close()

    def _rows(self, sql: str, values: dict[str, Any]) -> list[Any]:
        with self._reading:
            return self._reader.execute(sql, values).fetchall()

    def _move_outbox(self) -> int:
        """Hand one batch to the log, forget it, and return how many are left."""
        with self._reading:
            rows = self._reader.execute(
                "select position, body from outbox where refused is null order by position limit ?",
                [RELAY_BATCH],
            ).fetchall()
        if rows:
            events = [msgspec.json.decode(body, type=Event) for _, body in rows]
            try:
                self.log.append(events)
                refused: dict[int, str] = {}
            except BadRequest:
                refused = self._move_singly([position for position, _ in rows], events)
            with self._writing, transaction(self._writer) as connection:
                connection.executemany(
                    "update outbox set refused = ? where position = ?",
                    [(reason, position) for position, reason in refused.items()],
                )
                connection.executemany(
                    "delete from outbox where position = ? and refused is null",
                    [(position,) for position, _ in rows],
                )
        return self.pending()

    def _move_singly(self, positions: list[int], events: list[Event]) -> dict[int, str]:
        """Hand events over one by one, so that one that the log refuses stops no other."""
        refused: dict[int, str] = {}
        for position, event in zip(positions, events, strict=True):
            try:
                self.log.append([event])
            except BadRequest as error:
                logger.error("The event log refused %s %s: %s", event.source, event.id, error)
                refused[position] = error.detail
        return refused


def _asker(reader: Reader | None) -> dict[str, Any]:
    """The values that the queries' rules need."""
    if reader is None or reader.admin:
        return {"all": True, "name": "", "levels": "[]"}
    levels = [PUBLIC, *(f"group:{group}" for group in reader.groups)]
    return {"all": False, "name": reader.name, "levels": msgspec.json.encode(levels).decode()}


def _admit(connection: sqlite3.Connection, face: Collection) -> bool:
    """Whether the record is news; raises ``Conflict`` when the name is another's."""
    row = connection.execute(
        "select owner, snapshot from collections where id = ?", [face.id]
    ).fetchone()
    if row is None:
        return True
    if row[0] != face.owner:
        raise Conflict(
            f"The name {face.id!r} is taken by another owner; choose another.", field="name"
        )
    if row[1] == face.snapshot:
        return True
    known = connection.execute(
        "select 1 from snapshots where collection = ? and snapshot = ?", [face.id, face.snapshot]
    ).fetchone()
    return known is None


def _write(connection: sqlite3.Connection, record: Record) -> None:
    now = now_text()
    face = record.collection
    row = connection.execute("select body from collections where id = ?", [face.id]).fetchone()
    created = msgspec.json.decode(row[0], type=Collection).created if row else face.created
    face = msgspec.structs.replace(face, created=created or now, updated=now)
    connection.execute(
        "insert or replace into collections values(?, ?, ?, ?, ?)",
        [face.id, face.owner, face.access, face.snapshot, msgspec.json.encode(face)],
    )
    connection.execute("insert or ignore into snapshots values(?, ?)", [face.id, face.snapshot])
    connection.executemany(
        "delete from items where collection = ? and id = ?",
        [(face.id, id) for id in record.removed],
    )
    for item in record.items:
        dated = msgspec.structs.replace(item, created=item.created or now)
        connection.execute(
            "insert or replace into items(collection, id, body) values(?, ?, ?)",
            [face.id, item.id, msgspec.json.encode(dated)],
        )
    connection.executemany(
        "insert into outbox(body) values(?)", [(msgspec.json.encode(e),) for e in record.events]
    )
