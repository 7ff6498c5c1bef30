"""The automation service for real: uvicorn on a free port, HttpAutomation, workers over HTTP."""

import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from distributed import Client, LocalCluster
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from boathouse.catalogs.access import Reader
from boathouse.catalogs.errors import (
    BadParameter,
    BadRequest,
    Forbidden,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.lake import Connection, Lake, open_lake
from boathouse.hub.services import automation as service
from boathouse.hub.services import catalog as catalog_service
from boathouse.hub.services.application import Server
from boathouse.hub.services.clusters import TOKEN_SCOPES, HubUsers
from boathouse.workflows.engine import Engine
from boathouse.workflows.executor import Executor
from boathouse.workflows.jobs import ENDED, Job, Schedule
from boathouse.workflows.ledger import Ledger
from boathouse.workflows.local import LocalAutomation
from boathouse.workflows.recipes import Shelf
from boathouse.workflows.remote import HttpAutomation
from boathouse.workflows.rules.model import NotebookAction, Rule

TOKENS = {
    "ann-token": Reader(name="ann"),
    "bob-token": Reader(name="bob"),
    "admin-token": Reader(name="dashboard", admin=True),
}
RECIPE = """{"cells": [
 {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Note"},
 {"cell_type": "code", "id": "b", "metadata": {"tags": ["parameters"]}, "outputs": [],
  "execution_count": null, "source": "path: str\\ntimes: int = 1"},
 {"cell_type": "code", "id": "c", "metadata": {}, "outputs": [], "execution_count": null,
  "source": "import os\\nprint(os.environ['JUPYTERHUB_USER'], file=open(path, 'a'))"}],
 "metadata": {}, "nbformat": 4, "nbformat_minor": 5}"""


def until(what: Any, *, seconds: float = 40.0) -> Any:
    pause = threading.Event()
    for _ in range(int(seconds / 0.05)):
        value = what()
        if value:
            return value
        pause.wait(0.05)
    raise AssertionError(f"not within {seconds} s")


class OwnCluster(Executor):
    """One Dask cluster for all, and workers that report over HTTP with the owner's token."""

    def __init__(self, lake: Path, client: Client) -> None:
        super().__init__(lake)
        self._client = client
        self.address = ""
        self.over: list[str] = []

    def client(self, job: Job) -> Client:
        return self._client

    def connection(self, job: Job) -> Connection:
        return Connection(address=self.address, token=f"{job.owner}-token", user=job.owner)

    def ended(self, job: Job) -> None:
        self.over.append(job.id)


class Hub:
    """The automation and the catalog service behind one address, as a hub's proxy has them."""

    def __init__(self, lake: Lake, client: Client, shelf: Shelf) -> None:
        self.lake = lake
        self.executor = OwnCluster(lake.root, client)
        self.shelf = shelf
        self.port = 0

    async def identify(self, token: str) -> Reader | None:
        return TOKENS.get(token)

    def start(self) -> None:
        """Start (again, at the same port)."""
        ledger = Ledger(self.lake.state / "automation.sqlite")
        engine = Engine(
            ledger,
            log=self.lake.log,
            shelf=self.shelf,
            executor=self.executor,
            state=self.lake.state,
        )
        self.automation = LocalAutomation(
            ledger,
            engine,
            shelf=self.shelf,
            log=self.lake.log,
            root=self.lake.root,
            user="automation",
        )
        inner = service.build_application(self.automation, self.identify)

        @contextlib.asynccontextmanager
        async def lifespan(_application: Starlette) -> AsyncIterator[None]:
            async with inner.router.lifespan_context(inner):
                yield

        catalog = catalog_service.build_application(self.lake.store, self.identify)
        routes = [Mount("/services/automation", inner), Mount("/services/catalog", catalog)]
        application = Starlette(routes=routes, lifespan=lifespan)
        application.state.stopping = inner.state.stopping
        self.server = Server(application, port=self.port)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        until(lambda: self.server.started)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self.executor.address = f"http://127.0.0.1:{self.port}/"

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(15)
        assert not self.thread.is_alive()

    def of(self, user: str) -> HttpAutomation:
        address = self.executor.address
        return HttpAutomation(Connection(address=address, token=f"{user}-token", user=user))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "note.ipynb").write_text(RECIPE)
    lake = open_lake(tmp_path / "lake", user="hub")
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
        running = Hub(lake, client, Shelf(folder))
        running.start()
        yield running
        running.stop()
    lake.close()


