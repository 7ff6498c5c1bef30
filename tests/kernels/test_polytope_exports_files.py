"""Cuts as padded grids, tables, and CF sampling geometries that files give back."""

import io
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import boathouse.kernels.polytope.accessor  # noqa: F401 - registers .polytope
from boathouse.catalogs.errors import BadRequest, BadShape
from boathouse.kernels.polytope.exports.accessor import Exports
from boathouse.kernels.polytope.shapes import Box, Polygon

AXES = ("latitude", "longitude")
TRIANGLE = Polygon(AXES, [(42, -10), (66, 0), (42, 10)])


class Cut(Exports):
    def __init__(self, cube):
        self._cube = cube


def cube():
    numbers = np.random.default_rng(4).normal(280, 9, (3, 2, 31, 72)).astype("f4")
    ds = xr.Dataset(
        {
            "t": (
                ("time", "level", "latitude", "longitude"),
                numbers,
                {"units": "K", "standard_name": "air_temperature", "grid_mapping": "crs"},
            ),
            "land": (AXES, np.arange(31 * 72, dtype="i2").reshape(31, 72)),
            "crs": ((), 0, {"grid_mapping_name": "latitude_longitude"}),
        },
        {
            "time": np.arange("2026-01-01", "2026-01-04", dtype="M8[D]").astype("M8[ns]"),
            "level": ("level", [1000, 850], {"units": "hPa", "positive": "down"}),
            "latitude": ("latitude", np.arange(90.0, -91.0, -6.0), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(0.0, 360.0, 5.0), {"units": "degrees_east"}),
        },
        {"title": "made for a test"},
    )
    return ds


def two_parts(times):
    return xr.Dataset(
        {"t": ("points", np.arange(5.0), {"units": "K"})},
        {
            "latitude": ("points", np.arange(5.0)),
            "longitude": ("points", np.arange(5.0) + 10),
            "time": ("points", np.array(times, "M8[h]").astype("M8[ns]")),
            "part": ("points", [0, 0, 1, 1, 1]),
            "row_size": ("parts", [2, 3], {"sample_dimension": "points"}),
            "tag": ("parts", np.array(["ship", "buoy"], object)),
        },
    )


def test_a_grid_is_the_cube_where_the_points_are_and_nan_elsewhere():
    ds = cube()
    cut = ds.polytope.extract(TRIANGLE)
    grid = Cut(cut).to_grid()
    assert grid.t.dims == ds.t.dims
    assert grid.longitude.values.tolist() == [-10, -5, 0, 5, 10]
    assert grid.latitude.values.tolist() == [66, 60, 54, 48, 42]
    assert int(grid.t.notnull().sum()) == cut.t.size
    expected = ds.sel(latitude=grid.latitude, longitude=grid.longitude % 360)
    for name in ("t", "land"):
        same = (grid[name].values == expected[name].values) | grid[name].isnull().values
        assert same.all()
    assert grid.land.dtype == "f4"
    assert grid.t.attrs == ds.t.attrs
    assert grid.attrs == ds.attrs
    assert grid.crs.attrs == ds.crs.attrs


def test_a_whole_rectangle_of_points_keeps_its_types():
    ds = cube()
    box = Polygon(AXES, [(0, 0), (0, 20), (24, 20), (24, 0)])
    grid = Cut(ds.polytope.extract(box)).to_grid()
    expected = ds.polytope.extract(Box(latitude=(0, 24), longitude=(0, 20)))
    xr.testing.assert_identical(grid, expected)


def test_lines_without_a_point_are_put_in_where_the_grid_is_even():
    cut = cube().t.isel(time=0, level=0).stack(points=AXES).reset_index("points")
    cut = cut.isel(points=[0, 2, 3, 72 * 4])
    grid = Cut(cut).to_grid()
    assert grid.latitude.values.tolist() == [90, 66]
    assert grid.longitude.values.tolist() == [0, 5, 10, 15]
    assert int(grid.t.notnull().sum()) == 4


def test_a_cut_without_points_is_its_own_grid_and_scattered_points_are_none():
    box = cube().polytope.extract(Box(latitude=(0, 24)))
    xr.testing.assert_identical(Cut(box).to_grid(), box)
    rng = np.random.default_rng(1)
    places = {axis: ("points", rng.uniform(0, 80, 5000)) for axis in AXES}
    with pytest.raises(BadShape, match="no grid"):
        Cut(xr.Dataset({"t": ("points", np.zeros(5000))}, places)).to_grid()


def test_a_table_has_a_row_for_each_value():
    cut = cube().polytope.extract(TRIANGLE)
    frame = Cut(cut).to_dataframe()
    assert list(frame) == ["time", "level", "latitude", "longitude", "t", "land"]
    assert len(frame) == cut.t.size
    assert frame["t"].dtype == "f4"
    back = frame.set_index(["time", "level", "latitude", "longitude"])["t"].to_xarray()
    expected = cube().t.sel({name: back[name] for name in back.dims})
    assert ((back == expected) | back.isnull()).all()
    assert int(back.notnull().sum()) == cut.t.size
    assert frame.attrs["columns"]["t"]["units"] == "K"
    assert frame.attrs["dataset"] == cut.attrs
    assert frame.attrs["grid_mapping"]["grid_mapping_name"] == "latitude_longitude"


def test_rows_say_the_part_that_they_are_of():
    frame = Cut(two_parts([0, 1, 0, 1, 2])).to_dataframe()
    assert frame["tag"].to_list() == ["ship"] * 2 + ["buoy"] * 3
    assert "row_size" not in frame


