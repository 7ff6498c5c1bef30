"""The laws of the SQLite event log: durable, ordered, idempotent, visible to whom it may be."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boathouse.catalogs.access import Reader
from boathouse.catalogs.errors import BadEvent, Busy, StorageFull, Unavailable
from boathouse.catalogs.events import sqlite_writer
from boathouse.catalogs.events.event import LARGEST_DATA, Event, EventFilter
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.catalogs.events.sqlite_writer import MOST_WAITING


def ping(id: str = "1", **attributes: object) -> Event:
    return Event(**{"type": "org.example.ping", "source": "/me", "id": id, **attributes})  # pyright: ignore[reportArgumentType]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite"


@pytest.fixture
def log(path: Path) -> Iterator[SqliteEventLog]:
    opened = SqliteEventLog(path)
    yield opened
    opened.close()


class TestAppend:
    def test_gives_back_what_went_in(self, log: SqliteEventLog):
        event = ping(
            subject="/collections/sst/items/é",
            data={"n": [1, 2.5, None, "\u2028"]},
            collection="sst",
            datatime="2026-01-01T00:00:00+01:00",
            owner="ann",
            access="group:crew",
            dataschema="https://example.org/schema",
        )
        assert log.append([event]) == [1]
        (found,) = log.read()
        assert found.sequence == 1
        for name in Event.__struct_fields__:
            if name != "sequence":
                assert getattr(found, name) == getattr(event, name), name

    def test_survives_closing(self, log: SqliteEventLog, path: Path):
        log.append([ping("a"), ping("b")])
        log.close()
        again = SqliteEventLog(path)
        assert [event.id for event in again.read()] == ["a", "b"]
        assert again.last() == 2
        assert again.append([ping("c")]) == [3]
        again.close()

    def test_the_files_are_the_owners_alone(self, log: SqliteEventLog, path: Path):
        log.append([ping()])
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
        assert set(modes.values()) == {0o600}, modes

    def test_nothing_is_nothing(self, log: SqliteEventLog):
        assert log.append([]) == []
        assert log.last() == 0

    def test_a_number_that_came_with_the_event_does_not_count(self, log: SqliteEventLog):
        assert log.append([ping(sequence=77)]) == [1]
        assert log.read()[0].sequence == 1

    def test_many_threads_share_the_log(self, log: SqliteEventLog):
        numbers: dict[str, int] = {}

        def produce(name: str) -> None:
            for n in range(25):
                (numbers[f"{name}-{n}"],) = log.append([ping(f"{name}-{n}")])

        threads = [threading.Thread(target=produce, args=(str(n),)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {event.id: event.sequence for event in log.read()} == numbers
        assert sorted(numbers.values()) == list(range(1, 201))

    def test_after_closing_says_so(self, log: SqliteEventLog):
        log.close()
        with pytest.raises(Unavailable, match="closed"):
            log.append([ping()])
        with pytest.raises(Unavailable, match="closed"):
            log.read()
        log.close()


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 5)), max_size=6)))
def test_source_and_id_name_an_event_for_ever(
    tmp_path_factory: pytest.TempPathFactory, calls: list[list[tuple[str, int]]]
):
    log = SqliteEventLog(tmp_path_factory.mktemp("law") / "events.sqlite")
    expected: dict[tuple[str, int], int] = {}
    for call in calls:
        numbers = log.append([ping(str(id), source=f"/{source}") for source, id in call])
        for key, number in zip(call, numbers, strict=True):
            assert expected.setdefault(key, number) == number
    found = log.read()
    assert [(e.source.strip("/"), int(e.id)) for e in found] == list(expected)
    assert [e.sequence for e in found] == list(expected.values())
    assert list(expected.values()) == list(range(1, len(expected) + 1))
    log.close()


class TestRead:
    def test_pages_join_without_gap_or_overlap(self, log: SqliteEventLog):
        log.append([ping(str(n)) for n in range(25)])
        pages = [log.read(after=after, limit=10) for after in (0, 10, 20, 25)]
        assert [len(page) for page in pages] == [10, 10, 5, 0]
        assert [e.id for page in pages for e in page] == [str(n) for n in range(25)]

    def test_filters_by_type_and_collection(self, log: SqliteEventLog):
        kinds = [("a", "x"), ("b", "x"), ("a", "y"), ("a", "")]
        log.append([ping(f"{t}{c}", type=t, collection=c) for t, c in kinds])

        def ids(**conditions: str) -> list[str]:
            return [e.id for e in log.read(where=EventFilter(**conditions))]

        assert ids(type="a") == ["ax", "ay", "a"]
        assert ids(collection="x") == ["ax", "bx"]
        assert ids(type="a", collection="x") == ["ax"]
        assert ids(type="c") == []

    def test_since_compares_instants_not_texts(self, log: SqliteEventLog):
        times = {
            "early": "2026-01-01T12:00:00Z",
            "late": "2026-01-02T00:30:00Z",
            "early but looks late": "2026-01-02T01:00:00+09:00",
            "late but looks early": "2026-01-01T23:00:00-05:00",
        }
        log.append([ping(id, time=time) for id, time in times.items()])
        where = EventFilter(since="2026-01-02T00:00:00Z")
        assert [e.id for e in log.read(where=where)] == ["late", "late but looks early"]
        assert [e.id for e in log.read() if where.matches(e)] == ["late", "late but looks early"]

    def test_since_must_be_a_time(self, log: SqliteEventLog):
        with pytest.raises(BadEvent) as caught:
            log.read(where=EventFilter(since="yesterday"))
        assert caught.value.field == "since"

    @pytest.mark.parametrize(
        ("reader", "seen"),
        [
            (None, "public mine crew theirs"),
            (Reader(name="root", admin=True), "public mine crew theirs"),
            (Reader(name="ann"), "public mine"),
            (Reader(name="ann", groups=("crew", "deck")), "public mine crew"),
            (Reader(name="bob"), "public crew theirs"),
            (Reader(name=""), "public"),
        ],
    )
    def test_shows_each_reader_its_own(self, log: SqliteEventLog, reader: Reader | None, seen: str):
        log.append(
            [
                ping("public", owner="bob", access="public"),
                ping("mine", owner="ann", access="private"),
                ping("crew", owner="bob", access="group:crew"),
                ping("theirs", owner="bob", access="private"),
            ]
        )
        found = log.read(reader=reader)
        assert [e.id for e in found] == seen.split()
        if reader is not None:
            assert all(reader.may_see(e.owner, e.access) for e in found)


class TestFollow:
    def test_begins_at_the_call_not_at_the_first_next(self, log: SqliteEventLog):
        log.append([ping("old")])
        following = log.follow(timeout=0.2)
        log.append([ping("new")])
        assert [e.id for e in following] == ["new"]

    def test_replays_then_goes_on(self, log: SqliteEventLog):
        log.append([ping(str(n)) for n in range(3)])
        following = log.follow(after=1, timeout=2)
        assert [next(following).id, next(following).id] == ["1", "2"]
        threading.Timer(0.05, log.append, [[ping("3")]]).start()
        assert next(following).id == "3"

    def test_events_that_do_not_match_do_not_break_the_silence(self, log: SqliteEventLog):
        stop = threading.Event()

        def chatter() -> None:
            for n in range(1000):
                log.append([ping(str(n), type="other")])
                if stop.wait(0.05):
                    return

        thread = threading.Thread(target=chatter)
        thread.start()
        began = time.monotonic()
        assert list(log.follow(where=EventFilter(type="wanted"), timeout=0.4)) == []
        assert 0.4 <= time.monotonic() - began < 3
        stop.set()
        thread.join()

    def test_own_events_come_at_once(self, log: SqliteEventLog):
        following = log.follow(timeout=5)
        delays: list[float] = []
        for n in range(20):
            began = time.monotonic()
            log.append([ping(str(n))])
            next(following)
            delays.append(time.monotonic() - began)
        assert sorted(delays)[10] < 0.04, delays  # polling alone would be slower

    def test_sees_what_another_process_appends(self, log: SqliteEventLog, path: Path):
        following = log.follow(timeout=30)
        script = (
            "import sys; from boathouse.catalogs.events.sqlite import *;"
            "log = SqliteEventLog(sys.argv[1]);"
            "log.append([Event(type='a', source='/other', id=str(n)) for n in range(3)])"
        )
        subprocess.run([sys.executable, "-c", script, str(path)], check=True, timeout=60)
        assert [next(following).id for _ in range(3)] == ["0", "1", "2"]
        assert log.append([ping()]) == [4]
        assert next(following).source == "/me"

    def test_ends_when_the_log_is_closed(self, log: SqliteEventLog):
        ended = threading.Event()
        following = log.follow()

        def run() -> None:
            assert list(following) == []
            ended.set()

        threading.Thread(target=run, daemon=True).start()
        time.sleep(0.1)
        log.close()
        assert ended.wait(5)

    def test_subscribers_get_each_event_once_in_order(self, log: SqliteEventLog):
        log.append([ping("before")])
        got: list[int] = []
        done = threading.Event()

        def take(rows: list) -> None:
            got.extend(row.sequence for row in rows)
            if got and got[-1] == 301:
                done.set()

        subscription = log.subscribe(take)
        for n in range(100):
            log.append([ping(f"{n}-{m}") for m in range(3)])
        assert done.wait(10)
        assert subscription.after == 1
        assert got == list(range(2, 302))
        subscription.cancel()
        log.append([ping("later")])
        time.sleep(0.2)
        assert got[-1] == 301


class TestBadEvents:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("type", ""),
            ("type", "two words"),
            ("type", "x" * 256),
            ("source", ""),
            ("source", "/a b"),
            ("source", "/" * 2049),
            ("source", 'say"no'),
            ("id", ""),
            ("id", "a\nid: 9"),
            ("id", "i" * 513),
            ("subject", "s" * 2049),
            ("subject", "nul\0"),
            ("subject", "half \ud800 pair"),
            ("specversion", "0.3"),
            ("time", "2026-01-01"),
            ("time", "2026-01-01T00:00:00"),
            ("time", ""),
            ("datatime", "20260101T00"),
            ("access", "everybody"),
            ("access", "group:"),
            ("owner", "o" * 256),
            ("collection", 5),
            ("data", {"a": object()}),
            ("data", "x" * LARGEST_DATA),
        ],
    )
    def test_are_refused_by_name_and_leave_nothing(
        self, log: SqliteEventLog, field: str, value: object
    ):
        with pytest.raises(BadEvent) as caught:
            log.append([ping("good"), ping(**{"id": "bad", field: value})])
        assert caught.value.field == field
        assert field in caught.value.detail
        assert len(caught.value.detail) < 400
        assert log.read() == []
        assert log.append([ping("good")]) == [1]

    def test_the_largest_data_fits(self, log: SqliteEventLog):
        log.append([ping(data="x" * (LARGEST_DATA - 2))])
        assert len(log.read()[0].data) == LARGEST_DATA - 2


class TestBackPressure:
    def test_what_comes_too_fast_is_refused_whole_and_taken_later(
        self, log: SqliteEventLog, path: Path
    ):
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # the writer waits for this process
        answers = [log.submit([ping("first")])]
        while log._writer._waiting:
            time.sleep(0.01)
        answers.append(log.submit([ping(f"{n}") for n in range(MOST_WAITING + 1)]))
        with pytest.raises(Busy) as caught:
            log.append([ping("refused")])
        assert caught.value.retry_after > 0
        assert caught.value.status == 429
        other.execute("ROLLBACK")
        assert [len(answer.result()) for answer in answers] == [1, MOST_WAITING + 1]
        assert log.append([ping("refused")]) == [MOST_WAITING + 3]
        other.close()

    def test_large_events_count_by_their_size(
        self, log: SqliteEventLog, path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(sqlite_writer, "MOST_BYTES", 10_000)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answers = [log.submit([ping("first")])]
        while log._writer._waiting:
            time.sleep(0.01)
        answers.append(log.submit([ping("large", data="x" * 20_000)]))
        with pytest.raises(Busy):
            log.append([ping("refused")])
        other.execute("ROLLBACK")
        other.close()
        assert [answer.result() for answer in answers] == [[1], [2]]


class TestFullDisk:
    def test_stores_nothing_by_halves_and_goes_on(self, log: SqliteEventLog):
        log.append([ping("before")])
        pages = log._connection.execute("PRAGMA page_count").fetchone()[0]
        log._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StorageFull, match="full"):
            log.append([ping(str(n), data="x" * 1000) for n in range(100)])
        assert [e.id for e in log.read()] == ["before"]
        log._connection.execute("PRAGMA max_page_count = 1000000")
        assert log.append([ping("after")]) == [2]
        assert [e.id for e in log.read()] == ["before", "after"]


def test_several_processes_may_create_it_at_once(path: Path):
    script = (
        "import sys; from boathouse.catalogs.events.sqlite import *;"
        "log = SqliteEventLog(sys.argv[1]);"
        "[log.append([Event(type='a', source='/' + sys.argv[2], id=str(n))]) for n in range(20)];"
        "log.close()"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(path), str(n)]) for n in range(4)
    ]
    assert [process.wait(60) for process in processes] == [0] * 4
    log = SqliteEventLog(path)
    assert log.last() == len(log.read()) == 80
    log.close()
