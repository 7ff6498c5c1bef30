"""Gives every new event to every open stream: encoded once, and to each at its own speed."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from starlette.types import Receive, Scope, Send

from ...catalogs.access import Reader
from ...catalogs.errors import Unavailable
from ...catalogs.events.event import EventFilter, moment
from ...catalogs.events.sqlite import SqliteEventLog
from ...catalogs.events.table import Stored
from ...catalogs.events.wire import EVENT_STREAM, frame

# What waits for one slow subscriber; past this it is served from the log instead.
QUEUE_FRAMES = 1000
QUEUE_BYTES = 4_000_000
PAGE = 500
HEARTBEAT_SECONDS = 15.0
# How often a stream's right is looked at again, in seconds.
RIGHT_SECONDS = 60.0

_HEADERS = [
    (b"content-type", EVENT_STREAM.encode()),
    (b"cache-control", b"no-cache"),
    # A proxy that collects the answer would hold back each event.
    (b"x-accel-buffering", b"no"),
]


class Broadcast:
    """Takes new events from the log and offers them to the subscribers.

    Everything but the log's own call runs in the event loop, so that nothing needs a lock.

    Attributes
    ----------
    position : int
        Every event up to this number has been offered.
    """

    def __init__(self, log: SqliteEventLog) -> None:
        self.log = log
        self.subscribers: set[Subscriber] = set()
        self.position = 0

    def start(self) -> Callable[[], None]:
        """Begin; return what ends it."""
        loop = asyncio.get_running_loop()
        subscription = self.log.subscribe(
            lambda rows: _call_in(loop, lambda: self._spread(rows)),
        )
        self.position = subscription.after
        return subscription.cancel

    def _spread(self, rows: list[Stored]) -> None:
        for row in rows:
            encoded = b""
            for subscriber in self.subscribers:
                if subscriber.live and subscriber.wants(row):
                    encoded = encoded or frame(row.sequence, row.json())
                    subscriber.offer(row.sequence, encoded)
        self.position = rows[-1].sequence


class Subscriber:
    """One open stream's place in the log.

    While ``live`` it is fed by the broadcast; else it reads from the log: at the start, and
    whenever it was so slow that its queue overflowed.  So it never loses an event and
    never holds more than its queue.

    Parameters
    ----------
    broadcast : Broadcast
        Where it belongs.
    after : int
        The last event that it has.
    where : EventFilter
        What it wants.
    reader : Reader
        Who it is.
    """

    def __init__(
        self, broadcast: Broadcast, *, after: int, where: EventFilter, reader: Reader
    ) -> None:
        self.broadcast = broadcast
        self.after = after
        self.where = where
        self.reader = reader
        self.live = False
        self._since = moment(where.since, "since") if where.since else None
        self._queue: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()

    def wants(self, row: Stored) -> bool:
        """Whether the event passes the filter and may be seen."""
        where = self.where
        return (
            (not where.type or row.type == where.type)
            and (not where.collection or row.collection == where.collection)
            and (self._since is None or row.moment >= self._since)
            and self.reader.may_see(row.owner, row.access)
        )

    def offer(self, sequence: int, encoded: bytes) -> None:
        """Queue a frame; a full queue is dropped, since the log has it all."""
        self._queue.append((sequence, encoded))
        self._bytes += len(encoded)
        if len(self._queue) > QUEUE_FRAMES or self._bytes > QUEUE_BYTES:
            self.live = False
            self._clear()
        self._wake.set()

    async def run(self, send: Callable[[bytes], Awaitable[None]], heartbeat: float) -> None:
        """Send what it wants, for ever."""
        head = b"retry: 1000\nid: %d\n\n" % self.after
        while True:
            if not self.live:
                await self._catch_up(send, head)
                head = b""
            piece = self._take()
            if piece:
                await send(piece)
            elif self.live:
                # Nothing waits, so all up to here was sent or is not wanted.
                self.after = max(self.after, self.broadcast.position)
                self._wake.clear()
                try:
                    async with asyncio.timeout(heartbeat):
                        await self._wake.wait()
                except TimeoutError:
                    await send(b": alive\nid: %d\n\n" % self.after)

    async def _catch_up(self, send: Callable[[bytes], Awaitable[None]], head: bytes) -> None:
        # The first piece carries the first events, so that a client may count silence from it.
        # Feeding begins before the reading, so that no event falls between the two.
        self._clear()
        self.live = True
        while True:
            horizon = self.broadcast.position
            rows = await asyncio.to_thread(
                self.broadcast.log.stored,
                after=self.after,
                limit=PAGE,
                where=self.where,
                reader=self.reader,
                largest=QUEUE_BYTES,
            )
            piece = head + b"".join(frame(row.sequence, row.json()) for row in rows)
            head = b""
            if rows:
                self.after = rows[-1].sequence
            if piece:
                await send(piece)
            if not rows:
                self.after = max(self.after, horizon)
                return

    def _take(self) -> bytes:
        fresh = [(number, encoded) for number, encoded in self._queue if number > self.after]
        self._clear()
        if fresh:
            self.after = fresh[-1][0]
        return b"".join(encoded for _, encoded in fresh)

    def _clear(self) -> None:
        self._queue.clear()
        self._bytes = 0


class EventStream:
    """The response that a subscriber's events are: ends with the client, the service or the right.

    Parameters
    ----------
    subscriber : Subscriber
        What it sends.
    stopping : asyncio.Event
        Is set when the service ends.
    still_reader : callable
        Asks again who the client is; None when its right is gone.
    heartbeat : float
        Seconds between signs of life.
    """

    def __init__(
        self,
        subscriber: Subscriber,
        *,
        stopping: asyncio.Event,
        still_reader: Callable[[], Awaitable[Reader | None]],
        heartbeat: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._subscriber = subscriber
        self._stopping = stopping
        self._still_reader = still_reader
        self._heartbeat = heartbeat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as ASGI wants it."""

        async def send_body(piece: bytes) -> None:
            await send({"type": "http.response.body", "body": piece, "more_body": True})

        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        subscribers = self._subscriber.broadcast.subscribers
        subscribers.add(self._subscriber)
        tasks = [
            asyncio.ensure_future(waiting)
            for waiting in (
                self._subscriber.run(send_body, self._heartbeat),
                _client_gone(receive),
                self._right_gone(),
                self._stopping.wait(),
            )
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            subscribers.discard(self._subscriber)
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _right_gone(self) -> None:
        while True:
            await asyncio.sleep(RIGHT_SECONDS)
            try:
                reader = await self._still_reader()
            except Unavailable:
                continue  # the hub restarts; its rights are as they were
            if reader is None:
                return
            self._subscriber.reader = reader


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:
        if not loop.is_closed():
            raise
