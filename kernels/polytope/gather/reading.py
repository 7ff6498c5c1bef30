"""Reads chunks: many gets at a time, each chunk once, with few in flight beyond what is asked."""

import asyncio
import math
from collections.abc import Iterator
from typing import Any

from zarr.abc.store import SupportsGetSync

from .direct import Place, read_directly
from .feed import Feed
from .places import Piece
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
    if stored is not None and isinstance(array.store, SupportsGetSync):
        ahead = gets_at_a_time(stored)
        read_directly(stored, stored.requests(pieces), place, decoding_threads(count), ahead)
    elif stored is not None and (loop := _loop_of_zarr()) is not None:
        limit = gets_at_a_time(stored)
        Feed(stored, stored.requests(pieces), place, loop, limit).run(decoding_threads(count))
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
