"""The one request that comes by the thousand, answered before routing: a body in, JSON out."""

import time
from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from ...catalogs.access import Reader
from ...catalogs.errors import BoathouseError, Unauthenticated
from .application import LARGEST_BODY, Identify, Observe, fail, refuse, refuse_plainly, token_in

Handler = Callable[[Mapping[str, str], bytes, Reader], Awaitable[bytes]]


class HotPath:
    """Answers one method of one path itself, and gives the rest to the application.

    Routing, middlewares and request objects cost more than the work itself does; answers and
    errors are the same as those of the route of the same handler.

    Parameters
    ----------
    application : Starlette
        Takes everything else; what it made of its middlewares is wrapped.
    method, path : str
        What is answered here.
    identify : callable
        Token to Reader or None.
    handler : callable
        Takes the headers by lower-case name, the body and the reader; gives JSON.
    observe : callable
        Is told the handler, the status and the seconds.
    """

    def __init__(
        self,
        application: Starlette,
        *,
        method: str,
        path: str,
        identify: Identify,
        handler: Handler,
        observe: Observe,
    ) -> None:
        self._app = application.build_middleware_stack()
        application.middleware_stack = self
        self._method = method
        self._path = path
        self._identify = identify
        self._handler = handler
        self._observe = observe
        # A defect here is logged and answered as one of any other handler.
        self._guarded = ServerErrorMiddleware(self._serve, handler=fail)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as ASGI wants it."""
        hot = scope["type"] == "http" and scope["path"] == self._path
        if hot and scope["method"] == self._method:
            await self._guarded(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.perf_counter(), 500
        try:
            status = await self._answer(scope, receive, send)
        finally:
            self._observe("post", status, time.perf_counter() - began)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> int:
        try:
            headers = {n.decode("latin-1"): v.decode("latin-1") for n, v in scope["headers"]}
            reader = await self._identify(token_in(headers))
            if reader is None:
                raise Unauthenticated(
                    "The hub does not know this token, or it may not use this service."
                )
            body = await _read(headers, receive)
            if body is None:
                return 0
            content = await self._handler(headers, body, reader)
        except BoathouseError as error:
            response = await refuse(Request(scope), error)
            await response(scope, receive, send)
            return response.status_code
        except HTTPException as error:
            response = await refuse_plainly(Request(scope), error)
            await response(scope, receive, send)
            return response.status_code
        head = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(content)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": content})
        return 200


async def _read(headers: Mapping[str, str], receive: Receive) -> bytes | None:
    """The whole body; None when the client has gone."""
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > LARGEST_BODY:
        raise HTTPException(413)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > LARGEST_BODY:
            raise HTTPException(413)
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
