"""Opening one database file from several places at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from boathouse.catalogs.sqlite import open_database

OPENERS = 8


def test_all_who_open_a_new_file_at_once_succeed(tmp_path: Path) -> None:
    begin = Barrier(OPENERS)

    def open_it(path: Path) -> str:
        begin.wait(10)
        connection = open_database(path, "create table if not exists t(a);")
        try:
            return connection.execute("pragma journal_mode").fetchone()[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(OPENERS) as pool:
        for number in range(20):
            path = tmp_path / f"{number}.sqlite"
            modes = pool.map(open_it, [path] * OPENERS)
            assert list(modes) == ["wal"] * OPENERS
