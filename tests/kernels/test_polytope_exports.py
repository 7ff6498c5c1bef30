"""Cuts as CoverageJSON and GeoJSON: validated, and read back to the numbers of the cube."""

import json

import cftime
import msgspec
import numpy as np
import pytest
import xarray as xr
from covjson_pydantic.coverage import Coverage, CoverageCollection
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import boathouse.kernels.polytope.accessor  # noqa: F401 - registers .polytope
from boathouse.catalogs.errors import BadShape
from boathouse.kernels.polytope.exports.accessor import Exports
from boathouse.kernels.polytope.exports.numbers import plain, shortest, times
from boathouse.kernels.polytope.shapes import Box, Polygon, Span

AXES = ("latitude", "longitude")
TRIANGLE = Polygon(AXES, [(42, -10), (66, 0), (42, 10)])
MODELS = {"Coverage": Coverage, "CoverageCollection": CoverageCollection}


class Cut(Exports):
    def __init__(self, cube):
        self._cube = cube


def cube():
    ds = xr.Dataset(
        {
            "t": (
                ("member", "time", "level", "latitude", "longitude"),
                np.random.default_rng(3).normal(280, 9, (2, 3, 2, 31, 72)).astype("f4"),
                {"units": "K", "standard_name": "air_temperature", "long_name": "Temperature"},
            )
        },
        {
            "member": [0, 7],
            "time": np.arange("2026-01-01", "2026-01-04", dtype="M8[D]").astype("M8[ns]"),
            "level": ("level", [1000, 850], {"units": "hPa", "positive": "down"}),
            "latitude": ("latitude", np.arange(90.0, -91.0, -6.0), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(0.0, 360.0, 5.0), {"units": "degrees_east"}),
        },
        {"Conventions": "CF-1.11", "title": "made for a test"},
    )
    return ds


def point(**sel):
    return cube().isel(latitude=5, longitude=3, member=0, **sel)


def parts(count=5, time=False):
    """Points in two parts of different lengths, by hand in the form that extract gives."""
    coords = {
        "latitude": ("points", np.arange(float(count))),
        "longitude": ("points", np.arange(float(count)) + 10),
        "part": ("points", [0] * 2 + [2] * (count - 2)),
        "row_size": ("parts", [2, 0, count - 2], {"sample_dimension": "points"}),
        "tag": ("parts", ["a", "nothing", "b"]),
    }
    if time:
        hours = np.array([0, 1, 0, 1, 2][:count], "M8[h]")
        coords["time"] = ("points", hours.astype("M8[ns]"))
    return xr.Dataset({"t": ("points", np.arange(count) * 1.5)}, coords)


def valid(cut):
    """The document, after its text went through the validator."""
    document = Cut(cut).to_coverage()
    text = msgspec.json.encode(document)
    assert json.loads(text) == json.loads(json.dumps(document, allow_nan=False))
    MODELS[document["type"]].model_validate_json(text)
    return document


def as_array(ranges, dtype):
    values = [np.nan if value is None else value for value in ranges["values"]]
    return np.array(values, dtype).reshape(ranges.get("shape", ()))


@pytest.mark.parametrize(
    ("cut", "kind", "axes"),
    [
        (point(time=0, level=0), "Point", None),
        (point(level=0), "PointSeries", ["t"]),
        (point(time=0), "VerticalProfile", ["z"]),
        (point(), "Grid", ["t", "z"]),
        (cube().isel(member=0, level=0), "Grid", ["t", "y", "x"]),
        (cube().isel(member=0, time=0, level=0), "Grid", ["y", "x"]),
    ],
)
def test_separate_axes(cut, kind, axes):
    document = valid(cut)
    assert document["type"] == "Coverage"
    assert document["domain"]["domainType"] == kind
    ranges = document["ranges"]["t"]
    assert ranges.get("axisNames") == axes
    np.testing.assert_array_equal(as_array(ranges, "f4"), cut.t)
    found = document["domain"]["axes"]
    for axis, name in {"x": "longitude", "y": "latitude", "z": "level"}.items():
        assert found[axis]["values"] == np.atleast_1d(cut[name]).tolist()
    assert found["t"]["values"][0] == "2026-01-01T00:00:00Z"


