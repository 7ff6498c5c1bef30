"""The demo lake: real data, complete, resumable, and a clock that goes on where it stopped."""

import subprocess
import sys

import numpy as np
import pytest

from boathouse.catalogs.demo import DEMO, ReplayClock, build_demo
from boathouse.catalogs.demo.build import POOL, WINDOW
from boathouse.catalogs.demo.clock import step_of
from boathouse.catalogs.demo.sources import ostia, scenario, unrotated
from boathouse.catalogs.lake import Lake, open_lake
from boathouse.catalogs.pools import create_pool, open_pool
from boathouse.catalogs.publish import publish
from boathouse.catalogs.reader import open_catalog

pytest.importorskip("iris_sample_data")


@pytest.fixture(scope="module")
def demo_lake(tmp_path_factory):
    """Built by another process, since iris changes settings of the process that imports it."""
    root = tmp_path_factory.mktemp("demo") / "lake"
    code = """
import sys
from boathouse.catalogs.demo import build_demo
from boathouse.catalogs.lake import open_lake
build_demo(open_lake(sys.argv[1], user="someone"), progress=print)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code, str(root)], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    lake = open_lake(root, user="ann")
    yield lake
    lake.close()


EXPECTED = {
    "glosea-ensemble": (
        "surface_temperature",
        {"number": 13, "time": 6, "latitude": 145, "longitude": 192},
    ),
    "ostia-sst": ("sst", {"time": 54, "latitude": 18, "longitude": 432}),
    "scenario-a1b": ("air_temperature", {"time": 240, "latitude": 37, "longitude": 49}),
    "scenario-e1": ("air_temperature", {"time": 240, "latitude": 37, "longitude": 49}),
    "sst-fresh": ("sst", {"time": 12, "latitude": 18, "longitude": 432}),
    "uk-model-levels": (
        "air_potential_temperature",
        {"time": 3, "model_level_number": 7, "grid_latitude": 204, "grid_longitude": 187},
    ),
}


def test_everything_is_there_and_public(demo_lake):
    catalog = open_catalog(demo_lake)
    assert list(catalog) == sorted(EXPECTED)
    assert {cube.id for cube in DEMO} | {POOL} == set(EXPECTED)
    for name, (variable, sizes) in EXPECTED.items():
        face = catalog[name].collection
        assert (face.owner, face.access, face.licence) == ("boathouse", "public", "OGL-UK-3.0")
        assert face.title
        assert face.keywords
        assert face.variables[variable]["units"] == "K"
        assert len(face.bbox) == 4
        assert len(face.interval) == 2
        opened = catalog[name].to_dask()
        assert dict(opened[variable].sizes) == sizes
        assert opened[variable].chunks is not None
        assert opened[variable].attrs["standard_name"]
        values = opened[variable].values
        assert values.dtype == np.float32
        assert 180 < np.nanmin(values) < np.nanmax(values) < 360


def test_coordinates_are_cf(demo_lake):
    catalog = open_catalog(demo_lake)
    uk = catalog["uk-model-levels"].to_dask()
    assert uk["latitude"].dims == ("grid_latitude", "grid_longitude")
    assert 52 < float(uk["latitude"].min()) < float(uk["latitude"].max()) < 56
    assert uk["rotated_pole"].attrs["grid_mapping_name"] == "rotated_latitude_longitude"
    glosea = catalog["glosea-ensemble"].to_dask()
    assert glosea["number"].values.tolist() == [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13]
    assert glosea["forecast_reference_time"].dims == ("number",)
    assert float(np.isnan(catalog["ostia-sst"].to_dask()["sst"]).mean()) == pytest.approx(
        0.264, abs=0.01
    )


def test_the_pole_of_the_rotated_grid():
    """Checked against iris.analysis.cartography.unrotate_pole for the pole of uk_hires."""
    latitude, longitude = unrotated(np.array([0.0, 2.0]), np.array([-1.0, 0.0]), 37.5, 177.5)
    np.testing.assert_allclose(latitude, [[52.48863, 52.5], [54.48809, 54.5]], atol=1e-4)
    np.testing.assert_allclose(longitude, [[-4.14240, -2.5], [-4.22067, -2.5]], atol=1e-4)


def test_building_again_makes_nothing_new(demo_lake):
    before = {face.id: face.snapshot for face in demo_lake.store.collections()}
    events = demo_lake.log.last()
    said: list[str] = []
    build_demo(demo_lake, progress=said.append)
    assert {face.id: face.snapshot for face in demo_lake.store.collections()} == before
    assert demo_lake.log.last() == events
    assert said == ["demo: 5 cubes and the pool sst-fresh are there"]
    assert "iris" not in sys.modules


KILLED = """
import os, sys
from boathouse.catalogs.demo import build_demo
from boathouse.catalogs.lake import open_lake
lake = open_lake(sys.argv[1], user="boathouse")
record = lake.store.record
def dying(new):
    if new.collection.id == sys.argv[2]:
        os.kill(os.getpid(), 9)
    record(new)
