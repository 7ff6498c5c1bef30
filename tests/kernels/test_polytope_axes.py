"""Axis facts from coordinates, CF names, time axes, and refusals that say what the cube has."""

import sys
import warnings

import cftime
import numpy as np
import pytest
import xarray as xr

import boathouse.kernels.polytope.accessor as accessor
from boathouse.catalogs.errors import BadShape, ShapeWarning
from boathouse.kernels.polytope.naming import period_of, resolve
from boathouse.kernels.polytope.shapes import Box, Polygon, Span

EAST = {"units": "degrees_east"}
MONTHS_OF_30_DAYS = xr.date_range("2000-02-28", periods=5, calendar="360_day", use_cftime=True)


def line(values, name="x", attrs=None):
    """A one-dimensional cube that counts from 0."""
    return xr.DataArray(np.arange(len(values)), [(name, values, attrs or {})], name="number")


def found(array, lower, upper, name=None, **options):
    shape = Span(name or str(array.dims[0]), lower, upper)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ShapeWarning)  # many of these reach beyond
        return array.polytope.extract(shape, **options).values.tolist()


@pytest.mark.parametrize(
    ("values", "kind", "direction"),
    [
        ([1.0, 2.0, 3.0], "number", 1),
        (np.array([3, 2, 1], "f4"), "number", -1),
        ([3, 1, 2], "integer", 0),
        (np.array(["2026-01-01", "2026-01-02"], "M8[ns]"), "datetime", 1),
        (np.array([2, 1], "m8[h]").astype("m8[s]"), "timedelta", -1),
        (
            MONTHS_OF_30_DAYS,
            "calendar",
            1,
        ),
        (["a", "b"], "label", 0),
        ([5.0], "number", 1),
        ([1.0, np.nan, 0.0], "number", 0),
    ],
)
def test_kind_and_direction(values, kind, direction):
    axis = line(values).polytope.axis("x")
    assert (axis.kind, axis.direction, axis.size) == (kind, direction, len(values))


def test_a_dimension_without_a_coordinate_counts_from_0():
    array = xr.DataArray(np.arange(10), dims="member")
    assert found(array, 2, 4) == [2, 3, 4]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
def test_every_direction_gives_the_same_places(order):
    places = np.array([1000.0, 850.0, 500.0, 300.0])[order]
    assert sorted(places[found(line(places), 400, 900)]) == [500.0, 850.0]


def test_missing_places_hold_nothing():
    assert found(line([0.0, np.nan, 1.0, np.inf]), -5, 5) == [0, 2]
    times = np.array(["2026-01-01", "NaT", "2026-01-03"], "M8[ns]")
    assert found(line(times), "2025-01-01", "2027-01-01") == [0, 2]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_are_compared_in_any_unit(unit):
    times = np.arange("2026-01-01", "2026-01-05", dtype="M8[D]").astype(f"M8[{unit}]")
    assert found(line(times, "time"), "2026-01-02", "2026-01-03") == [1, 2]
    assert found(line(times, "time"), "2026-01-01T00:00:00.000000001", "2026-01-03") == [1, 2]
    assert found(line(times, "time"), times[1], times[2]) == [1, 2]


def test_times_are_exact_to_the_nanosecond():
    times = np.datetime64("2026-01-01", "ns") + np.arange(5).astype("m8[ns]")
    assert found(line(times, "time"), times[1], times[3]) == [1, 2, 3]
    quarters = np.datetime64("2026-01-01", "ms") + (250 * np.arange(5)).astype("m8[ms]")
    assert found(line(quarters, "time"), quarters[1], quarters[3]) == [1, 2, 3]


def test_durations_are_compared_as_durations():
    steps = (np.arange(5) * 6).astype("m8[h]").astype("m8[ns]")
    assert found(line(steps, "step"), "6h", "PT12H") == [1, 2]
    assert found(line(steps, "step"), np.timedelta64(6, "h"), np.timedelta64(1, "D")) == [
        1,
        2,
        3,
        4,
    ]


