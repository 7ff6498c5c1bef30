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
    """Takes what a subscriber sends, with pauses."""

    def __init__(self, pauses: list[float]) -> None:
        self.pauses = pauses
        self.parser = StreamParser()
        self.numbers: list[int] = []

    async def send(self, piece: bytes) -> None:
        await asyncio.sleep(self.pauses[len(self.numbers) % len(self.pauses)])
        for message in self.parser.feed(piece):
            self.numbers.append(msgspec.json.decode(message.data)["sequence"])


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_or_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int):
    monkeypatch.setattr(streams, "QUEUE_FRAMES", 5)
    monkeypatch.setattr(streams, "PAGE", 7)
    chance = random.Random(seed)
    log = SqliteEventLog(tmp_path / "events.sqlite")
    broadcast = Broadcast(log)
    clients: list[tuple[Client, str, int]] = []

    async def produce() -> None:
        for n in range(TOTAL):
            events = [Event(type="ab"[n % 2], source="/p", id=str(n), access="public")]
            await log.append_async(events)
            await asyncio.sleep(chance.choice([0, 0, 0.001, 0.004]))

    async def subscribe() -> None:
        await asyncio.sleep(chance.uniform(0, 0.3))
        kind, after = chance.choice(["", "a"]), chance.choice([0, log.last()])
        client = Client([0, chance.choice([0, 0.002, 0.02])])
        clients.append((client, kind, after))
        subscriber = Subscriber(
            broadcast, after=after, where=EventFilter(type=kind), reader=Reader(name="x")
        )
        broadcast.subscribers.add(subscriber)
        await subscriber.run(client.send, heartbeat=0.05)

    async def run() -> None:
        cancel = broadcast.start()
        tasks = [asyncio.ensure_future(subscribe()) for _ in range(12)]
        await produce()
        async with asyncio.timeout(30):
            while not all(client.parser.last_id == str(TOTAL) for client, *_ in clients):
                await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        cancel()

    asyncio.run(run())
    log.close()
    assert len(clients) == 12
    for client, kind, after in clients:
        wanted = [n for n in range(after + 1, TOTAL + 1) if not kind or n % 2]
        assert client.numbers == wanted
