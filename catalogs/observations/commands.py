"""Commands to instruments: queued for a station, fetched by it, acknowledged, or expired."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from ..access import Reader

State = Literal["waiting", "accepted", "done", "failed", "expired", "withdrawn"]
STATES: tuple[State, ...] = ("waiting", "accepted", "done", "failed", "expired", "withdrawn")
ENDED = frozenset({"done", "failed", "expired", "withdrawn"})
# How long a command waits for its instrument unless told otherwise, in seconds.
EXPIRES = 3600.0


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One state that a command came to, and when."""

    state: State
    time: str


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Something that an instrument is asked to do.

    Attributes
    ----------
    id : str
        Its name.
    station : str
        Who is to do it.
    command : str
        What is to be done, one of the station's ``commands``.
    parameters : dict
        As the station's JSON Schema of the command has them.
    owner : str
        Who asks.
    key : str
        The owner's own name for it: the same key again gives the same command.
    state : str
        ``waiting`` until the instrument has ``accepted`` it; then ``done`` or ``failed``;
        ``expired`` or ``withdrawn`` when it came to nothing before.
    created, expires : str
        RFC 3339; a command that waits at ``expires`` is expired.
    by : str
        Which process of the instrument accepted it, when it says so.
    result : Any
        What the instrument answered, as JSON.
    error : str
        Why it failed.
    history : tuple of Step
        Every state with its time.
    number : int
        Its place in the queue.
    """

    id: str
    station: str
    command: str
    parameters: dict[str, Any] = {}
    owner: str = ""
    key: str = ""
    state: State = "waiting"
    created: str = ""
    expires: str = ""
    by: str = ""
    result: Any = None
    error: str = ""
    history: tuple[Step, ...] = ()
    number: int = 0


class CommandQueue(ABC):
    """The queues of all stations.

    ``reader`` None means "as myself", as in :class:`.store.Observations`.  An instrument is
    a reader who may write the station's observations.
    """

    @abstractmethod
    def enqueue(
        self,
        station: str,
        command: str,
        parameters: dict[str, Any] | None = None,
        *,
        expires: float = EXPIRES,
        key: str = "",
        owner: str = "",
        reader: Reader | None = None,
    ) -> Command:
        """Queue a command; it is on disk when this returns.

        Parameters
        ----------
        station, command : str
            Who is to do what.
        parameters : dict, optional
            As the station's schema of the command has them.
        expires : float
            Seconds after which it is no longer to be begun.
        key : str
            The same key of the same owner and station returns the first command.
        owner : str
            In whose name; only services may name another, whose right is then asked for.

        Raises
        ------
        NotFound
            When there is no such station that the owner may see.
        Forbidden
            When the owner may not operate it.
        BadRequest
            When the station does not know the command, or a parameter is wrong.
        """

    @abstractmethod
    def poll(
        self, station: str, *, wait: float = 0.0, limit: int = 10, reader: Reader | None = None
    ) -> list[Command]:
        """The commands that wait, oldest first; waits up to ``wait`` seconds for the first.

        A command is given again until it is accepted or its time is over.
        """

    @abstractmethod
    def follow(
        self, station: str, *, timeout: float | None = None, reader: Reader | None = None
    ) -> Iterator[Command]:
        """Commands as they come, those that wait first, for ever or until ``timeout`` s of silence.

        A command may come twice when the connection broke before it was accepted.
        """

    @abstractmethod
    def acknowledge(
        self,
        id: str,
        state: State,
        *,
        result: Any = None,
        error: str = "",
        by: str = "",
        reader: Reader | None = None,
    ) -> Command:
        """Say as the instrument that a command is ``accepted``, ``done`` or ``failed``.

        Saying the same again changes nothing.

        Parameters
        ----------
        by : str
            A name of the instrument's process: what one has accepted, no other can.

        Raises
        ------
        Conflict
            When the command cannot come to that state any more: it expired, was withdrawn,
            has ended, or was accepted by another.
        """

    @abstractmethod
    def withdraw(self, id: str, *, reader: Reader | None = None) -> Command:
        """Take back a command that the instrument has not accepted; raises ``Conflict``."""

    @abstractmethod
    def command(self, id: str, *, reader: Reader | None = None) -> Command:
        """One command; raises ``NotFound``."""

    @abstractmethod
    def commands(
        self,
        station: str = "",
        *,
        state: str = "",
        limit: int = 100,
        reader: Reader | None = None,
    ) -> list[Command]:
        """Visible commands, newest first: one's own, and those to stations that are one's own."""
