"""The interface of automation: the engine in process and the HTTP client both implement it."""

from abc import ABC, abstractmethod
from typing import Any, Literal

from ..catalogs.access import Reader
from .deliveries import Delivery, DeliveryState, DryRun
from .functions import DeployedFunction
from .jobs import Job, Recipe, Schedule
from .rules.model import Rule


class Automation(ABC):
    """Runs recipes by hand, by rule and by schedule.

    ``reader`` None means "as myself", as in :class:`boathouse.catalogs.store.Store`.
    """

    @abstractmethod
    def recipes(self) -> list[Recipe]:
        """The recipes that can be run."""

    @abstractmethod
    def submit(
        self,
        recipe: str,
        parameters: dict[str, Any],
        *,
        key: str = "",
        reader: Reader | None = None,
    ) -> Job:
        """Queue a job; the same non-empty ``key`` of the same user returns the first job.

        Raises ``NotFound`` for an unknown recipe and ``BadParameter`` for a wrong one.
        """

    @abstractmethod
    def job(self, id: str, *, reader: Reader | None = None) -> Job:
        """One job; raises ``NotFound``."""

    @abstractmethod
    def jobs(self, *, limit: int = 50, reader: Reader | None = None) -> list[Job]:
        """Visible jobs, newest first."""

    @abstractmethod
    def dismiss(self, id: str, *, reader: Reader | None = None) -> Job:
        """Stop a job, or forget one that waits."""

    @abstractmethod
    def notebook(self, id: str, *, reader: Reader | None = None) -> bytes:
        """The executed notebook (ipynb) as far as it got; raises ``NotFound``."""

    @abstractmethod
    def save_rule(self, rule: Rule, *, reader: Reader | None = None) -> Rule:
        """Check and store a rule; it sees events that come after this call."""

    @abstractmethod
    def rules(self, *, reader: Reader | None = None) -> list[Rule]:
        """Visible rules, by name."""

    @abstractmethod
    def rule_versions(self, name: str, *, reader: Reader | None = None) -> list[Rule]:
        """All versions of a rule, newest first, also when it was withdrawn."""

    @abstractmethod
    def delete_rule(self, name: str, *, reader: Reader | None = None) -> None:
        """Withdraw a rule and its waiting deliveries; what runs ends in peace."""

    @abstractmethod
    def pause_rule(self, name: str, paused: bool = True, *, reader: Reader | None = None) -> Rule:
        """Let a rule rest, or go on; events that come meanwhile are passed over."""

    @abstractmethod
    def dry_run(
        self, rule: Rule, *, since: str = "", limit: int = 100, reader: Reader | None = None
    ) -> list[DryRun]:
        """What a rule, saved or not, would have done on the events that the log keeps.

        Parameters
        ----------
        rule : Rule
            It is checked as :meth:`save_rule` does.
        since : str
            RFC 3339; by default from the first event.
        limit : int
            At most so many, the oldest first.
        """

    @abstractmethod
    def replay_rule(
        self, name: str, *, since: str = "", again: bool = False, reader: Reader | None = None
    ) -> int:
        """Deliver events of the past to a rule; returns how many deliveries were made.

        Parameters
        ----------
        name : str
            The rule.
        since : str
            RFC 3339; by default from the first event that the log keeps.
        again : bool
            Also what was delivered already; by default that is left out.
        """

    @abstractmethod
    def deliveries(
        self,
        rule: str = "",
        *,
        state: DeliveryState | Literal[""] = "",
        limit: int = 50,
        before: int = 0,
        reader: Reader | None = None,
    ) -> list[Delivery]:
        """What rules did and will do, newest first.

        Parameters
        ----------
        rule : str
            Only of this one.
        state : str
            Only in this state, such as ``"dead"``.
        limit : int
            At most so many.
        before : int
            Only older ones than the delivery of this ``number``: the next page.
        """

    @abstractmethod
    def retry_delivery(self, id: str, *, reader: Reader | None = None) -> Delivery:
        """Let a dead letter be tried again, with all its attempts.

        Raises
        ------
        NotFound
            When there is no such delivery, or its rule was withdrawn.
        Conflict
            When it is no dead letter.
        """

    @abstractmethod
    def save_function(self, function: DeployedFunction, *, reader: Reader | None = None) -> str:
        """Keep a function for rules of its owner; returns its digest."""

    @abstractmethod
    def functions(self, *, reader: Reader | None = None) -> list[DeployedFunction]:
        """Visible deployed functions without their code, by name."""

    @abstractmethod
    def delete_function(self, name: str, *, reader: Reader | None = None) -> None:
        """Withdraw a deployed function: it runs no more."""

    @abstractmethod
    def save_schedule(self, schedule: Schedule, *, reader: Reader | None = None) -> Schedule:
        """Check and store a schedule."""

    @abstractmethod
    def schedules(self, *, reader: Reader | None = None) -> list[Schedule]:
        """Visible schedules, by name."""

    @abstractmethod
    def delete_schedule(self, name: str, *, reader: Reader | None = None) -> None:
        """Withdraw a schedule."""

    # What the worker that runs a job says.

    @abstractmethod
    def claim(self, id: str, attempt: int) -> bool:
        """Take the right to run this attempt; False when it was overtaken or has ended."""

    @abstractmethod
    def progress(self, id: str, attempt: int, *, done: int, total: int, message: str = "") -> bool:
        """Renew the lease and say how far it is; False tells the worker to stop."""

    @abstractmethod
    def finish(
        self, id: str, attempt: int, *, error: str = "", results: tuple[str, ...] = ()
    ) -> bool:
        """Say that the attempt ended; False when it was overtaken."""
