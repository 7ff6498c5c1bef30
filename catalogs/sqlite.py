"""Opens SQLite files as the lake needs them: every commit on disk, for the owner's eyes only."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Generator
from pathlib import Path

from .errors import StorageFull

# How long a writer of another process is waited for, in seconds.
BUSY_SECONDS = 30.0
RETRY_SECONDS = 0.01
FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}


def open_database(path: Path, schema: str = "") -> sqlite3.Connection:
    """Open a database file (made with mode 0600 when missing) in autocommit mode.

    Parameters
    ----------
    path : Path
        The file; its folder exists.
    schema : str
        Statements that make missing tables.

    Returns
    -------
    sqlite3.Connection
        WAL and ``synchronous=FULL``: what was committed survives a crash of the machine.
        It may be used from any thread, one at a time.
    """
    # SQLite gives the files beside it (-wal, -shm) the mode of the database itself.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    _keep_a_log_ahead(connection)
    connection.execute("pragma synchronous=full")
    if schema:
        connection.executescript(schema)
    return connection


def _keep_a_log_ahead(connection: sqlite3.Connection) -> None:
    """Switch to WAL; of two processes that do so at once, SQLite lets one fail without waiting."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode=wal")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                connection.close()
                raise
        time.sleep(RETRY_SECONDS)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[sqlite3.Connection]:
    """Run a block as one write transaction; a full disk is ``StorageFull`` and changes nothing."""
    try:
        connection.execute("begin immediate")
        yield connection
        connection.execute("commit")
    except BaseException as error:
        # When the disk is full SQLite has rolled back by itself.
        if connection.in_transaction:
            connection.execute("rollback")
        if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode in FULL:
            raise StorageFull("The lake's disk is full; nothing was recorded.") from error
        raise
