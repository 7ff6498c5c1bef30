"""Files of the log's first version are opened, and brought up to this one, once."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from boathouse.catalogs.events import query
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.events.log import Retention
from boathouse.catalogs.events.sqlite import SqliteEventLog

from .event_log_conformance import ids, ping

# As the first version wrote it.
FIRST_VERSION = """
CREATE TABLE events(
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
CREATE INDEX events_type ON events(type);
CREATE INDEX events_collection ON events(collection);
CREATE INDEX events_newest ON events(newest);
"""
COUNT = 2500


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    path = tmp_path / "events.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode=wal")
    connection.executescript(FIRST_VERSION)
    for n in range(1, COUNT + 1):
        event = ping(
            f"{n}",
            subject=f"/x/{n}",
            collection="sst",
            time="2026-01-01T00:00:00Z",
            datatime="2026-01-02T00:00:00Z",
            owner="ann",
            data={"properties": {"step": n}, "bbox": [5, 44, 6, 45]},
        )
        row = (n, "/me", event.id, event.type, "sst", 10**15, 10**15, "ann", "public")
        body = msgspec.json.encode(event)
        connection.execute("INSERT INTO events VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, body))
    connection.commit()
    connection.close()
    return path


def test_the_first_version_is_opened_whole(old_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(query, "NEAR", 0)
    log = SqliteEventLog(old_file)
    found = log.read(limit=5000)
    assert [event.sequence for event in found] == list(range(1, COUNT + 1))
    assert (found[6].subject, found[6].owner) == ("/x/7", "ann")
    for where in (
        EventFilter(where={"step": 7}),
        EventFilter(subject="/x/7"),
        EventFilter(bbox=(5.5, 44.5, 5.6, 44.6), data_since="2026-01-02T00:00:00Z", subject="/x/7"),
    ):
        assert ids(log.read(where=where)) == ["7"]
    assert log.append([ping("7"), ping("new")]) == [7, COUNT + 1]
    assert log.trim(Retention(events=10)).removed == COUNT - 9
    log.close()
    again = SqliteEventLog(old_file)
    assert len(again.read()) == 10
    again.close()


def test_several_processes_may_open_the_first_version_at_once(old_file: Path):
    script = (
        "import sys; from boathouse.catalogs.events.sqlite import *;"
        "log = SqliteEventLog(sys.argv[1]);"
        "log.append([Event(type='a', source='/' + sys.argv[2], id='1')]); log.close()"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(old_file), str(n)]) for n in range(3)
    ]
    assert [process.wait(60) for process in processes] == [0] * 3
    log = SqliteEventLog(old_file)
    assert log.last() == len(log.read(limit=5000)) == COUNT + 3
    log.close()


def test_a_move_that_was_interrupted_changed_nothing(
    old_file: Path, monkeypatch: pytest.MonkeyPatch
):
    from boathouse.catalogs.events import table

    def broken(event: Event, schemas: object = None) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(table, "entry_of", broken)
        with pytest.raises(KeyboardInterrupt):
            SqliteEventLog(old_file)
    log = SqliteEventLog(old_file)
    assert log.last() == COUNT
    log.close()
