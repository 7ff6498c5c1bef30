"""Gives every new event to every open stream: encoded once, and to each at its own speed."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

import msgspec
from starlette.types import Receive, Scope, Send

from ...catalogs.access import Reader
from ...catalogs.errors import Unavailable
from ...catalogs.events.event import EventFilter
from ...catalogs.events.log import LogEngine, Stored
from ...catalogs.events.wire import EVENT_STREAM, frame
from .connection import Connection, connection_of
from .event_batches import Batch as Batch
from .event_batches import Listener, fresh
from .event_batches import Piece as Piece

# What waits for one slow subscriber, in bytes; past this it is served from the log instead.
QUEUE_BYTES = 1_000_000
PAGE = 500
PAGE_BYTES = 4_000_000
HEARTBEAT_SECONDS = 15.0
# How often a stream's right is looked at again, in seconds.
RIGHT_SECONDS = 60.0
# After so many subscribers the loop may turn to others, such as those who publish.
TURN = 100

_HEADERS = [
    (b"content-type", EVENT_STREAM.encode()),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # a proxy that collects would hold back each event
]


class Sink(Protocol):
    """Where the bytes of one stream go."""

    def write(self, piece: bytes, chunk: bytes = b"") -> None:
        """Take bytes at once; ``chunk`` is the same as an HTTP chunk, when it is known."""
        ...

    def waiting(self) -> int:
        """How many bytes the client has not taken yet."""
        ...

    async def drain(self) -> None:
        """Wait until few are waiting."""
        ...


class Broadcast:
    """Takes new events from the log and offers them to the subscribers.

    Everything but the log's own call runs in the event loop, so that nothing needs a lock.
    No subscriber is waited for and none has a task that an event would wake: one pass over
    all of them writes to their connections.

    Attributes
    ----------
    position : int
        Every event up to this number has been offered, or is being offered.
    """

    def __init__(self, log: LogEngine, *, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self.log = log
        self.heartbeat = heartbeat
        self.subscribers: set[Listener] = set()
        self.position = 0
        self._rows: list[Stored] = []
        self._arrived = asyncio.Event()

    def start(self) -> Callable[[], Awaitable[None]]:
        """Begin; return what ends it."""
        loop = asyncio.get_running_loop()
        subscription = self.log.subscribe(
            lambda rows: _call_in(loop, lambda: self._take(rows)),
        )
        self.position = subscription.after
        tasks = [asyncio.ensure_future(work) for work in (self._spread(), self._live_on())]

        async def stop() -> None:
            subscription.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        return stop

    def _take(self, rows: list[Stored]) -> None:
        self._rows += rows
        self._arrived.set()

    async def _spread(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            # What came while the last round was under way goes out together.
            batch, self._rows = Batch(self._rows), []
            # Said first: who joins from now on reads all of this batch from the log.
            self.position = batch.last
            for turn, subscriber in enumerate(list(self.subscribers), 1):
                subscriber.offer(batch)
                if turn % TURN == 0:
                    await asyncio.sleep(0)

    async def _live_on(self) -> None:
        """Tell the silent streams now and then that they live."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.heartbeat / 4)
            silent_since = loop.time() - self.heartbeat * 0.75
            for turn, subscriber in enumerate(list(self.subscribers), 1):
                subscriber.live_on(silent_since)
                if turn % TURN == 0:
                    await asyncio.sleep(0)