def test_calendars_of_360_days_have_a_30th_of_february():
    times = MONTHS_OF_30_DAYS
    assert found(line(times, "time"), "2000-02-29T12:00", "2000-03-01") == [2, 3]
    day = cftime.Datetime360Day(2000, 2, 30)
    assert found(line(times, "time"), day, day) == [2]
    ordinary = line(np.array(["2000-02-28"], "M8[ns]"), "time")
    with pytest.raises(BadShape, match="Gregorian calendar has no 2000-02-30"):
        found(ordinary, "2000-02-28", "2000-02-30")


def test_whole_numbers_are_compared_as_they_are():
    large = 2**60 + np.arange(4)
    assert found(line(large), 2**60 + 1, 2**60 + 2) == [1, 2]
    assert found(line([1, 2, 3]), 1.5, 3) == [1, 2]


@pytest.mark.parametrize(
    ("name", "attrs", "period"),
    [
        ("x", EAST, 360),
        ("x", {"units": "degreesE"}, 360),
        ("lon", {"units": "degrees", "standard_name": "longitude"}, 360),
        ("rlon", {"units": "degrees", "standard_name": "grid_longitude"}, 360),
        ("x", {"units": "degrees", "axis": "X"}, 360),
        ("longitude", {}, 360),
        ("longitude", {"units": "radians"}, 2 * np.pi),
        ("longitude", {"units": "m"}, None),
        ("x", {"units": "m", "axis": "X"}, None),
        ("latitude", {"units": "degrees_north"}, None),
        ("x", {}, None),
    ],
)
def test_attributes_decide_whether_an_axis_comes_round(name, attrs, period):
    assert period_of(name, line([0.0, 1.0], name, attrs)[name]) == period


def test_a_keyword_overrides_the_attributes():
    array = line(np.arange(0.0, 360.0, 10.0), "x")
    assert found(array, 350, 370, cyclic={"x": 360}) == [0, 1, 35]
    turned = line(np.arange(0.0, 360.0, 10.0), "lon", EAST)
    assert found(turned, -10, 10) == [0, 1, 35]
    assert found(turned, -10, 10, cyclic={"lon": None}) == [0, 1]
    assert found(turned, -10, 10, name="longitude", cyclic={"longitude": None}) == [0, 1]
    with pytest.raises(BadShape, match="no period"):
        found(turned, -10, 10, cyclic={"lon": -360})


def test_a_part_of_the_circle_is_found_a_turn_away():
    array = line(np.arange(340.0, 356.0), "lon", EAST)
    assert found(array, -10, -8) == [10, 11, 12]
    assert found(array, 700, 1060) == list(range(16))
    west = line(np.arange(-20.0, 0.0), "lon", EAST)
    assert found(west, 350, 352) == [10, 11, 12]
    with pytest.raises(BadShape, match=r"goes from 340 to 355 \(16 values, cyclic every 360\)"):
        found(array, 0, 10)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_both_ends_of_the_circle_are_one_place(descending, dtype):
    values = np.linspace(0, 360, 37).astype(dtype)
    values = values[::-1] if descending else values
    array = line(values, "lon", EAST)

    def places(lower, upper):
        return sorted(values[found(array, lower, upper)].tolist())

    assert places(-10, 10) == [0, 10, 350]
    assert places(340, 360) == [340, 350, 360]
    assert places(0, 20) == [0, 10, 20]
    assert places(360, 380) == [0, 10, 20]
    assert len(places(0, 720)) == 36
    assert len(places(0, 360)) == 36


