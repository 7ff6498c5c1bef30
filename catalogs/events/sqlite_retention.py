"""Cuts the oldest events off the SQLite log, in small steps, and not below what is still to do."""

import sqlite3
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import BadRequest
from .consumer_rows import pending, rows
from .log import Retention, Trimmed
from .table import delete, first, first_at, last

# So many events are removed in one transaction, so that appends wait for no longer.
STEP = 1000


class _Step(NamedTuple):
    removed: int
    first: int
    held_by: tuple[str, ...]
    more: bool


def trim(
    change: Callable[[Callable[[sqlite3.Connection], Any]], Any],
    retention: Retention,
    *,
    force: bool,
) -> Trimmed:
    """Cut off what the retention does not keep.

    Parameters
    ----------
    change : callable
        Calls a function within a transaction.
    retention : Retention
        What is kept.
    force : bool
        Whether consumers lose what they have not done.
    """
    if min(retention.age, retention.bytes, retention.events) < 0:
        raise BadRequest("A retention's limits are not negative.", field="retention")
    # The age is that of this moment, however long the steps take.
    now = time.time_ns() // 1000
    removed, holders, more = 0, dict[str, None](), True
    step = _Step(0, 0, (), True)
    while more:
        step = change(lambda connection: _step(connection, retention, now, force=force))
        removed += step.removed
        holders.update(dict.fromkeys(step.held_by))
        more = step.more
    return Trimmed(first=step.first, removed=removed, held_by=tuple(holders))


def _step(connection: sqlite3.Connection, retention: Retention, now: int, *, force: bool) -> _Step:
    lowest, cut = first(connection), _cut(connection, retention, now)
    held_by: list[str] = []
    allowed = cut
    if lowest < cut:
        for row in rows(connection):
            waits = pending(connection, row)
            if waits is not None and waits < cut:
                held_by.append(f"{row.owner}/{row.name}")
                allowed = min(allowed, waits)
    end = min(cut if force else allowed, lowest + STEP)
    if end <= lowest:
        return _Step(0, lowest, tuple(held_by), more=False)
    if force:
        connection.execute("DELETE FROM deliveries WHERE sequence < ? AND body IS NULL", (end,))
        connection.execute("UPDATE consumers SET position = max(position, ?)", (end - 1,))
    removed = delete(connection, lowest, end)
    more = end < (cut if force else allowed)
    return _Step(removed, end, tuple(held_by), more)


def _cut(connection: sqlite3.Connection, retention: Retention, now: int) -> int:
    """The lowest number that must be kept: the last event always is."""
    end = last(connection)
    cut = first(connection)
    if retention.events:
        cut = max(cut, end - retention.events + 1)
    if retention.age:
        oldest = now - int(retention.age * 1_000_000)
        cut = max(cut, first_at(connection, "stored", oldest))
    if retention.bytes:
        found = connection.execute(
            "SELECT bytes_before + length(body) FROM events WHERE sequence = ?", (end,)
        ).fetchone()
        if found is not None:
            cut = max(cut, first_at(connection, "bytes_before", found[0] - retention.bytes))
    return min(cut, end)
