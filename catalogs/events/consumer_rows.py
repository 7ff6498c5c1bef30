"""The rows of consumers in the SQLite file: where each stands, what it leased, what it gave up."""

import secrets
import sqlite3
import time
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from ..access import Reader
from ..errors import Conflict, NotFound
from .consumer import ATTEMPTS, LEASE_SECONDS, ConsumerState, DeadLetter, Taken
from .event import Event, EventFilter
from .log import Stored
from .moments import now_text
from .query import COLUMNS, count, select
from .table import last
from .wire import decode_event

MOST_BEHIND = 10_000
LONGEST_REASON = 2000
_COLUMNS = "id, owner, name, filter, position, lease, attempts, created"


class Row(NamedTuple):
    """A consumer as it lies in its table."""

    id: int
    owner: str
    name: str
    filter: bytes
    position: int
    lease: float
    attempts: int
    created: str

    def where(self) -> EventFilter:
        """What it wants."""
        return msgspec.json.decode(self.filter, type=EventFilter)


def row_of(connection: sqlite3.Connection, owner: str, name: str) -> Row:
    """One consumer; raises ``NotFound``."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM consumers WHERE owner = ? AND name = ?",  # noqa: S608
        (owner, name),
    ).fetchone()
    if found is None:
        raise NotFound(f"There is no consumer {name!r}; it was forgotten.", field="name")
    return Row._make(found)


def rows(connection: sqlite3.Connection, reader: Reader | None = None) -> list[Row]:
    """The reader's consumers; all for None and administrators."""
    everyone = reader is None or reader.admin
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM consumers WHERE ? OR owner = ? ORDER BY owner, name",  # noqa: S608
        (everyone, reader.name if reader else ""),
    )
    return [Row._make(each) for each in found.fetchall()]


def open_consumer(
    connection: sqlite3.Connection,
    owner: str,
    name: str,
    *,
    where: EventFilter | None,
    after: int | None,
    lease: float | None,
    attempts: int | None,
) -> None:
    """Make a consumer, or change the filter, the lease or the attempts of one."""
    found = connection.execute(
        "SELECT id FROM consumers WHERE owner = ? AND name = ?", (owner, name)
    ).fetchone()
    if found is None:
        position = last(connection) if after is None else after
        filter_ = msgspec.json.encode(where or EventFilter())
        connection.execute(
            f"INSERT INTO consumers({_COLUMNS}) VALUES(NULL, ?, ?, ?, ?, ?, ?, ?)",
            (
                owner,
                name,
                filter_,
                position,
                LEASE_SECONDS if lease is None else lease,
                ATTEMPTS if attempts is None else attempts,
                now_text(),
            ),
        )
        return
    connection.execute(
        "UPDATE consumers SET filter = coalesce(?, filter), lease = coalesce(?, lease), "
        "attempts = coalesce(?, attempts) WHERE id = ?",
        (None if where is None else msgspec.json.encode(where), lease, attempts, found[0]),
    )


def forget(connection: sqlite3.Connection, owner: str, name: str) -> None:
    """Remove a consumer and all that is its own; raises ``NotFound``."""
    row = row_of(connection, owner, name)
    connection.execute("DELETE FROM deliveries WHERE consumer = ?", (row.id,))
    connection.execute("DELETE FROM dead_letters WHERE consumer = ?", (row.id,))
    connection.execute("DELETE FROM consumers WHERE id = ?", (row.id,))


def state_of(connection: sqlite3.Connection, row: Row, reader: Reader | None) -> ConsumerState:
    """Where a consumer stands."""
    least, number, leased = connection.execute(
        "SELECT min(sequence), count(*), count(*) FILTER (WHERE token <> '' AND due > ?) "
        "FROM deliveries WHERE consumer = ?",
        (time.time(), row.id),
    ).fetchone()
    (dead,) = connection.execute(
        "SELECT count(*) FROM dead_letters WHERE consumer = ?", (row.id,)
    ).fetchone()
    where = row.where()
    new = count(connection, after=row.position, limit=MOST_BEHIND, where=where, reader=reader)
    return ConsumerState(
        name=row.name,
        owner=row.owner,
        where=where,
        cursor=row.position if least is None else min(least - 1, row.position),
        leased=leased,
        behind=min(number + new, MOST_BEHIND),
        dead=dead,
        lease=row.lease,
        attempts=row.attempts,
        created=row.created,
    )