def ended(automation: HttpAutomation, id: str) -> Job:
    return until(lambda: (job := automation.job(id)).state in ENDED and job)


def test_a_job_runs_in_its_owners_name(hub: Hub, tmp_path: Path) -> None:
    ann, bob = hub.of("ann"), hub.of("bob")
    path = tmp_path / "notes"
    job = ann.submit("note", {"path": str(path)}, key="k")
    assert ann.submit("note", {"path": str(path)}, key="k").id == job.id
    done = ended(ann, job.id)
    assert (done.state, done.message, done.owner) == ("successful", "", "ann")
    assert done.cells_done == done.cells_total == 3
    assert path.read_text() == "ann\n"
    assert b"JUPYTERHUB_USER" in ann.notebook(job.id)
    assert b"ann-token" not in ann.notebook(job.id)
    assert until(lambda: hub.executor.over) == [job.id]

    assert bob.jobs() == []
    for forbidden in (bob.job, bob.notebook, bob.dismiss):
        with pytest.raises(NotFound):
            forbidden(job.id)
    assert [each.id for each in hub.of("admin").jobs(limit=5)] == [job.id]


def test_only_the_owner_and_services_report(hub: Hub) -> None:
    ann, bob, admin = hub.of("ann"), hub.of("bob"), hub.of("admin")
    ledger = hub.automation._ledger
    ledger.insert(Job(id="a", recipe="note", parameters={"path": "p"}, owner="ann"))
    ledger.end("a", "dismissed", "not to be run")
    with pytest.raises(NotFound):
        bob.claim("a", 1)
    with pytest.raises(NotFound):
        bob.progress("a", 1, done=1, total=1)
    with pytest.raises(NotFound):
        bob.finish("a", 1)
    for allowed in (ann, admin):
        assert not allowed.claim("a", 1)
        assert not allowed.progress("a", 1, done=1, total=1)
        assert not allowed.finish("a", 1, error="x", results=("y",))
    with pytest.raises(NotFound):
        admin.claim("nothing", 1)


def test_rules_and_schedules_over_http(hub: Hub, tmp_path: Path) -> None:
    ann, bob = hub.of("ann"), hub.of("bob")
    path = tmp_path / "notes"
    rule = Rule(
        name="a rule / with a slash?",
        owner="bob",
        where=EventFilter(type="org.example.tick"),
        action=NotebookAction(recipe="note", parameters={"path": str(path)}),
    )
    with pytest.raises(BadRequest, match="cannot be a name"):
        ann.save_rule(rule)
    saved = ann.save_rule(msgspec.structs.replace(rule, name="when it ticks"))
    assert saved.owner == "ann", "a user speaks only for himself"
    assert ann.rules() == [saved]
    assert bob.rules() == []
    with pytest.raises(NotFound):
        bob.delete_rule(saved.name)

    hub.lake.log.append([Event(type="org.example.tick", source="/clock", id="one")])
    job = until(lambda: next(iter(ann.jobs()), None))
    assert ended(ann, job.id).state == "successful"
    assert job.rule == saved.name
    ann.delete_rule(saved.name)
    assert ann.rules() == []

    schedule = Schedule(
        name="daily", owner="", cron="0 6 * * *", recipe="note", parameters={"path": "p"}
    )
    assert ann.save_schedule(schedule).next.endswith("T06:00:00Z")
    assert [each.name for each in ann.schedules()] == ["daily"]
    assert bob.schedules() == []
    ann.delete_schedule("daily")
    assert ann.schedules() == []


