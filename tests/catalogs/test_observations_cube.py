"""Cubes of observations: always what the table says, whatever came late, whoever died."""

import contextlib
import itertools
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import boathouse
from boathouse.catalogs.cubes import open_collection
from boathouse.catalogs.errors import Conflict, NotFound, Unavailable
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.catalogs.lake import Lake, open_lake
from boathouse.catalogs.observations import compaction, cube
from boathouse.catalogs.observations.compaction import Compactor
from boathouse.catalogs.observations.instants import instant
from boathouse.catalogs.observations.observation import Query, Reading, Receipt
from boathouse.catalogs.observations.opening import local_observations
from boathouse.catalogs.observations.sql_store import SqlObservations
from boathouse.catalogs.observations.stations import Network, Station, Variable
from boathouse.catalogs.recovery import recover

NOON = instant("2021-05-16T12:00:00Z")
HOUR = 3_600_000_000
VARIABLES = {
    "t": Variable(units="K", standard_name="air_temperature"),
    "ff": Variable(units="m s-1"),
}


def station(id: str, **more: Any) -> Station:
    known = {"network": "harbour", "lat": 54.0, "lon": 10.0, "variables": VARIABLES, "owner": "ann"}
    return Station(**{**known, **more, "id": id})


def reading(id: str, hour: int, value: float | None, variable: str = "t", **more: Any) -> Reading:
    return Reading(1, id, NOON + hour * HOUR, variable, value, **more)


@pytest.fixture
def observations(lake: Lake) -> Iterator[SqlObservations]:
    opened = local_observations(lake)
    opened.register([station("quay"), station("mole")])
    yield opened
    opened.close()


def assert_like_the_table(lake: Lake, observations: SqlObservations, name: str = "harbour") -> None:
    """The cube holds each value of the table, and nothing else."""
    found = open_collection(name, lake, chunks=None).compute()
    times = found["time"].values.astype("M8[us]").astype("i8")
    assert (np.diff(times) > 0).all()
    values: dict[tuple[str, int, str], float] = {}
    for variable in found.data_vars:
        array = found[variable].transpose("station", "time").values
        for row, column in zip(*np.nonzero(~np.isnan(array)), strict=True):
            key = (str(found["station"].values[row]), int(times[column]), str(variable))
            values[key] = float(array[row, column])
    rows = observations.find(Query(network=name, limit=100_000)).rows
    assert values == {
        (row.station, instant(row.time), row.variable): row.value
        for row in rows
        if row.value is not None
    }
    assert set(times) == {instant(row.time) for row in rows}


def test_late_corrected_and_withdrawn_values_come_into_the_cube(
    lake: Lake, observations: SqlObservations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cube, "CHUNK_TIMES", 4)
    compactor = Compactor(lake, observations.database)
    steps = [
        [reading("quay", hour, float(hour)) for hour in range(6)],
        [reading("mole", 7, 1.5), reading("quay", 7, 2.0, "ff")],
        [reading("quay", -30, 9.0)],  # a day and a half late: everything moves
        [reading("quay", 3, 3.5), reading("quay", 4, None)],
        [reading("mole", 200, 4.0), reading("mole", 199, 5.0)],
    ]
    for batch in steps:
        observations.add(batch)
        assert compactor.run() == ["harbour"]
        assert_like_the_table(lake, observations)
    assert compactor.run() == []
    observations.register([station("pier")])
    observations.add([reading("pier", 3, 7.0)])
    assert compactor.run() == ["harbour"]
    assert_like_the_table(lake, observations)


def test_the_catalog_and_the_log_are_told_and_the_cube_is_cf(
    lake: Lake, observations: SqlObservations
) -> None:
    observations.save_network(
        Network(id="harbour", owner="ann", title="Harbour", licence="CC0-1.0")
    )
    observations.add([reading("quay", 0, 280.5), reading("mole", 24, 281.0)])
    face = Compactor(lake, observations.database).compact("harbour")
    assert face is not None
    assert (face.kind, face.owner, face.access, face.title) == ("cube", "ann", "private", "Harbour")
    assert face.interval == ("2021-05-16T12:00:00Z", "2021-05-17T12:00:00Z")
    assert [item.id for item in lake.store.items("harbour")] == ["20210517", "20210516"]
    (event,) = [event for event in lake.log.read() if (event.data or {}).get("cube")]
    assert event.type == "org.ogc.api.collection.item.create"
    assert event.data["items"] == ["20210516", "20210517"]
    found = open_collection("harbour", lake)
    assert found.attrs["featureType"] == "timeSeries"
    assert found["station"].attrs["cf_role"] == "timeseries_id"
    assert found["t"].attrs["standard_name"] == "air_temperature"
    assert {"lat", "lon", "height", "station_name"} <= set(found["t"].coords)