def test_csv_reads_back_to_the_same_float32():
    cut = cube().polytope.extract(TRIANGLE)
    text = Cut(cut).to_csv()
    assert "# t: units=K, standard_name=air_temperature, grid_mapping=crs\n" in text
    frame = pd.read_csv(io.StringIO(text), comment="#")
    expected = Cut(cut).to_dataframe()
    np.testing.assert_array_equal(frame["t"].astype("f4"), expected["t"])
    np.testing.assert_array_equal(frame["longitude"], expected["longitude"])
    assert frame["time"][0] == "2026-01-01T00:00:00Z"
    written = {value for line in text.splitlines() for value in line.split(",")}
    assert str(cut.t.values.flat[0]) in written
    assert Cut(cut).to_csv(comments=False).startswith("time,level,latitude,longitude,t,land\n")


def test_a_geodataframe_is_on_wgs84_with_longitudes_of_maps():
    cut = cube().polytope.extract(TRIANGLE)
    frame = Cut(cut).to_geodataframe()
    assert frame.crs.to_epsg() == 4326
    assert frame.geometry.x.min() == -10
    np.testing.assert_array_equal(frame.geometry.x % 360, frame["longitude"])
    np.testing.assert_array_equal(frame.geometry.y, frame["latitude"])
    assert frame.attrs["columns"]["t"]["units"] == "K"


def test_without_geopandas_the_error_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "geopandas", None)
    with pytest.raises(BadRequest, match="geopandas"):
        Cut(cube().polytope.extract(TRIANGLE)).to_geodataframe()


def cuts():
    ds = cube().drop_vars("land")
    cut = ds.polytope.extract(TRIANGLE)
    lone = ds.isel(latitude=3, longitude=4)
    return {
        "timeSeriesProfile": cut,
        "timeSeries": cut.isel(level=0),
        "profile": cut.isel(time=0),
        "point": cut.isel(time=0, level=0),
        "trajectory": two_parts([0, 1, 0, 1, 2]),
        "lone timeSeries": lone.isel(level=0),
        "lone point": lone.isel(level=0, time=0),
        "grid timeSeries": ds.isel(level=0, latitude=slice(3), longitude=slice(4)),
    }


@pytest.mark.parametrize("store", ["netcdf", "zarr"])
@pytest.mark.parametrize("case", list(cuts()))
def test_files_give_the_sampling_geometry_back(case, store, tmp_path):
    cut = cuts()[case]
    sampled = Cut(cut).to_sampling()
    assert sampled.attrs["featureType"] == case.split()[-1]
    assert "CF-" in sampled.attrs["Conventions"]
    assert sampled.t.dims[0] == "points"
    assert sampled.latitude.dims == ("points",)
    assert sampled.t.size == cut.t.size
    roles = [a.attrs["cf_role"] for a in sampled.variables.values() if "cf_role" in a.attrs]
    assert len(roles) == (0 if case.endswith("point") else 1)
    if store == "netcdf":
        sampled.to_netcdf(tmp_path / "cut.nc", engine="h5netcdf")
        with xr.open_dataset(tmp_path / "cut.nc", engine="h5netcdf") as back:
            back.load()
    else:
        sampled.to_zarr(tmp_path / "cut.zarr", consolidated=False)
        back = xr.open_zarr(tmp_path / "cut.zarr", consolidated=False, chunks=None).load()
    assert back.attrs == sampled.attrs
    assert set(back.variables) == set(sampled.variables)
    for name, array in sampled.variables.items():
        np.testing.assert_array_equal(back[name].values, array.values)
        said = {k: v for k, v in array.attrs.items() if k != "grid_mapping"}
        assert said.items() <= back[name].attrs.items()
    assert sampled.latitude.attrs["standard_name"] == "latitude"


def test_parts_are_contiguous_ragged_and_named():
    mixed = two_parts([0, 1, 0, 1, 2]).isel(points=[2, 0, 3, 1, 4])
    sampled = Cut(mixed).to_sampling()
    assert sampled.row_size.attrs["sample_dimension"] == "points"
    assert sampled.part.values.tolist() == [0, 0, 1, 1, 1]
    assert sampled.t.values.tolist() == [0, 1, 2, 3, 4]
    assert sampled.trajectory.values.tolist() == ["ship", "buoy"]
    assert sampled.trajectory.attrs["cf_role"] == "trajectory_id"
    unordered = Cut(two_parts([1, 0, 0, 1, 2])).to_sampling()
    assert unordered.attrs["featureType"] == "point"


def test_values_of_a_grid_stay_at_their_places():
    ds = cube()
    sampled = Cut(ds).to_sampling()
    for number in (0, 500, 2000):
        where = {axis: float(sampled[axis][number]) for axis in AXES}
        np.testing.assert_array_equal(sampled.t[number], ds.t.sel(where))
        assert sampled.land[number] == ds.land.sel(where)
    with pytest.raises(BadShape, match="longitude"):
        Cut(ds.drop_vars("longitude")).to_sampling()


def test_attributes_that_files_cannot_hold_are_written_as_text(tmp_path):
    cut = cube().polytope.extract(TRIANGLE).assign_attrs(made={"by": "us"}, fresh=True, none=None)
    sampled = Cut(cut).to_sampling()
    sampled.to_netcdf(tmp_path / "cut.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "cut.nc", engine="h5netcdf") as back:
        assert back.attrs["made"] == '{"by": "us"}'
        assert back.attrs["fresh"] == 1
    assert cut.attrs["fresh"] is True
