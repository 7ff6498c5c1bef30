"""Reads chunks: many gets at a time, each chunk once, with few in flight beyond what is asked."""

import asyncio
import functools
import math
from collections.abc import Iterator
from typing import Any

from zarr.abc.store import SupportsGetSync

from .direct import Place, read_directly
from .feed import Feed
from .layout import Piece
from .stored import Stored, plain_block, stored_of
from .tensors import tensor_of
from .threads import decoding_threads, read_each

# How many gets run at a time.
GETS = 64
# Chunks in flight may hold this much when they are very large.
_IN_FLIGHT = 1_000_000_000


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
    if stored is not None and _gets_at_once(type(array.store)):
        threads = decoding_threads(count, _bytes_of(stored))
        read_directly(stored, stored.requests(pieces), place, threads, gets_at_a_time(stored))
    elif stored is not None and (loop := _loop_of_zarr()) is not None:
        threads = decoding_threads(count, _bytes_of(stored))
        Feed(stored, stored.requests(pieces), place, loop, gets_at_a_time(stored)).run(threads)
    else:
        chunk = tuple(map(int, array.chunks))
        tensor = tensor_of(array)
        read_each(
            pieces,
            lambda piece: place(piece, plain_block(array, chunk, piece, tensor)),
            min(GETS, count),
        )


def gets_at_a_time(stored: Stored) -> int:
    """How many gets run at a time: fewer when the chunks are so large that memory would suffer."""
    return max(8, min(GETS, _IN_FLIGHT // max(_bytes_of(stored), 1)))


def _bytes_of(stored: Stored) -> int:
    return math.prod(stored.chunk) * stored.decoder.dtype.itemsize


@functools.cache
def _gets_at_once(store: type) -> bool:
    """Whether a kind of store needs no event loop; asking a protocol takes long."""
    return issubclass(store, SupportsGetSync)


def _loop_of_zarr() -> asyncio.AbstractEventLoop | None:
    """The event loop that zarr's stores live on; None when this zarr does not say."""
    try:
        from zarr.core.sync import sync
    except ImportError:
        return None

    async def running() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    return sync(running())
