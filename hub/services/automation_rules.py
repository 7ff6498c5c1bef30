"""The automation service's routes about rules: what they do, did, and would have done."""

from typing import Any, cast

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...catalogs.errors import BadRequest
from ...workflows.deliveries import DeliveryState
from ...workflows.functions import DeployedFunction
from ...workflows.local import LocalAutomation
from ...workflows.rules.model import Rule
from .application import body_as, json_response, number_of, reader_of

MOST_DELIVERIES = 1000
MOST_DRY_RUNS = 1000
STATES = ("", "waiting", "leased", "done", "dead", "withdrawn")


class Paused(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``PUT rules/{name}/paused`` takes."""

    paused: bool


class DryRunWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``POST dry-runs`` takes."""

    rule: Rule
    since: str = ""
    limit: int = 100


class Replay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``POST rules/{name}/replay`` takes."""

    since: str = ""
    again: bool = False


class RuleRoutes:
    """Each asks the automation as the token's user.

    Parameters
    ----------
    automation : LocalAutomation
        Rules and deliveries of the lake.
    """

    def __init__(self, automation: LocalAutomation) -> None:
        self._automation = automation

    def routes(self) -> list[Route]:
        """The routes, relative to the service's prefix."""
        return [
            Route("/rules", self.rules),
            Route("/rules", self.save_rule, methods=["POST"]),
            Route("/rules/{name}", self.delete_rule, methods=["DELETE"]),
            Route("/rules/{name}/versions", self.versions),
            Route("/rules/{name}/paused", self.pause, methods=["PUT"]),
            Route("/rules/{name}/replay", self.replay, methods=["POST"]),
            Route("/dry-runs", self.dry_run, methods=["POST"]),
            Route("/deliveries", self.deliveries),
            Route("/deliveries/{id}/retry", self.retry, methods=["POST"]),
            Route("/functions", self.functions),
            Route("/functions", self.save_function, methods=["POST"]),
            Route("/functions/{name}", self.delete_function, methods=["DELETE"]),
        ]

    async def rules(self, request: Request) -> Response:
        """``GET rules``."""
        return await self._answer(request, "rules")

    async def save_rule(self, request: Request) -> Response:
        """``POST rules``."""
        return await self._answer(request, "save_rule", await body_as(request, Rule))

    async def delete_rule(self, request: Request) -> Response:
        """``DELETE rules/{name}``."""
        return await self._answer(request, "delete_rule", _name(request))

    async def versions(self, request: Request) -> Response:
        """``GET rules/{name}/versions``: newest first."""
        return await self._answer(request, "rule_versions", _name(request))

    async def pause(self, request: Request) -> Response:
        """``PUT rules/{name}/paused``."""
        body = await body_as(request, Paused)
        return await self._answer(request, "pause_rule", _name(request), body.paused)

    async def replay(self, request: Request) -> Response:
        """``POST rules/{name}/replay``: deliver events of the past."""
        body = await body_as(request, Replay)
        reader = await reader_of(request)
        made = await run_in_threadpool(
            self._automation.replay_rule,
            _name(request),
            since=body.since,
            again=body.again,
            reader=reader,
        )
        return json_response({"made": made})

    async def dry_run(self, request: Request) -> Response:
        """``POST dry-runs``: what a rule would have done."""
        body = await body_as(request, DryRunWanted)
        if not 0 <= body.limit <= MOST_DRY_RUNS:
            raise BadRequest(f"limit must be from 0 to {MOST_DRY_RUNS}.", field="limit")
        return await self._answer(request, "dry_run", body.rule, since=body.since, limit=body.limit)

    async def deliveries(self, request: Request) -> Response:
        """``GET deliveries?rule&state&limit&before``: newest first."""
        state = request.query_params.get("state", "")
        if state not in STATES:
            raise BadRequest(f"state must be one of {', '.join(STATES[1:])}.", field="state")
        return await self._answer(
            request,
            "deliveries",
            request.query_params.get("rule", ""),
            state=cast("DeliveryState", state),
            limit=number_of(request, "limit", 50, MOST_DELIVERIES),
            before=number_of(request, "before", 0, 2**62),
        )

    async def retry(self, request: Request) -> Response:
        """``POST deliveries/{id}/retry``: of a dead letter."""
        return await self._answer(request, "retry_delivery", request.path_params["id"])

    async def functions(self, request: Request) -> Response:
        """``GET functions``: without their code."""
        return await self._answer(request, "functions")

    async def save_function(self, request: Request) -> Response:
        """``POST functions``."""
        function = await body_as(request, DeployedFunction)
        reader = await reader_of(request)
        digest = await run_in_threadpool(self._automation.save_function, function, reader=reader)
        return json_response({"digest": digest})

    async def delete_function(self, request: Request) -> Response:
        """``DELETE functions/{name}``."""
        return await self._answer(request, "delete_function", _name(request))

    async def _answer(self, request: Request, method: str, *values: Any, **named: Any) -> Response:
        # In a thread: a write waits for the disk, and other askers should not.
        reader = await reader_of(request)
        ask = getattr(self._automation, method)
        answer = await run_in_threadpool(ask, *values, reader=reader, **named)
        return Response(status_code=204) if answer is None else json_response(answer)


def _name(request: Request) -> str:
    return request.path_params["name"]
