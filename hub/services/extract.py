"""The extraction service: OGC API EDR and Polytope requests over every collection one may see."""

import asyncio
import contextlib
import os
import weakref
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...catalogs.errors import (
    BadRequest,
    BadShape,
    Forbidden,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from ...catalogs.lake import Connection
from ...catalogs.records import Collection
from ...catalogs.remote_store import HttpStore
from ..plans import Plan, plan_of
from . import extract_pages as pages
from .application import (
    Identify,
    body_as,
    identify_by_hub,
    json_response,
    reader_of,
    serve,
    service_application,
)
from .extract_api import api_page
from .extract_formats import DEFAULT, Format, format_of, written
from .extract_jobs import accepted, order
from .extract_limits import check_answer, figures_of, fits_at_once, limits_of
from .extract_parameters import TAKEN, parameters_of
from .extract_search import check_page, narrowed

if TYPE_CHECKING:
    import xarray as xr

    from .extract_cubes import Choice

# Extractions at the same time, of all askers and of one; the others wait for their turn.
WORKERS = 4
WORKERS_OF_A_USER = 2
MOST_WAITING = 64

T = TypeVar("T")
Plans = Callable[[Iterable[str]], Plan]
Choose = Callable[["xr.Dataset"], "Choice"]


class ExtractService:
    """The routes of the service.

    What the asker may see the catalog service says, asked with the asker's own token; what is
    hidden from him is not found here either. Cubes are read in a few threads, so that nothing
    else waits for them.

    Parameters
    ----------
    root : Path
        The lake's folder.
    address : str
        The hub's public base URL with a trailing slash.
    plans : callable
        Groups to the plan that they give.
    """

    def __init__(self, root: Path, address: str, plans: Plans) -> None:
        self._root = root
        self._address = address
        self._plans = plans
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="extract")
        self._turns: weakref.WeakValueDictionary[str, asyncio.Semaphore] = (
            weakref.WeakValueDictionary()
        )
        self._waiting = 0

    def routes(self) -> list[Route]:
        """All routes, relative to the service's prefix."""
        both = ["GET", "POST"]
        return [
            Route("/", self.landing),
            Route("/api", self.api),
            Route("/conformance", self.conformance),
            Route("/collections", self.collections),
            Route("/collections/{id}", self.collection),
            Route("/collections/{id}/retrieve", self.retrieve, methods=["POST"]),
            Route("/collections/{id}/plan", self.plan, methods=["POST"]),
            Route("/collections/{id}/{query}", self.query, methods=both),
        ]

    def close(self) -> None:
        """Let running extractions end, and take no more."""
        self._workers.shutdown(cancel_futures=True)

    async def landing(self, request: Request) -> Response:
        """``GET``: what the service is."""
        await _page(request)
        return json_response(pages.landing_page(_base(request)))

    async def api(self, request: Request) -> Response:
        """``GET api``: the service in OpenAPI."""
        await _page(request)
        answer = json_response(api_page(_base(request)))
        answer.headers["content-type"] = pages.OPENAPI
        return answer

    async def conformance(self, request: Request) -> Response:
        """``GET conformance``: the classes of the standards."""
        await _page(request)
        return json_response({"conformsTo": pages.CONFORMANCE})

    async def collections(self, request: Request) -> Response:
        """``GET collections?bbox&datetime``: those that the asker may see."""
        given = await _page(request, "bbox", "datetime")
        connection = await self._connection(request)
        faces = await run_in_threadpool(_catalog, HttpStore(connection).collections)
        return json_response(pages.collections_page(_base(request), narrowed(faces, given)))

    async def collection(self, request: Request) -> Response:
        """``GET collections/{id}``: what can be asked of one."""
        await _page(request)
        face, base = await self._face(request), _base(request)
        page = await self._work(
            request, lambda: pages.collection_page(base, face, self._open(face))
        )
        return json_response(page)

    async def query(self, request: Request) -> Response:
        """``GET`` or ``POST collections/{id}/position`` and the other queries of EDR."""
        kind = request.path_params["query"]
        if kind not in TAKEN:
            raise NotFound(f"There is no query {kind!r}; there are {', '.join(TAKEN)}, retrieve.")
        given = await parameters_of(request)
        form = format_of(given.get("f"), request.headers.get("accept", ""))
        return await self._answer(
            request, form, lambda dataset: _chosen(kind, given, dataset), empty_is_fine=True
        )

    async def retrieve(self, request: Request) -> Response:
        """``POST collections/{id}/retrieve``: cut a Polytope request."""
        form, choose = await self._requested(request)
        return await self._answer(request, form, choose)

    async def plan(self, request: Request) -> Response:
        """``POST collections/{id}/plan``: what ``retrieve`` would read; nothing is read."""
        form, choose = await self._requested(request)
        face, plan = await self._face(request), await self._plan(request)

        def planned() -> dict[str, Any]:
            found = choose(self._open(face)).plan
            figures = figures_of(found, form)
            return {
                **msgspec.to_builtins(figures),
                "at_once": fits_at_once(figures, plan),
                "beyond": list(found.beyond),
                "empty": found.empty,
                "variables": found.to_dict()["variables"],
                "limits": limits_of(plan),
            }

        return json_response(await self._work(request, planned))

    async def _requested(self, request: Request) -> tuple[Format, Choose]:
        unknown = sorted(set(request.query_params) - {"f"})
        if unknown:
            raise BadRequest(
                f"{unknown[0]}: give f in the address, and all else in the body.", field=unknown[0]
            )
        form = format_of(request.query_params.get("f"), request.headers.get("accept", ""))
        document = await body_as(request, dict[str, Any])
        return form, lambda dataset: _retrieved(document, dataset)

    async def _answer(
        self, request: Request, form: Format, choose: Choose, *, empty_is_fine: bool = False
    ) -> Response:
        face, plan = await self._face(request), await self._plan(request)
        later = "respond-async" in request.headers.get("prefer", "").lower()

        def extracted() -> Response | dict[str, Any]:
            choice = choose(self._open(face))
            if choice.plan.empty:
                if empty_is_fine:
                    return Response(status_code=204, headers=_note(choice.plan.empty))
                raise BadShape(choice.plan.empty, field="shape")
            figures = figures_of(choice.plan, form)
            if later or not fits_at_once(figures, plan):
                return order(face, choice, figures, plan)
            return _written(face, choice, form, figures, plan)

        outcome = await self._work(request, extracted)
        if isinstance(outcome, Response):
            return outcome
        connection = await self._connection(request)
        return await accepted(connection, outcome, base=_base(request), preferred=later)

    async def _work(self, request: Request, action: Callable[[], T]) -> T:
        """Do what takes long in one of the threads, when it is this asker's turn."""
        if self._waiting >= MOST_WAITING:
            raise Unavailable("Too many extractions are waiting; try again in a minute.")
        name = (await reader_of(request)).name
        turns = self._turns.setdefault(name, asyncio.Semaphore(WORKERS_OF_A_USER))
        self._waiting += 1
        try:
            async with turns:
                return await asyncio.get_running_loop().run_in_executor(self._workers, action)
        finally:
            self._waiting -= 1

    async def _connection(self, request: Request) -> Connection:
        reader = await reader_of(request)
        return Connection(address=self._address, token=request.state.token, user=reader.name)

    async def _face(self, request: Request) -> Collection:
        store = HttpStore(await self._connection(request))
        return await run_in_threadpool(_catalog, store.collection, request.path_params["id"])

    async def _plan(self, request: Request) -> Plan:
        return self._plans((await reader_of(request)).groups)

    def _open(self, face: Collection) -> "xr.Dataset":
        # Imported with the first request, so that a hub starts without waiting for xarray.
        from .extract_cubes import open_cube

        return open_cube(self._root, face)


