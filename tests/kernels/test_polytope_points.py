"""Points with their methods, values of single axes, and unions with their parts."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import boathouse.kernels.polytope.accessor  # noqa: F401 - registers .polytope
from boathouse.catalogs.errors import BadShape, ShapeWarning
from boathouse.kernels.polytope import recent, regular
from boathouse.kernels.polytope.shapes import (
    All,
    Box,
    ConvexPolytope,
    Disk,
    Point,
    Polygon,
    Select,
    Span,
    Union,
)

AXES = ("latitude", "longitude")


def cube(*, descending=True, start=0.0, dtype=np.float64):
    latitude = np.arange(-90, 91, 10.0)
    latitude = (latitude[::-1] if descending else latitude).astype(dtype)
    longitude = (start + np.arange(0, 360, 10.0)).astype(dtype)
    time = pd.date_range("2026-01-01", periods=4, freq="6h")
    rng = np.random.default_rng(1)
    values = rng.normal(size=(4, 2, latitude.size, longitude.size)).astype(np.float32)
    return xr.Dataset(
        {
            "t": (("time", "level", "latitude", "longitude"), values, {"units": "K"}),
            "orography": (("latitude", "longitude"), values[0, 0], {"units": "m"}),
        },
        {
            "time": time,
            "level": [500, 850],
            "latitude": ("latitude", latitude, {"units": "degrees_north"}),
            "longitude": ("longitude", longitude, {"units": "degrees_east"}),
        },
    )


# --- points ----------------------------------------------------------------------------------


def test_a_lone_point_is_a_series_without_points():
    ds = cube()
    cut = ds.polytope.extract(Point(AXES, (20, 30)))
    assert cut.t.dims == ("time", "level")
    assert cut.orography.dims == ()
    xr.testing.assert_equal(cut, ds.sel(latitude=20, longitude=30))
    assert ds.polytope.plan(Point(AXES, (20, 30))).variables["t"].dims == {"time": 4, "level": 2}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.floats(-90, 90), st.floats(-500, 500)), min_size=1, max_size=6),
    st.booleans(),
    st.sampled_from([0.0, -180.0]),
)
def test_the_nearest_point_is_nearest_on_each_axis(points, descending, start):
    ds = cube(descending=descending, start=start)
    cut = ds.polytope.extract(Point(AXES, points, method="nearest")).t
    cut = cut if "points" in cut.dims else cut.expand_dims("points", -1)
    assert cut.sizes["points"] == len(points)
    for number, (north, east) in enumerate(points):
        latitude, longitude = (float(cut[axis].values.ravel()[number]) for axis in AXES)
        assert abs(latitude - north) <= 5 + 1e-9
        assert abs((longitude - east + 180) % 360 - 180) <= 5 + 1e-9
        expected = ds.t.sel(latitude=latitude, longitude=longitude)
        np.testing.assert_array_equal(cut.isel(points=number), expected)


def test_points_keep_their_order_and_their_part():
    ds = cube()
    asked = [(40, 350), (-40, 20), (40, 350)]
    cut = ds.polytope.extract(Point(AXES, asked))
    assert list(zip(cut.latitude.values, cut.longitude.values, strict=True)) == asked
    assert cut.part.values.tolist() == [0, 1, 2]
    assert cut.row_size.values.tolist() == [1, 1, 1]
    assert cut.row_size.attrs["sample_dimension"] == "points"


def test_the_k_nearest_are_so_on_the_sphere():
    ds = cube()
    cut = ds.polytope.extract(Point(AXES, [(61, 4), (1, 1)], method="nearest", k=3))
    assert cut.row_size.values.tolist() == [3, 3]
    first = cut.isel(points=slice(0, 3))
    # At 61 degrees north meridians are close: three of one row are nearer than the next row.
    assert set(first.latitude.values) == {60}
    assert sorted(first.longitude.values) == [0, 10, 350]


def test_surrounding_points_are_those_about_it_over_the_seam_too():
    ds = cube()
    cut = ds.polytope.extract(Point(AXES, (12, 355), method="surrounding"))
    places = set(zip(cut.latitude.values, cut.longitude.values, strict=True))
    assert places == {(10, 350), (10, 0), (20, 350), (20, 0)}
    on_grid = ds.polytope.extract(Point(AXES, (10, 355), method="surrounding"))
    assert on_grid.sizes["points"] == 2
    wide = ds.polytope.extract(Point(AXES, (12, 355), method="surrounding", k=2))
    assert wide.sizes["points"] == 16


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.floats(-90, 90), st.floats(0, 350)), min_size=1, max_size=5),
    st.booleans(),
)
def test_linear_points_are_what_xarray_interpolates(points, descending):
    ds = cube(descending=descending)
    north, east = (
        xr.DataArray(list(column), dims="points") for column in zip(*points, strict=True)
    )
    expected = ds.interp(latitude=north, longitude=east)
    cut = ds.polytope.extract(Point(AXES, points, method="linear"))
    if len(points) == 1:
        expected = expected.isel(points=0)
    assert cut.t.dims == expected.t.transpose("time", "level", ...).dims
    np.testing.assert_allclose(cut.t, expected.t.transpose(*cut.t.dims), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(cut.latitude, expected.latitude)
    assert cut.t.dtype == np.float32
    assert cut.t.attrs == {"units": "K"}


def test_linear_goes_over_the_seam_and_through_time_and_stays_lazy():
    ds = cube().chunk(time=1)
    cut = ds.polytope.extract(Point(AXES, (10, 355), method="linear"))
    assert cut.t.chunks is not None
    mean = (ds.t.sel(latitude=10, longitude=350) + ds.t.sel(latitude=10, longitude=0)) / 2
    np.testing.assert_allclose(cut.t, mean, rtol=1e-6)
    axes = ("time", *AXES)
    moment = ds[["t"]].polytope.extract(Point(axes, ("2026-01-01T03:00", 10, 0), method="linear"))
    mean = (ds.t[0] + ds.t[1]).sel(latitude=10, longitude=0) / 2
    np.testing.assert_allclose(moment.t, mean, rtol=1e-6)
    assert moment.time.values == np.datetime64("2026-01-01T03:00")


def test_linear_ignores_what_weighs_nothing_and_keeps_what_is_missing():
    ds = cube()
    ds.orography.loc[{"latitude": 20}] = np.nan
    on_row = ds.polytope.extract(Point(AXES, [(10, 5), (15, 5)], method="linear")).orography
    assert np.isfinite(on_row.values[0])
    assert np.isnan(on_row.values[1])


def test_points_outside_are_named():
    part = cube().sel(latitude=slice(60, 20), longitude=slice(0, 40))
    with pytest.raises(BadShape, match=r"latitude: 0 \(point 1\) lies outside"):
        part.polytope.extract(Point(AXES, [(30, 20), (0, 20)], method="nearest"))
    with pytest.raises(BadShape, match="nothing to interpolate from"):
        part.polytope.extract(Point(AXES, (30, 45), method="linear"))
    with pytest.raises(BadShape, match="k: 40"):
        part.polytope.extract(Point(AXES, (30, 20), method="nearest", k=40))


# --- values of one axis ----------------------------------------------------------------------


def test_values_are_selected_in_the_order_of_the_cube():
    ds = cube()
    assert ds.polytope.extract(Select("level", [850, 500])).level.values.tolist() == [500, 850]
    assert ds.polytope.extract(Select("level", 800, method="nearest")).level.values.tolist() == [
        850
    ]
    both = ds.polytope.extract(Select("level", 600, method="surrounding"))
    assert both.level.values.tolist() == [500, 850]
    moments = ds.polytope.extract(Select("time", ["2026-01-01T06:00", "2026-01-01"]))
    assert moments.sizes["time"] == 2
    assert ds.polytope.extract(All("level")).identical(ds)
    with pytest.raises(BadShape, match="banana"):
        ds.polytope.extract(All("banana"))


def test_labels_are_selected():
    ds = xr.Dataset({"t": (("station", "x"), np.eye(3))}, {"station": ["a", "b", "c"]})
    assert ds.polytope.extract(Select("station", ["c", "a"])).station.values.tolist() == ["a", "c"]
    with pytest.raises(BadShape, match=r"station: the cube has no 'd'; it has a, b, c"):
        ds.polytope.extract(Select("station", "d"))
    with pytest.raises(BadShape, match="labels"):
        ds.polytope.extract(Disk(("station", "x"), (1, 1), 1))


def test_labels_of_stored_cubes_are_selected(tmp_path):
    names = np.array(["a", "b", "long name"], dtype=np.dtypes.StringDType())
    ds = xr.Dataset({"t": (("station", "x"), np.eye(3))}, {"station": names})
    ds.to_zarr(tmp_path / "cube", consolidated=False)
    stored = xr.open_zarr(tmp_path / "cube", consolidated=False)
    for cube in (ds, stored):
        cut = cube.polytope.extract(Select("station", "b") & Span("x", 1, 2))
        assert cut.t.values.tolist() == [[1, 0]]


def test_integer_axes_and_axes_without_coordinates():
    ds = xr.Dataset({"t": (("member", "x"), np.arange(12).reshape(4, 3))}, {"member": [3, 1, 2, 0]})
    cut = ds.polytope.extract(Select("member", [0, 3]))
    assert cut.member.values.tolist() == [3, 0]
    assert ds.polytope.extract(Span("x", 1, 2)).t.shape == (4, 2)
    corner = ds.polytope.extract(ConvexPolytope(("member", "x"), [(0, 0), (2, 0), (0, 2)]))
    assert corner.sizes["points"] == 6


# --- unions ----------------------------------------------------------------------------------


WEST = Polygon(AXES, [(-20, 0), (20, 0), (20, 40), (-20, 40)])
EAST = Polygon(AXES, [(-20, 40), (20, 40), (20, 60), (-20, 60)])


def test_a_union_gives_each_point_once_part_by_part():
    ds = cube()
    cut = ds.polytope.extract(Union(WEST, EAST, tags=["west", "east"]))
    assert cut.row_size.values.tolist() == [25, 10]  # the common edge is the west's
    assert cut.tag.values.tolist() == ["west", "east"]
    assert (np.diff(cut.part) >= 0).all()
    expected = ds.sel(latitude=cut.latitude, longitude=cut.longitude)
    np.testing.assert_array_equal(cut.t, expected.t)
    assert ds.polytope.plan(Union(WEST, EAST)).variables["orography"].points == 35


def test_what_overlaps_may_be_given_in_each_part():
    ds = cube()
    union = Union(WEST, EAST, tags=["west", "east"])
    cut = ds.polytope.extract(union, overlap="each")
    assert cut.row_size.values.tolist() == [25, 15]
    assert ds.polytope.plan(union, overlap="each").variables["orography"].points == 40
    tree = ds.polytope.extract(union, tree=True)
    assert list(tree.children) == ["west", "east"]
    xr.testing.assert_identical(
        tree["east"].to_dataset().drop_attrs(), ds.polytope.extract(EAST).drop_attrs()
    )
    with pytest.raises(BadShape, match="overlap"):
        ds.polytope.extract(union, overlap="never")


def test_a_union_of_products_keeps_what_is_common():
    ds = cube()
    times = Span("time", "2026-01-01", "2026-01-01T06:00")
    cut = ds.polytope.extract(Union(WEST & times, EAST & times))
    assert cut.t.dims == ("time", "level", "points")
    assert cut.sizes["time"] == 2
    later = Span("time", "2026-01-01T12:00", "2026-01-01T18:00")
    ragged = ds[["t"]].polytope.extract(Union(WEST & times, EAST & later))
    assert ragged.t.dims == ("points", "level")
    assert ragged.row_size.values.tolist() == [50, 30]
    assert ragged.time.dims == ("points",)


def test_a_union_on_one_axis_leaves_the_axis():
    ds = cube()
    cut = ds.polytope.extract(Union(Span("longitude", 350, 370), Span("longitude", 20, 30)))
    assert cut.longitude.values.tolist() == [0, 10, 20, 30, 350]
    assert cut.part.values.tolist() == [0, 0, 1, 1, 0]


def test_points_on_one_axis_keep_their_order_and_the_index():
    cut = cube().polytope.extract(Point(("time",), [["2026-01-01T06:00"], ["2026-01-01"]]))
    assert cut.indexes["time"].hour.tolist() == [6, 0]
    assert cut.row_size.values.tolist() == [1, 1]


def test_parts_outside_the_cube_are_empty_and_said():
    part = cube().sel(latitude=slice(60, -60), longitude=slice(0, 90))
    south = Polygon(AXES, [(-90, 0), (-85, 0), (-85, 40)])
    with pytest.warns(ShapeWarning, match="beyond"):
        cut = part.polytope.extract(Union(WEST, south))
    assert cut.row_size.values.tolist() == [25, 0]
    with pytest.raises(BadShape, match="latitude"):
        part.polytope.extract(Union(south, south))


def test_a_union_stays_lazy_with_dask():
    ds = cube()
    union = Union(WEST, EAST)
    lazy = ds.chunk(time=1, latitude=5).polytope.extract(union)
    assert lazy.t.chunks is not None
    xr.testing.assert_identical(lazy.compute(), ds.polytope.extract(union))


@pytest.mark.parametrize(
    "shape",
    [
        WEST,
        Disk(AXES, (0, 0), 35),
        Point(AXES, [(0, 0), (11, 12)], method="nearest"),
        Point(AXES, (11, 12), method="surrounding"),
        Union(WEST, EAST),
        Select("level", 500) & WEST,
        Box(latitude=(0, 20), level=(400, 600)),
        ConvexPolytope(("level", *AXES), [(500, 0, 0), (850, 0, 0), (500, 40, 0), (500, 0, 40)]),
    ],
    ids=lambda shape: repr(shape)[:20],
)
def test_the_plan_foretells_the_result(shape):
    ds = cube()[["t"]]
    plan, cut = ds.polytope.plan(shape), ds.polytope.extract(shape)
    assert plan.variables["t"].dims == dict(cut.t.sizes)
    assert plan.points == cut.t.size
    assert plan.result_bytes == cut.t.nbytes


def test_what_was_selected_is_kept_for_the_same_shape_on_the_same_axes(monkeypatch):
    calls = []
    monkeypatch.setattr(recent, "RECENT", kept := recent.Recent())
    monkeypatch.setattr(regular, "RECENT", kept)
    made = regular._polygon
    monkeypatch.setattr(regular, "_polygon", lambda *given: calls.append(1) or made(*given))
    ds = cube()
    plan, cut = ds.polytope.plan(WEST), ds.t.polytope.extract(WEST)
    assert plan.variables["t"].points == cut.size
    assert len(calls) == 1
    again = Polygon(AXES, WEST.outer[0])
    ds.polytope.plan(again)
    assert len(calls) == 1
    for other in (ds.isel(latitude=slice(2, None)), ds.transpose(*reversed(ds.t.dims))):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ShapeWarning)
            found = other.t.polytope.extract(WEST)
        expected = other.t.sel(latitude=found.latitude, longitude=found.longitude)
        np.testing.assert_array_equal(found.values, expected.transpose(*found.dims).values)
    assert len(calls) == 3
    ds.polytope.plan(WEST, tolerance=0)
    assert len(calls) == 4


def test_a_hash_does_not_travel():
    shape = Polygon(AXES, [(0, 0), (1, 0), (0, 1)])
    assert hash(shape) == hash(pickle.loads(pickle.dumps(shape)))
    assert b"_hash" not in pickle.dumps(shape)
