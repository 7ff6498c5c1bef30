"""Automation in this process: the ledger, the engine, and what a reader may see of them."""

import threading
from pathlib import Path
from typing import Any

import msgspec

from ..catalogs.access import PRIVATE, Reader
from ..catalogs.errors import BadParameter, NotFound, PlanExceeded
from ..catalogs.events.log import EventLog
from ..catalogs.lake import Lake
from ..catalogs.times import now_text
from .deliveries import Performer, RecipesOnly
from .engine import Engine
from .executor import LocalExecutor
from .functions import FunctionStore
from .jobs import Job, Recipe, Schedule
from .lake_performers import lake_performers
from .ledger import Ledger
from .local_rules import LocalRules, visible
from .recipes import Shelf
from .rules.checks import Fields
from .rules.naming import job_id
from .schedules import check_cron, next_time

LARGEST_PARAMETERS = 500_000
# A queue that is longer than this will hardly be what its owner wants.
OPEN_JOBS_OF_A_USER = 1000

_opened: "dict[Path, LocalAutomation]" = {}
_opening = threading.Lock()


class LocalAutomation(LocalRules):
    """What the hub's service serves, and what a lake without a hub uses directly.

    Parameters
    ----------
    ledger : Ledger
        Jobs, rules and schedules.
    engine : Engine
        Runs them; it is started when first needed.
    shelf : Shelf
        The recipes.
    log : EventLog
        The log that rules follow.
    root : Path
        The lake's folder.
    user : str
        Who "myself" is when no reader is given.
    performer : Performer, optional
        That of the engine; by default rules only run recipes.
    functions : FunctionStore, optional
        The deployed functions; by default a file beside the ledger.
    fields : callable, optional
        The fields of a type of events, by its schema.
    """

    def __init__(
        self,
        ledger: Ledger,
        engine: Engine,
        *,
        shelf: Shelf,
        log: EventLog,
        root: Path,
        user: str,
        performer: Performer | None = None,
        functions: FunctionStore | None = None,
        fields: Fields = lambda _type: None,
    ) -> None:
        super().__init__(
            ledger,
            log=log,
            user=user,
            functions=functions or FunctionStore(ledger.path.with_name("functions.sqlite")),
            performer=performer or RecipesOnly(),
            groups=engine.groups,
            fields=fields,
            wake=engine.dispatcher.wake,
        )
        self._engine = engine
        self._shelf = shelf
        self._root = root
        self._starting = threading.Lock()
        self._started = False
        self.closed = False

    def start(self) -> None:
        """Start the engine unless it runs; raises ``Conflict`` when another one has the lake."""
        with self._starting:
            if not self._started:
                self._engine.start()
                self._started = True

    def close(self) -> None:
        """Stop the engine and close the ledger."""
        with self._starting:
            if self._started:
                self._engine.stop()
                self._started = False
            self.closed = True
            self._ledger.close()
            self._functions.close()

    def recipes(self) -> list[Recipe]:
        """The recipes that can be run."""
        return self._shelf.recipes()

    def submit(
        self,
        recipe: str,
        parameters: dict[str, Any],
        *,
        key: str = "",
        reader: Reader | None = None,
    ) -> Job:
        """Queue a job; see :meth:`Automation.submit`.

        Raises ``PlanExceeded`` when the user has a thousand jobs that have not ended.
        """
        owner = self._owner(reader)
        checked = self._check(recipe, parameters)
        id = job_id("key", owner, key) if key else job_id()
        known = self._ledger.find(id)
        if known is not None:
            return known
        if self._ledger.count_open(owner) >= OPEN_JOBS_OF_A_USER:
            raise PlanExceeded(
                f"{OPEN_JOBS_OF_A_USER} of your jobs have not ended; dismiss some first."
            )
        self.start()
        return self._ledger.insert(Job(id=id, recipe=recipe, parameters=checked, owner=owner))

    def job(self, id: str, *, reader: Reader | None = None) -> Job:
        """One job; raises ``NotFound``."""
        job = self._ledger.job(id)
        if reader is not None and not reader.may_see(job.owner, PRIVATE):
            raise NotFound(f"There is no job {id!r}.", field="id")
        return job

    def jobs(self, *, limit: int = 50, reader: Reader | None = None) -> list[Job]:
        """Visible jobs, newest first."""
        owner = None if reader is None or reader.admin else reader.name
        return self._ledger.jobs(limit=limit, owner=owner)

    def dismiss(self, id: str, *, reader: Reader | None = None) -> Job:
        """Stop a job, or forget one that waits; one that has ended stays as it is."""
        job = self.job(id, reader=reader)
        return self._ledger.end(job.id, "dismissed", "Dismissed.")

    def notebook(self, id: str, *, reader: Reader | None = None) -> bytes:
        """The executed notebook (ipynb) as far as it got; raises ``NotFound``."""
        job = self.job(id, reader=reader)
        path = self._root / "runs" / job.id / "notebook.ipynb"
        if not path.exists():
            raise NotFound(f"Job {id!r} has executed nothing yet.", field="id")
        return path.read_bytes()

    def save_schedule(self, schedule: Schedule, *, reader: Reader | None = None) -> Schedule:
        """Check and store a schedule."""
        check_cron(schedule.name, schedule.cron)
        schedule = msgspec.structs.replace(
            schedule,
            owner=self._owner(reader, schedule.owner),
            parameters=self._check(schedule.recipe, schedule.parameters),
            created=now_text(),
        )
        self.start()
        self._ledger.keep(schedule)
        self._engine.plan_schedules()
        return _with_next(schedule)

    def schedules(self, *, reader: Reader | None = None) -> list[Schedule]:
        """Visible schedules, by name."""
        return [_with_next(each) for each in visible(self._ledger.kept(Schedule), reader)]

    def delete_schedule(self, name: str, *, reader: Reader | None = None) -> None:
        """Withdraw a schedule."""
        schedule = self._named(self._ledger.kept(Schedule), name, reader)
        self.start()
        self._ledger.drop(schedule)
        self._engine.plan_schedules()

    def claim(self, id: str, attempt: int) -> bool:
        """Take the right to run this attempt; False when it was overtaken or has ended."""
        return self._ledger.claim(id, attempt)

    def progress(self, id: str, attempt: int, *, done: int, total: int, message: str = "") -> bool:
        """Renew the lease and say how far it is; False tells the worker to stop."""
        return self._ledger.progress(id, attempt, done=done, total=total, message=message)

    def finish(
        self, id: str, attempt: int, *, error: str = "", results: tuple[str, ...] = ()
    ) -> bool:
        """Say that the attempt ended; False when it was overtaken."""
        return self._ledger.finish(id, attempt, error=error, results=results)

    def _check(
        self, recipe: str, parameters: dict[str, Any], *, later: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        checked = self._shelf.check(recipe, parameters, later=later)
        for name, value in checked.items():
            if len(msgspec.json.encode(value)) > LARGEST_PARAMETERS:
                raise BadParameter(
                    f"Parameter {name!r} is larger than {LARGEST_PARAMETERS // 1000} kB; "
                    "publish the data and pass its name.",
                    field=name,
                )
        return checked


def open_automation(lake: Lake, *, shelf: Shelf | None = None) -> LocalAutomation:
    """The automation of a lake that is opened in this process, without a hub.

    While it is open the same one is returned.

    Parameters
    ----------
    lake : Lake
        The lake.
    shelf : Shelf, optional
        Other recipes than those that come with Boathouse.
    """
    with _opening:
        known = _opened.get(lake.root)
        if known is None or known.closed:
            known = _opened[lake.root] = _open(lake, shelf or Shelf())
        return known


def _open(lake: Lake, shelf: Shelf) -> LocalAutomation:
    ledger = Ledger(lake.state / "automation.sqlite")
    executor = LocalExecutor(lake.root, ledger=ledger.path)
    functions = FunctionStore(lake.state / "functions.sqlite")
    performer = lake_performers(lake, executor, functions)
    engine = Engine(
        ledger,
        log=lake.log,
        shelf=shelf,
        executor=executor,
        state=lake.state,
        performer=performer,
    )
    return LocalAutomation(
        ledger,
        engine,
        shelf=shelf,
        log=lake.log,
        root=lake.root,
        user=lake.user,
        performer=performer,
        functions=functions,
    )


def _with_next(schedule: Schedule) -> Schedule:
    return msgspec.structs.replace(schedule, next=next_time(schedule.cron))
