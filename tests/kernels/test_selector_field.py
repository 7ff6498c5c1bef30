"""encode_field: what the browser unpacks is the field, north where it belongs."""

import base64
import json
import zlib
from typing import Any

import numpy as np
import pytest
import xarray as xr

from boathouse.catalogs.errors import BadRequest, BadShape
from boathouse.kernels.selector import field as fields
from boathouse.kernels.selector.assets import STATIC, coastlines, module
from boathouse.kernels.selector.countries import full_name, other_names
from boathouse.kernels.selector.field import encode_field, format_value, map_axes


def cube(values: Any, latitude: Any, longitude: Any, **attributes: Any) -> xr.DataArray:
    return xr.DataArray(
        np.asarray(values, dtype=float),
        {"lat": latitude, "lon": longitude},
        ("lat", "lon"),
        name="t2m",
        attrs=attributes,
    )


def levels_of(field: Any) -> np.ndarray:
    raw = zlib.decompress(base64.b64decode(field["data"]), -zlib.MAX_WBITS)
    return np.frombuffer(raw, dtype=np.uint8).reshape(field["height"], field["width"])


def values_of(field: Any) -> np.ndarray:
    """Values as the browser reads them: from lat[0] to lat[1] and from lon[0] to lon[1]."""
    levels = levels_of(field).astype(float)
    levels[levels == 255] = np.nan
    return field["vmin"] + levels / 254 * (field["vmax"] - field["vmin"])


def test_values_come_back_within_half_a_level() -> None:
    latitude, longitude = np.linspace(60, 40, 21), np.linspace(-10, 20, 31)
    values = np.random.default_rng(1).normal(280, 10, (21, 31))
    field = encode_field(
        cube(values, latitude, longitude, units="K", long_name="2 metre_temperature")
    )
    assert (field["width"], field["height"]) == (31, 21)
    assert (field["lat"], field["lon"]) == ([60.0, 40.0], [-10.0, 20.0])
    half = (field["vmax"] - field["vmin"]) / 254 / 2
    assert np.abs(values_of(field) - values).max() <= half * 1.0001
    assert (field["units"], field["label"], field["axes"]) == (
        "K",
        "2 metre temperature",
        ["lat", "lon"],
    )


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("step", [1, -1])
def test_each_value_stays_at_its_place(step: int, transposed: bool) -> None:
    latitude, longitude = np.array([10.0, 20.0, 30.0])[::step], np.array([1.0, 2.0])[::step]
    data = cube(latitude[:, None] + longitude, latitude, longitude)
    field = encode_field(data.T if transposed else data)
    rows = np.linspace(*field["lat"], field["height"])
    columns = np.linspace(*field["lon"], field["width"])
    assert np.allclose(values_of(field), rows[:, None] + columns, atol=0.05)


def test_missing_values_are_no_data_and_do_not_move_the_scale() -> None:
    field = encode_field(cube([[1, np.nan], [np.inf, 3]], [1, 0], [0, 1]))
    assert (field["vmin"], field["vmax"]) == (1.0, 3.0)
    assert levels_of(field).tolist() == [[0, 255], [254, 254]]


@pytest.mark.parametrize(("value", "level"), [(np.nan, 255), (5.0, 0)])
def test_field_of_one_value(value: float, level: int) -> None:
    assert set(levels_of(encode_field(cube(np.full((2, 2), value), [0, 1], [0, 1]))).flat) == {
        level
    }


def test_given_limits_clip() -> None:
    field = encode_field(cube([[0, 10], [20, 30]], [0, 1], [0, 1]), vmin=10, vmax=20)
    assert levels_of(field).tolist() == [[0, 0], [254, 254]]
    assert (field["vmin"], field["vmax"]) == (10.0, 20.0)


def test_longitudes_over_the_meridian_stay_in_order() -> None:
    field = encode_field(cube([[1, 2, 3, 4]], [50], [350, 355, 0, 5]))
    assert field["lon"] == [350.0, 365.0]
    assert levels_of(field)[0].tolist() == [0, 85, 169, 254]


def test_uneven_axis_is_brought_to_even_steps_by_the_nearest_cell() -> None:
    latitude = np.array([0.0, 1.0, 2.0, 4.0])
    field = encode_field(cube(np.arange(4)[:, None] * [1.0, 1.0], latitude, [0, 1]))
    assert field["lat"] == [0.0, 4.0]
    rows = np.linspace(0, 4, field["height"])
    nearest = [int(np.abs(latitude - row).argmin()) for row in rows]
    assert field["height"] == 5
    # Half-way, at 3, either neighbour will do.
    chosen = np.rint(values_of(field)[:, 0]).astype(int).tolist()
    assert chosen[:3] + chosen[4:] == nearest[:3] + nearest[4:]


def test_float32_axis_counts_as_even() -> None:
    longitude = np.arange(0, 360, 0.1, dtype="f4")
    field = encode_field(cube(np.zeros((1, len(longitude))), [0.0], longitude))
    assert field["width"] == 3600


