"""kill -9 of any one service in the middle of the loop: nothing is lost, nothing runs twice."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.hub, pytest.mark.slow, pytest.mark.timeout(600)]

POOL = "sst-fresh"
GO = "org.example.go"
RULE = {
    "name": "restart",
    "where": {"type": GO},
    "recipe": "mean-over-shape",
    "parameters": {
        "dataset": POOL,
        "name": "restart-mean",
        "shape": {"type": "Box", "ranges": {"latitude": [-3, 3], "longitude": [-30, -10]}},
    },
}
# The word that finds a part among the hub's processes, by its command line.
PARTS = {
    "events": "hub.services.events",
    "catalog": "hub.services.catalog",
    "automation": "hub.services.automation",
    "dask-gateway": "dask_gateway_server",
    "dashboard": "hub.dashboard",
    "replay": "hub.services.replay",
    "proxy": "traefik",
}


@pytest.fixture(scope="module")
def loop(lively_hub: Any) -> Any:
    visitor = lively_hub.visit(lively_hub.name, lively_hub.password)
    rule = {**RULE, "owner": lively_hub.name}
    until(lambda: ask(visitor, "POST", "automation/rules", json=rule) is not None)
    return lively_hub, visitor


def ask(visitor: Any, method: str, path: str, **more: Any) -> Any:
    """The answer; None while what was killed is not back."""
    headers = {**visitor.headers, **more.pop("headers", {})}
    try:
        answer = visitor.client.request(
            method, f"services/{path}", headers=headers, timeout=30, **more
        )
    except httpx.TransportError:
        return None
    if answer.status_code in (404, 502, 503, 504):
        return None
    assert answer.status_code < 300, answer.text
    return answer.json()


def until(what: Callable[[], Any], *, seconds: float = 120, why: Any = "") -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.2)
    raise AssertionError(why() if callable(why) else why)


def go(visitor: Any, name: str) -> int:
    """Publish an event, as often as it takes; returns its sequence number."""
    event = {"specversion": "1.0", "type": GO, "source": f"/users/{visitor.name}", "id": name}
    headers = {"Content-Type": "application/cloudevents+json"}
    post = "events/events"
    answer = until(lambda: ask(visitor, "POST", post, json=event, headers=headers))
    return answer["sequences"][0]


def jobs(visitor: Any) -> list[dict[str, Any]]:
    found = ask(visitor, "GET", "automation/jobs?limit=500") or []
    return [job for job in found if job["rule"] == "restart"]


def in_state(visitor: Any, state: str, *sequences: int) -> bool:
    states = {job["event"]: job["state"] for job in jobs(visitor)}
    return bool(states) and all(states.get(sequence) == state for sequence in sequences)


def check_books(visitor: Any) -> None:
    """Every event has one job, and none has two; every step of the pool was announced once."""
    events = until(lambda: ask(visitor, "GET", f"events/events?type={GO}&limit=1000"))
    counted = Counter(job["event"] for job in jobs(visitor))
    assert counted == dict.fromkeys([event["sequence"] for event in events], 1)
    assert {job["state"] for job in jobs(visitor)} == {"successful"}
    asked = f"events/events?collection={POOL}&type=org.ogc.api.collection.item.create&limit=1000"
    items = until(lambda: ask(visitor, "GET", f"catalog/collections/{POOL}/items?limit=1000"))
    steps = Counter(event["subject"] for event in until(lambda: ask(visitor, "GET", asked)))
    assert set(steps.values()) == {1}
    assert {f"/collections/{POOL}/items/{item['id']}" for item in items[1:]} <= set(steps)


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_comes_back_and_the_loop_completes(loop: Any, part: str) -> None:
    hub, visitor = loop
    before = go(visitor, f"before-{part}")
    until(lambda: in_state(visitor, "running", before), why=lambda: f"{jobs(visitor)}")
    victims = hub.processes(PARTS[part])
    assert victims, f"no process of {part}"
    for victim in victims:
        hub.kill(victim)
    after = go(visitor, f"after-{part}")
    until(
        lambda: in_state(visitor, "successful", before, after),
        why=lambda: f"not both succeeded: {jobs(visitor)}",
    )
    check_books(visitor)


def test_a_killed_hub_leaves_nothing_behind_and_make_up_goes_on(loop: Any) -> None:
    hub, visitor = loop
    before = go(visitor, "before-hub")
    until(lambda: in_state(visitor, "running", before), why=lambda: f"{jobs(visitor)}")
    for process in hub.processes("boathouse.hub.server"):
        hub.kill(process)
    hub.stop()
    until(lambda: not hub.processes(), seconds=40, why=lambda: str(hub.processes()))
    hub.start()
    again = hub.visit(hub.name, hub.password)
    after = go(again, "after-hub")
    until(
        lambda: in_state(again, "successful", before, after),
        seconds=180,
        why=lambda: f"not both succeeded: {jobs(again)}",
    )
    check_books(again)
    # The clock goes on where it stopped.
    path = f"catalog/collections/{POOL}/items?limit=1"
    newest = ask(again, "GET", path)
    until(lambda: ask(again, "GET", path) != newest, why="no step arrived after the restart")
    again.client.delete("services/automation/rules/restart", headers=again.headers)
