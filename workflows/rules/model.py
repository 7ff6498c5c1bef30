"""What a rule says: which events make a delivery, what is done, and how often it is tried."""

from typing import Any, Literal, cast

import msgspec

from ...catalogs.access import PUBLIC
from ...catalogs.errors import BadRequest
from ...catalogs.events.event import EventFilter

Kind = Literal["compute", "service", "operate"]


class NotebookAction(msgspec.Struct, frozen=True, kw_only=True, tag="notebook", tag_field="do"):
    """Run a recipe as a job of the rule's owner.

    Attributes
    ----------
    recipe : str
        The notebook's name below ``notebooks/recipes``.
    parameters : dict
        JSON values by parameter name; texts in them are templates.
    """

    recipe: str
    parameters: dict[str, Any] = {}


class PostAction(msgspec.Struct, frozen=True, kw_only=True, tag="post", tag_field="do"):
    """Post the events to a web address; with a secret they are signed."""

    url: str
    secret: str = ""


class CommandAction(msgspec.Struct, frozen=True, kw_only=True, tag="command", tag_field="do"):
    """Run a program on a worker of the owner's cluster, never through a shell.

    Attributes
    ----------
    words : tuple of str
        The program and its arguments; each is a template.
    timeout : float
        Seconds after which it is killed.
    """

    words: tuple[str, ...]
    timeout: float = 300.0


class NotifyAction(msgspec.Struct, frozen=True, kw_only=True, tag="notify", tag_field="do"):
    """Append an event to the log in the owner's name; its texts are templates."""

    type: str
    collection: str = ""
    subject: str = ""
    data: Any = None
    access: str = PUBLIC


class FunctionAction(msgspec.Struct, frozen=True, kw_only=True, tag="function", tag_field="do"):
    """Call a deployed function on a worker of the owner's cluster.

    Attributes
    ----------
    name : str
        As it was deployed.
    digest : str
        The hash of what was deployed; see :class:`DeployedFunction`.
    """

    name: str
    digest: str


class OperateAction(msgspec.Struct, frozen=True, kw_only=True, tag="operate", tag_field="do"):
    """Put a command into the queue of a station.

    Attributes
    ----------
    station, command : str
        To whom, and what; both are templates.
    parameters : dict
        JSON values; texts in them are templates.
    expires : float
        Seconds after which the station must not obey any more.
    """

    station: str
    command: str
    parameters: dict[str, Any] = {}
    expires: float = 3600.0


Action = NotebookAction | PostAction | CommandAction | NotifyAction | FunctionAction | OperateAction


class Fan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many events make one delivery; by default each event makes one.

    Attributes
    ----------
    count : int
        A batch is full with so many events.
    window : float
        A batch is closed so many seconds after its first event, full or not.  With a count of
        1 the window alone decides.
    all_of : tuple of EventFilter
        A delivery is made when each of these has been met.  Surplus events wait: within one
        value of ``by`` the k-th event that meets one filter is paired with the k-th of each
        other, so none is dropped and none is used twice.  An event that meets several filters
        counts for each of them.
    by : str
        A template; only events for which it gives the same text are put together.
    """

    count: int = 1
    window: float = 0.0
    all_of: tuple[EventFilter, ...] = ()
    by: str = ""

    @property
    def single(self) -> bool:
        """Whether each event makes a delivery of its own."""
        return self.count <= 1 and not self.window and not self.all_of


class Retry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How often a delivery is tried: pauses grow exponentially, with full jitter.

    Attributes
    ----------
    attempts : int
        After so many it is a dead letter.
    first : float
        The longest first pause, in seconds; it doubles with each attempt.
    longest : float
        No pause is longer, in seconds.
    """

    attempts: int = 5
    first: float = 1.0
    longest: float = 600.0


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """When an event matches, do something in the owner's name.

    A text in the action may hold ``{name}``: an attribute of the event, such as
    ``{collection}`` or ``{datatime}``, or a field that the rule's filter or the type's schema
    names; ``{data.a.b}`` is a path into the payload.  Nothing is evaluated.

    Attributes
    ----------
    name, owner : str
        Together they name the rule.
    where : EventFilter
        Which events.
    action : Action
        What is done.
    kind : {"compute", "service", "operate"}
        Whose workers do it; by default the action decides.
    fan : Fan
        How many events make one delivery.
    within : float
        When positive, the rule fires on silence: once, when nothing has matched for so many
        seconds, and again only after something has.
    retry : Retry
        How often a delivery is tried.
    concurrency : int
        So many deliveries of the rule run at once.
    key : str
        A template; deliveries with the same text run one at a time, in order.
    paused : bool
        A paused rule starts nothing, and events that come meanwhile are passed over
        (``replay_rule`` catches up).
    tell : bool
        Whether what went well is told too, as events ``org.boathouse.rule.delivered``.
    cursor : int
        It sees events with a higher sequence number.
    version : int
        Counts how often it was saved.
    created : str
        When this version was saved, RFC 3339.

    Examples
    --------
    >>> Rule(
    ...     name="r",
    ...     owner="ann",
    ...     where=EventFilter(collection="sst"),
    ...     action=NotebookAction(recipe="mean-over-shape"),
    ... ).kind
    'compute'
    """

    name: str
    owner: str
    where: EventFilter
    # Without a default old rules, which have none, could not be read.
    action: Action = msgspec.field(default=cast("Any", None))
    kind: Kind | Literal[""] = ""
    fan: Fan = Fan()
    within: float = 0.0
    retry: Retry = Retry()
    concurrency: int = 4
    key: str = ""
    paused: bool = False
    tell: bool = False
    cursor: int = 0
    version: int = 0
    created: str = ""
    # Rules that were stored before there were other actions have these two at the top.
    old_recipe: str | msgspec.UnsetType = msgspec.field(name="recipe", default=msgspec.UNSET)
    old_parameters: dict[str, Any] | msgspec.UnsetType = msgspec.field(
        name="parameters", default=msgspec.UNSET
    )

    def __post_init__(self) -> None:
        if self.old_recipe is not msgspec.UNSET:
            given = self.old_parameters
            action = NotebookAction(
                recipe=self.old_recipe, parameters={} if given is msgspec.UNSET else given
            )
            msgspec.structs.force_setattr(self, "action", action)
            msgspec.structs.force_setattr(self, "old_recipe", msgspec.UNSET)
            msgspec.structs.force_setattr(self, "old_parameters", msgspec.UNSET)
        if cast("Any", self.action) is None:
            raise BadRequest(f"The rule {self.name!r} does not say what to do.", field="action")
        if not self.kind:
            msgspec.structs.force_setattr(self, "kind", kind_of(self.action))

    @property
    def recipe(self) -> str:
        """The recipe that it runs; empty when it does something else."""
        return self.action.recipe if isinstance(self.action, NotebookAction) else ""

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of what it runs or commands; empty when there are none."""
        if isinstance(self.action, NotebookAction | OperateAction):
            return self.action.parameters
        return {}


def kind_of(action: Action) -> Kind:
    """Whose workers do a thing, unless the rule says otherwise."""
    if isinstance(action, OperateAction):
        return "operate"
    return "service" if isinstance(action, PostAction | NotifyAction) else "compute"