def test_wrong_requests_are_answered_clearly(hub: Hub) -> None:
    ann = hub.of("ann")
    assert [recipe.name for recipe in ann.recipes()] == ["note"]
    with pytest.raises(NotFound, match="there are: note") as missing:
        ann.submit("mean", {})
    assert missing.value.field == "recipe"
    with pytest.raises(BadParameter, match="must be int") as wrong:
        ann.submit("note", {"path": "p", "times": "3"})
    assert wrong.value.field == "times"
    with pytest.raises(Unauthenticated):
        hub.of("mallory").jobs()

    base = f"{hub.executor.address}services/automation/"
    headers = {"Authorization": "token ann-token"}
    with httpx.Client(base_url=base, headers=headers, trust_env=False) as raw:
        for method, path, body in (
            ("POST", "jobs", b'{"recipe": 3}'),
            ("POST", "jobs", b'{"recipe": "note", "colour": 1}'),
            ("POST", "jobs", b"{"),
            ("GET", "jobs?limit=-1", b""),
            ("POST", "jobs/x/claim", b'{"attempt": "1"}'),
            ("POST", "rules", b'{"name": "r"}'),
        ):
            answer = raw.request(method, path, content=body)
            assert (answer.status_code, answer.json()["status"]) == (400, 400), path
        for path in ("recipes", "jobs", "jobs/a", "jobs/a/notebook", "rules", "schedules"):
            assert raw.get(path, headers={"Authorization": ""}).status_code == 401
        assert raw.delete("recipes").status_code == 405
    assert ann.jobs() == []


def test_a_service_that_restarts_loses_nothing(hub: Hub, tmp_path: Path) -> None:
    ann = hub.of("ann")
    path = tmp_path / "notes"
    job = ann.submit("note", {"path": str(path)})
    until(lambda: ann.job(job.id).state != "accepted")
    hub.stop()
    hub.start()
    done = ended(ann, job.id)
    assert (done.state, done.attempt) == ("successful", 1)
    assert path.read_text() == "ann\n"


class HubApi:
    """As much of the hub's API as lends tokens, over real HTTP."""

    def __init__(self) -> None:
        self.tokens: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []

    async def lend(self, request: Request) -> Response:
        if request.path_params["name"] == "nobody":
            return JSONResponse({"status": 404, "message": "no such user"}, 404)
        body = await request.json()
        id = f"a{len(self.tokens)}"
        self.tokens[id] = {"id": id, **body}
        return JSONResponse({"token": f"secret-{id}", "id": id}, 201)

    async def list(self, _request: Request) -> Response:
        return JSONResponse({"api_tokens": list(self.tokens.values())})

    async def withdraw(self, request: Request) -> Response:
        del self.tokens[request.path_params["id"]]
        return Response(status_code=204)

    async def user(self, request: Request) -> Response:
        self.asked.append(request.headers["authorization"])
        return JSONResponse({"name": request.path_params["name"], "groups": ["crew"]})

    def application(self) -> Starlette:
        import asyncio

        application = Starlette(
            routes=[
                Route("/users/{name}/tokens", self.lend, methods=["POST"]),
                Route("/users/{name}/tokens", self.list),
                Route("/users/{name}/tokens/{id}", self.withdraw, methods=["DELETE"]),
                Route("/users/{name}", self.user),
            ]
        )
        application.state.stopping = asyncio.Event()
        return application


@pytest.fixture
def hub_api() -> Iterator[tuple[HubApi, str]]:
    api = HubApi()
    server = Server(api.application())
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    yield api, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def test_tokens_are_narrow_short_and_withdrawn(hub_api: tuple[HubApi, str]) -> None:
    api, url = hub_api
    users = HubUsers(url, "service-token")
    token = users.lend("ann", "Boathouse job a")
    users.lend("ann", "Boathouse job b")
    (lent, other) = api.tokens.values()
    assert token == f"secret-{lent['id']}"
    assert lent["scopes"] == TOKEN_SCOPES
    rights = ("read:users:", "access:services!", "custom:events:publish")
    assert all(scope.startswith(rights) for scope in TOKEN_SCOPES)
    assert 0 < lent["expires_in"] <= 24 * 3600
    users.withdraw("ann", "Boathouse job a")
    assert list(api.tokens.values()) == [other]

    assert users.groups("ann") == ("crew",)
    assert users.groups("ann") == ("crew",)
    assert api.asked == ["token service-token"], "believed for a while"
    with pytest.raises((NotFound, Forbidden)):
        users.lend("nobody", "Boathouse job c")


def test_a_hub_that_is_away_is_unavailable() -> None:
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    users = HubUsers(f"http://127.0.0.1:{port}", "t")
    with pytest.raises(Unavailable):
        users.lend("ann", "note")
    users.withdraw("ann", "note")  # ends by itself
