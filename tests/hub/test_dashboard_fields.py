"""What the dashboard reads from cubes: looks, fields, series and small pictures."""

import base64
import struct
import zlib
from pathlib import Path
from typing import Any

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from boathouse.catalogs.errors import BadRequest, NotFound
from boathouse.catalogs.lake import Lake, open_lake
from boathouse.catalogs.publish import publish
from boathouse.hub.dashboard.fields import Fields, Kept
from boathouse.hub.dashboard.look import look_at, looks_of, texts_of
from boathouse.hub.dashboard.series_card import degrees
from boathouse.hub.dashboard.thumbnails import png, thumbnail

UNITS = {"latitude": "degrees_north", "longitude": "degrees_east"}


def globe(**sizes: int) -> xr.Dataset:
    """A variable ``t`` in K over these dimensions and a coarse globe; each value is its index."""
    shape = (*sizes.values(), 5, 8)
    coords: dict[str, Any] = {
        "latitude": ("latitude", np.linspace(80, -80, 5), {"units": UNITS["latitude"]}),
        "longitude": ("longitude", np.arange(0, 360, 45.0), {"units": UNITS["longitude"]}),
    }
    if "time" in sizes:
        coords["time"] = pd.date_range("2019-03-01", periods=sizes["time"], freq="h")
    values = np.arange(np.prod(shape), dtype="f8").reshape(shape)
    return xr.Dataset({"t": ((*sizes, "latitude", "longitude"), values, {"units": "K"})}, coords)


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    opened = open_lake(tmp_path / "lake", user="ann")
    yield opened
    opened.close()


def published(lake: Lake, dataset: xr.Dataset) -> Any:
    return publish(dataset, "thing", licence="CC0-1.0", lake=lake)


def test_a_look_knows_the_part_of_each_dimension() -> None:
    cube = globe(number=3, time=4, level=2)
    cube["name"] = ("level", ["a", "b"])
    cube["crs"] = 0
    look = look_at(cube, "t")
    assert look.grid is not None
    assert look.grid.dims == ("latitude", "longitude")
    assert look.time is not None
    assert look.time.texts[1] == "2019-03-01 01:00"
    assert [axis.name for axis in look.others] == ["number", "level"]
    assert look.members == "number"
    assert list(looks_of(cube, cube.data_vars)) == ["t"]
    with pytest.raises(NotFound, match="no variable 'x'"):
        look_at(cube, "x")


def test_an_index_from_the_browser_stays_inside() -> None:
    look = look_at(globe(time=4), "t")
    assert look.indexers({"time": 99}) == {"time": 3}
    assert look.indexers({"time": -5}) == {"time": 0}
    assert look.indexers({"latitude": 3}) == {"time": 0}


def test_an_empty_pool_is_known_as_empty() -> None:
    cube = globe(time=4).isel(time=slice(0, 0))
    assert look_at(cube, "t").is_empty
    assert not look_at(globe(time=1), "t").is_empty


def test_times_of_other_calendars_have_texts() -> None:
    days = np.array([cftime.Datetime360Day(2000, 2, 30), cftime.Datetime360Day(2000, 3, 1, 12)])
    assert texts_of(days) == ("2000-02-30 00:00", "2000-03-01 12:00")


def test_colours_stay_the_same_along_time(lake: Lake) -> None:
    collection = published(lake, globe(time=3))
    fields = Fields()
    look = fields.looks(lake, collection)["t"]
    first = fields.frame(lake, collection, look, {"time": 0})
    last = fields.frame(lake, collection, look, {"time": 2})
    assert (first["vmin"], first["vmax"]) == (last["vmin"], last["vmax"]) == (0, 119)
    assert first["data"] != last["data"]
    assert fields.frame(lake, collection, look, {"time": 0}) is first


def test_a_new_snapshot_is_read_anew(lake: Lake) -> None:
    fields = Fields()
    collection = published(lake, globe(time=2))
    look = fields.looks(lake, collection)["t"]
    before = fields.frame(lake, collection, look, {})
    collection = published(lake, globe(time=2) + 1000)
    assert fields.frame(lake, collection, look, {})["vmin"] == before["vmin"] + 1000


@pytest.mark.parametrize(
    ("place", "expected"),
    [((46.0, 79.0), (80.0, 45.0)), ((-46.0, -41.0), (-40.0, -45.0)), ((359.0, 1.0), (0.0, 0.0))],
)
def test_a_series_is_of_the_nearest_point(
    lake: Lake, place: tuple[float, float], expected: tuple[float, float]
) -> None:
    cube = globe(time=3)
    collection = published(lake, cube)
    fields = Fields()
    series = fields.series(lake, collection, fields.looks(lake, collection)["t"], {}, place)
    assert (series.latitude, series.longitude) == expected
    exact = cube.t.sel(latitude=expected[0], longitude=expected[1] % 360)
    np.testing.assert_array_equal(series.lines, exact.values[None])
    np.testing.assert_array_equal(series.positions, cube.time.values.astype("M8[ms]"))


def test_members_are_drawn_beside_the_chosen_one(lake: Lake) -> None:
    cube = globe(number=4, time=3)
    collection = published(lake, cube)
    fields = Fields()
    look = fields.looks(lake, collection)["t"]
    lines = fields.series(lake, collection, look, {"number": 2}, (0.0, 0.0)).lines
    exact = cube.t.sel(latitude=0, longitude=0).values
    np.testing.assert_array_equal(lines, exact[[2, 0, 1, 3]])


