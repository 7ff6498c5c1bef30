"""Picks events out of the SQLite tables: by the cheapest index, then exactly."""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from ..access import PUBLIC, Reader
from .event import EventFilter, moment
from .log import Stored
from .query_indexes import Index, indexes_of
from .table import first, first_at, last, lateness

COLUMNS = "sequence, type, collection, moment, owner, access, body, expires"
# So near to the end it is quicker to look at each row than to ask an index.
NEAR = 200
# An index is asked for at most so many events to know how well it narrows.
PROBE = 2000
# Above this an index that does not give numbers in order is of no use.
LARGEST_SORT = 20_000
# Rows that an index names are fetched so many at a time.
CHUNK = 250


class Query(NamedTuple):
    """A filter against the tables.

    Attributes
    ----------
    after, end : int
        Only rows above the one and below the other.
    conditions, values : list
        What rows must fulfil, as SQL; exact.
    indexes : list of Index
        Each gives the numbers of all rows that can match, and perhaps more.
    exact : bool
        Whether rows that fulfil the conditions match; else each must be looked at.
    where : EventFilter or None
        The filter itself.
    """

    after: int
    end: int
    conditions: list[str]
    values: list[int | str]
    indexes: list[Index]
    exact: bool
    where: EventFilter | None


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
    rows: list[Stored] = []
    size = 0
    if limit <= 0:
        return rows
    for row in matching(connection, query_of(connection, after, where, reader), limit):
        rows.append(row)
        if len(rows) >= limit:
            break
        if largest is not None:
            size += len(row.body)
            if size >= largest:
                break
    return rows


def count(
    connection: sqlite3.Connection,
    *,
    after: int,
    limit: int,
    where: EventFilter | None,
    reader: Reader | None,
) -> int:
    """How many rows :func:`select` would give, up to ``limit``."""
    query = query_of(connection, after, where, reader)
    if query.exact and not query.indexes:
        statement = f"SELECT count(*) FROM (SELECT 1 {_source(query)} LIMIT ?)"  # noqa: S608
        return connection.execute(statement, (*_values(query), limit)).fetchone()[0]
    rows = matching(connection, query, limit)
    return sum(1 for _ in zip(range(limit), rows, strict=False))


def query_of(
    connection: sqlite3.Connection, after: int, where: EventFilter | None, reader: Reader | None
) -> Query:
    """What to ask the tables for; raises ``BadEvent`` for a filter that is none."""
    end = last(connection) + 1
    conditions: list[str] = []
    values: list[int | str] = []
    indexes: list[Index] = []
    exact = True
    if where is not None:
        where.validated()
        after, end = _between(connection, after, end, where)
        found = indexes_of(where)
        conditions, values, indexes, exact = (
            list(found.conditions),
            list(found.values),
            list(found.indexes),
            found.exact,
        )
    if reader and not reader.admin:
        levels = [PUBLIC, *(f"group:{group}" for group in reader.groups)]
        marks = ", ".join("?" * len(levels))
        conditions.append(f"(owner = ? OR access IN ({marks}))")
        values += [reader.name, *levels]
    return Query(after, end, conditions, values, indexes, exact, where)


def matching(connection: sqlite3.Connection, query: Query, limit: int) -> Iterator[Stored]:
    """All rows of a query in order, read as they are taken, about ``limit`` at a time."""
    rows = _rows(connection, query, limit)
    where = query.where
    if query.exact or where is None:
        return rows
    return (row for row in rows if where.matches(row.event()))


def chosen_index(connection: sqlite3.Connection, query: Query) -> Index | None:
    """The index that narrows best; None when looking at each row is better."""
    if not query.indexes or query.end - query.after <= NEAR:
        return None
    if len(query.indexes) == 1 and query.indexes[0].ordered:
        return query.indexes[0]
    best: Index | None = None
    fewest = LARGEST_SORT
    for index in query.indexes:
        # None needs to be asked for more than another gives.
        most = fewest if not index.ordered else min(fewest, PROBE)
        statement, values = index.probe(query.after, query.end, most)
        number = connection.execute(statement, values).fetchone()[0]
        if number < fewest and (index.ordered or number < most):
            best, fewest = index, number
    return best


def scan_statement(query: Query) -> str:
    """Looks at each row in order; its values are those of the query and a limit."""
    return f"SELECT {COLUMNS} {_source(query)} ORDER BY sequence LIMIT ?"


def fetch_statement(query: Query, numbers: int) -> str:
    """Gets rows by their numbers, those that fulfil the conditions, in order."""
    marks = ", ".join("?" * numbers)
    conditions = "".join(f" AND {each}" for each in query.conditions)
    rows = f"FROM events WHERE sequence IN ({marks}){conditions}"
    return f"SELECT {COLUMNS} {rows} ORDER BY sequence"


def _rows(connection: sqlite3.Connection, query: Query, limit: int) -> Iterator[Stored]:
    index = chosen_index(connection, query)
    if index is not None and not (index.direct and query.exact):
        return _fetched(connection, query, index, limit)
    # A scan along one index in the order of numbers is as good as one along the rows.
    statement = scan_statement(query)
    if index is not None and index.direct:
        statement = statement.replace("FROM events", f"FROM events INDEXED BY {index.direct}", 1)
        statement = statement.replace(f"+{index.column} ", f"{index.column} ", 1)
    # One that matches not at all must not be cut by the limit.
    most = limit if query.exact else -1
    return map(Stored._make, connection.execute(statement, (*_values(query), most)))


def _fetched(
    connection: sqlite3.Connection, query: Query, index: Index, limit: int
) -> Iterator[Stored]:
    chunk = max(1, min(limit, CHUNK))
    statement = fetch_statement(query, chunk)
    for numbers in _chunks(index.numbers(connection, query.after, query.end), chunk):
        padded = [*numbers, *[-1] * (chunk - len(numbers))]
        yield from map(
            Stored._make, connection.execute(statement, (*padded, *query.values)).fetchall()
        )


def _chunks(numbers: Iterator[int], size: int) -> Iterator[Sequence[int]]:
    for number in numbers:
        yield [number, *(each for _, each in zip(range(size - 1), numbers, strict=False))]


def _source(query: Query) -> str:
    conditions = chain(("sequence > ?", "sequence < ?"), query.conditions)
    return f"FROM events WHERE {' AND '.join(conditions)}"


def _values(query: Query) -> list[int | str]:
    return [query.after, query.end, *query.values]


def _between(
    connection: sqlite3.Connection, after: int, end: int, where: EventFilter
) -> tuple[int, int]:
    """The part of the log that times of publishing leave."""
    for each in (where, *where.all):
        if each.since:
            after = max(after, first_at(connection, "newest", moment(each.since, "since")) - 1)
        if each.until:
            latest = moment(each.until, "until") + lateness(connection)
            end = min(end, first_at(connection, "newest", latest))
    return max(after, first(connection) - 1), end
