"""Seconds until something can be used, beside a stock JupyterHub and the papermill command line.

Run by ``make bench``; never part of the suite.  Modes are interleaved in one run, and the load
is printed, since ratios are steadier than seconds.
"""

import os
import secrets
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest

pytestmark = [pytest.mark.timeout(1800)]

ROUNDS = 3
CELLS = (
    "print('first', 6 * 7)",
    "import boathouse as bh\n"
    "client = bh.attach()\n"
    "print('dask', client.submit(sum, [40, 2]).result())",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_notebook(home: Path, cells: tuple[str, ...], kernel: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    # Without it, JupyterLab asks for the kernel first.
    notebook.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": "python"}
    nbformat.write(notebook, home / "first.ipynb")


class BareHub:
    """A stock JupyterHub: its own spawner, its own settings, traefik for a proxy."""

    name = "ann"

    def __init__(self, state: Path) -> None:
        self.password = secrets.token_hex(16)
        self.address = f"http://127.0.0.1:{free_port()}/"
        self.home = state / "homes" / self.name
        write_notebook(self.home, CELLS[:1], "python3")
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "BARE_STATE": str(state),
            "BARE_PORT": self.address.rstrip("/").rsplit(":", 1)[1],
            "BARE_HUB_PORT": str(free_port()),
            "BARE_TRAEFIK_PORT": str(free_port()),
            "BARE_PASSWORD": self.password,
        }
        config = Path(__file__).with_name("bare_hub_config.py")
        self.log = (state / "hub.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(config)],
            cwd=state,
            env=environment,
            stdout=self.log,
            stderr=self.log,
        )
        wait_for_login(self.address)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        self.log.close()


def wait_for_login(address: str) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with suppress(httpx.TransportError):
            if httpx.get(f"{address}hub/login", trust_env=False).status_code == 200:
                return
        time.sleep(0.02)
    raise AssertionError(f"no login page at {address}")


@pytest.fixture(scope="module")
def bare_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareHub]:
    hub = BareHub(tmp_path_factory.mktemp("bare"))
    yield hub
    hub.close()


@pytest.fixture(scope="module")
def our_hub(start_hub: Any) -> Any:
    hub = start_hub()
    write_notebook(hub.lake / ".boathouse" / "homes" / hub.name, CELLS, "boathouse")
    return hub


def stop_server(hub: Any, browser: Any, context: Any) -> None:
    page = context.new_page()
    page.goto(f"{hub.address}hub/home")
    page.evaluate(
        """async ([base, name]) => {
          const xsrf = document.cookie.match(/_xsrf=([^;]+)/)?.[1] ?? "";
          const url = `${base}hub/api/users/${name}/server?_xsrf=${encodeURIComponent(xsrf)}`;
          await fetch(url, {method: "DELETE", headers: {"X-XSRFToken": xsrf}});
        }""",
        [hub.address, hub.name],
    )
    page.wait_for_timeout(4000)
    page.close()


