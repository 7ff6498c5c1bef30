"""Fixtures of the whole suite.

============== ========= ===================================================================
fixture        scope     gives
============== ========= ===================================================================
running_hub    session   a RunningHub: `boathouse up` with every service, on a temporary lake
                         with the demo's data, its replay clock slow; shared by all tests
lively_hub     session   one more, whose replay clock puts a step every 15 s
chromium       module    a headless Browser (Playwright); skips where there is none
start_hub      session   a function that starts one more RunningHub (lake, demo, services,
                         environment); all are ended with the session
============== ========= ===================================================================

A ``RunningHub`` has ``address``, ``lake``, ``name`` and ``password`` of the first user,
``log()``, ``visit(name, password)`` and ``add_user(name, plan)``, which give a ``Visitor``;
``kill()``, ``stop()``, ``start()``; ``processes()`` are all that belong to its lake.
A ``Visitor`` is somebody who is logged in: ``client`` (httpx, with the cookies), ``token()``,
``start_server()``, ``run(code)`` in a kernel of his server, ``kernel_environment()``.
"""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

START_SECONDS = 150
# What starts a hub: such tests share one process, since hubs ask for free ports and fill two cores.
HUBS = {"running_hub", "lively_hub", "start_hub"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BOATHOUSE = [sys.executable, "-m", "boathouse.hub"]


@functools.cache
def group_of(path: str) -> str:
    """What is run in one process: the tests of a file, and all that start hubs together."""
    text = (Path(__file__).parent.parent / path).read_text(encoding="utf-8")
    return "hubs" if any(name in text for name in HUBS) else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal tests out by :func:`group_of`; pytest-xdist's own groups do nothing with pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid.split("::", 1)[0])

    return ByGroup(config, log)


class RunningHub:
    """A hub that ``boathouse up`` runs on a free port."""

    def __init__(
        self,
        lake: Path,
        *,
        demo: bool = True,
        services: str = "",
        environment: dict[str, str] | None = None,
    ) -> None:
        self.lake = lake
        self.name = self.password = self.address = ""
        self.output: list[str] = []
        self._visitors: list[Visitor] = []
        self._words = [] if demo else ["--no-demo"]
        self._environment = {
            "BOATHOUSE_REPLAY_SECONDS": "3600",
            "BOATHOUSE_SERVICES": services,
            **(environment or {}),
        }
        self.start()

    def start(self) -> None:
        """Start it (again) and wait until it says that it is ready."""
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("BOATHOUSE_", "JUPYTERHUB_", "DASK_"))
        }
        self.up = subprocess.Popen(
            [*BOATHOUSE, "up", "--lake", self.lake, "--port", "0", *self._words],
            env={**clean, **self._environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = []
        assert self.up.stdout is not None
        for line in self.up.stdout:
            self.output.append(line)
            words = line.split()
            if line.startswith("  Boathouse is at"):
                self.address = words[-1]
            elif words[:1] == ["user"]:
                self.name = words[1]
            elif words[:1] == ["password"]:
                self.password = words[1]
            elif "Ctrl-C ends everything" in line:
                return
        raise AssertionError(f"no hub came up:\n{''.join(self.output)}\n{self.log()[-4000:]}")

    def stop(self) -> int:
        """End it as Ctrl-C does; returns the exit code."""
        for visitor in self._visitors:
            visitor.client.close()
        if self.up.poll() is None:
            self.up.send_signal(signal.SIGINT)
        if self.up.stdout is not None and not self.up.stdout.closed:
            with self.up.stdout:
                self.output.extend(self.up.stdout)
        return self.up.wait(60)

    def kill(self, process: "psutil.Process | None" = None) -> None:
        """Kill one process of it; ``boathouse up`` itself by default."""
        (process or psutil.Process(self.up.pid)).kill()

    def log(self) -> str:
        """The hub's log."""
        path = self.lake / ".boathouse" / "logs" / "hub.log"
        return path.read_text() if path.exists() else ""

    def processes(self, word: str = "") -> list[psutil.Process]:
        """Living processes of this lake; with a word only those that have it in the command."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.pid in (os.getpid(), self.up.pid):
                    continue
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                command = " ".join(process.cmdline())
                environment = process.environ()
                names = ("BOATHOUSE_LAKE", "DASK_BOATHOUSE__LAKE")
                ours = str(self.lake) in [environment.get(name) for name in names]
                if (ours or str(self.lake) in command) and word in command:
                    found.append(process)
        return found

    def visit(self, name: str, password: str) -> "Visitor":
        """Log somebody in."""
        visitor = Visitor(self, name, password)
        self._visitors.append(visitor)
        return visitor

    def add_user(self, name: str, plan: str = "explorer") -> "Visitor":
        """Make a user with the command line, and log him in."""
        words = ["user", "add", name, "--plan", plan, "--lake", str(self.lake)]
        made = subprocess.run(
            [*BOATHOUSE, *words],
            capture_output=True,
            text=True,
            check=True,
        )
        return self.visit(name, made.stdout.split("password")[1].split()[0])


class Visitor:
    """Somebody who is logged in."""

    def __init__(self, hub: RunningHub, name: str, password: str) -> None:
        self.hub = hub
        self.name = name
        self.client = httpx.Client(
            base_url=hub.address, follow_redirects=True, timeout=60, trust_env=False
        )
        self.client.get("hub/login")
        self.answer = self.client.post(
            "hub/login",
            params={"next": "/hub/home"},
            data={"username": name, "password": password, "_xsrf": self.xsrf},
        )
        self._token = ""
        self._kernel = ""

    @property
    def xsrf(self) -> str:
        return self.client.cookies.get("_xsrf", path="/hub/") or ""

    def post(self, path: str, **more: Any) -> httpx.Response:
        """POST to the hub's API as its pages do."""
        headers = {"X-XSRFToken": self.xsrf, "Referer": f"{self.hub.address}hub/home"}
        return self.client.post(path, headers=headers, **more)

    def token(self, scopes: list[str] | None = None, seconds: int = 3600) -> str:
        """A new hub token."""
        body = {"note": "test", "expires_in": seconds, **({"scopes": scopes} if scopes else {})}
        made = self.post(f"hub/api/users/{self.name}/tokens", json=body)
        assert made.status_code == 201, made.text
        return made.json()["token"]

    @property
    def headers(self) -> dict[str, str]:
        """Headers with a token that may do all that this user may."""
        self._token = self._token or self.token()
        return {"Authorization": f"token {self._token}"}

    def start_server(self) -> str:
        """Start the user's server if it does not run; returns its URL."""
        end = time.monotonic() + START_SECONDS
        self.post(f"hub/api/users/{self.name}/server")
        while time.monotonic() < end:
            model = self.client.get(f"hub/api/users/{self.name}", headers=self.headers).json()
            if model["servers"].get("", {}).get("ready"):
                return f"{self.hub.address}user/{self.name}/"
            time.sleep(0.1)
        raise AssertionError(f"no server for {self.name}:\n{self.hub.log()[-4000:]}")

    def run(self, code: str, *, seconds: float = 120) -> str:
        """Run code in a kernel of the user's server; returns what it printed and showed."""
        import asyncio

        url = self.start_server()
        if not self._kernel:
            made = self.client.post(f"{url}api/kernels", headers=self.headers, json={})
            assert made.status_code == 201, made.text
            self._kernel = made.json()["id"]
        channels = f"{url.replace('http', 'ws', 1)}api/kernels/{self._kernel}/channels"
        return asyncio.run(asyncio.wait_for(_execute(channels, self.headers, code), seconds))

    def kernel_environment(self) -> dict[str, str]:
        """The environment of the user's kernels, his server's token among it."""
        return json.loads(self.run("import os, json; print(json.dumps(dict(os.environ)))"))


async def _execute(url: str, headers: dict[str, str], code: str) -> str:
    from tornado.httpclient import HTTPRequest
    from tornado.websocket import websocket_connect

    socket = await websocket_connect(HTTPRequest(url, headers=headers))
    try:
        message = uuid.uuid4().hex
        await socket.write_message(_execute_request(message, code))
        return await _shown(socket, message)
    finally:
        socket.close()
        while await socket.read_message() is not None:
            pass


def _execute_request(message: str, code: str) -> str:
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
    return json.dumps(
        {
            "header": {
                "msg_id": message,
                "msg_type": "execute_request",
                "session": message,
                "username": "",
                "version": "5.3",
            },
            "parent_header": {},
            "metadata": {},
            "content": {**content, "allow_stdin": False, "stop_on_error": True},
            "channel": "shell",
            "buffers": [],
        }
    )


async def _shown(socket: Any, message: str) -> str:
    # Output and answer come on two channels, in no order; "idle" is the last of the output.
    shown, missing = "", {"execute_reply", "idle"}
    while missing:
        answer = json.loads(await socket.read_message())
        if answer["parent_header"].get("msg_id") != message:
            continue
        kind, content = answer["header"]["msg_type"], answer["content"]
        if kind == "stream":
            shown += content["text"]
        elif kind in ("execute_result", "display_data"):
            shown += content["data"].get("text/plain", "")
        elif kind == "error":
            raise AssertionError("\n".join(content["traceback"]))
        elif kind == "status" and content["execution_state"] == "idle":
            missing.discard("idle")
        missing.discard(kind)
    return shown


@pytest.fixture(scope="session")
def start_hub(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., RunningHub]]:
    hubs: list[RunningHub] = []

    def start(lake: Path | None = None, **more: Any) -> RunningHub:
        hub = RunningHub(lake or tmp_path_factory.mktemp("lake", numbered=True), **more)
        hubs.append(hub)
        return hub

    yield start
    for hub in hubs:
        hub.stop()
        for process in hub.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()


@pytest.fixture(scope="session")
def running_hub(start_hub: Callable[..., RunningHub]) -> RunningHub:
    return start_hub()


@pytest.fixture(scope="session")
def lively_hub(start_hub: Callable[..., RunningHub]) -> RunningHub:
    return start_hub(environment={"BOATHOUSE_REPLAY_SECONDS": "15"})


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless chromium, shared by the tests of one file."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no chromium here: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()
