"""Functions that are called with events while this kernel lives; their place is on the server."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..catalogs.access import PRIVATE
from ..catalogs.errors import BoathouseError, Conflict, Unavailable
from ..catalogs.events.consumer import Consumer, Taken
from ..catalogs.events.event import Event, EventFilter
from ..catalogs.lake import Lake
from .actions.function import call_with_lake
from .lanes import Lanes, Work
from .options import Options, default_name, deployed_rule
from .rules.fan import Pile
from .rules.naming import source_of
from .rules.silence import RULE_SILENT
from .rules.templates import fill

logger = logging.getLogger(__name__)

# How soon a listener that was stopped ends, in seconds; without a hub looking costs nothing.
SILENCE_SECONDS = 0.5
SILENCE_SECONDS_REMOTE = 20.0
PAUSE_SECONDS = 0.5
# While the function runs its events are held: for so many seconds after the kernel was killed.
LEASE_SECONDS = 30.0
# How long what runs is waited for at the end, before its events are left to their leases.
DRAIN_SECONDS = 5.0
# Events that are held at once, besides those that wait for others.
HELD = 16

_listening: "dict[tuple[str, str], Listener]" = {}
_lock = threading.Lock()


class Listener:
    """A function that is called for each event while this kernel lives.

    Events are done when the function has returned.  When it raises, they are tried again after
    a pause that grows, and become dead letters in the end; the listener goes on.  Its place in
    the log has a name and is kept by the server: after a restart it goes on where it was.

    Parameters
    ----------
    function : callable
        Called with one event; with a list of them when the options put several together.  A
        parameter that is called ``lake`` gets the lake.
    where : EventFilter
        Which events.
    lake : Lake
        Whose log.
    options : Options
        How they are handed over.
    """

    def __init__(
        self, function: Callable[..., Any], where: EventFilter, lake: Lake, options: Options
    ) -> None:
        self._function = function
        self._where = where
        self._lake = lake
        self._options = options
        self.name = options.name or default_name(function)
        self.handled = 0
        self.failed = 0
        self.error: Exception | None = None
        self._stopping = threading.Event()
        self._until: int | None = None
        self._forgetting = False
        self._pile = None if options.fan.single else Pile(options.fan)
        self._held: dict[int, Taken] = {}
        self._replace_older()
        self._consumer = self._consume()
        self._lanes = Lanes(
            self._attempt,
            self._ended,
            retry=options.retry,
            concurrency=options.concurrency or 1,
            name=self.name,
        )
        self._thread = threading.Thread(
            target=self._run, name=f"boathouse-on-{self.name}", daemon=True
        )
        self._thread.start()

    def __repr__(self) -> str:
        state = "listening" if self.alive else "stopped"
        failed = f", {self.failed} failed" if self.failed else ""
        about = self._where.type or self._where.collection or "events"
        return f"<{self.name} on {about}: {state}, {self.handled} handled{failed}>"

    def __call__(self, event: Any) -> Any:
        """Call the function by hand, as for a test."""
        return call_with_lake(self._function, event, lambda: self._lake)

    @property
    def alive(self) -> bool:
        """Whether events still reach the function."""
        return self._thread.is_alive() and not self._stopping.is_set()

    def stop(self, *, forget: bool = False) -> None:
        """Listen no longer.

        Parameters
        ----------
        forget : bool, optional
            True forgets its place too; else one of the same name goes on from there, and the
            log keeps what it has not seen.
        """
        self._forgetting = self._forgetting or forget
        self._stopping.set()
        self._lanes.stop()
        if threading.current_thread() is not self._thread:
            self._thread.join(SILENCE_SECONDS * 4)
        with _lock:
            if _listening.get(self._place) is self:
                del _listening[self._place]

    def dead_letters(self) -> list[Any]:
        """The events that were given up, with the reason of each."""
        return self._lake.log.dead_letters(self.name)

    def deploy(self, name: str = "") -> Any:
        """Let the function run on your cluster from now on, also when this kernel is gone.

        Parameters
        ----------
        name : str, optional
            Of the function and its rule; by default the function's name.  The next version of
            the same name replaces it.

        Returns
        -------
        SavedRule
            The rule; ``delete()`` withdraws it.

        Raises
        ------
        BadRequest
            When it holds what cannot be sent.
        """
        from .face import automation
        from .rule_handle import SavedRule

        chosen = automation(self._lake)
        saved = chosen.save_rule(
            deployed_rule(
                self._function, self._where, self._options, chosen.save_function, name=name
            )
        )
        # What came before is still ours; the rule has what comes after.
        self._until = saved.cursor
        self._forgetting = True
        return SavedRule(saved, chosen)

    # In the thread.

    @property
    def _place(self) -> tuple[str, str]:
        connection = self._lake.connection
        return (connection.address if connection else str(self._lake.root), self.name)

    def _replace_older(self) -> None:
        """A cell that runs again defines its function anew: the old one must take no events."""
        with _lock:
            older = _listening.get(self._place)
        if older is not None:
            older.stop()
        with _lock:
            _listening[self._place] = self

    def _consume(self) -> Consumer:
        parts = self._options.fan.all_of
        where = self._where
        if parts:
            where = EventFilter(any=parts, all=(where,) if where != EventFilter() else ())
        return self._lake.log.consume(
            self.name,
            where=where,
            # Who asks for the past gets it, once: later the server knows the place.
            after=0 if where.since else None,
            lease=LEASE_SECONDS,
            attempts=self._options.retry.attempts,
        )

    def _run(self) -> None:
        keeper = threading.Thread(target=self._keep, daemon=True, name="boathouse-leases")
        keeper.start()
        heard, told = time.monotonic(), False
        try:
            while not self._stopping.is_set():
                taken = self._take(heard, told)
                if taken is None:
                    continue
                for each in taken:
                    heard, told = time.monotonic(), False
                    self._hand_over(each)
                self._close_windows()
                if self._options.within and not told:
                    told = self._tell_silence(heard)
                if not taken and self._is_over():
                    break
        except BoathouseError as error:
            self.error = error
            logger.exception("%s listens no longer", self.name)
        finally:
            self._stopping.set()
            self._lanes.stop()
            if self._lanes.drain(DRAIN_SECONDS):
                self._give_back()
            if self._forgetting:
                self._say(lambda: self._lake.log.forget(self.name))

    def _take(self, heard: float, told: bool) -> list[Taken] | None:
        """The next events; None when there was no way to get any."""
        gathering = max(self._options.fan.count, 1000) if self._pile is not None else 0
        room = HELD + 2 * self._options.concurrency + gathering - len(self._held)
        if room <= 0:
            self._lanes.wait(PAUSE_SECONDS)
            return []
        wait = SILENCE_SECONDS_REMOTE if self._lake.connection else SILENCE_SECONDS
        due = self._pile.due() if self._pile is not None else None
        ends = [] if due is None else [due - time.time()]
        if self._options.within and not told:
            ends.append(heard + self._options.within - time.monotonic())
        try:
            taken = self._consumer.take(min(room, HELD), wait=max(0.0, min([wait, *ends])))
        except Unavailable:
            # The service restarts; nothing is lost meanwhile.
            self._stopping.wait(PAUSE_SECONDS)
            return None
        self._held.update({each.event.sequence: each for each in taken})
        return taken

    def _hand_over(self, taken: Taken) -> None:
        event = taken.event
        if self._options.within or (self._until is not None and event.sequence > self._until):
            # It ends a silence, or belongs to the rule that has taken over.
            self._done([taken])
        elif self._pile is None:
            key = str(fill(self._options.key, event)) if self._options.key else ""
            self._start(Work(given=event, taken=(taken,), key=key, attempt=taken.attempt))
        else:
            by = str(fill(self._options.fan.by, event)) if self._options.fan.by else ""
            for batch in self._pile.add(event, by, time.time()):
                self._start_batch(batch)

    def _close_windows(self) -> None:
        if self._pile is not None:
            for batch in self._pile.close(time.time()):
                self._start_batch(batch)

    def _start_batch(self, events: Sequence[Event]) -> None:
        held = [self._held[each.sequence] for each in events if each.sequence in self._held]
        key = str(fill(self._options.key, events[-1])) if self._options.key else ""
        attempt = max((each.attempt for each in held), default=1)
        self._start(Work(given=list(events), taken=tuple(held), key=key, attempt=attempt))

    def _start(self, work: Work) -> None:
        if self._options.concurrency <= 1:
            # In this very thread: another would cost each event some milliseconds.
            self._lanes.run_here(work)
        else:
            self._lanes.add(work)

    def _tell_silence(self, heard: float) -> bool:
        if time.monotonic() < heard + self._options.within:
            return False
        silent = Event(
            type=RULE_SILENT,
            source=source_of(self._lake.user, self.name),
            collection=self._where.collection,
            owner=self._lake.user,
            access=PRIVATE,
            data={"rule": self.name, "within": self._options.within},
        )
        self._start(Work(given=silent))
        return True

    def _attempt(self, work: Work) -> Exception | None:
        try:
            self(work.given)
        except Exception as error:
            self.failed += 1
            self.error = error
            numbers = ", ".join(str(each.event.sequence) for each in work.taken)
            logger.exception("%s failed on event %s", self.name, numbers or "of silence")
            return error
        self.handled += 1
        return None

    def _ended(self, work: Work, error: Exception | None) -> None:
        if error is None:
            self._done(work.taken)
            return
        reason = f"{type(error).__name__}: {error}"
        for each in work.taken:
            self._say(lambda each=each: self._consumer.give_up(each, reason))
            self._held.pop(each.event.sequence, None)

    def _done(self, taken: Sequence[Taken]) -> None:
        if taken:
            self._say(lambda: self._consumer.done(*taken))
        for each in taken:
            self._held.pop(each.event.sequence, None)

    def _say(self, word: Callable[[], None]) -> None:
        """Tell the server until it has heard: else what is done would be done again."""
        while True:
            try:
                word()
                return
            except Conflict as error:
                logger.warning("%s: %s", self.name, error)
                return
            except Unavailable:
                if self._stopping.wait(PAUSE_SECONDS):
                    return

    def _keep(self) -> None:
        while not self._stopping.wait(LEASE_SECONDS / 3):
            for taken in list(self._held.values()):
                try:
                    self._consumer.extend(taken, LEASE_SECONDS)
                except BoathouseError as error:
                    # Who has lost a lease hears it when it says that the work is done.
                    logger.info("%s: %s", self.name, error)

    def _is_over(self) -> bool:
        if self._until is None or self._held:
            return False
        try:
            return self._consumer.state().cursor >= self._until
        except Unavailable:
            return False

    def _give_back(self) -> None:
        for taken in list(self._held.values()):
            try:
                self._consumer.again(taken, reason="The listener was stopped.")
            except BoathouseError as error:
                logger.info("%s: %s", self.name, error)
        self._held.clear()
