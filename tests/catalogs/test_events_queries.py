"""The SQLite log answers filters from its indexes, and exactly."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boathouse.catalogs.access import Reader
from boathouse.catalogs.events import query, query_indexes
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.events.keys import after_prefix
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.catalogs.events.table import first_at

from .event_log_conformance import LAWS, SEVERAL, SOME, ids, ping


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteEventLog]:
    opened = SqliteEventLog(tmp_path / "events.sqlite")
    opened._connection.execute("PRAGMA synchronous = OFF")  # the disk is not what is tested
    yield opened
    opened.close()


class TestLaws:
    @pytest.mark.parametrize("sort", [20_000, 1])
    @LAWS
    @given(some=SOME, several=SEVERAL)
    def test_indexes_give_what_the_filter_matches(
        self,
        log: SqliteEventLog,
        monkeypatch: pytest.MonkeyPatch,
        sort: int,
        some: list[Event],
        several: list[EventFilter],
    ):
        """The conformance law, but with indexes although the log is short."""
        monkeypatch.setattr(query, "NEAR", 0)
        monkeypatch.setattr(query, "LARGEST_SORT", sort)
        monkeypatch.setattr(query, "CHUNK", 2)
        monkeypatch.setattr(query_indexes, "STRETCH", 1)
        before = log.last()
        log.append(some)
        for where in several:
            expected = [event.id for event in some if where.validated().matches(event)]
            assert ids(log.read(after=before, where=where)) == expected, where
            assert ids(log.read(after=before, where=where, limit=2)) == expected[:2]

    @given(st.text(), st.text())
    def test_what_begins_with_a_prefix_is_below_what_comes_after_it(self, prefix: str, text: str):
        above = after_prefix(prefix)
        whole = prefix + text
        if isinstance(above, bytes):
            assert prefix.strip("\U0010ffff") == ""
        else:
            assert prefix <= whole
            assert whole.encode() < above.encode()
            assert (prefix <= text and text.encode() < above.encode()) == text.startswith(prefix)


FILTERS: dict[str, tuple[dict[str, Any], str]] = {
    "type": ({"type": "t7"}, "USING INDEX events_type (type=? AND rowid>?"),
    "types": ({"types": ("t7", "t8")}, "USING COVERING INDEX events_type (type=? AND rowid>?"),
    "type prefix": ({"type": "t.1.*"}, "USING COVERING INDEX events_type (type>? AND type<?)"),
    "source": ({"source": "/s7"}, "USING INDEX events_source (source=? AND rowid>?"),
    "collection": ({"collection": "c7"}, "USING INDEX events_collection (collection=? AND rowid>?"),
    "subject": ({"subject": "/x/7"}, "USING INDEX events_subject (subject=? AND rowid>?"),
    "subject prefix": (
        {"subject": "/x/7*"},
        "USING COVERING INDEX events_subject (subject>? AND subject<?)",
    ),
    "data time": (
        {"data_since": "2026-01-01T00:00:00Z", "data_until": "2026-01-01T00:01:00Z"},
        "USING COVERING INDEX events_data (data_moment>? AND data_moment<?)",
    ),
    "key": ({"where": {"step": 7}}, "SEARCH event_keys USING PRIMARY KEY (name=? AND value=? AND"),
    "keys": (
        {"where": {"step": {"in": [7, 8]}}},
        "SEARCH event_keys USING PRIMARY KEY (name=? AND value=? AND sequence>?",
    ),
    "key range": (
        {"where": {"step": {"gte": 3, "lt": 5}}},
        "SEARCH event_keys USING PRIMARY KEY (name=? AND value>? AND value<?)",
    ),
    "box": ({"bbox": (1, 1, 2, 2)}, "SCAN event_places VIRTUAL TABLE INDEX 2:"),
    "area": (
        {"area": {"type": "Point", "coordinates": [1.5, 1.5]}},
        "SCAN event_places VIRTUAL TABLE INDEX 2:",
    ),
    "best": ({"type": "t.0.0", "subject": "/x/60"}, "events_subject (subject=? AND rowid>?"),
    "any": ({"any": (EventFilter(type="t7"), EventFilter(subject="/x/9"))}, "events_subject"),
}


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteEventLog]:
    """3,000 events of which few are alike."""
    log = SqliteEventLog(tmp_path_factory.mktemp("long") / "events.sqlite")
    log.append(
        [
            ping(
                type=f"t{n}" if n % 3 else f"t.{n % 2}.{n % 60}",
                source=f"/s{n}",
                collection=f"c{n}",
                subject=f"/x/{n}",
                time=f"2026-01-0{1 + n // 1440}T{n // 60 % 24:02}:{n % 60:02}:00Z",
                datatime=f"2026-01-01T{n // 60 % 24:02}:{n % 60:02}:00Z",
                bbox=f"{n % 170},{n % 80},{n % 170}.5,{n % 80}.5",
                data={"identifier": {"step": n}},
            )
            for n in range(3000)
        ]
    )
    yield log
    log.close()


class Spy:
    """Notes which statements were run."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.statements: list[tuple[str, Any]] = []

    def execute(self, statement: str, values: Any = ()) -> sqlite3.Cursor:
        self.statements.append((statement, values))
        return self.connection.execute(statement, values)

    def plans(self) -> list[str]:
        return [
            row[-1]
            for statement, values in self.statements
            for row in self.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        ]


