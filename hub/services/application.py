"""What every HTTP service of the hub shares: who asks, how errors look, and how it is served."""

import asyncio
import logging
import math
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import tornado.web
import uvicorn
from jupyterhub.services.auth import HubAuth
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...catalogs.access import Reader
from ...catalogs.errors import (
    BadRequest,
    BoathouseError,
    Busy,
    NotFound,
    Unauthenticated,
    Unavailable,
    from_decoding,
)
from .connection import DirectProtocol

logger = logging.getLogger(__name__)

# How long a service believes the hub's last answer about a token, in seconds; a withdrawn
# right is gone after this time.
TOKEN_CACHE_SECONDS = 30
# So many tokens are remembered at the same time.
MOST_READERS = 10_000
# The largest body that a service takes, in bytes.
LARGEST_BODY = 16 * 2**20

T = TypeVar("T")
Identify = Callable[[str], Awaitable[Reader | None]]
Observe = Callable[[str, int, float], None]


def identify_by_hub(auth: HubAuth | None = None) -> Identify:
    """Return a function that asks the hub whose a token is and whether it may use this service.

    A token without the scope ``access:services!service=NAME`` is treated as unknown.
    """
    hub = auth or HubAuth(cache_max_age=TOKEN_CACHE_SECONDS)
    # The hub's answer is the same object while it is believed; what follows from it as well.
    known: dict[str, tuple[dict[str, Any], Reader]] = {}

    async def identify(token: str) -> Reader | None:
        try:
            model: dict[str, Any] | None = await hub.user_for_token(token, sync=False)
        except tornado.web.HTTPError as error:
            raise Unavailable("The hub does not answer; try again in a moment.") from error
        if not model or not hub.check_scopes(hub.access_scopes, model):
            known.pop(token, None)
            return None
        if token in known and known[token][0] is model:
            return known[token][1]
        service = model.get("kind") == "service"
        reader = Reader(
            name=model["name"],
            groups=tuple(model.get("groups", ())),
            admin=service or bool(model.get("admin")),
            scopes=tuple(each for each in model.get("scopes", ()) if each.startswith("custom:")),
        )
        if len(known) >= MOST_READERS:
            known.clear()
        known[token] = (model, reader)
        return reader

    return identify


def service_application(
    routes: Sequence[BaseRoute],
    *,
    identify: Identify,
    prefix: str = "/",
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None,
    observe: Observe | None = None,
) -> Starlette:
    """A Starlette application whose every route but ``/health`` needs a token.

    Parameters
    ----------
    routes : sequence of starlette routes
        Paths relative to ``prefix``; handlers find the asker by :func:`reader_of`.
    identify : callable
        Token to Reader or None; see :func:`identify_by_hub`.
    prefix : str
        Where the hub's proxy mounts the service.
    lifespan : callable, optional
        Starlette's lifespan.
    observe : callable, optional
        Is told each answer's handler, status and seconds.
    """

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    root = prefix.rstrip("/")
    application = Starlette(
        routes=[Mount(root, routes=[Route("/health", health), *routes])],
        middleware=[
            *([Middleware(_Watch, observe=observe)] if observe else []),
            Middleware(_Gate, open_path=f"{root}/health"),
        ],
        lifespan=lifespan,
        max_body_size=LARGEST_BODY,
    )
    application.state.identify = identify
    application.state.stopping = asyncio.Event()
    application.add_exception_handler(BoathouseError, refuse)
    application.add_exception_handler(HTTPException, refuse_plainly)
    application.add_exception_handler(Exception, fail)
    return application


async def reader_of(request: Request) -> Reader:
    """Who asks; the gate has made sure of it."""
    return request.state.reader


async def still_reader(request: Request) -> Reader | None:
    """Ask the hub again, for an answer that goes on for long; None when the right is gone."""
    return await request.app.state.identify(request.state.token)


def stopping_of(request: Request) -> asyncio.Event:
    """Is set when the service is asked to end; an answer that goes on for long must watch it."""
    return request.app.state.stopping


class _Watch:
    """Tells somebody what became of each request."""

    def __init__(self, app: ASGIApp, observe: Observe) -> None:
        self.app = app
        self.observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            # The handler is what was found for the path; nothing was found for a wrong one.
            name = getattr(scope.get("endpoint"), "__name__", "none")
            self.observe(name, status, time.perf_counter() - began)


