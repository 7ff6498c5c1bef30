"""Follows the event log and turns events into what rules owe for them, each exactly once."""

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence

from ..catalogs.errors import BoathouseError, Gone
from ..catalogs.events.event import Event
from ..catalogs.events.log import EventLog
from .delivery_book import Looked
from .ledger import Ledger
from .watch import Watch

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
# Where it is in the log is written at least this often while events pass that concern no rule.
NOTE_SECONDS = 5.0
# Windows and silences are looked at this often, and rules that are new.
CLOCK_SECONDS = 0.25
# So many events share one transaction when they come fast, and so many wait at most.
RUN = 200
AHEAD = 1000


class Follower:
    """One reader of the event log for all rules of all users.

    What events lead to and the place in the log are written in one transaction, so that
    after a crash no event is looked at twice with effect, and none is passed over.

    Parameters
    ----------
    ledger : Ledger
        Holds the rules and takes what they owe.
    log : EventLog
        What to follow; it must show everything.
    groups : callable
        The hub groups of a user, for events that only a group may see.
    silence : float
        After this many seconds without an event it looks whether it should stop.
    hand : callable, optional
        Writes what came of some events; by default the ledger does, and a dispatcher begins
        what it can in the same transaction.
    """

    def __init__(
        self,
        ledger: Ledger,
        log: EventLog,
        *,
        groups: Callable[[str], tuple[str, ...]],
        silence: float,
        hand: Callable[[Looked], object] | None = None,
    ) -> None:
        self._ledger = ledger
        self._log = log
        self._silence = silence
        self._hand = hand or ledger.look_at
        self._watch = Watch(ledger, groups)
        self._noted = 0.0
        self._seen = 0
        # What the log had when it was asked last: silence cannot be told before that is read.
        self._end = 0
        self._events: queue.Queue[Event] = queue.Queue(AHEAD)
        self._stopping = threading.Event()
        self._begun = threading.Event()
        self._listener = threading.Thread(
            target=self._listen, name="boathouse-rules-log", daemon=True
        )
        self._thread = threading.Thread(target=self._run, name="boathouse-rules", daemon=True)

    def start(self) -> None:
        """Begin where the last follower of this ledger ended; the first begins now."""
        self._listener.start()
        self._thread.start()

    def stop(self, *, wait: float = 2.0) -> None:
        """Stop following."""
        self._stopping.set()
        self._thread.join(timeout=wait)
        self._listener.join(timeout=wait)

    # Reading.

    def _listen(self) -> None:
        cursor = self._ledger.cursor()
        while not self._stopping.is_set():
            try:
                self._end = self._log.last()
                if cursor is None:
                    cursor = self._end
                    self._ledger.look_at(Looked(cursor=cursor))
                self._seen = max(self._seen, cursor)
                self._begun.set()
                for event in self._log.follow(after=cursor, timeout=self._silence):
                    if not self._pass_on(event):
                        return
                    cursor = event.sequence
            except Gone as error:
                # Waiting would not bring them back, and the rules must hear of the rest.
                first = self._log.first()
                logger.error("Rules missed the events up to %d: %s", first - 1, error)
                cursor = max(cursor or 0, first - 1)
            except (BoathouseError, sqlite3.Error) as error:
                logger.warning("Cannot follow the events: %s", error)
                self._stopping.wait(RETRY_SECONDS)

    def _pass_on(self, event: Event) -> bool:
        while not self._stopping.is_set():
            try:
                self._events.put(event, timeout=CLOCK_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    # Looking.

    def _run(self) -> None:
        while not self._stopping.is_set() and not self._begun.wait(CLOCK_SECONDS):
            pass
        run: list[Event] = []
        while not self._stopping.is_set():
            run = run or self._next_run()
            try:
                self._look(run)
                run = []
            except (BoathouseError, sqlite3.Error) as error:
                logger.warning("Cannot write down what rules owe: %s", error)
                self._watch.forget()
                self._stopping.wait(RETRY_SECONDS)
            except Exception:
                # A defect of ours that one event brings out must not end all rules of all users.
                logger.debug("Looking at %d events failed", len(run), exc_info=True)
                self._watch.forget()
                run = self._without_bad(run)

    def _next_run(self) -> list[Event]:
        run: list[Event] = []
        try:
            run.append(self._events.get(timeout=self._patience()))
            while len(run) < RUN:
                run.append(self._events.get_nowait())
        except queue.Empty:
            pass
        return run

    def _patience(self) -> float:
        due = self._watch.due()
        left = CLOCK_SECONDS if due is None else due - self._ledger.now()
        return min(CLOCK_SECONDS, max(0.001, left))

    def _look(self, run: Sequence[Event]) -> None:
        self._watch.backlog = self._end
        looked = self._watch.look(run)
        cursor = run[-1].sequence if run else None
        told = cursor if cursor is not None else self._seen
        over = self._watch.clock(caught_up=told >= self._end and self._events.empty())
        now = time.monotonic()
        due = cursor is not None and now > self._noted + NOTE_SECONDS
        whole = Looked(
            cursor=cursor,
            owed=(*looked.owed, *over.owed),
            at_once=(*looked.at_once, *over.at_once),
            piled=(*looked.piled, *over.piled),
        )
        if not whole.empty or due:
            self._hand(whole)
            self._noted = now
        self._watch.done()
        if cursor is not None:
            self._seen = cursor

    def _without_bad(self, run: list[Event]) -> list[Event]:
        """Look at the events one by one; those that bring out a defect are passed over."""
        for place, event in enumerate(run):
            try:
                self._look([event])
            except (BoathouseError, sqlite3.Error):
                self._watch.forget()
                return run[place:]
            except Exception:
                self._watch.forget()
                logger.exception("Event %d is passed over", event.sequence)
        if not run:
            logger.exception("Cannot look at the clock of the rules")
            self._stopping.wait(RETRY_SECONDS)
        return []
