"""Extraction through a whole hub: its proxy, its tokens, its plans, two users, a real job."""

import io
import time
from typing import Any

import httpx
import numpy as np
import pytest
import xarray as xr
from covjson_pydantic.coverage import Coverage

from boathouse.hub.services.extract_parameters import TAKEN

pytestmark = [pytest.mark.hub, pytest.mark.timeout(600)]

SERVICE = "services/extract/"
PUBLISH = """
import boathouse as bh
cube = bh.open_catalog()["ostia-sst"].to_dask()
cut = cube.polytope.extract(bh.Box(latitude=(-2, 2), longitude=(200, 220))).isel(time=[0, 1])
print(bh.publish(cut, "floras-own", licence="OGL-UK-3.0").id)
"""
BASIN = {"coords": "POLYGON((200 -3,230 -3,230 3,200 3,200 -3))"}


@pytest.fixture(scope="module")
def flora(running_hub: Any) -> Any:
    visitor = running_hub.add_user("flora")
    assert visitor.run(PUBLISH).strip() == "floras-own"
    return visitor


@pytest.fixture(scope="module")
def gus(running_hub: Any, flora: Any) -> Any:
    return running_hub.add_user("gus")


def ask(visitor: Any, path: str, method: str = "GET", **more: Any) -> httpx.Response:
    headers = {**visitor.headers, **more.pop("headers", {})}
    return visitor.client.request(method, path, headers=headers, **more)


def test_nobody_gets_in_without_a_token(running_hub: Any) -> None:
    paths = ["", "api", "conformance", "collections", "collections/ostia-sst"]
    paths += [f"collections/ostia-sst/{kind}" for kind in (*TAKEN, "retrieve", "plan")]
    with httpx.Client(trust_env=False, timeout=30) as stranger:
        for headers in ({}, {"Authorization": "token " + "0" * 32}):
            for path in paths:
                for method in ("GET", "POST"):
                    url = running_hub.address + SERVICE + path
                    answer = stranger.request(method, url, headers=headers)
                    assert answer.status_code == 401, f"{method} {path}"


def test_the_demos_cubes_are_there_through_the_proxy(running_hub: Any, flora: Any) -> None:
    page = ask(flora, SERVICE).json()
    (data,) = [link["href"] for link in page["links"] if link["rel"] == "data"]
    assert data == f"{running_hub.address}{SERVICE}collections"
    found = {each["id"]: each for each in ask(flora, data).json()["collections"]}
    assert {"ostia-sst", "sst-fresh", "glosea-ensemble", "floras-own"} <= set(found)
    for name in ("ostia-sst", "uk-model-levels", "glosea-ensemble"):
        query = found[name]["data_queries"]["position"]["link"]["href"]
        west, south, east, north = found[name]["extent"]["spatial"]["bbox"][0]
        middle = f"POINT({(west + east) / 2} {(south + north) / 2})"
        answer = ask(flora, query, params={"coords": middle, "f": "NetCDF"})
        assert answer.status_code == 200, f"{name}: {answer.text}"


def test_an_answer_is_what_the_notebook_cuts(flora: Any) -> None:
    given = {**BASIN, "datetime": "2006-04-01/2006-06-30", "f": "NetCDF"}
    answer = ask(flora, f"{SERVICE}collections/ostia-sst/area", params=given)
    assert answer.status_code == 200, answer.text
    cut = xr.open_dataset(io.BytesIO(answer.content), engine="h5netcdf").load()
    told = flora.run(
        "shape = bh.Polygon(('latitude', 'longitude'), [(-3, 200), (-3, 230), (3, 230), (3, 200)])"
        "\ncut = cube.polytope.extract(shape & bh.Span('time', '2006-04-01', '2006-06-30T23:59'))"
        "\nprint(*cut.sst.shape, float(cut.sst.sum()), float(cut.longitude.sum()))"
    )
    *shape, total, longitudes = (float(word) for word in told.split())
    assert list(cut.sst.shape) == shape
    assert float(cut.sst.sum()) == pytest.approx(total, rel=1e-6)
    assert float(cut.longitude.sum()) == pytest.approx(longitudes, rel=1e-6)
    given = {"coords": "POINT(210 0)", "datetime": "2006-04-01/.."}
    answer = ask(flora, f"{SERVICE}collections/ostia-sst/position", params=given)
    coverage = Coverage.model_validate_json(answer.content)
    assert coverage.ranges is not None
    assert np.isfinite(np.array(coverage.ranges["sst"].values, "f8")).all()


def test_a_private_result_is_not_there_for_another(flora: Any, gus: Any) -> None:
    paths = {
        "GET": ["", *(f"/{kind}" for kind in TAKEN)],
        "POST": ["/retrieve", "/plan", *(f"/{kind}" for kind in TAKEN)],
    }
    for method, each in paths.items():
        for path in each:
            more = {"json": {}} if method == "POST" else {}
            whole = f"{SERVICE}collections/floras-own{path}"
            assert ask(gus, whole, method, **more).status_code == 404, whole
            assert ask(flora, whole, method, **more).status_code in (200, 400), whole
    assert "floras-own" not in ask(gus, f"{SERVICE}collections").text


def test_a_job_runs_in_the_askers_name_on_his_cluster(flora: Any, gus: Any) -> None:
    path = f"{SERVICE}collections/ostia-sst/area"
    prefer = {"Prefer": "respond-async"}
    answer = ask(flora, path, "POST", data=BASIN, headers=prefer)
    assert answer.status_code == 202, answer.text
    document, location = answer.json(), answer.headers["location"]
    assert ask(gus, location).status_code == 404
    listed = ask(flora, "services/automation/jobs").json()
    assert document["jobID"] in [each["id"] for each in listed]
    end = time.monotonic() + 240
    while (job := ask(flora, location).json())["state"] in ("accepted", "running"):
        assert time.monotonic() < end, job
        time.sleep(0.5)
    assert job["state"] == "successful", job["message"]
    assert job["owner"] == "flora"
    result = f"{SERVICE}collections/{document['collection']}"
    assert ask(gus, result).status_code == 404
    assert ask(flora, result).json()["parameter_names"].keys() == {"sst"}
    said = flora.run(f"print(bh.open_catalog()['{document['collection']}'].to_dask().sst.shape)")
    assert said.strip().startswith("(54, ")


def test_the_service_is_light_until_it_is_used(start_hub: Any) -> None:
    hub = start_hub(demo=False, services="catalog,extract,events")
    (service,) = hub.processes("services.extract")
    assert service.memory_info().rss < 130e6
    assert not [line for line in hub.log().splitlines() if "Traceback" in line]
