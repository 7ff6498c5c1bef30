"""What an extraction gives: dims, coordinates, attributes; in memory."""

import numpy as np
import pytest
import xarray as xr

import boathouse.kernels.polytope.accessor  # noqa: F401 - registers .polytope
from boathouse.catalogs.errors import BadShape
from boathouse.kernels.polytope.gather import take
from boathouse.kernels.polytope.shapes import Box, Polygon, Span
from boathouse.kernels.polytope.weights import area_mean, area_weights

AXES = ("latitude", "longitude")
TRIANGLE = Polygon(AXES, [(50, -6), (60, 0), (50, 6)])


def globe(*dims):
    """A cube with a time, a level, a member, and much beside the data."""
    dims = dims or ("time", "level", "latitude", "longitude")
    coordinates = {
        "time": np.arange("2026-01-01", "2026-01-04", dtype="M8[D]").astype("M8[ns]"),
        "level": np.array([1000, 850]),
        "latitude": np.arange(90.0, -91.0, -2.0),
        "longitude": np.arange(0.0, 360.0, 2.0),
    }
    shape = [len(coordinates[dim]) for dim in dims]
    ds = xr.Dataset(
        {
            "t": (
                dims,
                np.arange(np.prod(shape)).reshape(shape),
                {"units": "K", "grid_mapping": "crs"},
            ),
            "mask": (("latitude", "longitude"), np.ones((91, 180), bool)),
            "zonal": (("latitude",), np.arange(91.0)),
            "crs": ((), 0, {"grid_mapping_name": "latitude_longitude"}),
            "steps": (("time",), [6, 12, 18]),
            "bounds": (("latitude", "bnds"), np.zeros((91, 2))),
        },
        {name: coordinates[name] for name in dims},
        {"Conventions": "CF-1.11"},
    )
    ds = ds.assign_coords(
        height=(("latitude", "longitude"), np.random.default_rng(1).normal(size=(91, 180))),
        band=("latitude", np.arange(91)),
        run=np.datetime64("2025-12-31", "ns"),
    )
    ds.latitude.attrs.update(units="degrees_north", standard_name="latitude")
    ds.longitude.attrs.update(units="degrees_east", standard_name="longitude")
    return ds


def by_mask(array):
    """The triangle by hand: its values, points last, in the order of the cube."""
    longitude = (array.longitude + 180) % 360 - 180
    inside = (array.latitude >= 50) & (array.latitude + np.abs(longitude) * 10 / 6 <= 60 + 1e-9)
    stacked = array.where(inside).stack(points=[d for d in array.dims if d in AXES])
    return stacked.dropna("points", how="all").transpose(..., "points")


@pytest.mark.parametrize(
    "dims",
    [
        ("time", "level", "latitude", "longitude"),
        ("longitude", "latitude", "level", "time"),
        ("latitude", "time", "longitude", "level"),
        ("latitude", "longitude", "time", "level"),
    ],
)
def test_a_polygon_becomes_points_in_the_order_of_the_cube(dims):
    ds = globe(*dims)
    cut = ds.polytope.extract(TRIANGLE)
    expected = by_mask(ds.t)
    assert cut.t.dims == tuple(dict.fromkeys("points" if d in AXES else d for d in dims))
    np.testing.assert_array_equal(cut.t.transpose(..., "points"), expected)
    np.testing.assert_array_equal(cut.latitude, expected.latitude)
    np.testing.assert_array_equal(cut.longitude, expected.longitude)
    back = ds.t.sel(latitude=cut.latitude, longitude=cut.longitude)
    np.testing.assert_array_equal(cut.t.transpose("points", ...), back.transpose("points", ...))


def test_everything_on_the_grid_follows_and_attributes_stay():
    ds = globe()
    cut = ds.polytope.extract(TRIANGLE & Span("time", "2026-01-02", "2026-01-03"))
    count = cut.sizes["points"]
    assert list(cut.data_vars) == list(ds.data_vars)
    assert cut.attrs == ds.attrs
    assert {name: cut[name].dims for name in cut.variables} == {
        "time": ("time",),
        "level": ("level",),
        "latitude": ("points",),
        "longitude": ("points",),
        "height": ("points",),
        "band": ("points",),
        "run": (),
        "t": ("time", "level", "points"),
        "mask": ("points",),
        "zonal": ("points",),
        "crs": (),
        "steps": ("time",),
        "bounds": ("points", "bnds"),
    }
    assert cut.steps.values.tolist() == [12, 18]
    assert cut.band.values.tolist() == ((90 - cut.latitude) / 2).values.tolist()
    for name in cut.variables:
        assert cut[name].attrs == ds[name].attrs
        assert cut[name].dtype == ds[name].dtype
    assert set(cut.indexes) == {"time", "level"}
    assert count == by_mask(ds.t).sizes["points"]


