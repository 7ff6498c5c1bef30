"""Extraction from memory beside polytope-python and beside the best recipe in plain xarray.

Run by ``make bench``; never part of the suite.  Each pair is measured in turn in one run.
"""

import copy
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr

import boathouse.kernels.polytope.accessor  # noqa: F401 - registers .polytope
from boathouse.kernels.polytope.recent import RECENT
from boathouse.kernels.polytope.select import select
from boathouse.kernels.polytope.shapes import Box, Disk, Path, Point, Polygon

peer = pytest.importorskip("polytope_feature", reason="the peers come with `make bench`")
from polytope_feature import shapes as theirs  # noqa: E402
from polytope_feature.polytope import Polytope, Request  # noqa: E402

pytestmark = [pytest.mark.timeout(1800)]

AXES = ("latitude", "longitude")


def coast(vertices: int = 600, size: float = 6.0) -> list[tuple[float, float]]:
    """A ring as rough as a coastline, about as large as France, at 47 N 3 E."""
    rng = np.random.default_rng(7)
    angle = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    waves = sum(
        rng.uniform(0, 0.5) / k * np.cos(k * angle + rng.uniform(0, 6)) for k in range(2, 60)
    )
    radius = size * (1 + 0.35 * waves)
    north, east = 47 + radius * np.sin(angle), 3 + radius * np.cos(angle)
    return list(zip(north.tolist(), east.tolist(), strict=True))


@pytest.fixture(scope="module")
def cube() -> xr.DataArray:
    """40 times x 5 levels x 721 x 1440 float32: 831 MB."""
    latitude, longitude = np.arange(-90, 90.25, 0.25), np.arange(0, 360, 0.25)
    values = np.arange(40 * 5 * 721 * 1440, dtype=np.float32).reshape(40, 5, 721, 1440)
    return xr.DataArray(
        values,
        {
            "time": pd.date_range("2026-01-01", periods=40, freq="6h"),
            "level": [300.0, 500.0, 700.0, 850.0, 1000.0],
            "latitude": ("latitude", latitude, {"units": "degrees_north"}),
            "longitude": ("longitude", longitude, {"units": "degrees_east"}),
        },
        ("time", "level", "latitude", "longitude"),
        name="t",
    )


def ask_peer(array: xr.DataArray, make: Callable[[], list[Any]]) -> int:
    """What polytope-python takes, as its documentation calls it; the number of its values."""
    options = {
        "axis_config": [
            {
                "axis_name": "longitude",
                "transformations": [{"name": "cyclic", "range": [0, 360]}],
            }
        ],
        "compressed_axes_config": list(map(str, array.dims)),
    }
    tree = Polytope(array, options=copy.deepcopy(options)).retrieve(Request(*make()))
    return sum(int(np.size(leaf.result[1])) for leaf in tree.leaves)


def seconds(call: Callable[[], Any], rounds: int) -> list[float]:
    result = []
    for _ in range(rounds):
        begun = time.perf_counter()
        call()
        result.append(time.perf_counter() - begun)
    return result


Row = tuple[str, float, float, float, float, str]


