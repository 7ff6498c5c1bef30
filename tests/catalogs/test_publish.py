"""Publishing: checked, complete with provenance, visible at once or not at all."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from boathouse.catalogs.cubes import open_collection
from boathouse.catalogs.errors import BadRequest, Conflict, NotFound, StorageFull
from boathouse.catalogs.events.event import ITEM_CREATED, ITEM_UPDATED
from boathouse.catalogs.lake import Lake
from boathouse.catalogs.pools import create_pool
from boathouse.catalogs.publish import UnitsWarning, publish
from boathouse.catalogs.recovery import recover


def test_a_result_is_cube_record_item_and_event(lake, frames):
    data = frames(3)
    face = publish(data, "my-cut", licence="CC-BY-4.0", title="My cut", lake=lake)
    stored = lake.store.collection("my-cut")
    assert face == stored
    assert (stored.kind, stored.location) == ("result", "results/ann/my-cut")
    assert (stored.owner, stored.access, stored.licence) == ("ann", "private", "CC-BY-4.0")
    assert stored.interval == ("2019-03-01T00:00:00Z", "2019-03-01T02:00:00Z")
    opened = open_collection("my-cut", lake)
    xr.testing.assert_equal(opened.compute(), data)
    assert opened["t2m"].attrs == data["t2m"].attrs
    assert opened.attrs["title"] == "My cut"
    (item,) = lake.store.items("my-cut")
    (event,) = lake.log.read()
    assert event.type == ITEM_CREATED
    assert event.id == f"{stored.snapshot}-{item.id}"
    assert event.access == "private"
    assert event.data["snapshot"] == item.snapshot == stored.snapshot


def test_publishing_again_makes_a_version_and_keeps_the_old_one(lake, frames):
    first = publish(frames(2), "my-cut", licence="CC-BY-4.0", lake=lake)
    second = publish(frames(1, seed=1), "my-cut", licence="CC-BY-4.0", lake=lake)
    assert first.snapshot != second.snapshot
    assert open_collection("my-cut", lake).sizes["time"] == 1
    old = open_collection("my-cut", lake, snapshot=first.snapshot)
    np.testing.assert_array_equal(old["t2m"], frames(2)["t2m"])
    assert len(lake.store.items("my-cut")) == 2
    with pytest.raises(NotFound, match="no longer kept"):
        open_collection("my-cut", lake, snapshot="NOSUCHSNAPSHOT000000")


def test_provenance_of_a_job(lake, frames):
    pool = create_pool("t2m-fresh", template=frames(2), window=4, lake=lake)
    pool.put(frames(2))
    working = Lake(lake.root, lake.store, lake.log, user="ann", job="job-7")
    publish(
        frames(1),
        "mean",
        licence="CC0-1.0",
        derived_from=["t2m-fresh", ("t2m-fresh", "OLDER")],
        lake=working,
    )
    item = lake.store.item("mean", "job-7")
    assert [(link.rel, link.href, link.snapshot) for link in item.links] == [
        ("derived_from", "/collections/t2m-fresh", pool.info().snapshot),
        ("derived_from", "/collections/t2m-fresh", "OLDER"),
        ("via", "/jobs/job-7", ""),
    ]
    assert lake.store.collection("mean").links == item.links
    # The same job again, after a crash: the same item, said to be updated.
    publish(frames(1, seed=2), "mean", licence="CC0-1.0", lake=working)
    assert len(lake.store.items("mean")) == 1
    last = lake.log.read()[-1]
    assert last.type == ITEM_UPDATED
    assert last.data["job"] == "job-7"


def test_what_was_opened_here_knows_where_it_came_from(lake, frames):
    source = publish(frames(3), "source", licence="CC0-1.0", lake=lake)
    cut = open_collection("source", lake).isel(time=0)
    publish(cut, "cut", licence="CC0-1.0", lake=lake)
    (link,) = lake.store.collection("cut").links
    assert (link.rel, link.href, link.snapshot) == (
        "derived_from",
        "/collections/source",
        source.snapshot,
    )
    assert open_collection("cut", lake).attrs["boathouse_collection"] == "cut"


@pytest.mark.parametrize(
    ("change", "field", "text"),
    [
        ({"name": "My Cut"}, "name", "lower-case"),
        ({"licence": " "}, "licence", "CC-BY"),
        ({"access": "friends"}, "access", "group:NAME"),
        ({"derived_from": ["nothing"]}, "derived_from", "not in the catalog"),
        ({"data": xr.Dataset()}, "data", "no data variable"),
        ({"data": [1, 2]}, "data", "list cannot"),
        (
            {"data": xr.Dataset({"o": ("x", np.array([{}, 1], dtype=object))})},
            "o",
            "cannot be stored",
        ),
        (
            {
                "data": xr.Dataset(
                    {"v": (("y", "x"), np.ones((2, 2)), {"units": "1"})}, {"x": [1, 2], "y": [1, 2]}
                ).stack(z=("y", "x"))
            },
            "z",
            "MultiIndex",
        ),
    ],
)
def test_what_cannot_be_published_leaves_no_trace(lake, frames, change, field, text):
    arguments = {"data": frames(1), "name": "my-cut", "licence": "CC0-1.0", **change}
    with pytest.raises(BadRequest) as caught:
        publish(arguments.pop("data"), arguments.pop("name"), lake=lake, **arguments)
    assert caught.value.field == field
    assert text in caught.value.detail
    assert lake.store.collections() == []
    assert not list(lake.root.glob("results/*/*"))


def test_a_variable_without_units_is_a_warning(lake, frames):
    with pytest.warns(UnitsWarning, match="No units: t2m"):
        publish(frames(1)["t2m"].drop_attrs(), "bare", licence="CC0-1.0", lake=lake)


def test_anothers_name_is_a_conflict(lake, frames):
    publish(frames(1), "mine", licence="CC0-1.0", lake=lake)
    bob = Lake(lake.root, lake.store, lake.log, user="bob")
    with pytest.raises(Conflict, match="'mine' is taken by a result of 'ann'"):
        publish(frames(1), "mine", licence="CC0-1.0", lake=bob)
    assert not (lake.root / "results" / "bob" / "mine").exists()
    create_pool("pooled", template=frames(2), window=3, lake=lake)
    with pytest.raises(Conflict, match="a pool of 'ann'"):
        publish(frames(1), "pooled", licence="CC0-1.0", lake=lake)


def test_tables_texts_dates_and_attributes_survive(lake):
    frame = pd.DataFrame(
        {
            "gauge": ["Orono", "Maine", "Bangor"],
            "flow": [1.5, np.nan, 2],
            "when": pd.to_datetime(["2020-01-01T00:00:00.5", "2020-01-02", None], format="ISO8601"),
            "wet": [True, False, True],
        }
    )
    with pytest.warns(UnitsWarning, match="flow"):
        publish(frame, "table", licence="CC0-1.0", lake=lake)
    back = open_collection("table", lake).compute()
    assert [str(name) for name in back["gauge"].values] == ["Orono", "Maine", "Bangor"]
    np.testing.assert_array_equal(back["flow"], frame["flow"])
    np.testing.assert_array_equal(back["when"].values.astype("M8[ns]"), frame["when"])
    assert back["wet"].dtype == bool
    attrs = {"units": "1", "levels": np.arange(2), "flag": np.bool_(True), "odd": {"a": 1}}
    publish(
        xr.Dataset({"v": ("x", [1.0], attrs)}, attrs={"_FillValue": 3}),
        "attributes",
        licence="CC0-1.0",
        lake=lake,
    )
    back = open_collection("attributes", lake)
    assert back["v"].attrs == {"units": "1", "levels": [0, 1], "flag": True, "odd": "{'a': 1}"}


FINE = "2020-01-01T00:00:00.000001"


@pytest.mark.parametrize(
    ("time", "unit"),
    [
        *((t, u) for t in ("2020-01-01", "NaT") for u in ["s", "ms", "us", "ns"]),
        (FINE, "us"),
        (FINE, "ns"),
    ],
)
def test_times_are_kept_exactly(lake, time, unit):
    times = np.array([time, "1850-01-01"], dtype=f"M8[{unit}]")
    data = xr.Dataset({"v": ("x", [1.0, 2.0], {"units": "1"}), "when": ("x", times)})
    publish(data, "times", licence="CC0-1.0", lake=lake)
    np.testing.assert_array_equal(open_collection("times", lake)["when"].values, times)


def test_lazy_data_is_written_by_dask(lake, frames):
    data = frames(8).chunk(time=1, longitude=4)
    publish(data * 2, "doubled", licence="CC0-1.0", lake=lake)
    np.testing.assert_array_equal(open_collection("doubled", lake)["t2m"], frames(8)["t2m"] * 2)


KILLED = """
import os, sys
import numpy as np, xarray as xr
from boathouse.catalogs.lake import open_lake
from boathouse.catalogs.publish import publish
lake = open_lake(sys.argv[1], user="ann")
lake.store.record = lambda record: os.kill(os.getpid(), 9)
publish(xr.Dataset({"v": ("x", [1.0], {"units": "1"})}), "killed", licence="CC0-1.0", lake=lake)
"""


def test_killed_between_commit_and_record(lake):
    died = subprocess.run([sys.executable, "-c", KILLED, str(lake.root)], check=False)
    assert died.returncode == -9
    assert lake.store.collections() == []
    assert recover(lake) == ["killed"]
    assert open_collection("killed", lake)["v"].values.tolist() == [1.0]
    assert len(lake.log.read()) == len(lake.store.items("killed")) == 1


def test_a_full_disk_leaves_nothing_of_a_new_result_and_the_old_version_of_another(
    small_disk, lake, frames
):
    small = Lake(small_disk, lake.store, lake.log, user="ann")
    first = publish(frames(1), "mine", licence="CC0-1.0", lake=small)
    noise = np.random.default_rng(0).normal(size=(8, 400, 400))
    large = xr.Dataset({"v": (("time", "y", "x"), noise, {"units": "1"})})
    for name in ("mine", "large"):
        with pytest.raises(StorageFull, match="disk is full"):
            publish(large, name, licence="CC0-1.0", lake=small)
    assert [face.snapshot for face in lake.store.collections()] == [first.snapshot]
    assert not (small_disk / "results" / "ann" / "large").exists()
    xr.testing.assert_equal(open_collection("mine", small).compute(), frames(1))
    # The rest of the failed version is gone too, so that there is room for a smaller one.
    publish(large.isel(time=[0]), "mine", licence="CC0-1.0", lake=small)


def test_a_folder_that_claims_to_be_another_is_left_alone(lake, frames, caplog):
    publish(frames(1), "mine", licence="CC0-1.0", lake=lake)
    place: Path = lake.root / "results" / "ann"
    (place / "mine").rename(place / "stolen")
    assert recover(lake) == []
    assert "belongs in results/ann/mine" in caplog.text
