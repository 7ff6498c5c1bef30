"""Has deliveries performed: leases them, tries them again, and lets none be lost or hurried."""

import logging
import queue
import random
import secrets
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable

import msgspec

from ..catalogs.errors import BoathouseError
from .deliveries import RULE_DEAD, RULE_DELIVERED, Delivery, Later, Performed, Performer, Refused
from .delivery_book import Leased, Looked
from .endings import Ending, news_of, said_of
from .ledger import Ledger
from .pools import KINDS, Limits, Pool
from .rules.matching import made_id
from .rules.model import NotebookAction, Rule
from .rules.owing import job_for

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
# Leases that nobody renews are looked for this often, and what other processes have written.
LOOK_SECONDS = 1.0
RETRY_SECONDS = 0.5
CLEAR_SECONDS = 600.0
# A delivery during which its process was killed so often may be what kills it.
LOSSES = 10
CLOSE_SECONDS = 1.0

Lane = tuple[str, str]


class Dispatcher:
    """Leases deliveries to a few threads within limits, and writes down how they went.

    Everything that one round finds (new deliveries, endings, new leases) is one transaction, so
    an event that comes alone waits for the disk once before its performer begins, and a
    thousand that come at once share what they wait for.

    Parameters
    ----------
    ledger : Ledger
        Holds deliveries and rules.
    performer : Performer
        Does what they ask for.
    limits : Limits, optional
        How much is done at once.
    lease : float, optional
        Seconds after which a dispatcher that is not heard of counts as gone.
    alone : bool, optional
        Whether the caller knows that no other dispatcher of the ledger lives (he holds the
        lake's lock): what an earlier one held is taken back at once.
    chance : random.Random, optional
        Where pauses come from.
    """

    def __init__(
        self,
        ledger: Ledger,
        performer: Performer,
        *,
        limits: Limits | None = None,
        lease: float = LEASE_SECONDS,
        alone: bool = False,
        chance: random.Random | None = None,
    ) -> None:
        self._ledger = ledger
        self._performer = performer
        self._limits = limits = limits or Limits()
        self._lease = lease
        self._alone = alone
        self._chance = chance or random.Random()  # noqa: S311
        self._holder = secrets.token_hex(8)
        self._pools = {kind: Pool(kind, limits.of(kind)) for kind in KINDS}
        self._turn = threading.Lock()
        self._endings: queue.SimpleQueue[Ending] = queue.SimpleQueue()
        self._unwritten: list[Ending] = []
        #: What is leased now, by number; those whose jobs are waited for are parked.
        self._running: dict[int, Delivery] = {}
        self._parked: set[int] = set()
        #: When a lane may have something to be started.
        self._lanes: dict[Lane, float] = {}
        self._looked = self._held = self._cleared = 0.0
        self._news = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="boathouse-deliveries", daemon=True)

    def start(self) -> None:
        """Take up what the last dispatcher of this ledger left."""
        self._cleared = time.monotonic()
        if self._alone:
            self._take_back(before=float("inf"))
        self._thread.start()

    def stop(self, release: Callable[[], None] = lambda: None) -> None:
        """Start nothing more; what runs is waited for briefly, else delivered again later.

        Parameters
        ----------
        release : callable, optional
            Lets performers wait no more.
        """
        self._stopping = True
        self._news.set()
        release()
        self._thread.join(timeout=2.0)
        for pool in self._pools.values():
            pool.close(wait=CLOSE_SECONDS)
        with self._turn:
            self._round(Looked())

    def wake(self) -> None:
        """Look for deliveries that may start: a rule, a job or a dead letter has changed."""
        self._looked = 0.0
        self._news.set()

    def hand(self, looked: Looked) -> None:
        """Write what came of some events, and start what may start, at once."""
        with self._turn:
            for owed in looked.owed:
                self._lanes[owed.delivery.owner, owed.delivery.rule] = 0.0
            self._round(looked)

    # Rounds.

    def _run(self) -> None:
        while not self._stopping:
            try:
                with self._turn:
                    self._keep_house()
                    self._round(Looked())
                    patience = self._patience()
            except (BoathouseError, sqlite3.Error) as error:
                logger.warning("Cannot go on with deliveries: %s", error)
                patience = RETRY_SECONDS
            except Exception:
                # Whatever it is, the rules of all users depend on this thread.
                logger.exception("A round of deliveries failed; trying again")
                patience = RETRY_SECONDS
            self._news.wait(patience)
            self._news.clear()

    def _round(self, looked: Looked) -> None:
        while not self._endings.empty():
            self._unwritten.append(self._endings.get())
        ended = {ending.delivery.number for ending in self._unwritten}
        over = [number for number in self._parked if self._job_is_over(number)]
        if looked.empty and looked.cursor is None and not ended and not over and not self._ready():
            return
        with self._ledger.together():
            self._ledger.look_at(looked)
            loud = bool(looked.at_once)
            for ending in self._unwritten:
                loud = self._write_down(ending) or loud
            for number in over:
                self._close_parked(self._running[number])
            running = {
                number: delivery
                for number, delivery in self._running.items()
                if number not in ended and number not in over
            }
            begun = [] if self._stopping else self._begin(running)
        # Only what is on disk counts; until here a failure changes nothing in memory.
        self._unwritten.clear()
        self._running = running
        self._parked.difference_update(over)
        for leased in begun:
            self._running[leased.delivery.number] = leased.delivery
            if isinstance(leased.delivery.action, NotebookAction):
                self._parked.add(leased.delivery.number)
                loud = True
            else:
                pool = self._pools[leased.delivery.kind]
                pool.put(lambda each=leased: self._perform(each))
        if loud:
            self._ledger.wake()

    def _ready(self) -> bool:
        now = self._ledger.now()
        return any(due <= now for due in self._lanes.values())

    def _patience(self) -> float:
        if not self._endings.empty():
            return 0.0
        now = self._ledger.now()
        waits = [due - now for due in self._lanes.values() if due > now]
        return max(0.001, min([LOOK_SECONDS, self._lease / 4, *waits]))

    def _keep_house(self) -> None:
        now = time.monotonic()
        if self._running and now > self._held + self._lease / 3:
            self._ledger.hold(self._holder, self._ledger.now() + self._lease)
            self._held = now
        if now > self._looked + LOOK_SECONDS:
            self._looked = now
            self._take_back(before=self._ledger.now())
            for lane in self._ledger.lanes():
                self._lanes.setdefault(lane, 0.0)
        if now > self._cleared + CLEAR_SECONDS:
            self._cleared = now
            self._ledger.clear_old()

    # Starting.

    def _begin(self, running: dict[int, Delivery]) -> list[Leased]:
        """Lease what may run now, fairly between rules, within all limits."""
        now = self._ledger.now()
        counts = Counter[tuple[str, ...]]()
        for delivery in running.values():
            _count(counts, delivery)
        begun: list[Leased] = []
        # A dict keeps its order, and a lane that was asked goes to the end.
        for lane in [lane for lane, due in self._lanes.items() if due <= now]:
            rule = self._ledger.rule(*lane)
            if rule is None:
                self._ledger.withdraw(*lane)
                del self._lanes[lane]
                continue
            room = 0 if rule.paused else self._room(rule, counts)
            taken = self._lease_some(rule, room) if room > 0 else []
            for leased in taken:
                _count(counts, leased.delivery)
            begun += taken
            self._note_lane(lane, len(taken), room)
        return begun

    def _lease_some(self, rule: Rule, room: int) -> list[Leased]:
        until = self._ledger.now() + self._lease
        taken = self._ledger.lease(
            rule.owner, rule.name, limit=room, holder=self._holder, until=until
        )
        for leased in taken:
            if isinstance(leased.delivery.action, NotebookAction):
                self._ledger.end_delivery(
                    leased.delivery,
                    "leased",
                    holder=self._holder,
                    result={"job": leased.delivery.id},
                    job=job_for(leased.delivery),
                )
        return taken

    def _note_lane(self, lane: Lane, taken: int, room: int) -> None:
        self._lanes.pop(lane, None)
        if taken == room:
            # There may be more, for which there was no room: asked again at the next ending.
            self._lanes[lane] = 0.0
            return
        due = self._ledger.next_due(*lane)
        if due is not None:
            self._lanes[lane] = due

    def _room(self, rule: Rule, counts: Counter[tuple[str, ...]]) -> int:
        kind = rule.kind or "compute"
        rooms = [rule.concurrency - counts["rule", rule.owner, rule.name]]
        if not isinstance(rule.action, NotebookAction):
            rooms.append(self._limits.of(kind) - counts["kind", kind])
            rooms.append(self._limits.user - counts["user", rule.owner, kind])
        return min(rooms)

    # Performing, in the threads of the pools.

    def _perform(self, leased: Leased) -> None:
        delivery = leased.delivery
        try:
            ending = Ending(delivery, self._performer.perform(delivery, leased.events))
        except Later as error:
            ending = Ending(delivery, error=str(error), after=error.after)
        except (Refused, ValueError, TypeError) as error:
            ending = Ending(delivery, error=said_of(error), final=True)
        except BoathouseError as error:
            if self._stopping:
                # Not its fault: it stays leased, and the next dispatcher takes it back.
                return
            ending = Ending(delivery, error=said_of(error))
        # A function, a server or a cluster may fail in any way.
        except Exception as error:
            logger.info("Delivery %s failed", delivery.id, exc_info=True)
            ending = Ending(delivery, error=said_of(error))
        self._endings.put(ending)
        self._news.set()

    # Ending.

    def _write_down(self, ending: Ending) -> bool:
        """Write how an attempt went; True when there is something for the log or the queue."""
        delivery, performed = ending.delivery, ending.performed
        rule = self._ledger.rule(delivery.owner, delivery.rule)
        self._lanes[delivery.owner, delivery.rule] = 0.0
        if performed is not None:
            return self._write_done(delivery, performed, tell=rule is not None and rule.tell)
        if rule is None:
            self._ledger.end_delivery(
                delivery, "withdrawn", holder=self._holder, error=ending.error
            )
            return False
        retry = rule.retry
        if ending.final or delivery.attempts >= retry.attempts:
            self._bury(delivery, ending.error)
            return True
        longest = min(retry.longest, retry.first * 2.0 ** (delivery.attempts - 1))
        pause = max(ending.after, self._chance.uniform(0.0, longest))
        self._ledger.end_delivery(
            delivery,
            "waiting",
            holder=self._holder,
            error=ending.error,
            due=self._ledger.now() + pause,
        )
        return False

    def _write_done(self, delivery: Delivery, performed: Performed, *, tell: bool) -> bool:
        events = [
            msgspec.structs.replace(event, id=made_id(delivery.id, number))
            for number, event in enumerate(performed.events)
        ]
        if tell:
            events.append(news_of(RULE_DELIVERED, delivery, result=performed.result))
        self._ledger.end_delivery(
            delivery,
            "done",
            holder=self._holder,
            result=performed.result,
            events=events,
            job=performed.job,
        )
        return bool(events or performed.job)

    def _bury(self, delivery: Delivery, error: str) -> None:
        event = news_of(RULE_DEAD, delivery, error=error)
        self._ledger.end_delivery(
            delivery, "dead", holder=self._holder, error=error, events=[event]
        )

    def _close_parked(self, delivery: Delivery) -> None:
        job = self._ledger.job(delivery.id)
        self._lanes[delivery.owner, delivery.rule] = 0.0
        result = {"job": job.id, "state": job.state}
        self._ledger.end_delivery(delivery, "done", holder=self._holder, result=result)

    def _job_is_over(self, number: int) -> bool:
        job = self._ledger.find(self._running[number].id)
        return job is not None and job.ended

    def _take_back(self, *, before: float) -> None:
        """Let what dispatchers that are gone have held be delivered again."""
        lost = self._ledger.lost(besides=self._holder, before=before)
        if not lost:
            return
        with self._ledger.together():
            for leased in lost:
                self._lanes[leased.delivery.owner, leased.delivery.rule] = 0.0
                if not self._ledger.take_back(leased.delivery, most=LOSSES):
                    self._ledger.adopt(leased.delivery, self._holder)
                    self._bury(leased.delivery, f"Its worker was lost {LOSSES} times.")


def _count(counts: Counter[tuple[str, ...]], delivery: Delivery) -> None:
    counts["rule", delivery.owner, delivery.rule] += 1
    # Jobs have a queue of their own.
    if not isinstance(delivery.action, NotebookAction):
        counts["kind", delivery.kind] += 1
        counts["user", delivery.owner, delivery.kind] += 1