def test_a_station_that_not_all_readers_may_see_is_not_in_the_cube(
    lake: Lake, observations: SqlObservations
) -> None:
    secret = station("secret", variables={"x": Variable(units="1")})
    observations.register([secret])
    observations.add([reading("secret", 0, 1.0, "x"), reading("quay", 0, 1.0)])
    compactor = Compactor(lake, observations.database)
    compactor.run()
    assert "x" in open_collection("harbour", lake)
    observations.save_network(Network(id="harbour", owner="ann", access="public"))
    observations.register([station("quay", access="public")])
    compactor.run()
    found = open_collection("harbour", lake)
    assert found["station"].values.tolist() == ["quay"]
    assert "x" not in found


def test_a_network_cannot_take_the_name_of_a_collection(
    lake: Lake, observations: SqlObservations, pool: Any
) -> None:
    with pytest.raises(Conflict) as caught:
        observations.register([station("other", network=pool.name)])
    assert caught.value.field == "network"
    with pytest.raises(NotFound):
        Compactor(lake, observations.database).compact("nowhere")


def test_a_compaction_that_was_cut_off_is_done_again(
    lake: Lake, observations: SqlObservations, monkeypatch: pytest.MonkeyPatch
) -> None:
    compactor = Compactor(lake, observations.database)
    observations.add([reading("quay", 0, 1.0)])
    compactor.run()
    observations.add([reading("quay", 1, 2.0)])

    def die(*_: Any) -> None:
        raise Unavailable("the machine fails")

    with monkeypatch.context() as patch:
        # After the commit, before the marks are deleted.
        patch.setattr(compaction.Compactor, "_forget", die)
        with pytest.raises(Unavailable):
            compactor.run()
    snapshot = lake.store.collection("harbour").snapshot
    assert compactor.waiting() == ["harbour"]
    assert compactor.run() == []
    assert compactor.waiting() == []
    assert lake.store.collection("harbour").snapshot == snapshot
    assert_like_the_table(lake, observations)


_numbers = itertools.count()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_order_of_any_redelivery_gives_the_same_table(
    observations: SqlObservations, data: st.DataObject
) -> None:
    """Values that say when they were issued may come in any order, in any batches, again."""
    number = next(_numbers)
    one, other = f"one-{number}", f"other-{number}"
    observations.register([station(one), station(other)])
    keys = st.tuples(st.integers(0, 2), st.sampled_from(["t", "ff"]), st.integers(1, 4))
    values = data.draw(st.dictionaries(keys, st.sampled_from([1.0, 2.0, None]), min_size=1))
    rows = [(*key, value) for key, value in values.items()]
    again = data.draw(st.lists(st.sampled_from(rows), max_size=6))
    for id in (one, other):
        sent = data.draw(st.permutations([*rows, *again]))
        size = data.draw(st.integers(1, 5))
        receipts = [
            observations.add(
                [
                    reading(id, hour, value, name, issued=NOON + issued)
                    for hour, name, issued, value in sent[start : start + size]
                ]
            )
            for start in range(0, len(sent), size)
        ]
        assert sum(r.stored + r.revised for r in receipts) == len(rows)
        assert sum(r.known for r in receipts) == len(again)

    def table(id: str) -> list[Any]:
        found = observations.find(Query(stations=(id,))).rows
        return [
            (
                msgspec.structs.replace(row, station=""),
                sorted(
                    (each.issued, str(each.value))
                    for each in observations.revisions(id, row.variable, row.time)
                ),
            )
            for row in found
        ]

    assert table(one) == table(other)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_redelivery_of_anything_changes_nothing(
    observations: SqlObservations, data: st.DataObject
) -> None:
    """Also of values that say nothing of their issue, when they were corrected meanwhile."""
    id = f"again-{next(_numbers)}"
    observations.register([station(id)])
    row = st.tuples(st.integers(0, 2), st.sampled_from([1.0, 2.0, 3.0]))
    batches = data.draw(st.lists(st.lists(row, min_size=1, max_size=4), min_size=1, max_size=4))
    for batch in batches:
        observations.add([reading(id, hour, value) for hour, value in batch])
    before = observations.find(Query(stations=(id,))).rows
    for batch in data.draw(st.permutations(batches)):
        receipt = observations.add([reading(id, hour, value) for hour, value in batch])
        assert receipt == Receipt(known=len(batch))
    assert observations.find(Query(stations=(id,))).rows == before


