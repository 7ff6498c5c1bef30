"""What the parameters of a query mean: texts to values, well-known text to shapes."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from boathouse.catalogs.errors import BadRequest, BadShape
from boathouse.hub.services import extract_parameters as parameters
from boathouse.hub.services.extract_formats import FORMATS, format_of
from boathouse.hub.services.extract_geometry import read_lines, read_points, read_polygons
from boathouse.hub.services.extract_parameters import Wanted
from boathouse.hub.services.extract_requests import read_retrieval
from boathouse.hub.services.extract_shapes import shape_of
from boathouse.kernels.polytope import accessor
from boathouse.kernels.polytope.shapes import (
    Box,
    Disk,
    Path,
    PathSegment,
    Point,
    Polygon,
    Product,
    Select,
    Shape,
    Span,
    Union,
)

accessor.register()
PLACE = ("latitude", "longitude")
DAYS_END = "T23:59:59.999999999"


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    times = np.datetime64("2019-03-01", "ns") + np.arange(8) * np.timedelta64(6, "h")
    sizes = {"time": 8, "member": 2, "level": 3, "latitude": 19, "longitude": 36}
    return xr.Dataset(
        {"t": (tuple(sizes), np.zeros(tuple(sizes.values()), "f4"), {"units": "K"})},
        {
            "time": times,
            "member": ["m1", "m2"],
            "level": ("level", [1000.0, 850.0, 500.0], {"units": "hPa", "positive": "down"}),
            "latitude": ("latitude", np.arange(90.0, -91, -10), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(0.0, 360, 10), {"units": "degrees_east"}),
        },
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2019-03-01T06:00:00Z", Wanted(values=("2019-03-01T06:00:00Z",))),
        ("2019-03-01T06:00Z", Wanted(values=("2019-03-01T06:00Z",))),
        ("2019-03-01t06:00:00.25z", Wanted(values=("2019-03-01T06:00:00.25Z",))),
        ("2019-03-01T06:00:00 01:00", Wanted(values=("2019-03-01T06:00:00+01:00",))),
        ("2019-03-01", Wanted(lower="2019-03-01", upper=f"2019-03-01{DAYS_END}")),
        ("2019-03-01/2019-03-02", Wanted(lower="2019-03-01", upper=f"2019-03-02{DAYS_END}")),
        ("../2019-03-02T00:00Z", Wanted(upper="2019-03-02T00:00Z")),
        ("2019-03-02T00:00Z/..", Wanted(lower="2019-03-02T00:00Z")),
        ("/2019-03-02T00:00Z", Wanted(upper="2019-03-02T00:00Z")),
    ],
)
def test_times(text: str, wanted: Wanted) -> None:
    assert parameters.parse_datetime(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "..", "../..", "now", "2019", "2019-03", "a/b", "2019-03-01/2019-03-02/P1D", "NaN"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="is no time") as refused:
        parameters.parse_datetime(text)
    assert refused.value.field == "datetime"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("850", Wanted(values=(850,))),
        ("850,500.5", Wanted(values=(850, 500.5))),
        ("-10/1e2", Wanted(lower=-10, upper=100.0)),
        ("../850", Wanted(upper=850)),
        ("0/..", Wanted(lower=0)),
        ("R3/1000/-150", Wanted(values=(1000, 850, 700))),
        ("m1,m2", Wanted(values=("m1", "m2"))),
    ],
)
def test_levels(text: str, wanted: Wanted) -> None:
    assert parameters.parse_values(text, "z") == wanted


@pytest.mark.parametrize("text", ["", "1,,2", "1/2/3", "../..", "R0/1/1", "R99999/0/1", "R2/a/1"])
def test_what_is_no_level_is_refused(text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parameters.parse_values(text, "z")
    assert refused.value.field == "z"


def test_geometries() -> None:
    assert read_points("MULTIPOINT((1 2),(3 4))").places == ((1, 2), (3, 4))
    assert read_points("POINTZ(1 2 3)").levels == (3,)
    for text in ("LINESTRINGZM(0 1 2 3,4 5 6 7)", "LINESTRING ZM (0 1 2 3,4 5 6 7)"):
        (line,) = read_lines(text)
        assert (line.levels, line.seconds) == ((2, 6), (3, 7))
    (line,) = read_lines("LINESTRINGM(0 1 3,4 5 7)")
    assert (line.levels, line.seconds) == ((), (3, 7))
    assert len(read_lines("MULTILINESTRING((0 0,1 1),(2 2,3 3))")) == 2
    outer, holes = read_polygons(
        "MULTIPOLYGON(((0 0,9 0,9 9,0 0),(2 1,3 1,3 2,2 1)),((20 0,21 0,21 1,20 0)))"
    )
    assert (len(outer), len(holes)) == (2, 1)
    assert outer[0][1] == (0, 9), "latitude first, as shapes have it"


def test_a_line_goes_on_across_the_date_line() -> None:
    (line,) = read_lines("LINESTRING(170 0,-170 1,-160 2,175 3)")
    assert [place[0] for place in line.places] == [170, 190, 200, 175]


@pytest.mark.parametrize(
    ("read", "text", "reason"),
    [
        (read_points, "POINT(1)", "no well-known text"),
        (read_points, "", "no well-known text"),
        (read_points, "POINT EMPTY", "empty"),
        (read_points, "POINT(nan 1)", "finite"),
        (read_points, "POINT(10 95)", "longitude comes first"),
        (read_points, "POINTM(1 2 3)", "no M"),
        (read_points, "LINESTRING(0 0,1 1)", "LINESTRING is not for this query"),
        (read_lines, "POLYGON((0 0,1 1,1 0,0 0))", "LINESTRING or MULTILINESTRING"),
        (read_lines, "LINESTRINGZ(0 0 nan,1 1 1)", "every Z"),
        (read_polygons, "POLYGONZ((0 0 1,1 1 1,1 0 1,0 0 1))", "flat"),
        (read_polygons, "POLYGON((0 0,1 1))", "no well-known text"),
        (
            read_polygons,
            "MULTIPOLYGON(((0 0,9 0,9 9,0 9,0 0)),((1 1,2 1,2 2,1 2,1 1)))",
            "overlap",
        ),
    ],
)
def test_what_is_no_geometry_is_refused(read: Any, text: str, reason: str) -> None:
    with pytest.raises(BadShape, match=reason) as refused:
        read(text)
    assert refused.value.field == "coords"


QUERIES: list[tuple[str, dict[str, str], Shape]] = [
    ("position", {"coords": "POINT(-1 52)"}, Point(PLACE, (52.0, -1.0), "nearest")),
    (
        "position",
        {"coords": "POINTZ(-1 52 840)"},
        Point((*PLACE, "level"), (52.0, -1.0, 840.0), "nearest"),
    ),
    (
        "position",
        {"coords": "POINT(-1 52)", "z": "850,500", "datetime": "2019-03-01T06:00Z"},
        Product(
            Point(PLACE, (52.0, -1.0), "nearest"),
            Select("time", "2019-03-01T06:00"),
            Select("level", [850, 500]),
        ),
    ),
    (
        "radius",
        {"coords": "POINT(-1 52)", "within": "1000", "within-units": "MI", "member": "m1"},
        Disk(PLACE, (52.0, -1.0), 1609.344, unit="km") & Select("member", "m1"),
    ),
    (
        "area",
        {"coords": "POLYGON((0 0,9 0,9 9,0 0),(2 1,3 1,3 2,2 1))"},
        Polygon(PLACE, [(0.0, 0.0), (0.0, 9.0), (9.0, 9.0)], [[(1, 2), (1, 3), (2, 3)]]),
    ),
    ("cube", {"bbox": "170,-5,-170,5"}, Box(latitude=(-5, 5), longitude=(170, 190))),
    (
        "cube",
        {"bbox": "0,0,500,10,10,850", "datetime": "../2019-03-01"},
        Product(
            Box(latitude=(0, 10), longitude=(0, 10), level=(500, 850)),
            Span("time", "2019-03-01", f"2019-03-01{DAYS_END}"),
        ),
    ),
    (
        "trajectory",
        {"coords": "LINESTRINGZM(-5 50 850 1551398400,2 55 500 1551420000)"},
        Point(
            (*PLACE, "level", "time"),
            [(50.0, -5.0, 850.0, "2019-03-01"), (55.0, 2.0, 500.0, "2019-03-01T06:00")],
            "nearest",
        ),
    ),
    (
        "corridor",
        {
            "coords": "LINESTRING(-5 50,2 55)",
            "corridor-width": "2000",
            "width-units": "km",
            "corridor-height": "30000",
            "height-units": "Pa",
            "z": "850",
        },
        Product(
            Path(PLACE, Disk(PLACE, (0, 0), 1000.0, "km"), (50.0, -5.0), (55.0, 2.0)),
            Span("level", 700.0, 1000.0),
        ),
    ),
]


@pytest.mark.parametrize(("kind", "given", "wanted"), QUERIES)
def test_queries(cube: xr.Dataset, kind: str, given: dict[str, str], wanted: Shape) -> None:
    shape = shape_of(kind, given, cube)
    assert shape.to_dict() == wanted.to_dict()
    assert cube.polytope.plan(shape).points > 0


def test_a_corridor_in_space_and_time_is_as_wide_high_and_long_as_asked_for(
    cube: xr.Dataset,
) -> None:
    given = {
        "coords": "LINESTRINGZM(0 60 850 1551398400,20 60 500 1551441600,40 0 500 1551441600)",
        "corridor-width": "2000",
        "width-units": "km",
        "corridor-height": "100",
        "height-units": "hPa",
    }
    tube = shape_of("corridor", given, cube)
    assert isinstance(tube, Union)
    first, last = tube.shapes
    assert isinstance(first, PathSegment)
    assert first.points[0] == (60.0, 0.0, 850.0, "2019-03-01")
    section = first.shape.bounds()
    assert section["level"] == (-50.0, 50.0)
    assert section["time"] == ("-PT10800S", "PT10800S"), "half a step of the cube"
    # 1,000 km are 9 degrees of latitude, and of longitude more than twice as many at 69 degrees.
    assert section["latitude"][1] == pytest.approx(8.993 / np.cos(np.pi / 16), rel=1e-3)
    assert section["longitude"][1] > 2 * section["latitude"][1]
    assert last.shape.bounds() == section
    assert cube.polytope.plan(tube).points > 0


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        ("position", {}, "coords"),
        ("position", {"coords": "POINT(0 0)", "colour": "1", "resolution-q": "1"}, "colour"),
        ("position", {"coords": "POINT(0 0)", "within": "1"}, "within"),
        ("corridor", {"coords": "LINESTRING(0 0,1 1)", "resolution-x": "9"}, "resolution-x"),
        ("position", {"coords": "POINT(0 0)", "crs": "EPSG:3857"}, "crs"),
        ("position", {"coords": "POINTZ(0 0 1)", "z": "1"}, "z"),
        ("position", {"coords": "POINT(0 0)", "datetime": "../1999-01-01"}, "datetime"),
        ("position", {"coords": "POINT(0 0)", "member": ""}, "member"),
        ("radius", {"coords": "POINT(0 0)", "within": "1"}, "within-units"),
        ("radius", {"coords": "POINT(0 0)", "within": "1", "within-units": "ly"}, "within-units"),
        ("radius", {"coords": "POINT(0 0)", "within": "0", "within-units": "km"}, "within"),
        ("radius", {"coords": "POINT(0 0)", "within": "nan", "within-units": "km"}, "within"),
        ("radius", {"coords": "POINTZ(0 0 9)", "within": "1", "within-units": "m"}, "coords"),
        ("cube", {"bbox": "1,2,3"}, "bbox"),
        ("cube", {"bbox": "1,2,3,x"}, "bbox"),
        ("cube", {"bbox": "0,10,10,0"}, "bbox"),
        ("cube", {"bbox": "0,0,500,9,9,850", "z": "850"}, "z"),
        ("corridor", {"coords": "LINESTRING(0 0,1 1)"}, "corridor-width"),
        (
            "trajectory",
            {"coords": "LINESTRINGM(0 0 0,1 1 0)", "datetime": "2019-03-01"},
            "datetime",
        ),
        ("trajectory", {"coords": "LINESTRINGM(0 0 1e12,1 1 0)"}, "coords"),
    ],
)
def test_each_refusal_names_its_parameter(
    cube: xr.Dataset, kind: str, given: dict[str, str], field: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        shape_of(kind, given, cube)
    assert refused.value.field == field
    assert field in refused.value.detail


CORRIDOR = {"corridor-width": "9", "width-units": "km"}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"coords": "LINESTRINGZ(0 0 850,1 1 850)"}, "corridor-height"),
        ({"corridor-height": "-1", "height-units": "hPa"}, "corridor-height"),
        ({"corridor-height": "1", "height-units": "m"}, "height-units"),
        ({"corridor-height": "1", "height-units": "hPa", "z": "500/850"}, "z"),
        (
            {
                "coords": "LINESTRINGZ(0 85 850,9 89 850)",
                "corridor-height": "1",
                "height-units": "hPa",
            },
            "coords",
        ),
    ],
)
def test_corridors_are_refused_by_name_too(
    cube: xr.Dataset, more: dict[str, str], field: str
) -> None:
    given = {"coords": "LINESTRING(0 0,1 1)", **CORRIDOR, **more}
    with pytest.raises(BadRequest) as refused:
        shape_of("corridor", given, cube)
    assert refused.value.field == field


def test_a_cube_without_a_vertical_or_time_says_so(cube: xr.Dataset) -> None:
    flat = cube.isel(time=0, level=0, member=0, drop=True)
    for given, field in (({"z": "1"}, "z"), ({"datetime": "2019-03-01"}, "datetime")):
        with pytest.raises(BadShape, match="has no") as refused:
            shape_of("cube", {"bbox": "0,0,9,9", **given}, flat)
        assert refused.value.field == field
    for coords in ("LINESTRINGZ(0 0 1,1 1 1)", "LINESTRINGM(0 0 1,1 1 1)"):
        with pytest.raises(BadShape, match="the collection has no"):
            shape_of("trajectory", {"coords": coords}, flat)
    given = {"coords": "LINESTRING(0 0,1 1)", **CORRIDOR}
    height = {"corridor-height": "1", "height-units": "m"}
    assert shape_of("corridor", given | height, flat) == shape_of("corridor", given, flat)
    with pytest.raises(BadRequest, match="retrieve"):
        shape_of("cube", {"bbox": "0,0,9,9"}, cube.isel(latitude=0, drop=True))


def test_polytope_requests(cube: xr.Dataset) -> None:
    series = {
        "feature": {
            "type": "timeseries",
            "points": [[52, -1]],
            "time_axis": "date",
            "range": {"start": "2019-03-01", "end": "2019-03-01"},
        },
        "levelist": "850/500",
        "member": ["m1"],
        "param": "t",
    }
    read = read_retrieval(series, cube)
    assert read.variables == ("t",)
    assert set(read.shape.axes) == {*PLACE, "time", "level", "member"}
    assert cube.polytope.plan(read.shape).points == 4 * 2
    box = Box(latitude=(0, 20), longitude=(0, 20))
    read = read_retrieval({"shape": box.to_dict(), "time": "2019-03-01/to/2019-03-02"}, cube)
    assert read.shape == box & Span("time", "2019-03-01", "2019-03-02")
    assert read_retrieval({"levelist": 850}, cube).shape == Select("level", 850)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({}, "feature"),
        ({"param": "t"}, "feature"),
        ({"feature": "circle"}, "feature"),
        ({"feature": {"type": "spiral"}}, "type"),
        ({"shape": {"type": "Box", "ranges": {"time": [1, "x"]}}}, "time"),
        ({"shape": {}, "feature": {}}, "shape"),
        ({"colour": 1}, "colour"),
        ({"levelist": {"from": 1}}, "levelist"),
        ({"levelist": []}, "levelist"),
        ({"levelist": "1/to/5/by/2"}, "levelist"),
        ({"levelist": "1/to/5/to/9"}, "levelist"),
        ({"levelist": "1//5"}, "levelist"),
        ({"levelist": True}, "levelist"),
        ({"levelist": 850, "param": "t/u"}, "param"),
        ({"levelist": 850, "param": 3}, "param"),
        ({"levelist": 850, "level": 850}, "level"),
    ],
)
def test_wrong_requests_name_the_key(
    cube: xr.Dataset, request_: dict[str, Any], field: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        read_retrieval(request_, cube)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("name", "accept", "found"),
    [
        (None, "", "CoverageJSON"),
        (None, "*/*", "CoverageJSON"),
        (None, "text/html,application/xhtml+xml,*/*;q=0.8", "CoverageJSON"),
        (None, "application/geo+json", "GeoJSON"),
        (None, "text/csv;q=0.4, application/x-netcdf;q=0.9, text/plain", "NetCDF"),
        (None, "application/zip;q=x, text/csv", "CSV"),
        ("csv", "application/geo+json", "CSV"),
        ("application/prs.coverage+json", "", "CoverageJSON"),
        ("ZARR", "", "Zarr"),
    ],
)
def test_formats_are_negotiated(name: str | None, accept: str, found: str) -> None:
    assert format_of(name, accept) is FORMATS[found]


def test_an_unknown_format_is_refused_by_name() -> None:
    with pytest.raises(BadRequest, match="CoverageJSON, GeoJSON") as refused:
        format_of("grib", "*/*")
    assert refused.value.field == "f"
