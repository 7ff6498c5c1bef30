"""The event log on NATS beyond what all engines share: batches, kills, servers, processes."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest

from boathouse.catalogs.errors import (
    BadEvent,
    BadRequest,
    Busy,
    Conflict,
    NotFound,
    StorageFull,
    Unavailable,
)
from boathouse.catalogs.events import nats_writer
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.events.kafka import require_kafka
from boathouse.catalogs.events.nats import NatsEventLog
from boathouse.catalogs.events.nats_server import LocalServer, find_server
from boathouse.catalogs.events.opening import open_event_log
from boathouse.catalogs.events.sqlite import SqliteEventLog

_names = count()


def ping(id: str = "1", **attributes: Any) -> Event:
    return Event(**{"type": "org.example.ping", "source": "/me", "id": id} | attributes)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """One server for all tests of this file; each test has a log of its own on it."""
    # In memory where there is such a folder: nothing here cuts the power, and syncs take long.
    memory = Path("/dev/shm")
    folder = memory if memory.is_dir() else tmp_path_factory.mktemp("nats")
    with TemporaryDirectory(dir=folder) as place:
        started = LocalServer(place)
        yield started
        started.close()


def connect(server: LocalServer, name: str, **options: Any) -> NatsEventLog:
    address = server.address
    return NatsEventLog(
        [address.url], name=name, user=address.user, password=address.password, **options
    )


@pytest.fixture
def log(server: LocalServer) -> Iterator[NatsEventLog]:
    opened = connect(server, f"log{next(_names)}")
    yield opened
    opened.close()


def ids(log: NatsEventLog, **where: Any) -> list[str]:
    return [event.id for event in log.read(limit=100_000, where=EventFilter(**where))]


class TestAppend:
    def test_a_known_event_is_known_under_any_type_and_collection(self, log: NatsEventLog):
        assert log.append([ping("a")]) == [1]
        assert log.append([ping("a", type="org.example.other", collection="sst")]) == [1]
        assert [event.type for event in log.read()] == ["org.example.ping"]

    def test_a_batch_may_hold_known_events_and_the_same_event_twice(self, log: NatsEventLog):
        log.append([ping(str(n)) for n in range(10)])
        batch = [ping(str(n)) for n in (3, 20, 5, 21, 20, *range(30, 130))]
        assert log.append(batch) == [4, 11, 6, 12, 11, *range(13, 113)]
        assert log.last() == 112

    def test_more_than_fit_a_batch(self, log: NatsEventLog):
        assert log.append([ping(str(n)) for n in range(2500)]) == list(range(1, 2501))
        assert ids(log) == [str(n) for n in range(2500)]

    def test_names_with_what_parts_subjects(self, log: NatsEventLog):
        odd = ["a.b", "a*", ">", "-", "~", "%2E", "a b", "é" * 255, "a/b"]
        log.append([ping(text, collection=text) for text in odd])
        for text in odd:
            assert ids(log, collection=text) == [text]
        assert ids(log) == odd

    def test_two_writers_number_one_log(self, server: LocalServer, log: NatsEventLog):
        other = connect(server, log.name)
        numbers: list[dict[str, int]] = [{}, {}]

        def publish(writer: NatsEventLog, found: dict[str, int]) -> None:
            for start in range(0, 60, 6):
                some = [f"{n}" for n in range(start, start + 6)]
                found.update(zip(some, writer.append([ping(n) for n in some]), strict=True))

        threads = [
            threading.Thread(target=publish, args=each)
            for each in zip((log, other), numbers, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        other.close()
        assert numbers[0] == numbers[1] == {e.id: e.sequence for e in log.read()}
        assert log.last() == 60

    def test_more_than_can_wait_is_refused_at_once(
        self, log: NatsEventLog, server: LocalServer, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(nats_writer, "MOST_WAITING", 50)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            under_way = [log.submit([ping(f"{n}")]) for n in range(50)]
            began = time.monotonic()
            with pytest.raises(Busy) as caught:
                log.append([ping(f"late{n}") for n in range(60)])
            assert time.monotonic() - began < 0.5
            assert caught.value.status == 429
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert len({number for each in under_way for number in each.result(20)}) == 50
        assert sorted(ids(log)) == sorted(f"{n}" for n in range(50))

    def test_what_servers_do_not_take_is_refused_by_name(
        self, log: NatsEventLog, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(type(log._connection), "largest", 26_384)
        with pytest.raises(BadEvent, match="10,000") as caught:
            log.append([ping(data="x" * 10_000)])
        assert caught.value.field == "data"
        assert log.append([ping(data="x" * 9_000)]) == [1]


class TestRead:
    def test_times_of_publishing_count_also_where_clocks_go_ahead(
        self, server: LocalServer, log: NatsEventLog
    ):
        def at(**ago: float) -> str:
            return (datetime.now(UTC) + timedelta(**ago)).isoformat()

        log.append([ping("old", time=at(days=-3)), ping("ahead", time=at(days=2))])
        log.append([ping("further", time=at(days=400)), ping("now")])
        assert ids(log, since=at(seconds=-60)) == ["ahead", "further", "now"]
        assert ids(log, since=at(days=1)) == ["ahead", "further"]
        assert ids(log, since=at(days=300)) == ["further"]
        assert ids(log, since=at(days=500)) == []
        # Another process learns of it, and does not forget it.
        other = connect(server, log.name)
        other.append([ping("bit ahead", time=at(days=1))])
        assert ids(other, since=at(days=300)) == ["further"]
        other.close()

    def test_reading_many_is_complete_and_in_order(self, log: NatsEventLog):
        for start in range(0, 6000, 1000):
            log.append([ping(f"{n}", type=f"t{n % 2}") for n in range(start, start + 1000)])
        assert ids(log) == [f"{n}" for n in range(6000)]
        assert ids(log, type="t1") == [f"{n}" for n in range(1, 6000, 2)]


class TestConsumers:
    def test_takers_of_two_processes_share_the_work(self, server: LocalServer, log: NatsEventLog):
        log.append([ping(f"{n}") for n in range(60)])
        other = connect(server, log.name)
        got: list[list[str]] = [[], []]

        def work(taker: Any, found: list[str]) -> None:
            while taken := taker.take(4, wait=0.5):
                found += [each.event.id for each in taken]
                time.sleep(0.01)  # the work
                taker.done(*taken)

        takers = [each.consume("c", after=0) for each in (log, other)]
        for taker, found in zip(takers, got, strict=True):
            (first,) = taker.take(wait=2)
            found.append(first.event.id)
            taker.done(first)
        assert got == [["0"], ["1"]]
        threads = [
            threading.Thread(target=work, args=each) for each in zip(takers, got, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        other.close()
        assert sorted(got[0] + got[1], key=int) == [f"{n}" for n in range(60)]

    def test_what_was_done_may_be_said_again_but_not_by_another(self, log: NatsEventLog):
        log.append([ping()])
        consumer = log.consume("c", after=0)
        (taken,) = consumer.take(wait=2)
        consumer.done(taken)
        consumer.done(taken)
        with pytest.raises(Conflict):
            log.consume("c").done(taken)

    def test_a_forgotten_consumer_says_so(self, log: NatsEventLog):
        log.append([ping()])
        consumer = log.consume("c", after=0)
        (taken,) = consumer.take(wait=2)
        log.forget("c")
        for call in (consumer.take, lambda: consumer.done(taken), consumer.state):
            with pytest.raises(NotFound):
                call()


class TestServer:
    def test_a_killed_server_loses_nothing_that_was_acknowledged(
        self, server: LocalServer, log: NatsEventLog
    ):
        acked: dict[str, int] = {}
        stop = threading.Event()
        consumer = log.consume("c", after=0, lease=10)
        handled: list[str] = []

        def publish(name: str) -> None:
            numbers = count()
            while not stop.is_set():
                some = [f"{name}-{next(numbers)}" for _ in range(3 if name == "b" else 1)]
                acked.update(zip(some, log.append([ping(n) for n in some]), strict=True))

        def handle() -> None:
            while (taken := consumer.take(50, wait=0.5)) or not stop.is_set():
                handled.extend(each.event.id for each in taken)
                consumer.done(*taken)

        threads = [threading.Thread(target=publish, args=(name,)) for name in "abcd"]
        threads.append(threading.Thread(target=handle))
        for thread in threads:
            thread.start()
        for _ in range(2):
            time.sleep(0.4)
            before, pid = len(acked), server.pid
            os.kill(pid, signal.SIGKILL)
            end = time.monotonic() + 20
            while (len(acked) < before + 20 or server.pid == pid) and time.monotonic() < end:
                time.sleep(0.02)
            assert server.pid != pid
        stop.set()
        for thread in threads:
            thread.join(30)
        stored = {event.id: event.sequence for event in log.read(limit=100_000)}
        assert len(acked) > 60
        assert {name: stored.get(name) for name in acked} == acked
        assert len(stored) == len(set(stored.values())) == log.last()
        assert sorted(handled) == sorted(stored)

    def test_whoever_has_no_password_is_not_let_in(self, server: LocalServer):
        with pytest.raises(Unavailable):
            NatsEventLog([server.address.url], patience=0.5)
        private = [path for path in server.folder.iterdir() if path.suffix in (".json", ".conf")]
        assert len(private) == 2
        assert {path.stat().st_mode & 0o777 for path in private} == {0o600}

    def test_a_server_that_is_away_is_unavailable(self):
        began = time.monotonic()
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
            NatsEventLog(["nats://127.0.0.1:1"], patience=0.5)
        assert time.monotonic() - began < 5

    def test_a_full_disk_is_told_and_what_was_acknowledged_stays(self, tmp_path: Path):
        (port,) = _free_ports(1)
        conf = tmp_path / "small.conf"
        conf.write_text(
            f"""
            listen: "127.0.0.1:{port}"
            jetstream {{ store_dir: "{tmp_path}/data", max_file_store: 300KB }}
            """
        )
        quiet = subprocess.DEVNULL
        small = subprocess.Popen([find_server(), "-c", str(conf)], stdout=quiet, stderr=quiet)
        log = NatsEventLog([f"nats://127.0.0.1:{port}"])
        acked: list[str] = []

        def fill() -> None:
            for n in range(100):
                some = [ping(f"{n}-{m}", data="x" * 5000) for m in range(1 + n % 4)]
                log.append(some)
                acked.extend(event.id for event in some)

        with pytest.raises(StorageFull):
            fill()
        assert 20 < len(acked) < 100
        with pytest.raises(StorageFull):
            log.append([ping("one more", data="x" * 5000)])
        assert ids(log)[: len(acked)] == acked
        log.close()
        small.kill()
        small.wait()

    def test_a_stream_that_is_something_else_is_left_alone(self, log: NatsEventLog):
        ask = log._connection.ask("$JS.API.STREAM.CREATE.x-events", {"name": "x-events"}, 5)
        log._connection.run(ask)
        with pytest.raises(BadRequest, match="x-events"):
            NatsEventLog(log._connection._servers, name="x", **log._connection._options)


OPEN = """
import sys, time
from boathouse.catalogs.events.event import Event
from boathouse.catalogs.events.opening import open_event_log
log = open_event_log(sys.argv[1])
log.append([Event(type="t", source="/child", id=str(time.time()))])
print(log._server.address.port, flush=True)
time.sleep(60)
"""


class TestOpening:
    def test_a_folder_has_one_server_that_ends_with_its_starter(self, tmp_path: Path):
        place = f"nats://{tmp_path}/nats"
        child = subprocess.Popen(
            [sys.executable, "-c", OPEN, place], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        with child.stdout:
            port = int(child.stdout.readline())
        guest = open_event_log(place)
        assert guest.append([ping()]) == [2]
        guest.close()
        socket.create_connection(("127.0.0.1", port), timeout=2).close()  # still there
        child.send_signal(signal.SIGKILL)
        child.wait()
        # Its server ends with it; nobody gets to the data before that.
        began = time.monotonic()
        again = open_event_log(place)
        assert [event.source for event in again.read()] == ["/child", "/me"]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=2)
        assert time.monotonic() - began < 10
        again.close()

    @pytest.mark.parametrize("form", ["path", "folder", "url", "Path"])
    def test_a_file_is_sqlite(self, tmp_path: Path, form: str):
        file = tmp_path / "events.sqlite"
        place = {"path": str(file), "folder": str(tmp_path), "url": f"sqlite://{file}"}
        log = open_event_log(place.get(form, file))
        assert isinstance(log, SqliteEventLog)
        assert log.path == file
        log.close()

    def test_a_cluster_by_its_address(self, server: LocalServer):
        address = server.address
        place = f"nats://{address.user}:{address.password}@127.0.0.1:{address.port}?name=there"
        log = open_event_log(place)
        assert log.append([ping()]) == [1]
        log.close()

    @pytest.mark.parametrize(
        "place",
        [
            "kafka://host:9092",
            "sqlite://relative",
            "nats://",
            "nats://host:1/path",
            "nats://a,,b",
            "nats://host?replicas=2",
            "nats://host?name=a.b",
            "nats://host?color=red",
        ],
    )
    def test_what_is_no_place_is_refused(self, place: str):
        with pytest.raises(BadRequest) as caught:
            open_event_log(place)
        assert caught.value.field == "place"

    def test_an_old_server_is_not_started(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        old = tmp_path / "nats-server"
        old.write_text("#!/bin/sh\necho nats-server: v2.9.10\n")
        old.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        assert find_server() != str(old)


# A cluster of three


class Cluster:
    """Three servers, each of which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._clients, self._routes = _free_ports(3), _free_ports(3)
        self.urls = [f"nats://127.0.0.1:{port}" for port in self._clients]
        self.processes = [self.start(number) for number in range(3)]

    def start(self, number: int) -> "subprocess.Popen[bytes]":
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self._routes)
        conf = self.folder / f"n{number}.conf"
        conf.write_text(
            f"""
            server_name: n{number}
            listen: "127.0.0.1:{self._clients[number]}"
            jetstream {{ store_dir: "{self.folder}/n{number}", sync_interval: always }}
            cluster {{
                name: three, listen: "127.0.0.1:{self._routes[number]}", routes: [{routes}]
            }}
            """
        )
        quiet = subprocess.DEVNULL
        return subprocess.Popen([find_server(), "-c", str(conf)], stdout=quiet, stderr=quiet)

    def kill(self, number: int) -> None:
        self.processes[number].kill()
        self.processes[number].wait()


