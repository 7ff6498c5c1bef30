"""Posts events to webhooks: each from its own consumer, so that the place in the log is kept."""

import asyncio
import logging
import random
import sqlite3
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from ...catalogs.errors import BoathouseError, Conflict, Unavailable
from ...catalogs.events.log import Consumer, ConsumerState, LogEngine, Taken
from ...catalogs.events.webhooks import TIMEOUT, Outcome, Webhook
from .event_arrivals import Arrivals
from .event_consumers import RESERVED
from .event_owners import LookUp
from .event_webhooks import Subscription, Subscriptions
from .streams import Broadcast

logger = logging.getLogger(__name__)

# So many receivers may be slow at the same time.
THREADS = 32
# Longer than one exchange can take, so that a lease is not lost while we post, in seconds.
LEASE = 6 * TIMEOUT
# The first pause after a failure and the longest, in seconds; the real one is random below it.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 600.0
# How often a consumer is looked at though nothing came: while something waits for its next
# attempt, and otherwise, in seconds.
LOOK_SECONDS = 0.5
IDLE_SECONDS = 1.0
# After trouble of our own, in seconds.
TROUBLE_SECONDS = 5.0
# How often the rights of a subscription's owner are looked up, in seconds.
RIGHT_SECONDS = 60.0

T = TypeVar("T")


class Posted(msgspec.Struct, kw_only=True):
    """What a courier has done since the service started.

    Attributes
    ----------
    delivered, failed : int
        Answers of either kind.
    status : int
        The last HTTP status; 0 for none.
    error : str
        Why the last delivery failed; empty when it did not.
    time : float
        When that was, in seconds since 1970; 0 for never.
    """

    delivered: int = 0
    failed: int = 0
    status: int = 0
    error: str = ""
    time: float = 0.0


class Courier:
    """Delivers one subscription's events, one at a time.

    Parameters
    ----------
    subscription : Subscription
        Where to and what.
    post : PostOffice
        What it shares with the others.
    """

    def __init__(self, subscription: Subscription, post: "PostOffice") -> None:
        self.subscription = subscription
        self.posted = Posted()
        self._post = post
        self._consumer: Consumer | None = None
        self._failures = 0
        self._checked = time.monotonic()

    async def run(self) -> None:
        """Deliver until the receiver or the owner has gone."""
        while True:
            try:
                await self._deliver_all()
                return
            except (BoathouseError, sqlite3.Error, OSError):
                logger.exception("Cannot post for %r; trying again", self.subscription)
                await asyncio.sleep(TROUBLE_SECONDS)

    async def _deliver_all(self) -> None:
        self._consumer = await self._post.in_thread(self._opened)
        arrivals = Arrivals(self._post.broadcast, self.subscription.where, self.subscription.reader)
        with arrivals, self._post.hook_of(self.subscription) as hook:
            while await self._still_wanted():
                arrivals.reader = self.subscription.reader
                arrivals.clear()
                taken = await self._post.in_thread(self._take)
                if not taken:
                    await arrivals.wait(LOOK_SECONDS if self._failures else IDLE_SECONDS)
                    continue
                if not await self._deliver(hook, taken[0]):
                    return

    def _take(self) -> list[Taken]:
        return self._consumer.take(1) if self._consumer else []

    def _opened(self) -> Consumer:
        wanted = self.subscription
        return self._post.log.consume(
            RESERVED + wanted.name,
            where=wanted.where,
            reader=wanted.reader,
            lease=LEASE,
            attempts=wanted.attempts,
        )

    async def _deliver(self, hook: Webhook, taken: Taken) -> bool:
        """Post one event; False when nobody is there any more."""
        event, wanted = taken.event, self.subscription
        key = f"{wanted.owner}/{wanted.name}/{event.source}/{event.id}"
        outcome = await self._post.in_thread(lambda: hook.send(event, key))
        self._note(outcome)
        try:
            pause = await self._post.in_thread(lambda: self._settle(taken, outcome))
        except Conflict:
            # It took so long that the event was taken again; that delivery will settle it.
            logger.warning("The lease of %r ran out while posting", wanted)
            pause = 0.0
        if outcome.kind == "gone":
            await self._end("gone")
            return False
        await asyncio.sleep(max(pause, wanted.spacing))
        return True

    def _settle(self, taken: Taken, outcome: Outcome) -> float:
        """Say what became of it; return the seconds for which the receiver is left alone."""
        consumer = self._consumer
        if consumer is None:
            return 0.0
        match outcome.kind:
            case "done" | "gone":
                consumer.done(taken)
            case "refused":
                consumer.give_up(taken, outcome.detail)
            case "again":
                exponent = min(max(taken.attempt - 1, self._failures - 1), 30)
                longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2**exponent)
                pause = max(outcome.after, random.uniform(0, longest))  # noqa: S311
                consumer.again(taken, delay=pause, reason=outcome.detail)
                # One event that a receiver cannot take does not hold up the next.
                whole = outcome.after or outcome.status in (0, 429, 503)
                return pause if whole else 0.0
        return 0.0

    def _note(self, outcome: Outcome) -> None:
        good = outcome.kind == "done"
        self._failures = 0 if good else self._failures + 1
        self.posted.delivered += good
        self.posted.failed += not good
        self.posted.status, self.posted.error = outcome.status, outcome.detail
        self.posted.time = time.time()

    async def _still_wanted(self) -> bool:
        """Look up now and then whether the owner is still there, and what he may see."""
        look_up = self._post.look_up
        if look_up is None or time.monotonic() - self._checked < RIGHT_SECONDS:
            return True
        try:
            reader = await look_up(self.subscription.owner)
        except Unavailable:
            return True  # the hub restarts; its rights are as they were
        self._checked = time.monotonic()
        if reader is None:
            await self._end("withdrawn")
            return False
        known = self.subscription
        if (reader.groups, reader.admin) != (known.groups, known.admin):
            await self._save(groups=reader.groups, admin=reader.admin)
            # The consumer reads with the new rights from now on.
            self._consumer = await self._post.in_thread(self._opened)
        return True

    async def _end(self, state: str) -> None:
        logger.info("%r ends: %s", self.subscription, state)
        await self._save(state=state)
        await self._post.forget(self.subscription)

    async def _save(self, **changes: Any) -> None:
        self.subscription = msgspec.structs.replace(self.subscription, **changes)
        await self._post.in_thread(lambda: self._post.subscriptions.save(self.subscription))