def test_a_polygon_is_multipoint_or_a_series_of_it():
    cut = cube().isel(member=0, level=0).polytope.extract(TRIANGLE)
    series, lone = valid(cut), valid(cut.isel(time=0))
    assert series["domain"]["domainType"] == "MultiPointSeries"
    assert lone["domain"]["domainType"] == "MultiPoint"
    assert series["ranges"]["t"]["axisNames"] == ["t", "composite"]
    np.testing.assert_array_equal(as_array(series["ranges"]["t"], "f4"), cut.t)
    composite = lone["domain"]["axes"]["composite"]
    assert composite["coordinates"] == ["x", "y", "z"]
    assert composite["values"] == [
        [x, y, 1000] for x, y in zip(cut.longitude.values, cut.latitude.values, strict=True)
    ]


def test_levels_under_a_polygon_become_points_in_space():
    cut = cube().isel(member=0, time=0).polytope.extract(TRIANGLE)
    document = valid(cut)
    assert document["domain"]["domainType"] == "MultiPoint"
    values = dict(
        zip(
            map(tuple, document["domain"]["axes"]["composite"]["values"]),
            document["ranges"]["t"]["values"],
            strict=True,
        )
    )
    assert len(values) == 2 * cut.sizes["points"]
    for (x, y, z), value in values.items():
        expected = cube().t.isel(member=0, time=0).sel(longitude=x, latitude=y, level=z)
        assert np.float32(value) == expected


def test_members_are_a_coverage_each_that_says_which():
    cut = cube().polytope.extract(TRIANGLE & Span("level", 1000, 1000)).isel(level=0)
    document = valid(cut)
    assert document["domainType"] == "MultiPointSeries"
    assert [c["id"] for c in document["coverages"]] == ["member=0", "member=7"]
    assert document["coverages"][1]["boathouse:coordinates"] == {"member": 7}
    for number, coverage in enumerate(document["coverages"]):
        values = as_array(coverage["ranges"]["t"], "f4")
        np.testing.assert_array_equal(values, cut.t[number])


def test_parts_are_a_coverage_each_and_one_without_points_is_none():
    document = valid(parts())
    assert [c["boathouse:coordinates"] for c in document["coverages"]] == [
        {"part": "a"},
        {"part": "b"},
    ]
    sizes = [c["ranges"]["t"]["shape"] for c in document["coverages"]]
    assert sizes == [[2], [3]]
    assert document["coverages"][1]["ranges"]["t"]["values"] == [3.0, 4.5, 6.0]


def test_points_that_move_in_time_are_a_trajectory_in_its_order():
    late_first = parts(time=True).isel(points=[4, 3, 2, 1, 0])
    document = valid(late_first)
    assert document["domainType"] == "Trajectory"
    ranges = [c["ranges"]["t"]["values"] for c in document["coverages"]]
    assert ranges == [[0.0, 1.5], [3.0, 4.5, 6.0]]
    tuples = document["coverages"][1]["domain"]["axes"]["composite"]
    assert tuples["coordinates"] == ["t", "x", "y"]
    assert tuples["values"][0] == ["1970-01-01T00:00:00Z", 12.0, 2.0]


def test_lone_points_share_one_domain_unless_they_are_profiles():
    stations = parts(3).isel(points=[0, 2]).assign_coords(part=("points", [0, 1]))
    stations = stations.drop_vars(["row_size", "tag"]).assign_coords(tag=("parts", ["a", "b"]))
    document = valid(stations)
    assert document["domain"]["domainType"] == "MultiPoint"
    assert document["ranges"]["tag"]["values"] == ["a", "b"]
    column = stations.expand_dims(level=[1000, 850])
    profiles = valid(column)
    assert profiles["domainType"] == "VerticalProfile"
    assert [c["id"] for c in profiles["coverages"]] == ["part=a", "part=b"]


