"""Observations in SQLite: each once, corrections beside what they correct, one transaction with
their event, to each what they may see."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from boathouse.catalogs.access import Reader
from boathouse.catalogs.errors import BadRequest, Conflict, Forbidden, NotFound, Unavailable
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.catalogs.observations.instants import instant
from boathouse.catalogs.observations.observation import Query, Reading, Receipt
from boathouse.catalogs.observations.sql_commands import SqlCommandQueue
from boathouse.catalogs.observations.sql_store import SqlObservations
from boathouse.catalogs.observations.stations import Network, Station, Variable

ANN, BOB, EVE = Reader(name="ann"), Reader(name="bob", groups=("crew",)), Reader(name="eve")
NOON = instant("2021-05-16T12:00:00Z")
HOUR = 3_600_000_000


def station(id: str = "quay", **more: Any) -> Station:
    variables = {
        "t": Variable(units="K", standard_name="air_temperature"),
        "ff": Variable(units="m s-1"),
    }
    return Station(
        **{
            "network": "harbour",
            "lat": 54.3,
            "lon": 10.1,
            "variables": variables,
            "owner": "ann",
            **more,
            "id": id,
        }
    )


def reading(value: float | None, time: int = NOON, id: str = "quay", **more: Any) -> Reading:
    return Reading(more.pop("row", 1), id, time, more.pop("variable", "t"), value, **more)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteEventLog]:
    opened = SqliteEventLog(tmp_path / "events.sqlite")
    yield opened
    opened.close()


def postgresql_program(name: str) -> Path | None:
    """A program of the PostgreSQL server; Debian keeps them beside PATH."""
    found = [*map(Path, filter(None, [shutil.which(name)]))]
    return next(iter([*found, *sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))]), None)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a real PostgreSQL server; it refuses to run as root, so nobody runs it."""
    initdb, pg_ctl = postgresql_program("initdb"), postgresql_program("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    account = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
        account = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
    data = folder / "data"

    def run(*words: object) -> None:
        subprocess.run(
            [*map(str, words)], check=True, stdout=subprocess.DEVNULL, cwd=folder, **account
        )

    run(initdb, "-D", data, "-U", "boathouse", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-c listen_addresses= -c fsync=off -k {folder}"
    run(pg_ctl, "-D", data, "-w", "-o", options, "-l", folder / "log", "start")
    yield f"postgresql://boathouse@/postgres?host={folder}"
    run(pg_ctl, "-D", data, "-w", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the observations are kept: a new file, or a new schema of the server."""
    if request.param == "sqlite":
        return str(tmp_path / "observations.sqlite")
    url: str = request.getfixturevalue("postgresql")
    schema = f"s{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create schema {schema}")
    return f"{url}&options=-csearch_path%3D{schema}"


@pytest.fixture
def observations(place: str, log: SqliteEventLog) -> Iterator[SqlObservations]:
    opened = SqlObservations(place, log=log)
    opened.register([station()])
    yield opened
    opened.close()


def test_the_file_is_for_its_owner_only(tmp_path: Path, log: SqliteEventLog) -> None:
    opened = SqlObservations(tmp_path / "observations.sqlite", log=log)
    assert len(list(tmp_path.glob("observations.sqlite*"))) > 1
    for path in tmp_path.glob("observations.sqlite*"):
        assert path.stat().st_mode & 0o777 == 0o600
    opened.close()


def test_a_redelivered_batch_adds_nothing_and_says_so(
    observations: SqlObservations, log: SqliteEventLog
) -> None:
    batch = [reading(280.0 + n, NOON + n * HOUR) for n in range(5)]
    assert observations.add(batch) == Receipt(stored=5)
    assert observations.outbox.wake(wait=10)
    events = log.last()
    assert observations.add(batch) == Receipt(known=5)
    assert observations.add([*batch, reading(1.0, NOON + 9 * HOUR)]) == Receipt(stored=1, known=5)
    assert observations.outbox.wake(wait=10)
    assert (events, log.last()) == (1, 2)


def test_a_correction_counts_and_what_it_corrects_is_kept(observations: SqlObservations) -> None:
    observations.add([reading(280.0)])
    assert observations.add([reading(281.5)]) == Receipt(revised=1)
    assert observations.add([reading(280.0)]) == Receipt(known=1)
    assert observations.add([reading(None)]) == Receipt(revised=1)
    (row,) = observations.find(Query()).rows
    assert (row.value, row.revision, row.units, row.time) == (None, 3, "K", "2021-05-16T12:00:00Z")
    past = observations.revisions("quay", "t", "2021-05-16T12:00:00Z")
    assert [each.value for each in past] == [280.0, 281.5, None]
    with pytest.raises(NotFound) as caught:
        observations.revisions("quay", "t", "2021-05-17")
    assert caught.value.field == "time"


def test_of_values_that_say_when_they_were_issued_the_latest_counts(
    observations: SqlObservations,
) -> None:
    observations.add([reading(2.0, issued=NOON + 2 * HOUR)])
    assert observations.add([reading(1.0, issued=NOON + HOUR)]) == Receipt(revised=1)
    assert observations.find(Query()).rows[0].value == 2.0
    assert observations.add([reading(1.0, issued=NOON + HOUR)]) == Receipt(known=1)
    assert observations.add([reading(1.0, issued=NOON + 3 * HOUR)]) == Receipt(revised=1)
    assert observations.find(Query()).rows[0].value == 1.0


def test_two_values_of_one_key_in_one_batch_are_a_value_and_its_correction(
    observations: SqlObservations,
) -> None:
    assert observations.add([reading(1.0), reading(2.0), reading(1.0)]) == Receipt(
        stored=1, revised=1, known=1
    )
    assert observations.find(Query()).rows[0].value == 2.0


def test_the_event_says_what_came_and_where(
    observations: SqlObservations, log: SqliteEventLog
) -> None:
    observations.add([reading(280.0), reading(281.0, NOON + HOUR), reading(9.0, variable="ff")])
    observations.add([reading(290.0)])
    assert observations.outbox.wake(wait=10)
    first, second = log.read()
    assert first.type == "org.ogc.api.collection.item.create"
    assert (first.source, first.collection) == ("/collections/harbour", "harbour")
    assert (first.owner, first.access, first.datatime) == ("ann", "private", "2021-05-16T13:00:00Z")
    assert first.data["values"] == {"t": 281.0, "ff": 9.0}
    assert first.bbox == "10.1,54.3,10.1,54.3"
    assert first.data["geometry"]["coordinates"] == [10.1, 54.3]
    assert (first.data["station"], first.data["stored"]) == ("quay", 3)
    assert second.type == "org.ogc.api.collection.item.update"
    assert second.data["revised"] == 1


@pytest.mark.parametrize(
    ("bad", "field", "error"),
    [
        ({"id": "nowhere"}, "rows.2.station", NotFound),
        ({"variable": "rh"}, "rows.2.variable", BadRequest),
        ({"units": "degC"}, "rows.2.units", BadRequest),
        ({"time": instant("2199-01-01")}, "rows.2.time", BadRequest),
        ({"issued": instant("2199-01-01")}, "rows.2.issued", BadRequest),
    ],
)
def test_a_batch_with_one_bad_row_is_refused_whole(
    observations: SqlObservations, bad: dict[str, Any], field: str, error: type[BadRequest]
) -> None:
    with pytest.raises(error) as caught:
        observations.add([reading(1.0), reading(2.0, **{"time": NOON, "row": 2, **bad})])
    assert caught.value.field == field
    assert "Row 2" in caught.value.detail
    assert observations.find(Query()).rows == []
    assert observations.outbox.pending() == 0


def test_only_the_owner_and_the_writers_send_and_only_readers_see(
    observations: SqlObservations,
) -> None:
    observations.register([station("shared", access="group:crew", writers=("instrument",))])
    at = reading(1.0, id="shared")
    with pytest.raises(Forbidden) as caught:
        observations.add([at], reader=BOB)
    assert caught.value.field == "rows.1.station"
    with pytest.raises(NotFound):
        observations.add([at], reader=EVE)
    assert observations.add([at], reader=Reader(name="instrument")).stored == 1
    assert observations.add([reading(2.0)], reader=ANN).stored == 1
    assert [row.station for row in observations.find(Query(), reader=ANN).rows] == [
        "quay",
        "shared",
    ]
    assert [row.station for row in observations.find(Query(), reader=BOB).rows] == ["shared"]
    assert observations.find(Query(), reader=EVE).rows == []
    assert observations.stations(reader=EVE) == []
    with pytest.raises(NotFound):
        observations.find(Query(stations=("quay",)), reader=BOB)


def test_a_query_picks_by_station_variable_time_and_place(observations: SqlObservations) -> None:
    observations.register(
        [station("fiji", lat=-18.0, lon=178.5), station("samoa", lat=-14.0, lon=-172.0)]
    )
    observations.add(
        [
            reading(float(n), NOON + n * HOUR, id, variable=name)
            for id in ("quay", "fiji", "samoa")
            for name in ("t", "ff")
            for n in range(4)
        ]
    )

    def found(**query: Any) -> list[tuple[str, str, float | None]]:
        rows = observations.find(Query(**query)).rows
        return [(row.station, row.variable, row.value) for row in rows]

    assert len(found()) == 24
    assert found(stations=("quay",), variables=("t",), since="2021-05-16T14:00Z") == [
        ("quay", "t", 2.0),
        ("quay", "t", 3.0),
    ]
    assert {id for id, _, _ in found(bbox=(170.0, -30.0, -170.0, 0.0))} == {"fiji", "samoa"}
    assert found(latest=True, variables=("ff",), until="2021-05-16T15:00Z") == [
        (id, "ff", 2.0) for id in ("quay", "fiji", "samoa")
    ]
    paged, after = [], ""
    while True:
        page = observations.find(Query(limit=7, after=after))
        paged += page.rows
        if not (after := page.next):
            break
    assert paged == observations.find(Query()).rows


def test_units_and_observed_variables_stay(observations: SqlObservations) -> None:
    observations.add([reading(1.0)])
    with pytest.raises(Conflict) as caught:
        observations.register([station(variables={"ff": Variable(units="m s-1")})])
    assert caught.value.field == "variables.t"
    with pytest.raises(Conflict) as caught:
        observations.register([station("other", variables={"t": Variable(units="degC")})])
    assert caught.value.field == "variables.t.units"
    observations.register([station(variables={"t": Variable(units="K")}, name="Quay")])
    assert list(observations.station("quay").variables) == ["t"]


def test_ids_and_networks_belong_to_who_made_them(observations: SqlObservations) -> None:
    with pytest.raises(Conflict) as caught:
        observations.register([station()], reader=EVE)
    assert caught.value.field == "id"
    with pytest.raises(Forbidden) as caught:
        observations.register([station("mine")], reader=BOB)
    assert caught.value.field == "network"
    observations.save_network(Network(id="harbour", members=("group:crew",)), reader=ANN)
    observations.register([station("mine")], reader=BOB)
    assert observations.station("mine").owner == "bob"
    with pytest.raises(Conflict):
        observations.save_network(Network(id="harbour"), reader=BOB)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"id": "a b"}, "id"),
        ({"network": "No Name"}, "network"),
        ({"lat": 91.0}, "lat"),
        ({"lon": float("nan")}, "lon"),
        ({"height": 1e6}, "height"),
        ({"access": "all"}, "access"),
        ({"variables": {}}, "variables"),
        ({"variables": {"time": Variable(units="s")}}, "variables.time"),
        ({"variables": {"t": Variable(units=" ")}}, "variables.t.units"),
        (
            {"variables": {"t": Variable(units="K", standard_name="Air T")}},
            "variables.t.standard_name",
        ),
        ({"commands": {"move": {"type": "nothing"}}}, "commands.move"),
    ],
)
def test_a_wrong_station_is_refused_by_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        station(**{"id": "x", **wrong}).validated()
    assert caught.value.field == field


def test_writers_that_cross_store_each_value_once(
    place: str, observations: SqlObservations, log: SqliteEventLog
) -> None:
    observations.register([station(f"s{n}") for n in range(4)])
    other = SqlObservations(place, log=log)
    batches = [
        [reading(float(n), NOON + n * HOUR, f"s{(n + turn) % 4}") for n in range(40)]
        for turn in range(4)
    ]
    receipts: list[Receipt] = []

    def send(to: SqlObservations, order: int) -> None:
        receipts.extend(to.add(batch[::order]) for batch in batches[::order])

    threads = [
        threading.Thread(target=send, args=(to, order))
        for to in (observations, other)
        for order in (1, -1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    other.close()
    assert len(receipts) == 16
    assert sum(receipt.stored for receipt in receipts) == 160
    assert sum(receipt.known for receipt in receipts) == 480
    assert len(observations.find(Query()).rows) == 160


def test_a_command_is_accepted_by_one_process_only(
    place: str, observations: SqlObservations, log: SqliteEventLog
) -> None:
    observations.register([station("imager", commands={"expose": {}})])
    other = SqlObservations(place, log=log)
    sent = observations.commands.enqueue("imager", "expose", {"seconds": 3}, key="k")
    assert other.commands.enqueue("imager", "expose", {"seconds": 3}, key="k").id == sent.id
    won: list[str] = []

    def accept(queue: SqlCommandQueue, name: str) -> None:
        with contextlib.suppress(Conflict):
            won.append(queue.acknowledge(sent.id, "accepted", by=name).by)

    threads = [
        threading.Thread(target=accept, args=(each.commands, f"process-{n}"))
        for n, each in enumerate([observations, other] * 3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    other.close()
    assert len(won) == 1
    assert observations.commands.command(sent.id).by == won[0]


def test_a_command_that_nobody_fetched_in_time_is_not_begun(
    tmp_path: Path, log: SqliteEventLog
) -> None:
    now = [1_700_000_000.0]
    opened = SqlObservations(tmp_path / "o.sqlite", log=log, clock=lambda: now[0])
    opened.register([station("imager", commands={"expose": {}})])
    late = opened.commands.enqueue("imager", "expose", expires=10)
    begun = opened.commands.enqueue("imager", "expose", expires=10)
    opened.commands.acknowledge(begun.id, "accepted")
    now[0] += 11
    assert opened.commands.poll("imager") == []
    with pytest.raises(Conflict, match="expired"):
        opened.commands.acknowledge(late.id, "accepted")
    assert opened.commands.acknowledge(begun.id, "failed", error="cloud").error == "cloud"
    assert [each.state for each in opened.commands.commands()] == ["failed", "expired"]
    assert opened.outbox.wake(wait=10)
    types = [event.type for event in log.read()]
    assert types.count("org.boathouse.command.expired") == 1
    opened.close()


def test_another_kind_of_database_is_refused(log: SqliteEventLog) -> None:
    with pytest.raises(BadRequest) as caught:
        SqlObservations("mysql://somewhere/db", log=log)
    assert caught.value.field == "place"
    with pytest.raises(Unavailable):
        SqlObservations("postgresql://nobody@127.0.0.1:1/none", log=log)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"bbox": (1.0, 2.0, 3.0)}, "bbox"),
        ({"bbox": (0.0, 5.0, 1.0, 4.0)}, "bbox"),
        ({"since": "noon"}, "since"),
        ({"until": "2021-05"}, "until"),
        ({"after": "1"}, "after"),
        ({"after": f"{10**30}.1"}, "after"),
        ({"stations": ("\x00",)}, "station"),
    ],
)
def test_a_wrong_query_is_refused_by_field(
    observations: SqlObservations, query: dict[str, Any], field: str
) -> None:
    with pytest.raises((BadRequest, NotFound)) as caught:
        observations.find(Query(**query))
    assert caught.value.field == field
    with pytest.raises(NotFound):
        observations.commands.command("\x00")