def show(title: str, rows: list[Row]) -> None:
    """The first time a shape is selected, and again, as after a plan or for the next variable."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\n{title}  (load {load}, {os.cpu_count()} cores)")
    print(f"  {'':<36}{'peer':>12}{'first':>11}{'ratio':>9}{'again':>11}{'ratio':>9}{'goal':>8}")
    for name, peer_time, first, again, goal, note in rows:
        print(
            f"  {name:<36}{peer_time * 1e3:>9.2f} ms{first * 1e3:>8.3f} ms"
            f"{peer_time / first:>8,.1f}x{again * 1e3:>8.3f} ms{peer_time / again:>8,.1f}x"
            f"{goal:>7,.0f}x  {note}"
        )


def first_and_again(array: xr.DataArray, shape: Any) -> tuple[list[float], list[float]]:
    def forgetful() -> None:
        array.polytope.extract(shape).values

    first: list[float] = []
    for _ in range(5):
        RECENT.clear()
        first += seconds(forgetful, 1)
    return first, seconds(forgetful, 5)


def moment(text: str) -> pd.Timestamp:
    return pd.Timestamp(text)


def cases(
    cube: xr.DataArray,
) -> list[tuple[str, xr.DataArray, Any, Callable[[], list[Any]], float]]:
    ring = coast()
    field = cube.isel(time=[0], level=[0])
    series = cube.isel(level=[1])
    times = [moment("2026-01-01"), moment("2026-01-03"), moment("2026-01-05"), moment("2026-01-08")]
    way = [(850.0, 0.0, 350.0), (850.0, 10.0, 360.0), (700.0, 20.0, 370.0), (500.0, 30.0, 380.0)]
    tube = Path(
        ("time", "level", *AXES),
        Box(time=("-3h", "3h"), level=(-50, 50), latitude=(-1, 1), longitude=(-1, 1)),
        *((t, *p) for t, p in zip(times, way, strict=True)),
    )
    all_axes = ["time", "level", *AXES]

    def their_tube() -> list[Any]:
        box = theirs.Box(all_axes, [-np.timedelta64(3, "h"), -50, -1, -1],
                         [np.timedelta64(3, "h"), 50, 1, 1])  # fmt: skip
        points = [[t, *p] for t, p in zip(times, way, strict=True)]
        return [theirs.Path(all_axes, box, *points)]

    stations = np.random.default_rng(1).uniform((-80, 1), (80, 359), (100, 2)).round().tolist()

    def whole(array: xr.DataArray) -> list[Any]:
        """Its All fails on times."""
        first, last = array.time.values[[0, -1]]
        return [
            theirs.Span("time", pd.Timestamp(first), pd.Timestamp(last)),
            theirs.Span("level", float(array.level[0]), float(array.level[-1])),
        ]

    return [
        (
            "polygon of 600 vertices, one field",
            field,
            Polygon(AXES, ring),
            lambda: [theirs.Polygon(list(AXES), [list(v) for v in ring]), *whole(field)],
            1000,
        ),
        (
            "disk over the seam, one field",
            field,
            Disk(AXES, (0, 0), 5),
            lambda: [theirs.Disk(list(AXES), [0, 0], [5, 5]), *whole(field)],
            200,
        ),
        (
            "disk of 20 degrees, one field",
            field,
            Disk(AXES, (40, 180), 20),
            lambda: [theirs.Disk(list(AXES), [40, 180], [20, 20]), *whole(field)],
            200,
        ),
        ("4-D tube of three legs", cube, tube, their_tube, 200),
        (
            "series at one point, 40 times",
            series,
            Point(AXES, (50, 10)),
            lambda: [
                theirs.Point(list(AXES), [[50, 10]]),
                *whole(series),
            ],
            200,
        ),
        (
            "series at 100 points, 40 times",
            series,
            Point(AXES, stations),
            lambda: [
                theirs.Union(list(AXES), *(theirs.Point(list(AXES), [s]) for s in stations)),
                *whole(series),
            ],
            200,
        ),
        (
            "box of 61 x 81, 40 times x 5 levels",
            cube,
            Box(latitude=(40, 55), longitude=(0, 20)),
            lambda: [
                theirs.Box(list(AXES), [40, 0], [55, 20]),
                *whole(cube),
            ],
            10,
        ),
    ]


def test_beside_polytope_python(cube: xr.DataArray, benchmark: Any) -> None:
    rows: list[Row] = []

    def run() -> None:
        for name, array, shape, make, goal in cases(cube):
            ours: list[float] = []
            again: list[float] = []
            peers: list[float] = []
            values = 0
            for _ in range(3):
                for kept, new in zip((ours, again), first_and_again(array, shape), strict=True):
                    kept.extend(new)
                begun = time.perf_counter()
                values = ask_peer(array, make)
                peers.append(time.perf_counter() - begun)
            note = f"{array.polytope.extract(shape).size:,} values, theirs {values:,}"
            medians = (statistics.median(spent) for spent in (peers, ours, again))
            rows.append((name, *medians, goal, note))

    benchmark.pedantic(run, rounds=1)
    show("Extraction from memory beside polytope-python 2.1.20, medians, interleaved", rows)


def test_beside_the_best_xarray_recipe(cube: xr.DataArray, benchmark: Any) -> None:
    ring = coast()
    shape = Polygon(AXES, ring)
    area = shapely.Polygon([(east, north) for north, east in ring])
    shapely.prepare(area)
    south, north = min(v[0] for v in ring), max(v[0] for v in ring)
    west, east = min(v[1] for v in ring), max(v[1] for v in ring)

    def recipe(array: xr.DataArray) -> xr.DataArray:
        # The country lies on both sides of the seam: two slices, joined.
        rows = array.sel(latitude=slice(south, north))
        left = rows.sel(longitude=slice(west + 360, None))
        left = left.assign_coords(longitude=left.longitude - 360)
        right = rows.sel(longitude=slice(0, east))
        box = xr.concat([left, right], "longitude")
        x, y = np.meshgrid(box.longitude, box.latitude)
        inside = xr.DataArray(shapely.contains_xy(area, x, y), dims=AXES)
        return box.where(inside)

    rows: list[Row] = []

    def run() -> None:
        for name, array in (
            ("polygon of 600 vertices, one field", cube[:1, 0]),
            ("polygon of 600 vertices, 40 fields", cube[:, 0]),
            ("polygon of 600 vertices, 200 fields", cube),
        ):
            ours: list[float] = []
            again: list[float] = []
            peers: list[float] = []
            for _ in range(9):
                peers += seconds(partial(recipe, array), 2)
                for kept, new in zip((ours, again), first_and_again(array, shape), strict=True):
                    kept.extend(new)
            inside = int(recipe(array).notnull().sum())
            note = f"{array.polytope.extract(shape).size:,} values, theirs {inside:,} (open set)"
            medians = (statistics.median(spent) for spent in (peers, ours, again))
            rows.append((name, *medians, 4, note))

    benchmark.pedantic(run, rounds=1)
    show("Polygon beside bounding box + shapely.contains_xy, medians, interleaved", rows)


def test_plan_and_selection(cube: xr.DataArray, benchmark: Any) -> None:
    fine = xr.Dataset(
        coords={
            "latitude": ("latitude", np.arange(-90, 90.005, 0.01), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(0, 360, 0.01), {"units": "degrees_east"}),
        }
    )
    days = [f"2026-01-{1 + n // 2:02d}T{12 * (n % 2):02d}:00" for n in range(12)]
    track = Path(
        ("time", *AXES),
        Box(time=("-6h", "6h"), latitude=(-1, 1), longitude=(-1, 1)),
        *((day, -20 + 5 * n, -30 + 9 * n) for n, day in enumerate(days)),
    )
    country = Polygon(AXES, coast())
    large = Polygon(AXES, coast(2000, 24.0))
    rows: list[tuple[str, float, float]] = []

    def fresh(call: Callable[[], Any]) -> float:
        spent: list[float] = []
        for _ in range(20):
            RECENT.clear()
            spent += seconds(call, 1)
        return min(spent)

    def run() -> None:
        rows.extend(
            [
                ("plan of a country (600 vertices)",
                 fresh(lambda: cube.polytope.plan(country)), 5),
                ("plan of a track, 11 legs",
                 fresh(lambda: cube.polytope.plan(track)), 5),
                ("selection on 0.01 degrees, 600 vertices",
                 fresh(lambda: select(fine, country)), 10),
                ("selection on 0.01 degrees, 2,000 vertices, 48 wide",
                 fresh(lambda: select(fine, large)), 10),
            ]
        )  # fmt: skip

    benchmark.pedantic(run, rounds=1)
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\nPlanning and selecting, best of 20  (load {load}, {os.cpu_count()} cores)")
    for name, spent, goal in rows:
        print(f"  {name:<60}{spent * 1e3:>8.2f} ms  goal {goal} ms")
    counts = [select(fine, shape).groups[0].rows.count for shape in (country, large)]
    print(f"  grid points selected on 0.01 degrees: {counts[0]:,} and {counts[1]:,}")
