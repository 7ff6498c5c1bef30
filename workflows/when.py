"""A condition on events, and all that can be done when it holds."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from ..catalogs.access import PRIVATE
from ..catalogs.errors import BadRequest
from ..catalogs.events.conditions import make_filter
from ..catalogs.events.event import EventFilter
from ..catalogs.lake import LakeLike, open_lake
from .automation import Automation
from .listener import Listener
from .options import Options, deployed_rule
from .recipes import jsonable, plain_parameters
from .rule_files import retry_of, seconds_of
from .rule_handle import SavedRule
from .rules.model import (
    Action,
    CommandAction,
    Fan,
    NotebookAction,
    NotifyAction,
    OperateAction,
    PostAction,
    Retry,
    Rule,
)


class When:
    """A condition on events: decorate a function with it, or say what shall happen.

    Parameters
    ----------
    where : EventFilter
        Which events.
    options : Options
        How they are handed over.
    lake : Lake, path or None
        Whose log.
    automation : callable
        Finds the automation of a lake.
    """

    def __init__(
        self,
        where: EventFilter,
        options: Options,
        lake: LakeLike,
        automation: Callable[[LakeLike], Automation],
    ) -> None:
        self.where = where
        self._options = options
        self._lake = lake
        self._automation = automation

    def __repr__(self) -> str:
        return f"When(type={self.where.type!r}, collection={self.where.collection!r})"

    def __call__(self, function: Callable[..., Any]) -> Listener:
        """Call a function with each event while this kernel lives; see :class:`.Listener`."""
        check_narrow(self.where, self._options)
        return Listener(function, self.where, open_lake(self._lake), self._options)

    def notebook(
        self, recipe: str, parameters: dict[str, Any] | None = None, name: str = ""
    ) -> SavedRule:
        """Save a rule that runs a recipe, also when you are away.

        Parameters
        ----------
        recipe : str
            One of :func:`recipes`.
        parameters : dict, optional
            A text may hold ``{collection}``, ``{datatime}``, ``{subject}`` or another attribute
            of the event, a field that the condition names, or ``{data.a.b}`` of its payload.
        name : str, optional
            A rule of the same name is replaced; by default what it does and about what.

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
        >>> when = bh.on("org.ogc.api.collection.item.create", collection="sst")
        ... # doctest: +SKIP
        >>> when.notebook("mean-over-shape", {"dataset": "sst", ...})  # doctest: +SKIP
        """
        action = NotebookAction(recipe=recipe, parameters=plain_parameters(parameters or {}))
        return self._save(action, recipe, name)

    def post(self, url: str, *, secret: str = "", name: str = "") -> SavedRule:
        """Save a rule that posts the events, as CloudEvents, to a web address.

        Parameters
        ----------
        url : str
            ``https://...``; no private machine unless the hub allows it.
        secret : str, optional
            Signs each post, so that the receiver knows it is from you.
        name : str, optional
            As for :meth:`notebook`.

        Examples
        --------
        >>> bh.on(collection="sst").post("https://example.org/hook")  # doctest: +SKIP
        """
        return self._save(PostAction(url=url, secret=secret), "post", name)

    def command(
        self, words: Sequence[str], *, timeout: float | str = 300, name: str = ""
    ) -> SavedRule:
        """Save a rule that runs a program on your cluster; there is no shell.

        Parameters
        ----------
        words : sequence of str
            The program and its arguments; in these ``{subject}`` and the like may stand.  The
            event is its input, as JSON.  It begins in your home folder.
        timeout : float or str, optional
            After so long (seconds, or ``"10m"``) it is killed and tried again.
        name : str, optional
            As for :meth:`notebook`.

        Examples
        --------
        >>> bh.on(collection="sst").command(["./fetch", "{dataref}"])  # doctest: +SKIP
        """
        if isinstance(words, str):
            raise BadRequest(
                "A command is a list, such as ['./fetch', '{dataref}']: there is no shell that "
                "would part one text into words.",
                field="words",
            )
        texts = tuple(str(word) for word in words)
        program = texts[0].rpartition("/")[2] if texts else ""
        action = CommandAction(words=texts, timeout=seconds_of(timeout, "timeout"))
        return self._save(action, program, name)

    def notify(
        self,
        type: str,
        *,
        collection: str = "",
        subject: str = "",
        data: Any = None,
        access: str = PRIVATE,
        name: str = "",
    ) -> SavedRule:
        """Save a rule that puts another event into the log, once for each.

        Parameters
        ----------
        type : str
            Its type, such as ``"org.example.storm.alert"``.
        collection, subject, data, access : optional
            As for :func:`boathouse.notify`; texts may hold ``{subject}`` and the like.
        name : str, optional
            As for :meth:`notebook`.

        Examples
        --------
        >>> storms = bh.on("org.example.storm", area=farm)  # doctest: +SKIP
        >>> storms.notify("org.example.alert", data={"storm": "{id}"})  # doctest: +SKIP
        """
        action = NotifyAction(
            type=type, collection=collection, subject=subject, data=jsonable(data), access=access
        )
        return self._save(action, type.rpartition(".")[2], name)

    def dask(self, function: Callable[..., Any], *, name: str = "") -> SavedRule:
        """Deploy a function that runs on your Dask cluster, also when this kernel is gone.

        Parameters
        ----------
        function : callable
            Called with one event (with a list of them when they are put together); a parameter
            that is called ``lake`` gets the lake.  What it returns is kept when it can be
            written as JSON.
        name : str, optional
            Of function and rule; by default the function's name.

        Raises
        ------
        BadRequest
            When it holds what cannot be sent, or is too large.

        Examples
        --------
        >>> bh.on(collection="sst").dask(lambda event: event.subject, name="s")  # doctest: +SKIP
        """
        chosen = self._automation(self._lake)
        rule = deployed_rule(function, self.where, self._options, chosen.save_function, name=name)
        return SavedRule(chosen.save_rule(rule), chosen)

    def operate(
        self,
        station: str,
        command: str,
        parameters: dict[str, Any] | None = None,
        *,
        expires: float | str = 3600,
        name: str = "",
    ) -> SavedRule:
        """Save a rule that sends a command to an instrument.

        Parameters
        ----------
        station, command : str
            To whom, and one of its commands.
        parameters : dict, optional
            As the station's schema of the command has them.
        expires : float or str, optional
            After so long (seconds, or ``"10m"``) it is not to be begun any more.
        name : str, optional
            As for :meth:`notebook`.

        Examples
        --------
        >>> bh.on("org.example.gust").operate("turbine-7", "stop")  # doctest: +SKIP
        """
        action = OperateAction(
            station=station,
            command=command,
            parameters=plain_parameters(parameters or {}),
            expires=seconds_of(expires, "expires"),
        )
        return self._save(action, f"{command} {station}", name)

    def rule(self, action: Action, name: str) -> Rule:
        """The rule that does this, not saved."""
        options = self._options
        return Rule(
            name=name,
            owner="",
            where=self.where,
            action=action,
            fan=options.fan,
            within=options.within,
            retry=options.retry,
            concurrency=options.of_rule,
            key=options.key,
        )

    def _save(self, action: Action, what: str, name: str) -> SavedRule:
        about = self.where.collection or self.where.type.rpartition(".")[2] or "events"
        # Names hold letters, digits, blanks and a few signs.
        plain = "".join(sign if sign.isalnum() or sign in " .:-_" else "-" for sign in what)
        chosen_name = name or self._options.name or f"{plain} on {about}".lstrip("-. ")
        chosen = self._automation(self._lake)
        return SavedRule(chosen.save_rule(self.rule(action, chosen_name)), chosen)


def make_options(
    *,
    name: str = "",
    retry: int | Mapping[str, Any] | Retry | None = None,
    concurrency: int | None = None,
    key: str = "",
    batch: int = 1,
    window: float | str = 0,
    all_of: Sequence[Any] = (),
    by: str = "",
    within: float | str = 0,
) -> Options:
    """Options from what a person writes; raises ``BadRequest`` that names the wrong one."""
    for field, value in (("concurrency", concurrency), ("batch", batch)):
        if value is not None and value < 1:
            raise BadRequest(f"{field} must be at least 1, not {value}.", field=field)
    return Options(
        name=name,
        retry=retry if isinstance(retry, Retry) else retry_of(retry, "retry"),
        concurrency=concurrency or 0,
        key=key,
        fan=Fan(
            count=batch,
            window=seconds_of(window, "window"),
            all_of=tuple(_part(each, index) for index, each in enumerate(all_of)),
            by=by,
        ),
        within=seconds_of(within, "within"),
    )


def check_narrow(where: EventFilter, options: Options) -> None:
    """Raise ``BadRequest`` when every event there is would be meant."""
    parts = options.fan.all_of or (where,)
    if any(part == EventFilter() for part in parts):
        raise BadRequest(
            "Say which events: a type, a collection, or another condition; without any, every "
            "event of the lake would come.",
            field="where",
        )


def _part(part: Any, index: int) -> EventFilter:
    if isinstance(part, When):
        return part.where
    if isinstance(part, EventFilter):
        return part.validated()
    if isinstance(part, Mapping):
        given = {str(name): value for name, value in cast("Mapping[Any, Any]", part).items()}
        known = inspect.signature(make_filter).parameters
        named: dict[str, Any] = {name: value for name, value in given.items() if name in known}
        named["fields"] = {name: value for name, value in given.items() if name not in known}
        return make_filter(**named)
    raise BadRequest(
        f"all_of[{index}] must be a condition: bh.on(...), or a dict such as "
        "{'type': 'org.example.ping'}.",
        field=f"all_of[{index}]",
    )