async def _page(request: Request, *known: str) -> dict[str, str]:
    """The parameters of a page, those that it does not take refused."""
    given = await parameters_of(request)
    check_page(given, known, given.get("f"))
    return given


def _catalog(ask: Callable[..., T], *arguments: Any) -> T:
    try:
        return ask(*arguments)
    except Unauthenticated as error:
        raise Forbidden(
            "This token may use the service extract but not the catalog, which says what you may "
            "see; make a token with access:services!service=catalog too."
        ) from error


def _chosen(kind: str, given: Mapping[str, str], dataset: "xr.Dataset") -> "Choice":
    from .extract_cubes import Choice, fields_of, renamed
    from .extract_parameters import parse_names
    from .extract_shapes import shape_of

    fields = fields_of(kind, dataset)
    variables: tuple[str, ...] = ()
    if "parameter-name" in given:
        variables = parse_names(given["parameter-name"], [str(n) for n in dataset.data_vars])
    try:
        shape = shape_of(kind, given, dataset)
    except BadShape as error:
        raise renamed(error, fields) from error
    line = kind == "trajectory" and not given["coords"].strip().upper().startswith("MULTI")
    each = kind in ("position", "trajectory")
    return Choice(dataset, shape, variables, fields, each=each, line=line)


def _retrieved(document: Mapping[str, Any], dataset: "xr.Dataset") -> "Choice":
    from .extract_cubes import Choice
    from .extract_requests import read_retrieval

    wanted = read_retrieval(document, dataset)
    return Choice(dataset, wanted.shape, wanted.variables, wanted.fields)


