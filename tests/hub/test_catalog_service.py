"""The catalog service for real: uvicorn on a free port, two users, restarts, the replay clock."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import xarray as xr
from starlette.applications import Starlette
from starlette.routing import Mount

from boathouse.catalogs.access import Reader
from boathouse.catalogs.demo import build
from boathouse.catalogs.errors import (
    BadRequest,
    BadStep,
    Conflict,
    Forbidden,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from boathouse.catalogs.events.remote import HttpEventLog
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.catalogs.lake import Connection, Lake, connect_lake
from boathouse.catalogs.pools import create_pool, open_pool
from boathouse.catalogs.publish import publish
from boathouse.catalogs.reader import open_catalog
from boathouse.catalogs.records import Collection, Record
from boathouse.catalogs.remote_store import HttpStore
from boathouse.catalogs.sqlite_store import SqliteStore
from boathouse.hub.services import catalog, events
from boathouse.hub.services.application import Server

TOKENS = {
    "ann-token": Reader(name="ann", groups=("crew",)),
    "bob-token": Reader(name="bob", groups=("crew",)),
    "eve-token": Reader(name="eve"),
    "catalog-token": Reader(name="catalog", admin=True),
    "replay-token": Reader(name="replay", admin=True),
}


async def identify(token: str) -> Reader | None:
    return TOKENS.get(token)


class Hub:
    """The two services behind one address, as the hub's proxy shows them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / ".boathouse"
        self.state.mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def start(self) -> None:
        log = SqliteEventLog(self.state / "events.sqlite")
        mine = self.connection("catalog")
        relay = HttpEventLog(mine)
        self.store = SqliteStore(self.state / "catalog.sqlite", log=relay)
        lake = Lake(self.root, self.store, relay, user="catalog", connection=mine)
        applications = [
            events.build_application(log, identify, "/services/events/"),
            catalog.build_application(self.store, identify, "/services/catalog/", lake=lake),
        ]

        @contextlib.asynccontextmanager
        async def lifespan(_: Starlette) -> Any:
            async with contextlib.AsyncExitStack() as stack:
                for each in applications:
                    await stack.enter_async_context(each.router.lifespan_context(each))
                yield
            log.close()

        async def dispatch(scope: Any, receive: Any, send: Any) -> None:
            which = 1 if scope["path"].startswith("/services/catalog/") else 0
            await applications[which](scope, receive, send)

        application = Starlette(routes=[Mount("/", app=dispatch)], lifespan=lifespan)
        application.state.stopping = asyncio.Event()
        self.server = Server(application, port=self.port)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        until(lambda: self.server.started)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(15)
        assert not self.thread.is_alive()

    def connection(self, user: str) -> Connection:
        return Connection(
            address=f"http://127.0.0.1:{self.port}/", token=f"{user}-token", user=user
        )

    def lake(self, user: str, job: str = "") -> Lake:
        return connect_lake(self.root, self.connection(user), job=job)

    def ask(self, method: str, path: str, token: str | None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"token {token}"} if token else {}
        url = f"http://127.0.0.1:{self.port}/services/catalog/{path}"
        return httpx.request(method, url, headers=headers, **more)


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not come to pass"
        time.sleep(0.02)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    made = Hub(tmp_path / "lake")
    made.start()
    yield made
    made.stop()


def step(hour: int, units: str = "K") -> xr.Dataset:
    values = np.full((1, 3, 4), hour, "f4")
    return xr.Dataset(
        {"t2m": (("time", "latitude", "longitude"), values, {"units": units})},
        {
            "time": [np.datetime64("2019-03-01", "ns") + np.timedelta64(hour, "h")],
            "latitude": [52.0, 51.0, 50.0],
            "longitude": [0.0, 1.0, 2.0, 3.0],
        },
    )


def ids(lake: Lake) -> list[str]:
    return [face.id for face in lake.store.collections()]


