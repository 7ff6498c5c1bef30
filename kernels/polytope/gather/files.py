"""Reads files of a local zarr store in as few calls as the system allows."""

import os
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from zarr.abc.store import RangeByteRequest, SuffixByteRequest
from zarr.storage import LocalStore

# Guards the place in a file where the system has no reads that name theirs.
_SEEKING = threading.Lock()
# What says that there is no such file, as zarr's own store takes it.
_ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


def is_folder(store: Any) -> bool:
    """Whether the keys of a store are files of a folder; what somebody made of it may differ."""
    return type(store) is LocalStore


class Files:
    """Reads keys of a folder in turn, and lets the system fetch the next ones meanwhile.

    A disk or a file server far away then has as many reads to answer at a time as a store on the
    net has; what is in the system's memory already costs one more call.

    Parameters
    ----------
    store : LocalStore
        The folder.
    requests : iterator
        What is to be read; each has a ``key``.
    ahead : int
        How many files are opened ahead.
    whole : bool
        Whether all of a file will be read, so that the system may fetch it.
    """

    def __init__(
        self, store: LocalStore, requests: Iterator[Any], ahead: int, *, whole: bool
    ) -> None:
        self._root, self._requests, self._ahead = os.fspath(store.root), requests, ahead
        self._whole = whole
        self._open: deque[tuple[Any, int | OSError | None]] = deque()

    def __iter__(self) -> Iterator[tuple[Any, int | OSError | None]]:
        return self

    def __next__(self) -> tuple[Any, int | OSError | None]:
        """The next request and its open file, which the caller closes.

        None when there is no such file; an error when it cannot be opened.
        """
        while len(self._open) < self._ahead:
            request = next(self._requests, None)
            if request is None:
                break
            self._open.append((request, self._opened(os.path.join(self._root, request.key))))
        if not self._open:
            raise StopIteration
        return self._open.popleft()

    def close(self) -> None:
        """Close what nobody has asked for."""
        while self._open:
            _, file = self._open.popleft()
            if isinstance(file, int):
                os.close(file)

    def _opened(self, path: str) -> int | OSError | None:
        try:
            file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except _ABSENT:
            return None
        except OSError as error:
            return error
        if self._whole:
            fetch(file, 0, 0)
        return file


def fetch(file: int, start: int, stop: int) -> None:
    """Let the system fetch bytes of a file; all when ``stop`` is 0."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file, start, max(0, stop - start), os.POSIX_FADV_WILLNEED)


def read_file(
    file: int, byte_range: RangeByteRequest | SuffixByteRequest | None = None
) -> bytes | None:
    """The bytes of an open file, or some of them.

    Parameters
    ----------
    file : int
        The file.
    byte_range : optional
        Which bytes; all by default.

    Returns
    -------
    bytes or None
        None when it is a folder.
    """
    size = os.fstat(file).st_size
    start, stop = 0, size
    if isinstance(byte_range, RangeByteRequest):
        start, stop = byte_range.start, min(byte_range.end, size)
    elif byte_range is not None:
        start = max(0, size - byte_range.suffix)
    try:
        return _read(file, start, stop - start)
    except IsADirectoryError:  # which can be opened
        return None


def _read(file: int, start: int, size: int) -> bytes:
    """Up to so many bytes; one call where the system gives all at once."""
    data = _read_at(file, start, max(size, 0))
    if len(data) >= size or not data:
        return data
    parts, held = [data], len(data)
    while held < size and (more := _read_at(file, start + held, size - held)):
        parts.append(more)
        held += len(more)
    return b"".join(parts)


def _read_at(file: int, start: int, size: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(file, size, start)
    with _SEEKING:
        os.lseek(file, start, os.SEEK_SET)
        return os.read(file, size)
