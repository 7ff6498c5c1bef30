"""Follows the event log and turns events into the jobs that rules ask for, each exactly once."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable

from ..catalogs.access import Reader
from ..catalogs.errors import BoathouseError
from ..catalogs.events.event import Event
from ..catalogs.events.log import EventLog
from .ledger import Ledger
from .rules.matching import comes_from, job_for, maker_of, matches

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
# Where it is in the log is written at least this often while events pass that concern no rule.
NOTE_SECONDS = 5.0


class Follower:
    """One reader of the event log for all rules of all users.

    The jobs of an event and the place in the log are written in one transaction, so that
    after a crash no event is looked at twice with effect, and none is passed over.

    Parameters
    ----------
    ledger : Ledger
        Holds the rules and takes the jobs.
    log : EventLog
        What to follow; it must show everything.
    groups : callable
        The hub groups of a user, for events that only a group may see.
    silence : float
        After this many seconds without an event it looks whether it should stop.
    """

    def __init__(
        self,
        ledger: Ledger,
        log: EventLog,
        *,
        groups: Callable[[str], tuple[str, ...]],
        silence: float,
    ) -> None:
        self._ledger = ledger
        self._log = log
        self._groups = groups
        self._silence = silence
        self._noted = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="boathouse-rules", daemon=True)

    def start(self) -> None:
        """Begin where the last follower of this ledger ended; the first begins now."""
        self._thread.start()

    def stop(self, *, wait: float = 2.0) -> None:
        """Stop following."""
        self._stopping.set()
        self._thread.join(timeout=wait)

    def _run(self) -> None:
        cursor = self._ledger.cursor()
        while not self._stopping.is_set():
            try:
                if cursor is None:
                    cursor = self._log.last()
                    self._ledger.dispatch(cursor, ())
                for event in self._log.follow(after=cursor, timeout=self._silence):
                    if self._stopping.is_set():
                        return
                    self._look_safely(event)
                    cursor = event.sequence
            except (BoathouseError, sqlite3.Error) as error:
                logger.warning("Cannot follow the events: %s", error)
                self._stopping.wait(RETRY_SECONDS)

    def _look_safely(self, event: Event) -> None:
        try:
            self._look(event)
        except (BoathouseError, sqlite3.Error):
            raise  # it is looked at again
        except Exception:
            # A defect of ours that one event brings out must not end all rules of all users.
            logger.exception("Event %d is passed over", event.sequence)

    def _look(self, event: Event) -> None:
        rules = [
            rule
            for rule in self._ledger.rules()
            if matches(rule, event, self._reader(rule.owner, event))
        ]
        maker = self._ledger.find(maker_of(event)) if rules else None
        jobs = [
            job_for(rule, event, maker.id if maker else "")
            for rule in rules
            if not comes_from(rule, maker, self._ledger.find)
        ]
        now = time.monotonic()
        if jobs or now > self._noted + NOTE_SECONDS:
            self._ledger.dispatch(event.sequence, jobs)
            self._noted = now

    def _reader(self, owner: str, event: Event) -> Reader:
        # Most events need no groups, and asking for them costs a call to the hub.
        groups = self._groups(owner) if event.access.startswith("group:") else ()
        return Reader(name=owner, groups=groups)