@pytest.mark.parametrize("start", [0, -180])
def test_a_polygon_split_at_the_date_line_holds_its_seam_once(start):
    values = start + np.arange(0.0, 361.0, 10.0)
    latitude = [-1.0, 0.0, 1.0]
    cube = xr.DataArray(np.zeros((3, 37)), [("latitude", latitude), ("longitude", values, EAST)])
    west, east = start + 360 - 20, start + 20
    west_part = [(-1, west), (1, west), (1, start + 360), (-1, start + 360)]
    east_part = [(-1, start), (1, start), (1, east), (-1, east)]
    cut = cube.polytope.extract(Polygon(("latitude", "longitude"), [west_part, east_part]))
    assert cut.longitude.values.tolist() == [start, start + 10, east, west, west + 10] * 3


def test_float32_rounding_at_the_start_of_the_circle():
    values = (np.arange(1, 3601) / 10).astype("f4")  # the first is a little more than 0.1
    assert found(line(values, "lon", EAST), 0.1, 0.3) == [0, 1, 2]
    assert found(line(values, "lon", EAST), -0.1, 0.1) == [0, 3598, 3599]


def test_an_axis_of_more_than_a_turn_gives_each_place_once():
    values = np.arange(0.0, 540.0, 30.0)
    assert values[found(line(values, "lon", EAST), 0, 60)].tolist() == [0, 30, 60]


def names(**coordinates):
    """A cube whose coordinates are given as (dims, attrs)."""
    sizes = {"y": 3, "x": 4, "t": 2}
    built = {}
    for name, (dims, attrs) in coordinates.items():
        shape = [sizes.get(dim, 2) for dim in dims]
        built[name] = (dims, np.arange(np.prod(shape, dtype=int)).reshape(shape) * 1.0, attrs)
    return xr.Dataset(coords=built)


@pytest.mark.parametrize(
    ("coordinates", "asked", "expected"),
    [
        ({"lat": (["lat"], {})}, "latitude", "lat"),
        ({"latitude": (["latitude"], {})}, "lat", "latitude"),
        ({"y": (["y"], {"units": "degrees_north"})}, "latitude", "y"),
        ({"row": (["y"], {"standard_name": "latitude"})}, "lat", "row"),
        ({"plev": (["plev"], {"standard_name": "air_pressure"})}, "level", "plev"),
        ({"plev": (["plev"], {"standard_name": "air_pressure"})}, "air_pressure", "plev"),
        ({"z": (["z"], {"axis": "Z"}), "height": (["z"], {"positive": "up"})}, "level", "z"),
        ({"realization": (["realization"], {})}, "member", "realization"),
        ({"y": (["y"], {"standard_name": "grid_latitude", "units": "degrees"})}, "y", "y"),
        ({"valid_time": (["t"], {"standard_name": "time"})}, "time", "valid_time"),
    ],
)
def test_an_axis_is_found_by_its_own_or_its_cf_name(coordinates, asked, expected):
    assert resolve(names(**coordinates), asked) == expected


@pytest.mark.parametrize(
    ("coordinates", "asked", "words"),
    [
        ({"lat": (["lat"], {})}, "longitude", "longitude: the cube has no such axis; it has lat"),
        ({"lat": (["lat"], {"units": "m"})}, "latitude", "no such axis"),
        (
            {
                "a": (["y"], {"standard_name": "latitude"}),
                "b": (["x"], {"standard_name": "latitude"}),
            },
            "latitude",
            "may mean any of a, b",
        ),
    ],
)
def test_an_axis_that_is_not_there_is_refused_with_what_there_is(coordinates, asked, words):
    with pytest.raises(BadShape, match=words) as caught:
        resolve(names(**coordinates), asked)
    assert caught.value.field == asked


def test_values_of_another_kind_are_refused_with_an_example():
    for values, bound, words in (
        (
            np.array(["2026-01-01"], "M8[ns]"),
            5,
            "holds times; give a time such as '2026-01-31T06:00'",
        ),
        (np.array(["2026-01-01"], "M8[ns]"), "noon", "holds times"),
        (np.array([1], "m8[ns]"), 5, "holds durations; give a duration such as '6h'"),
        ([1.0, 2.0], "2026-01-01", "holds numbers; give a number, not '2026-01-01'"),
        (["a", "b"], "a", "labels have no range"),
    ):
        with pytest.raises(BadShape, match=words) as caught:
            found(line(values), bound, bound)
        assert caught.value.field == "x"


