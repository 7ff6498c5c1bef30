"""The service is killed twenty times while events are published, followed and worked off."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from boathouse.catalogs import http
from boathouse.catalogs.errors import Conflict
from boathouse.catalogs.events.event import Event
from boathouse.catalogs.events.remote import HttpEventLog
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.catalogs.lake import Connection

from .event_service import PREFIX, ping

KILLS = 20
PUBLISHERS = 4

# Loads everything once, then makes a service whenever it is told to: a start takes some
# milliseconds, so that twenty of them fit into a test.
MAKER = f"""
import os, signal, sys
from pathlib import Path
from boathouse.catalogs.access import Reader
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.hub.services.application import Server
from boathouse.hub.services.events import build_application

async def identify(token):
    return Reader(name=token)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        log = SqliteEventLog(sys.argv[1])
        application = build_application(log, identify, {PREFIX!r}, state=Path(sys.argv[1]).parent)
        Server(application, port=int(sys.argv[2])).run()
        os._exit(0)
    print(pid, flush=True)
"""


class Mortal:
    """A service in a process of its own, of which there is always another one."""

    def __init__(self, path: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.maker = subprocess.Popen(
            [sys.executable, "-c", MAKER, str(path), str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self.make()

    def make(self) -> int:
        assert self.maker.stdin
        assert self.maker.stdout
        self.maker.stdin.write("\n")
        self.maker.stdin.flush()
        return int(self.maker.stdout.readline())

    def kill(self) -> None:
        self._end()
        self.pid = self.make()

    def _end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        # Its port is free when it has gone.
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(self.pid, 0)
                time.sleep(0.002)

    def close(self) -> None:
        self._end()
        assert self.maker.stdin
        assert self.maker.stdout
        self.maker.stdin.close()
        self.maker.stdout.close()
        self.maker.wait(10)
        # What is left of the connections to those that were killed.
        http._clients.pop(os.getpid()).close()

    def log(self) -> HttpEventLog:
        address = f"http://127.0.0.1:{self.port}/"
        return HttpEventLog(Connection(address=address, token="ann", user="ann"))


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Mortal]:
    made = Mortal(tmp_path / "events.sqlite")
    yield made
    made.close()


def test_twenty_kills_lose_and_double_nothing(mortal: Mortal, tmp_path: Path):
    acknowledged: dict[str, int] = {}
    followed: list[Event] = []
    done: dict[str, int] = {}
    ending = threading.Event()
    following = mortal.log().follow(after=0)
    consumer = mortal.log().consume("worker", after=0, lease=1.0)

    def publish(source: int) -> None:
        log, n = mortal.log(), 0
        while not ending.is_set():
            events = [ping(f"{source}-{n}-{m}") for m in range(3)]
            # Repeats itself after a kill: the same (source, id) is stored once.
            for event, number in zip(events, log.append(events), strict=True):
                acknowledged[event.id] = number
            n += 1

    def follow() -> None:
        for event in following:
            followed.append(event)
            if event.id == "last":
                return

    def work() -> None:
        # What was leased to an answer that a kill ate falls due again, after "last" even.
        while "last" not in done or consumer.state().behind:
            taken = consumer.take(50, wait=0.5)
            for each in taken:
                done[each.event.id] = done.get(each.event.id, 0) + 1
            # The lease of a killed service's answer may have run out: then it comes again.
            with contextlib.suppress(Conflict):
                consumer.done(*taken)

    publishers = [threading.Thread(target=publish, args=(n,)) for n in range(PUBLISHERS)]
    others = [threading.Thread(target=follow), threading.Thread(target=work)]
    for thread in (*publishers, *others):
        thread.start()
    chance = random.Random()
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.05, 0.35))
        mortal.kill()
    ending.set()
    for thread in publishers:
        thread.join(30)
        assert not thread.is_alive()
    (acknowledged["last"],) = mortal.log().append([ping("last")])
    for thread in others:
        thread.join(30)
        assert not thread.is_alive()

    following.close()
    log = SqliteEventLog(tmp_path / "events.sqlite")
    stored = {event.id: event.sequence for event in log.follow(after=0, timeout=0)}
    log.close()
    assert len(acknowledged) > 100
    assert stored == acknowledged  # each once, where it was said
    assert [event.sequence for event in followed] == sorted(acknowledged.values())
    assert set(done) == set(acknowledged)
