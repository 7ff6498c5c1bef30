"""Cubes whose latitude and longitude are no axes are cut by the same shapes."""

import warnings

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr

import boathouse.kernels.polytope.accessor  # noqa: F401 - registers .polytope
from boathouse.catalogs.errors import BadShape, ShapeWarning
from boathouse.kernels.polytope.shapes import (
    Box,
    Disk,
    Path,
    Point,
    Polygon,
    Select,
    Span,
    Union,
)

AXES = ("latitude", "longitude")


def regular():
    latitude, longitude = np.arange(40, 61, 1.0), np.arange(-20, 21, 1.0)
    time = pd.date_range("2026-01-01", periods=3, freq="D")
    values = np.arange(3 * 21 * 41, dtype=float).reshape(3, 21, 41)
    return xr.Dataset(
        {"t": (("time", "latitude", "longitude"), values, {"units": "K"})},
        {
            "time": time,
            "latitude": ("latitude", latitude, {"units": "degrees_north"}),
            "longitude": ("longitude", longitude, {"units": "degrees_east"}),
        },
    )


def curvilinear():
    """The same cube as if its grid were bent: latitude and longitude along (y, x)."""
    cube = regular()
    latitude, longitude = np.meshgrid(cube.latitude, cube.longitude, indexing="ij")
    return xr.Dataset(
        {"t": (("time", "y", "x"), cube.t.values, {"units": "K"})},
        {
            "time": cube.time,
            "latitude": (("y", "x"), latitude, {"units": "degrees_north"}),
            "longitude": (("y", "x"), longitude % 360, {"units": "degrees_east"}),
        },
    )


def unstructured():
    """The same points as a list of cells, shuffled."""
    flat = curvilinear().stack(cell=("y", "x")).reset_index("cell").drop_vars(["y", "x"])
    order = np.random.default_rng(3).permutation(flat.sizes["cell"])
    return flat.isel(cell=order)