def test_large_field_is_thinned_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "MOST_CELLS", 100)
    latitude, longitude = np.arange(40.0), np.arange(30.0)
    field = encode_field(cube(latitude[:, None] + 0 * longitude, latitude, longitude))
    assert field["width"] * field["height"] <= 110
    assert field["lat"] == [0.0, 36.0]


def test_caption_names_the_field() -> None:
    data = cube([[1.0]], [0], [0]).assign_coords(
        time=np.datetime64("2026-01-01T06:00", "ns"), level=((), 850.0, {"units": "hPa"})
    )
    assert encode_field(data)["caption"] == "2026-01-01 06:00 · level 850 hPa"


def test_colors_are_the_colour_map() -> None:
    field = encode_field(cube([[1.0]], [0], [0]), colormap="gray")
    table = np.frombuffer(base64.b64decode(field["colors"]), dtype=np.uint8).reshape(256, 3)
    assert table[0].tolist() == [0, 0, 0]
    assert table[254].tolist() == [255, 255, 255]


def test_a_cube_of_three_dimensions_is_refused_with_the_mend() -> None:
    data = cube([[1.0]], [0], [0]).expand_dims(time=2)
    with pytest.raises(BadRequest, match=r"isel\(time=0\)") as caught:
        encode_field(data)
    assert caught.value.field == "time"


def test_what_is_no_map_is_refused() -> None:
    with pytest.raises(BadRequest, match="nosuch"):
        encode_field(cube([[1.0]], [0], [0]), colormap="nosuch")
    with pytest.raises(BadRequest, match="no numbers"):
        encode_field(cube([[1.0]], [0], [0]).astype(str))
    with pytest.raises(BadShape, match="longitude"):
        encode_field(xr.DataArray(np.zeros((2, 2)), {"lat": [0, 1], "x": [0, 1]}, ("lat", "x")))
    points = xr.DataArray(
        np.zeros(3), {"lat": ("cell", [0, 1, 2]), "lon": ("cell", [0, 1, 2])}, ("cell",)
    )
    with pytest.raises(BadShape, match="points"):
        map_axes(points)


def test_axes_are_found_by_their_units() -> None:
    data = xr.DataArray(
        np.zeros((2, 2)),
        {
            "j": ("j", [0.0, 1.0], {"units": "degrees_north"}),
            "i": ("i", [0.0, 1.0], {"units": "degrees_east"}),
        },
        ("i", "j"),
    )
    assert map_axes(data) == ("j", "i")
    assert encode_field(data)["axes"] == ["j", "i"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.datetime64("2026-01-01T06:00:30"), "2026-01-01 06:00:30"),
        (np.datetime64("NaT"), "no time"),
        (np.timedelta64(90, "m"), "1.5 h"),
        (np.timedelta64(10, "D"), "10 d"),
        (np.float32(0.1), "0.1"),
        (np.int64(3), "3"),
        (101325.0, "101325"),
    ],
)
def test_values_for_people(value: Any, text: str) -> None:
    assert format_value(value) == text


def test_dates_of_other_calendars_are_written_alike() -> None:
    cftime = pytest.importorskip("cftime")
    date = cftime.Datetime360Day(1860, 2, 30, 6)
    assert format_value(date) == "1860-02-30 06:00"
    data = cube([[1.0]], [0], [0]).assign_coords(time=date)
    assert encode_field(data)["caption"] == "1860-02-30 06:00"


def test_coastlines_are_whole_topologies_with_names_in_full() -> None:
    for detail, count in ((110, 177), (50, 241)):
        text = zlib.decompress(base64.b64decode(coastlines(detail)), -zlib.MAX_WBITS).decode()
        assert text.startswith('{"type":"Topology"')
        assert '"properties"' not in text
        objects = json.loads(text)["objects"]
        assert {"land", "countries"} <= set(objects)
        names = [country["name"] for country in objects["countries"]["geometries"]]
        assert len(set(names)) == count, "two countries have one name"
        assert {"Fiji", "Bosnia and Herzegovina", "Western Sahara"} <= set(names)
        assert [name for name in names if "." in name or name[0].islower()] == []


def test_countries_have_other_names_too() -> None:
    known = {full_name("eSwatini"), full_name("Myanmar"), full_name("Dem. Rep. Congo")}
    assert known == {"Eswatini", "Myanmar", "Democratic Republic of the Congo"}
    assert "Burma" in other_names("Myanmar")
    assert other_names("France") == ""


def test_the_map_is_one_module_without_imports() -> None:
    text = module()
    assert text.count("export default") == 1
    assert not [line for line in text.splitlines() if line.startswith("import ")]
    assert "https://" not in text.replace("http://www.w3.org/2000/svg", "")
    longest = max(len(path.read_text().splitlines()) for path in STATIC.glob("*.js"))
    assert longest <= 400
