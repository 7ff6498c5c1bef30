"""One follower of the event log for all pages of the process."""

import logging
import threading
from collections.abc import Callable

from ...catalogs.access import Reader
from ...catalogs.errors import BoathouseError
from ...catalogs.events.event import Event
from ...catalogs.events.log import EventLog
from .work import Desk

logger = logging.getLogger(__name__)

# How long the log may be silent before the follower looks whether it is to stop, in seconds.
PATIENCE = 20.0
# How long it waits before it tries a log again that did not answer, in seconds.
RETRY = 3.0
# Bursts reach a page as one batch, at most every so many milliseconds.
BATCH_MILLISECONDS = 200
# A page that is further behind than this loses the oldest; it reloads its lists anyway.
BACKLOG = 1000


class Follower:
    """Follows the log in a thread and tells every subscriber of each event.

    Parameters
    ----------
    log : EventLog
        With a right to see all events (the dashboard's own token, or in process).
    patience, retry : float
        See :data:`PATIENCE` and :data:`RETRY`.

    Attributes
    ----------
    broken : bool
        True while the log does not answer.

    Examples
    --------
    >>> import tempfile
    >>> from boathouse.catalogs.lake import open_lake
    >>> follower = Follower(open_lake(tempfile.mkdtemp(), user="ann").log, patience=0.1)
    >>> follower.start(); follower.stop(); follower.broken
    False
    """

    def __init__(self, log: EventLog, *, patience: float = PATIENCE, retry: float = RETRY) -> None:
        self._log = log
        self._patience = patience
        self._retry = retry
        self._subscribers: set[Subscriber] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.broken = False

    def start(self) -> None:
        """Begin to follow, in a daemon thread."""
        self._thread = threading.Thread(target=self._run, name="event follower", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns within the patience."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(self._patience + 1)

    def add(self, subscriber: "Subscriber") -> None:
        """Tell ``subscriber`` of every event from now on."""
        with self._lock:
            self._subscribers.add(subscriber)

    def remove(self, subscriber: "Subscriber") -> None:
        """Tell it no more."""
        with self._lock:
            self._subscribers.discard(subscriber)

    def _run(self) -> None:
        cursor: int | None = None
        while not self._stopping.is_set():
            try:
                if cursor is None or self.broken:
                    last = self._log.last()  # an answer, before we say that all is well
                    cursor = last if cursor is None else cursor
                    self._say_broken(False)
                for event in self._log.follow(after=cursor, timeout=self._patience):
                    cursor = event.sequence
                    self._tell(event)
                    if self._stopping.is_set():
                        return
            except BoathouseError as error:
                if self._stopping.is_set():
                    return
                if not self.broken:
                    logger.warning("The event log does not answer: %s", error.detail)
                self._say_broken(True)
                self._stopping.wait(self._retry)

    def _tell(self, event: Event) -> None:
        with self._lock:
            subscribers = list(self._subscribers)
        for subscriber in subscribers:
            subscriber.offer(event)

    def _say_broken(self, broken: bool) -> None:
        if broken == self.broken:
            return
        self.broken = broken
        with self._lock:
            subscribers = list(self._subscribers)
        for subscriber in subscribers:
            subscriber.health_changed()


class Subscriber:
    """Collects the events that one page's visitor may see, and hands them over in batches.

    Parameters
    ----------
    desk : Desk
        The page.
    reader : callable
        Who looks at the page now; asked for each event, since groups change.
    events : callable
        Gets each batch, oldest first, on the page's event loop.
    health : callable
        Told, on the page's event loop, that the follower broke or mended.
    """

    def __init__(
        self,
        desk: Desk,
        reader: Callable[[], Reader],
        events: Callable[[list[Event]], None],
        health: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._reader = reader
        self._events = events
        self._health = health
        self._waiting: list[Event] = []
        self._scheduled = False
        self._lock = threading.Lock()

    def offer(self, event: Event) -> None:
        """Take an event, if the visitor may see it; called by the follower's thread."""
        if not self._reader().may_see(event.owner, event.access):
            return
        with self._lock:
            self._waiting.append(event)
            del self._waiting[:-BACKLOG]
            if self._scheduled:
                return
            self._scheduled = True
        self._desk.soon(lambda: self._desk.later(BATCH_MILLISECONDS, self._hand_over))

    def health_changed(self) -> None:
        """Pass on that the follower broke or mended; called by the follower's thread."""
        self._desk.soon(self._health)

    def _hand_over(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting, []
            self._scheduled = False
        self._events(batch)
