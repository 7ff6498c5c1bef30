"""What the extraction service refuses: hidden collections, wrong parameters, too much."""

import threading
import time
from typing import Any

import httpx
import pytest

from boathouse.hub.services import extract
from boathouse.hub.services.extract_parameters import TAKEN
from boathouse.kernels.polytope.shapes import Box

SQUARE = "POLYGON((0 0,20 0,20 20,0 20,0 0))"
ROUTES = [
    ("GET", ""),
    ("GET", "api"),
    ("GET", "conformance"),
    ("GET", "collections"),
    ("GET", "collections/secret"),
    ("POST", "collections/secret/retrieve"),
    ("POST", "collections/secret/plan"),
    *((method, f"collections/secret/{kind}") for kind in TAKEN for method in ("GET", "POST")),
]


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_route_without_a_token(extract_hub: Any, method: str, path: str) -> None:
    for headers in ({"Authorization": ""}, {"Authorization": "token stolen"}):
        answer = extract_hub.ask(path, method=method, headers=headers)
        problem(answer, 401)


GIVEN = {
    "position": {"coords": "POINT(0 0)"},
    "radius": {"coords": "POINT(0 0)", "within": "2000", "within-units": "km"},
    "area": {"coords": SQUARE},
    "cube": {"bbox": "0,0,20,20"},
    "trajectory": {"coords": "LINESTRING(0 0,20 20)"},
    "corridor": {
        "coords": "LINESTRING(0 0,20 20)",
        "corridor-width": "2000",
        "width-units": "km",
    },
}


def test_a_private_collection_is_not_there_for_another(extract_hub: Any) -> None:
    assert set(GIVEN) == set(TAKEN)
    body = {"shape": Box(latitude=(0, 20)).to_dict()}
    asked: list[tuple[str, dict[str, Any]]] = [
        ("collections/secret", {}),
        ("collections/secret/retrieve", {"method": "POST", "json": body}),
        ("collections/secret/plan", {"method": "POST", "json": body}),
        *((f"collections/secret/{kind}", {"params": given}) for kind, given in GIVEN.items()),
        *(
            (f"collections/secret/{kind}", {"method": "POST", "data": given})
            for kind, given in GIVEN.items()
        ),
        (
            "collections/secret/cube",
            {"params": GIVEN["cube"], "headers": {"Prefer": "respond-async"}},
        ),
    ]
    for path, more in asked:
        assert extract_hub.ask(path, "ann", **more).status_code in (200, 202), path
        hidden = problem(extract_hub.ask(path, "bob", **more), 404)
        nothing = path.replace("secret", "nothing")
        missing = problem(extract_hub.ask(nothing, "bob", **more), 404)
        assert hidden["detail"].replace("secret", "nothing") == missing["detail"]
    seen = [each["id"] for each in extract_hub.ask("collections", "bob").json()["collections"]]
    assert "winds" in seen
    assert "secret" not in seen


REFUSED: list[tuple[str, dict[str, str], str]] = [
    ("position", {}, "coords"),
    ("position", {"coords": "POINT(0"}, "coords"),
    ("position", {"coords": "POINT(0 0)", "z": "851"}, "z"),
    ("position", {"coords": "POINT(0 0)", "datetime": "2019-03-01T01:00Z"}, "datetime"),
    ("position", {"coords": "POINT(0 0)", "datetime": "2031-03-01"}, "datetime"),
    ("position", {"coords": "POINT(0 0)", "parameter-name": "t,q"}, "parameter-name"),
    ("position", {"coords": "POINT(0 0)", "f": "grib"}, "f"),
    ("position", {"coords": "POINT(0 0)", "crs": "EPSG:27700"}, "crs"),
    ("position", {"coords": "POINT(0 0)", "resolution-x": "3"}, "resolution-x"),
    ("position", {"coords": "POINT(0 0)", "colour": "red"}, "colour"),
    ("area", {"coords": "POLYGON((0 0,20 20,20 0,0 20,0 0))"}, "coords"),
    ("radius", {"coords": "POINT(0 0)", "within": "9", "within-units": "x"}, "within-units"),
    ("cube", {"bbox": "0,0,20"}, "bbox"),
    ("corridor", {**GIVEN["corridor"], "height-units": "m"}, "corridor-height"),
]


@pytest.mark.parametrize(("kind", "given", "field"), REFUSED)
def test_refusals_name_the_parameter(
    extract_hub: Any, kind: str, given: dict[str, str], field: str
) -> None:
    document = problem(extract_hub.ask(f"collections/winds/{kind}", params=given), 400)
    assert document["field"] == field, document
    assert document["type"] in ("bad-request", "bad-shape")


