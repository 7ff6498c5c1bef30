"""The SQLite engine does what every engine of the event log must do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from boathouse.catalogs.events.sqlite import SqliteEventLog

from .event_log_conformance import EventLogConformance


class TestSqlite(EventLogConformance):
    SILENCE = 0.06

    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[SqliteEventLog]:
        opened = SqliteEventLog(tmp_path / "events.sqlite")
        yield opened
        opened.close()