class _Gate:
    """Lets only requests with a known token pass, so that no handler can forget to ask."""

    def __init__(self, app: ASGIApp, open_path: str) -> None:
        self.app = app
        self.open_path = open_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http" and scope["path"] != self.open_path:
            request = Request(scope)
            try:
                request.state.token = token_in(request.headers)
                reader = await request.app.state.identify(request.state.token)
                if reader is None:
                    raise Unauthenticated(
                        "The hub does not know this token, or it may not use this service."
                    )
            except BoathouseError as error:
                await (await refuse(request, error))(scope, receive, send)
                return
            request.state.reader = reader
        await self.app(scope, receive, send)


def token_in(headers: Mapping[str, str]) -> str:
    """The token that a request carries; raises ``Unauthenticated``."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() not in ("token", "bearer") or not token.strip():
        raise Unauthenticated("Send a hub token: 'Authorization: token ...'.")
    return token.strip()


async def body_as(request: Request, kind: type[T]) -> T:
    """Decode the JSON body into a msgspec type; raises ``BadRequest`` naming the field."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise from_decoding(error) from error


def number_of(request: Request, name: str, default: int, highest: int) -> int:
    """A whole number from the query; raises ``BadRequest`` naming it when it is none."""
    text = request.query_params.get(name, str(default))
    if text.isdecimal() and text.isascii() and len(text) < 20 and int(text) <= highest:
        return int(text)
    raise BadRequest(f"{name} must be a whole number from 0 to {highest}.", field=name)


def json_response(content: Any, status: int = 200) -> Response:
    """Encode with msgspec, so that structs need no conversion."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


async def refuse(request: Request, error: Exception) -> Response:
    """A BoathouseError as the problem that the user sees."""
    assert isinstance(error, BoathouseError)
    logger.info("%s %s refused: %s", request.method, request.url.path, error.detail)
    headers = {"Retry-After": str(math.ceil(error.retry_after))} if isinstance(error, Busy) else {}
    return JSONResponse(error.problem(), error.status, headers, "application/problem+json")


async def refuse_plainly(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses: no such path, a wrong method, a body that is too large."""
    assert isinstance(error, HTTPException)
    kind = NotFound.kind() if error.status_code == 404 else BadRequest.kind()
    problem = {
        "type": kind,
        "title": error.detail,
        "status": error.status_code,
        "detail": f"{error.detail}: {request.method} {request.url.path}.",
    }
    return JSONResponse(
        problem, error.status_code, dict(error.headers or {}), "application/problem+json"
    )


async def fail(request: Request, error: Exception) -> Response:
    """A defect: logged whole, and shown as a number that leads to the log."""
    reference = secrets.token_hex(4)
    logger.error("%s %s failed [%s]", request.method, request.url.path, reference, exc_info=error)
    problem = {
        "type": "defect",
        "title": "Internal error",
        "status": 500,
        "detail": f"Something broke on our side; quote reference {reference}.",
    }
    return JSONResponse(problem, status_code=500, media_type="application/problem+json")


class Server(uvicorn.Server):
    """A uvicorn server that tells its long answers to end before it waits for them.

    Parameters
    ----------
    application : Starlette
        Made by :func:`service_application`.
    host, port : str, int
        Where to listen; port 0 takes a free one.
    """

    def __init__(self, application: Starlette, host: str = "127.0.0.1", port: int = 0) -> None:
        self._stopping: asyncio.Event = application.state.stopping
        super().__init__(
            uvicorn.Config(
                application,
                host=host,
                port=port,
                http=DirectProtocol,
                access_log=False,
                log_level="warning",
                proxy_headers=True,
                timeout_graceful_shutdown=2,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End open streams, then the rest, and last what a client does not read."""
        self._stopping.set()
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


def serve(application: Starlette) -> None:
    """Serve a hub-managed service at the address that the hub gave in the environment."""
    url = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    logging.basicConfig(
        level=logging.INFO, format="%(levelname).1s %(asctime)s %(name)s] %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # ``fail`` has logged it, with the reference that the user saw.
    logging.getLogger("uvicorn.error").addFilter(
        lambda record: not record.getMessage().startswith("Exception in ASGI application")
    )
    server = Server(application, host=url.hostname or "127.0.0.1", port=url.port or 0)
    server.run()