WRITER = """
import sys
from boathouse.catalogs.lake import open_lake
from boathouse.catalogs.observations.compaction import Compactor
from boathouse.catalogs.observations.observation import Reading
from boathouse.catalogs.observations.opening import local_observations

lake = open_lake(sys.argv[1], user="ann")
observations = local_observations(lake)
compactor = Compactor(lake, observations.database)
print("ready", flush=True)
for number in range(int(sys.argv[2]), 1_000_000):
    hour = 3_600_000_000 * number
    observations.add(
        [
            Reading(1, id, hour + n, "t", float(number))
            for id in ("quay", "mole")
            for n in range(25)
        ]
    )
    print(number, flush=True)
    if number % 5 == 0:
        compactor.run()
"""


def test_whoever_is_killed_no_acknowledged_batch_is_lost_and_no_event_is_told_twice(
    tmp_path: Path,
) -> None:
    root = tmp_path / "lake"
    lake = open_lake(root, user="ann")
    first = local_observations(lake)
    first.register([station("quay"), station("mole")])
    first.close()
    lake.close()
    acknowledged: list[int] = []
    dice = random.Random(4)
    for _ in range(3):
        start = acknowledged[-1] + 1 if acknowledged else 0
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root), str(start)],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            time.sleep(dice.uniform(0.1, 0.7))
            writer.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]
    assert len(acknowledged) > 8
    lake = open_lake(root, user="ann")
    observations = local_observations(lake)
    recover(lake)
    counts: dict[int, int] = {}
    for row in observations.find(Query(limit=100_000)).rows:
        counts[int(row.value or 0)] = counts.get(int(row.value or 0), 0) + 1
    assert set(acknowledged) <= set(counts)
    assert set(counts.values()) == {50}  # all or nothing of each batch
    assert observations.outbox.wake(wait=20)
    told = [
        (event.data["station"], event.datatime)
        for event in lake.log.read(limit=100_000)
        if "station" in (event.data or {})
    ]
    assert len(told) == len(set(told)) == 2 * len(counts)
    Compactor(lake, observations.database).run()
    assert_like_the_table(lake, observations)
    observations.close()
    lake.close()


def test_events_wait_for_a_log_that_is_away(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "events.sqlite")
    log.close()
    observations = SqlObservations(tmp_path / "o.sqlite", log=log)
    observations.register([station("quay")])
    assert observations.add([reading("quay", 0, 1.0)]).stored == 1
    assert not observations.outbox.wake(wait=0.3)
    observations.close()
    log = SqliteEventLog(tmp_path / "events.sqlite")
    observations = SqlObservations(tmp_path / "o.sqlite", log=log)
    assert observations.outbox.wake(wait=10)
    assert [event.data["values"] for event in log.read()] == [{"t": 1.0}]
    observations.close()
    log.close()


DATA = Path(boathouse.__file__).parent.parent / "shared" / "data" / "stations"


def test_a_day_of_real_stations_becomes_a_cube(lake: Lake) -> None:
    path = DATA / "dwd_synop_germany_20210516.csv"
    if not path.exists():
        pytest.skip("the real station data is not here")
    import pandas as pd

    from boathouse.catalogs.observations import face

    table = pd.read_csv(path).dropna(subset=["WMO_station_id"])
    table["station"] = "wmo-" + table["WMO_station_id"].astype(int).astype(str)
    names = {"airTemperature": "t", "windSpeed": "ff"}
    table = table.rename(columns={**names, "data_datetime": "time"})
    table = table.drop_duplicates(["station", "time"])
    observations = local_observations(lake)
    places = table.drop_duplicates("station").set_index("station")
    observations.register(
        [
            station(id, network="dwd", lat=row.latitude, lon=row.longitude, access="public")
            for id, row in places.iterrows()
        ]
    )
    sent = table[["station", "time", "t", "ff"]]
    count = int(sent["t"].notna().sum() + sent["ff"].notna().sum())
    assert face.observe(sent, lake=lake) == Receipt(stored=count)
    assert face.observe(sent, lake=lake) == Receipt(known=count)
    Compactor(lake, observations.database).run()
    assert_like_the_table(lake, observations, "dwd")
    berlin = face.observations(network="dwd", bbox=(13.0, 52.3, 13.8, 52.7), lake=lake)
    assert 0 < len(berlin) < count
    observations.close()
    with contextlib.suppress(NotFound):
        assert lake.store.collection("dwd").bbox[1] > 46
