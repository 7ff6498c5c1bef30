"""Who looks at the dashboard: every request is checked, and open pages again and again."""

import logging
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from bokeh.document import Document
from bokeh.server.auth_provider import AuthProvider
from bokeh.util.token import check_token_signature, get_token_payload
from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler
from tornado.httputil import url_concat
from tornado.web import HTTPError, RequestHandler

from ...catalogs.access import Reader
from .session import Visitor

logger = logging.getLogger(__name__)

# How long the hub's last word about a token is believed, and how often open pages are
# checked again, in seconds: their sum is the longest life of a withdrawn right.
BELIEVE_SECONDS = 45
RECHECK_SECONDS = 15
# How long open pages live on when the hub does not answer, in seconds.
GRACE_SECONDS = 300
# How long a page that was sent may take to open its websocket, in seconds.
OPEN_WITHIN_SECONDS = 300
# The name under which a page's ticket travels in bokeh's signed session token.
TICKET = "boathouse-ticket"

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        # Panel makes modules from text, and bokeh's page starts by an inline script.
        "script-src 'self' 'unsafe-inline' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self' blob: ws: wss:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)


def harden(handler: RequestHandler) -> None:
    """Give an answer the headers that keep the page to itself."""
    handler.set_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    handler.set_header("X-Content-Type-Options", "nosniff")
    handler.set_header("Referrer-Policy", "same-origin")


class _OpenPage:
    """A page that was sent to a visitor, and the document behind it once it is open."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.made = time.monotonic()
        self.seen = self.made
        self.document: Document | None = None


class Gate(AuthProvider, ABC):
    """Lets visitors in, and closes their open pages when the right to them ends.

    A page's websocket belongs to the visitor whom the page was sent to: the page carries a
    random ticket inside bokeh's signed session token, and the ticket leads to the visitor,
    who (with the token) stays in this process.

    Parameters
    ----------
    prefix : str
        Where the dashboard is mounted, without a trailing slash.
    secret : str
        Signs bokeh's session tokens.
    """

    def __init__(self, *, prefix: str, secret: str) -> None:
        self.prefix = prefix
        self.secret = secret
        self._pages: dict[str, _OpenPage] = {}
        super().__init__()

    @abstractmethod
    async def admit(self, handler: RequestHandler) -> Visitor | None:
        """Who makes this request; None for a stranger."""

    @abstractmethod
    async def still(self, visitor: Visitor) -> Visitor | None:
        """The visitor as of now (groups may differ); None when the right has ended.

        Raises ``tornado.web.HTTPError`` when that cannot be found out.
        """

    # What bokeh asks of an AuthProvider.

    @property
    def get_user(self) -> None:
        """Nothing; visitors are looked up asynchronously."""
        return

    @property
    def get_user_async(self) -> Callable[[Any], Any]:
        """The check that bokeh makes before it answers anything."""
        return self._check

    @property
    def login_url(self) -> str:
        """Where strangers are sent, relative to the prefix."""
        return "/login"

    @property
    def get_login_url(self) -> None:
        """Nothing; strangers are redirected by the check itself."""
        return

    @property
    def logout_url(self) -> None:
        """Nothing; the hub logs out."""
        return

    async def guest(self, handler: RequestHandler) -> Visitor | None:
        """Who asks for a page of ours; a stranger is sent to the login and None returned."""
        harden(handler)
        visitor = await self.admit(handler)
        if visitor is None:
            target = f"{self.prefix}{self.login_url}"
            handler.redirect(url_concat(target, {"next": handler.request.uri or ""}))
        return visitor

    async def _check(self, handler: RequestHandler) -> str | None:
        if handler.request.headers.get("Upgrade", "").lower() == "websocket":
            visitor = await self.admit(handler)
            known = visitor is not None and self._is_own_page(handler, visitor)
            return visitor.reader.name if visitor and known else None
        self._refuse_foreign_session(handler)
        visitor = await self.guest(handler)
        if visitor is None:
            return None
        jar: SimpleCookie = SimpleCookie()
        jar[TICKET] = self._new_ticket(visitor)
        handler.request.cookies.pop(TICKET, None)
        handler.request.cookies.update(jar)
        return visitor.reader.name

    def _refuse_foreign_session(self, handler: RequestHandler) -> None:
        # Bokeh would let a visitor who knows another's session id join that session.
        named = handler.get_argument("bokeh-session-id", "") or handler.get_argument(
            "bokeh-token", ""
        )
        if named or "Bokeh-Session-Id" in handler.request.headers:
            raise HTTPError(403, "The dashboard gives out its sessions itself.")

    def _is_own_page(self, handler: RequestHandler, visitor: Visitor) -> bool:
        headers = handler.request.headers
        origin = headers.get("Origin", "")
        if origin and urlsplit(origin).netloc.lower() != handler.request.host.lower():
            logger.warning("A websocket from %s was refused: another origin.", origin)
            return False
        parts = headers.get("Sec-WebSocket-Protocol", "").split(",")
        token = parts[1].strip() if len(parts) == 2 else ""
        if not token or not check_token_signature(
            token, secret_key=self.secret.encode(), signed=True
        ):
            return False
        page = self._pages.get(get_token_payload(token).get("cookies", {}).get(TICKET, ""))
        return page is not None and page.visitor.reader.name == visitor.reader.name

    # Pages and their tickets.

    def _new_ticket(self, visitor: Visitor) -> str:
        now = time.monotonic()
        for ticket, page in list(self._pages.items()):
            if page.document is None and now - page.made > OPEN_WITHIN_SECONDS:
                del self._pages[ticket]
        ticket = secrets.token_urlsafe(24)
        self._pages[ticket] = _OpenPage(visitor)
        return ticket

    def claim(self, ticket: str, document: Document) -> Visitor:
        """Say that ``document`` is the page of this ticket, and get its visitor.

        Raises ``KeyError`` for a ticket that was never given out or has ended.
        """
        page = self._pages[ticket]
        page.document = document
        return page.visitor

    def visitor(self, ticket: str) -> Visitor | None:
        """The page's visitor as of the last check."""
        page = self._pages.get(ticket)
        return page.visitor if page else None

    def forget(self, ticket: str) -> None:
        """The page was closed."""
        self._pages.pop(ticket, None)

    async def recheck(self) -> None:
        """Check all open pages again and close those whose right has ended."""
        for ticket, page in list(self._pages.items()):
            try:
                visitor = await self.still(page.visitor)
            except HTTPError as error:
                if time.monotonic() - page.seen < GRACE_SECONDS:
                    continue
                logger.warning("The hub was silent for too long: %s", error)
                visitor = None
            if visitor is None:
                logger.info("The page of %s is closed: no right any more.", page.visitor)
                self._close(ticket, page)
            else:
                page.visitor = visitor
                page.seen = time.monotonic()

    def _close(self, ticket: str, page: _OpenPage) -> None:
        self.forget(ticket)
        context = page.document.session_context if page.document else None
        session = getattr(context, "session", None)
        if session is None:
            return
        # The browser sees the closed socket, loads the page anew and meets the login.
        for connection in list(session._subscribed_connections):
            connection._socket.close(1008, "no right any more")
        session.request_expiration()


