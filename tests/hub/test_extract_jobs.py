"""Extractions that become jobs: with the asker's rights, on his cluster, seen as other jobs."""

import time
from typing import Any

import httpx
import pytest
import xarray as xr

from boathouse.catalogs.cubes import open_collection
from boathouse.kernels.polytope.shapes import Box, Point, Polygon, Shape
from boathouse.workflows.recipes import Shelf

PLACE = ("latitude", "longitude")
SQUARE = "POLYGON((-41 -41,81 -41,81 61,-41 61,-41 -41))"


def ended(hub: Any, answer: httpx.Response, user: str) -> dict[str, Any]:
    """Follow the Location of a 202 until the job has ended."""
    end = time.monotonic() + 120
    while True:
        job = hub.ask(answer.headers["location"], user).json()
        if job["state"] not in ("accepted", "running"):
            return job
        assert time.monotonic() < end, job
        time.sleep(0.2)


def links(answer: httpx.Response) -> dict[str, str]:
    return {link["rel"].rpartition("/")[2]: link["href"] for link in answer.json()["links"]}


def test_too_much_for_an_answer_becomes_a_job(extract_hub: Any) -> None:
    given = {"coords": SQUARE, "parameter-name": "t"}
    answer = extract_hub.ask("collections/winds/area", "cat", params=given)
    assert answer.status_code == 202, answer.text
    document = answer.json()
    assert document["plan"]["points"] > 1_000
    assert document["status"] in ("accepted", "running")
    found = links(answer)
    assert found["monitor"] == answer.headers["location"]
    job = ended(extract_hub, answer, "cat")
    assert (job["state"], job["message"]) == ("successful", "")
    assert (job["id"], job["recipe"], job["owner"]) == (document["jobID"], "cut-shape", "cat")
    assert job["cells_done"] == job["cells_total"] > 3
    assert job["results"] == [document["collection"]]
    notebook = extract_hub.ask(found["via"], "cat")
    assert notebook.json()["nbformat"] == 4

    # The result is the asker's own, links to what it was made from, and is exact.
    assert extract_hub.ask(found["results"], "cat").status_code == 200
    for user in ("ann", "bob"):
        assert extract_hub.ask(found["results"], user).status_code == 404
        assert extract_hub.ask(answer.headers["location"], user).status_code == 404
    face = extract_hub.of("cat").store.collection(document["collection"])
    assert (face.owner, face.access, face.licence) == ("cat", "private", "CC0-1.0")
    assert ["/collections/winds", f"/jobs/{job['id']}"] == [link.href for link in face.links]
    shape = Polygon(PLACE, [(-41, -41), (-41, 81), (61, 81), (61, -41)])
    cut = open_collection(document["collection"], extract_hub.of("cat")).load()
    xr.testing.assert_equal(cut, extract_hub.data[["t"]].polytope.extract(shape))


WANTED: list[tuple[str, dict[str, Any], Shape, dict[str, str]]] = [
    (
        "collections/winds/position",
        {"params": {"coords": "MULTIPOINT((0 0),(1 1),(40 40))"}},
        Point(PLACE, [(0, 0), (1, 1), (40, 40)], "nearest"),
        {"overlap": "each"},
    ),
    (
        "collections/winds/retrieve",
        {"method": "POST", "json": {"shape": Box(latitude=(0, 20)).to_dict()}},
        Box(latitude=(0, 20)),
        {},
    ),
]


@pytest.mark.parametrize(("path", "more", "shape", "how"), WANTED)
def test_a_job_can_be_preferred(
    extract_hub: Any, path: str, more: dict[str, Any], shape: Shape, how: dict[str, str]
) -> None:
    answer = extract_hub.ask(path, headers={"Prefer": "respond-async"}, **more)
    assert answer.status_code == 202, answer.text
    assert answer.headers["preference-applied"] == "respond-async"
    job = ended(extract_hub, answer, "ann")
    assert job["state"] == "successful", job["message"]
    cut = open_collection(answer.json()["collection"], extract_hub.of("ann")).load()
    xr.testing.assert_equal(cut, extract_hub.data.polytope.extract(shape, **how))


def test_a_shape_that_is_too_long_for_a_job_says_so(extract_hub: Any) -> None:
    ring = [[(n % 50) / 3 + n * 1e-6, n / 2000] for n in range(30_000)]
    points = {"type": "Point", "axes": list(PLACE), "points": ring, "method": "nearest"}
    answer = extract_hub.ask(
        "collections/winds/retrieve",
        method="POST",
        json={"shape": points},
        headers={"Prefer": "respond-async"},
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["type"] == "bad-parameter"


def test_the_recipe_declares_what_the_service_gives() -> None:
    recipe = Shelf().recipe("cut-shape")
    assert set(recipe.parameters) == {"dataset", "shape", "variables", "overlap", "name"}
    assert all(each["help"] for each in recipe.parameters.values())
