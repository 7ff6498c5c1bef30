"""What a consumer is: a named place in the log, the events that it leases, what it gave up on."""

import re
from abc import ABC, abstractmethod

import msgspec

from ..errors import BadRequest
from .event import Event, EventFilter

# A lease and the number of attempts of a consumer that says nothing of them.
LEASE_SECONDS = 30.0
ATTEMPTS = 5
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def check_opening(name: str, lease: float | None, attempts: int | None) -> None:
    """Check what a consumer is opened with.

    Raises
    ------
    BadRequest
        When it cannot have this name, lease or number of attempts; ``field`` names it.
    """
    if not _NAME.fullmatch(name):
        raise BadRequest(
            "name must be 1 to 128 letters, digits, '.', '_' and '-', and begin with a letter or "
            f"a digit; {name[:60]!r} is not.",
            field="name",
        )
    if lease is not None and not 0 < lease < float("inf"):
        raise BadRequest("lease must be a positive number of seconds.", field="lease")
    if attempts is not None and attempts < 1:
        raise BadRequest("attempts must be 1 or more.", field="attempts")


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a consumer has leased.

    Attributes
    ----------
    event : Event
        With its sequence number.
    attempt : int
        1 for the first delivery.
    token : str
        Proves the lease; a later lease of the same event has another.
    until : float
        When the lease ends, in seconds since 1970.
    """

    event: Event
    attempt: int
    token: str
    until: float


class ConsumerState(msgspec.Struct, frozen=True, kw_only=True):
    """Where a consumer stands.

    Attributes
    ----------
    name, owner : str
        Together they name it.
    where : EventFilter
        What it wants.
    cursor : int
        Every matching event up to here is done (or a dead letter, or expired).
    leased : int
        Events that somebody works on now.
    behind : int
        Matching events above the cursor that are not done; counted up to 10,000.
    dead : int
        Its dead letters.
    lease : float
        How long an event is leased for, in seconds.
    attempts : int
        How often an event is delivered before it becomes a dead letter.
    created : str
        RFC 3339.
    """

    name: str
    owner: str
    where: EventFilter
    cursor: int
    leased: int
    behind: int
    dead: int
    lease: float
    attempts: int
    created: str


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a consumer gave up on; kept until it is revived or the consumer forgotten.

    Attributes
    ----------
    consumer, owner : str
        Whose it is.
    event : Event
        With its sequence number.
    attempts : int
        How often it was delivered.
    reason : str
        What was said last.
    time : str
        RFC 3339, when it was given up.
    """

    consumer: str
    owner: str
    event: Event
    attempts: int
    reason: str
    time: str


class Consumer(ABC):
    """A named place in the log that moves with the work.

    Each matching event is leased to one taker at a time until it says that it is done; an
    event whose lease ends comes again.  Several processes may take from one consumer.
    """

    name: str

    @abstractmethod
    def take(self, limit: int = 1, *, wait: float = 0.0) -> list[Taken]:
        """Lease up to ``limit`` events, in order; wait up to ``wait`` seconds for the first."""

    @abstractmethod
    def done(self, *taken: Taken) -> None:
        """Say that the work is done; durable when it returns.

        Raises
        ------
        Conflict
            When a lease was lost to another; the other events given are done nevertheless.
        """

    @abstractmethod
    def again(self, taken: Taken, *, delay: float = 0.0, reason: str = "") -> None:
        """Deliver it once more, after ``delay`` seconds; the last attempt: a dead letter.

        Raises
        ------
        Conflict
            When the lease was lost to another.
        """

    @abstractmethod
    def extend(self, taken: Taken, seconds: float) -> None:
        """Let the lease end ``seconds`` from now; 0 gives the event back at once.

        Raises
        ------
        Conflict
            When the lease was lost to another.
        """

    @abstractmethod
    def give_up(self, taken: Taken, reason: str) -> None:
        """Make it a dead letter at once.

        Raises
        ------
        Conflict
            When the lease was lost to another.
        """

    @abstractmethod
    def revive(self, sequence: int) -> None:
        """Deliver a dead letter again, with all its attempts.

        Raises
        ------
        NotFound
            When there is no such dead letter.
        """

    @abstractmethod
    def state(self) -> ConsumerState:
        """Where it stands."""
