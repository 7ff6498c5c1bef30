"""Two users and a stranger: nobody sees what is not his."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

import boathouse

SERVICES = Path(boathouse.__file__).parent / "hub" / "services"
pytestmark = [pytest.mark.hub, pytest.mark.timeout(600)]

PUBLISH = """
import boathouse as bh
import numpy as np, xarray as xr
data = xr.Dataset({"t": (("latitude",), np.arange(3.0), {"units": "K"})},
                  coords={"latitude": ("latitude", [0.0, 1.0, 2.0], {"units": "degrees_north"})})
print(bh.publish(data, "anns-secret", licence="CC-BY-4.0").id)
print(bh.notify("org.example.secret", data={"of": "ann"}).sequence)
"""
SUBMIT = """
shape = bh.Box(latitude=(-3.0, 3.0), longitude=(-30.0, -10.0))
job = bh.run("mean-over-shape", dataset="ostia-sst", shape=shape, name="anns-mean")
print(job.id)
"""
CLUSTER = """
client = bh.attach()
print(client.submit(sum, [1, 2, 3]).result())
"""


@pytest.fixture(scope="module")
def ann(running_hub: Any) -> Any:
    visitor = running_hub.add_user("alice")
    visitor.said = visitor.run(PUBLISH).split()
    visitor.job = visitor.run(SUBMIT).strip()
    assert visitor.run(CLUSTER).strip() == "6"
    return visitor


@pytest.fixture(scope="module")
def bob(running_hub: Any, ann: Any) -> Any:
    return running_hub.add_user("boris")


def ask(visitor: Any, path: str) -> httpx.Response:
    return visitor.client.get(path, headers=visitor.headers)


def test_a_private_result_is_there_for_its_owner_only(ann: Any, bob: Any) -> None:
    path = "services/catalog/collections/anns-secret"
    assert ask(ann, path).json()["owner"] == "alice"
    for hidden in (path, f"{path}/items"):
        assert ask(bob, hidden).status_code == 404
    assert "anns-secret" not in ask(bob, "services/catalog/collections").text
    assert "anns-secret" not in ask(bob, "services/catalog/items?limit=1000").text
    cut = "services/extract/collections/anns-secret/position?coords=POINT(0 0)"
    assert ask(bob, cut).status_code == 404
    assert "anns-secret" not in ask(bob, "services/extract/collections").text


def test_private_events_are_there_for_their_owner_only(ann: Any, bob: Any) -> None:
    path = "services/events/events?limit=1000"
    assert "org.example.secret" in ask(ann, path).text
    text = ask(bob, path).text
    assert "org.example.secret" not in text
    assert "anns-secret" not in text
    assert ann.job not in text


def test_jobs_are_there_for_their_owner_only(ann: Any, bob: Any) -> None:
    path = f"services/automation/jobs/{ann.job}"
    assert ask(ann, path).status_code == 200
    assert ask(bob, path).status_code == 404
    assert ask(bob, f"{path}/notebook").status_code == 404
    assert bob.client.delete(path, headers=bob.headers).status_code == 404
    assert ask(bob, "services/automation/jobs").json() == []
    stolen = {"attempt": 1, "error": "bob was here", "results": []}
    answer = bob.client.post(f"{path}/finish", json=stolen, headers=bob.headers)
    assert answer.status_code in (403, 404)


def test_servers_and_clusters_are_there_for_their_owner_only(ann: Any, bob: Any) -> None:
    (cluster,) = ask(ann, "services/dask-gateway/api/v1/clusters/").json()
    assert ask(bob, "services/dask-gateway/api/v1/clusters/").json() == {}
    path = f"services/dask-gateway/api/v1/clusters/{cluster}"
    assert ask(bob, path).status_code in (403, 404)
    assert bob.client.delete(path, headers=bob.headers).status_code in (403, 404)
    answer = bob.client.get("user/alice/api/contents", headers=bob.headers, follow_redirects=False)
    assert answer.status_code in (302, 403, 404)
    assert "tutorials" not in answer.text


def test_nobody_overwrites_what_belongs_to_another(bob: Any) -> None:
    said = bob.run(
        "import boathouse as bh, numpy as np, xarray as xr\n"
        "d = xr.Dataset({'t': ('x', np.arange(3.0), {'units': 'K'})}, coords={'x': [0, 1, 2]})\n"
        "try:\n    bh.publish(d, 'ostia-sst', licence='CC-BY-4.0')\n"
        "except bh.BoathouseError as error:\n    print(type(error).__name__)\n"
    )
    assert said.strip() in ("Conflict", "Forbidden")


ROUTES = (
    "services/events/",
    "services/events/events",
    "services/events/events/stream",
    "services/events/events/search",
    "services/events/metrics",
    "services/events/asyncapi.json",
    "services/events/consumers",
    "services/events/consumers/any",
    "services/events/dead-letters",
    "services/events/webhooks",
    "services/events/webhooks/any",
    "services/events/schemas",
    "services/events/schemas/any",
    "services/events/api/v1/schema",
    "services/events/api/v1/schema/any",
    "services/catalog/",
    "services/catalog/collections",
    "services/catalog/collections/ostia-sst",
    "services/catalog/collections/ostia-sst/items",
    "services/catalog/collections/ostia-sst/items/any",
    "services/catalog/items",
    "services/extract/",
    "services/extract/collections",
    "services/extract/collections/ostia-sst/area",
    "services/automation/",
    "services/automation/recipes",
    "services/automation/jobs",
    "services/automation/jobs/any",
    "services/automation/jobs/any/notebook",
    "services/automation/rules",
    "services/automation/rules/any/versions",
    "services/automation/deliveries",
    "services/automation/functions",
    "services/automation/schedules",
    "services/observations/",
    "services/observations/networks",
    "services/observations/stations",
    "services/observations/stations/any",
    "services/observations/stations/any/observations",
    "services/observations/stations/any/revisions",
    "services/observations/stations/any/commands",
    "services/observations/stations/any/commands/stream",
    "services/observations/observations",
    "services/observations/commands",
    "services/observations/commands/any",
    "services/dask-gateway/api/v1/clusters/",
    "services/dask-gateway/api/v1/options",
    "services/dashboard/",
    "services/dashboard/runs/any",
    "hub/home",
    "hub/admin",
    "hub/token",
    "hub/api/users",
    "hub/api/services",
    "user/alice/",
    "user/alice/lab",
    "user/alice/api/contents",
)
WRITES = (
    ("POST", "services/events/events"),
    ("POST", "services/events/events/search"),
    ("PUT", "services/events/consumers/any"),
    ("POST", "services/events/consumers/any/take"),
    ("PUT", "services/events/webhooks/any"),
    ("PUT", "services/events/schemas/any"),
    ("POST", "services/events/api/v1/notification"),
    ("POST", "services/events/api/v1/watch"),
    ("POST", "services/events/api/v1/replay"),
    ("POST", "services/observations/observations"),
    ("POST", "services/observations/stations/any/commands"),
    ("POST", "services/observations/networks/any/compaction"),
    ("POST", "services/observations/commands/any/acknowledgement"),
    ("POST", "services/catalog/records"),
    ("POST", "services/extract/collections/ostia-sst/plan"),
    ("POST", "services/automation/jobs"),
    ("POST", "services/automation/rules"),
    ("POST", "services/automation/schedules"),
    ("POST", "services/automation/jobs/any/claim"),
    ("PUT", "services/automation/jobs/any/progress"),
    ("POST", "services/automation/jobs/any/finish"),
    ("DELETE", "services/automation/rules/any"),
    ("PUT", "services/automation/rules/any/paused"),
    ("POST", "services/automation/rules/any/replay"),
    ("POST", "services/automation/dry-runs"),
    ("POST", "services/automation/deliveries/any/retry"),
    ("DELETE", "services/automation/functions/any"),
    ("DELETE", "services/automation/schedules/any"),
    ("POST", "services/dask-gateway/api/v1/clusters/"),
)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "token deadbeef"}], ids=["none", "bad"])
def test_without_login_every_route_is_closed(
    running_hub: Any, ann: Any, headers: dict[str, str]
) -> None:
    for path in ROUTES:
        # A client of its own each time: no cookie of an earlier route opens the next.
        with httpx.Client(
            base_url=running_hub.address, headers=headers, follow_redirects=True, trust_env=False
        ) as stranger:
            answer = stranger.get(path)
        closed = answer.status_code in (401, 403) or answer.url.path == "/hub/login"
        assert closed, f"{path} leads a stranger to {answer.url}: {answer.status_code}"
    with httpx.Client(base_url=running_hub.address, headers=headers, trust_env=False) as stranger:
        for method, path in WRITES:
            answer = stranger.request(method, path, json={})
            assert answer.status_code in (401, 403), f"{method} {path}: {answer.status_code}"


def test_every_route_of_our_services_was_tried() -> None:
    """A route that is added must be added above."""
    tried = [*ROUTES, *(path for _, path in WRITES)]
    files = {
        "events": ("events*", "event_*", "aviso*"),
        "catalog": ("catalog*",),
        "automation": ("automation*",),
        "observations": ("observations*",),
    }
    for name, patterns in files.items():
        sources = (path.read_text() for each in patterns for path in SERVICES.glob(f"{each}.py"))
        paths = re.findall(r'Route\(\s*"(/[^"]*)"', "".join(sources))
        assert paths, f"found no routes of {name}"
        for path in paths:
            pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(f"services/{name}{path}"))
            assert any(re.fullmatch(pattern, each) for each in tried), f"{name}{path} was not tried"
