"""The automation service: rules, schedules and jobs over HTTP, run in their owners' names."""

import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...catalogs.events.remote import HttpEventLog
from ...catalogs.lake import Connection
from ...catalogs.observations.remote import HttpCommandQueue
from ...workflows.actions.performers import make_performers
from ...workflows.engine import Engine
from ...workflows.functions import FunctionStore
from ...workflows.jobs import Job, Schedule
from ...workflows.ledger import Ledger
from ...workflows.local import LocalAutomation
from ...workflows.recipes import Shelf
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
from .automation_rules import RuleRoutes
from .clusters import HubExecutor, HubUsers

MOST_JOBS = 1000
# The stream of events says at least this often (seconds) that it lives.
SILENCE_SECONDS = 20.0

T = TypeVar("T")


class Submission(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``POST jobs`` takes."""

    recipe: str
    parameters: dict[str, Any] = {}
    key: str = ""


class Claim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a worker says when it takes an attempt."""

    attempt: int


class Progress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a worker says while it runs."""

    attempt: int
    done: int
    total: int
    message: str = ""


class Finish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a worker says at the end."""

    attempt: int
    error: str = ""
    results: tuple[str, ...] = ()


class AutomationService:
    """The routes of the service; each asks the automation as the token's user.

    Parameters
    ----------
    automation : LocalAutomation
        Jobs, rules and schedules of the lake.
    """

    def __init__(self, automation: LocalAutomation) -> None:
        self._automation = automation

    def routes(self) -> list[Route]:
        """All routes, relative to the service's prefix."""
        return [
            Route("/recipes", self.recipes),
            Route("/jobs", self.jobs),
            Route("/jobs", self.submit, methods=["POST"]),
            Route("/jobs/{id}", self.job),
            Route("/jobs/{id}", self.dismiss, methods=["DELETE"]),
            Route("/jobs/{id}/notebook", self.notebook),
            Route("/jobs/{id}/claim", self.claim, methods=["POST"]),
            Route("/jobs/{id}/progress", self.progress, methods=["PUT"]),
            Route("/jobs/{id}/finish", self.finish, methods=["POST"]),
            Route("/schedules", self.schedules),
            Route("/schedules", self.save_schedule, methods=["POST"]),
            Route("/schedules/{name}", self.delete_schedule, methods=["DELETE"]),
            *RuleRoutes(self._automation).routes(),
        ]

    async def recipes(self, request: Request) -> Response:
        """``GET recipes``."""
        return json_response(await run_in_threadpool(self._automation.recipes))

    async def jobs(self, request: Request) -> Response:
        """``GET jobs?limit``: the asker's jobs, newest first."""
        limit = number_of(request, "limit", 50, MOST_JOBS)
        return await self._answer(request, self._automation.jobs, limit=limit)

    async def submit(self, request: Request) -> Response:
        """``POST jobs``: queue one."""
        body = await body_as(request, Submission)
        return await self._answer(
            request, self._automation.submit, body.recipe, body.parameters, key=body.key
        )

    async def job(self, request: Request) -> Response:
        """``GET jobs/{id}``."""
        return await self._answer(request, self._automation.job, _id(request))

    async def dismiss(self, request: Request) -> Response:
        """``DELETE jobs/{id}``: stop it."""
        return await self._answer(request, self._automation.dismiss, _id(request))

    async def notebook(self, request: Request) -> Response:
        """``GET jobs/{id}/notebook``: as executed so far."""
        reader = await reader_of(request)
        text = await run_in_threadpool(self._automation.notebook, _id(request), reader=reader)
        return Response(text, media_type="application/x-ipynb+json")

    async def claim(self, request: Request) -> Response:
        """``POST jobs/{id}/claim``: what a worker says first."""
        body = await body_as(request, Claim)
        return await self._report(request, lambda job: self._automation.claim(job.id, body.attempt))

    async def progress(self, request: Request) -> Response:
        """``PUT jobs/{id}/progress``: what it says while it runs."""
        body = await body_as(request, Progress)
        return await self._report(
            request,
            lambda job: self._automation.progress(
                job.id, body.attempt, done=body.done, total=body.total, message=body.message
            ),
        )

    async def finish(self, request: Request) -> Response:
        """``POST jobs/{id}/finish``: what it says at the end."""
        body = await body_as(request, Finish)
        return await self._report(
            request,
            lambda job: self._automation.finish(
                job.id, body.attempt, error=body.error, results=body.results
            ),
        )

    async def schedules(self, request: Request) -> Response:
        """``GET schedules``."""
        return await self._answer(request, self._automation.schedules)

    async def save_schedule(self, request: Request) -> Response:
        """``POST schedules``."""
        schedule = await body_as(request, Schedule)
        return await self._answer(request, self._automation.save_schedule, schedule)

    async def delete_schedule(self, request: Request) -> Response:
        """``DELETE schedules/{name}``."""
        return await self._answer(
            request, self._automation.delete_schedule, request.path_params["name"]
        )

    async def _answer(
        self, request: Request, method: Callable[..., Any], *values: Any, **named: Any
    ) -> Response:
        # In a thread: a write waits for the disk, and other askers should not.
        reader = await reader_of(request)
        answer = await run_in_threadpool(method, *values, reader=reader, **named)
        return Response(status_code=204) if answer is None else json_response(answer)

    async def _report(self, request: Request, say: Callable[[Job], bool]) -> Response:
        reader = await reader_of(request)

        def heard() -> bool:
            # Who may see a job is its owner, with the job's token, or a service.
            return say(self._automation.job(_id(request), reader=reader))

        return json_response({"ok": await run_in_threadpool(heard)})


def build_application(
    automation: LocalAutomation, identify: Identify, prefix: str = "/"
) -> Starlette:
    """The automation service as an ASGI application, which runs the engine while it lives.

    Parameters
    ----------
    automation : LocalAutomation
        What it serves; closed with the application.
    identify : callable
        Token to Reader or None; see :func:`.application.identify_by_hub`.
    prefix : str
        Where the hub's proxy mounts it.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_application: Starlette) -> AsyncGenerator[None]:
        await run_in_threadpool(automation.start)
        try:
            yield
        finally:
            await run_in_threadpool(automation.close)

    routes = AutomationService(automation).routes()
    return service_application(routes, identify=identify, prefix=prefix, lifespan=lifespan)


def open_hub_automation(
    lake: Path, connection: Connection, users: HubUsers, *, hosts: Collection[str] = ()
) -> LocalAutomation:
    """The automation of a lake that a hub serves.

    Parameters
    ----------
    lake : Path
        The lake's folder.
    connection : Connection
        The hub and the service's own token.
    users : HubUsers
        Lends tokens in users' names.
    hosts : collection of str, optional
        Hosts to which rules may post events although they are private.
    """
    state = lake / ".boathouse"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    ledger, shelf, log = Ledger(state / "automation.sqlite"), Shelf(), HttpEventLog(connection)
    executor = HubExecutor(lake, users=users, address=connection.address)
    functions = FunctionStore(state / "functions.sqlite")
    performer = make_performers(
        executor,
        functions,
        lake=lake,
        commands=HttpCommandQueue(connection),
        hosts=hosts,
    )
    engine = Engine(
        ledger,
        log=log,
        shelf=shelf,
        executor=executor,
        state=state,
        groups=users.groups,
        silence=SILENCE_SECONDS,
        performer=performer,
    )
    return LocalAutomation(
        ledger,
        engine,
        shelf=shelf,
        log=log,
        root=lake,
        user=connection.user,
        performer=performer,
        functions=functions,
    )


def main() -> None:
    """Serve the lake that ``BOATHOUSE_LAKE`` names, as a service of the hub.

    ``BOATHOUSE_WEBHOOK_HOSTS`` is a comma list of hosts that rules may post to although they
    are private.
    """
    token = os.environ["JUPYTERHUB_API_TOKEN"]
    connection = Connection(address=os.environ["BOATHOUSE_ADDRESS"], token=token, user="automation")
    users = HubUsers(os.environ["JUPYTERHUB_API_URL"], token)
    hosts = [each for each in os.environ.get("BOATHOUSE_WEBHOOK_HOSTS", "").split(",") if each]
    lake = Path(os.environ["BOATHOUSE_LAKE"])
    automation = open_hub_automation(lake, connection, users, hosts=hosts)
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/")
    serve(build_application(automation, identify_by_hub(), prefix))


def _id(request: Request) -> str:
    return request.path_params["id"]


if __name__ == "__main__":
    main()