def test_places_without_data_are_said(lake: Lake) -> None:
    regional = globe(time=2).isel(longitude=slice(0, 3))
    regional["t"][:, 0, 0] = np.nan
    collection = published(lake, regional)
    fields = Fields()
    look = fields.looks(lake, collection)["t"]
    with pytest.raises(BadRequest, match="outside of the cube's longitudes"):
        fields.series(lake, collection, look, {}, (200.0, 0.0))
    with pytest.raises(BadRequest, match="no data at this place"):
        fields.series(lake, collection, look, {}, (0.0, 80.0))


def curved() -> xr.Dataset:
    """A grid of half a degree, turned by 30 degrees around 50 N 4 W."""
    y, x = np.meshgrid(np.arange(-5, 5.1, 0.5), np.arange(-8, 8.1, 0.5), indexing="ij")
    turn = np.radians(30)
    latitude = 50 + y * np.cos(turn) + x * np.sin(turn)
    longitude = -4 + (x * np.cos(turn) - y * np.sin(turn)) / np.cos(np.radians(50))
    return xr.Dataset(
        {"t": (("y", "x"), latitude, {"units": "K"})},
        {
            "latitude": (("y", "x"), latitude, {"units": UNITS["latitude"]}),
            "longitude": (("y", "x"), longitude, {"units": UNITS["longitude"]}),
        },
    )


def test_a_curved_grid_is_drawn_on_a_regular_one() -> None:
    cube = curved()
    look = look_at(cube, "t")
    assert look.grid is not None
    assert look.grid.dims == ("y", "x")
    assert look.others == ()
    picture = look.grid.regular(cube.t)
    # The value is the latitude itself, so that each cell can be checked.
    error = np.abs(picture - picture.latitude)
    assert float(error.max()) < 0.8
    share = float(picture.notnull().mean())
    assert 0.3 < share < 0.8  # the corners lie outside of the turned grid
    assert np.isnan(picture.isel(latitude=0, longitude=0))


def test_the_nearest_point_of_a_curved_grid() -> None:
    cube = curved()
    grid = look_at(cube, "t").grid
    assert grid is not None
    at = cube.isel(y=3, x=20)
    indices, place = grid.nearest((float(at.longitude) + 0.1, float(at.latitude) - 0.1))
    assert indices == {"y": 3, "x": 20}
    assert place == (pytest.approx(float(at.longitude)), pytest.approx(float(at.latitude)))
    with pytest.raises(BadRequest, match="outside of the cube's grid"):
        grid.nearest((100.0, 0.0))


def test_a_curved_grid_may_cross_the_date_line() -> None:
    cube = curved()
    moved = (cube.longitude + 4 + 180 + 180) % 360 - 180
    cube = cube.assign_coords(longitude=moved.assign_attrs(cube.longitude.attrs))
    grid = look_at(cube, "t").grid
    assert grid is not None
    assert float(np.ptp(grid.regular(cube.t).longitude.values)) < 40
    assert grid.nearest((179.9, 50.0))[0] == grid.nearest((-180.1, 50.0))[0]


def test_a_result_without_a_map_is_a_line(lake: Lake) -> None:
    means = globe(time=5).mean(("latitude", "longitude"), keep_attrs=True)
    means["t"][1] = np.nan
    collection = published(lake, means)
    fields = Fields()
    look = fields.looks(lake, collection)["t"]
    assert not look.has_map
    assert fields.series(lake, collection, look, {}, None).lines.shape == (1, 5)
    picture = thumbnail(fields, lake, collection)
    assert picture.image == ""
    assert picture.line[1] is None
    assert picture.line[0] == pytest.approx(19.5)
    assert picture.caption == "t [K]"


def test_one_value_is_said(lake: Lake) -> None:
    mean = globe(time=1).mean(("latitude", "longitude"), keep_attrs=True)
    picture = thumbnail(Fields(), lake, published(lake, mean))
    assert picture.line == pytest.approx((19.5, 19.5))
    assert picture.caption == "t 19.5 K"


def test_a_thumbnail_is_a_picture_of_the_field(lake: Lake) -> None:
    south_up = globe(time=2).isel(latitude=slice(None, None, -1))
    picture = thumbnail(Fields(), lake, published(lake, south_up))
    file = base64.b64decode(picture.image.removeprefix("data:image/png;base64,"))
    width, height = struct.unpack(">II", file[16:24])
    assert (width, height) == (8, 5)
    packed = file[file.index(b"IDAT") + 4 : file.index(b"IEND") - 8]
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(5, 9)[:, 1:]
    # North is at the top, and values grow southwards in this cube.
    assert rows[0, 0] < rows[4, 7] == 254


def test_what_cannot_be_drawn_has_no_picture(lake: Lake) -> None:
    names = xr.Dataset({"name": ("station", np.array(["a", "b"]))})
    assert thumbnail(Fields(), lake, published(lake, names)).image == ""


def test_png_marks_missing_cells_as_transparent() -> None:
    file = png(np.array([[0, 255]], np.uint8), bytes(768))
    opacity = file[file.index(b"tRNS") + 4 :][:256]
    assert (opacity[0], opacity[255]) == (255, 0)


def test_what_is_kept_is_bounded() -> None:
    kept = Kept(10, len)
    for number in range(100):
        kept.get(number, lambda: b"abcd")
    assert kept.get(99, lambda: b"other") == b"abcd"
    assert kept.get(0, lambda: b"other") == b"other"
    assert kept._weight <= 10 + 4


def test_degrees_are_written_for_people() -> None:
    assert degrees(-0.00001, 0.0) == "0° N, 0° E"
    assert degrees(-33.87, -70.5) == "33.87° S, 70.5° W"
