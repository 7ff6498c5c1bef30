"""The notebook face of the observations, on a lake in process."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from boathouse.catalogs.errors import BadRequest, NotFound
from boathouse.catalogs.lake import Lake
from boathouse.catalogs.observations.face import (
    commands,
    observations,
    observe,
    register_station,
    stations,
)
from boathouse.catalogs.observations.observation import Receipt
from boathouse.catalogs.observations.opening import open_observations


@pytest.fixture
def harbour(lake: Lake) -> Lake:
    air = {"units": "K", "standard_name": "air_temperature"}
    for id, lon in (("quay", 10.1), ("mole", 10.2)):
        register_station(
            id,
            network="harbour",
            lat=54.3,
            lon=lon,
            variables={"t": air, "ff": "m s-1"},
            commands={"expose": {}},
            lake=lake,
        )
    return lake


def table() -> pd.DataFrame:
    times = pd.date_range("2021-05-16T12:00", periods=3, freq="h")
    return pd.DataFrame(
        {"station": "quay", "time": times, "t": [280.5, np.nan, 281.0], "ff": [4, 5, 6]}
    )


def test_stations_are_a_table(harbour: Lake) -> None:
    found = stations(lake=harbour)
    assert list(found.index) == ["quay", "mole"]
    assert found.loc["quay", "variables"] == ("t", "ff")
    assert (found["owner"] == "ann").all()
    assert list(stations(bbox=(10.15, 54, 11, 55), lake=harbour).index) == ["mole"]
    assert open_observations(harbour) is open_observations(harbour)


def test_what_was_observed_comes_back_the_same(harbour: Lake) -> None:
    assert observe(table(), lake=harbour) == Receipt(stored=5)
    assert observe(table(), lake=harbour) == Receipt(known=5)
    back = observations("quay", lake=harbour)
    assert isinstance(back, pd.DataFrame)
    wide = back.pivot(index="time", columns="variable", values="value")
    sent = table().set_index("time")[["ff", "t"]].astype("float64").tz_localize("UTC")
    pd.testing.assert_frame_equal(
        wide, sent, check_names=False, check_freq=False, check_index_type=False
    )
    assert set(back["units"]) == {"K", "m s-1"}


@pytest.mark.parametrize(
    "data",
    [
        "time,t (K)\n2021-05-16T12:00Z,280.5\n",
        {"time": "2021-05-16T12:00Z", "values": {"t": 280.5}},
        [{"time": "2021-05-16T14:00+02:00", "variable": "t", "value": 280.5, "units": "K"}],
        pd.DataFrame({"t": [280.5]}, index=pd.DatetimeIndex(["2021-05-16T12:00"], name="time")),
        pd.DataFrame({"time": ["2021-05-16T12:00Z"], "variable": "t", "value": 280.5}),
    ],
)
def test_one_value_may_be_said_in_many_ways(harbour: Lake, data: Any) -> None:
    assert observe(data, station="mole", lake=harbour) == Receipt(stored=1)
    back = observations("mole", "t", until=datetime(2021, 5, 17, tzinfo=UTC), lake=harbour)
    assert back[["time", "value"]].values.tolist() == [[pd.Timestamp("2021-05-16T12:00Z"), 280.5]]


def test_a_dataset_says_where_and_in_what_units(harbour: Lake) -> None:
    observe(table(), lake=harbour)
    observe({"time": "2021-05-16T12:30", "values": {"t": 300}}, station="mole", lake=harbour)
    found = observations(network="harbour", xarray=True, lake=harbour)
    assert isinstance(found, xr.Dataset)
    assert dict(found.sizes) == {"station": 2, "time": 4}
    assert found["t"].attrs == {"units": "K", "standard_name": "air_temperature"}
    assert float(found["t"].sel(station="mole", time="2021-05-16T12:30").squeeze()) == 300.0
    assert found["lon"].values.tolist() == [10.1, 10.2]
    assert found.attrs["featureType"] == "timeSeries"
    latest = observations(latest=True, since="2021-05-16T13:30", lake=harbour)
    assert latest["value"].tolist() == [281.0, 6.0]
    with pytest.raises(NotFound):
        observations("quay", since="2022-01-01", xarray=True, lake=harbour)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (pd.DataFrame({"t": [1.0]}), "time"),
        (pd.DataFrame({"time": ["noon"], "t": [1.0]}), "time"),
        (pd.DataFrame({"time": ["2021-01-01"], "variable": "t", "value": 1.0, "x": 2}), "x"),
        (pd.DataFrame({"time": ["2021-01-01"], "rh": [1.0]}), "rows.1.variable"),
        ({"values": {"t": 1}}, "rows.1.time"),
    ],
)
def test_bad_data_is_refused_by_field(harbour: Lake, data: Any, field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        observe(data, station="quay", lake=harbour)
    assert caught.value.field == field
    assert observations(lake=harbour).empty


def test_bad_words_are_refused_by_field(harbour: Lake) -> None:
    with pytest.raises(BadRequest) as caught:
        register_station(
            "x", network="n", lat=0, lon=0, variables={"t": {"unit": "K"}}, lake=harbour
        )
    assert caught.value.field == "variables.t"
    with pytest.raises(BadRequest) as caught:
        observations(since="yesterday noon", lake=harbour)
    assert caught.value.field == "since"


def test_a_command_goes_round_in_process(harbour: Lake) -> None:
    queue = commands(harbour)
    sent = queue.enqueue("quay", "expose", {"seconds": 3})
    assert [command.id for command in queue.poll("quay")] == [sent.id]
    assert next(queue.follow("quay", timeout=1)).id == sent.id
    assert queue.acknowledge(sent.id, "done", result=1).state == "done"
    assert list(queue.follow("quay", timeout=0.05)) == []
