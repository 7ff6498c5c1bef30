"""Fixtures of the tests that look at pages with Debian's chromium.

===============  ========  =====================================================================
fixture          scope     what it gives
===============  ========  =====================================================================
chromium_page    function  a fresh Page of 1280 x 900; fails the test on an error in the page;
                           ``page.hosts`` is the set of host:port that anything was asked of
serve_panel      function  serve_panel(make) -> address of a Panel page, on a free port
jupyter_lab      module    jupyter_lab(name, cells) -> address of a new notebook with these code
                           cells, on a stock JupyterLab without a hub
snapshot         function  snapshot(page, "name") -> artefacts/<name>.png, to be looked at;
                           the page of a failed test is kept as failed-<test>.png
===============  ========  =====================================================================

The browser itself is ``chromium`` of the suite's own conftest.
Playwright's synchronous interface keeps an event loop in the test's thread, hence the module
scope: do not call asyncio.run() in a module that uses these.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
_FAILED = pytest.StashKey[bool]()


@pytest.fixture
def chromium_page(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page in a context of its own; an uncaught error in it fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.hosts = set()
    errors: list[str] = []

    def note(asked: Any) -> None:
        if host := urlsplit(asked.url).netloc:  # data: and blob: addresses have none
            page.hosts.add(host)

    page.on("request", note)
    page.on("websocket", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    if request.node.stash.get(_FAILED, False):
        _keep(page, f"failed-{request.node.name}")
    context.close()
    assert not errors, f"errors in the page of {request.node.name}: {errors}"


@pytest.fixture
def serve_panel() -> Iterator[Callable[[Callable[[], Any]], str]]:
    """Serve what a function returns as a Panel page, from this process."""
    import asyncio

    from panel.io.server import get_server
    from tornado.ioloop import IOLoop

    running: list[tuple[Any, IOLoop, threading.Thread]] = []

    def serve(make: Callable[[], Any]) -> str:
        port = _free_port()
        ready = threading.Event()
        box: dict[str, Any] = {}

        def run() -> None:
            asyncio.set_event_loop(asyncio.new_event_loop())
            loop = IOLoop.current()
            box["loop"] = loop
            box["server"] = get_server(
                make,
                port=port,
                loop=loop,
                show=False,
                start=False,
                verbose=False,
                websocket_origin=[f"127.0.0.1:{port}"],
            )
            box["server"].start()
            loop.add_callback(ready.set)
            loop.start()
            loop.close(all_fds=True)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert ready.wait(30), "the Panel server did not start"
        running.append((box["server"], box["loop"], thread))
        return f"http://127.0.0.1:{port}/"

    yield serve
    for server, loop, thread in running:
        loop.add_callback(_stop, server, loop)
        thread.join(10)


@pytest.fixture(scope="module")
def jupyter_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """A JupyterLab of this Python, with settings and folders of its own."""
    folder = tmp_path_factory.mktemp("jupyter")
    work = folder / "work"
    work.mkdir()
    # The page that asks for leave to fetch news covers what is to be seen.
    page_config = folder / "config" / "labconfig" / "page_config.json"
    page_config.parent.mkdir(parents=True)
    quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    page_config.write_text(json.dumps(quiet))
    port, token = _free_port(), secrets.token_hex(16)
    own = {
        f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")
    }
    settings = {
        "--ServerApp.ip": "127.0.0.1",
        "--ServerApp.port": port,
        "--ServerApp.port_retries": 0,
        "--ServerApp.root_dir": work,
        "--ServerApp.allow_root": True,
        "--IdentityProvider.token": token,
        "--LabApp.extension_manager": "readonly",
    }
    log = (folder / "log").open("w+")
    lab = subprocess.Popen(
        [sys.executable, "-m", "jupyter", "lab", "--no-browser"]
        + [f"{name}={value}" for name, value in settings.items()],
        env={**os.environ, **own, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        cwd=work,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api?token={token}", lab, folder / "log")

        def write(name: str, cells: list[str]) -> str:
            (work / f"{name}.ipynb").write_text(json.dumps(_notebook(cells)))
            return f"{address}/lab/tree/{name}.ipynb?token={token}"

        yield write
    finally:
        os.killpg(lab.pid, signal.SIGTERM)
        try:
            lab.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(lab.pid, signal.SIGKILL)
            lab.wait()
        log.close()


@pytest.fixture
def snapshot() -> Callable[..., Path]:
    """Keep a picture of a page for people to look at."""

    return _keep


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Remember that a test failed, so that its page is kept as a picture."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


def _keep(page: Any, name: str, **options: Any) -> Path:
    ARTEFACTS.mkdir(exist_ok=True)
    path = ARTEFACTS / f"{name}.png"
    page.screenshot(path=path, **options)
    return path


def _notebook(cells: list[str]) -> dict[str, Any]:
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for number, source in enumerate(cells)
        ],
    }


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    import httpx

    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, f"it ended at once:\n{log.read_text()[-2000:]}"
        try:
            if httpx.get(address, timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail(f"it does not answer:\n{log.read_text()[-2000:]}")


def _stop(server: Any, loop: Any) -> None:
    server.stop()
    loop.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
