"""The event log's interface: what every engine and the HTTP client implement."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import NamedTuple, Protocol

import msgspec

from ..access import Reader
from ..errors import BadEvent, Gone
from .consumer import ATTEMPTS as ATTEMPTS
from .consumer import LEASE_SECONDS as LEASE_SECONDS
from .consumer import Consumer as Consumer
from .consumer import ConsumerState as ConsumerState
from .consumer import DeadLetter as DeadLetter
from .consumer import Taken as Taken
from .event import Event, EventFilter
from .wire import decode_event


class Schemas(Protocol):
    """What an engine asks about an event before it stores it."""

    def check(self, event: Event) -> Event:
        """The event as it may be stored; raises ``BadEvent``."""
        ...


class Stored(NamedTuple):
    """An event as it lies in the log: what filters need, and its JSON without the number.

    Attributes
    ----------
    moment, expires : int
        Time of publishing and of expiry in microseconds since 1970; ``expires`` 0 is never.
    body : bytes
        CloudEvents JSON without the sequence number.
    """

    sequence: int
    type: str
    collection: str
    moment: int
    owner: str
    access: str
    body: bytes
    expires: int = 0

    def json(self) -> bytes:
        """The event as CloudEvents JSON, with its sequence number."""
        return b'%b,"sequence":%d}' % (self.body[:-1], self.sequence)

    def event(self) -> Event:
        """The event itself."""
        return decode_event(self.json())

    def expired(self) -> bool:
        """Whether nobody is to be told of it any more."""
        return self.expires != 0 and self.expires <= time.time_ns() // 1000


class Subscription(NamedTuple):
    """What :meth:`LogEngine.subscribe` returns: call ``cancel`` to end it."""

    after: int
    cancel: Callable[[], None]


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a log keeps; events beyond any limit may be cut off, oldest first; 0 is no limit.

    Attributes
    ----------
    age : float
        Seconds since an event was stored.
    bytes : int
        Of JSON, in all.
    events : int
        In all.
    """

    age: float = 0
    bytes: int = 0
    events: int = 0


class Trimmed(msgspec.Struct, frozen=True, kw_only=True):
    """What :meth:`LogEngine.trim` did.

    Attributes
    ----------
    first : int
        The lowest sequence number that is kept.
    removed : int
        So many events were cut off.
    held_by : tuple of str
        Consumers (``owner/name``) that have not done what else would have been cut off; with
        ``force``, those that lost it.
    """

    first: int
    removed: int
    held_by: tuple[str, ...] = ()


