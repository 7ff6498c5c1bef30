"""What a notebook says to automation: ``on``, ``run``, ``schedule`` and the lists."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from ..catalogs.errors import Unavailable
from ..catalogs.events.event import Event, EventFilter
from ..catalogs.lake import LakeLike, open_lake
from .automation import Automation
from .handle import JobHandle, Saved
from .jobs import Recipe, Rule, Schedule
from .listing import Jobs, Listing, Standing, list_jobs, list_recipes, list_rules, list_schedules
from .recipes import plain_parameters
from .rules.model import NotebookAction

logger = logging.getLogger(__name__)

# How soon a listener that was stopped ends, in seconds; without a hub looking costs nothing.
SILENCE_SECONDS = 0.5
SILENCE_SECONDS_REMOTE = 30.0


def automation(lake: LakeLike = None) -> Automation:
    """The automation of a lake: the hub's service, or the engine in this process.

    Parameters
    ----------
    lake : Lake, path or None, optional
        The default lake when None.
    """
    opened = open_lake(lake)
    if opened.connection:
        from .remote import HttpAutomation

        return HttpAutomation(opened.connection)
    from .local import open_automation

    return open_automation(opened)


class When:
    """A condition on events; say what shall happen with :meth:`notebook` or as a decorator.

    Parameters
    ----------
    where : EventFilter
        Which events.
    lake : Lake, path or None
        Whose log.
    """

    def __init__(self, where: EventFilter, lake: LakeLike) -> None:
        self._where = where
        self._lake = lake

    def __repr__(self) -> str:
        return f"When(type={self._where.type!r}, collection={self._where.collection!r})"

    def __call__(self, function: Callable[[Event], Any]) -> "Listener":
        """Call a function for each event, in a thread, while this kernel lives."""
        return Listener(function, self._where, self._lake)

    def notebook(
        self, recipe: str, parameters: dict[str, Any] | None = None, name: str = ""
    ) -> Saved[Rule]:
        """Save a rule that runs a recipe for each event, also when you are away.

        Parameters
        ----------
        recipe : str
            One of :func:`recipes`.
        parameters : dict, optional
            A text may hold ``{collection}``, ``{datatime}``, ``{subject}``, ``{id}``,
            ``{source}``, ``{type}``, ``{time}`` or ``{sequence}`` of the event.
        name : str, optional
            A rule of the same name is replaced; by default recipe and collection.

        Returns
        -------
        Saved
            The rule, with ``delete()``.

        Raises
        ------
        NotFound
            When there is no such recipe.
        BadParameter
            When a parameter is unknown, missing or of the wrong type.
        BadRequest
            When neither a type nor a collection is given.

        Examples
        --------
        >>> when = on("org.ogc.api.collection.item.create", collection="sst")
        >>> when.notebook("mean-over-shape", {"dataset": "sst", ...})  # doctest: +SKIP
        """
        about = self._where.collection or self._where.type.rpartition(".")[2]
        rule = Rule(
            name=name or f"{recipe} on {about}",
            owner="",
            where=self._where,
            action=NotebookAction(recipe=recipe, parameters=plain_parameters(parameters or {})),
        )
        chosen = automation(self._lake)
        return Saved(chosen.save_rule(rule), chosen.delete_rule)


class Listener:
    """A function that is called for each event while this kernel lives.

    An error in the function is shown, and the next event is taken all the same.
    """

    def __init__(
        self, function: Callable[[Event], Any], where: EventFilter, lake: LakeLike
    ) -> None:
        self._function = function
        self._where = where
        self._lake = open_lake(lake)
        self._stopping = threading.Event()
        # From here on, not from when the thread happens to run.
        self._cursor = self._lake.log.last()
        self._thread = threading.Thread(
            target=self._run, name=f"boathouse-on-{function.__name__}", daemon=True
        )
        self._thread.start()

    def __repr__(self) -> str:
        state = "stopped" if self._stopping.is_set() else "listening"
        return (
            f"<{self._function.__name__} on {self._where.type or self._where.collection}: {state}>"
        )

    def __call__(self, event: Event) -> Any:
        """Call the function by hand, as for a test."""
        return self._function(event)

    def stop(self) -> None:
        """Listen no longer."""
        self._stopping.set()

    def _run(self) -> None:
        silence = SILENCE_SECONDS_REMOTE if self._lake.connection else SILENCE_SECONDS
        while not self._stopping.is_set():
            try:
                for event in self._lake.log.follow(
                    after=self._cursor, where=self._where, timeout=silence
                ):
                    if self._stopping.is_set():
                        return
                    self._cursor = event.sequence
                    self._call(event)
            except Unavailable:
                self._stopping.wait(SILENCE_SECONDS)

    def _call(self, event: Event) -> None:
        try:
            self._function(event)
        except Exception:
            logger.exception("%s failed on event %d", self._function.__name__, event.sequence)


def on(type: str = "", *, collection: str = "", lake: LakeLike = None) -> When:
    """When an event of this type (and collection) comes ...

    Parameters
    ----------
    type : str
        The exact event type, such as ``"org.ogc.api.collection.item.create"``; empty means
        any (then give a collection).
    collection : str, optional
        Only events about this collection.
    lake : Lake, path or None, optional
        The default lake when None.

    Returns
    -------
    When
        Use it as a decorator for a function of this notebook, or call ``.notebook(recipe,
        parameters)`` for a rule that stays.

    Examples
    --------
    >>> @on("org.ogc.api.collection.item.create", collection="sst")  # doctest: +SKIP
    ... def react(event):
    ...     print(event.subject)
    """
    return When(EventFilter(type=type, collection=collection), lake)


def run(recipe: str, *, lake: LakeLike = None, **parameters: Any) -> JobHandle:
    """Run a recipe now.

    Parameters
    ----------
    recipe : str
        One of :func:`recipes`.
    lake : Lake, path or None, optional
        The default lake when None.
    **parameters
        The recipe's parameters; a shape is passed as it is.

    Returns
    -------
    JobHandle
        At once; the job runs on your Dask cluster.

    Raises
    ------
    NotFound
        When there is no such recipe; the text lists those that exist.
    BadParameter
        When a parameter is unknown, missing or of the wrong type.

    Examples
    --------
    >>> job = run("mean-over-shape", dataset="era5-uk", shape=shape)  # doctest: +SKIP
    >>> job.result()  # doctest: +SKIP
    <xarray.Dataset> ...
    """
    opened = open_lake(lake)
    chosen = automation(opened)
    return JobHandle(chosen.submit(recipe, plain_parameters(parameters)), chosen, opened)


def schedule(
    cron: str, recipe: str, *, name: str = "", lake: LakeLike = None, **parameters: Any
) -> Saved[Schedule]:
    """Run a recipe at the times of a cron line, also when you are away.

    Parameters
    ----------
    cron : str
        Minute, hour, day, month and weekday in UTC, such as ``"0 6 * * *"``; with six fields
        the first is the second.
    recipe : str
        One of :func:`recipes`.
    name : str, optional
        A schedule of the same name is replaced; by default the recipe's name.
    lake : Lake, path or None, optional
        The default lake when None.
    **parameters
        The recipe's parameters.

    Returns
    -------
    Saved
        The schedule, with the time at which it is due next, and ``delete()``.

    Raises
    ------
    BadRequest
        When the cron line is none.
    NotFound, BadParameter
        As for :func:`run`.

    Examples
    --------
    >>> schedule("0 6 * * *", "mean-over-shape", dataset="sst", shape=shape)  # doctest: +SKIP
    """
    wanted = Schedule(
        name=name or recipe,
        owner="",
        cron=cron,
        recipe=recipe,
        parameters=plain_parameters(parameters),
    )
    chosen = automation(lake)
    return Saved(chosen.save_schedule(wanted), chosen.delete_schedule)


def jobs(*, limit: int = 50, lake: LakeLike = None) -> Jobs:
    """Your jobs, newest first; ``jobs().dismiss(id)`` stops one."""
    chosen = automation(lake)
    return list_jobs(chosen.jobs(limit=limit), chosen.dismiss)


def rules(*, lake: LakeLike = None) -> Standing[Rule]:
    """Your rules, by name; ``rules().delete(name)`` withdraws one."""
    chosen = automation(lake)
    return list_rules(chosen.rules(), chosen.delete_rule)


def schedules(*, lake: LakeLike = None) -> Standing[Schedule]:
    """Your schedules, by name; ``schedules().delete(name)`` withdraws one."""
    chosen = automation(lake)
    return list_schedules(chosen.schedules(), chosen.delete_schedule)


def recipes(*, lake: LakeLike = None) -> Listing[Recipe]:
    """The recipes that can be run, with their parameters."""
    return list_recipes(automation(lake).recipes())