def _free_ports(number: int) -> list[int]:
    taken = [socket.socket() for _ in range(number)]
    for each in taken:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return ports


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    yield started
    for number in range(3):
        started.kill(number)


def leader_of(log: NatsEventLog) -> str:
    answer = log._connection.run(log._events._ask("STREAM.INFO", None))
    return msgspec.json.decode(answer)["cluster"].get("leader", "")


def test_a_cluster_outlives_its_leader(cluster: Cluster):
    log = NatsEventLog(cluster.urls, patience=40)
    watcher = NatsEventLog(cluster.urls, patience=40)
    assert log._events.replicas == log._states.replicas == 3
    acked: dict[str, int] = {}
    when: list[float] = []
    stop = threading.Event()
    consumer = log.consume("c", after=0, lease=60)
    log.append([ping(f"first{n}") for n in range(100)])
    taken = consumer.take(60, wait=5)
    consumer.done(*taken)
    follower = watcher.follow(after=0, timeout=2)

    def publish(name: str) -> None:
        for n in count():
            if stop.is_set():
                return
            some = [f"{name}{n}-{m}" for m in range(10 if name == "b" else 1)]
            acked.update(zip(some, log.append([ping(each) for each in some]), strict=True))
            when.append(time.monotonic())

    threads = [threading.Thread(target=publish, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    leader = leader_of(log)
    killed = time.monotonic()
    cluster.kill(int(leader[1:]))
    while leader_of(watcher) in ("", leader):
        time.sleep(0.02)
    elected = time.monotonic()
    before = len(acked)
    while len(acked) < before + 50 and time.monotonic() < elected + 20:
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join(30)
    resumed = min(moment for moment in when if moment > killed + 1)
    # How long an election takes is the servers' affair (4 to 9 s); ours is to go on at once.
    assert resumed - elected < 2
    assert resumed - killed < 25
    stored = {event.id: event.sequence for event in log.read(limit=100_000)}
    assert {name: stored.get(name) for name in acked} == acked
    assert [event.id for event in follower] == list(stored)
    # Two of three go on with the consumers too.
    rest = log.consume("c").take(40, wait=5)
    assert [each.event.id for each in rest] == [f"first{n}" for n in range(60, 100)]
    consumer.done(*rest)
    assert consumer.state().cursor == rest[-1].event.sequence
    log.close()
    watcher.close()


def test_append_async_leaves_the_loop_alone(server: LocalServer, log: NatsEventLog):
    async def publish() -> list[int]:
        os.kill(server.pid, signal.SIGSTOP)
        try:
            appending = asyncio.create_task(log.append_async([ping("a"), ping("b")]))
            await asyncio.sleep(0.1)
            assert not appending.done()
        finally:
            os.kill(server.pid, signal.SIGCONT)
        return await appending

    assert asyncio.run(publish()) == [1, 2]


LAZY = """
import sys
import boathouse.catalogs.events.kafka_bridge, boathouse.catalogs.events.nats
import boathouse.catalogs.events.nats_server, boathouse.catalogs.events.opening
found = {name for name in sys.modules if name.partition(".")[0] in ("nats", "confluent_kafka")}
sys.exit(str(found) if found else 0)
"""


def test_the_extras_are_asked_for_by_name_and_only_when_used(monkeypatch: pytest.MonkeyPatch):
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("nats.aio.client", "confluent_kafka"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BadRequest, match=r"boathouse\[nats\]"):
        open_event_log("nats://127.0.0.1:1")
    with pytest.raises(BadRequest, match=r"boathouse\[kafka\]"):
        require_kafka()
