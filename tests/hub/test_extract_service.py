"""The extraction service for real: uvicorn on a free port, two users, files that others open."""

import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import xarray as xr
from covjson_pydantic.coverage import Coverage, CoverageCollection
from owslib.ogcapi.edr import EnvironmentalDataRetrieval
from zarr.storage import ZipStore

from boathouse.catalogs.encoding import COLLECTION_ATTRIBUTE, SNAPSHOT_ATTRIBUTE
from boathouse.kernels.polytope.shapes import (
    Box,
    Disk,
    Point,
    Polygon,
    Select,
    Shape,
)
from boathouse.kernels.polytope.shapes import (
    Path as Track,
)

PLACE = ("latitude", "longitude")
UK = "POLYGON((-16 39,21 39,21 71,-16 71,-16 39),(4 45,6 45,6 55,4 55,4 45))"


def wanted(hub: Any, shape: Shape, *variables: str) -> xr.Dataset:
    cube = hub.data[list(variables)] if variables else hub.data
    several = any(isinstance(each, Point) for each in shape.factors())
    return cube.polytope.extract(shape, overlap="each" if several else None)


def opened(answer: httpx.Response, folder: Path) -> xr.Dataset:
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"] == "application/x-netcdf":
        return xr.open_dataset(io.BytesIO(answer.content), engine="h5netcdf").load()
    path = folder / "cut.zarr.zip"
    path.write_bytes(answer.content)
    with ZipStore(path, mode="r") as store:
        return xr.open_zarr(store, chunks=None, consolidated=False).load()


def problem(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document = answer.json()
    assert document["status"] == answer.status_code
    assert {"type", "title", "detail"} <= set(document)
    return document


def test_the_pages_link_to_what_is_there(extract_hub: Any) -> None:
    landing = extract_hub.ask("").json()
    for link in landing["links"]:
        answer = extract_hub.ask(link["href"])
        assert answer.status_code == 200, link
        assert answer.headers["content-type"] == link["type"]
    rels = {link["rel"] for link in landing["links"]}
    assert rels == {"self", "service-desc", "conformance", "data"}
    classes = extract_hub.ask("conformance").json()["conformsTo"]
    assert "http://www.opengis.net/spec/ogcapi-edr-1/1.1/conf/core" in classes
    api = extract_hub.ask("api").json()
    assert "/collections/{id}/corridor" in api["paths"]


def test_a_collection_says_what_can_be_asked_of_it(extract_hub: Any) -> None:
    page = extract_hub.ask("collections/winds").json()
    assert page["extent"]["spatial"]["bbox"] == [[-180.0, -90.0, 180.0, 90.0]]
    assert page["extent"]["temporal"]["values"] == ["R8/2019-03-01T00:00:00Z/PT21600S"]
    vertical = page["extent"]["vertical"]
    assert vertical["interval"] == [["500.0", "1000.0"]]
    assert vertical["values"] == ["1000.0", "850.0", "500.0"]
    assert vertical["vrs"].startswith('PARAMETRICCRS["air_pressure"')
    assert 'AXIS["air_pressure",down],PARAMETRICUNIT["hPa",100.0]' in vertical["vrs"]
    assert page["crs"] == ["CRS84"]
    assert page["output_formats"] == ["CoverageJSON", "GeoJSON", "CSV", "NetCDF", "Zarr"]
    assert page["parameter_names"]["t"]["unit"]["symbol"]["value"] == "K"
    assert set(page["data_queries"]) == {
        "position",
        "radius",
        "area",
        "cube",
        "trajectory",
        "corridor",
    }
    corridor = page["data_queries"]["corridor"]["link"]["variables"]
    assert corridor["width_units"] == ["km", "m", "mi", "nmi"]
    assert corridor["height_units"] == ["hPa", "Pa"]
    for kind, query in page["data_queries"].items():
        assert query["link"]["variables"]["query_type"] == kind
        # Without coords: the route is there, and says what it needs.
        assert problem(extract_hub.ask(query["link"]["href"]))["field"] in ("coords", "bbox")
    members = extract_hub.ask("collections/members").json()["extent"]["custom"]
    assert [(each["id"], each["values"]) for each in members] == [("member", ["1", "2"])]
    assert extract_hub.ask("collections/table").json()["data_queries"] == {}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, {"winds", "secret", "members", "table", "fresh"}),
        ({"bbox": "0,0,1,1"}, {"winds", "secret", "members", "fresh"}),
        ({"bbox": "179,-5,0,-179,5,9"}, {"winds", "secret", "members", "fresh"}),
        ({"datetime": "2019-03-02T18:00:00Z"}, {"winds", "secret", "members", "table"}),
        ({"datetime": "../2019-02-28"}, {"table"}),
        (
            {"datetime": "2019-03-02T18:00:00Z/..", "bbox": "0,0,1,1"},
            {"winds", "secret", "members"},
        ),
    ],
)
def test_the_list_is_narrowed_by_area_and_time(
    extract_hub: Any, given: dict[str, str], found: set[str]
) -> None:
    page = extract_hub.ask("collections", params=given).json()
    assert {each["id"] for each in page["collections"]} == found
    assert extract_hub.ask("collections", params={"f": "json"}).status_code == 200
    for wrong, field in (({"limit": "1"}, "limit"), ({"f": "html"}, "f"), ({"bbox": "1"}, "bbox")):
        assert problem(extract_hub.ask("collections", params=wrong))["field"] == field


