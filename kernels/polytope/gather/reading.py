"""Reads chunks: many gets at a time, each chunk once, with few in flight beyond what is asked."""

import asyncio
import math
import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy.typing as npt
import zarr.buffer.cpu
from zarr.abc.store import RangeByteRequest, SuffixByteRequest, SupportsGetSync

from .files import is_folder, read_file
from .places import Piece
from .stored import Request, Span, Stored, plain_block, stored_of, unreadable

# How many gets run at a time.
GETS = 64
# Chunks in flight may hold this much when they are very large.
_IN_FLIGHT = 1_000_000_000
_DONE = object()

# What is done with the values of a chunk.
Place = Callable[[Piece, npt.NDArray[Any]], None]
_PROTOTYPE = zarr.buffer.cpu.buffer_prototype


def read(array: Any, pieces: Iterator[Piece], count: int, place: Place) -> None:
    """Read chunks of a zarr array, each once.

    Parameters
    ----------
    array : zarr.Array
        Of any format, store and codecs.
    pieces : iterator of Piece
        What is wanted.
    count : int
        How many chunks that are.
    place : callable
        Called once for each piece with the values of its chunk, or with a single one that
        stands for all; from several threads.

    Raises
    ------
    Unavailable
        If the store fails; names the chunk.
    """
    stored = stored_of(array)
    if stored is not None and isinstance(array.store, SupportsGetSync):
        _Gets(stored, place).run(stored.requests(pieces), decoding_threads(count))
    elif stored is not None and (loop := _loop_of_zarr()) is not None:
        _Feed(stored, stored.requests(pieces), place, loop).run(decoding_threads(count))
    else:
        chunk = tuple(map(int, array.chunks))
        read_each(
            pieces,
            lambda piece: place(piece, plain_block(array, chunk, piece)),
            min(GETS, count),
        )


def gets_at_a_time(stored: Stored) -> int:
    """How many gets run at a time: fewer when the chunks are so large that memory would suffer."""
    size = math.prod(stored.chunk) * stored.decoder.dtype.itemsize
    return max(8, min(GETS, _IN_FLIGHT // max(size, 1)))


def _loop_of_zarr() -> asyncio.AbstractEventLoop | None:
    """The event loop that zarr's stores live on; None when this zarr does not say."""
    try:
        from zarr.core.sync import sync
    except ImportError:
        return None

    async def running() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    return sync(running())


class Work:
    """Requests that several threads take from, until one of them fails.

    Parameters
    ----------
    requests : iterator
        What is to do.
    """

    def __init__(self, requests: Iterator[Any]) -> None:
        self._requests = requests
        self._lock = threading.Lock()
        self.error: BaseException | None = None

    def next(self) -> Any:
        """The next request; None when there are no more."""
        with self._lock:
            return None if self.error is not None else next(self._requests, None)

    def fail(self, error: BaseException) -> None:
        """Let nobody start anything more; takes no lock, its holder may be waiting."""
        self.error = self.error or error


def in_threads(work: Callable[[], None], threads: int) -> None:
    """Do the same in this thread and in helpers beside it; returns when all are done.

    Parameters
    ----------
    work : callable
        What to do; it keeps its errors to itself.
    threads : int
        How many, with this one.
    """
    helpers = [threading.Thread(target=work, daemon=True) for _ in range(threads - 1)]
    for helper in helpers:
        helper.start()
    try:
        work()
    finally:
        for helper in helpers:
            helper.join()


def decoding_threads(count: int) -> int:
    """How many threads decode a number of chunks: one in a thread that is itself one of many."""
    if threading.current_thread() is not threading.main_thread():
        return 1
    return max(1, min(4, os.cpu_count() or 1, count // 4))


def read_each(
    requests: Iterator[Any],
    do: Callable[[Any], None],
    threads: int,
    stop: Callable[[], None] | None = None,
) -> None:
    """Do something with each request in several threads.

    Parameters
    ----------
    requests : iterator
        What is to do.
    do : callable
        Called with each request.
    threads : int
        How many, with this one.
    stop : callable, optional
        Called when one fails: wakes a thread that waits for the next request.

    Raises
    ------
    the first error
        Once nobody works any more.
    """
    shared = Work(requests)

    def work() -> None:
        try:
            while (request := shared.next()) is not None:
                do(request)
        except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
            shared.fail(error)
            if stop is not None:
                stop()

    in_threads(work, threads)
    if shared.error is not None:
        raise shared.error


def _index_range(stored: Stored) -> Any:
    assert stored.shards is not None
    size = stored.shards.index_bytes
    return RangeByteRequest(0, size) if stored.shards.at_start else SuffixByteRequest(size)


class _Gets:
    """Gets from a store that needs no event loop, each in the thread that decodes.

    Parameters
    ----------
    stored : Stored
        The array.
    place : callable
        What is done with each chunk.
    """

    def __init__(self, stored: Stored, place: Place) -> None:
        self._stored, self._place = stored, place

    def run(self, requests: Iterator[Request], threads: int) -> None:
        read_each(requests, self._do, threads)

    def _do(self, request: Request) -> None:
        shards = self._stored.shards
        if shards is None:
            self._finish(request.pieces[0], self._get(request.key))
            return
        found = self._get(request.key, _index_range(self._stored))
        missing, spans = request.pieces, list[Span]()
        if found is not None:
            spans, missing = self._stored.spans(self._stored.index(request.key, found), missing)
        for piece in missing:
            self._finish(piece, None)
        for span in spans:
            data = self._get(request.key, RangeByteRequest(span.start, span.stop))
            for piece, start, stop in span.parts:
                self._finish(piece, None if data is None else data[start:stop])

    def _finish(self, piece: Piece, data: Any) -> None:
        self._place(piece, self._stored.block(piece, data))

    def _get(self, key: str, byte_range: Any = None) -> Any:
        store = self._stored.array.store
        try:
            if is_folder(store):
                return read_file(store, key, byte_range)
            found = store.get_sync(key, prototype=_PROTOTYPE, byte_range=byte_range)
        except Exception as error:
            raise unreadable(self._stored.array, key, error) from error
        return None if found is None else found.as_numpy_array()


class _Feed:
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
    """

    def __init__(
        self,
        stored: Stored,
        requests: Iterator[Request],
        place: Place,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._stored, self._requests, self._place = stored, requests, place
        self._loop = loop
        self._limit = gets_at_a_time(stored)
        self._items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._slots = asyncio.Semaphore(self._limit)

    def run(self, threads: int) -> None:
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
            found = await self._stored.array.store.get(key, _PROTOTYPE, byte_range)
        except Exception as error:
            raise unreadable(self._stored.array, key, error) from error
        return None if found is None else found.as_numpy_array()

    async def _fetch_shard(self, request: Request, group: asyncio.TaskGroup) -> None:
        assert self._stored.shards is not None
        data = await self._get(request.key, _index_range(self._stored))
        if data is None:
            self._items.put([(piece, None) for piece in request.pieces])
            return
        index = self._stored.index(request.key, data)
        spans, missing = self._stored.spans(index, request.pieces)
        self._items.put([(piece, None) for piece in missing])  # this gives the slot back
        for span in spans:
            await self._slots.acquire()
            group.create_task(self._fetch_span(request.key, span))

    async def _fetch_span(self, key: str, span: Any) -> None:
        try:
            data = await self._get(key, RangeByteRequest(span.start, span.stop))
            parts = [(p, None if data is None else data[a:b]) for p, a, b in span.parts]
            self._items.put(parts)
        except Exception as error:  # noqa: BLE001 - raised in the caller's thread
            self._items.put(error)
