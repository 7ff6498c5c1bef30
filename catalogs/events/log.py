"""The event log's interface: what every engine and the HTTP client implement."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from ..access import Reader
from .event import Event, EventFilter


class EventLog(ABC):
    """An ordered, durable log of events.

    An event for which :meth:`append` has returned is on disk.  Appending the same
    ``(source, id)`` again changes nothing and returns the first sequence number.
    """

    @abstractmethod
    def append(self, events: Sequence[Event]) -> list[int]:
        """Store events durably and return their sequence numbers, in order."""

    @abstractmethod
    def read(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        where: EventFilter | None = None,
        reader: Reader | None = None,
    ) -> list[Event]:
        """Events with a sequence above ``after``, oldest first.

        ``reader`` None means "as myself": in process everything, over HTTP what the
        token's user may see.
        """

    @abstractmethod
    def last(self) -> int:
        """The highest sequence number in the log; 0 when it is empty."""

    @abstractmethod
    def follow(
        self,
        *,
        after: int | None = None,
        where: EventFilter | None = None,
        reader: Reader | None = None,
        timeout: float | None = None,
    ) -> Iterator[Event]:
        """Yield events as they come, for ever or until ``timeout`` seconds pass in silence.

        ``after`` None starts with what is appended after this call (not after the first
        ``next``); a number replays from there first.
        A broken connection is resumed without loss or repetition.
        """

    @abstractmethod
    def close(self) -> None:
        """Release threads and files."""
