"""kill -9 of any one service in the middle of the loop: nothing is lost, nothing runs twice."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.hub, pytest.mark.slow, pytest.mark.timeout(900)]

POOL = "sst-fresh"
SHAPE = {"type": "Box", "ranges": {"latitude": [-3, 3], "longitude": [-30, -10]}}
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
def loop(start_hub: Any) -> Any:
    hub = start_hub(environment={"BOATHOUSE_REPLAY_SECONDS": "12"})
    visitor = hub.visit(hub.name, hub.password)
    answer = visitor.client.post(
        "services/automation/rules",
        headers=visitor.headers,
        json={
            "name": "restart",
            "owner": hub.name,
            "where": {"type": "org.ogc.api.collection.item.create", "collection": POOL},
            "recipe": "mean-over-shape",
            "parameters": {"dataset": "{collection}", "time": "{datatime}", "shape": SHAPE},
        },
    )
    assert answer.status_code < 300, answer.text
    return hub, visitor


def jobs(visitor: Any) -> list[dict[str, Any]]:
    path = "services/automation/jobs?limit=500"
    try:
        answer = visitor.client.get(path, headers=visitor.headers, timeout=30)
    except httpx.TransportError:
        return []  # the proxy is what was killed
    return answer.json() if answer.status_code == 200 else []


def until(what: Callable[[], Any], *, seconds: float, why: Callable[[], str]) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.3)
    raise AssertionError(why())


def wait_for_new_success(visitor: Any, known: set[str]) -> None:
    """Until a job that was not there before the kill has succeeded."""
    until(
        lambda: [j for j in jobs(visitor) if j["state"] == "successful" and j["id"] not in known],
        seconds=150,
        why=lambda: f"no new run succeeded: {[(j['state'], j['message']) for j in jobs(visitor)]}",
    )


def check_books(visitor: Any) -> None:
    """Every arrival since the rule has one job, and none has two."""
    asked = {"collection": POOL, "type": "org.ogc.api.collection.item.create", "limit": 1000}
    answer = visitor.client.get("services/events/events", params=asked, headers=visitor.headers)
    sequences = {event["sequence"] for event in answer.json()}
    counted = Counter(job["event"] for job in jobs(visitor) if job["rule"] == "restart")
    assert max(counted.values()) == 1
    assert set(counted) <= sequences
    first = min(counted)
    # The newest arrival may still be on its way into the ledger.
    expected = sorted(sequence for sequence in sequences if sequence >= first)[:-1]
    assert set(expected) <= set(counted), "an arrival set off no run"
    assert not [job for job in jobs(visitor) if job["state"] == "failed"]


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_comes_back_and_the_loop_completes(loop: Any, part: str) -> None:
    hub, visitor = loop
    until(
        lambda: [job for job in jobs(visitor) if job["state"] == "running"],
        seconds=120,
        why=lambda: f"nothing runs: {hub.log()[-3000:]}",
    )
    known = {job["id"] for job in jobs(visitor) if job["state"] == "successful"}
    known |= {job["id"] for job in jobs(visitor)}
    victims = hub.processes(PARTS[part])
    assert victims, f"no process of {part}"
    for victim in victims:
        hub.kill(victim)
    wait_for_new_success(visitor, known)
    check_books(visitor)


def test_a_killed_hub_leaves_nothing_behind_and_make_up_goes_on(loop: Any) -> None:
    hub, visitor = loop
    until(
        lambda: [job for job in jobs(visitor) if job["state"] == "running"],
        seconds=120,
        why=lambda: "nothing runs",
    )
    before = {job["id"] for job in jobs(visitor)}
    for process in hub.processes("boathouse.hub.server"):
        hub.kill(process)
    hub.stop()
    until(lambda: not hub.processes(), seconds=30, why=lambda: str(hub.processes()))
    hub.start()
    again = hub.visit(hub.name, hub.password)
    assert before <= {job["id"] for job in jobs(again)}
    wait_for_new_success(again, before)
    until(
        lambda: all(job["state"] == "successful" for job in jobs(again) if job["id"] in before),
        seconds=180,
        why=lambda: str([(j["id"], j["state"], j["message"]) for j in jobs(again)]),
    )
    check_books(again)
