"""The observation service: stations, what they observe, and cubes of it, over HTTP."""

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import AsyncGenerator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import icechunk
import msgspec
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...catalogs.errors import BadRequest, BoathouseError, Forbidden
from ...catalogs.events.remote import HttpEventLog
from ...catalogs.lake import Connection, Lake
from ...catalogs.observations.compaction import Compactor
from ...catalogs.observations.observation import MOST_ROWS, Query, check_bbox
from ...catalogs.observations.opening import local_observations
from ...catalogs.observations.outputs import encode_rows
from ...catalogs.observations.sql_store import SqlObservations
from ...catalogs.observations.stations import Network, Station, may_join
from ...catalogs.remote_store import HttpStore
from .application import (
    Identify,
    body_as,
    identify_by_hub,
    json_response,
    number_of,
    reader_of,
    serve,
    service_application,
)
from .observations_commands import CommandService

logger = logging.getLogger(__name__)

MOST_STATIONS = 10_000
COMPACTION_SECONDS = 60.0
EXPIRY_SECONDS = 1.0
# What a compaction or an expiry may end with that is no defect; it is tried again.
_FAILURES = (BoathouseError, OSError, SQLAlchemyError, icechunk.IcechunkError)


class ObservationService:
    """The handlers of the service over one database of observations.

    Parameters
    ----------
    observations : SqlObservations
        Closed with the service.
    lake : Lake, optional
        Where the cubes lie; without one there are none.
    every : float
        Seconds between two compactions; 0 for none but those that are asked for.
    """

    def __init__(
        self,
        observations: SqlObservations,
        lake: Lake | None = None,
        *,
        every: float = COMPACTION_SECONDS,
    ) -> None:
        self.observations = observations
        self.compactor = Compactor(lake, observations.database) if lake is not None else None
        self.every = every
        self.commands = CommandService(observations.commands)
        self._stop = threading.Event()

    def routes(self) -> list[Route]:
        """The service's paths below its prefix."""
        return [
            Route("/", self.index),
            Route("/networks", self.networks),
            Route("/networks", self.save_network, methods=["POST"]),
            Route("/networks/{id}/compaction", self.compact, methods=["POST"]),
            Route("/stations", self.stations),
            Route("/stations", self.register, methods=["POST"]),
            Route("/stations/{id}", self.station),
            Route("/stations/{id}/observations", self.find),
            Route("/stations/{id}/observations", self.ingest, methods=["POST"]),
            Route("/stations/{id}/revisions", self.revisions),
            Route("/observations", self.find),
            Route("/observations", self.ingest, methods=["POST"]),
            *self.commands.routes(),
        ]

    @contextlib.asynccontextmanager
    async def lifespan(self, _application: Starlette) -> AsyncGenerator[None]:
        """Compact and let commands expire while the service runs."""
        threads = [threading.Thread(target=self._expire, name="command-expiry")]
        if self.compactor is not None and self.every:
            threads.append(threading.Thread(target=self._compact_all, name="compaction"))
        for thread in threads:
            thread.start()
        stop_commands = self.commands.start()
        try:
            yield
        finally:
            stop_commands()
            self._stop.set()
            for thread in threads:
                await asyncio.to_thread(thread.join)
            await asyncio.to_thread(self.observations.close)

    async def index(self, request: Request) -> Response:
        """What there is."""
        base = request.url.path
        paths = {
            "networks": "Networks; POST to add",
            "stations": "Stations; POST to register",
            "observations": "Observations; POST JSON, ndjson, CSV or CF-JSON",
            "commands": "Commands to stations and what became of them",
            "health": "Whether it runs",
        }
        links = [{"rel": "self", "href": base, "title": "The observation service"}]
        links += [{"rel": n, "href": base + n, "title": title} for n, title in paths.items()]
        return json_response({"title": "Boathouse observations", "links": links})

    async def networks(self, request: Request) -> Response:
        """Visible networks."""
        reader = await reader_of(request)
        return json_response(await run_in_threadpool(self.observations.networks, reader=reader))

    async def save_network(self, request: Request) -> Response:
        """Add or change a network."""
        reader, network = await reader_of(request), await body_as(request, Network)
        saved = await run_in_threadpool(self.observations.save_network, network, reader=reader)
        return json_response(saved)

    async def compact(self, request: Request) -> Response:
        """Bring the network's cube up to date now."""
        reader, id = await reader_of(request), request.path_params["id"]
        compactor = self.compactor
        if compactor is None:
            raise BadRequest("This service keeps no cubes.", field="network")
        visible = await run_in_threadpool(self.observations.networks, reader=reader)
        if any(each.id == id and not may_join(each, reader) for each in visible):
            raise Forbidden(f"The network {id!r} is not yours.", field="network")
        wanted = id if any(each.id == id for each in visible) else ""
        face = await run_in_threadpool(compactor.compact, wanted)
        return json_response({"changed": face is not None, "collection": face})

    async def stations(self, request: Request) -> Response:
        """Visible stations."""
        reader, query = await reader_of(request), request.query_params
        bbox = _bbox(query.get("bbox", ""))
        found = await run_in_threadpool(
            self.observations.stations, network=query.get("network", ""), bbox=bbox, reader=reader
        )
        return json_response(found)

    async def register(self, request: Request) -> Response:
        """Register stations, or change what is known of them: one, or a list."""
        reader = await reader_of(request)
        many = (await request.body()).lstrip().startswith(b"[")
        stations = (
            await body_as(request, list[Station]) if many else [await body_as(request, Station)]
        )
        if len(stations) > MOST_STATIONS:
            raise BadRequest(f"A request holds at most {MOST_STATIONS:,} stations.")
        saved = await run_in_threadpool(self.observations.register, stations, reader=reader)
        return json_response(saved if many else saved[0])

    async def station(self, request: Request) -> Response:
        """One station."""
        reader, id = await reader_of(request), request.path_params["id"]
        return json_response(await run_in_threadpool(self.observations.station, id, reader=reader))

    async def ingest(self, request: Request) -> Response:
        """Take observations in; answers when they are on disk."""
        reader, body = await reader_of(request), await request.body()
        kind = request.headers.get("content-type", "application/json")
        station = request.path_params.get("id", "")
        receipt = await run_in_threadpool(
            self.observations.ingest, body, kind, station=station, reader=reader
        )
        return json_response(receipt)

    async def find(self, request: Request) -> Response:
        """Observations as ``f`` or the Accept header wants them."""
        reader, query = await reader_of(request), _query(request)
        format = request.query_params.get("f", "") or _accepted(request)
        stations = {
            each.id: each
            for each in await run_in_threadpool(self.observations.stations, reader=reader)
        }
        found = await run_in_threadpool(self.observations.find, query, reader=reader)
        body, media = await run_in_threadpool(encode_rows, found.rows, stations, format)
        headers: dict[str, str] = {}
        if found.next:
            url = request.url.include_query_params(after=found.next)
            headers = {
                "Boathouse-After": found.next,
                "Link": f'<{url.path}?{url.query}>; rel="next"',
            }
        return Response(body, media_type=media, headers=headers)

    async def revisions(self, request: Request) -> Response:
        """All values that came for one station, variable and time."""
        reader, query = await reader_of(request), request.query_params
        found = await run_in_threadpool(
            self.observations.revisions,
            request.path_params["id"],
            query.get("variable", ""),
            query.get("time", ""),
            reader=reader,
        )
        return json_response(found)

    def _compact_all(self) -> None:
        while not self._stop.wait(self.every):
            self._attempt("compact", self._compact_each)

    def _compact_each(self) -> None:
        assert self.compactor is not None
        for network in self.compactor.waiting():
            self._attempt(f"compact {network}", partial(self.compactor.compact, network))

    def _expire(self) -> None:
        while not self._stop.wait(EXPIRY_SECONDS):
            self._attempt("let commands expire", self.observations.commands.expire)

    def _attempt(self, what: str, work: Callable[[], object]) -> None:
        """Do it, or log why not: it comes up again, and the table has everything."""
        try:
            work()
        except _FAILURES as error:
            logger.error("Could not %s: %s", what, error)
        except Exception:
            logger.exception("Could not %s", what)