def _written(face: Collection, choice: "Choice", form: Format, figures: Any, plan: Any) -> Response:
    check_answer(figures, form, plan)
    beyond = ", ".join(choice.plan.beyond)
    note = f"{beyond}: the shape reaches beyond the collection; what is there is given"
    headers = {"Vary": "Accept", **(_note(note) if beyond else {})}
    if form.suffix:
        headers["Content-Disposition"] = f'attachment; filename="{face.id}{form.suffix}"'
    cut = choice.covered() if form is DEFAULT else choice.cut()
    return Response(written(cut, form), headers=headers, media_type=form.media)


def _note(text: str) -> dict[str, str]:
    """A header for what is no error: no grid point, or fewer than the shape would cover."""
    return {"Boathouse-Note": text.encode("ascii", "replace").decode().replace("\n", " ")}


def _base(request: Request) -> str:
    """The service's address as the asker sees it, without a trailing slash."""
    url = request.url
    return f"{url.scheme}://{url.netloc}{request.scope['root_path']}"


def build_application(
    root: Path,
    identify: Identify,
    prefix: str = "/",
    *,
    address: str,
    plans: Plans = plan_of,
) -> Starlette:
    """The extraction service as an ASGI application.

    Parameters
    ----------
    root : Path
        The lake's folder.
    identify : callable
        Token to Reader or None; see :func:`.application.identify_by_hub`.
    prefix : str
        Where the hub's proxy mounts it.
    address : str
        The hub's public base URL with a trailing slash; the catalog and automation are there.
    plans : callable
        Groups to the plan that they give.

    Examples
    --------
    >>> build_application(root, identify, "/services/extract/", address=hub)  # doctest: +SKIP
    """
    service = ExtractService(root, address, plans)

    @contextlib.asynccontextmanager
    async def lifespan(_application: Starlette) -> AsyncGenerator[None]:
        yield
        await run_in_threadpool(service.close)

    return service_application(
        service.routes(), identify=identify, prefix=prefix, lifespan=lifespan
    )


def main() -> None:
    """Run the service as the hub starts it."""
    address = os.environ["BOATHOUSE_ADDRESS"]
    prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"]
    root = Path(os.environ["BOATHOUSE_LAKE"])
    serve(build_application(root, identify_by_hub(), prefix, address=address))


if __name__ == "__main__":
    main()
