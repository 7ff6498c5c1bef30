"""Puts the dashboard together: one Panel application, its files, its login and its follower."""

import logging
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import panel as pn
from panel.io.server import get_server
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.web import RequestHandler, StaticFileHandler

from ...kernels.selector.assets import coastlines
from ...kernels.selector.field import color_table
from .feed import Follower
from .fields import Fields
from .identity import OPEN_WITHIN_SECONDS, RECHECK_SECONDS, TICKET, Gate
from .page import Page, Site
from .run_page import NotebookPages, run_handlers
from .session import Session, Visitor

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
# Threads that read fields and ask services, for all pages.
THREADS = 4
# A closed page's session is dropped after this time; long enough for a short loss of network.
UNUSED_MILLISECONDS = 15_000


class _Health(RequestHandler):
    """Answers everybody; a page that lost its connection asks here whether we are back."""

    def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.finish({"status": "ok"})


class _Asset(StaticFileHandler):
    """Our fonts and styles; they are public, since a font's request carries no proof of origin."""

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "public, max-age=3600")
        self.set_header("X-Content-Type-Options", "nosniff")


@dataclass
class Dashboard:
    """The parts that all pages of one process share.

    Attributes
    ----------
    gate : Gate
        The login.
    open_session : callable
        A visitor's view of lake and automation.
    follower : Follower
        Follows the event log; started and stopped by the owner of this object.
    site : Site
        Addresses outside the dashboard.
    """

    gate: Gate
    open_session: Callable[[Visitor], Session]
    follower: Follower
    site: Site
    fields: Fields = field(default_factory=Fields)
    pages: NotebookPages = field(default_factory=NotebookPages)
    pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="dashboard")
    )

    def warm(self) -> None:
        """Import in a thread what the first visitor would wait for otherwise."""

        def work() -> None:
            import scipy.spatial  # noqa: F401  # pyright: ignore[reportUnusedImport]

            coastlines()
            color_table("viridis")
            self.pages.warm()

        self.pool.submit(work)

    def page(self) -> pn.Template:
        """Build the page for the visitor who asks; called by Panel for each session."""
        document = pn.state.curdoc
        assert document is not None
        ticket = pn.state.cookies.get(TICKET, "")
        visitor = self.gate.claim(ticket, document)
        page = Page(self, ticket, visitor, document)
        document.on_session_destroyed(lambda _: page.close())
        return page.template()


def make_server(
    dashboard: Dashboard,
    *,
    address: str = "127.0.0.1",
    port: int = 0,
    loop: IOLoop | None = None,
    patterns: list[Any] | None = None,
) -> Any:
    """A server that is listening but whose loop has not been started.

    Parameters
    ----------
    dashboard : Dashboard
        What to serve.
    address, port
        Where to listen; port 0 takes a free one.
    loop : IOLoop, optional
        The current one by default.
    patterns : list, optional
        Further tornado handlers below the prefix, such as the login's callback.

    Returns
    -------
    panel.io.server.Server
        With ``.port``; run ``.io_loop.start()``.
    """
    gate = dashboard.gate
    # Hosts are compared by the gate itself, which knows under which name it was called.
    logging.getLogger("bokeh.server.util").setLevel(logging.ERROR)
    server = get_server(
        {"/": dashboard.page},
        title={"/": "Boathouse"},
        location=False,  # Panel's loses the prefix of stylesheets that are added later
        prefix=gate.prefix,
        address=address,
        port=port,
        loop=loop,
        websocket_origin=["*"],
        use_xheaders=True,
        cookie_secret=secrets.token_hex(32),
        cookie_path=f"{gate.prefix}/",
        auth_provider=gate,
        sign_sessions=True,
        secret_key=gate.secret.encode(),
        session_token_expiration=OPEN_WITHIN_SECONDS,
        unused_session_lifetime_milliseconds=UNUSED_MILLISECONDS,
        check_unused_sessions_milliseconds=UNUSED_MILLISECONDS // 3,
        # Whatever is named here reaches the browser; so only the ticket and no hub cookie.
        include_headers=["Host"],
        include_cookies=[TICKET],
        extra_patterns=[
            (r"/health", _Health),
            (r"/assets/(.*)", _Asset, {"path": str(STATIC)}),
            *run_handlers(gate, dashboard.open_session, dashboard.pages),
            *(patterns or []),
        ],
    )
    recheck = PeriodicCallback(gate.recheck, RECHECK_SECONDS * 1000)
    server.io_loop.add_callback(recheck.start)
    return server
