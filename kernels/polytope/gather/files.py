"""Reads files of a local zarr store in as few calls as the system allows."""

import os
from typing import Any

from zarr.abc.store import RangeByteRequest, SuffixByteRequest
from zarr.storage import LocalStore

# What says that there is no such file, as zarr's own store takes it.
_ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


def is_folder(store: Any) -> bool:
    """Whether the keys of a store are files of a folder; what somebody made of it may differ."""
    return type(store) is LocalStore


def read_file(
    store: LocalStore, key: str, byte_range: RangeByteRequest | SuffixByteRequest | None = None
) -> bytes | None:
    """The bytes of a file, or some of them.

    Parameters
    ----------
    store : LocalStore
        The folder.
    key : str
        The file's name in it.
    byte_range : optional
        Which bytes; all by default.

    Returns
    -------
    bytes or None
        None when there is no such file.
    """
    try:
        file = os.open(os.path.join(store.root, key), os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except _ABSENT:
        return None
    try:
        size = os.fstat(file).st_size
        start, stop = 0, size
        if isinstance(byte_range, RangeByteRequest):
            start, stop = byte_range.start, min(byte_range.end, size)
        elif byte_range is not None:
            start = max(0, size - byte_range.suffix)
        if start:
            os.lseek(file, start, os.SEEK_SET)
        return _read(file, stop - start)
    except _ABSENT:  # a folder is found only when it is read
        return None
    finally:
        os.close(file)


def _read(file: int, size: int) -> bytes:
    """Up to so many bytes; one call where the system gives all at once."""
    data = os.read(file, max(size, 0))
    if len(data) >= size or not data:
        return data
    parts = [data]
    while size > (held := sum(map(len, parts))) and (more := os.read(file, size - held)):
        parts.append(more)
    return b"".join(parts)
