"""What happens when a part of a hub dies: nothing is left behind, and it comes back."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.hub


@pytest.fixture(scope="module")
def hub(start_hub: Callable[..., Any]) -> Any:
    return start_hub(demo=False, services="events,dask-gateway,idle-culler")


def answers(hub: Any, path: str) -> bool:
    try:
        return httpx.get(hub.address + path, trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_a_cluster_that_cannot_start_is_said(hub: Any) -> None:
    folder = hub.lake / ".boathouse" / "clusters"
    folder.write_text("in the way")
    shown = hub.visit(hub.name, hub.password).run(
        "try:\n    bh.attach()\nexcept bh.Unavailable as error:\n    print(error)"
    )
    folder.unlink()
    assert shown.startswith("Your Dask cluster did not start (Cluster '")


def left(hub: Any) -> list[str]:
    return [" ".join(process.cmdline()) for process in hub.processes()]


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("traefik.toml", "services/events/health"),
        ("services.events", "services/events/health"),
        ("dask-gateway-proxy", "services/dask-gateway/api/health"),
    ],
)
def test_a_killed_part_is_back_by_itself(hub: Any, command: str, path: str) -> None:
    assert answers(hub, path)
    (process,) = hub.processes(command)
    hub.kill(process)
    process.wait(10)
    assert within(60, lambda: answers(hub, path))
    (fresh,) = hub.processes(command)
    assert fresh.pid != process.pid


def test_a_cluster_outlives_the_gateway(hub: Any) -> None:
    visitor = hub.visit(hub.name, hub.password)
    assert visitor.run("client = bh.attach(); client.submit(sum, [1, 2]).result()") == "3"
    address = visitor.run("client.scheduler.address")
    (gateway,) = hub.processes("dask_gateway_server -f")
    hub.kill(gateway)
    gateway.wait(10)
    assert within(60, lambda: answers(hub, "services/dask-gateway/api/health"))
    assert visitor.run("client.submit(sum, [1, 3]).result()") == "4"
    assert visitor.run("bh.attach().scheduler.address") == address


def test_a_killed_hub_leaves_nothing_and_the_next_start_keeps_everything(hub: Any) -> None:
    visitor = hub.visit(hub.name, hub.password)
    visitor.run("open('mine.txt', 'w').write('kept'); bh.attach().submit(sum, [1]).result()")
    password, token = hub.password, visitor.token()
    hub.kill(hub.processes("boathouse.hub.server")[0])
    assert within(40, lambda: not hub.processes()), left(hub)
    assert hub.stop() == 1
    assert "The hub ended with code -9" in "".join(hub.output)

    hub.start()
    assert hub.password == password
    headers = {"Authorization": f"token {token}"}
    url = f"{hub.address}hub/api/users/{hub.name}"
    assert httpx.get(url, headers=headers, trust_env=False).json()["name"] == hub.name
    assert hub.visit(hub.name, password).run("open('mine.txt').read()") == "'kept'"


def test_a_second_hub_on_the_same_lake_is_refused(hub: Any) -> None:
    import subprocess
    import sys

    words = ["up", "--lake", str(hub.lake), "--port", "0", "--no-demo"]
    ended = subprocess.run(
        [sys.executable, "-m", "boathouse.hub", *words], capture_output=True, text=True, timeout=90
    )
    assert ended.returncode == 1
    assert "Another hub runs on" in ended.stderr
    assert answers(hub, "hub/health")


def test_a_killed_up_ends_all_that_it_started(hub: Any) -> None:
    assert len(hub.processes()) > 3
    hub.kill()
    assert within(40, lambda: not hub.processes()), left(hub)
    hub.stop()


def test_ctrl_c_ends_everything_in_order(hub: Any) -> None:
    hub.start()
    visitor = hub.visit(hub.name, hub.password)
    visitor.run("bh.attach().submit(sum, [1]).result()")
    assert hub.stop() == 0
    assert within(10, lambda: not hub.processes()), left(hub)  # a worker may be ending still
    assert hub.output[-1].endswith("ended\n")
    assert "Traceback" not in hub.log().rpartition("initiating shutdown")[2]
