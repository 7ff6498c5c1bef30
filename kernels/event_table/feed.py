"""What the table shows: the newest events that match, new ones as they come, old ones on demand."""

import threading
import weakref
from collections.abc import Callable

import msgspec

from ...catalogs.errors import BadEvent, BoathouseError, Gone, Unavailable
from ...catalogs.events.event import Event, EventFilter
from ...catalogs.events.listening import Source
from ...catalogs.events.log import EventLog

# So many events come with each page, and so many are kept at most.
PAGE = 100
MOST = 2000
# A text is looked for in so many events before somebody is asked whether to go on.
SEARCHED = 5000
# Events of so many seconds travel together; people see no faster.
TOGETHER_SECONDS = 0.15
RETRY_SECONDS = 2.0


class Feed:
    """Events of a log that match, newest first.

    Parameters
    ----------
    log : EventLog
        The log.
    changed : callable
        Called without arguments, from any thread, when there is something new to show.  Only a
        weak reference is kept.

    Attributes
    ----------
    events : list of Event
        Newest first.
    waiting : int
        So many came while it was paused.
    trouble : BoathouseError or None
        Why nothing comes, or why the filter is none.
    more : {"", "more", "further", "full"}
        Whether there are older ones: no; yes; perhaps, for the text was not found so far; yes,
        and no more are kept.
    """

    def __init__(self, log: EventLog, changed: Callable[[], None]) -> None:
        self._log = log
        self._changed = weakref.WeakMethod(changed) if hasattr(changed, "__self__") else None
        self._plain = None if self._changed else changed
        self._lock = threading.RLock()
        self._source: Source | None = None
        self._timer: threading.Timer | None = None
        self._again: threading.Timer | None = None
        self._closed = False
        self._arrived: list[Event] = []
        self._where = EventFilter()
        self._text = ""
        self._bottom = 1
        self.paused = False
        self.events: list[Event] = []
        self.waiting = 0
        self.trouble: BoathouseError | None = None
        self.more = ""

    def select(self, where: EventFilter, text: str = "") -> None:
        """Show what matches a filter and holds a text, and go on with what comes."""
        self._stop()
        with self._lock:
            if self._closed:
                return
            self._where, self._text = where, text.casefold()
            self.events, self._arrived, self.waiting = [], [], 0
            self.more, self.trouble = "", None
            try:
                end = self._log.last()
                self._source = Source(self._log, where, end, None)
                self._bottom = end + 1
                self._read_older()
            except BoathouseError as error:
                self.trouble = error
            if self._source is not None:
                self._start(self._source)
            elif isinstance(self.trouble, Unavailable):
                self._again = _timer(RETRY_SECONDS, lambda: self.select(where, text))
        self._tell()

    def older(self) -> None:
        """One more page of the past."""
        with self._lock:
            try:
                self._read_older()
                self.trouble = None
            except BoathouseError as error:
                self.trouble = error
        self._tell()

    def pause(self, paused: bool) -> None:
        """Hold back what comes, or show what came meanwhile."""
        with self._lock:
            self.paused = paused
        self._flush()

    def find(self, sequence: int) -> Event | None:
        """The event of this number, if it can be seen still."""
        for event in self.events:
            if event.sequence == sequence:
                return event
        try:
            found = self._log.read(after=sequence - 1, limit=1) if sequence > 0 else []
        except (BadEvent, Gone):
            return None  # it is not in the log yet, or no longer
        return found[0] if found and found[0].sequence == sequence else None

    def close(self) -> None:
        """Follow no longer, for ever."""
        with self._lock:
            self._closed = True
        self._stop()

    def _stop(self) -> None:
        with self._lock:
            source, self._source = self._source, None
            for timer in (self._timer, self._again):
                if timer is not None:
                    timer.cancel()
            self._timer = self._again = None
        if source is not None:
            source.stopping.set()

    # New ones

    def _start(self, source: Source) -> None:
        threading.Thread(
            target=self._follow, args=(source,), name="boathouse-event-table", daemon=True
        ).start()

    def _follow(self, source: Source) -> None:
        while not source.stopping.is_set():
            try:
                for event in source.events():
                    self._take(source, event)
                return
            except Unavailable as error:
                self._fail(source, error)
                source.stopping.wait(RETRY_SECONDS)
            except Gone:
                source.cursor = 0  # what was kept no longer was not asked for
                self._fail(source, None)
            except BoathouseError as error:
                self._fail(source, error)
                return

    def _fail(self, source: Source, error: BoathouseError | None) -> None:
        with self._lock:
            if source is self._source:
                self.trouble = error
        self._tell()

    def _take(self, source: Source, event: Event) -> None:
        with self._lock:
            if source is not self._source:
                return
            if self._holds(event):
                self._arrived.append(event)
                if len(self._arrived) > MOST:
                    del self._arrived[0]
                self.waiting += 1
            if self._timer is None and (self._arrived or self.trouble):
                self.trouble = None
                self._timer = _timer(TOGETHER_SECONDS, self._flush)

    def _flush(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if not self.paused and self._arrived:
                self.events = [*reversed(self._arrived), *self.events]
                self._arrived, self.waiting = [], 0
                if len(self.events) > MOST:
                    del self.events[MOST:]
                    self._bottom = self.events[-1].sequence
                    self.more = "full"
        self._tell()

    def _tell(self) -> None:
        changed = self._changed() if self._changed else self._plain
        if changed is not None:
            changed()

    # Old ones

    def _read_older(self) -> None:
        room = min(PAGE, MOST - len(self.events))
        first = max(self._log.first(), 1)
        searched, found = 0, 0
        while room > found and self._bottom > first and searched < SEARCHED:
            page, self._bottom = read_before(
                self._log, self._bottom, room - found, self._where, first
            )
            searched += len(page)
            matching = [event for event in reversed(page) if self._holds(event)]
            self.events.extend(matching)
            found += len(matching)
        if self._bottom <= first:
            self.more = ""
        elif len(self.events) >= MOST:
            self.more = "full"
        else:
            self.more = "more" if found >= room else "further"

    def _holds(self, event: Event) -> bool:
        if not self._text:
            return True
        words = (event.type, event.collection, event.subject, event.source, event.id)
        if any(self._text in word.casefold() for word in words):
            return True
        data = msgspec.json.encode(event.data).decode() if event.data is not None else ""
        return self._text in data.casefold()


def _timer(seconds: float, action: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
    return timer


def read_before(
    log: EventLog, before: int, count: int, where: EventFilter, first: int = 1
) -> tuple[list[Event], int]:
    """The last events before a number, though a log is read forward only.

    Parameters
    ----------
    log : EventLog
        The log.
    before : int
        Only events below this number.
    count : int
        At most so many.
    where : EventFilter
        Which events.
    first : int
        The lowest number that the log keeps.

    Returns
    -------
    events : list of Event
        Oldest first.
    bottom : int
        All that match from here to ``before`` are among them; ``first`` when that is all.
    """
    found: list[Event] = []
    width, bottom = count, before
    while bottom > first and len(found) < count:
        # A window back in time; it grows as long as little is in it.
        start = max(bottom - width, first)
        limit = max(count, PAGE)
        page = log.read(after=start - 1 if start > first else 0, limit=limit, where=where)
        inside = [event for event in page if event.sequence < bottom]
        if len(inside) == limit and width > limit:
            width = max(width // 4, limit)  # too much at once: its newest were cut off
            continue
        found, bottom, width = [*inside, *found], start, width * 4
    if len(found) > count:
        found = found[-count:]
        bottom = found[0].sequence
    return found, bottom