def test_publish_put_and_open_over_http(hub: Hub) -> None:
    ann = hub.lake("ann", job="job-1")
    pool = create_pool("fresh", template=step(0), step="1h", window=3, lake=ann)
    for hour in range(5):
        (item,) = pool.put(step(hour)).items
    assert ann.store.item("fresh", "20190301T0400Z").snapshot == item.snapshot
    publish(step(0), "cut", licence="CC0-1.0", derived_from=["fresh"], access="public", lake=ann)
    bob = hub.lake("bob")
    assert list(open_catalog(bob)) == ["cut", "fresh"]
    assert open_catalog(bob)["fresh"].to_dask()["t2m"].values[:, 0, 0].tolist() == [2, 3, 4]
    assert [link.href for link in bob.store.item("cut", "job-1").links] == [
        "/collections/fresh",
        "/jobs/job-1",
    ]
    assert [item.id for item in bob.store.items("fresh")] == [
        f"20190301T0{hour}00Z" for hour in (4, 3, 2)
    ]
    assert len(bob.store.items(limit=2)) == 2
    until(lambda: len(bob.log.read()) == 6)
    assert [event.owner for event in bob.log.read()] == ["ann"] * 6


def test_who_sees_what_over_http(hub: Hub) -> None:
    ann, bob, eve = (hub.lake(user) for user in ("ann", "bob", "eve"))
    for access in ("public", "private", "group:crew"):
        name = access.replace("group:", "")
        publish(step(0), name, licence="CC0-1.0", access=access, lake=ann)
    assert ids(ann) == ["crew", "private", "public"]
    assert ids(bob) == ["crew", "public"]
    assert ids(eve) == ["public"]
    assert {item.collection for item in eve.store.items()} == {"public"}
    for ask in (
        lambda: eve.store.collection("private"),
        lambda: eve.store.items("private"),
        lambda: eve.store.item("private", "x"),
        lambda: open_catalog(eve)["private"],
    ):
        with pytest.raises(NotFound):
            ask()
    until(lambda: len(ann.log.read()) == 3)
    assert {event.collection for event in eve.log.read()} == {"public"}


def test_nobody_writes_for_another(hub: Hub) -> None:
    ann, bob = hub.lake("ann"), hub.lake("bob")
    pool = create_pool("fresh", template=step(0), step="1h", window=3, access="public", lake=ann)
    pool.put(step(0))
    before = ann.store.collection("fresh")
    with pytest.raises(Forbidden, match="in the name of 'ann'"):
        open_pool("fresh", bob).put(step(1))
    assert ann.store.collection("fresh") == before
    # What bob tried is gone, also for those who come after.
    pool.put(step(2))
    assert pool.open()["t2m"].values[:, 0, 0].tolist() == [0, 2]
    with pytest.raises(Conflict):
        publish(step(0), "fresh", licence="CC0-1.0", lake=bob)
    publish(step(0), "hidden", licence="CC0-1.0", lake=ann)
    with pytest.raises(Conflict, match="taken by another owner"):
        publish(step(0), "hidden", licence="CC0-1.0", lake=bob)
    assert not (hub.root / "results" / "bob" / "hidden").exists()
    # A service may: the replay clock feeds pools that are not its own.
    open_pool("fresh", hub.lake("replay")).put(step(3))
    assert ann.store.collection("fresh").owner == "ann"


