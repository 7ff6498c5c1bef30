"""Automation through the hub's service."""

from typing import Any, Literal
from urllib.parse import quote
from uuid import uuid4

import msgspec

from ..catalogs.access import Reader
from ..catalogs.http import call
from ..catalogs.lake import Connection
from .automation import Automation
from .deliveries import Delivery, DeliveryState, DryRun
from .functions import DeployedFunction
from .jobs import Job, Recipe, Schedule
from .rules.model import Rule


class HttpAutomation(Automation):
    """What a kernel, a dashboard or a worker speaks to.

    The service answers as the token's user; ``reader`` is therefore not used.

    Parameters
    ----------
    connection : Connection
        The hub's address and a token.

    Examples
    --------
    >>> HttpAutomation(connection).jobs(limit=1)  # doctest: +SKIP
    [Job(id='...', recipe='mean-over-shape', ...)]
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def recipes(self) -> list[Recipe]:
        """The recipes that can be run."""
        return self._ask("GET", "recipes", list[Recipe])

    def submit(
        self,
        recipe: str,
        parameters: dict[str, Any],
        *,
        key: str = "",
        reader: Reader | None = None,
    ) -> Job:
        """Queue a job; see :meth:`Automation.submit`."""
        # With a key of its own a request that is sent twice makes one job.
        body = {"recipe": recipe, "parameters": parameters, "key": key or uuid4().hex}
        return self._ask("POST", "jobs", Job, body)

    def job(self, id: str, *, reader: Reader | None = None) -> Job:
        """One job; raises ``NotFound``."""
        return self._ask("GET", _path("jobs", id), Job)

    def jobs(self, *, limit: int = 50, reader: Reader | None = None) -> list[Job]:
        """The user's jobs, newest first."""
        return self._ask("GET", "jobs", list[Job], params={"limit": limit})

    def dismiss(self, id: str, *, reader: Reader | None = None) -> Job:
        """Stop a job, or forget one that waits."""
        return self._ask("DELETE", _path("jobs", id), Job)

    def notebook(self, id: str, *, reader: Reader | None = None) -> bytes:
        """The executed notebook (ipynb) as far as it got; raises ``NotFound``."""
        return call(self._connection, "automation", "GET", _path("jobs", id, "notebook")).content

    def save_rule(self, rule: Rule, *, reader: Reader | None = None) -> Rule:
        """Check and store a rule; it sees events that come after this call."""
        return self._ask("POST", "rules", Rule, rule)

    def rules(self, *, reader: Reader | None = None) -> list[Rule]:
        """The user's rules, by name."""
        return self._ask("GET", "rules", list[Rule])

    def rule_versions(self, name: str, *, reader: Reader | None = None) -> list[Rule]:
        """All versions of a rule, newest first, also when it was withdrawn."""
        return self._ask("GET", _path("rules", name, "versions"), list[Rule])

    def delete_rule(self, name: str, *, reader: Reader | None = None) -> None:
        """Withdraw a rule and its waiting deliveries; what runs ends in peace."""
        call(self._connection, "automation", "DELETE", _path("rules", name))

    def pause_rule(self, name: str, paused: bool = True, *, reader: Reader | None = None) -> Rule:
        """Let a rule rest, or go on; events that come meanwhile are passed over."""
        return self._ask("PUT", _path("rules", name, "paused"), Rule, {"paused": paused})

    def dry_run(
        self, rule: Rule, *, since: str = "", limit: int = 100, reader: Reader | None = None
    ) -> list[DryRun]:
        """What a rule, saved or not, would have done on the events that the log keeps."""
        body = {"rule": rule, "since": since, "limit": limit}
        return self._ask("POST", "dry-runs", list[DryRun], body)

    def replay_rule(
        self, name: str, *, since: str = "", again: bool = False, reader: Reader | None = None
    ) -> int:
        """Deliver events of the past to a rule; returns how many deliveries were made."""
        body = {"since": since, "again": again}
        return self._ask("POST", _path("rules", name, "replay"), dict[str, int], body)["made"]

    def deliveries(
        self,
        rule: str = "",
        *,
        state: DeliveryState | Literal[""] = "",
        limit: int = 50,
        before: int = 0,
        reader: Reader | None = None,
    ) -> list[Delivery]:
        """What the user's rules did and will do, newest first."""
        params = {"rule": rule, "state": state, "limit": limit, "before": before}
        return self._ask("GET", "deliveries", list[Delivery], params=params)

    def retry_delivery(self, id: str, *, reader: Reader | None = None) -> Delivery:
        """Let a dead letter be tried again, with all its attempts."""
        return self._ask("POST", _path("deliveries", id, "retry"), Delivery)

    def save_function(self, function: DeployedFunction, *, reader: Reader | None = None) -> str:
        """Keep a function for rules of its owner; returns its digest."""
        return self._ask("POST", "functions", dict[str, str], function)["digest"]

    def functions(self, *, reader: Reader | None = None) -> list[DeployedFunction]:
        """The user's deployed functions without their code, by name."""
        return self._ask("GET", "functions", list[DeployedFunction])

    def delete_function(self, name: str, *, reader: Reader | None = None) -> None:
        """Withdraw a deployed function: it runs no more."""
        call(self._connection, "automation", "DELETE", _path("functions", name))

    def save_schedule(self, schedule: Schedule, *, reader: Reader | None = None) -> Schedule:
        """Check and store a schedule."""
        return self._ask("POST", "schedules", Schedule, schedule)

    def schedules(self, *, reader: Reader | None = None) -> list[Schedule]:
        """The user's schedules, by name."""
        return self._ask("GET", "schedules", list[Schedule])

    def delete_schedule(self, name: str, *, reader: Reader | None = None) -> None:
        """Withdraw a schedule."""
        call(self._connection, "automation", "DELETE", _path("schedules", name))

    def claim(self, id: str, attempt: int) -> bool:
        """Take the right to run this attempt; False when it was overtaken or has ended."""
        return self._say("POST", id, "claim", {"attempt": attempt})

    def progress(self, id: str, attempt: int, *, done: int, total: int, message: str = "") -> bool:
        """Renew the lease and say how far it is; False tells the worker to stop."""
        body = {"attempt": attempt, "done": done, "total": total, "message": message}
        return self._say("PUT", id, "progress", body)

    def finish(
        self, id: str, attempt: int, *, error: str = "", results: tuple[str, ...] = ()
    ) -> bool:
        """Say that the attempt ended; False when it was overtaken."""
        body = {"attempt": attempt, "error": error, "results": results}
        return self._say("POST", id, "finish", body)

    def _say(self, method: str, id: str, verb: str, body: dict[str, Any]) -> bool:
        return self._ask(method, _path("jobs", id, verb), dict[str, bool], body)["ok"]

    def _ask(
        self,
        method: str,
        path: str,
        kind: Any,
        body: Any = None,
        params: dict[str, Any] | None = None,
    ) -> Any:
        response = call(self._connection, "automation", method, path, json=body, params=params)
        return msgspec.json.decode(response.content, type=kind)


def _path(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)