def login_to_output(hub: Any, browser: Any, cells: int) -> list[float]:
    """Seconds from the login click to each cell's output, by a person's way through the pages."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.goto(f"{hub.address}hub/login?next=%2Fhub%2Fuser-redirect%2Flab%2Ftree%2Ffirst.ipynb")
    page.fill("input[name=username]", hub.name)
    page.fill("input[name=password]", hub.password)
    begun = time.monotonic()
    page.click("[type=submit]")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.locator(".jp-StatusBar-Left", has_text="| Idle").or_(
        page.get_by_text("| Idle")
    ).first.wait_for()
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
    seconds = []
    for word in ("first 42", "dask 42")[:cells]:
        page.keyboard.press("Shift+Enter")
        page.locator(".jp-OutputArea-output", has_text=word).wait_for()
        seconds.append(time.monotonic() - begun)
    stop_server(hub, browser, context)
    context.close()
    return seconds


def table(title: str, rows: list[tuple[str, float, str]]) -> None:
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\n{title}  (load {load}, {os.cpu_count()} cores)")
    for name, value, ratio in rows:
        print(f"  {name:<48}{value:>9.3f} s  {ratio}")


def test_login_to_first_output_and_dask_result(
    our_hub: Any, bare_hub: BareHub, chromium: Any, benchmark: Any
) -> None:
    stock: list[float] = []
    first: list[float] = []
    dask: list[float] = []

    def rounds() -> None:
        for _ in range(ROUNDS):
            stock.extend(login_to_output(bare_hub, chromium, 1))
            one, two = login_to_output(our_hub, chromium, 2)
            first.append(one)
            dask.append(two)

    benchmark.pedantic(rounds, rounds=1)
    base = statistics.median(stock)
    ours, result = statistics.median(first), statistics.median(dask)
    table(
        f"Login click to output in JupyterLab, medians of {ROUNDS}, interleaved",
        [
            ("stock JupyterHub, first output", base, "1.00x"),
            ("Boathouse, first output", ours, f"{ours / base:.2f}x (goal 0.8x)"),
            ("Boathouse, first Dask result", result, f"{result / base:.2f}x (goal 1.3x)"),
        ],
    )


def test_warm_start_to_login_page(our_hub: Any, benchmark: Any) -> None:
    seconds: list[float] = []
    ready: list[float] = []

    def rounds() -> None:
        for _ in range(3):
            our_hub.stop()
            begun = time.monotonic()
            our_hub.start()
            ready.append(time.monotonic() - begun)
            line = next(line for line in our_hub.output if "hub answers" in line)
            seconds.append(float(line.strip("[ ").split()[0]))

    benchmark.pedantic(rounds, rounds=1)
    table(
        "make up on an existing lake, medians of 3",
        [
            ("to the login page", statistics.median(seconds), ""),
            ("to every service answering", statistics.median(ready), ""),
        ],
    )


def first_cell_by_command_line(folder: Path) -> float:
    """papermill as an event handler would call it: seconds to its first executed cell."""
    mark = folder / "mark"
    mark.unlink(missing_ok=True)
    code = f"import pathlib, time\npathlib.Path({str(mark)!r}).write_text(str(time.time()))"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    nbformat.write(notebook, folder / "in.ipynb")
    begun = time.time()
    subprocess.run(
        [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return float(mark.read_text()) - begun


RULE = {
    "name": "bench",
    "where": {"type": "org.example.bench"},
    "recipe": "mean-over-shape",
    "parameters": {
        "dataset": "ostia-sst",
        "name": "bench",
        "shape": {
            "type": "Box",
            "ranges": {"latitude": [-1.0, 1.0], "longitude": [340.0, 345.0]},
        },
    },
}


def event_to_first_cell(hub: Any, visitor: Any) -> float:
    """Seconds from posting an event to the job's first executed cell, as its events tell."""
    event = {"type": "org.example.bench", "source": f"/users/{hub.name}", "access": "private"}
    begun = time.time()
    posted = visitor.client.post(
        "services/events/events",
        json={"specversion": "1.0", "id": secrets.token_hex(8), **event},
        headers={**visitor.headers, "Content-Type": "application/cloudevents+json"},
    )
    (sequence,) = posted.json()["sequences"]
    stream = "services/events/events/stream"
    asked = {"type": "org.boathouse.job.update", "after": str(sequence)}
    arrived = 0.0
    with visitor.client.stream("GET", stream, params=asked, headers=visitor.headers) as answer:
        for line in answer.iter_lines():
            if not line.startswith("data:"):
                continue
            job = httpx.Response(200, content=line[5:].encode()).json()["data"]
            assert job["state"] not in ("failed", "dismissed"), job["message"]
            if job["event"] == sequence and job["cells_done"] >= 1 and not arrived:
                arrived = time.time() - begun
            if job["event"] == sequence and job["state"] == "successful":
                return arrived
    raise AssertionError("the stream ended")


def test_event_to_first_cell(our_hub: Any, tmp_path: Path, benchmark: Any) -> None:
    visitor = our_hub.visit(our_hub.name, our_hub.password)
    answer = visitor.client.post(
        "services/automation/rules",
        json={**RULE, "owner": our_hub.name},
        headers=visitor.headers,
    )
    assert answer.status_code < 300, answer.text
    event_to_first_cell(our_hub, visitor)  # the cluster and its first worker start
    ours: list[float] = []
    theirs: list[float] = []

    def rounds() -> None:
        for _ in range(5):
            theirs.append(first_cell_by_command_line(tmp_path))
            ours.append(event_to_first_cell(our_hub, visitor))

    benchmark.pedantic(rounds, rounds=1)
    peer, own = statistics.median(theirs), statistics.median(ours)
    table(
        "Event to first executed cell, medians of 5, interleaved, cluster warm",
        [
            ("papermill command line (no event, no queue)", peer, "1.0x"),
            ("Boathouse: event, rule, durable job, Dask, cell", own, f"{peer / own:.1f}x as fast"),
        ],
    )


def test_bare_import(benchmark: Any) -> None:
    code = "import time; t = time.perf_counter(); import boathouse; print(time.perf_counter() - t)"

    def once() -> float:
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        return float(run.stdout)

    seconds = benchmark.pedantic(lambda: [once() for _ in range(9)], rounds=1)
    table(
        "import boathouse, median of 9", [("bare import", statistics.median(seconds), "goal 0.05")]
    )
