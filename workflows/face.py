"""What a notebook says to automation: ``on``, ``run``, ``schedule`` and the lists."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ..catalogs.events.conditions import make_filter
from ..catalogs.lake import LakeLike, open_lake
from .automation import Automation
from .handle import JobHandle, Saved
from .jobs import Recipe, Schedule
from .listing import Jobs, Listing, Standing, list_jobs, list_recipes, list_schedules
from .recipes import plain_parameters
from .rule_handle import Rules, save_rules, with_digests
from .rules.model import Retry
from .when import When, make_options

Time = datetime | date | str


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


def on(
    type: str | Sequence[str] = "",
    *,
    collection: str = "",
    source: str = "",
    subject: str = "",
    since: Time = "",
    until: Time = "",
    data_since: Time = "",
    data_until: Time = "",
    bbox: Sequence[float] | str = (),
    area: Any = None,
    where: Mapping[str, Any] | None = None,
    name: str = "",
    retry: int | Mapping[str, Any] | Retry | None = None,
    concurrency: int | None = None,
    key: str = "",
    batch: int = 1,
    window: float | str = 0,
    all_of: Sequence[Any] = (),
    by: str = "",
    within: float | str = 0,
    lake: LakeLike = None,
    **fields: Any,
) -> When:
    """When such an event comes ...

    Parameters
    ----------
    type : str or sequence of str
        The event type, such as ``"org.ogc.api.collection.item.create"``; ``"org.example.*"`` is
        every type that begins so, several mean any of them.
    collection, source, subject : str, optional
        Only events about this collection, from here, about this; a ``*`` at the end of a
        subject means every one that begins so.
    since, until, data_since, data_until : datetime, date or str, optional
        The time of publishing and the time of the data.  A function that begins to listen
        with a ``since`` in the past is first called with what came since then.
    bbox, area : optional
        West, south, east, north in degrees; or a shape, GeoJSON, or what has
        ``__geo_interface__``: events whose geometry touches it.
    where, **fields : optional
        Fields of the event, such as ``cloud_cover={"lt": 20}`` or ``step=[0, 6]``.
    name : str, optional
        What the server keeps a function's place in the log under; by default its notebook's
        and its own name.  Of the rule, for what is saved.
    retry : int, dict or Retry, optional
        How often an event is tried before it becomes a dead letter (5), or
        ``{"attempts": 5, "first": "1s", "max": "10m"}``.
    concurrency : int, optional
        So many at once; by default one function call, and four deliveries of a rule.
    key : str, optional
        A text such as ``"{subject}"``: events of the same key are taken one at a time, in order.
    batch, window : optional
        So many events together, or all of so long (seconds, or ``"5m"``), whichever is first.
    all_of : sequence, optional
        Conditions (``bh.on(...)`` or dicts): when each has been met, their events together.
    by : str, optional
        Only events for which this text is the same are put together.
    within : float or str, optional
        The other way round: when nothing has come for so long (seconds, or ``"2h"``).
    lake : Lake, path or None, optional
        The default lake when None.

    Returns
    -------
    When
        Use it as a decorator for a function of this notebook, or call ``.notebook``,
        ``.post``, ``.command``, ``.notify``, ``.dask`` or ``.operate`` for a rule that stays.

    Raises
    ------
    BadRequest
        When a condition or an option is wrong; ``field`` names it.

    Examples
    --------
    >>> @on("org.ogc.api.collection.item.create", collection="sst")  # doctest: +SKIP
    ... def react(event):
    ...     print(event.subject)
    >>> on("org.example.storm", area=farm, gust={"gt": 25}).operate("t7", "stop")  # doctest: +SKIP
    """
    condition = make_filter(
        type=type,
        collection=collection,
        source=source,
        subject=subject,
        since=since,
        until=until,
        data_since=data_since,
        data_until=data_until,
        bbox=bbox,
        area=area,
        where=where,
        fields=fields,
    )
    options = make_options(
        name=name,
        retry=retry,
        concurrency=concurrency,
        key=key,
        batch=batch,
        window=window,
        all_of=all_of,
        by=by,
        within=within,
    )
    return When(condition, options, lake, automation)


def load_rules(
    path: str | Path, *, areas: Mapping[str, Any] | None = None, lake: LakeLike = None
) -> Rules:
    """Save the rules of a YAML file; those that stand already as they are stay untouched.

    Parameters
    ----------
    path : path
        With ``rules:``, or Aviso's with ``listeners:``.
    areas : mapping, optional
        Shapes or GeoJSON by name, for filters that say ``intersects: {area: NAME}``.
    lake : Lake, path or None, optional
        The default lake when None.

    Returns
    -------
    Rules
        All your rules now.

    Raises
    ------
    BadRequest
        For what is wrong in the file; ``field`` is the place, such as
        ``rules[0].when.all[1].lt``.  Then none is saved.

    Examples
    --------
    >>> load_rules("rules.yaml", areas={"alps": [5, 44, 17, 48]})  # doctest: +SKIP
    """
    from .rule_files import read_rule_file

    rules, _dialect = read_rule_file(path, areas=areas)
    chosen = automation(lake)
    save_rules(with_digests(rules, chosen), chosen)
    return Rules(chosen)


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


def rules(*, lake: LakeLike = None) -> Rules:
    """Your rules, by name, with what they did lately.

    ``rules().history(name)`` shows more; ``pause``, ``resume``, ``dry_run``, ``replay``,
    ``retry`` and ``delete`` do what they say.
    """
    return Rules(automation(lake))


def schedules(*, lake: LakeLike = None) -> Standing[Schedule]:
    """Your schedules, by name; ``schedules().delete(name)`` withdraws one."""
    chosen = automation(lake)
    return list_schedules(chosen.schedules(), chosen.delete_schedule)


def recipes(*, lake: LakeLike = None) -> Listing[Recipe]:
    """The recipes that can be run, with their parameters."""
    return list_recipes(automation(lake).recipes())
