"""A subscriber gets each event once and in order, however slow it is and whenever it comes."""

import asyncio
import random
from pathlib import Path

import msgspec
import pytest

from boathouse.catalogs.access import Reader
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.catalogs.events.wire import StreamParser
from boathouse.hub.services import streams
from boathouse.hub.services.streams import Broadcast, Subscriber

TOTAL = 300


class Client:
    """Takes what a subscriber sends, a little at a time and with pauses."""

    def __init__(self, pauses: list[float]) -> None:
        self.pauses = pauses
        self.parser = StreamParser()
        self.numbers: list[int] = []
        self.buffer = b""
        self.most = 0

    def write(self, piece: bytes, chunk: bytes = b"") -> None:
        assert not chunk or chunk == b"%x\r\n%b\r\n" % (len(piece), piece)
        self.buffer += piece
        self.most = max(self.most, len(self.buffer))

    def waiting(self) -> int:
        return len(self.buffer)

    async def drain(self) -> None:
        while len(self.buffer) > 100:
            await asyncio.sleep(0.001)

    async def take(self) -> None:
        while True:
            await asyncio.sleep(self.pauses[len(self.numbers) % len(self.pauses)])
            piece, self.buffer = self.buffer[:300], self.buffer[300:]
            for message in self.parser.feed(piece):
                self.numbers.append(msgspec.json.decode(message.data)["sequence"])


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_or_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int):
    monkeypatch.setattr(streams, "QUEUE_BYTES", 1000)
    monkeypatch.setattr(streams, "PAGE", 7)
    monkeypatch.setattr(streams, "TURN", 3)
    chance = random.Random(seed)
    log = SqliteEventLog(tmp_path / "events.sqlite")
    broadcast = Broadcast(log, heartbeat=0.05)
    clients: list[tuple[Client, Subscriber, int]] = []

    async def produce() -> None:
        for n in range(TOTAL):
            access = "private" if n % 5 == 4 else "public"
            events = [Event(type="ab"[n % 2], source="/p", id=str(n), owner="x", access=access)]
            await log.append_async(events)
            await asyncio.sleep(chance.choice([0, 0, 0.001, 0.004]))

    async def subscribe() -> None:
        await asyncio.sleep(chance.uniform(0, 0.3))
        kind, after = chance.choice(["", "a"]), chance.choice([0, log.last()])
        client = Client([0, chance.choice([0, 0.002, 0.006])])
        subscriber = Subscriber(
            broadcast,
            client,
            after=after,
            where=EventFilter(type=kind),
            reader=Reader(name=chance.choice("xy")),
        )
        broadcast.subscribers.add(subscriber)
        clients.append((client, subscriber, after))
        await asyncio.gather(subscriber.run(), client.take())

    async def run() -> None:
        stop = broadcast.start()
        tasks = [asyncio.ensure_future(subscribe()) for _ in range(12)]
        await produce()
        async with asyncio.timeout(30):
            while not all(client.parser.last_id == str(TOTAL) for client, *_ in clients):
                await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await stop()

    asyncio.run(run())
    log.close()
    assert len(clients) == 12
    for client, subscriber, after in clients:
        wanted = [
            n + 1
            for n in range(after, TOTAL)
            if (not subscriber.where.type or n % 2 == 0)
            and (subscriber.reader.name == "x" or n % 5 != 4)
        ]
        assert client.numbers == wanted
        assert client.most < 5_000
    assert any(client.most > 1000 for client, *_ in clients)  # some fell behind