def test_ranges_are_slices_and_equal_xarrays_own():
    ds = globe()
    box = Box(latitude=(10, 20), longitude=(4, 10), level=(900, 1100))
    expected = ds.sel(latitude=slice(20, 10), longitude=slice(4, 10), level=slice(1000, 900))
    xr.testing.assert_identical(ds.polytope.extract(box), expected)
    assert np.shares_memory(ds.polytope.extract(box).t.values, ds.t.values)


def test_a_box_across_the_seam_in_the_frame_of_cube_or_shape():
    ds = globe()
    box = Box(latitude=(0, 2), longitude=(-4, 4))
    cut = ds.polytope.extract(box)
    assert cut.longitude.values.tolist() == [0, 2, 4, 356, 358]
    counted = ds.polytope.extract(box, frame="shape")
    assert counted.longitude.values.tolist() == [-4, -2, 0, 2, 4]
    assert counted.longitude.attrs == ds.longitude.attrs
    assert counted.indexes["longitude"].is_monotonic_increasing
    np.testing.assert_array_equal(
        counted.t, ds.t.sel(latitude=slice(2, 0)).roll(longitude=2, roll_coords=True)[..., :5]
    )
    for start in (-4, 356, 716):
        moved = Box(longitude=(start, start + 8))
        assert ds.polytope.extract(moved, frame="shape").longitude.values.tolist() == [
            start,
            start + 2,
            start + 4,
            start + 6,
            start + 8,
        ]


def test_points_across_the_seam_in_the_frame_of_the_shape():
    ds = globe()
    cut, counted = (ds.polytope.extract(TRIANGLE, frame=frame) for frame in ("cube", "shape"))
    assert cut.longitude.min() == 0
    assert counted.longitude.min() == -6
    assert counted.longitude.max() == 6
    np.testing.assert_array_equal(counted.longitude % 360, cut.longitude)
    np.testing.assert_array_equal(counted.t, cut.t)
    with pytest.raises(BadShape, match="'cube' or 'shape'"):
        ds.polytope.extract(TRIANGLE, frame="mine")


def test_the_order_of_the_shapes_axes_does_not_matter():
    ds = globe()
    turned = Polygon(("longitude", "latitude"), [(b, a) for a, b in TRIANGLE.outer[0]])
    xr.testing.assert_identical(ds.polytope.extract(turned), ds.polytope.extract(TRIANGLE))


def test_the_same_shape_twice_gives_the_same():
    ds = globe()
    xr.testing.assert_identical(ds.polytope.extract(TRIANGLE), ds.polytope.extract(TRIANGLE))


def test_order_of_coordinates_does_not_matter():
    ds = globe()
    other = xr.Dataset(ds.data_vars, {name: ds[name] for name in sorted(ds.coords)}, ds.attrs)
    xr.testing.assert_identical(ds.polytope.extract(TRIANGLE), other.polytope.extract(TRIANGLE))


def test_a_data_array_keeps_its_name_and_attributes():
    ds = globe()
    for name in ("t", None, "latitude", "time"):
        array = ds.t.rename(name)
        cut = array.polytope.extract(TRIANGLE)
        assert cut.name == name
        assert cut.attrs == ds.t.attrs
        np.testing.assert_array_equal(cut, ds.polytope.extract(TRIANGLE).t)
        assert array.polytope.plan(TRIANGLE).points == cut.size


def test_two_polygons_give_two_dimensions_of_points():
    ds = globe()
    times = Polygon(
        ("time", "level"),
        [("2026-01-01", 1000), ("2026-01-03", 1000), ("2026-01-03", 850), ("2026-01-03", 850)],
    )
    cut = ds[["t"]].polytope.extract(TRIANGLE & times)
    assert cut.t.dims == ("points_2", "points")
    expected = ds.t.sel(
        time=cut.time, level=cut.level, latitude=cut.latitude, longitude=cut.longitude
    )
    np.testing.assert_array_equal(cut.t, expected.transpose("points_2", "points"))
    assert cut.sizes["points_2"] == 4


