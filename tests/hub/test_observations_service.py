"""The observation service for real: uvicorn on a free port, instruments, owners, strangers."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from covjson_pydantic.coverage import CoverageCollection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boathouse.catalogs.access import Reader
from boathouse.catalogs.cubes import open_collection
from boathouse.catalogs.errors import BadRequest, Conflict, Forbidden, NotFound
from boathouse.catalogs.lake import Connection, Lake, open_lake
from boathouse.catalogs.observations.commands import Command
from boathouse.catalogs.observations.observation import Query, Receipt
from boathouse.catalogs.observations.opening import local_observations
from boathouse.catalogs.observations.remote import HttpObservations
from boathouse.catalogs.observations.stations import Network, Station, Variable
from boathouse.hub.services import observations as service
from boathouse.hub.services.application import Server

TOKENS = {
    "ann-token": Reader(name="ann", groups=("crew",)),
    "bob-token": Reader(name="bob", groups=("crew",)),
    "eve-token": Reader(name="eve"),
    "imager-token": Reader(name="imager"),
    "automation-token": Reader(name="automation", admin=True),
}
QUAY = Station(
    id="quay",
    network="harbour",
    lat=54.3,
    lon=10.1,
    height=3.0,
    access="group:crew",
    writers=("imager",),
    operators=("group:crew",),
    variables={"t": Variable(units="K", standard_name="air_temperature")},
    commands={
        "expose": {
            "type": "object",
            "properties": {"seconds": {"type": "number", "maximum": 60}},
            "required": ["seconds"],
            "additionalProperties": False,
        }
    },
)


async def identify(token: str) -> Reader | None:
    return TOKENS.get(token)


class Service:
    """The service on a lake of its own, at ``/services/observations/`` as the hub has it."""

    def __init__(self, root: Path) -> None:
        self.lake: Lake = open_lake(root, user="observations")
        self.observations = local_observations(self.lake)
        application = service.build_application(
            self.observations, identify, "/services/observations/", lake=self.lake, every=0.2
        )
        self.server = Server(application)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        until(lambda: self.server.started)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{port}/"

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(15)
        assert not self.thread.is_alive()
        self.lake.close()

    def as_user(self, user: str) -> HttpObservations:
        return HttpObservations(Connection(address=self.address, token=f"{user}-token", user=user))

    def ask(self, method: str, path: str, user: str = "ann", **more: Any) -> httpx.Response:
        headers = {"Authorization": f"token {user}-token", **more.pop("headers", {})}
        url = f"{self.address}services/observations/{path}"
        return httpx.request(method, url, headers=headers, timeout=20, **more)


def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "did not come to pass"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("observations") / "lake")
    made.as_user("ann").register([QUAY])
    yield made
    made.stop()


def test_an_instrument_sends_and_its_owners_group_reads(running: Service) -> None:
    body = b"time,t (K)\n2021-05-16T12:00Z,280.5\n2021-05-16T13:00Z,281\n"
    instrument = running.as_user("imager")
    assert instrument.ingest(body, "text/csv", station="quay") == Receipt(stored=2)
    assert instrument.ingest(body, "text/csv", station="quay") == Receipt(known=2)
    with pytest.raises(Forbidden):
        running.as_user("bob").ingest(body, "text/csv", station="quay")
    with pytest.raises(NotFound):
        running.as_user("eve").ingest(body, "text/csv", station="quay")
    query = Query(stations=("quay",), until="2021-05-17")
    assert [row.value for row in running.as_user("bob").find(query).rows] == [280.5, 281.0]
    assert running.as_user("eve").stations() == []
    with pytest.raises(NotFound):
        running.as_user("eve").revisions("quay", "t", "2021-05-16T12:00Z")
    assert len(running.as_user("bob").revisions("quay", "t", "2021-05-16T12:00Z")) == 1
    assert running.ask("GET", "stations/quay", "nobody").status_code == 401


def test_pages_of_the_client_give_all_rows_once(running: Service) -> None:
    rows = [{"time": f"2020-01-01T{n:02}:00Z", "values": {"t": n}} for n in range(10)]
    ann = running.as_user("ann")
    ann.ingest(msgspec.json.encode(rows), "application/json", station="quay")
    query = Query(stations=("quay",), since="2020-01-01", until="2020-01-02", limit=4)
    values, pages = [], 0
    while True:
        page = ann.find(query)
        values += [row.value for row in page.rows]
        pages += 1
        if not page.next:
            break
        query = msgspec.structs.replace(query, after=page.next)
    assert values == [float(n) for n in range(10)]
    assert pages == 3


def test_answers_are_json_csv_and_coverage_json(running: Service) -> None:
    body = b'{"time": "2019-01-01T00:00:00Z", "variable": "t", "value": 270.25}'
    assert running.ask("POST", "stations/quay/observations", content=body).status_code == 200
    path = "stations/quay/observations?since=2019-01-01&until=2019-01-02"
    (row,) = running.ask("GET", path).json()
    assert (row["value"], row["units"]) == (270.25, "K")
    table = running.ask("GET", f"{path}&f=csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert "quay,2019-01-01T00:00:00Z,t,270.25,K," in table.text
    kind = "application/prs.coverage+json"
    coverage = running.ask("GET", path, headers={"Accept": kind})
    assert coverage.headers["content-type"] == kind
    parsed = CoverageCollection.model_validate_json(coverage.content)
    assert parsed.coverages[0].ranges["t"].values == [270.25]
    assert running.ask("GET", f"{path}&f=xml").json()["field"] == "f"
    assert running.ask("GET", "observations?staton=quay").json()["field"] == "staton"
    assert running.ask("GET", "observations?bbox=1,2,3").json()["field"] == "bbox"


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("application/json", b"{", None),
        (
            "application/json",
            b'[{"time": "2021-01-01", "values": {"t": 1}}, {"time": 1}]',
            "rows.2.time",
        ),
        ("application/json", b'[{"time": "x", "values": {"t": 1}}]', "rows.1.time"),
        ("text/csv", b"time,t\n2021-01-01,1\n2021-01-02,warm\n", "rows.2.t"),
        ("text/xml", b"<a/>", "Content-Type"),
    ],
)
def test_a_bad_body_is_a_problem_that_names_the_field(
    running: Service, kind: str, body: bytes, field: str | None
) -> None:
    answer = running.ask(
        "POST", "stations/quay/observations", content=body, headers={"Content-Type": kind}
    )
    assert answer.status_code == 400, answer.text
    if field is not None:
        assert answer.json()["field"] == field


def test_the_cube_of_the_network_follows_in_the_background(running: Service) -> None:
    ann = running.as_user("ann")
    ann.save_network(Network(id="harbour", title="Harbour", licence="CC0-1.0", access="public"))
    ann.register([msgspec.structs.replace(QUAY, id="open", access="public")])
    body = b'{"time": "2021-05-16T12:00Z", "station": "open", "values": {"t": 300.0}}'
    ann.ingest(body, "application/json")

    # The station of the crew is not in the cube that everybody sees.
    def cube() -> Any:
        with contextlib.suppress(NotFound):
            found = open_collection("harbour", running.lake).compute()
            return found if found["station"].values.tolist() == ["open"] else None

    found = until(cube)
    assert found.attrs["featureType"] == "timeSeries"
    assert float(found["t"].sel(time="2021-05-16T12:00", station="open").squeeze()) == 300.0
    assert running.ask("POST", "networks/harbour/compaction", "eve").status_code == 403
    assert running.ask("POST", "networks/harbour/compaction").status_code == 200


def test_a_command_goes_to_the_instrument_and_back(running: Service) -> None:
    bob, instrument = running.as_user("bob").commands, running.as_user("imager").commands
    got: list[Command] = []
    waiting = threading.Thread(target=lambda: got.extend(instrument.poll("quay", wait=15)))
    waiting.start()
    time.sleep(0.3)
    sent = bob.enqueue("quay", "expose", {"seconds": 30}, key="one")
    waiting.join(10)
    assert [command.id for command in got] == [sent.id]
    assert bob.enqueue("quay", "expose", {"seconds": 30}, key="one").id == sent.id
    accepted = instrument.acknowledge(sent.id, "accepted", by="process-1")
    assert accepted.state == "accepted"
    assert instrument.poll("quay") == []
    with pytest.raises(Conflict) as caught:
        instrument.acknowledge(sent.id, "accepted", by="process-2")
    assert caught.value.field == "by"
    done = instrument.acknowledge(sent.id, "done", result={"frames": 3}, by="process-1")
    assert instrument.acknowledge(sent.id, "done", result={"frames": 3}) == done
    (mine,) = bob.commands("quay", state="done")
    assert [step.state for step in mine.history] == ["waiting", "accepted", "done"]
    assert mine.result == {"frames": 3}
    with pytest.raises(Conflict):
        bob.withdraw(sent.id)
    assert running.observations.outbox.wake(wait=10)
    told = [event for event in running.lake.log.read() if event.subject.endswith(sent.id)]
    assert [event.type.rpartition(".")[2] for event in told] == ["queued", "accepted", "done"]
    assert {(event.owner, event.access) for event in told} == {("bob", "private")}


def test_a_stream_gives_what_waits_and_what_comes(running: Service) -> None:
    ann, instrument = running.as_user("ann").commands, running.as_user("imager").commands
    first = ann.enqueue("quay", "expose", {"seconds": 1})
    stream = instrument.follow("quay", timeout=10)
    assert next(stream).id == first.id
    second = ann.enqueue("quay", "expose", {"seconds": 2})
    begun = time.monotonic()
    assert next(stream).parameters == {"seconds": 2}
    assert time.monotonic() - begun < 5
    for command in (first, second):
        assert ann.withdraw(command.id).state == "withdrawn"
    with pytest.raises(Conflict):
        instrument.acknowledge(first.id, "accepted")
    with pytest.raises(Forbidden):
        next(running.as_user("bob").commands.follow("quay", timeout=1))


@pytest.mark.parametrize(
    ("user", "given", "error", "field"),
    [
        ("bob", {"command": "melt"}, BadRequest, "command"),
        ("bob", {"parameters": {"seconds": 61}}, BadRequest, "parameters.seconds"),
        ("bob", {"expires": -1.0}, BadRequest, "expires"),
        ("bob", {"owner": "ann"}, Forbidden, "owner"),
        ("imager", {}, Forbidden, "station"),
        ("automation", {"owner": "eve"}, NotFound, "station"),
    ],
)
def test_a_command_that_is_wrong_or_not_ones_own_is_refused(
    running: Service, user: str, given: dict[str, Any], error: type[Exception], field: str
) -> None:
    words = {"command": "expose", "parameters": {"seconds": 1}, **given}
    with pytest.raises(error) as caught:
        running.as_user(user).commands.enqueue("quay", **words)
    assert caught.value.field == field  # type: ignore[attr-defined]


def test_automation_sends_in_the_name_of_a_rules_owner_and_time_runs_out(running: Service) -> None:
    automation = running.as_user("automation").commands
    sent = automation.enqueue(
        "quay", "expose", {"seconds": 1}, expires=0.3, key="ann/rule/1", owner="ann"
    )
    assert sent.owner == "ann"
    ann = running.as_user("ann").commands
    until(lambda: ann.command(sent.id).state == "expired")
    assert running.as_user("imager").commands.poll("quay") == []
    with pytest.raises(NotFound):
        running.as_user("eve").commands.command(sent.id)


_words = st.sampled_from(
    ["", "quay", "t", "expose", "accepted", "2021-05-16", "-1", "1e999", "\x00", "nan", "1,2,3,4"]
)
_leaf = _words | st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8)
_names = st.sampled_from(
    [
        "id",
        "network",
        "lat",
        "lon",
        "variables",
        "units",
        "time",
        "values",
        "station",
        "command",
        "parameters",
        "expires",
        "key",
        "state",
        "dimensions",
        "data",
        "commands",
        "expose",
    ]
)
_body = st.recursive(
    _leaf, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_names, inner, max_size=4)
)
_paths = st.sampled_from(
    [
        "networks",
        "networks/x/compaction",
        "stations",
        "stations/quay",
        "observations",
        "commands",
        "commands/x",
        "stations/quay/observations",
        "stations/quay/revisions",
        "stations/quay/commands",
        "commands/%00/acknowledgement",
        "stations/%00/observations",
    ]
)
_parameters = st.dictionaries(
    st.sampled_from(
        ["since", "bbox", "limit", "after", "latest", "f", "state", "variable", "time"]
    ),
    _words,
    max_size=3,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    method=st.sampled_from(["GET", "POST", "POST", "DELETE"]),
    path=_paths,
    params=_parameters,
    body=st.binary(max_size=30) | _body.map(msgspec.json.encode),
    kind=st.sampled_from(["application/json", "text/csv", "application/x-ndjson"]),
)
def test_no_request_breaks_the_service(
    running: Service,
    client: httpx.Client,
    method: str,
    path: str,
    params: Any,
    body: bytes,
    kind: str,
) -> None:
    answer = client.request(
        method, path, params=params, content=body, headers={"Content-Type": kind}
    )
    assert answer.status_code < 500, answer.text


@pytest.fixture(scope="module")
def client(running: Service) -> Iterator[httpx.Client]:
    base = f"{running.address}services/observations/"
    headers = {"Authorization": "token ann-token"}
    with httpx.Client(base_url=base, headers=headers, timeout=20, trust_env=False) as opened:
        yield opened
