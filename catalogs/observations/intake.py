"""Writes readings into the table: each once, corrections beside what they correct."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from .database import POSTGRESQL, Database
from .observation import Reading, Receipt
from .tables import OBSERVATIONS, REVISIONS

Key = tuple[int, int]  # series and time


class Value(NamedTuple):
    """A value of a key: its reading, and when it was made known (None: it is not said)."""

    reading: Reading
    value: float | None
    issued: int | None


class Effect(NamedTuple):
    """A reading that changed the table: ``first`` of its key, and whether it ``counts`` now."""

    reading: Reading
    first: bool
    counts: bool


class _Current(NamedTuple):
    series: int
    time: int
    value: float | None
    issued: int
    revision: int


def take_in(
    database: Database,
    connection: sa.Connection,
    values: Sequence[tuple[Key, Value]],
    now: int,
) -> tuple[Receipt, list[Effect]]:
    """Write values within the open transaction.

    A key's value of the highest ``issued`` counts; one that does not say when it was issued
    was issued ``now``, unless its key has had that value already.

    Returns
    -------
    Receipt
        The numbers of what was new, different and known.
    list of Effect
        Those that changed something.
    """
    effects: list[Effect] = []
    known = 0
    waiting = list(values)
    while waiting:
        # One value of each key at a time; sorted, so that two writers lock rows alike.
        turn: dict[Key, Value] = {}
        rest: list[tuple[Key, Value]] = []
        for key, value in waiting:
            if turn.setdefault(key, value) is not value:
                rest.append((key, value))
        there = _there(database, connection, list(turn))
        fresh = [(key, turn[key]) for key in sorted(turn.keys() - there.keys())]
        missed = _insert(connection, fresh, now)
        rest += [(key, value) for key, value in fresh if key in missed]
        effects += [Effect(v.reading, True, True) for k, v in fresh if k not in missed]
        changed = [
            (current, turn[key])
            for key, current in there.items()
            if not _is_current(turn[key], current)
        ]
        revised = _revise(database, connection, changed, now)
        known += len(there) - len(revised)
        effects += revised
        waiting = rest
    stored = sum(effect.first for effect in effects)
    return Receipt(stored=stored, revised=len(effects) - stored, known=known), effects


def _is_current(value: Value, current: _Current) -> bool:
    same = value.value == current.value
    return same and (value.issued is None or value.issued == current.issued)


def _there(
    database: Database, connection: sa.Connection, keys: Sequence[Key]
) -> dict[Key, _Current]:
    wanted = database.pairs(keys)
    table = OBSERVATIONS.c
    statement = sa.select(
        table.series, table.time, table.value, table.issued, table.revision
    ).join_from(wanted, OBSERVATIONS, (table.series == wanted.c.a) & (table.time == wanted.c.b))
    if database.kind == POSTGRESQL:
        statement = statement.order_by(table.series, table.time).with_for_update(of=OBSERVATIONS)
    rows = [_Current(*row) for row in connection.execute(statement)]
    return {(row.series, row.time): row for row in rows}


def _insert(connection: sa.Connection, fresh: Sequence[tuple[Key, Value]], now: int) -> set[Key]:
    """Write first values; return the keys that another transaction has filled meanwhile."""
    if not fresh:
        return set()
    rows = [
        (*key, value.value, now if value.issued is None else value.issued, 1)
        for key, value in fresh
    ]
    if connection.dialect.name != POSTGRESQL:
        # SQLAlchemy's own handling of each row would take twice as long as the insertion.
        connection.exec_driver_sql(_INSERT, rows)
        return set()
    kinds = (sa.BigInteger(), sa.BigInteger(), sa.Double(), sa.BigInteger(), sa.Integer())
    columns = [
        sa.func.unnest(sa.cast(list(column), postgresql.ARRAY(kind)))
        for kind, column in zip(kinds, zip(*rows, strict=True), strict=True)
    ]
    names = ["series", "time", "value", "issued", "revision"]
    statement = (
        postgresql.insert(OBSERVATIONS)
        .from_select(names, sa.select(*columns))
        .on_conflict_do_nothing()
        .returning(OBSERVATIONS.c.series, OBSERVATIONS.c.time)
    )
    written: set[Key] = {(series, time) for series, time in connection.execute(statement)}
    return {key for key, _ in fresh} - written


_INSERT = "insert into observations(series, time, value, issued, revision) values(?, ?, ?, ?, ?)"


def _revise(
    database: Database,
    connection: sa.Connection,
    changed: Sequence[tuple[_Current, Value]],
    now: int,
) -> list[Effect]:
    if not changed:
        return []
    past = _past(database, connection, [current for current, _ in changed])
    updates: list[dict[str, Any]] = []
    revisions: list[dict[str, Any]] = []
    effects: list[Effect] = []
    for current, value in changed:
        had = past.get((current.series, current.time), ())
        if any(_is_past(value, *each) for each in had):
            continue
        issued = max(now, current.issued) if value.issued is None else value.issued
        old, new = (current.value, current.issued), (value.value, issued)
        counts = issued >= current.issued
        stays, goes = (new, old) if counts else (old, new)
        key = {"b_series": current.series, "b_time": current.time}
        updates.append({**key, "value": stays[0], "issued": stays[1]})
        revisions.append(
            {
                "series": current.series,
                "time": current.time,
                "revision": current.revision,
                "value": goes[0],
                "issued": goes[1],
            }
        )
        effects.append(Effect(value.reading, False, counts))
    if updates:
        connection.execute(sa.insert(REVISIONS), revisions)
        connection.execute(_UPDATE, updates)
    return effects


_UPDATE = (
    sa.update(OBSERVATIONS)
    .where(
        OBSERVATIONS.c.series == sa.bindparam("b_series"),
        OBSERVATIONS.c.time == sa.bindparam("b_time"),
    )
    .values(
        value=sa.bindparam("value"),
        issued=sa.bindparam("issued"),
        revision=OBSERVATIONS.c.revision + 1,
    )
)


def _past(
    database: Database, connection: sa.Connection, rows: Iterable[_Current]
) -> dict[Key, list[tuple[float | None, int]]]:
    wanted = database.pairs([(row.series, row.time) for row in rows])
    table = REVISIONS.c
    found: dict[Key, list[tuple[float | None, int]]] = {}
    for series, time, value, issued in connection.execute(
        sa.select(table.series, table.time, table.value, table.issued).join_from(
            wanted, REVISIONS, (table.series == wanted.c.a) & (table.time == wanted.c.b)
        )
    ):
        found.setdefault((series, time), []).append((value, issued))
    return found


def _is_past(value: Value, past: float | None, issued: int) -> bool:
    return value.value == past and (value.issued is None or value.issued == issued)