class EventLog(ABC):
    """An ordered, durable log of events.

    An event for which :meth:`append` has returned is on disk.  Appending the same
    ``(source, id)`` again changes nothing and returns the first sequence number.

    Attributes
    ----------
    schemas : Schemas or None
        Asked about each event before it is stored.
    """

    schemas: Schemas | None = None

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
        """Events with a sequence above ``after``, oldest first, expired ones too.

        ``reader`` None means "as myself": in process everything, over HTTP what the
        token's user may see.

        Raises
        ------
        Gone
            When events after ``after`` are kept no longer, unless it is 0.
        BadEvent
            When ``after`` is past the end, or the filter is none; ``field`` says which.
        """

    @abstractmethod
    def last(self) -> int:
        """The highest sequence number in the log; 0 when it is empty."""

    @abstractmethod
    def first(self) -> int:
        """The lowest sequence number that is kept; 0 when the log is empty."""

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
        ``next``); a number replays from there first.  Expired events are left out.
        A broken connection is resumed without loss or repetition.

        Raises
        ------
        Gone, BadEvent
            As :meth:`read`.
        """

    @abstractmethod
    def consume(
        self,
        name: str,
        *,
        where: EventFilter | None = None,
        after: int | None = None,
        reader: Reader | None = None,
        lease: float | None = None,
        attempts: int | None = None,
    ) -> Consumer:
        """Open a consumer, or make it.

        Parameters
        ----------
        name : str
            Letters, digits and ``._-``; it belongs to its reader.
        where : EventFilter, optional
            What it wants; for one that exists None changes nothing, another filter counts
            from now on.
        after : int, optional
            Where a new one begins; None is what is appended from now on.
        reader : Reader, optional
            Whose it is, and who sees what.
        lease : float, optional
            How long an event is leased for, in seconds; 30 for a new one.
        attempts : int, optional
            How often an event is delivered; 5 for a new one.
        """

    @abstractmethod
    def consumers(self, *, reader: Reader | None = None) -> list[ConsumerState]:
        """The reader's consumers by name; all of them for None and for administrators."""

    @abstractmethod
    def forget(self, name: str, *, reader: Reader | None = None) -> None:
        """Remove a consumer with its dead letters; raises ``NotFound``."""

    @abstractmethod
    def dead_letters(
        self, consumer: str = "", *, reader: Reader | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """What the reader's consumers gave up on, the oldest event first; "" is all consumers."""

    @abstractmethod
    def close(self) -> None:
        """Release threads and files."""


class LogEngine(EventLog):
    """What a service needs of an engine in its own process."""

    @abstractmethod
    def trim(self, retention: Retention, *, force: bool = False) -> Trimmed:
        """Cut off the oldest events; never one that a consumer has to do, unless forced.

        The last event always stays.
        """

    @abstractmethod
    def submit(self, events: Sequence[Event]) -> "Future[list[int]]":
        """Check events and hand them to the writer; the answer comes when they are on disk.

        Raises
        ------
        BadEvent
            When one of them is not valid; ``field`` names the attribute.
        Busy
            When too many wait to be stored already; nothing is stored.
        """

    def append(self, events: Sequence[Event]) -> list[int]:
        """Store events durably and return their sequence numbers, in order.

        Raises
        ------
        BadEvent, Busy
            As :meth:`submit`.
        StorageFull
            When the disk is full; the engine says whether some of a batch may be stored.
        Unavailable
            When the log is closed, or no server of a cluster answered for too long: then the
            events may be stored or not, and may be sent again.
        """
        return self.submit(events).result()

    async def append_async(self, events: Sequence[Event]) -> list[int]:
        """:meth:`append` for an event loop, which goes on meanwhile."""
        return await asyncio.wrap_future(self.submit(events))

    def read(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        where: EventFilter | None = None,
        reader: Reader | None = None,
    ) -> list[Event]:
        """Events with a sequence above ``after``, oldest first; see :class:`EventLog`."""
        check_place(self, after)
        rows = self.stored(after=after, limit=limit, where=where, reader=reader)
        return [row.event() for row in rows]

    @abstractmethod
    def stored(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        where: EventFilter | None = None,
        reader: Reader | None = None,
        largest: int | None = None,
    ) -> list[Stored]:
        """As :meth:`read`, but undecoded, and whatever ``after`` is.

        A page of ``largest`` bytes ends there, though more events may follow.
        """

    @abstractmethod
    def subscribe(self, callback: Callable[[list[Stored]], None]) -> Subscription:
        """Call ``callback`` with each run of new events, of any process, in order, once each.

        It is called in the log's own thread and must return at once.  Events up to the
        returned ``after`` are not given.
        """


def check_place(log: EventLog, after: int) -> None:
    """Refuse a place in the log that does not exist yet, or no longer.

    Raises
    ------
    BadEvent
        When ``after`` is past the end.
    Gone
        When events after it are kept no longer; 0 is always good.
    """
    if after == 0:
        return
    last = log.last()
    if not 0 < after <= last:
        raise BadEvent(
            f"after is {after}, which is past the end: the last event is {last}.", field="after"
        )
    first = log.first()
    if after < first - 1:
        raise Gone(
            f"The events after {after} are kept no longer; the first that is kept is {first}. "
            f"Go on with after={first - 1}, or with 0 for all there is.",
            field="after",
        )