def test_a_polygon_over_time_and_longitude():
    ds = globe()
    shape = Polygon(
        ("time", "longitude"),
        [("2026-01-01", 0), ("2026-01-03", 4), ("2026-01-03", 8), ("2026-01-01", 4)],
    )
    cut = ds[["t"]].polytope.extract(shape)
    assert cut.t.dims == ("points", "level", "latitude")
    days, longitudes = cut.time.dt.day.values.tolist(), cut.longitude.values.tolist()
    assert list(zip(days, longitudes, strict=True)) == [
        (1, 0),
        (1, 2),
        (1, 4),
        (2, 2),
        (2, 4),
        (2, 6),
        (3, 4),
        (3, 6),
        (3, 8),
    ]


def test_a_cube_that_has_points_already():
    ds = globe().expand_dims(points=2)
    assert ds.polytope.extract(TRIANGLE).t.dims == ("points", "time", "level", "points_")


def test_the_cube_is_left_as_it_was():
    ds = globe()
    ds.t.encoding["chunks"] = (1, 1, 91, 180)
    ds.latitude.encoding["chunks"] = (91,)
    before = ds.copy(deep=True)
    cut = ds.polytope.extract(TRIANGLE)
    xr.testing.assert_identical(ds, before)
    assert ds.t.encoding == {"chunks": (1, 1, 91, 180)}
    assert ds.latitude.encoding == {"chunks": (91,)}
    assert cut.t.encoding == {}
    assert cut.latitude.encoding == {}


@pytest.mark.parametrize("layout", ["plain", "transposed", "reversed", "strided", "one field"])
@pytest.mark.parametrize("count", [3, 500])
def test_taking_points_is_indexing(layout, count):
    source = np.random.default_rng(3)
    array = source.normal(size=(4, 3, 20, 30))
    array = {
        "plain": array,
        "transposed": array.transpose(2, 0, 3, 1).copy().transpose(1, 3, 0, 2),
        "reversed": array[:, :, ::-1, ::-1],
        "strided": source.normal(size=(4, 3, 40, 60))[:, :, ::2, ::2],
        "one field": array[:1, :1],
    }[layout]
    y, x = source.integers(0, 20, count), source.integers(0, 30, count)
    np.testing.assert_array_equal(take(array, (2, 3), (y, x)), array[:, :, y, x])
    swapped = np.moveaxis(array, (2, 3), (3, 0))
    np.testing.assert_array_equal(take(swapped, (3, 0), (y, x)), array[:, :, y, x])
    empty = np.zeros((0, 20, 30))
    assert take(empty, (1, 2), (y, x)).shape == (0, count)


def test_area_weights_follow_latitude():
    ds = globe()
    cut = ds.polytope.extract(TRIANGLE)
    np.testing.assert_allclose(area_weights(cut), np.cos(np.deg2rad(cut.latitude)))
    assert area_weights(ds).dims == ("latitude",)
    assert (area_weights(ds) >= 0).all()
    radians = ds.assign_coords(latitude=np.deg2rad(ds.latitude))
    radians.latitude.attrs["units"] = "radians"
    np.testing.assert_allclose(area_weights(radians), area_weights(ds), atol=1e-12)
    with pytest.raises(BadShape, match="latitude"):
        area_weights(ds.t.isel(latitude=0, drop=True))


def test_area_mean_of_points_and_of_grids():
    ds = globe()
    cut = ds.polytope.extract(TRIANGLE)
    mean = area_mean(cut)
    weights = np.cos(np.deg2rad(cut.latitude))
    np.testing.assert_allclose(mean.t, (cut.t * weights).sum("points") / weights.sum())
    assert mean.t.attrs == ds.t.attrs
    assert mean.attrs == ds.attrs
    assert mean.steps.values.tolist() == [6, 12, 18]
    assert "points" not in mean.dims
    box = ds.t.polytope.extract(Box(latitude=(0, 60), longitude=(0, 90)))
    np.testing.assert_allclose(area_mean(box), box.weighted(area_weights(box)).mean(AXES))
    assert area_mean(box).dims == ("time", "level")
    gaps = cut.t.where(cut.longitude != 0)
    assert np.isfinite(area_mean(gaps)).all()