def build_application(
    observations: SqlObservations,
    identify: Identify,
    prefix: str = "/",
    *,
    lake: Lake | None = None,
    every: float = COMPACTION_SECONDS,
) -> Starlette:
    """The service as an ASGI application.

    Parameters
    ----------
    observations : SqlObservations
        Closed with the application.
    identify : callable
        Token to Reader or None; see :func:`.application.identify_by_hub`.
    prefix : str
        Where the hub's proxy mounts the service.
    lake : Lake, optional
        Where the cubes lie.
    every : float
        Seconds between two compactions; 0 for none but those that are asked for.
    """
    service = ObservationService(observations, lake, every=every)
    return service_application(
        service.routes(), identify=identify, prefix=prefix, lifespan=service.lifespan
    )


def main() -> None:
    """Run the service as the hub starts it.

    ``BOATHOUSE_OBSERVATIONS`` names a PostgreSQL database by URL (default: a file of the lake);
    ``BOATHOUSE_COMPACTION_SECONDS`` says how often cubes are brought up to date.
    """
    root = Path(os.environ["BOATHOUSE_LAKE"])
    connection = Connection(
        address=os.environ["BOATHOUSE_ADDRESS"],
        token=os.environ["JUPYTERHUB_API_TOKEN"],
        user=os.environ.get("JUPYTERHUB_SERVICE_NAME", "observations"),
    )
    log, store = HttpEventLog(connection), HttpStore(connection)
    lake = Lake(root, store, log, user=connection.user, connection=connection)
    lake.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    observations = local_observations(lake, os.environ.get("BOATHOUSE_OBSERVATIONS", ""))
    every = float(os.environ.get("BOATHOUSE_COMPACTION_SECONDS", COMPACTION_SECONDS))
    prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"]
    application = build_application(observations, identify_by_hub(), prefix, lake=lake, every=every)
    serve(application)


