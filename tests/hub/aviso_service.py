"""Aviso's paths over a log, in a thread of their own, for the real client."""

import os
import socket
import subprocess
import sysconfig
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pyaviso
from starlette.applications import Starlette

from boathouse.catalogs.access import Reader
from boathouse.catalogs.events.schema import SchemaRegistry
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.hub.services.application import Server, service_application
from boathouse.hub.services.aviso import AvisoRoutes
from boathouse.hub.services.aviso_streams import AvisoSubscriber
from boathouse.hub.services.streams import Broadcast

PREFIX = "/services/events/"
SCHEMAS = """
notification_schema:
  flight:
    topic: {base: flight, key_order: [country, number, date]}
    identifier:
      country: {type: EnumHandler, values: [it, uk, NO], required: false}
      number: {type: IntHandler, range: [0, 100000], required: false}
      date: {type: DateHandler, required: false}
    payload: {required: false}
  storm:
    topic: {base: storm, key_order: [severity]}
    identifier:
      severity: {type: FloatHandler, range: [0, 10], required: true}
      polygon: {type: PolygonHandler, required: false}
    payload: {required: true}
  crewed:
    topic: {base: crewed, key_order: [n]}
    identifier: {n: {type: IntHandler, required: false}}
    auth: {required: true, read_roles: {hub: [crew, rescue]}, write_roles: {hub: [crew]}}
"""
READERS = {
    "ann-token": Reader(name="ann", groups=("crew",)),
    "bob-token": Reader(name="bob"),
    "rob-token": Reader(name="rob", groups=("rescue",)),
    "root-token": Reader(name="root", admin=True),
    "deaf-token": Reader(name="deaf", scopes=()),
}


class AvisoService:
    """The service on a port that stays across restarts."""

    def __init__(self, folder: Path, schemas: str = SCHEMAS) -> None:
        self.folder = folder
        (folder / "schemas").mkdir()
        if schemas:
            (folder / "schemas" / "aviso.yaml").write_text(schemas)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}{PREFIX}"
        headers = {"Authorization": "Bearer bob-token"}
        self.session = httpx.Client(headers=headers, trust_env=False)

    async def identify(self, token: str) -> Reader | None:
        return READERS.get(token)

    @asynccontextmanager
    async def lifespan(self, _application: Starlette) -> AsyncIterator[None]:
        stop = self.broadcast.start()
        try:
            yield
        finally:
            await stop()

    def start(self) -> None:
        self.log = SqliteEventLog(self.folder / "events.sqlite")
        self.registry = SchemaRegistry(self.folder / "schemas")
        self.log.schemas = self.registry
        self.broadcast = Broadcast(self.log, heartbeat=0.2)
        aviso = AvisoRoutes(self.log, self.registry, self.broadcast, state=self.folder / "aviso")
        application = service_application(
            aviso.routes(), identify=self.identify, prefix=PREFIX, lifespan=self.lifespan
        )
        self.server = Server(application, port=self.port)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        until(lambda: self.server.started)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.log.close()
        self.session.close()

    def client(self, user: str = "ann", **more: Any) -> pyaviso.AvisoClient:
        return pyaviso.AvisoClient(
            base_url=self.url, auth=pyaviso.Bearer(f"{user}-token"), timeout=10, **more
        )

    def ask(self, method: str, path: str, user: str = "ann", **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {user}-token", **more.pop("headers", {})}
        return httpx.request(method, self.url + path, headers=headers, trust_env=False, **more)

    def listeners(self) -> int:
        """How many streams are open."""
        return sum(isinstance(each, AvisoSubscriber) for each in self.broadcast.subscribers)

    def command(
        self, *words: str, user: str = "ann", home: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run Aviso's own command line."""
        return subprocess.run(
            [*self.words(*words)],
            env=self.environment(user, home),
            capture_output=True,
            text=True,
            timeout=30,
        )

    def words(self, *words: str) -> list[str]:
        return [str(Path(sysconfig.get_path("scripts")) / "aviso"), *words]

    def environment(self, user: str, home: Path) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AVISO_BASE_URL": self.url,
            "AVISO_TOKEN": f"{user}-token",
        }


def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not come to pass"
        time.sleep(0.01)


def numbers(notifications: Any) -> list[int]:
    return [each.sequence for each in notifications]
