"""What polytope-python 2.1 answers wrongly or without a word, and how we answer it."""

import numpy as np
import pandas as pd
import pytest
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
    Shape,
    Span,
)

AXES = ("latitude", "longitude")


def globe(step=1.0, *, times=1, dtype=np.float64, descending=True):
    """A cube over the globe whose values tell where they come from."""
    latitude = np.arange(-90, 90 + step / 2, step)
    latitude = (latitude[::-1] if descending else latitude).astype(dtype)
    longitude = np.arange(0, 360, step).astype(dtype)
    time_axis = pd.date_range("2026-01-01", periods=times, freq="6h")
    values = np.arange(times * len(latitude) * len(longitude), dtype=np.float64)
    return xr.DataArray(
        values.reshape(times, len(latitude), len(longitude)),
        {
            "time": time_axis,
            "latitude": ("latitude", latitude, {"units": "degrees_north"}),
            "longitude": ("longitude", longitude, {"units": "degrees_east"}),
        },
        ("time", "latitude", "longitude"),
        name="t",
    )


def test_a_descending_axis_is_not_empty():
    cut = globe().polytope.extract(Box(latitude=(10, 20), longitude=(5, 6)))
    assert cut.sizes["latitude"] == 11
    assert cut.latitude.values[0] == 20


def test_the_result_does_not_depend_on_the_order_of_coordinates():
    cube = globe(2.5, times=8).to_dataset()
    shuffled = xr.Dataset(cube.data_vars, dict(sorted(cube.coords.items(), reverse=True)))
    tube = Path(
        ("time", *AXES),
        Box(time=("-3h", "3h"), latitude=(-3, 3), longitude=(-3, 3)),
        ("2026-01-01", 0, 350),
        ("2026-01-01T18:00", 10, 370),
        ("2026-01-02T18:00", 15, 380),
    )
    one, two = (each.polytope.extract(tube).t for each in (cube, shuffled))
    assert one.size > 50
    xr.testing.assert_equal(one, two)


def test_asking_again_gives_the_same_points():
    cube = globe()
    for shape in (Disk(AXES, (50, 10), 2), Polygon(AXES, [(0, 0), (3, 0), (0, 3)])):
        first, second = cube.polytope.extract(shape), cube.polytope.extract(shape)
        xr.testing.assert_identical(first, second)
    assert cube.polytope.extract(Disk(AXES, (50, 10), 2)).sizes["points"] == 13
    assert cube.polytope.extract(Polygon(AXES, [(0, 0), (3, 0), (0, 3)])).sizes["points"] == 10


def test_nearest_gives_one_series_for_each_point_also_for_close_ones():
    cube = globe(times=40)
    one = cube.polytope.extract(Point(AXES, (50.2, 10.4), method="nearest"))
    assert one.dims == ("time",)
    assert (float(one.latitude), float(one.longitude)) == (50, 10)
    close = cube.polytope.extract(Point(AXES, [(50.2, 10.4), (50.3, 10.3)], method="nearest"))
    assert close.shape == (40, 2)
    assert close.longitude.values.tolist() == [10, 10]


def test_nearest_looks_over_the_seam():
    found = globe().polytope.extract(Point(AXES, (0, 359.7), method="nearest"))
    assert float(found.longitude) == 0


def test_float32_coordinates_hold_what_their_decimals_say():
    tenths = np.arange(0, 1, 0.1).astype(np.float32)
    cube = xr.DataArray(np.arange(10), {"x": tenths}, ("x",), name="v")
    assert cube.polytope.extract(Span("x", 0.1, 0.3)).values.tolist() == [1, 2, 3]
    assert cube.polytope.extract(Select("x", 0.1)).values.tolist() == [1]
    plane = cube.expand_dims(y=tenths).polytope.extract(Disk(("y", "x"), (0.3, 0.3), 0.2))
    assert plane.sizes["points"] == 13


def test_times_below_a_second():
    times = pd.to_datetime(np.arange(0, 2000, 250), unit="ms")
    cube = xr.DataArray(np.arange(8), {"time": times}, ("time",), name="v")
    span = Span("time", "1970-01-01T00:00:00.250", "1970-01-01T00:00:00.750")
    assert cube.polytope.extract(span).values.tolist() == [1, 2, 3]


