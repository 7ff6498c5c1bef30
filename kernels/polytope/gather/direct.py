"""Gets chunks from stores that need no event loop: folders and memory."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy.typing as npt
import zarr.buffer.cpu
from zarr.abc.store import RangeByteRequest, SuffixByteRequest

from .files import Files, fetch, is_folder, read_file
from .places import Piece
from .stored import Request, Span, Stored, unreadable
from .threads import read_each

# What is done with the values of a chunk.
Place = Callable[[Piece, npt.NDArray[Any]], None]
# What gets some bytes of one key, or all.
Get = Callable[..., Any]


def index_range(stored: Stored) -> RangeByteRequest | SuffixByteRequest:
    """Where the index of a shard is."""
    assert stored.shards is not None
    size = stored.shards.index_bytes
    return RangeByteRequest(0, size) if stored.shards.at_start else SuffixByteRequest(size)


def read_directly(
    stored: Stored, requests: Iterator[Request], place: Place, threads: int, ahead: int
) -> None:
    """Get chunks, each in the thread that decodes it.

    Parameters
    ----------
    stored : Stored
        The array; its store has ``get_sync``.
    requests : iterator of Request
        The keys.
    place : callable
        What is done with each chunk.
    threads : int
        How many threads.
    ahead : int
        How many files of a folder the system fetches while others are decoded.

    Raises
    ------
    Unavailable
        If the store fails; names the chunk.
    """
    direct = _Direct(stored, place)
    if not is_folder(stored.array.store):
        read_each(requests, direct.from_store, threads)
        return
    files = Files(stored.array.store, requests, ahead, whole=stored.shards is None)
    try:
        read_each(files, direct.from_file, threads)
    finally:
        files.close()


class _Direct:
    """Takes requests.

    Parameters
    ----------
    stored : Stored
        The array.
    place : callable
        What is done with each chunk.
    """

    def __init__(self, stored: Stored, place: Place) -> None:
        self._stored, self._place = stored, place

    def from_store(self, request: Request) -> None:
        """Get one key by the store's own method."""
        store = self._stored.array.store

        def get(byte_range: Any = None) -> Any:
            prototype = zarr.buffer.cpu.buffer_prototype
            found = store.get_sync(request.key, prototype=prototype, byte_range=byte_range)
            return None if found is None else found.as_numpy_array()

        self._do(request, get)

    def from_file(self, item: tuple[Request, int | OSError | None]) -> None:
        """Read one file that has been opened."""
        request, file = item
        if isinstance(file, OSError):
            raise unreadable(self._stored.array, request.key, file) from file
        try:
            self._do(
                request, lambda part=None: None if file is None else read_file(file, part), file
            )
        finally:
            if file is not None:
                os.close(file)

    def _do(self, request: Request, get: Get, file: int | None = None) -> None:
        if self._stored.shards is None:
            self._finish(request.pieces[0], self._got(request, get, None))
            return
        found = self._got(request, get, index_range(self._stored))
        missing, spans = request.pieces, list[Span]()
        if found is not None:
            spans, missing = self._stored.spans(self._stored.index(request.key, found), missing)
        for piece in missing:
            self._finish(piece, None)
        if file is not None:
            for span in spans:
                fetch(file, span.start, span.stop)
        for span in spans:
            data = self._got(request, get, RangeByteRequest(span.start, span.stop))
            for piece, start, stop in span.parts:
                self._finish(piece, None if data is None else data[start:stop])

    def _got(self, request: Request, get: Get, byte_range: Any) -> Any:
        try:
            return get(byte_range)
        except Exception as error:
            raise unreadable(self._stored.array, request.key, error) from error

    def _finish(self, piece: Piece, data: Any) -> None:
        self._place(piece, self._stored.block(piece, data))
