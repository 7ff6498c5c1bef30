"""Fixtures of the dashboard's tests: the real application on port 0, over a lake in process.

==========  =====================================================================
lake        an open lake: the pool ``air-fresh`` of three steps, the result ``plume``
desk        a Desk: the served dashboard; ``url``, ``lake``, ``gate``, ``dashboard``,
            ``put(step)``, ``job(id)``, ``progress``, ``finish``, ``notebook``,
            ``enter(page, name)``, ``run(awaitable)``
serve_desk  serve_desk(gate) -> one more Desk, with a Gate of its own
==========  =====================================================================
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from tornado.ioloop import IOLoop
from tornado.web import RequestHandler

from boathouse.catalogs.access import Reader
from boathouse.catalogs.lake import Lake, open_lake
from boathouse.catalogs.pools import create_pool, open_pool
from boathouse.catalogs.publish import publish
from boathouse.hub.dashboard.feed import Follower
from boathouse.hub.dashboard.identity import Gate
from boathouse.hub.dashboard.page import Site
from boathouse.hub.dashboard.server import Dashboard, make_server
from boathouse.hub.dashboard.session import Session, Visitor
from boathouse.workflows.jobs import Job
from boathouse.workflows.local import LocalAutomation, open_automation

PREFIX = "/services/dashboard"


def air(step: int) -> xr.Dataset:
    """Step ``step`` of a six-hourly field over North America, in K."""
    latitude, longitude = np.linspace(70, 20, 21), np.linspace(-150, -50, 41)
    warmth = 300 - 0.6 * np.abs(latitude)[:, None] + 5 * np.sin(longitude / 15 + step)[None, :]
    return xr.Dataset(
        {
            "air": (
                ("time", "latitude", "longitude"),
                warmth[None].astype("f4"),
                {"units": "K", "long_name": "air temperature"},
            )
        },
        {
            "time": pd.date_range("2024-01-01", periods=1, freq="6h")
            + pd.Timedelta(hours=6 * step),
            "latitude": ("latitude", latitude, {"units": "degrees_north"}),
            "longitude": ("longitude", longitude, {"units": "degrees_east"}),
        },
    )


def plume() -> xr.Dataset:
    """Five members, four months, two levels on a coarse globe."""
    values = np.random.default_rng(3).normal(280, 3, (5, 4, 2, 9, 18)).astype("f4")
    return xr.Dataset(
        {"t": (("number", "time", "level", "latitude", "longitude"), values, {"units": "K"})},
        {
            "number": np.arange(5),
            "time": pd.date_range("2011-08-16", periods=4, freq="MS"),
            "level": ("level", [500, 850], {"units": "hPa"}),
            "latitude": ("latitude", np.linspace(80, -80, 9), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(0, 360, 20), {"units": "degrees_east"}),
        },
    )


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = open_lake(tmp_path / "lake", user="ann")
    pool = create_pool(
        "air-fresh", template=air(0), window=8, step="6h", title="Fresh air", lake=opened
    )
    for step in range(3):
        pool.put(air(step))
    publish(plume(), "plume", licence="CC0-1.0", title="A plume", access="public", lake=opened)
    yield opened
    opened.close()


class KnownGate(Gate):
    """Lets in whom the cookie ``who`` names, as long as he is among ``visitors``."""

    def __init__(self) -> None:
        self.visitors = {
            name: Visitor(reader=Reader(name=name, groups=("crew",))) for name in ("ann", "bob")
        }
        super().__init__(prefix=PREFIX, secret="s" * 40)

    async def admit(self, handler: RequestHandler) -> Visitor | None:
        return self.visitors.get(handler.get_cookie("who") or "")

    async def still(self, visitor: Visitor) -> Visitor | None:
        return self.visitors.get(visitor.reader.name)


class Desk:
    """The served dashboard and what lies behind it."""

    def __init__(self, lake: Lake, gate: Gate | None = None) -> None:
        self.lake = lake
        self.automation: LocalAutomation = open_automation(lake)
        self.ledger = self.automation._ledger
        self.gate: Any = gate or KnownGate()
        self.dashboard = Dashboard(
            gate=self.gate,
            open_session=self._session,
            follower=Follower(lake.log, patience=0.3, retry=0.3),
            site=Site(home="/hub/home", lab="/hub/user-redirect/lab", logout="/hub/logout"),
        )
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(60), "the dashboard did not start"
        self.dashboard.follower.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}{PREFIX}/"

    def _session(self, visitor: Visitor) -> Session:
        return Session(visitor.reader, self.lake, self.automation, own_lake=False)

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        self.loop = IOLoop.current()
        self.server = make_server(self.dashboard, loop=self.loop)
        self.server.start()
        self.loop.add_callback(ready.set)
        self.loop.start()
        self.loop.close(all_fds=True)

    def stop(self) -> None:
        self.dashboard.follower.stop()
        self.loop.add_callback(self._stop_here)
        self._thread.join(20)
        self.dashboard.pool.shutdown()
        self.automation.close()

    def _stop_here(self) -> None:
        self.server.stop()
        self.loop.stop()

    def run(self, work: Any) -> Any:
        """Await something on the dashboard's loop and give its answer."""

        async def waited() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(waited(), self.loop.asyncio_loop).result(30)

    def put(self, step: int) -> None:
        open_pool("air-fresh", self.lake).put(air(step))

    def job(self, id: str, owner: str = "ann") -> Job:
        """A job whose first attempt a worker has just claimed."""
        job = Job(id=id, recipe="mean-over-shape", parameters={"dataset": "air-fresh"}, owner=owner)
        self.ledger.insert(job)
        self.ledger.begin(id)
        assert self.ledger.claim(id, 1)
        return self._relayed(id)

    def progress(self, id: str, done: int, total: int, message: str = "") -> Job:
        assert self.ledger.progress(id, 1, done=done, total=total, message=message)
        return self._relayed(id)

    def finish(self, id: str, *, error: str = "", results: tuple[str, ...] = ()) -> Job:
        assert self.ledger.finish(id, 1, error=error, results=results)
        return self._relayed(id)

    def _relayed(self, id: str) -> Job:
        """Announce what the ledger wrote, as the engine does."""
        for number, event in self.ledger.pending(100):
            self.lake.log.append([event])
            self.ledger.sent(number)
        return self.ledger.job(id)

    def notebook(self, id: str, document: dict[str, Any]) -> None:
        """Keep an executed notebook for the job."""
        path = self.lake.root / "runs" / id / "notebook.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(msgspec.json.encode(document))

    def enter(self, page: Any, name: str = "ann", query: str = "") -> None:
        """Open the dashboard as somebody and wait until it is alive."""
        page.context.add_cookies([{"name": "who", "value": name, "url": self.url}])
        page.goto(self.url + query)
        page.get_by_role("list", name="Catalog").wait_for(state="attached", timeout=60_000)


@pytest.fixture
def serve_desk(lake: Lake) -> Iterator[Callable[..., Desk]]:
    served: list[Desk] = []

    def serve(gate: Gate | None = None) -> Desk:
        served.append(Desk(lake, gate))
        return served[-1]

    yield serve
    for desk in served:
        desk.stop()


@pytest.fixture
def desk(serve_desk: Callable[..., Desk]) -> Desk:
    return serve_desk()