def test_two_turns_of_a_cyclic_axis_give_each_point_once():
    cut = globe().polytope.extract(Box(latitude=(0, 0), longitude=(0, 720)))
    assert cut.sizes["longitude"] == 360
    assert len(np.unique(cut.longitude)) == 360
    ring = Polygon(AXES, [(-1, -360), (-1, 359), (1, 359), (1, -360)])
    assert globe().polytope.extract(ring).sizes["points"] == 3 * 360


def test_repeated_and_collinear_vertices_lose_no_point():
    plain = [(0, 0), (4, 0), (4, 4), (0, 4)]
    busy = [(0, 0), (0, 0), (2, 0), (4, 0), (4, 0), (4, 2), (4, 4), (2, 4), (0, 4), (0, 4), (0, 2)]
    cube = globe()
    for ring in (plain, busy):
        assert cube.polytope.extract(Polygon(AXES, ring)).sizes["points"] == 25


def test_off_the_grid_without_a_method_is_said():
    cube = globe()
    with pytest.raises(BadShape, match=r"latitude: 50\.1 .*nearest"):
        cube.polytope.extract(Point(AXES, (50.1, 10)))
    with pytest.raises(BadShape, match=r"longitude: 10\.5 .*nearest"):
        cube.polytope.extract(Select("longitude", [10, 10.5]))


def test_a_dataset_is_cut_like_an_array():
    cube = globe().to_dataset().assign(u=globe())
    cut = cube.polytope.extract(Disk(AXES, (50, 10), 2))
    assert cut.t.sizes == cut.u.sizes == {"time": 1, "points": 13}


def test_a_long_ring_is_no_work():
    angle = np.linspace(0, 2 * np.pi, 5000, endpoint=False)
    ring = np.stack([20 * np.sin(angle), 30 + 20 * np.cos(angle)], axis=1)
    cube = globe()
    shape = Polygon(AXES, ring)
    points = cube.polytope.plan(shape).points  # triangulated in Python it takes minutes
    inside = (np.hypot(*np.meshgrid(np.arange(-21, 22), np.arange(-21, 22))) <= 20 - 1e-4).sum()
    assert inside <= points <= inside + 20


def test_dask_is_read_by_chunk_not_by_point():
    cube = globe(times=2).chunk({"time": 1, "latitude": 60, "longitude": 90})
    cut = cube.polytope.extract(Disk(AXES, (0, 0), 5))
    assert len(cut.__dask_graph__()) < 60
    expected = globe(times=2).polytope.extract(Disk(AXES, (0, 0), 5))
    np.testing.assert_array_equal(cut.values, expected.values)


def test_paths_through_time_take_times_and_durations():
    cube = globe(times=4)
    tube = Path(
        ("time", *AXES),
        Box(time=("-1h", "1h"), latitude=(-1, 1), longitude=(-1, 1)),
        (pd.Timestamp("2026-01-01"), 0, 10),
        (np.datetime64("2026-01-01T12:00"), 0, 22),
    )
    cut = cube.polytope.extract(tube)
    by_time = cut.groupby("time").map(lambda part: part.longitude.mean()).values
    np.testing.assert_allclose(by_time, [10.5, 16, 21.5], atol=0.6)


def test_an_empty_shape_is_said_and_is_an_error_when_strict():
    cube, between = globe(), Disk(AXES, (0.5, 0.5), 0.1)
    with pytest.warns(ShapeWarning, match="falls between|no grid point"):
        assert cube.polytope.extract(between).sizes["points"] == 0
    assert cube.polytope.plan(between).points == 0
    with pytest.raises(BadShape, match="no grid point"):
        cube.polytope.extract(between, strict=True)


def test_a_shape_outside_the_cube_is_an_error():
    part = globe().sel(latitude=slice(60, 40), longitude=slice(0, 20))
    with pytest.raises(BadShape, match="latitude"):
        part.polytope.extract(Disk(AXES, (0, 10), 2))
    with pytest.warns(ShapeWarning, match="reaches beyond"):
        part.polytope.extract(Disk(AXES, (59, 10), 4))


def test_any_shape_comes_back_from_json():
    tube = Path(
        ("time", *AXES),
        Box(time=("-3h", "3h"), latitude=(-3, 3), longitude=(-3, 3)),
        ("2026-01-01", 0, 350),
        ("2026-01-02T18:00", 15, 380),
    )
    assert Shape.of(tube.to_dict()) == tube