def test_an_unmodified_client_finds_and_gets_data(extract_hub: Any) -> None:
    headers = {"Authorization": "token ann-token"}
    client = EnvironmentalDataRetrieval(f"{extract_hub.address}services/extract/", headers=headers)
    assert "winds" in client.data()
    assert client.collection("winds")["parameter_names"]["u"]["unit"]["label"] == "m s-1"
    assert len(client.conformance()["conformsTo"]) > 5
    answer = client.query_data(
        "winds",
        "position",
        coords="POINT(-1 52)",
        datetime_="2019-03-01T06:00:00Z/2019-03-01T18:00:00Z",
        parameter_names=["t"],
        z="850",
    )
    document = answer.getvalue() if isinstance(answer, io.BytesIO) else answer
    coverage = (
        Coverage.model_validate(document)
        if isinstance(document, dict)
        else Coverage.model_validate_json(document)
    )
    point = wanted(extract_hub, Point(PLACE, (52, -1), "nearest") & Select("level", 850), "t").sel(
        time=slice("2019-03-01T06:00", "2019-03-01T18:00")
    )
    assert coverage.ranges is not None
    assert coverage.ranges["t"].values == point.t.values.ravel().tolist()


QUERIES: list[tuple[str, dict[str, str], Shape]] = [
    (
        "position",
        {"coords": "MULTIPOINT((-1 52),(179 -44))", "z": "850,500"},
        Point(PLACE, [(52, -1), (-44, 179)], "nearest") & Select("level", [850, 500]),
    ),
    (
        "radius",
        {"coords": "POINT(178 0)", "within": "1500", "within-units": "km", "z": "850"},
        Disk(PLACE, (0, 178), 1500, unit="km") & Select("level", 850),
    ),
    (
        "area",
        {"coords": UK, "datetime": "2019-03-02"},
        Polygon(
            PLACE,
            [(39, -16), (39, 21), (71, 21), (71, -16)],
            [[(45, 4), (45, 6), (55, 6), (55, 4)]],
        )
        & Box(time=("2019-03-02", "2019-03-02T23:59")),
    ),
    (
        "cube",
        {"bbox": "170,-20,-170,20", "z": "500/850"},
        Box(latitude=(-20, 20), longitude=(170, 190), level=(500, 850)),
    ),
    (
        "trajectory",
        {"coords": "LINESTRINGZM(-5 50 850 1551398400,2 62 500 1551420000)"},
        Point(
            (*PLACE, "level", "time"),
            [(50, -5, 850, "2019-03-01"), (62, 2, 500, "2019-03-01T06:00")],
            "nearest",
        ),
    ),
    (
        "corridor",
        {"coords": "LINESTRING(-50 20,60 55)", "corridor-width": "2000", "width-units": "km"},
        Track(PLACE, Disk(PLACE, (0, 0), 1000, unit="km"), (20, -50), (55, 60)),
    ),
]


@pytest.mark.parametrize("format_", ["NetCDF", "Zarr"])
@pytest.mark.parametrize(("kind", "given", "shape"), QUERIES)
def test_files_hold_exactly_the_cut(
    extract_hub: Any, tmp_path: Path, kind: str, given: dict[str, str], shape: Shape, format_: str
) -> None:
    path = f"collections/winds/{kind}"
    answer = extract_hub.ask(path, params={**given, "f": format_})
    cut = opened(answer, tmp_path)
    expected = wanted(extract_hub, shape)
    xr.testing.assert_equal(cut, expected)
    assert set(cut.data_vars) == {"t", "u"}
    assert cut.t.attrs["units"] == "K"
    assert cut.attrs[COLLECTION_ATTRIBUTE] == "winds"
    assert cut.attrs[SNAPSHOT_ATTRIBUTE]
    assert "winds" in answer.headers["content-disposition"]
    # The same query as a form and as JSON, in the body.
    for body in ({"data": given}, {"json": given}):
        posted = extract_hub.ask(path, method="POST", params={"f": format_}, **body)
        xr.testing.assert_equal(opened(posted, tmp_path), expected)


