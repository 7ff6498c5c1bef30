"""What every HTTP service of the hub shares: who asks, how errors look, and how it is served."""

import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import uvicorn
from jupyterhub.services.auth import HubAuth
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from ...catalogs.access import Reader
from ...catalogs.errors import BadRequest, BoathouseError

logger = logging.getLogger(__name__)

# How long a service believes the hub's last answer about a token, in seconds; a withdrawn
# right is gone after this time.
TOKEN_CACHE_SECONDS = 30

T = TypeVar("T")
Identify = Callable[[str], Awaitable[Reader | None]]


class Unauthenticated(BoathouseError):
    """No token, or one that the hub does not know."""

    status = 401


def identify_by_hub(auth: HubAuth | None = None) -> Identify:
    """Return a function that asks the hub whose a token is and whether it may use this service.

    A token without the scope ``access:services!service=NAME`` is treated as unknown.
    """
    hub = auth or HubAuth(cache_max_age=TOKEN_CACHE_SECONDS)

    async def identify(token: str) -> Reader | None:
        model: dict[str, Any] | None = await hub.user_for_token(token, sync=False)
        if not model or not hub.check_scopes(hub.access_scopes, model):
            return None
        service = model.get("kind") == "service"
        return Reader(
            name=model["name"],
            groups=tuple(model.get("groups", ())),
            admin=service or bool(model.get("admin")),
        )

    return identify


def service_application(
    routes: Sequence[BaseRoute],
    *,
    identify: Identify,
    prefix: str = "/",
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None,
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
    """

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    mounted = Mount(prefix.rstrip("/"), routes=[Route("/health", health), *routes])
    application = Starlette(routes=[mounted], lifespan=lifespan)
    application.state.identify = identify
    application.add_exception_handler(BoathouseError, _refuse)
    application.add_exception_handler(Exception, _fail)
    return application


async def reader_of(request: Request) -> Reader:
    """Who asks; raises :class:`Unauthenticated` when the token is missing or unknown."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() not in ("token", "bearer") or not token:
        raise Unauthenticated("Send a hub token: 'Authorization: token ...'.")
    reader = await request.app.state.identify(token.strip())
    if reader is None:
        raise Unauthenticated("The hub does not know this token, or it may not use this service.")
    return reader


async def body_as(request: Request, kind: type[T]) -> T:
    """Decode the JSON body into a msgspec type; raises ``BadRequest`` naming the field."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.DecodeError as error:
        raise BadRequest(f"The body is not valid: {error}") from error


def json_response(content: Any, status: int = 200) -> Response:
    """Encode with msgspec, so that structs need no conversion."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, BoathouseError)
    logger.info("%s %s refused: %s", request.method, request.url.path, error.detail)
    return JSONResponse(
        error.problem(), status_code=error.status, media_type="application/problem+json"
    )


async def _fail(request: Request, error: Exception) -> Response:
    reference = secrets.token_hex(4)
    logger.error("%s %s failed [%s]", request.method, request.url.path, reference, exc_info=error)
    problem = {
        "type": "defect",
        "title": "Internal error",
        "status": 500,
        "detail": f"Something broke on our side; quote reference {reference}.",
    }
    return JSONResponse(problem, status_code=500, media_type="application/problem+json")


def serve(application: Starlette) -> None:
    """Serve a hub-managed service at the address that the hub gave in the environment."""
    url = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    logging.basicConfig(
        level=logging.INFO, format="%(levelname).1s %(asctime)s %(name)s] %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    uvicorn.run(
        application,
        host=url.hostname or "127.0.0.1",
        port=url.port or 0,
        access_log=False,
        log_level="warning",
        proxy_headers=True,
        timeout_graceful_shutdown=3,
    )
