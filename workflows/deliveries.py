"""The nouns of delivering: what a rule owes for an event, and who performs it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from ..catalogs.errors import BadRequest
from ..catalogs.events.event import Event
from .jobs import Job
from .rules.model import Action, Kind

DeliveryState = Literal["waiting", "leased", "done", "dead", "withdrawn"]
OPEN: frozenset[str] = frozenset({"waiting", "leased"})
# A dead letter is told as an event of this type; a success only when the rule asks for it.
RULE_DEAD = "org.boathouse.rule.dead"
RULE_DELIVERED = "org.boathouse.rule.delivered"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule does for one event, or for several that belong together.

    Attributes
    ----------
    id : str
        Derives from the rule and the events, so that the same events make it once.
    number : int
        The ledger's number; a later one came later.
    rule, owner : str
        The rule, and in whose name it is done.
    version : int
        Of the rule.
    kind : {"compute", "service", "operate"}
        Whose workers do it.
    action : Action
        What is done, with the templates filled.
    key : str
        Deliveries of the rule with the same key are done one at a time, in order.
    events : tuple of int
        Sequence numbers; empty when silence set it off.
    idempotency : str
        ``<owner>/<rule>/<source>/<id>`` of the (last) event: what outside receivers get, so that
        they can tell the second attempt from the second event.
    parent : str
        The job or delivery that made the event; empty when none did.
    state : {"waiting", "leased", "done", "dead", "withdrawn"}
        Where it stands.
    attempts : int
        Counts starts.
    due : float
        Not before this time, seconds since 1970.
    error : str
        Why the last attempt failed.
    result : dict
        What came of it: ``{"job": id}``, ``{"status": 200}`` and so on.
    created, finished : str
        RFC 3339.
    """

    id: str
    rule: str
    owner: str
    kind: Kind
    action: Action
    number: int = 0
    version: int = 0
    key: str = ""
    events: tuple[int, ...] = ()
    idempotency: str = ""
    parent: str = ""
    state: DeliveryState = "waiting"
    attempts: int = 0
    due: float = 0.0
    error: str = ""
    result: dict[str, Any] = {}
    created: str = ""
    finished: str = ""


class Performed(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt that went well leaves behind.

    ``events`` and ``job`` are effects in our own store: they are written in the transaction
    that ends the delivery, so they happen exactly once however often it was tried.

    Attributes
    ----------
    result : dict
        JSON for the delivery's history, such as ``{"status": 200}``.
    events : tuple of Event
        Put into the outbox on their way to the log.  Their ids are set then: the same for each
        attempt, and such that no rule hears of what it has led to.
    job : Job, optional
        Queued.  The delivery keeps its place in its rule's concurrency and key until the job
        has ended.
    """

    result: dict[str, Any] = {}
    events: tuple[Event, ...] = ()
    job: Job | None = None


class Later(Exception):
    """Raised by a performer: try again, though not before so many seconds have passed.

    Parameters
    ----------
    reason : str
        What is shown as the delivery's error.
    after : float
        Seconds.
    """

    def __init__(self, reason: str, *, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


class Refused(Exception):
    """Raised by a performer: no further attempt can help; the delivery is a dead letter."""


class Performer(ABC):
    """Does what deliveries ask for; called from several threads at once.

    Notebook actions never get here: the dispatcher makes their jobs itself.
    """

    @abstractmethod
    def perform(self, delivery: Delivery, events: Sequence[Event]) -> Performed:
        """Do it.

        Parameters
        ----------
        delivery : Delivery
            Its action has the templates filled.
        events : sequence of Event
            Those that it is about, in order; for silence one event that says so.

        Raises
        ------
        Refused, ValueError, TypeError
            (``BadRequest`` is a ``ValueError``.)  Trying again cannot help.
        Later
            Trying again can help, after so many seconds.
        Exception
            Any other: trying again can help.
        """

    @abstractmethod
    def check(self, action: Action, *, owner: str) -> None:
        """Raise ``BadRequest`` or ``NotFound`` when an action cannot be done for this owner.

        Called when a rule is saved, with templates unfilled: an address that is not allowed,
        a station or a function that does not exist.
        """

    def close(self) -> None:
        """Wait for nothing any more; what still runs may be lost, and is delivered again."""
        return None


class RecipesOnly(Performer):
    """Performs nothing: for a lake whose rules only run recipes."""

    def perform(self, delivery: Delivery, events: Sequence[Event]) -> Performed:
        """Refuse."""
        raise Refused("This lake's rules can only run recipes.")

    def check(self, action: Action, *, owner: str) -> None:
        """Refuse whatever is no recipe."""
        raise BadRequest("This lake's rules can only run recipes.", field="action")


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would have done.

    Attributes
    ----------
    id : str
        That the delivery would have.
    events : tuple of int
        Sequence numbers.
    time : str
        When the last of them was published, RFC 3339.
    key : str
        The filled key.
    action : Action
        With the templates filled.
    """

    id: str
    events: tuple[int, ...]
    time: str
    key: str
    action: Action