@pytest.mark.parametrize(
    ("values", "bounds", "words"),
    [
        (
            np.arange(50.0, 61.0),
            (70, 80),
            r"from 70 to 80; the cube goes from 50 to 60 \(11 values\)",
        ),
        (np.arange(60.0, 49.0, -1), (30.2, 30.8), "from 30.2 to 30.8; the cube goes from 50 to 60"),
        ([5.0], (6, 7), "has only 5"),
        ([], (6, 7), "has no values"),
        (
            np.array(["2026-01-01T00", "2026-01-02T06"], "M8[ns]"),
            ("2027-01-01", "2027-01-02"),
            "goes from 2026-01-01 to 2026-01-02T06:00:00",
        ),
        (np.array([0, 3600], "m8[s]"), ("2h", "3h"), "goes from PT0S to PT3600S"),
    ],
)
def test_a_range_outside_the_cube_says_where_the_cube_is(values, bounds, words):
    with pytest.raises(BadShape, match=words) as caught:
        found(line(np.asarray(values)), *bounds)
    assert caught.value.field == "x"


def test_a_polygon_outside_or_between_says_where_the_cube_is():
    array = xr.DataArray(
        np.zeros((5, 5)), [("latitude", np.arange(5.0)), ("longitude", np.arange(5.0))]
    )
    axes = ("latitude", "longitude")
    with pytest.raises(BadShape, match=r"latitude: .* from 50 to 55; the cube goes from 0 to 4"):
        array.polytope.extract(Polygon(axes, [(50, 0), (55, 0), (50, 3)]))
    between = Polygon(axes, [(0.1, 0.1), (0.1, 1.2), (0.9, 0.2), (1.2, 0.1)])
    words = "it falls between them; latitude goes from 0 to 4"
    assert words in array.polytope.plan(between).empty
    with pytest.raises(BadShape, match=words):
        array.polytope.extract(between, strict=True)
    with pytest.warns(ShapeWarning, match=words):
        assert array.polytope.extract(between).size == 0
    with pytest.warns(ShapeWarning, match=r"latitude: no grid point lies from 0\.2 to 0\.8"):
        assert array.polytope.extract(Box(latitude=(0.2, 0.8))).shape == (0, 5)


def test_a_scalar_coordinate_is_only_checked():
    array = line([1.0, 2.0]).assign_coords(time=np.datetime64("2026-01-01", "ns"))
    shape = Box(x=(2, 3), time=("2026-01-01", "2026-01-02"))
    assert array.polytope.extract(shape).values.tolist() == [1]
    with pytest.raises(BadShape, match=r"time: .* has only 2026-01-01"):
        array.polytope.extract(Span("time", "2027-01-01", "2027-01-02"))
    edge = Polygon(("time", "x"), [("2026-01-01", 0), ("2026-01-01", 1.5), ("2026-01-02", 3)])
    with pytest.warns(ShapeWarning, match="beyond"):
        assert array.polytope.extract(edge).values.tolist() == [0]


def test_an_axis_covered_under_two_names_is_refused():
    array = line([1.0, 2.0], "lat", {"units": "degrees_north"})
    with pytest.raises(BadShape, match="covers lat twice, as lat and latitude"):
        array.polytope.extract(Box(lat=(0, 5), latitude=(0, 5)))


def test_registering_again_is_silent(recwarn):
    accessor.register()
    del sys.modules[accessor.__name__]
    __import__(accessor.__name__)
    assert found(line([1.0, 2.0]), 2, 2) == [1]
    assert not [warning for warning in recwarn if "accessor" in str(warning.message)]