class Subscriber:
    """One open stream's place in the log.

    While ``live`` it is fed by the broadcast; else it reads from the log: at the start, and
    whenever its client was so slow that too much waited.  So it never loses an event and
    never holds more than its share.

    Parameters
    ----------
    broadcast : Broadcast
        Where it belongs.
    sink : Sink
        Where its bytes go.
    after : int
        The last event that it has.
    where : EventFilter
        What it wants.
    reader : Reader
        Who it is.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        sink: Sink,
        *,
        after: int,
        where: EventFilter,
        reader: Reader,
    ) -> None:
        self.broadcast = broadcast
        self.sink = sink
        self.after = after
        self.where = where
        self.key = msgspec.json.encode(where)
        self.reader = reader
        self.live = False
        self._loop = asyncio.get_running_loop()
        self._wrote = self._loop.time()
        self._fell_behind = asyncio.Event()
        # While it reads from the log: what came meanwhile; None when that is not kept.
        self._meanwhile: list[Batch] | None = None

    def offer(self, batch: Batch) -> None:
        """Give it new events; returns at once."""
        if batch.last <= self.after:
            return
        if not self.live:
            self._keep(batch)
            return
        piece = batch.piece(self)
        self.after = batch.last
        if piece:
            self._write(piece.body, piece.chunk)
            if self.sink.waiting() > QUEUE_BYTES:
                self.live = False
                self._fell_behind.set()

    def live_on(self, silent_since: float) -> None:
        """Send a sign of life when nothing was sent since then; it moves the client's place."""
        if self.live and self._wrote < silent_since:
            self._write(b": alive\nid: %d\n\n" % self.after)

    async def run(self) -> None:
        """Send what it wants, for ever."""
        # The first piece carries the first events, so that a client may count silence from it.
        head = b"retry: 1000\nid: %d\n\n" % self.after
        while True:
            self._fell_behind.clear()
            await self._catch_up(head)
            head = b""
            await self._fell_behind.wait()

    async def _catch_up(self, head: bytes) -> None:
        while not self.live:
            await self.sink.drain()
            # Begun before the reading, so that no event falls between the two.
            self._meanwhile = []
            horizon = self.broadcast.position
            rows = await asyncio.to_thread(
                self.broadcast.log.stored,
                after=self.after,
                limit=PAGE,
                where=self.where,
                reader=self.reader,
                largest=PAGE_BYTES,
            )
            full = len(rows) == PAGE or sum(len(row.body) for row in rows) >= PAGE_BYTES
            if rows:
                self.after = rows[-1].sequence
            piece = head + b"".join(frame(row.sequence, row.json()) for row in fresh(rows))
            head = b""
            if piece:
                self._write(piece)
            kept = self._kept()
            if full:
                continue
            self.after = max(self.after, horizon)
            if kept is not None:
                self.live = True
                for batch in kept:
                    self.offer(batch)

    def _keep(self, batch: Batch) -> None:
        if self._meanwhile is not None:
            self._meanwhile.append(batch)
            if sum(each.size for each in self._meanwhile) > QUEUE_BYTES:
                self._meanwhile = None

    def _kept(self) -> list[Batch] | None:
        kept, self._meanwhile = self._meanwhile, None
        return kept

    def _write(self, piece: bytes, chunk: bytes = b"") -> None:
        self._wrote = self._loop.time()
        self.sink.write(piece, chunk)


class EventStream:
    """The response that a subscriber's events are: ends with the client, the service or the right.

    Parameters
    ----------
    subscribe : callable
        Makes the subscriber when it is known where its bytes go.
    stopping : asyncio.Event
        Is set when the service ends.
    still_reader : callable
        Asks again who the client is; None when its right is gone.
    """

    def __init__(
        self,
        subscribe: Callable[[Connection], Subscriber],
        *,
        stopping: asyncio.Event,
        still_reader: Callable[[], Awaitable[Reader | None]],
    ) -> None:
        self._subscribe = subscribe
        self._stopping = stopping
        self._still_reader = still_reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as ASGI wants it."""
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        subscriber = self._subscribe(connection_of(scope))
        subscribers = subscriber.broadcast.subscribers
        subscribers.add(subscriber)
        tasks = [
            asyncio.ensure_future(waiting)
            for waiting in (
                subscriber.run(),
                _client_gone(receive),
                self._right_gone(subscriber),
                self._stopping.wait(),
            )
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            subscribers.discard(subscriber)
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _right_gone(self, subscriber: Subscriber) -> None:
        while True:
            await asyncio.sleep(RIGHT_SECONDS)
            # While the hub restarts its rights are as they were.
            with suppress(Unavailable):
                reader = await self._still_reader()
                if reader is None:
                    return
                subscriber.reader = reader


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:
        if not loop.is_closed():
            raise