ROUTES = [
    ("GET", "collections"),
    ("GET", "collections/x"),
    ("GET", "collections/x/items"),
    ("GET", "collections/x/items/y"),
    ("GET", "items"),
    ("POST", "records"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("token", [None, "stolen"])
def test_no_route_without_a_token(hub: Hub, method: str, path: str, token: str | None) -> None:
    answer = hub.ask(method, path, token, content=b"{}" if method == "POST" else None)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_bad_input_is_a_problem(hub: Hub) -> None:
    for path in ("items?limit=0", "items?limit=x", "items?limit=1000000"):
        answer = hub.ask("GET", path, "ann-token")
        assert (answer.status_code, answer.json()["field"]) == (400, "limit")
    answer = hub.ask("POST", "records", "ann-token", content=b'{"collection": 3}')
    assert answer.status_code == 400
    assert "collection" in answer.json()["detail"]
    assert hub.ask("GET", "collections/..%2Fup", "ann-token").status_code == 404
    store = HttpStore(hub.connection("ann"))
    face = Collection(id="x", title="", kind="cube", location="results/bob/x", owner="ann")
    with pytest.raises(BadRequest) as caught:
        store.record(Record(collection=face))
    assert caught.value.field == "location"
    with pytest.raises(BadRequest, match="as the token's user only"):
        store.collections(reader=Reader(name="eve"))
    with pytest.raises(Unauthenticated):
        HttpStore(hub.connection("nobody")).collections()


def test_a_step_in_wrong_units_is_told_and_the_pool_goes_on(hub: Hub) -> None:
    pool = create_pool("fresh", template=step(0), step="1h", window=3, lake=hub.lake("ann"))
    with pytest.raises(BadStep, match="'t2m' is in 'degC'; the pool keeps it in 'K'"):
        pool.put(step(0, units="degC"))
    pool.put(step(0))


def test_a_put_outlives_a_restart_of_the_catalog(hub: Hub) -> None:
    pool = create_pool("fresh", template=step(0), step="1h", window=9, lake=hub.lake("ann"))
    pool.put(step(0))
    hub.stop()
    arrivals: list[Any] = []
    putting = threading.Thread(target=lambda: arrivals.append(pool.put(step(1))))
    putting.start()
    time.sleep(0.5)
    hub.start()
    putting.join(20)
    assert [item.id for item in arrivals[0].items] == ["20190301T0100Z"]
    assert pool.open().sizes["time"] == 2


def test_a_commit_that_nobody_announced_appears_after_the_start(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = hub.lake("ann")
    pool = create_pool("fresh", template=step(0), step="1h", window=9, lake=ann)

    def unreachable(_: Record) -> None:
        raise Unavailable("the catalog went away between commit and record")

    with monkeypatch.context() as patch:
        patch.setattr(ann.store, "record", unreachable)
        with pytest.raises(Unavailable):
            pool.put(step(0))
    assert pool.open().sizes["time"] == 0
    hub.stop()
    hub.start()
    until(lambda: pool.open().sizes["time"] == 1)
    until(lambda: len(ann.log.read()) == 1)
    # The user tries again, as told: nothing is doubled.
    assert pool.put(step(0)).items == ()
    assert len(ann.log.read()) == 1


def test_the_replay_clock_feeds_the_pool(hub: Hub) -> None:
    owner = Lake(
        hub.root,
        hub.store,
        HttpEventLog(hub.connection("catalog")),
        user=build.OWNER,
    )
    build._build(owner, build.DEMO[0])
    build._create_pool(owner)
    environment = {
        **os.environ,
        "BOATHOUSE_LAKE": str(hub.root),
        "BOATHOUSE_ADDRESS": f"http://127.0.0.1:{hub.port}/",
        "JUPYTERHUB_API_TOKEN": "replay-token",
        "JUPYTERHUB_SERVICE_NAME": "replay",
        "BOATHOUSE_REPLAY_SECONDS": "0.2",
    }
    command = [sys.executable, "-m", "boathouse.hub.services.replay"]
    pool = open_pool(build.POOL, hub.lake("ann"))
    for death in (signal.SIGKILL, signal.SIGTERM):
        before = pool.open().sizes["time"]
        clock = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        until(lambda before=before: pool.open().sizes["time"] >= before + 3)
        clock.send_signal(death)
        _, said = clock.communicate(timeout=20)
        assert clock.returncode == (-9 if death == signal.SIGKILL else 0), said
        assert "put 2006" in said
        assert "replay-token" not in said
    opened = pool.open()
    source = open_catalog(hub.lake("ann"))["ostia-sst"].to_dask()
    np.testing.assert_array_equal(opened["sst"], source["sst"][: opened.sizes["time"]])
    assert pool.info().owner == "boathouse"
    until(lambda: len(hub.lake("eve").log.read()) == opened.sizes["time"] + 1)