def pending(connection: sqlite3.Connection, row: Row) -> int | None:
    """The first event that a consumer has still to do; None when there is none."""
    (least,) = connection.execute(
        "SELECT min(sequence) FROM deliveries WHERE consumer = ? AND body IS NULL", (row.id,)
    ).fetchone()
    if least is not None:
        return least
    # Who its reader is was not written down: what others may not see holds as well.
    for stored in select(connection, after=row.position, limit=1, where=row.where(), reader=None):
        return stored.sequence
    return None


def letters(
    connection: sqlite3.Connection, name: str, reader: Reader | None, limit: int
) -> list[DeadLetter]:
    """Dead letters of the reader's consumers, or of one of them."""
    everyone = reader is None or reader.admin
    found = connection.execute(
        "SELECT name, owner, sequence, d.attempts, reason, time, body "
        "FROM dead_letters AS d JOIN consumers AS c ON c.id = d.consumer "
        "WHERE (? OR owner = ?) AND (? = '' OR name = ?) ORDER BY sequence, owner, name",
        (everyone, reader.name if reader else "", name, name),
    )
    known: list[DeadLetter] = []
    for consumer, owner, sequence, attempts, reason, given_up, body in found:
        event = _event(sequence, body)
        if reader is not None and not reader.may_see(event.owner, event.access):
            continue
        if len(known) >= limit:
            break
        letter = DeadLetter(
            consumer=consumer,
            owner=owner,
            event=event,
            attempts=attempts,
            reason=reason,
            time=given_up,
        )
        known.append(letter)
    return known


def leased(connection: sqlite3.Connection, consumer: int, taken: Taken) -> int:
    """How often a leased event was delivered; raises ``Conflict`` when the lease is lost."""
    found = connection.execute(
        "SELECT attempt FROM deliveries WHERE consumer = ? AND sequence = ? AND token = ?",
        (consumer, taken.event.sequence, taken.token),
    ).fetchone()
    if found is None:
        raise lost([taken.event.sequence])
    return found[0]


def bury(
    connection: sqlite3.Connection, consumer: int, sequence: int, attempts: int, reason: str
) -> None:
    """Make a delivery a dead letter, which keeps the event however old it gets."""
    connection.execute(
        "INSERT OR REPLACE INTO dead_letters "
        "SELECT consumer, sequence, ?, ?, ?, coalesce(body, ("
        "SELECT body FROM events WHERE events.sequence = deliveries.sequence), x'') "
        "FROM deliveries WHERE consumer = ? AND sequence = ?",
        (attempts, reason[:LONGEST_REASON], now_text(), consumer, sequence),
    )
    drop(connection, consumer, sequence)


def drop(connection: sqlite3.Connection, consumer: int, sequence: int) -> None:
    """Remove a delivery."""
    connection.execute(
        "DELETE FROM deliveries WHERE consumer = ? AND sequence = ?", (consumer, sequence)
    )


def stored_event(
    connection: sqlite3.Connection, sequence: int, body: bytes | None
) -> Stored | None:
    """A delivery's event, from the log or from the letter that was revived; None: it is gone."""
    found = connection.execute(
        f"SELECT {COLUMNS} FROM events WHERE sequence = ?",  # noqa: S608 - constants
        (sequence,),
    ).fetchone()
    if found is not None:
        return Stored._make(found)
    if not body:
        return None
    event = _event(sequence, body)
    names = (event.type, event.collection, 0, event.owner, event.access)
    return Stored(sequence, *names, body)


def leasing(event: Event, attempt: int, until: float) -> Taken:
    """A new lease."""
    return Taken(event=event, attempt=attempt, token=secrets.token_hex(12), until=until)


def lost(sequences: Iterable[int]) -> Conflict:
    """The error for leases that another has now."""
    numbers = ", ".join(map(str, sequences))
    return Conflict(f"The lease of event {numbers} ended, and another may have it now.")


def _event(sequence: int, body: bytes) -> Event:
    return msgspec.structs.replace(decode_event(body), sequence=sequence)
