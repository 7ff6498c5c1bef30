"""The catalog service: collections, items and records over HTTP, to each what they may see."""

import contextlib
import logging
import os
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...catalogs.errors import BadRequest
from ...catalogs.events.remote import HttpEventLog
from ...catalogs.lake import Connection, Lake
from ...catalogs.records import Record
from ...catalogs.recovery import recover
from ...catalogs.sqlite_store import SqliteStore
from ...catalogs.store import Store
from .application import (
    Identify,
    body_as,
    identify_by_hub,
    json_response,
    reader_of,
    serve,
    service_application,
)

logger = logging.getLogger(__name__)

LARGEST_PAGE = 10_000


def build_application(
    store: Store, identify: Identify, prefix: str = "/", *, lake: Lake | None = None
) -> Starlette:
    """The service as an ASGI application.

    Parameters
    ----------
    store : Store
        The truth.
    identify : callable
        Token to Reader or None.
    prefix : str
        Where the hub's proxy mounts the service.
    lake : Lake, optional
        When given, commits that nobody announced are recorded after the start.

    Examples
    --------
    >>> build_application(store, identify, "/services/catalog/")  # doctest: +SKIP
    """

    async def collections(request: Request) -> Response:
        reader = await reader_of(request)
        return json_response(await run_in_threadpool(store.collections, reader=reader))

    async def collection(request: Request) -> Response:
        reader, id = await reader_of(request), request.path_params["id"]
        return json_response(await run_in_threadpool(store.collection, id, reader=reader))

    async def items(request: Request) -> Response:
        reader, id = await reader_of(request), request.path_params.get("id")
        found = await run_in_threadpool(store.items, id, limit=_limit(request), reader=reader)
        return json_response(found)

    async def item(request: Request) -> Response:
        reader, path = await reader_of(request), request.path_params
        found = await run_in_threadpool(store.item, path["id"], path["item"], reader=reader)
        return json_response(found)

    async def record(request: Request) -> Response:
        reader = await reader_of(request)
        await run_in_threadpool(store.record, await body_as(request, Record), reader=reader)
        return Response(status_code=204)

    @contextlib.asynccontextmanager
    async def lifespan(_application: Starlette) -> AsyncGenerator[None]:
        if lake is not None:
            # Beside the service: a writer may hold a lock until the service takes its record.
            threading.Thread(target=_recover, args=[lake], daemon=True).start()
        yield
        await run_in_threadpool(store.close)

    routes = [
        Route("/collections", collections),
        Route("/collections/{id}", collection),
        Route("/collections/{id}/items", items),
        Route("/collections/{id}/items/{item}", item),
        Route("/items", items),
        Route("/records", record, methods=["POST"]),
    ]
    return service_application(routes, identify=identify, prefix=prefix, lifespan=lifespan)


def _recover(lake: Lake) -> None:
    for id in recover(lake):
        logger.info("recorded commits of %s that were not announced", id)


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "100")
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_PAGE:
        raise BadRequest(
            f"limit {text!r} is not a whole number from 1 to {LARGEST_PAGE}.", field="limit"
        )
    return int(text)


def main() -> None:
    """Run the service as the hub starts it."""
    root = Path(os.environ["BOATHOUSE_LAKE"])
    connection = Connection(
        address=os.environ["BOATHOUSE_ADDRESS"],
        token=os.environ["JUPYTERHUB_API_TOKEN"],
        user=os.environ.get("JUPYTERHUB_SERVICE_NAME", "catalog"),
    )
    log = HttpEventLog(connection)
    store = SqliteStore(root / ".boathouse" / "catalog.sqlite", log=log)
    lake = Lake(root, store, log, user=connection.user, connection=connection)
    prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"]
    serve(build_application(store, identify_by_hub(), prefix, lake=lake))


if __name__ == "__main__":
    main()