lake.store.record = dying
build_demo(lake, progress=print)
"""


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on(tmp_path):
    for id in ("scenario-a1b", POOL):
        died = subprocess.run(
            [sys.executable, "-c", KILLED, str(tmp_path), id], capture_output=True, text=True
        )
        assert died.returncode == -9, died.stderr
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), "none"], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert "recorded sst-fresh" in ran.stdout
    assert "1 of" not in ran.stdout
    lake = open_lake(tmp_path, user="ann")
    assert sorted(EXPECTED) == [face.id for face in lake.store.collections()]
    assert len(lake.log.read()) == len(lake.store.items()) == 5 + 12
    lake.close()


@pytest.fixture
def small_lake(lake):
    """Only what the clock needs, without iris."""
    owner = Lake(lake.root, lake.store, lake.log, user="boathouse")
    publish(ostia(), "source", licence="OGL-UK-3.0", access="public", lake=owner)
    create_pool("fresh", template=step_of(ostia(), 0), step="2629800s", window=WINDOW, lake=owner)
    return owner


def test_the_clock_goes_on_where_it_stopped(small_lake):
    for count in (12, 1, 1):
        # A new clock each time, as after a restart.
        ReplayClock("source", "fresh", small_lake).tick(count)
    fresh = open_pool("fresh", small_lake).open()
    assert fresh.sizes["time"] == 14
    np.testing.assert_array_equal(fresh["sst"], ostia()["sst"][:14])
    np.testing.assert_array_equal(fresh["source_time"], ostia()["time"][:14])
    apart = np.abs((fresh["time"] - fresh["source_time"]) / np.timedelta64(1, "D"))
    assert float(apart.max()) < 2


def test_the_clock_has_no_end(small_lake):
    clock = ReplayClock("source", "fresh", small_lake)
    clock.tick(53)
    clock.tick(3)
    fresh = open_pool("fresh", small_lake).open()
    assert fresh.sizes["time"] == WINDOW
    assert fresh.indexes["time"].is_monotonic_increasing
    np.testing.assert_array_equal(fresh["source_time"][-2:], ostia()["time"][:2])
    np.testing.assert_array_equal(fresh["sst"][-1], ostia()["sst"][1])
    assert float(np.abs((fresh["time"][-3] - ostia()["time"][-1]) / np.timedelta64(1, "D"))) < 2


def test_the_scenarios_differ():
    a1b, e1 = scenario("A1B"), scenario("E1")
    assert (a1b["time"] == e1["time"]).all()
    assert str(a1b["time"].values[-1])[:10] == "2099-06-01"
    warmer = (a1b["air_temperature"] - e1["air_temperature"]).isel(time=slice(-20, None)).mean()
    assert 1 < float(warmer) < 5