SHAPES = {
    "box": Box(latitude=(45, 50), longitude=(-5, 7)),
    "box by the seam": Box(latitude=(45, 50), longitude=(355, 367)),
    "polygon": Polygon(AXES, [(42, -15), (58, 0), (42, 15)]),
    "polygon with a hole": Polygon(
        AXES, [(42, -15), (58, 0), (42, 15)], holes=[[(45, -2), (50, 0), (45, 2)]]
    ),
    "two rings": Polygon(AXES, [[(42, -15), (48, -10), (42, -5)], [(50, 5), (58, 10), (50, 15)]]),
    "disk": Disk(AXES, (50, 0), 5),
    "disk in kilometres": Disk(AXES, (50, 1), 500, unit="km"),
    "path": Path(AXES, Disk(AXES, (0, 0), 1.5), (42, -15), (50, 0), (55, 15)),
    "corridor": Path(AXES, Disk(AXES, (0, 0), 150, unit="km"), (42, -15), (50, 0)),
    "union": Union(Disk(AXES, (50, 0), 2), Disk(AXES, (45, -10), 3)),
    "polygon and times": Polygon(AXES, [(42, -15), (58, 0), (42, 15)])
    & Span("time", "2026-01-02", "2026-01-03"),
    "path through time": Path(
        ("time", *AXES),
        Box(time=("-1h", "1h"), latitude=(-2, 2), longitude=(-2, 2)),
        ("2026-01-01", 45, -10),
        ("2026-01-03", 50, 10),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("make", [curvilinear, unstructured])
def test_a_bent_grid_gives_the_points_of_the_straight_one(make, name):
    shape = SHAPES[name]
    straight = regular().polytope.extract(shape).t
    bent = make().polytope.extract(shape).t
    assert straight.size > 3
    assert sorted(bent.values.ravel().tolist()) == sorted(straight.values.ravel().tolist())
    assert bent.attrs == {"units": "K"}
    assert bent.latitude.dims == ("points",)
    assert make().polytope.plan(shape).points == bent.size


def test_ranges_of_rows_are_ranges_still():
    cube = curvilinear().assign_coords(y=np.arange(21))
    cut = cube.polytope.extract(Box(y=(3, 5)))
    assert cut.t.dims == ("time", "y", "x")
    assert cut.t.shape == (3, 3, 41)


def test_a_rotated_grid_against_shapely():
    angle = np.radians(30)
    y, x = np.meshgrid(np.linspace(-8, 8, 33), np.linspace(-8, 8, 33), indexing="ij")
    latitude = 50 + np.cos(angle) * y + np.sin(angle) * x
    longitude = 0 - np.sin(angle) * y + np.cos(angle) * x
    cube = xr.DataArray(
        np.arange(33 * 33).reshape(33, 33),
        {
            "lat": (("y", "x"), latitude, {"standard_name": "latitude", "units": "degrees_north"}),
            "lon": (("y", "x"), longitude, {"standard_name": "longitude", "units": "degrees_east"}),
        },
        ("y", "x"),
    )
    ring = [(46, -3), (54, -4), (52, 0), (55, 3), (47, 5)]
    area = shapely.Polygon(ring)
    expected = cube.values[shapely.intersects_xy(area, latitude, longitude)]
    assert cube.polytope.extract(Polygon(AXES, ring)).values.tolist() == expected.tolist()


@pytest.mark.parametrize("make", [curvilinear, unstructured])
def test_the_nearest_points_are_found_on_the_sphere(make):
    cube = make()
    one = cube.polytope.extract(Point(AXES, (50.3, 359.6), method="nearest"))
    assert one.t.dims == ("time",)
    assert (float(one.latitude), float(one.longitude)) == (50, 0)
    asked = [(50.3, -0.4), (50.2, -0.3), (41.1, 12.2)]
    three = cube.polytope.extract(Point(AXES, asked, method="nearest"))
    assert three.latitude.values.tolist() == [50, 50, 41]
    assert three.row_size.values.tolist() == [1, 1, 1]
    four = cube.polytope.extract(Point(AXES, (50.4, 0.5), method="nearest", k=2))
    assert sorted(four.longitude.values.tolist()) == [0, 1]


def test_what_cannot_be_is_said():
    cube = curvilinear()
    with pytest.raises(BadShape, match="outside the cube"):
        cube.polytope.extract(Point(AXES, (-50, 0), method="nearest"))
    with pytest.raises(BadShape, match="linear"):
        cube.polytope.extract(Point(AXES, (50.5, 0.5), method="linear"))
    with pytest.raises(BadShape, match="no grid point"):
        cube.polytope.extract(Point(AXES, (50.5, 0.5)))
    with pytest.raises(BadShape, match="nearest"):
        cube.polytope.extract(Select("latitude", 50.2, method="nearest"))
    with pytest.raises(BadShape, match="latitude"):
        cube.polytope.extract(Disk(AXES, (0, 0), 2))
    with pytest.warns(ShapeWarning, match="no grid point"):
        assert cube.polytope.extract(Disk(AXES, (50.5, 0.5), 0.1)).sizes["points"] == 0


def test_missing_coordinates_are_nowhere():
    cube = unstructured()
    latitude = cube.latitude.values.copy()
    latitude[:5] = np.nan
    cube = cube.assign_coords(latitude=("cell", latitude, cube.latitude.attrs))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cut = cube.polytope.extract(Polygon(AXES, [(42, -15), (58, 0), (42, 15)]))
    assert np.isfinite(cut.latitude).all()


def test_dask_stays_lazy():
    cube = curvilinear().chunk({"time": 1, "y": 7, "x": 20})
    cut = cube.polytope.extract(SHAPES["polygon"])
    assert cut.t.chunks is not None
    expected = curvilinear().polytope.extract(SHAPES["polygon"])
    np.testing.assert_array_equal(cut.t.values, expected.t.values)
