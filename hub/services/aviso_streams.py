"""Aviso's streams: a type's notifications from a place in its history on, or as they come."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec

from ...catalogs.access import Reader
from ...catalogs.events.event import EventFilter
from ...catalogs.events.log import Stored
from ...catalogs.events.schema_aviso import PREFIX
from .aviso_numbers import StreamNumbers
from .aviso_requests import Wanted
from .streams import PAGE, PAGE_BYTES, QUEUE_BYTES, Batch, Broadcast, Piece, Sink, Subscriber

LIVE = b"live-notification"
REPLAY = b"replay"


class _Data(msgspec.Struct):
    identifier: dict[str, Any]
    payload: msgspec.Raw = msgspec.Raw(b"null")


class _Body(msgspec.Struct):
    """What Aviso's wire has of a stored event."""

    source: str
    time: str
    data: _Data
    subject: str = ""


class _Notification(msgspec.Struct):
    id: str
    type: str
    source: str
    time: str
    subject: str
    dataschema: str
    data: _Data
    specversion: str = "1.0"
    datacontenttype: str = "application/json"


_decoder = msgspec.json.Decoder(_Body)
_encoder = msgspec.json.Encoder()


class Frame(NamedTuple):
    """One event for Aviso's clients, and what is needed to say who gets it."""

    row: Stored
    identifier: Mapping[str, Any]
    json: bytes

    def encode(self, event: bytes) -> bytes:
        """As one server-sent event."""
        return b"event: %b\ndata: %b\n\n" % (event, self.json)


class Stream:
    """The stream of one event type.

    Parameters
    ----------
    event_type : str
        Aviso's name of it.
    numbers : StreamNumbers
        Its numbers.
    write : callable
        Gives stored keys their form on the wire.
    """

    def __init__(
        self,
        event_type: str,
        numbers: StreamNumbers,
        write: Callable[[Mapping[str, Any]], dict[str, Any]],
    ) -> None:
        self.event_type = event_type
        self.numbers = numbers
        self.where = EventFilter(type=f"{PREFIX}{event_type}")
        self._write = write
        self._batches: WeakKeyDictionary[Batch, _Frames] = WeakKeyDictionary()

    def frame(self, row: Stored) -> Frame | None:
        """Encode a stored event; None when it is none of Aviso's form."""
        try:
            body = _decoder.decode(row.body)
        except msgspec.DecodeError:
            return None
        identifier = body.data.identifier
        body.data.identifier = self._write(identifier)
        number = self.numbers.number(row.sequence)
        notification = _Notification(
            id=f"{self.event_type}@{number}",
            type=row.type,
            source=body.source,
            time=body.time,
            subject=body.subject,
            dataschema=f"/api/v1/schema/{self.event_type}",
            data=body.data,
        )
        return Frame(row, identifier, _encoder.encode(notification))

    def piece(self, batch: Batch, subscriber: "AvisoSubscriber") -> Piece | None:
        """What one subscriber gets of new events."""
        frames = self._batches.get(batch)
        if frames is None:
            self.numbers.add(list(batch.rows))
            frames = self._batches[batch] = _Frames(self, batch)
        return frames.piece(subscriber)

    def visible(self, row: Stored, reader: Reader) -> bool:
        """Whether a reader of the stream may see one of its events."""
        return row.access in self.numbers.counted or reader.may_see(row.owner, row.access)


class _Frames:
    """New events of one type: each is encoded once, and each filter is asked once."""

    def __init__(self, stream: Stream, batch: Batch) -> None:
        self._stream = stream
        rows = [row for row in batch.rows if row.type == stream.where.type]
        self._frames = [frame for row in rows if (frame := stream.frame(row))]
        self._matching: dict[bytes, tuple[list[Frame], Piece | None]] = {}

    def piece(self, subscriber: "AvisoSubscriber") -> Piece | None:
        wanted = subscriber.wanted
        known = self._matching.get(wanted.key)
        if known is None:
            known = self._matching[wanted.key] = self._match(wanted)
        frames, shared = known
        if not frames or (shared and frames[0].row.sequence > subscriber.after):
            return shared
        seen = [
            frame.encode(LIVE)
            for frame in frames
            if frame.row.sequence > subscriber.after
            and self._stream.visible(frame.row, subscriber.reader)
        ]
        return Piece.of(seen) if seen else None

    def _match(self, wanted: Wanted) -> tuple[list[Frame], Piece | None]:
        frames = [frame for frame in self._frames if wanted.matches(frame.identifier)]
        counted = self._stream.numbers.counted
        shared = bool(frames) and all(frame.row.access in counted for frame in frames)
        return frames, Piece.of([frame.encode(LIVE) for frame in frames]) if shared else None


