"""Pools: the contract holds, the window moves, nothing is lost or half visible."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from boathouse.catalogs.errors import BadRequest, BadStep, Conflict, NotFound
from boathouse.catalogs.events.event import ITEM_CREATED, ITEM_UPDATED
from boathouse.catalogs.lake import open_lake
from boathouse.catalogs.pools import create_pool, open_pool


def times(dataset: xr.Dataset) -> list[str]:
    return [str(time)[11:13] for time in np.atleast_1d(dataset["time"].values)]


def test_a_new_pool_is_empty_and_in_the_catalog(pool, lake):
    face = lake.store.collection("t2m-fresh")
    assert (face.kind, face.location, face.owner) == ("pool", "pools/t2m-fresh", "ann")
    assert face.properties == {"window": 4, "step_seconds": 3600}
    assert face.bbox == (-10, 50, 2, 58)
    assert face.variables["t2m"]["units"] == "K"
    assert pool.open().sizes["time"] == 0
    with pytest.raises(NotFound, match="empty"):
        pool.latest()


def test_put_shows_the_step_its_item_and_its_event(pool, lake, frames):
    arrival = pool.put(frames(1))
    (item,) = arrival.items
    assert (item.id, item.datetime) == ("20190301T0000Z", "2019-03-01T00:00:00Z")
    assert item.properties == {"revision": 1}
    assert lake.store.item("t2m-fresh", item.id).snapshot == pool.info().snapshot
    (event,) = lake.log.read()
    assert event.type == ITEM_CREATED
    assert event.id == f"{pool.info().snapshot}-{item.id}"
    assert event.subject == "/collections/t2m-fresh/items/20190301T0000Z"
    assert (event.owner, event.collection, event.datatime) == ("ann", "t2m-fresh", item.datetime)
    assert event.data == {
        "item": item.id,
        "collection": "t2m-fresh",
        "snapshot": pool.info().snapshot,
    }
    xr.testing.assert_equal(pool.latest().drop_vars("revision").compute(), frames(1).isel(time=0))
    assert pool.info().interval == (item.datetime, item.datetime)
    assert pool.latest()["t2m"].attrs["units"] == "K"
    assert pool.open().attrs["boathouse_collection"] == "t2m-fresh"


def test_steps_can_be_named_arrays_and_without_a_time_dimension(pool, frames):
    pool.put(frames(2).isel(time=1)["t2m"])
    pool.put(frames(2)["t2m"].transpose("longitude", "time", "latitude"))
    assert times(pool.open()) == ["00", "01"]
    assert pool.open()["t2m"].dims == ("time", "latitude", "longitude")


def test_the_window_moves_and_takes_items_and_bytes_with_it(pool, lake, frames):
    data = frames(10)
    for index in range(10):
        pool.put(data.isel(time=[index]))
    assert times(pool.open()) == ["06", "07", "08", "09"]
    np.testing.assert_array_equal(pool.open()["t2m"], data["t2m"][6:])
    assert [item.id[9:11] for item in lake.store.items("t2m-fresh")] == ["09", "08", "07", "06"]
    assert len(lake.log.read()) == 10
    pool.sweep(keep=timedelta(0))
    assert times(pool.open()) == ["06", "07", "08", "09"]


def test_sweeping_frees_the_disk(lake, frames):
    big = frames(1).interp(longitude=np.linspace(-10, 2, 400), latitude=np.linspace(50, 58, 300))
    big = big.astype("f4")
    pool = create_pool("big", template=big, window=2, step="1h", lake=lake)
    for hour in range(6):
        noise = np.random.default_rng(hour).normal(size=big["t2m"].shape).astype("f4")
        pool.put(
            big.assign(t2m=big["t2m"].copy(data=noise)).assign_coords(
                time=big["time"] + np.timedelta64(hour, "h")
            )
        )
    files = lake.root / "pools" / "big" / "chunks"
    before = sum(1 for _ in files.iterdir())
    pool.sweep(keep=timedelta(0))
    after = sum(1 for _ in files.iterdir())
    assert before - after == 4
    assert times(pool.open().compute()) == ["04", "05"]


def test_since_and_at(pool, frames):
    pool.put(frames(4))
    assert times(pool.since("2019-03-01T02:00Z")) == ["02", "03"]
    assert times(pool.since("2019-03-01T04:00+02:00")) == ["02", "03"]
    assert times(pool.at("2019-03-01T01:00")) == ["01"]
    with pytest.raises(NotFound, match="2019-03-01T09:00:00Z; it holds 2019-03-01T00"):
        pool.at("2019-03-01T09:00")
    with pytest.raises(BadRequest, match="not a time"):
        pool.since("yesterday-ish")


def test_a_late_step_fills_its_slot_and_a_repeated_one_is_a_revision(pool, lake, frames):
    data = frames(4)
    for index in (2, 3, 0):
        pool.put(data.isel(time=[index]))
    assert times(pool.open()) == ["00", "02", "03"]
    corrected = frames(4, seed=9).isel(time=[2])
    (item,) = pool.put(corrected).items
    assert item.properties == {"revision": 2}
    assert lake.log.read()[-1].type == ITEM_UPDATED
    np.testing.assert_array_equal(pool.at("2019-03-01T02:00")["t2m"], corrected["t2m"][0])
    assert pool.open()["revision"].values.tolist() == [1, 2, 1]
    assert pool.open().indexes["time"].is_monotonic_increasing


def test_putting_the_same_again_is_harmless(pool, lake, frames):
    pool.put(frames(2))
    before = pool.info().snapshot
    assert pool.put(frames(2)).items == ()
    assert pool.info().snapshot == before
    assert len(lake.log.read()) == 2


def test_a_step_older_than_the_window(pool, frames):
    data = frames(8)
    pool.put(data.isel(time=slice(4, 8)))
    with pytest.raises(BadStep, match="older than the pool's window") as caught:
        pool.put(data.isel(time=[3]))
    assert caught.value.field == "time"
    arrival = pool.put(frames(8, seed=1).isel(time=[3, 4]))
    assert arrival.late == ("2019-03-01T03:00:00Z",)
    assert [item.id for item in arrival.items] == ["20190301T0400Z"]


def celsius(ds):
    return ds.assign(t2m=ds["t2m"].assign_attrs(units="degC"))


BREAKS = {
    "units": (celsius, "t2m", "'t2m' is in 'degC'; the pool keeps it in 'K'"),
    "no units": (lambda ds: ds.assign(t2m=ds["t2m"].drop_attrs()), "t2m", "'no units'"),
    "flipped": (
        lambda ds: ds.isel(latitude=slice(None, None, -1)),
        "latitude",
        "runs the other way",
    ),
    "shifted": (
        lambda ds: ds.assign_coords(longitude=ds["longitude"] + 0.5),
        "longitude",
        "another grid",
    ),
    "cut": (lambda ds: ds.isel(latitude=slice(1, None)), "latitude", "3 values"),
    "dtype": (lambda ds: ds.astype("f8"), "t2m", "float64; the pool keeps float32"),
    "renamed": (lambda ds: ds.rename(t2m="temperature"), "t2m", "lacks 't2m'"),
    "extra": (lambda ds: ds.assign(wind=ds["t2m"]), "wind", "no 'wind'"),
    "dims": (lambda ds: ds.isel(latitude=0, drop=True), "t2m", "dimensions"),
    "no coordinate": (lambda ds: ds.drop_vars("latitude"), "latitude", "lacks"),
    "no time": (lambda ds: ds.isel(time=0, drop=True), "time", "'time'"),
    "off the grid": (
        lambda ds: ds.assign_coords(time=ds["time"] + np.timedelta64(10, "m")),
        "time",
        "nearest is 2019-03-01T01:00:00Z",
    ),
    "a wrong century": (
        lambda ds: ds.assign_coords(time=ds["time"] + np.timedelta64(36500, "D")),
        "time",
        "wrong time",
    ),
    "no dates": (lambda ds: ds.assign_coords(time=[3]), "time", "dates"),
    "twice": (lambda ds: xr.concat([ds, ds], "time"), "time", "twice"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_step_that_breaks_the_contract_changes_nothing(pool, lake, frames, name):
    pool.put(frames(1))
    before = pool.info()
    spoil, field, text = BREAKS[name]
    with pytest.raises(BadStep) as caught:
        pool.put(spoil(frames(2, seed=1).isel(time=[1])))
    assert caught.value.field == field
    assert text in caught.value.detail
    assert pool.info() == before
    assert len(lake.log.read()) == 1
    pool.put(frames(2, seed=1).isel(time=[1]))
    assert times(pool.open()) == ["00", "01"]


def test_coordinates_that_went_through_float32_are_the_same_grid(pool, frames):
    step = frames(1)
    pool.put(step.assign_coords(longitude=step["longitude"].astype("f4")))
    assert pool.open()["longitude"].dtype == "f8"


def test_coordinates_along_time_belong_to_the_step(lake, frames):
    def sourced(n, start="2019-03-01"):
        data = frames(n, start)
        return data.assign_coords(
            source_time=("time", data["time"].values - np.timedelta64(7, "D")),
            member=("time", np.arange(n)),
        )

    pool = create_pool("sourced", template=sourced(2), window=3, lake=lake)
    for index in range(5):
        pool.put(sourced(5).isel(time=[index]))
    opened = pool.open()
    assert set(opened.coords) >= {"source_time", "member", "revision"}
    np.testing.assert_array_equal(opened["source_time"], sourced(5)["source_time"][2:])
    assert opened["member"].values.tolist() == [2, 3, 4]
    with pytest.raises(BadStep, match="lacks the coordinate 'member'"):
        pool.put(frames(6).isel(time=[5]))


def test_lazy_steps(pool, frames):
    pool.put(frames(3).chunk(time=1, latitude=2))
    np.testing.assert_array_equal(pool.open()["t2m"], frames(3)["t2m"])


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"window": 0}, "window"),
        ({"name": "Not a name"}, "name"),
        ({"access": "friends"}, "access"),
        ({"step": "soon"}, "step"),
        ({"step": timedelta(milliseconds=10)}, "step"),
    ],
)
def test_create_says_what_is_wrong(lake, frames, arguments, field):
    with pytest.raises(BadRequest) as caught:
        create_pool(**{"name": "p", "template": frames(2), "window": 3, "lake": lake, **arguments})
    assert caught.value.field == field
    assert lake.store.collections() == []


def test_one_step_does_not_say_how_far_apart_steps_are(lake, frames):
    with pytest.raises(BadRequest, match="step='1h'"):
        create_pool("p", template=frames(1), window=3, lake=lake)
    pool = create_pool("p", template=frames(1), window=3, step="1h", lake=lake)
    assert pool.info().properties["step_seconds"] == 3600


def test_names_are_taken_once(pool, lake, frames):
    with pytest.raises(Conflict, match="open_pool"):
        create_pool("t2m-fresh", template=frames(2), window=4, lake=lake)
    with pytest.raises(NotFound):
        open_pool("none", lake)
    assert open_pool("t2m-fresh", lake).info() == pool.info()


def test_the_picture_of_a_pool_says_how_full_it_is(pool, frames):
    pool.put(frames(2))
    assert repr(pool) == "Pool('t2m-fresh', 2 of 4 steps, newest 2019-03-01T01:00:00Z)"


@settings(max_examples=8, deadline=None)
@given(
    order=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 2)), min_size=1, max_size=8),
    window=st.integers(1, 6),
)
def test_any_order_of_puts_gives_what_a_dict_would(tmp_path_factory, frames_of, order, window):
    """The model: a dict from hour to the last value put, of which the newest window is kept."""
    lake = open_lake(tmp_path_factory.mktemp("lake"), user="ann")
    try:
        pool = create_pool("p", template=frames_of(0, 0), window=window, step="1h", lake=lake)
        model: dict[int, int] = {}
        newest = -1
        for hour, value in order:
            step = frames_of(hour, value)
            if newest >= 0 and hour <= newest - window:
                with pytest.raises(BadStep):
                    pool.put(step)
                continue
            pool.put(step)
            newest = max(newest, hour)
            model[hour] = value
            model = {h: v for h, v in model.items() if h > newest - window}
        opened = pool.open().compute()
        hours = [pd.Timestamp(t).hour for t in opened["time"].values]
        assert dict(zip(hours, opened["v"].values[:, 0].astype(int).tolist(), strict=True)) == dict(
            sorted(model.items())
        )
        assert {item.datetime for item in lake.store.items("p")} == {
            f"2019-03-01T{hour:02}:00:00Z" for hour in model
        }
    finally:
        lake.close()


@pytest.fixture(scope="module")
def frames_of():
    def make(hour: int, value: int) -> xr.Dataset:
        return xr.Dataset(
            {"v": (("time", "x"), np.full((1, 3), value, "f4"))},
            {"time": [np.datetime64(f"2019-03-01T{hour:02}:00", "ns")], "x": [0, 1, 2]},
        )

    return make
