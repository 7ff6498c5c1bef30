"""Fixtures of the tests of services.

============== ========= ===================================================================
fixture        scope     gives
============== ========= ===================================================================
extract_hub    module    an ExtractHub: the catalog, automation and extraction services behind
                         one address, on a lake with a few collections of ann's
============== ========= ===================================================================
"""

import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import xarray as xr
from distributed import Client, LocalCluster
from starlette.applications import Starlette
from starlette.routing import Mount

from boathouse.catalogs.access import Reader
from boathouse.catalogs.lake import Connection, Lake, connect_lake, open_lake
from boathouse.catalogs.pools import create_pool
from boathouse.catalogs.publish import publish
from boathouse.hub.plans import Plan, plan_of
from boathouse.hub.services import automation, catalog, extract
from boathouse.hub.services.application import Server
from boathouse.workflows.engine import Engine
from boathouse.workflows.executor import Executor
from boathouse.workflows.jobs import Job
from boathouse.workflows.ledger import Ledger
from boathouse.workflows.local import LocalAutomation
from boathouse.workflows.recipes import Shelf

READERS = {
    "ann-token": Reader(name="ann", groups=("scaler",)),
    "bob-token": Reader(name="bob"),
    "cat-token": Reader(name="cat", groups=("tiny",)),
}


TINY = Plan(
    name="tiny",
    extract_points=1_000,
    extract_bytes=100_000,
    job_points=20_000,
    job_bytes=1_000_000,
)


def plans(groups: Iterable[str]) -> Plan:
    """As the hub's, and one that is reached soon."""
    return TINY if "tiny" in groups else plan_of(groups)


def until(what: Callable[[], Any], *, seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


class OwnCluster(Executor):
    """One Dask cluster for all, whose workers speak to the hub with the owner's token."""

    def __init__(self, lake: Path, client: Client) -> None:
        super().__init__(lake)
        self._client = client
        self.address = ""

    def client(self, job: Job) -> Client:
        return self._client

    def connection(self, job: Job) -> Connection:
        return Connection(address=self.address, token=f"{job.owner}-token", user=job.owner)


class ExtractHub:
    """Three services behind one address, as a hub's proxy has them."""

    def __init__(self, lake: Lake, client: Client) -> None:
        self.lake = lake
        self._executor = OwnCluster(lake.root, client)
        self.data = sample()

    async def identify(self, token: str) -> Reader | None:
        return READERS.get(token)

    async def identify_reader(self, token: str) -> Reader | None:
        """Knows fay too, whose token may see the catalog but start no job."""
        return Reader(name="fay") if token == "fay-token" else await self.identify(token)

    async def identify_here(self, token: str) -> Reader | None:
        """Knows dan too, whose token is for the extraction service alone."""
        return Reader(name="dan") if token == "dan-token" else await self.identify_reader(token)

    def start(self) -> None:
        ledger, shelf, state = (
            Ledger(self.lake.state / "automation.sqlite"),
            Shelf(),
            self.lake.state,
        )
        engine = Engine(
            ledger, log=self.lake.log, shelf=shelf, executor=self._executor, state=state
        )
        local = LocalAutomation(
            ledger, engine, shelf=shelf, log=self.lake.log, root=self.lake.root, user="automation"
        )
        # Known before the server is: the extraction service calls the others there.
        self.server: Server
        parts: list[Starlette] = [automation.build_application(local, self.identify)]
        catalogue = catalog.build_application(self.lake.store, self.identify_reader)

        @contextlib.asynccontextmanager
        async def lifespan(_application: Starlette) -> AsyncIterator[None]:
            async with contextlib.AsyncExitStack() as stack:
                for each in parts:
                    await stack.enter_async_context(each.router.lifespan_context(each))
                yield

        application = Starlette(
            routes=[
                Mount("/services/automation", parts[0]),
                Mount("/services/catalog", catalogue),
            ],
            lifespan=lifespan,
        )
        application.state.stopping = parts[0].state.stopping
        port = free_port()
        self.address = self._executor.address = f"http://127.0.0.1:{port}/"
        parts.append(
            extract.build_application(
                self.lake.root, self.identify_here, "/", address=self.address, plans=plans
            )
        )
        application.router.routes.append(Mount("/services/extract", parts[1]))
        self.server = Server(application, port=port)
        self._thread = threading.Thread(target=self.server.run)
        self._thread.start()
        until(lambda: self.server.started)

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()

    def of(self, user: str) -> Lake:
        connection = Connection(address=self.address, token=f"{user}-token", user=user)
        return connect_lake(self.lake.root, connection)

    def ask(
        self, path: str, user: str = "ann", *, method: str = "GET", **more: Any
    ) -> httpx.Response:
        """Ask the extraction service; the path may be a whole address of any service."""
        headers = {"Authorization": f"token {user}-token", **more.pop("headers", {})}
        url = path if path.startswith("http") else f"{self.address}services/extract/{path}"
        return httpx.request(method, url, headers=headers, timeout=60, trust_env=False, **more)


def free_port() -> int:
    from boathouse.hub import layout

    return layout.free_port()


def sample() -> xr.Dataset:
    """Two variables over time, level, latitude and longitude, each value another."""
    times = np.datetime64("2019-03-01", "ns") + np.arange(8) * np.timedelta64(6, "h")
    dims = {"time": 8, "level": 3, "latitude": 19, "longitude": 36}
    values = np.arange(8 * 3 * 19 * 36, dtype="f4").reshape(tuple(dims.values()))
    return xr.Dataset(
        {
            "t": (tuple(dims), values, {"units": "K", "long_name": "temperature"}),
            "u": (tuple(dims), -values, {"units": "m s-1", "standard_name": "eastward_wind"}),
        },
        {
            "time": times,
            "level": (
                "level",
                [1000.0, 850.0, 500.0],
                {"units": "hPa", "standard_name": "air_pressure", "positive": "down"},
            ),
            "latitude": ("latitude", np.arange(90.0, -91, -10), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(0.0, 360, 10), {"units": "degrees_east"}),
        },
    )


@pytest.fixture(scope="module")
def extract_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExtractHub]:
    lake = open_lake(tmp_path_factory.mktemp("lake"), user="hub")
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=2,
            processes=False,
            protocol="tcp",
            host="127.0.0.1",
            dashboard_address=":0",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        hub = ExtractHub(lake, client)
        hub.start()
        fill(hub)
        yield hub
        hub.stop()
    lake.close()


def fill(hub: ExtractHub) -> None:
    """Publish ``winds`` (public), ``secret`` (ann's), ``members``, ``table``, a pool ``fresh``."""
    ann, data = hub.of("ann"), hub.data
    publish(data, "winds", licence="CC0-1.0", title="Winds", access="public", lake=ann)
    publish(data[["t"]], "secret", licence="CC0-1.0", lake=ann)
    members = data[["t"]].isel(level=0, drop=True).expand_dims(member=[1, 2])
    publish(members, "members", licence="CC0-1.0", access="public", lake=ann)
    table = xr.Dataset({"n": ("row", [1.0, 2.0, 3.0], {"units": "1"})}, {"row": [7, 8, 9]})
    publish(table, "table", licence="CC0-1.0", access="public", lake=ann)
    steps = data[["t"]].isel(level=0, drop=True)
    pool = create_pool(
        "fresh", template=steps.isel(time=[0]), step="6h", window=4, access="public", lake=ann
    )
    for number in range(3):
        pool.put(steps.isel(time=[number]))
