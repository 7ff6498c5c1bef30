"""Gets chunks from stores that need no event loop: folders and memory."""

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy.typing as npt
import zarr.buffer.cpu
from zarr.abc.store import RangeByteRequest, SuffixByteRequest

from .files import Files, fetch, is_folder, read_file
from .layout import Piece
from .stored import Request, Span, Stored, unreadable
from .threads import read_each

# What is done with the values of a chunk.
Place = Callable[[Piece, npt.NDArray[Any]], None]
# Guards how many spans of a shard are left.
_COUNTING = threading.Lock()


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
    keys = _Files(stored, requests, ahead) if is_folder(stored.array.store) else None
    keys = _Keys(stored, requests) if keys is None else keys
    try:
        if stored.shards is None:
            read_each(iter(keys), lambda key: key.whole(place), threads)
        else:
            spans = (span for key in keys for span in key.spans(place, ahead))
            read_each(spans, lambda span: span[0].some(span[1], place), threads)
    finally:
        keys.close()


class _Key:
    """One key of a store, or one file of a folder.

    Parameters
    ----------
    stored : Stored
        The array.
    request : Request
        What is wanted of it.
    """

    def __init__(self, stored: Stored, request: Request) -> None:
        self._stored, self._request = stored, request

    def whole(self, place: Place) -> None:
        """Read a chunk."""
        data = self._got(None)
        self.close()
        self._finish(place, self._request.pieces[0], data)

    def spans(self, place: Place, ahead: int) -> Iterator[tuple["_Key", Span]]:
        """What to read of a shard; its missing chunks are placed at once."""
        found = self._got(index_range(self._stored))
        missing, spans = self._request.pieces, list[Span]()
        if found is not None:
            index = self._stored.index(self._request.key, found)
            spans, missing = self._stored.spans(index, missing)
        for piece in missing:
            self._finish(place, piece, None)
        self._left = len(spans)
        for span in spans[:ahead]:
            self.fetch(span)
        for number, span in enumerate(spans, ahead):
            yield self, span
            if number < len(spans):
                self.fetch(spans[number])
        if not spans:
            self.close()

    def some(self, span: Span, place: Place) -> None:
        """Read some chunks of a shard."""
        data = self._got(RangeByteRequest(span.start, span.stop))
        for piece, start, stop in span.parts:
            self._finish(place, piece, None if data is None else data[start:stop])
        with _COUNTING:
            self._left -= 1
            last = self._left == 0
        if last:
            self.close()

    def fetch(self, span: Span) -> None:
        """Let the system fetch some chunks of a shard."""

    def get(self, byte_range: Any) -> Any:
        """Bytes of the key; None when there is no such key."""
        store, prototype = self._stored.array.store, zarr.buffer.cpu.buffer_prototype
        found = store.get_sync(self._request.key, prototype=prototype, byte_range=byte_range)
        return None if found is None else found.as_numpy_array()

    def close(self) -> None:
        """Read no more."""

    def _got(self, byte_range: Any) -> Any:
        try:
            return self.get(byte_range)
        except Exception as error:
            raise unreadable(self._stored.array, self._request.key, error) from error

    def _finish(self, place: Place, piece: Piece, data: Any) -> None:
        place(piece, self._stored.block(piece, data))


class _File(_Key):
    """A file that has been opened, or could not be; known to be open until it is closed."""

    def __init__(
        self, stored: Stored, request: Request, file: int | OSError | None, known: "set[_File]"
    ) -> None:
        super().__init__(stored, request)
        self._file, self._known = file, known
        known.add(self)

    def fetch(self, span: Span) -> None:
        if isinstance(self._file, int):
            fetch(self._file, span.start, span.stop)

    def get(self, byte_range: Any) -> Any:
        if isinstance(self._file, OSError):
            raise self._file
        return None if self._file is None else read_file(self._file, byte_range)

    def close(self) -> None:
        self._known.discard(self)
        file, self._file = self._file, None
        if isinstance(file, int):
            os.close(file)


class _Keys:
    """The keys of a store one after the other.

    Parameters
    ----------
    stored : Stored
        The array.
    requests : iterator of Request
        What is wanted.
    """

    def __init__(self, stored: Stored, requests: Iterator[Request]) -> None:
        self._stored, self._requests = stored, requests

    def __iter__(self) -> Iterator[_Key]:
        return (_Key(self._stored, request) for request in self._requests)

    def close(self) -> None:
        """Read no more."""


class _Files(_Keys):
    """The files of a folder, some of them opened ahead."""

    def __init__(self, stored: Stored, requests: Iterator[Request], ahead: int) -> None:
        super().__init__(stored, requests)
        whole = stored.shards is None
        self._files = Files(stored.array.store, requests, ahead if whole else 1, whole=whole)
        self._known: set[_File] = set()

    def __iter__(self) -> Iterator[_Key]:
        for request, file in self._files:
            yield _File(self._stored, request, file, self._known)

    def close(self) -> None:
        self._files.close()
        for file in tuple(self._known):
            file.close()