@pytest.mark.parametrize(("kind", "given", "shape"), QUERIES)
def test_coverages_are_valid_and_hold_the_values(
    extract_hub: Any, kind: str, given: dict[str, str], shape: Shape
) -> None:
    answer = extract_hub.ask(f"collections/winds/{kind}", params={**given, "parameter-name": "u"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/prs.coverage+json"
    document = answer.json()
    read = CoverageCollection if document["type"] == "CoverageCollection" else Coverage
    read.model_validate_json(answer.content)
    if kind == "trajectory":
        assert document["domain"]["domainType"] == "Trajectory"
    coverages = document.get("coverages", [document])
    values = [value for each in coverages for value in each["ranges"]["u"]["values"]]
    expected = wanted(extract_hub, shape, "u").u.values.ravel()
    assert sorted(values) == sorted(expected.tolist())


def test_tables_and_features(extract_hub: Any) -> None:
    import pandas as pd

    path, given = (
        "collections/winds/area",
        {"coords": UK, "datetime": "2019-03-01T06:00Z", "z": "850"},
    )
    expected = np.sort(
        wanted(extract_hub, Polygon(PLACE, [(39, -16), (39, 21), (71, 21), (71, -16)]))
        .sel(time="2019-03-01T06:00", level=850)
        .t.values
    )
    answer = extract_hub.ask(path, params=given, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    table = pd.read_csv(io.StringIO(answer.text), comment="#")
    # The hole lies between the columns, at 4 to 6 degrees east.
    assert np.sort(table.t.to_numpy()).tolist() == expected.tolist()
    features = extract_hub.ask(path, params={**given, "f": "geojson"}).json()["features"]
    assert sorted(each["properties"]["t"] for each in features) == expected.tolist()
    assert {each["geometry"]["type"] for each in features} == {"Point"}


def test_polytope_requests_and_shapes(extract_hub: Any, tmp_path: Path) -> None:
    series = {
        "feature": {
            "type": "timeseries",
            "points": [[52, -1], [0, 100]],
            "time_axis": "date",
            "range": {"start": "2019-03-01", "end": "2019-03-01"},
        },
        "levelist": "850",
        "param": "t",
    }
    path = "collections/winds/retrieve"
    coverage = extract_hub.ask(path, method="POST", json=series)
    assert coverage.status_code == 200, coverage.text
    shape = Point(PLACE, [(52, -1), (0, 100)], "nearest") & Select("level", 850)
    expected = wanted(extract_hub, shape, "t").sel(time="2019-03-01")
    answer = extract_hub.ask(path, method="POST", json=series, params={"f": "netcdf"})
    xr.testing.assert_equal(opened(answer, tmp_path), expected)
    body = {"shape": Disk(PLACE, (0, 178), 15).to_dict(), "time": "2019-03-01T00:00Z"}
    answer = extract_hub.ask(path, method="POST", json=body, params={"f": "zarr"})
    expected = wanted(extract_hub, Disk(PLACE, (0, 178), 15) & Select("time", "2019-03-01"))
    xr.testing.assert_equal(opened(answer, tmp_path), expected)
    rows = extract_hub.ask(
        "collections/table/retrieve", method="POST", json={"row": [7, 9]}, params={"f": "csv"}
    )
    assert rows.status_code == 200, rows.text
    assert rows.text.splitlines()[-2:] == ["7,1.0", "9,3.0"]


def test_members_and_pools(extract_hub: Any, tmp_path: Path) -> None:
    given = {"bbox": "0,0,20,20", "member": "2", "f": "NetCDF"}
    members = opened(extract_hub.ask("collections/members/cube", params=given), tmp_path)
    assert members.member.values.tolist() == [2]
    given = {"coords": "POINT(0 0)", "datetime": "../2019-03-01T06:00:00Z", "f": "NetCDF"}
    fresh = opened(extract_hub.ask("collections/fresh/position", params=given), tmp_path)
    expected = extract_hub.data.t.isel(level=0, time=slice(0, 2)).sel(latitude=0, longitude=0)
    assert fresh.t.values.tolist() == expected.values.tolist()


def test_what_a_plan_says_is_what_is_read(extract_hub: Any) -> None:
    body = {"shape": Box(latitude=(0, 20), longitude=(0, 20)).to_dict(), "param": "t"}
    plan = extract_hub.ask("collections/winds/plan", method="POST", json=body).json()
    assert plan["points"] == 8 * 3 * 9
    assert plan["at_once"] is True
    assert plan["chunks"] > 0
    assert plan["bytes"] >= plan["result_bytes"] == 4 * plan["points"]
    assert plan["variables"]["t"]["dims"] == {"time": 8, "level": 3, "latitude": 3, "longitude": 3}
    assert plan["limits"]["plan"] == "scaler"


def test_no_grid_point_is_no_content_to_edr_and_an_error_to_a_request(extract_hub: Any) -> None:
    given = {"coords": "POLYGON((1 1,2 1,2 2,1 2,1 1))"}
    answer = extract_hub.ask("collections/winds/area", params=given)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "no grid point" in answer.headers["boathouse-note"]
    body = {"shape": Box(latitude=(1, 2), longitude=(1, 2)).to_dict()}
    answer = extract_hub.ask("collections/winds/retrieve", method="POST", json=body)
    assert problem(answer)["type"] == "bad-shape"
    assert "no grid point" in answer.json()["detail"]


def test_a_shape_that_reaches_beyond_is_answered_with_a_note(extract_hub: Any) -> None:
    given = {"bbox": "0,0,20,20", "datetime": "2019-03-01/2019-04-01"}
    answer = extract_hub.ask("collections/winds/cube", params=given)
    assert answer.status_code == 200
    assert answer.headers["boathouse-note"].startswith("time: the shape reaches beyond")