def test_variables_over_other_dimensions_and_beside_the_points_are_not_lost():
    ds = cube().isel(member=0, level=0)
    ds["mask"] = (AXES, np.ones((31, 72), bool))
    ds = ds.assign_coords(height=(AXES, np.arange(31.0 * 72).reshape(31, 72)))
    cut = ds.polytope.extract(TRIANGLE)
    document = valid(cut)
    kinds = [c["domain"]["domainType"] for c in document["coverages"]]
    assert kinds == ["MultiPointSeries", "MultiPoint"]
    assert document["coverages"][1]["ranges"]["mask"]["values"] == [1] * cut.sizes["points"]
    assert document["coverages"][0]["ranges"]["height"]["values"] == cut.height.values.tolist()


def test_units_names_flags_and_references_survive():
    ds = cube().isel(member=0, time=0, level=0)
    flags = {"flag_values": np.array([0, 1], "i1"), "flag_meanings": "sea land"}
    ds["land"] = (AXES, np.ones((31, 72), "i1"), flags)
    document = valid(ds)
    t, land = document["parameters"]["t"], document["parameters"]["land"]
    assert t["unit"] == {"symbol": "K"}
    assert t["observedProperty"]["label"] == {"en": "Temperature"}
    assert t["observedProperty"]["id"].endswith("/air_temperature/")
    assert land["categoryEncoding"] == {"sea": 0, "land": 1}
    assert "unit" not in land
    systems = {tuple(r["coordinates"]): r["system"] for r in document["domain"]["referencing"]}
    assert systems["x", "y"]["id"].endswith("CRS84")
    axis = systems["z",]["cs"]["csAxes"][0]
    assert (axis["direction"], axis["unit"]) == ("down", {"symbol": "hPa"})
    assert systems["t",] == {"type": "TemporalRS", "calendar": "Gregorian"}


def test_the_cubes_attributes_and_single_coordinates_are_told():
    ds = point(time=0, level=0).assign_coords(run=np.datetime64("2025-12-31", "ns"))
    document = valid(ds)
    assert document["cf:attributes"] == ds.attrs
    assert document["boathouse:coordinates"] == {"member": 0, "run": "2025-12-31T00:00:00Z"}
    assert valid(cube())["cf:attributes"] == ds.attrs
    assert Cut(ds).to_geojson()["cf:attributes"] == ds.attrs


def test_a_grid_mapping_that_is_not_wgs84_is_told_and_not_called_crs84():
    ds = cube().isel(member=0, time=0, level=0)
    facts = {"grid_mapping_name": "latitude_longitude", "earth_radius": 6371229.0}
    ds["crs"] = ((), 0, facts)
    ds.t.attrs["grid_mapping"] = "crs"
    document = valid(ds)
    system = document["domain"]["referencing"][0]["system"]
    assert system["cf:grid_mapping"] == facts
    assert "id" not in system
    assert list(document["ranges"]) == ["t"]


def test_another_calendar_is_named():
    ds = point(level=0)
    days = [cftime.DatetimeNoLeap(2001, 2, day) for day in (26, 27, 28)]
    ds = ds.assign_coords(time=days)
    document = valid(ds)
    assert document["domain"]["axes"]["t"]["values"][2] == "2001-02-28T00:00:00Z"
    system = document["domain"]["referencing"][-1]["system"]
    assert system["calendar"].endswith("calendar-noleap")


def test_a_projected_grid_keeps_its_own_axes():
    ds = xr.Dataset(
        {"t": (("y", "x"), np.arange(6.0).reshape(2, 3))},
        {
            "y": ("y", [0.0, 1000.0], {"standard_name": "projection_y_coordinate"}),
            "x": ("x", [0.0, 1.0, 2.0], {"standard_name": "projection_x_coordinate"}),
            "latitude": (("y", "x"), np.arange(6.0).reshape(2, 3)),
            "longitude": (("y", "x"), np.arange(6.0).reshape(2, 3)),
        },
    )
    document = valid(ds)
    assert document["domain"]["domainType"] == "Grid"
    assert document["domain"]["axes"]["y"]["values"] == [0.0, 1000.0]
    assert document["domain"]["referencing"][0]["system"]["type"] == "ProjectedCRS"
    bare = valid(ds.drop_vars(["x", "y"]))
    assert bare["domain"]["domainType"] == "MultiPoint"
    assert bare["ranges"]["t"]["values"] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_no_points_are_an_empty_collection():
    document = valid(parts().isel(points=slice(0)))
    assert document["type"] == "CoverageCollection"
    assert document["coverages"] == []
    assert list(document["parameters"]) == ["t"]


