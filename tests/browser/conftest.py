"""Fixtures of the tests that look at pages with Debian's chromium.

===============  ========  =====================================================================
fixture          scope     what it gives
===============  ========  =====================================================================
chromium         module    a running headless Browser (Playwright); skips where there is none
chromium_page    function  a fresh Page of 1280 x 900; fails the test on an error in the page;
                           ``page.hosts`` is the set of host:port that anything was asked of
serve_panel      function  serve_panel(make) -> address of a Panel page, on a free port
snapshot         function  snapshot(page, "name") -> artefacts/<name>.png, to be looked at
===============  ========  =====================================================================

Playwright's synchronous interface keeps an event loop in the test's thread, hence the module
scope: do not call asyncio.run() in a module that uses these.
"""

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless chromium, shared by the tests of one file."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no chromium here: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


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


@pytest.fixture
def snapshot() -> Callable[..., Path]:
    """Keep a picture of a page for people to look at."""

    def keep(page: Any, name: str, **options: Any) -> Path:
        ARTEFACTS.mkdir(exist_ok=True)
        path = ARTEFACTS / f"{name}.png"
        page.screenshot(path=path, **options)
        return path

    return keep


def _stop(server: Any, loop: Any) -> None:
    server.stop()
    loop.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
