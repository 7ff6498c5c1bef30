"""Gets chunks from stores on zarr's event loop, and decodes them in threads of the caller."""

import asyncio
import queue
from collections.abc import Iterator
from typing import Any

import zarr.buffer.cpu
from zarr.abc.store import RangeByteRequest

from .direct import Place, index_range
from .stored import Request, Span, Stored, unreadable
from .threads import read_each

_DONE = object()


class Feed:
    """Gets on zarr's event loop, decoding in threads of the caller.

    Parameters
    ----------
    stored : Stored
        The array.
    requests : iterator of Request
        The keys.
    place : callable
        What is done with each chunk.
    loop : event loop
        The one that the store lives on; another thread runs it.
    limit : int
        How many gets run at a time.
    """

    def __init__(
        self,
        stored: Stored,
        requests: Iterator[Request],
        place: Place,
        loop: asyncio.AbstractEventLoop,
        limit: int,
    ) -> None:
        self._stored, self._requests, self._place = stored, requests, place
        self._loop = loop
        self._limit = limit
        self._items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._slots = asyncio.Semaphore(self._limit)

    def run(self, threads: int) -> None:
        """Read everything.

        Parameters
        ----------
        threads : int
            How many threads decode.

        Raises
        ------
        Unavailable
            If the store fails; names the chunk.
        """
        fed = asyncio.run_coroutine_threadsafe(self._feed(), self._loop)
        try:
            read_each(self._arrivals(fed), self._take, threads, lambda: self._items.put(_DONE))
        finally:
            fed.cancel()

    def _take(self, item: Any) -> None:
        if isinstance(item, BaseException):
            raise item
        for piece, data in item:
            self._place(piece, self._stored.block(piece, data))

    def _arrivals(self, fed: Any) -> Iterator[Any]:
        """What has been fetched; every one that is taken lets another get start."""
        free = 0
        while True:
            if free >= self._limit // 4 or (free and self._items.empty()):
                self._loop.call_soon_threadsafe(self._release, free)
                free = 0
            item = self._wait(fed)
            if item is _DONE:
                return
            yield item
            free += 1

    def _wait(self, fed: Any) -> Any:
        while True:
            try:
                return self._items.get(timeout=5)
            except queue.Empty:
                if fed.done() and self._items.empty():  # the loop was stopped under us
                    raise RuntimeError("zarr's event loop has stopped") from None

    def _release(self, count: int) -> None:
        for _ in range(count):
            self._slots.release()

    async def _feed(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for request in self._requests:
                    await self._slots.acquire()
                    group.create_task(self._fetch(request, group))
            self._items.put(_DONE)
        except Exception as error:  # noqa: BLE001 - raised in the caller's thread
            self._items.put(error)

    async def _fetch(self, request: Request, group: asyncio.TaskGroup) -> None:
        """Get one key, in the slot that was taken for it."""
        try:
            if self._stored.shards is None:
                data = await self._get(request.key)
                self._items.put([(request.pieces[0], data)])
            else:
                await self._fetch_shard(request, group)
        except Exception as error:  # noqa: BLE001 - raised in the caller's thread
            self._items.put(error)

    async def _get(self, key: str, byte_range: Any = None) -> Any:
        try:
            found = await self._stored.array.store.get(
                key, zarr.buffer.cpu.buffer_prototype, byte_range
            )
        except Exception as error:
            raise unreadable(self._stored.array, key, error) from error
        return None if found is None else found.as_numpy_array()

    async def _fetch_shard(self, request: Request, group: asyncio.TaskGroup) -> None:
        assert self._stored.shards is not None
        data = await self._get(request.key, index_range(self._stored))
        if data is None:
            self._items.put([(piece, None) for piece in request.pieces])
            return
        index = self._stored.index(request.key, data)
        spans, missing = self._stored.spans(index, request.pieces)
        self._items.put([(piece, None) for piece in missing])  # this gives the slot back
        for span in spans:
            await self._slots.acquire()
            group.create_task(self._fetch_span(request.key, span))

    async def _fetch_span(self, key: str, span: Span) -> None:
        try:
            data = await self._get(key, RangeByteRequest(span.start, span.stop))
            parts = [(p, None if data is None else data[a:b]) for p, a, b in span.parts]
            self._items.put(parts)
        except Exception as error:  # noqa: BLE001 - raised in the caller's thread
            self._items.put(error)