def test_missing_values_are_null_and_a_lazy_cut_stays_lazy():
    ds = cube().isel(member=0, time=0, level=0).chunk()
    ds["t"] = ds.t.where(ds.latitude > 0)
    document = valid(ds)
    values = document["ranges"]["t"]["values"]
    assert values.count(None) == int(ds.t.isnull().sum()) > 0
    assert ds.t.chunks is not None


def test_a_dimension_without_a_place_is_refused_by_name():
    ds = xr.Dataset({"t": ("cell", np.zeros(10_001))}, {"latitude": 1.0, "longitude": 1.0})
    with pytest.raises(BadShape, match="cell") as caught:
        Cut(ds).to_coverage()
    assert caught.value.field == "cell"
    with pytest.raises(BadShape, match="no coordinate that says where"):
        Cut(xr.Dataset({"t": ((), 1.0)})).to_coverage()


@example(np.array([1918509714], "u4"))
@given(arrays("u4", 50))
def test_shortest_digits_mean_the_same_float32(bits):
    values = bits.view("f4")
    values = values[np.isfinite(values)]
    assert shortest(values).tolist() == [float(str(value)) for value in values]


@given(st.lists(st.integers(-(2**62), 2**62), max_size=20))
def test_times_are_exact_and_no_longer_than_needed(numbers):
    values = np.array(numbers, "M8[ns]")
    texts = times(values)
    assert (np.array([text[:-1] for text in texts], "M8[ns]") == values).all()
    hours = values.astype("M8[h]")
    assert times(hours.astype("M8[ns]")) == [f"{one}Z" for one in hours.astype("M8[s]")]


def test_plain_values():
    assert plain(np.array([0.1, np.nan, np.inf], "f4")) == [0.1, None, None]
    assert plain(np.array([True, False])) == [1, 0]
    assert plain(np.array(["2026-01-01T00:00:00.25", "NaT"], "M8[ns]")) == [
        "2026-01-01T00:00:00.250Z",
        None,
    ]
    assert plain(np.array([90, "NaT"], "m8[m]")) == [5400.0, None]
    assert plain(np.array(["a", None, np.nan], object)) == ["a", None, None]


def test_geojson_has_a_feature_for_each_point_and_time():
    cut = cube().isel(member=0, level=0, drop=True).polytope.extract(TRIANGLE)
    document = Cut(cut).to_geojson()
    json.dumps(document, allow_nan=False)
    features = document["features"]
    assert len(features) == cut.t.size
    longitudes = {feature["geometry"]["coordinates"][0] for feature in features}
    assert longitudes == {-10.0, -5.0, 0.0, 5.0, 10.0}
    for feature in features:
        lon, lat = feature["geometry"]["coordinates"]
        moment = feature["properties"]["time"].removesuffix("Z")
        expected = cube().t.isel(member=0, level=0).sel(longitude=lon % 360, latitude=lat)
        assert np.float32(feature["properties"]["t"]) == expected.sel(time=moment)
    assert document["parameters"]["t"]["unit"] == {"symbol": "K"}
    with pytest.raises(BadShape, match="longitude"):
        Cut(cut.drop_vars("longitude")).to_geojson()


def test_a_box_and_a_nameless_array_can_be_exported():
    cut = cube().t.isel(member=0, time=0).polytope.extract(Box(latitude=(0, 12), level=(850, 850)))
    document = valid(cut.rename(None))
    assert document["domain"]["domainType"] == "Grid"
    assert list(document["ranges"]) == ["data"]