@pytest.mark.parametrize("name", FILTERS)
def test_filters_are_answered_from_indexes(long_log: SqliteEventLog, name: str):
    """The statements that really ran, explained by SQLite: an index, and never a scan of rows."""
    conditions, index = FILTERS[name]
    where = EventFilter(**conditions)
    with long_log.reading() as connection:
        spy = Spy(connection)
        rows = query.select(
            spy,  # pyright: ignore[reportArgumentType]
            after=0,
            limit=1000,
            where=where,
            reader=None,
        )
        plans = spy.plans()
    assert any(index in plan for plan in plans), plans
    assert not any(plan.startswith("SCAN events") for plan in plans), plans
    # No walk along all rows above "after" either, which SQLite calls a search.
    assert "SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)" not in plans
    expected = [event.id for event in long_log.read(limit=3000) if where.matches(event)]
    assert [row.event().id for row in rows] == expected
    assert expected, "the filter finds something"


def test_times_of_publishing_are_found_by_halving(long_log: SqliteEventLog):
    with long_log.reading() as connection:
        spy = Spy(connection)
        where = EventFilter(since="2026-01-02T20:00:00Z", until="2026-01-02T20:05:00Z")
        asked = query.query_of(spy, 0, where, None)  # pyright: ignore[reportArgumentType]
        assert len(spy.statements) < 60
        assert asked.end - asked.after == 6
    assert len(long_log.read(where=where)) == 5


def test_a_late_event_is_found_though_it_came_much_later(log: SqliteEventLog):
    log.append([ping(f"{n}", time=f"2026-01-0{n}T00:00:00Z") for n in range(1, 9)])
    log.append([ping("late", time="2026-01-02T12:00:00Z")])
    log.append([ping("next", time="2026-01-09T00:00:00Z")])
    where = EventFilter(since="2026-01-02T00:00:00Z", until="2026-01-04T00:00:00Z")
    assert ids(log.read(where=where)) == ["2", "3", "late"]


def test_halving_finds_the_first_row_at_a_value(log: SqliteEventLog):
    log.append([ping(time=f"2026-01-0{day}T00:00:00Z") for day in (1, 3, 2, 5)])
    with log.reading() as connection:
        newest = [row[0] for row in connection.execute("SELECT newest FROM events")]
        assert newest == sorted(newest)
        for value in {value + step for value in newest for step in (-1, 0, 1)}:
            wanted = next((n for n, each in enumerate(newest, 1) if each >= value), 5)
            assert first_at(connection, "newest", value) == wanted


def test_objects_that_are_only_written_as_json_are_indexed_too(log: SqliteEventLog):
    event = ping(data=EventFilter(type="a", subject="b"))
    log.append([event])
    assert ids(log.read(where=EventFilter(where={"subject": "b"}))) == []  # the attribute's name
    class_ = ping(data={"identifier": {5: "five"}})
    log.append([class_])
    assert ids(log.read(where=EventFilter(where={"5": "five"}))) == [class_.id]


def test_events_with_very_many_fields_are_found(log: SqliteEventLog, monkeypatch: Any):
    monkeypatch.setattr(query, "NEAR", 0)
    many = ping("many", data={f"f{n}": n for n in range(500)})
    log.append([many, ping("few", data={"f7": 7})])
    assert ids(log.read(where=EventFilter(where={"f7": 7}))) == ["many", "few"]
    assert ids(log.read(where=EventFilter(where={"f8": {"gt": 7}}))) == ["many"]


def test_a_page_ends_with_the_limit_and_with_its_size(long_log: SqliteEventLog):
    where = EventFilter(where={"step": {"gte": 10}})
    for reader in (None, Reader(name="ann")):
        rows = long_log.stored(limit=7, where=where, reader=reader)
        assert [row.sequence for row in rows] == list(range(11, 18))
    assert len(long_log.stored(where=where, largest=1000)) < 10
    assert long_log.stored(limit=0) == []
