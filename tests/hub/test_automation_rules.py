"""Rules over HTTP: the same as in process, each user his own, wrong requests answered clearly."""

import contextlib
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from boathouse.catalogs.access import Reader
from boathouse.catalogs.errors import BadParameter, BadRequest, Conflict, NotFound
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.lake import Connection, Lake, open_lake
from boathouse.hub.services import automation as service
from boathouse.hub.services.application import Server
from boathouse.workflows.deliveries import Delivery, Performed, Performer, Refused
from boathouse.workflows.engine import Engine
from boathouse.workflows.executor import LocalExecutor
from boathouse.workflows.functions import pack_function
from boathouse.workflows.ledger import Ledger
from boathouse.workflows.local import LocalAutomation
from boathouse.workflows.recipes import Shelf
from boathouse.workflows.remote import HttpAutomation
from boathouse.workflows.rules.model import Action, Fan, NotifyAction, PostAction, Rule

from .test_automation_service import until

READERS = {
    "ann-token": Reader(name="ann"),
    "bob-token": Reader(name="bob"),
    "admin-token": Reader(name="dashboard", admin=True),
}
TICK = "org.example.tick"


class Picky(Performer):
    """Does nothing, and does not do that on events that are called bad."""

    def perform(self, delivery: Delivery, events: Sequence[Event]) -> Performed:
        if events[-1].id == "bad":
            raise Refused("410 Gone")
        return Performed(result={"seen": len(events)})

    def check(self, action: Action, *, owner: str) -> None:
        if isinstance(action, PostAction):
            raise BadRequest("Nothing is posted from here.", field="url")


class Running:
    def __init__(self, lake: Lake, address: str) -> None:
        self.lake = lake
        self.address = address

    def of(self, user: str) -> HttpAutomation:
        return HttpAutomation(Connection(address=self.address, token=f"{user}-token", user=user))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    lake = open_lake(tmp_path / "lake", user="hub")
    ledger, picky = Ledger(lake.state / "automation.sqlite"), Picky()
    engine = Engine(
        ledger,
        log=lake.log,
        shelf=Shelf(),
        executor=LocalExecutor(lake.root, ledger=ledger.path),
        state=lake.state,
        performer=picky,
    )
    automation = LocalAutomation(
        ledger,
        engine,
        shelf=Shelf(),
        log=lake.log,
        root=lake.root,
        user="automation",
        performer=picky,
    )

    async def identify(token: str) -> Reader | None:
        return READERS.get(token)

    inner = service.build_application(automation, identify)

    @contextlib.asynccontextmanager
    async def lifespan(_application: Starlette) -> AsyncIterator[None]:
        async with inner.router.lifespan_context(inner):
            yield

    application = Starlette(routes=[Mount("/services/automation", inner)], lifespan=lifespan)
    application.state.stopping = inner.state.stopping
    server = Server(application)
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Running(lake, f"http://127.0.0.1:{port}/")
    server.should_exit = True
    thread.join(15)
    lake.close()


def rule(**changes: Any) -> Rule:
    usual: dict[str, Any] = {
        "name": "when it ticks",
        "owner": "",
        "where": EventFilter(type=TICK),
        "action": NotifyAction(type="org.example.tock"),
    }
    return Rule(**{**usual, **changes})


def test_a_rule_and_its_history_over_http(running: Running) -> None:
    ann, bob, admin = running.of("ann"), running.of("bob"), running.of("admin")
    saved = ann.save_rule(rule(owner="bob", fan=Fan(count=2, by="{subject}")))
    assert (saved.owner, saved.version, saved.fan.count) == ("ann", 1, 2)
    saved = ann.save_rule(rule())
    assert [each.version for each in ann.rule_versions("when it ticks")] == [2, 1]
    running.lake.log.append(
        [Event(type=TICK, source="/clock", id=each) for each in ("one", "bad", "two")]
    )
    until(lambda: len(ann.deliveries(state="done")) == 2)
    (dead,) = until(lambda: ann.deliveries("when it ticks", state="dead"))
    assert dead.error == "410 Gone"
    pages = [ann.deliveries(limit=2)]
    pages.append(ann.deliveries(limit=2, before=pages[0][-1].number))
    assert [each.events for page in pages for each in page] == [(3,), (2,), (1,)]
    assert bob.deliveries() == []
    assert len(admin.deliveries()) == 3
    with pytest.raises(NotFound):
        bob.retry_delivery(dead.id)
    assert ann.retry_delivery(dead.id).state == "waiting"
    until(lambda: ann.deliveries(state="dead"))

    assert [each.events for each in ann.dry_run(saved, limit=2)] == [(1,), (2,)]
    assert ann.replay_rule("when it ticks") == 0
    assert ann.replay_rule("when it ticks", again=True) == 3
    assert ann.pause_rule("when it ticks").paused
    with pytest.raises(Conflict):
        ann.replay_rule("when it ticks")
    assert not ann.pause_rule("when it ticks", False).paused
    for forbidden in (bob.pause_rule, bob.replay_rule, bob.rule_versions, bob.delete_rule):
        with pytest.raises(NotFound):
            forbidden("when it ticks")
    ann.delete_rule("when it ticks")
    with pytest.raises(NotFound, match="withdrawn"):
        ann.retry_delivery(dead.id)


def test_functions_over_http(running: Running) -> None:
    ann, bob = running.of("ann"), running.of("bob")
    packed = pack_function(len, name="size")
    assert ann.save_function(packed) == packed.digest
    (listed,) = ann.functions()
    assert (listed.name, listed.owner, listed.code) == ("size", "ann", b"")
    assert bob.functions() == []
    with pytest.raises(NotFound):
        bob.delete_function("size")
    ann.delete_function("size")
    assert ann.functions() == []


def test_wrong_requests_name_the_field(running: Running) -> None:
    ann = running.of("ann")
    with pytest.raises(BadRequest, match="Nothing is posted") as refused:
        ann.save_rule(rule(action=PostAction(url="https://example.org")))
    assert refused.value.field == "url"
    with pytest.raises(BadParameter) as unknown:
        ann.dry_run(rule(key="{what}"))
    assert unknown.value.field == "key"
    headers = {"Authorization": "token ann-token"}
    base = f"{running.address}services/automation/"
    with httpx.Client(base_url=base, headers=headers, trust_env=False) as raw:
        for method, path, body in (
            ("POST", "rules", b'{"name": "r", "owner": "", "where": {}}'),
            ("POST", "rules", b'{"name": "r", "owner": "", "where": {}, "action": {"do": "x"}}'),
            ("POST", "dry-runs", b'{"limit": 3}'),
            ("PUT", "rules/r/paused", b'{"paused": 3}'),
            ("POST", "rules/r/replay", b'{"sinze": ""}'),
            ("GET", "deliveries?state=lost", b""),
            ("GET", "deliveries?before=-1", b""),
            ("POST", "functions", b'{"name": "f"}'),
        ):
            answer = raw.request(method, path, content=body)
            assert (answer.status_code, answer.json()["status"]) == (400, 400), path
        for path in ("deliveries", "functions", "rules/r/versions"):
            assert raw.get(path, headers={"Authorization": ""}).status_code == 401
        assert raw.post("deliveries/x/retry").status_code == 404
        old = b'{"name":"old","owner":"","where":{"collection":"c"},"recipe":"mean-over-shape"}'
        assert raw.post("rules", content=old).status_code == 400, "its parameters are missing"
    assert ann.rules() == []