def _query(request: Request) -> Query:
    query = request.query_params
    named = _names(query.get("stations", ""))
    own = request.path_params.get("id", "")
    known = {*Query.__struct_fields__, "f"}
    unknown = sorted(query.keys() - known)
    if unknown:
        raise BadRequest(
            f"There is no parameter {unknown[0][:40]!r}; there are {', '.join(sorted(known))}.",
            field=unknown[0][:40],
        )
    latest = query.get("latest", "false").lower()
    if latest not in ("true", "false"):
        raise BadRequest("latest must be true or false.", field="latest")
    return Query(
        stations=(own,) if own else named,
        variables=_names(query.get("variables", "")),
        network=query.get("network", ""),
        since=query.get("since", ""),
        until=query.get("until", ""),
        bbox=_bbox(query.get("bbox", "")),
        latest=latest == "true",
        limit=number_of(request, "limit", 10_000, MOST_ROWS),
        after=query.get("after", ""),
    ).validated()


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _bbox(text: str) -> tuple[float, ...]:
    try:
        edges: Any = msgspec.json.decode(f"[{text}]", type=list[float])
    except msgspec.MsgspecError as error:
        raise BadRequest(
            "bbox must be four numbers: 'west,south,east,north'.", field="bbox"
        ) from error
    check_bbox(edges)
    return tuple(edges)


def _accepted(request: Request) -> str:
    accepted = request.headers.get("accept", "*/*").partition(",")[0]
    return "json" if "*" in accepted else accepted


if __name__ == "__main__":
    main()
