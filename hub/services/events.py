"""The event service: CloudEvents in, CloudEvents and their stream out, on the lake's log."""

import asyncio
import os
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...catalogs.access import Reader
from ...catalogs.errors import BadEvent
from ...catalogs.events.log import LogEngine, Retention
from ...catalogs.events.opening import open_event_log
from ...catalogs.events.schema import SchemaRegistry
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
from .aviso import AvisoRoutes
from .event_asyncapi import asyncapi
from .event_consumers import ConsumerRoutes
from .event_metrics import Metrics
from .event_owners import LookUp, owners_by_hub
from .event_posting import PostOffice
from .event_queries import LARGEST_COUNT, LARGEST_PAGE, query_of
from .event_retention import keep_trimmed, retention_of
from .event_rights import signed
from .event_webhook_routes import WebhookRoutes
from .event_webhooks import Subscriptions
from .hot_path import HotPath
from .streams import HEARTBEAT_SECONDS, Broadcast, EventStream, Subscriber

# Decoding more than this would hold up the streams, in bytes.
_LARGE = 50_000

_LINKS = (
    ("events", "events", "Events; POST to add", BATCH),
    ("search", "events/search", "Events that pass a filter", BATCH),
    ("stream", "events/stream", "Events as they come", "text/event-stream"),
    ("consumers", "consumers", "Named places in the log", "application/json"),
    ("webhooks", "webhooks", "Who gets events posted", "application/json"),
    ("dead-letters", "dead-letters", "What consumers gave up", "application/json"),
    ("service-desc", "asyncapi.json", "This service as AsyncAPI 3", "application/json"),
    ("metrics", "metrics", "For Prometheus", "text/plain"),
    ("health", "health", "Whether it runs", "application/json"),
)