def test_other_wrong_requests(extract_hub: Any) -> None:
    path = "collections/winds/position"
    answer = extract_hub.ask(path, params=[("coords", "POINT(0 0)"), ("COORDS", "POINT(1 1)")])
    assert problem(answer, 400)["field"] == "COORDS"
    answer = extract_hub.ask(path, method="POST", json={"coords": {"type": "Point"}})
    assert problem(answer, 400)["field"] == "coords"
    answer = extract_hub.ask(path, method="POST", content=b"[1", headers={"Content-Type": "x/y"})
    problem(answer, 400)
    answer = extract_hub.ask(path, params=GIVEN["position"], headers={"Accept": "image/png"})
    assert "application/geo+json" in problem(answer, 406)["title"]
    assert "position" in problem(extract_hub.ask("collections/winds/items"), 404)["detail"]
    retrieve = "collections/winds/retrieve"
    problem(extract_hub.ask(retrieve), 404)
    answer = extract_hub.ask(retrieve, method="POST", json={"levelist": 850}, params={"z": "1"})
    assert problem(answer, 400)["field"] == "z"
    answer = extract_hub.ask(retrieve, method="POST", json={"levelist": 851})
    assert problem(answer, 400)["field"] == "levelist"
    big = extract_hub.ask(retrieve, method="POST", content=b" " * (16 * 2**20 + 1))
    assert big.status_code == 413
    answer = extract_hub.ask("collections/table/cube", params=GIVEN["cube"])
    assert "retrieve" in problem(answer, 400)["detail"]
    answer = extract_hub.ask(
        "collections/table/retrieve", method="POST", json={"row": 7}, params={"f": "geojson"}
    )
    assert problem(answer, 400)["type"] == "bad-shape"


def test_too_much_is_refused_with_the_figures_before_it_is_read(extract_hub: Any) -> None:
    given = {"bbox": "0,-90,359,90"}
    document = problem(extract_hub.ask("collections/winds/cube", "cat", params=given), 429)
    assert document["type"] == "plan-exceeded"
    assert document["field"] == "points"
    assert document["plan"]["points"] == 2 * 8 * 3 * 19 * 36
    assert document["plan"]["bytes"] == document["plan"]["result_bytes"] == 8 * 8 * 3 * 19 * 36
    assert document["limits"] == {
        "plan": "tiny",
        "extract_points": 1_000,
        "extract_bytes": 100_000,
        "job_points": 20_000,
        "job_bytes": 1_000_000,
    }
    body = {"shape": Box(latitude=(-90, 90)).to_dict()}
    answer = extract_hub.ask("collections/winds/retrieve", "cat", method="POST", json=body)
    assert problem(answer, 429)["plan"] == document["plan"]


def test_a_format_that_takes_too_much_is_refused_with_the_mend(extract_hub: Any) -> None:
    # These values are little as numbers; as features each takes a kilobyte.
    body = {"shape": Box(latitude=(0, 20), longitude=(0, 20)).to_dict(), "param": "t"}
    body["time"] = ["2019-03-01T00:00", "2019-03-01T06:00", "2019-03-01T12:00", "2019-03-02T00:00"]
    body["levelist"] = "850/500/1000"
    plan = extract_hub.ask(
        "collections/winds/plan", "cat", method="POST", json=body, params={"f": "GeoJSON"}
    ).json()
    assert plan["points"] == 108
    assert plan["answer_bytes"] == 108_000
    for form, status in (("NetCDF", 200), ("GeoJSON", 429)):
        answer = extract_hub.ask(
            "collections/winds/retrieve", "cat", method="POST", json=body, params={"f": form}
        )
        assert answer.status_code == status, answer.text
    document = problem(answer, 429)
    assert document["field"] == "f"
    assert "NetCDF" in document["detail"]
    assert document["plan"]["answer_bytes"] > document["limits"]["extract_bytes"]


def test_a_token_without_the_catalog_is_told_what_it_lacks(extract_hub: Any) -> None:
    for path in ("collections", "collections/winds"):
        assert "service=catalog" in problem(extract_hub.ask(path, "dan"), 403)["detail"]


def test_a_token_without_automation_is_told_when_it_needs_it(extract_hub: Any) -> None:
    path, given = "collections/winds/cube", GIVEN["cube"]
    assert extract_hub.ask(path, "fay", params=given).status_code == 200
    answer = extract_hub.ask(path, "fay", params=given, headers={"Prefer": "respond-async"})
    assert "service=automation" in problem(answer, 403)["detail"]


def test_a_long_extraction_stops_nobody(extract_hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()
    plainly = extract._written

    def slowly(*arguments: Any) -> Any:
        begun.release()
        assert go_on.wait(30)
        return plainly(*arguments)

    monkeypatch.setattr(extract, "_written", slowly)
    answers: list[int] = []

    def ask(user: str) -> None:
        answer = extract_hub.ask("collections/winds/cube", user, params=GIVEN["cube"])
        answers.append(answer.status_code)

    threads = [threading.Thread(target=ask, args=["ann"]) for _ in range(4)]
    threads.append(threading.Thread(target=ask, args=["bob"]))
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            assert begun.acquire(timeout=20)
        # Two of ann's and bob's are at work; two of ann's wait, and everything else is answered.
        assert not begun.acquire(timeout=0.3)
        before = time.monotonic()
        assert extract_hub.ask("health").status_code == 200
        assert extract_hub.ask("collections").status_code == 200
        assert time.monotonic() - before < 5
    finally:
        go_on.set()
        for thread in threads:
            thread.join(30)
    assert answers == [200] * 5


def test_a_queue_that_is_too_long_is_unavailable(
    extract_hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extract, "MOST_WAITING", 0)
    answer = extract_hub.ask("collections/winds/cube", params=GIVEN["cube"])
    assert problem(answer, 503)["type"] == "unavailable"
