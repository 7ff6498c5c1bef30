"""Observations through a whole hub: an instrument's token, its owner, the catalog and the log."""

import time
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.hub


def test_an_instrument_with_a_token_of_its_own_fills_a_cube_of_its_owner(running_hub: Any) -> None:
    owner, instrument = running_hub.add_user("olga"), running_hub.add_user("gauge")
    station = {
        "id": "weir",
        "network": "river",
        "lat": 48.1,
        "lon": 11.6,
        "writers": ["gauge"],
        "variables": {"level": {"units": "m"}},
        "commands": {"sample": {}},
    }
    base = f"{running_hub.address}services/"
    narrow = instrument.token(["read:users:name!user", "access:services!service=observations"])
    with httpx.Client(base_url=base, trust_env=False, timeout=30) as client:

        def ask(method: str, path: str, headers: dict[str, str], **more: Any) -> Any:
            answer = client.request(method, path, headers=headers, **more)
            assert answer.is_success, answer.text
            return answer.json()

        mine, its = owner.headers, {"Authorization": f"token {narrow}"}
        assert ask("POST", "observations/stations", mine, json=station)["owner"] == "olga"
        body = b"time,level (m)\n2021-05-16T12:00Z,1.25\n"
        sent = {**its, "Content-Type": "text/csv"}
        path = "observations/stations/weir/observations"
        assert ask("POST", path, sent, content=body) == {"stored": 1, "revised": 0, "known": 0}
        assert ask("POST", path, sent, content=body) == {"stored": 0, "revised": 0, "known": 1}
        assert ask("POST", "observations/networks/river/compaction", mine)["collection"]
        assert ask("GET", "catalog/collections/river", mine)["kind"] == "cube"
        assert client.get("catalog/collections/river", headers=its).status_code == 401
        queued = ask(
            "POST", "observations/stations/weir/commands", mine, json={"command": "sample"}
        )
        (got,) = ask("GET", "observations/stations/weir/commands?wait=10", its)
        assert got["id"] == queued["id"]
        end = time.monotonic() + 20
        while True:
            events = ask("GET", "events/events?collection=river", mine)
            if len(events) >= 2:
                break
            assert time.monotonic() < end, events
            time.sleep(0.1)
        assert {event["owner"] for event in events} == {"olga"}