class PostOffice:
    """All couriers of a lake.

    Parameters
    ----------
    log : LogEngine
        Where the events are.
    broadcast : Broadcast
        Tells when something came.
    subscriptions : Subscriptions
        What is wanted.
    allow : collection of str
        Hosts that may be private, as in :func:`.webhooks.check_url`.
    look_up : callable, optional
        User name to Reader, or None when there is no such user any more.
    """

    def __init__(
        self,
        log: LogEngine,
        broadcast: Broadcast,
        subscriptions: Subscriptions,
        *,
        allow: Collection[str] = (),
        look_up: LookUp | None = None,
    ) -> None:
        self.log = log
        self.broadcast = broadcast
        self.subscriptions = subscriptions
        self.allow = tuple(allow)
        self.look_up = look_up
        self._threads = ThreadPoolExecutor(THREADS, "webhook")
        self._couriers: dict[tuple[str, str], tuple[Courier, asyncio.Task[None]]] = {}

    def start(self) -> None:
        """Begin with what is in the file."""
        for subscription in self.subscriptions.all():
            self.send_out(subscription)

    async def stop(self) -> None:
        """End all; what was being posted is posted again when the service is back."""
        tasks = [task for _, task in self._couriers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown)

    def send_out(self, subscription: Subscription) -> None:
        """Deliver an active subscription from now on, in place of an older one of its name."""
        self.recall(subscription)
        if subscription.state == "active":
            courier = Courier(subscription, self)
            task = asyncio.ensure_future(courier.run())
            task.add_done_callback(_log_defect)
            self._couriers[subscription.owner, subscription.name] = (courier, task)

    def recall(self, subscription: Subscription) -> None:
        """Deliver it no longer."""
        known = self._couriers.pop((subscription.owner, subscription.name), None)
        if known:
            known[1].cancel()

    async def forget(self, subscription: Subscription) -> None:
        """Give up its place in the log."""
        reader, name = subscription.reader, RESERVED + subscription.name
        states = await self.in_thread(lambda: self.log.consumers(reader=reader))
        if any((each.owner, each.name) == (reader.name, name) for each in states):
            await self.in_thread(lambda: self.log.forget(name, reader=reader))

    def posted(self, subscription: Subscription) -> Posted:
        """What became of the last deliveries."""
        known = self._couriers.get((subscription.owner, subscription.name))
        return known[0].posted if known else Posted()

    async def place(self, subscription: Subscription) -> ConsumerState | None:
        """Where it is in the log; None when it is not delivered."""
        reader, name = subscription.reader, RESERVED + subscription.name
        states = await self.in_thread(lambda: self.log.consumers(reader=reader))
        for each in states:
            if (each.owner, each.name) == (reader.name, name):
                return each
        return None

    def hook_of(self, subscription: Subscription) -> Webhook:
        """Its receiver."""
        return Webhook(subscription.url, subscription.secret, self.allow)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run what waits for a receiver or the disk; the streams go on meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _log_defect(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("A webhook's courier broke", exc_info=task.exception())
