"""An HTTP connection to which an answer without end writes directly, with no task and no copy."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Receive, Scope, Send

# The parser in C takes less than half of the time, where it is installed.
if not TYPE_CHECKING and find_spec("httptools"):
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as HttpProtocol
else:
    from uvicorn.protocols.http.h11_impl import H11Protocol as HttpProtocol

_KEY = "boathouse.connection"


class Connection:
    """The client's side of one answer whose head has been sent.

    ASGI's ``send`` costs some 50 µs a piece, since the HTTP library looks at it and a task
    must be woken.  That is too much for a thousand streams: this writes HTTP chunks to the
    transport, and what the transport cannot send at once it keeps.

    Parameters
    ----------
    protocol : HttpProtocol
        uvicorn's side of the connection.
    chunked : bool
        Whether the answer is sent in chunks, as HTTP/1.1 does when its length is unknown.
    """

    def __init__(self, protocol: HttpProtocol, *, chunked: bool) -> None:
        self._transport = protocol.transport
        self._flow = protocol.flow
        self._chunked = chunked

    def write(self, piece: bytes, chunk: bytes = b"") -> None:
        """Write some of the answer's body; ``chunk`` is the same as an HTTP chunk, if known."""
        if self._transport.is_closing():
            return
        if self._chunked:
            piece = chunk or b"%x\r\n%b\r\n" % (len(piece), piece)
        self._transport.write(piece)

    def waiting(self) -> int:
        """How many bytes the client has not taken yet, beyond those on the way."""
        return self._transport.get_write_buffer_size()

    async def drain(self) -> None:
        """Wait until few bytes are waiting, or the client has gone."""
        await self._flow.drain()


class DirectProtocol(HttpProtocol):
    """uvicorn's HTTP/1.1, which shows an application its connection."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        inner: Any = self.app

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            scope[_KEY] = self
            await inner(scope, receive, send)

        self.app: ASGIApp = application  # pyright: ignore[reportIncompatibleVariableOverride]


def connection_of(scope: Scope) -> Connection:
    """The connection of a request that :class:`.application.Server` serves."""
    return Connection(scope[_KEY], chunked=scope["http_version"] == "1.1")
