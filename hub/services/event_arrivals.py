"""Waits in the loop until an event comes that somebody wants: a long poll without a thread."""

import asyncio

import msgspec

from ...catalogs.access import Reader
from ...catalogs.events.event import EventFilter
from .streams import Batch, Broadcast


class Arrivals:
    """Is woken by new events that pass a filter and that the reader may see.

    Used as a context manager; what arrives before it is entered is not noticed.

    Parameters
    ----------
    broadcast : Broadcast
        Tells of new events.
    where : EventFilter, optional
        Which count; all when it is None.
    reader : Reader
        Who waits.
    """

    def __init__(self, broadcast: Broadcast, where: EventFilter | None, reader: Reader) -> None:
        self._broadcast = broadcast
        self.where = where or EventFilter()
        self.key = msgspec.json.encode(self.where)
        self.reader = reader
        self.after = 0
        self._came = asyncio.Event()

    def __enter__(self) -> "Arrivals":
        self._broadcast.subscribers.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._broadcast.subscribers.discard(self)

    def offer(self, batch: Batch) -> None:
        """Look at new events; returns at once."""
        if not self._came.is_set() and batch.concerns(self):
            self._came.set()

    def live_on(self, silent_since: float) -> None:
        """Nobody is told anything."""

    def set(self) -> None:
        """Wake it for another reason."""
        self._came.set()

    def clear(self) -> None:
        """Begin to look."""
        self._came.clear()

    async def wait(self, seconds: float) -> None:
        """Wait until something came, or for so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._came.wait()
        except TimeoutError:
            return