class HubGate(Gate):
    """Visitors log in at the hub (OAuth with PKCE) and need the scope of this service.

    Parameters
    ----------
    hub : HubOAuth, optional
        By default made from the environment that the hub gives to its services.
    """

    def __init__(self, *, secret: str, hub: HubOAuth | None = None) -> None:
        self.hub = hub or HubOAuth(cache_max_age=BELIEVE_SECONDS)
        super().__init__(prefix=self.hub.base_url.rstrip("/"), secret=secret)

    async def admit(self, handler: RequestHandler) -> Visitor | None:
        """Ask the hub whose cookie (or ``Authorization`` token) this is."""
        model = await self.hub.get_user(handler, sync=False)
        token = self.hub.get_token(handler) or ""
        return self._visitor(model, token, self.hub.get_session_id(handler))

    async def still(self, visitor: Visitor) -> Visitor | None:
        """Ask the hub again about the visitor's token."""
        model = await self.hub.user_for_token(visitor.token, session_id=visitor.login, sync=False)
        return self._visitor(model, visitor.token, visitor.login)

    def _visitor(self, model: dict[str, Any] | None, token: str, login: str) -> Visitor | None:
        if not model or not self.hub.check_scopes(self.hub.access_scopes, model):
            return None
        reader = Reader(
            name=model["name"],
            groups=tuple(model.get("groups", ())),
            admin=bool(model.get("admin")),
        )
        return Visitor(reader=reader, token=token, login=login)

    @property
    def login_handler(self) -> type[RequestHandler]:
        """Sends the browser to the hub, with a fresh state and a PKCE challenge."""
        hub, prefix = self.hub, self.prefix

        class Login(RequestHandler):
            def get(self) -> None:
                harden(self)
                target = self.get_argument("next", "")
                if not target.startswith(f"{prefix}/"):  # nobody is led elsewhere
                    target = f"{prefix}/"
                verifier, challenge, method = hub.generate_pkce_code_challenge()
                state = hub.set_state_cookie(self, next_url=target, code_verifier=verifier)
                asked = {
                    "state": state,
                    "code_challenge": challenge,
                    "code_challenge_method": method,
                }
                self.redirect(url_concat(hub.login_url, asked))

        return Login

    def callback_handler(self) -> type[RequestHandler]:
        """What the hub sends the browser back to."""
        hub = self.hub

        class Callback(HubOAuthCallbackHandler):
            def initialize(self) -> None:
                self.hub_auth = hub

        return Callback
