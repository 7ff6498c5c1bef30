"""The event log and its service beside pyaviso 1.0.2 with Debian's etcd.

Run by ``make bench``; never part of the suite.  Each pair is measured in turn in one run.  The
peer gets an environment of its own, since its package has the name of the client that the tests
use; without it or without etcd its columns stay empty.
"""

import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from boathouse.catalogs.events.event import Event
from boathouse.catalogs.events.remote import HttpEventLog
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.catalogs.events.wire import BATCH, STRUCTURED, encode_batch, encode_event
from boathouse.catalogs.lake import Connection

pytestmark = [pytest.mark.timeout(1800)]

HERE = Path(__file__).parent
TYPE = "org.example.reading"
CONNECTIONS = 64


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Peer:
    """pyaviso 1.0.2, and the etcd that it speaks to."""

    def __init__(self, python: Path, port: int, home: Path) -> None:
        self._words = [str(python), str(HERE / "aviso_peer.py"), str(port)]
        self._environment = {**os.environ, "HOME": str(home)}

    def start(self, what: str, count: int) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self._words, what, str(count)],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def numbers(self, what: str, count: int) -> list[float]:
        out, _ = self.start(what, count).communicate(timeout=300)
        return [float(word) for word in out.split() if word != "ready"]


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer | None]:
    etcd = shutil.which("etcd")
    home = tmp_path_factory.mktemp("aviso")
    venv.create(home / "venv", with_pip=True)
    python = home / "venv" / "bin" / "python"
    words = [python, "-m", "pip", "install", "--quiet", "pyaviso==1.0.2"]
    installed = subprocess.run(words, capture_output=True, timeout=300).returncode == 0
    if etcd is None or not installed:
        print("\nno peer: pyaviso 1.0.2 needs etcd (apt-get install etcd-server) and pip")
        yield None
        return
    port, other = free_port(), free_port()
    server = subprocess.Popen(
        [etcd, "--data-dir", str(home / "etcd"), "--listen-client-urls",
         f"http://127.0.0.1:{port}", "--advertise-client-urls", f"http://127.0.0.1:{port}",
         "--listen-peer-urls", f"http://127.0.0.1:{other}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for(port)
    yield Peer(python, port, home)
    server.kill()
    server.wait()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    path, port = tmp_path_factory.mktemp("log") / "events.sqlite", free_port()
    words = [sys.executable, str(HERE / "event_process.py"), "serve", str(path), str(port)]
    process = subprocess.Popen(words)
    wait_for(port)
    yield port
    process.kill()
    process.wait()


def wait_for(port: int) -> None:
    end = time.monotonic() + 30
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < end, "nobody listens"
        time.sleep(0.05)


def show(title: str, lines: list[str]) -> None:
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\n{title}  (load {load}, {os.cpu_count()} cores)")
    for line in lines:
        print(f"  {line}")


def ratio(ours: float, theirs: float | None, goal: str) -> str:
    return f"no peer (goal {goal})" if not theirs else f"{ours / theirs:,.0f}x  (goal {goal})"


def reading(number: int, **more: Any) -> Event:
    return Event(type=TYPE, source="/stations/1", id=f"{number}", data={"value": number, **more})


def request(body: bytes, media: str) -> bytes:
    return (
        f"POST /services/events/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: token ann\r\n"
        f"Content-Type: {media}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


class _Poster(asyncio.Protocol):
    """Sends one request after the other on a connection; costs little beside the service."""

    def __init__(self, waiting: Iterator[bytes], done: "asyncio.Future[None]") -> None:
        self._waiting, self._done = waiting, done
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < size:
            return
        if b" 200 " not in head.partition(b"\r\n")[0]:
            self._done.set_exception(AssertionError(self._answer))
            return
        self._answer = b""
        self._next()

    def _next(self) -> None:
        following = next(self._waiting, None)
        if following is not None:
            self._transport.write(following)
        elif not self._done.done():
            self._transport.close()
            self._done.set_result(None)


async def _post_all(port: int, requests: list[bytes], connections: int) -> float:
    """Seconds to get an answer to every request."""
    waiting = iter(requests)
    loop = asyncio.get_running_loop()
    ends = [loop.create_future() for _ in range(connections)]
    began = time.perf_counter()
    for end in ends:
        await loop.create_connection(partial(_Poster, waiting, end), "127.0.0.1", port)
    await asyncio.gather(*ends)
    return time.perf_counter() - began


def test_durable_publishing(service: int, peer: Peer | None, benchmark: Any) -> None:
    theirs: list[float] = []
    single: list[float] = []
    batched: list[float] = []

    def run() -> None:
        first = time.time_ns()
        for _ in range(3):
            if peer:
                theirs.extend(peer.numbers("notify", 300))
            events = [encode_event(reading(first + n)) for n in range(8000)]
            requests = [request(event, STRUCTURED) for event in events]
            single.append(8000 / asyncio.run(_post_all(service, requests, CONNECTIONS)))
            first += 8000
            events = [encode_event(reading(first + n)) for n in range(50_000)]
            batches = [events[n : n + 500] for n in range(0, 50_000, 500)]
            requests = [request(encode_batch(batch), BATCH) for batch in batches]
            batched.append(50_000 / asyncio.run(_post_all(service, requests, 8)))
            first += 50_000

    benchmark.pedantic(run, rounds=1)
    base = statistics.median(theirs) if theirs else None
    one, many = statistics.median(single), statistics.median(batched)
    lines = [f"pyaviso 1.0.2 notify                {base or 0:>10,.0f} events/s"]
    lines += [
        f"one event a request, 64 connections {one:>10,.0f} events/s  {ratio(one, base, '50x')}"
    ]
    lines += [
        f"500 events a request                {many:>10,.0f} events/s  {ratio(many, base, '200x')}"
    ]
    show("Durable publishing over HTTP (on disk before the answer)", lines)


def _paced(port: int, count: int, pause: float) -> None:
    url = f"http://127.0.0.1:{port}/services/events/events"
    headers = {"Authorization": "token ann", "Content-Type": STRUCTURED}
    with httpx.Client(trust_env=False, headers=headers) as client:
        for _ in range(count):
            event = reading(time.time_ns(), sent=time.time())
            assert client.post(url, content=encode_event(event)).is_success
            time.sleep(pause)


def test_from_publishing_to_a_callback_elsewhere(
    service: int, peer: Peer | None, benchmark: Any
) -> None:
    theirs: list[float] = []
    ours: list[float] = []

    def run() -> None:
        for _ in range(2):
            if peer:
                listener = peer.start("listen", 20)
                assert listener.stdout is not None
                assert listener.stdout.readline() == "ready\n"
                peer.numbers("pace", 20)
                theirs.extend(map(float, listener.communicate(timeout=60)[0].split()))
            words = [sys.executable, str(HERE / "event_process.py"), "listen", str(service), "400"]
            listener = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
            assert listener.stdout is not None
            assert listener.stdout.readline() == "ready\n"
            time.sleep(0.3)
            _paced(service, 400, 0.02)
            ours.extend(map(float, listener.communicate(timeout=60)[0].split()))

    benchmark.pedantic(run, rounds=1)
    p50, p99 = _quantiles(ours)
    lines = []
    if theirs:
        late = _quantiles(theirs)
        lines.append(f"pyaviso 1.0.2, polling 1 s   p50 {late[0]:>8.1f} ms  p99 {late[1]:>8.1f} ms")
        lines.append(f"ratio of p50: {late[0] / p50:,.0f}x  (goal 300x)")
    lines.insert(
        0, f"Boathouse, 50 events/s       p50 {p50:>8.2f} ms  p99 {p99:>8.2f} ms (goal 30 ms)"
    )
    show("From publishing to a callback in another process", lines)


def _quantiles(seconds: list[float]) -> tuple[float, float]:
    ordered = sorted(seconds)
    return (
        ordered[len(ordered) // 2] * 1e3,
        ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1e3,
    )


def test_replaying_a_million(peer: Peer | None, tmp_path: Path, benchmark: Any) -> None:
    lines: list[str] = []

    def run() -> None:
        log = SqliteEventLog(tmp_path / "events.sqlite")
        began = time.perf_counter()
        for first in range(0, 1_000_000, 10_000):
            log.append([reading(n) for n in range(first, first + 10_000)])
        lines.append(f"1,000,000 events were appended in {time.perf_counter() - began:.1f} s")
        log.close()
        base = None
        if peer:
            peer.numbers("notify", 1000)
            count, spent = peer.numbers("replay", 1000)
            base = count / spent
            lines.append(f"pyaviso 1.0.2, 1,000 by date  {base:>10,.0f} events/s")
        port = free_port()
        words = [sys.executable, str(HERE / "event_process.py"), "serve",
                 str(tmp_path / "events.sqlite"), str(port)]  # fmt: skip
        process = subprocess.Popen(words)
        wait_for(port)
        for name, replay in (("pages", _pages), ("stream", _stream)):
            began = time.perf_counter()
            sequences = replay(port)
            rate = len(sequences) / (time.perf_counter() - began)
            assert len(sequences) == 1_000_000
            assert sequences == sorted(set(sequences)), "out of order"
            told = ratio(rate, base, "300x")
            lines.append(f"Boathouse over HTTP, {name:<8} {rate:>10,.0f} events/s  {told}")
        process.kill()
        process.wait()

    benchmark.pedantic(run, rounds=1)
    show("Replaying 1,000,000 events, complete and in order", lines)


def _remote(port: int) -> HttpEventLog:
    return HttpEventLog(Connection(address=f"http://127.0.0.1:{port}/", token="ann", user="ann"))


def _pages(port: int) -> list[int]:
    log, after, found = _remote(port), 0, list[int]()
    while page := log.read(after=after, limit=10_000):
        found += [event.sequence for event in page]
        after = found[-1]
    return found


def _stream(port: int) -> list[int]:
    found: list[int] = []
    for event in _remote(port).follow(after=0, timeout=20):
        found.append(event.sequence)
        if len(found) == 1_000_000:
            break
    return found


class _Subscriber(asyncio.Protocol):
    """Notes how late each event of a stream comes."""

    def __init__(self, late: list[float], wanted: int, done: "asyncio.Future[None]") -> None:
        self._late, self._left, self._done = late, wanted, done
        self._rest = b""
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._transport.write(
            b"GET /services/events/events/stream HTTP/1.1\r\nHost: localhost\r\n"
            b"Authorization: token ann\r\nAccept: text/event-stream\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        now = time.time()
        self.open = True
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            _, found, sent = line.partition(b'"sent":')
            if found:
                self._late.append(now - float(sent.partition(b"}")[0]))
                self._left -= 1
        if self._left <= 0 and not self._done.done():
            self._done.set_result(None)
            self._transport.close()


async def _subscribe(
    port: int, count: int, wanted: int, publish: Callable[[], None]
) -> list[float]:
    late: list[float] = []
    loop = asyncio.get_running_loop()
    ends = [loop.create_future() for _ in range(count)]
    subscribers: list[_Subscriber] = []
    for end in ends:
        make = partial(_Subscriber, late, wanted, end)
        subscribers.append((await loop.create_connection(make, "127.0.0.1", port))[1])
    while not all(subscriber.open for subscriber in subscribers):
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    await asyncio.gather(asyncio.to_thread(publish), *ends)
    return late


def test_a_thousand_subscribers(service: int, benchmark: Any) -> None:
    late: list[float] = []

    def run() -> None:
        wanted = 100
        late.extend(
            asyncio.run(_subscribe(service, 1000, wanted, lambda: _paced(service, wanted, 0.05)))
        )

    benchmark.pedantic(run, rounds=1)
    p50, p99 = _quantiles(late)
    assert len(late) == 100_000
    show(
        "1,000 subscribers to one stream, 20 events/s; the reading process shares the two cores",
        [f"p50 {p50:.1f} ms, p99 {p99:.1f} ms (goal 100 ms); {len(late):,} of 100,000 came"],
    )
