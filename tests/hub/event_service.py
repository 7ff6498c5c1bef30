"""The event service in a thread of its own, for tests that speak to it over HTTP."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from boathouse.catalogs.access import Reader
from boathouse.catalogs.events.event import Event
from boathouse.catalogs.events.remote import HttpEventLog
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.catalogs.lake import Connection
from boathouse.hub.services.application import Server
from boathouse.hub.services.events import build_application

PREFIX = "/services/events/"
TOKENS = {
    "ann-token": Reader(name="ann", groups=("crew",)),
    "bob-token": Reader(name="bob"),
    "catalog-token": Reader(name="catalog", admin=True),
    # A station that may only tell of one collection, and one that may only listen.
    "station-token": Reader(name="station", scopes=("custom:events:publish:sst",)),
    "listener-token": Reader(name="listener", scopes=()),
}


class Service:
    """The service in a thread of its own, on a port that stays across restarts."""

    def __init__(self, path: Path, **more: Any) -> None:
        self.path = path
        self.more = more
        self.tokens = dict(TOKENS)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    async def identify(self, token: str) -> Reader | None:
        return self.tokens.get(token)

    def start(self) -> None:
        self.log = SqliteEventLog(self.path)
        application = build_application(self.log, self.identify, PREFIX, heartbeat=0.2, **self.more)
        self.server = Server(application, port=self.port)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        until(lambda: self.server.started)

    def stop(self) -> float:
        began = time.monotonic()
        self.server.should_exit = True
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.log.close()
        return time.monotonic() - began

    def connection(self, user: str) -> Connection:
        return Connection(
            address=f"http://127.0.0.1:{self.port}/", token=f"{user}-token", user=user
        )

    def log_of(self, user: str) -> HttpEventLog:
        return HttpEventLog(self.connection(user))

    def ask(self, method: str, path: str = "", user: str = "ann", **more: Any) -> httpx.Response:
        headers = {"Authorization": f"token {user}-token", **more.pop("headers", {})}
        url = f"http://127.0.0.1:{self.port}{PREFIX}{path}"
        return httpx.request(method, url, headers=headers, trust_env=False, **more)

    @contextmanager
    def streaming(self, user: str = "ann", **more: Any) -> Iterator[httpx.Response]:
        headers = {"Authorization": f"token {user}-token", **more.pop("headers", {})}
        url = f"http://127.0.0.1:{self.port}{PREFIX}events/stream"
        with httpx.stream("GET", url, headers=headers, timeout=10, **more) as response:
            yield response


def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not come to pass"
        time.sleep(0.01)


def ping(id: str = "1", **attributes: Any) -> Event:
    return Event(**{"type": "org.example.ping", "source": "/me", "id": id, **attributes})
