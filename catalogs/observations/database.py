"""The database of observations: SQLite in the lake's folder, or PostgreSQL by URL."""

import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, OperationalError

from ..errors import BadRequest, StorageFull, Unavailable
from ..sqlite import FULL, open_database
from .tables import METADATA

POSTGRESQL = "postgresql"
CONNECTIONS = 5
# PostgreSQL's word for "try that again": a deadlock, or two that wrote the same thing.
_AGAIN = {"40001", "40P01"}
_FULL = {"53100"}
_TRIES = 5
_BIG = sa.BigInteger()

T = TypeVar("T")


class Database:
    """One database, with the few statements that are not the same in both kinds.

    Parameters
    ----------
    place : path or str
        A SQLite file (made with mode 0600 when missing; WAL, every commit on disk), or a
        ``postgresql://`` URL.

    Raises
    ------
    BadRequest
        When the URL is of another kind of database.
    Unavailable
        When the server does not answer.
    """

    def __init__(self, place: str | Path) -> None:
        self.place = place
        self._lock = threading.Lock()
        text = str(place)
        if "://" in text:
            self._writer = self._reader = _postgresql_engine(text)
        else:
            self._writer = _sqlite_engine(Path(place), "begin immediate")
            self._reader = _sqlite_engine(Path(place), "begin")
        self.kind = self._writer.dialect.name
        self.write(self._make_tables)

    def _make_tables(self, connection: sa.Connection) -> None:
        if self.kind == POSTGRESQL:
            # Two services that start at once would both find no table, and both make one.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(7_305_514)))
        METADATA.create_all(connection)

    @contextmanager
    def reading(self) -> Generator[sa.Connection]:
        """A connection that sees one state of the database."""
        with _explained(), self._reader.connect() as connection, connection.begin():
            yield connection

    def write(self, change: Callable[[sa.Connection], T]) -> T:
        """Run ``change`` as one transaction that is on disk when this returns.

        It is run again when PostgreSQL finds that it crossed another.

        Raises
        ------
        StorageFull
            When the disk is full; nothing was changed.
        Unavailable
            When the server does not answer.
        """
        for attempt in range(1, _TRIES + 1):
            try:
                # SQLite has one writer; waiting here is quicker than its polling.
                with _explained(), self._alone(), self._writer.begin() as connection:
                    return change(connection)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", "") not in _AGAIN or attempt == _TRIES:
                    raise
                time.sleep(0.01 * attempt)
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Close the connections."""
        self._reader.dispose()
        self._writer.dispose()

    def among(self, column: sa.ColumnElement[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
        """The condition that a column is one of the values, of which there may be very many."""
        if self.kind == POSTGRESQL:
            kind = _BIG if not values or isinstance(values[0], int) else sa.Text()
            return column == sa.func.any(sa.cast(list(values), postgresql.ARRAY(kind)))
        listed = sa.func.json_each(msgspec.json.encode(list(values)).decode()).table_valued("value")
        return column.in_(sa.select(listed.c.value))

    def pairs(self, pairs: Sequence[tuple[int, int]]) -> sa.Subquery:
        """A table of ``a`` and ``b``, one row for each pair of whole numbers."""
        if self.kind == POSTGRESQL:
            first, second = zip(*pairs, strict=True)
            array = postgresql.ARRAY(_BIG)
            return sa.select(
                sa.func.unnest(sa.cast(list(first), array)).label("a"),
                sa.func.unnest(sa.cast(list(second), array)).label("b"),
            ).subquery()
        listed = sa.func.json_each(msgspec.json.encode(pairs).decode()).table_valued("value")
        return sa.select(
            sa.func.json_extract(listed.c.value, "$[0]").label("a"),
            sa.func.json_extract(listed.c.value, "$[1]").label("b"),
        ).subquery()

    @contextmanager
    def _alone(self) -> Generator[None]:
        if self.kind == POSTGRESQL:
            yield
            return
        with self._lock:
            yield


def _sqlite_engine(path: Path, begin: str) -> sa.Engine:
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: open_database(path),
        poolclass=sa.QueuePool,
        pool_size=CONNECTIONS,
        max_overflow=-1,
    )

    @event.listens_for(engine, "begin")
    def begin_transaction(  # pyright: ignore[reportUnusedFunction]
        connection: sa.Connection,
    ) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgresql_engine(url: str) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != POSTGRESQL:
        raise BadRequest(
            "Observations are kept in SQLite (a file) or PostgreSQL ('postgresql://...').",
            field="place",
        )
    return sa.create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=CONNECTIONS,
        max_overflow=2 * CONNECTIONS,
        pool_pre_ping=True,
    )


@contextmanager
def _explained() -> Generator[None]:
    """Say what a user can mend: a full disk, a server that is away."""
    try:
        yield
    except DBAPIError as error:
        cause = error.orig
        code = getattr(cause, "sqlite_errorcode", None)
        state = getattr(cause, "sqlstate", None)
        if code in FULL or state in _FULL:
            raise StorageFull(
                "The disk of the observations is full; nothing was stored."
            ) from error
        is_sqlite = isinstance(cause, sqlite3.Error)
        if error.connection_invalidated or (
            isinstance(error, OperationalError) and not is_sqlite and state not in _AGAIN
        ):
            raise Unavailable(
                "The database of the observations does not answer; try again in a moment."
            ) from error
        raise
