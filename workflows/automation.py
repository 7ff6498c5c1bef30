"""The interface of automation: the engine in process and the HTTP client both implement it."""

from abc import ABC, abstractmethod
from typing import Any

from ..catalogs.access import Reader
from .jobs import Job, Recipe, Rule, Schedule


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
    def delete_rule(self, name: str, *, reader: Reader | None = None) -> None:
        """Withdraw a rule; running jobs end in peace."""

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