class Counter:
    """Counts what comes while nobody listens, so that it has its number before it is cut off.

    Parameters
    ----------
    streams : callable
        Gives the streams that are counted.
    """

    key = b"aviso numbers"
    where = EventFilter()
    reader = Reader(name="aviso", admin=True)
    after = 0

    def __init__(self, streams: Callable[[], Iterable[Stream]]) -> None:
        self._streams = streams

    def offer(self, batch: Batch) -> None:
        """Count new events."""
        for stream in self._streams():
            stream.numbers.add(list(batch.rows))

    def live_on(self, silent_since: float) -> None:
        """It has nobody to tell."""


class AvisoSubscriber(Subscriber):
    """One client's place in a stream, told in Aviso's events.

    Parameters
    ----------
    broadcast : Broadcast
        The service's own, which all streams share.
    sink : Sink
        Where the bytes go.
    stream : Stream
        The stream of the event type.
    wanted : Wanted
        Which of its events.
    after : int
        The last number of the log that it has.
    historical : bool
        Whether it begins with history.
    until : int or None
        The last number of the log that a replay gives; None goes on for ever.
    reader : Reader
        Who it is.
    request_id : str
        Is shown in control events.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        sink: Sink,
        *,
        stream: Stream,
        wanted: Wanted,
        after: int,
        historical: bool,
        until: int | None,
        reader: Reader,
        request_id: str,
    ) -> None:
        super().__init__(broadcast, sink, after=after, where=wanted.filter(), reader=reader)
        self.stream = stream
        self.wanted = wanted
        self.until = until
        self._historical = historical
        self._request_id = request_id

    def offer(self, batch: Batch) -> None:
        """Give it new events; returns at once."""
        if batch.last <= self.after:
            return
        if not self.live:
            self._keep(batch)
            return
        piece = self.stream.piece(batch, self)
        self.after = batch.last
        if piece:
            self._write(piece.body, piece.chunk)
            if self.sink.waiting() > QUEUE_BYTES:
                self.live = False
                self._fell_behind.set()

    def live_on(self, silent_since: float) -> None:
        """Send a sign of life when nothing was sent since then."""
        if self.live and self._wrote < silent_since:
            self._say(b"heartbeat")

    def close(self, reason: str) -> None:
        """Say why the stream ends."""
        self._say(b"connection-closing", reason=reason, request_id=self._request_id)

    async def run(self) -> None:
        """Send what it wants: for ever, or to the end of a replay."""
        if not self._historical:
            self._say(LIVE, type="connection_established", request_id=self._request_id)
            await self._go_on()
        numbers = self.stream.numbers
        self._say(
            b"replay-control",
            type="replay_started",
            from_sequence=numbers.after(self.after + 1),
            to_sequence=None if self.until is None else numbers.number(self.until),
            batch_size=PAGE,
            request_id=self._request_id,
        )
        horizon = self.broadcast.position if self.until is None else self.until
        while self.after < horizon:
            await self._send_page(REPLAY, horizon)
        self._say(b"replay-control", type="replay_completed")
        if self.until is None:
            await self._go_on()
        self.close("end_of_stream")
        await self.sink.drain()

    async def _go_on(self) -> None:
        while True:
            self._fell_behind.clear()
            while not self.live:
                # Begun before the reading, so that no event falls between the two.
                self._meanwhile = []
                horizon = self.broadcast.position
                await self._send_page(LIVE, horizon)
                kept = self._kept()
                if self.after >= horizon and kept is not None:
                    self.live = True
                    for batch in kept:
                        self.offer(batch)
            await self._fell_behind.wait()

    async def _send_page(self, event: bytes, horizon: int) -> None:
        await self.sink.drain()
        if self.after >= horizon:
            return
        after, piece = await asyncio.to_thread(self._read, event, horizon)
        if piece:
            self._write(piece)
        self.after = after

    def _read(self, event: bytes, horizon: int) -> tuple[int, bytes]:
        """Encode a page of the log; runs in a thread."""
        self.stream.numbers.count(horizon)
        rows = self.broadcast.log.stored(
            after=self.after, limit=PAGE, where=self.where, largest=PAGE_BYTES
        )
        full = len(rows) == PAGE or sum(len(row.body) for row in rows) >= PAGE_BYTES
        last = rows[-1].sequence if rows and full else horizon
        return min(last, horizon), b"".join(self._frames(rows, event, horizon))

    def _frames(self, rows: Iterable[Stored], event: bytes, horizon: int) -> Iterable[bytes]:
        for row in rows:
            if row.sequence <= horizon and self.stream.visible(row, self.reader):
                frame = self.stream.frame(row)
                if frame and self.wanted.matches(frame.identifier):
                    yield frame.encode(event)

    def _say(self, event: bytes, **fields: Any) -> None:
        fields = {**fields, "timestamp": timestamp(), "topic": self.wanted.topic}
        self._write(b"event: %b\ndata: %b\n\n" % (event, msgspec.json.encode(fields)))


def timestamp() -> str:
    """Now, in Aviso's form."""
    return datetime.fromtimestamp(int(time.time()), UTC).isoformat().replace("+00:00", "Z")
