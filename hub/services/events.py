"""The event service: CloudEvents in, CloudEvents and their stream out, on the lake's log."""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...catalogs.access import Reader
from ...catalogs.errors import BadEvent, BadRequest
from ...catalogs.events.event import EventFilter, moment
from ...catalogs.events.sqlite import SqliteEventLog
from ...catalogs.events.wire import BATCH, decode_request, encode_batch
from .application import (
    Identify,
    identify_by_hub,
    json_response,
    reader_of,
    serve,
    service_application,
    still_reader,
    stopping_of,
)
from .event_rights import signed
from .hot_path import HotPath
from .streams import HEARTBEAT_SECONDS, Broadcast, EventStream, Subscriber

# The most events in a request or an answer, and the size at which an answer ends, in bytes.
LARGEST_COUNT = 10_000
LARGEST_PAGE = 8_000_000
# Decoding more than this would hold up the streams, in bytes.
_LARGE = 50_000
_LARGEST_SEQUENCE = 2**62


class EventService:
    """The handlers of the event service over one log.

    Parameters
    ----------
    log : SqliteEventLog
        The lake's log; closed by whoever opened it.
    heartbeat : float
        Seconds between signs of life in a stream.
    """

    def __init__(self, log: SqliteEventLog, *, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self.log = log
        self.broadcast = Broadcast(log, heartbeat=heartbeat)

    def routes(self) -> list[Route]:
        """The service's paths below its prefix."""
        return [
            Route("/", self.index),
            Route("/events", self.post, methods=["POST"]),
            Route("/events", self.get),
            Route("/events/stream", self.stream),
        ]

    @asynccontextmanager
    async def lifespan(self, _application: Starlette) -> AsyncGenerator[None]:
        """Feed the streams while the service runs."""
        stop = self.broadcast.start()
        try:
            yield
        finally:
            await stop()

    async def index(self, request: Request) -> Response:
        """What there is."""
        base = request.url.path
        links = [
            {"rel": "self", "href": base, "title": "The event service"},
            {
                "rel": "events",
                "href": f"{base}events",
                "title": "Events; POST to add",
                "type": BATCH,
            },
            {
                "rel": "stream",
                "href": f"{base}events/stream",
                "title": "Events as they come",
                "type": "text/event-stream",
            },
            {"rel": "health", "href": f"{base}health", "title": "Whether it runs"},
        ]
        return json_response({"title": "Boathouse events", "links": links})

    async def post(self, request: Request) -> Response:
        """Append events; answers when they are on disk.  See :class:`.hot_path.HotPath`."""
        reader = await reader_of(request)
        content = await self.append(request.headers, await request.body(), reader)
        return Response(content, media_type="application/json")

    async def append(self, headers: Mapping[str, str], body: bytes, reader: Reader) -> bytes:
        """Append the events of a request; the answer's JSON."""
        if len(body) > _LARGE:
            events = await asyncio.to_thread(decode_request, headers, body)
        else:
            events = decode_request(headers, body)
        if len(events) > LARGEST_COUNT:
            raise BadEvent(f"A batch holds at most {LARGEST_COUNT:,} events; send several.")
        mine = [signed(event, reader) for event in events]
        return msgspec.json.encode({"sequences": await self.log.append_async(mine)})

    async def get(self, request: Request) -> Response:
        """A page of the log, oldest first."""
        reader = await reader_of(request)
        after = _number(request, "after", 0, _LARGEST_SEQUENCE)
        limit = _number(request, "limit", 1000, LARGEST_COUNT)
        where = _filter(request)
        # Asked first: whoever goes on from here must not jump over an event.
        last = self.log.last()
        rows = await asyncio.to_thread(
            self.log.stored,
            after=after,
            limit=limit,
            where=where,
            reader=reader,
            largest=LARGEST_PAGE,
        )
        headers = {"Boathouse-Last": str(last)}
        if rows and (len(rows) == limit or sum(len(row.body) for row in rows) >= LARGEST_PAGE):
            following = request.url.include_query_params(after=rows[-1].sequence)
            headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
        return Response(encode_batch(row.json() for row in rows), media_type=BATCH, headers=headers)

    async def stream(self, request: Request) -> EventStream:
        """Events as they come, as server-sent events."""
        reader = await reader_of(request)
        after = _number(request, "after", self.log.last(), _LARGEST_SEQUENCE)
        resumed = request.headers.get("last-event-id", "")
        if resumed:
            after = _as_number("Last-Event-ID", resumed, _LARGEST_SEQUENCE)
        where = _filter(request)
        return EventStream(
            lambda connection: Subscriber(
                self.broadcast, connection, after=after, where=where, reader=reader
            ),
            stopping=stopping_of(request),
            still_reader=lambda: still_reader(request),
        )


def build_application(
    log: SqliteEventLog,
    identify: Identify,
    prefix: str = "/",
    *,
    heartbeat: float = HEARTBEAT_SECONDS,
) -> Starlette:
    """The event service as an ASGI application.

    Parameters
    ----------
    log : SqliteEventLog
        The lake's log; the caller closes it.
    identify : callable
        Token to Reader or None; see :func:`.application.identify_by_hub`.
    prefix : str
        Where the hub's proxy mounts it.
    heartbeat : float
        Seconds between signs of life in a stream.
    """
    service = EventService(log, heartbeat=heartbeat)
    application = service_application(
        service.routes(), identify=identify, prefix=prefix, lifespan=service.lifespan
    )
    HotPath(
        application,
        method="POST",
        path=f"{prefix.rstrip('/')}/events",
        identify=identify,
        handler=service.append,
        observe=lambda *_: None,
    )
    return application


def main() -> None:
    """Serve the log of the lake that ``BOATHOUSE_LAKE`` names, as a service of the hub."""
    state = Path(os.environ["BOATHOUSE_LAKE"]) / ".boathouse"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = SqliteEventLog(state / "events.sqlite")
    try:
        prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/")
        serve(build_application(log, identify_by_hub(), prefix))
    finally:
        log.close()


def _filter(request: Request) -> EventFilter:
    query = request.query_params
    since = query.get("since", "")
    if since:
        moment(since, "since")
    return EventFilter(
        type=query.get("type", ""), collection=query.get("collection", ""), since=since
    )


def _number(request: Request, name: str, default: int, highest: int) -> int:
    return _as_number(name, request.query_params.get(name, str(default)), highest)


def _as_number(name: str, text: str, highest: int) -> int:
    if text.isdecimal() and text.isascii() and len(text) < 20 and int(text) <= highest:
        return int(text)
    raise BadRequest(f"{name} must be a whole number from 0 to {highest}.", field=name)


if __name__ == "__main__":
    main()