class EventService:
    """The handlers of the event service over one log.

    Parameters
    ----------
    log : LogEngine
        The lake's log; closed by whoever opened it.
    heartbeat : float
        Seconds between signs of life in a stream.
    retention : Retention, optional
        What the log keeps; everything when it is None.
    registry : SchemaRegistry, optional
        Who may write which type, and what the AsyncAPI document describes.
    """

    def __init__(
        self,
        log: LogEngine,
        *,
        heartbeat: float = HEARTBEAT_SECONDS,
        retention: Retention | None = None,
        registry: SchemaRegistry | None = None,
    ) -> None:
        self.log = log
        self.registry = registry
        self.broadcast = Broadcast(log, heartbeat=heartbeat)
        self.metrics = Metrics(log, self.broadcast)
        self._retention = retention

    def routes(self) -> list[Route]:
        """The service's paths below its prefix."""
        return [
            Route("/", self.index),
            Route("/events", self.post, methods=["POST"]),
            Route("/events", self.get),
            Route("/events/search", self.get, methods=["GET", "POST"]),
            Route("/events/stream", self.stream, methods=["GET", "POST"]),
            Route("/metrics", self.metrics.show),
            Route("/asyncapi.json", self.asyncapi),
            *ConsumerRoutes(self.log, self.broadcast).routes(),
        ]

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Feed the streams and trim the log while the service runs."""
        stop = self.broadcast.start()
        trimming = self._retention and asyncio.ensure_future(
            keep_trimmed(self.log, self._retention)
        )
        try:
            yield
        finally:
            await stop()
            if trimming:
                trimming.cancel()
                with suppress(asyncio.CancelledError):
                    await trimming

    async def index(self, request: Request) -> Response:
        """What there is."""
        base = request.url.path
        links = [{"rel": "self", "href": base, "title": "The event service"}]
        links += [
            {"rel": rel, "href": f"{base}{path}", "title": title, "type": type_}
            for rel, path, title, type_ in _LINKS
        ]
        return json_response({"title": "Boathouse events", "links": links})

    async def asyncapi(self, request: Request) -> Response:
        """``GET asyncapi.json``."""
        address = str(request.url.replace(query="")).removesuffix("asyncapi.json")
        return json_response(asyncapi(address, self.registry))

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
        if self.registry is not None:
            for event in mine:
                self.registry.check_writer(event, reader)
        numbers = await self.log.append_async(mine)
        self.metrics.appended.inc(len(numbers))
        return msgspec.json.encode({"sequences": numbers})

    async def get(self, request: Request) -> Response:
        """A page of the log, oldest first."""
        reader = await reader_of(request)
        query = await query_of(request, self.log)
        # Asked first: whoever goes on from here must not jump over an event.
        last = self.log.last()
        rows = await asyncio.to_thread(
            self.log.stored,
            after=query.after or 0,
            limit=query.limit,
            where=query.filter,
            reader=reader,
            largest=LARGEST_PAGE,
        )
        headers = {"Boathouse-First": str(self.log.first()), "Boathouse-Last": str(last)}
        full = len(rows) == query.limit or sum(len(row.body) for row in rows) >= LARGEST_PAGE
        if rows and full:
            headers["Boathouse-Next"] = str(rows[-1].sequence)
            if request.method == "GET":
                following = request.url.include_query_params(after=rows[-1].sequence)
                headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
        return Response(encode_batch(row.json() for row in rows), media_type=BATCH, headers=headers)

    async def stream(self, request: Request) -> EventStream:
        """Events as they come, as server-sent events."""
        reader = await reader_of(request)
        query = await query_of(request, self.log)
        after = self.log.last() if query.after is None else query.after
        return EventStream(
            lambda connection: Subscriber(
                self.broadcast, connection, after=after, where=query.filter, reader=reader
            ),
            stopping=stopping_of(request),
            still_reader=lambda: still_reader(request),
        )


def build_application(
    log: LogEngine,
    identify: Identify,
    prefix: str = "/",
    *,
    heartbeat: float = HEARTBEAT_SECONDS,
    state: Path | None = None,
    webhook_hosts: Collection[str] = (),
    retention: Retention | None = None,
    look_up: LookUp | None = None,
    registry: SchemaRegistry | None = None,
) -> Starlette:
    """The event service as an ASGI application.

    Parameters
    ----------
    log : LogEngine
        The lake's log; the caller closes it.
    identify : callable
        Token to Reader or None; see :func:`.application.identify_by_hub`.
    prefix : str
        Where the hub's proxy mounts it.
    heartbeat : float
        Seconds between signs of life in a stream.
    state : Path, optional
        The folder of the lake's state, where webhook subscriptions are kept; without it
        there are none.
    webhook_hosts : collection of str, optional
        Hosts to which events may be posted though they are private.
    retention : Retention, optional
        What the log keeps; everything by default.
    look_up : callable, optional
        What a user may see, by name; None when he is no user any more.
    registry : SchemaRegistry, optional
        What events of which type must look like; the log checks it.  With it there are also
        Aviso's own paths, ``/api/v1/...``.
    """
    if registry is not None:
        log.schemas = registry
    service = EventService(log, heartbeat=heartbeat, retention=retention, registry=registry)
    routes = service.routes()
    webhooks: WebhookRoutes | None = None
    if state is not None:
        webhooks = WebhookRoutes(
            PostOffice(
                log,
                service.broadcast,
                Subscriptions(state / "webhooks.json"),
                allow=webhook_hosts,
                look_up=look_up,
            )
        )
        routes += webhooks.routes()
    if registry is not None:
        numbers = state / "aviso" if state is not None else None
        routes += AvisoRoutes(log, registry, service.broadcast, state=numbers).routes()

    @asynccontextmanager
    async def lifespan(_application: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(service.running())
            if webhooks:
                await stack.enter_async_context(webhooks.running())
            yield

    application = service_application(
        routes,
        identify=identify,
        prefix=prefix,
        lifespan=lifespan,
        observe=service.metrics.observe,
    )
    HotPath(
        application,
        method="POST",
        path=f"{prefix.rstrip('/')}/events",
        identify=identify,
        handler=service.append,
        observe=service.metrics.observe,
    )
    return application


def main() -> None:
    """Serve the log of the lake that ``BOATHOUSE_LAKE`` names, as a service of the hub.

    ``BOATHOUSE_EVENTS`` names another log, as :func:`.opening.open_event_log` takes it;
    ``BOATHOUSE_EVENTS_KEEP_DAYS`` and ``BOATHOUSE_EVENTS_KEEP_MB`` limit what it keeps;
    event types are described in the folder ``schemas`` of the lake's state;
    ``BOATHOUSE_WEBHOOK_HOSTS`` is a comma list of hosts that webhooks may reach although
    they are private.
    """
    state = Path(os.environ["BOATHOUSE_LAKE"]) / ".boathouse"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    retention = retention_of(
        os.environ.get("BOATHOUSE_EVENTS_KEEP_DAYS", ""),
        os.environ.get("BOATHOUSE_EVENTS_KEEP_MB", ""),
    )
    hosts = [each for each in os.environ.get("BOATHOUSE_WEBHOOK_HOSTS", "").split(",") if each]
    log = open_event_log(os.environ.get("BOATHOUSE_EVENTS") or state / "events.sqlite")
    try:
        application = build_application(
            log,
            identify_by_hub(),
            os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/"),
            state=state,
            webhook_hosts=hosts,
            retention=retention,
            look_up=owners_by_hub(),
            registry=SchemaRegistry(state / "schemas"),
        )
        serve(application)
    finally:
        log.close()


if __name__ == "__main__":
    main()
