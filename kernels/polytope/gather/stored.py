"""Says of a zarr array where its chunks are in the store, and how to read them without zarr."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ....catalogs.errors import Unavailable
from .codecs import DECODING_ERRORS, Decoder, Shards, decoder_v2, decoder_v3, shards_of
from .layout import Piece

# Neighbouring chunks of a shard are fetched together up to this size.
_TOGETHER = 8_000_000
_MISSING = 2**64 - 1


class Request(NamedTuple):
    """Chunks that lie under one key of the store: one, or several of a shard.

    Attributes
    ----------
    key : str
        The key.
    pieces : list of Piece
        What is wanted of the chunks.
    """

    key: str
    pieces: list[Piece]


class Span(NamedTuple):
    """Bytes of a shard that are fetched together.

    Attributes
    ----------
    start, stop : int
        The bytes.
    parts : list of (Piece, int, int)
        What is wanted of each chunk in them, and the chunk's bytes counted from ``start``.
    """

    start: int
    stop: int
    parts: list[tuple[Piece, int, int]]


@dataclass(frozen=True, eq=False)
class Stored:
    """A zarr array as it lies in its store.

    Attributes
    ----------
    array : zarr.Array
        The array.
    chunk : tuple of int
        The lengths of a chunk; of an inner one where there are shards.
    decoder : Decoder
        Of chunks.
    shards : Shards or None
        How chunks lie in shards.
    """

    array: Any
    chunk: tuple[int, ...]
    decoder: Decoder
    shards: Shards | None

    def requests(self, pieces: Iterable[Piece]) -> Iterator[Request]:
        """The keys to read."""
        if self.shards is None:
            yield from (Request(self.key(piece.chunk), [piece]) for piece in pieces)
            return
        owners: dict[tuple[int, ...], list[Piece]] = {}
        counts = self.shards.counts
        for piece in pieces:
            owner = tuple(n // c for n, c in zip(piece.chunk, counts, strict=True))
            owners.setdefault(owner, []).append(piece)
        yield from (Request(self.key(owner), held) for owner, held in owners.items())

    def key(self, number: tuple[int, ...]) -> str:
        """The key of a chunk or shard in the store."""
        path, name = self.array.path, self.array.metadata.encode_chunk_key(number)
        return f"{path}/{name}" if path else str(name)

    def index(self, key: str, data: Any) -> npt.NDArray[np.uint64]:
        """Where each chunk of a shard lies, out of the index' bytes."""
        assert self.shards is not None
        try:
            return self.shards.index(data)
        except ValueError as error:
            raise unreadable(self.array, key, error) from error

    def spans(
        self, index: npt.NDArray[np.uint64], pieces: list[Piece]
    ) -> tuple[list[Span], list[Piece]]:
        """Which bytes of a shard to fetch.

        Parameters
        ----------
        index : array of uint64, shape (\\*counts, 2)
            Of the shard.
        pieces : list of Piece
            What is wanted.

        Returns
        -------
        list of Span, list of Piece
            The second are the missing chunks.
        """
        assert self.shards is not None
        missing: list[Piece] = []
        found: list[tuple[int, int, Piece]] = []
        for piece in pieces:
            place = tuple(n % c for n, c in zip(piece.chunk, self.shards.counts, strict=True))
            start, length = map(int, index[place])
            if start == _MISSING and length == _MISSING:
                missing.append(piece)
            else:
                found.append((start, start + length, piece))
        spans: list[Span] = []
        for start, stop, piece in sorted(found, key=lambda f: f[:2]):
            if not (spans and spans[-1].stop == start and stop - spans[-1].start <= _TOGETHER):
                spans.append(Span(start, start, []))
            last = spans[-1]
            last.parts.append((piece, start - last.start, stop - last.start))
            spans[-1] = last._replace(stop=stop)
        return spans, missing

    def block(self, piece: Piece, data: Any) -> npt.NDArray[Any]:
        """The values of a chunk, or a single one that stands for all of them.

        Parameters
        ----------
        piece : Piece
            What is wanted of the chunk.
        data : bytes or array of uint8, or None
            Its bytes; None when the store has none.
        """
        if data is None:
            fill = self.array.fill_value
            if fill is not None:
                return np.asarray(fill, dtype=self.array.dtype)
            if self.array.dtype.kind in "biufc":
                return np.zeros((), dtype=self.array.dtype)
            return plain_block(self.array, self.chunk, piece)
        try:
            return self.decoder(data)
        except DECODING_ERRORS:  # zarr may know better, and its error says more
            return plain_block(self.array, self.chunk, piece)


def plain_block(
    array: Any, chunk: tuple[int, ...], piece: Piece, reader: Any = None
) -> npt.NDArray[Any]:
    """The values of a chunk as zarr reads them, or another reader.

    Parameters
    ----------
    array : zarr.Array
        The array.
    chunk : tuple of int
        The lengths of its chunks.
    piece : Piece
        Which chunk.
    reader : array-like, optional
        Reads instead of zarr's array.

    Returns
    -------
    array of the chunk's shape
        Beyond the array's end anything.

    Raises
    ------
    Unavailable
        If the store does not give the chunk, or gives something else.
    """
    region = tuple(
        slice(number * size, min((number + 1) * size, length))
        for number, size, length in zip(piece.chunk, chunk, array.shape, strict=True)
    )
    try:
        found = np.asarray((array if reader is None else reader)[region])
    except Exception as error:
        raise unreadable(array, piece.chunk, error) from error
    if found.shape == chunk:
        return found
    whole = np.empty(chunk, dtype=found.dtype)
    whole[tuple(slice(0, size) for size in found.shape)] = found
    return whole


def unreadable(array: Any, what: object, error: BaseException) -> Unavailable:
    """The error that names a chunk which cannot be read."""
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Unavailable(
        f"{array.path or 'the array'}: chunk {what} of {array.store} cannot be read ({reason}); "
        "try again, or check the store"
    )


def stored_of(array: Any) -> Stored | None:
    """How to read an array without zarr's pipeline.

    Parameters
    ----------
    array : zarr.Array
        Of any format and any codecs.

    Returns
    -------
    Stored or None
        None when only zarr can read it.
    """
    try:
        chunk = tuple(map(int, array.chunks))
        if array.metadata.zarr_format == 2:
            return _stored(array, chunk, decoder_v2(array.metadata, array.dtype), None)
        codecs = [codec.to_dict() for codec in array.metadata.codecs]
        if [codec["name"] for codec in codecs] != ["sharding_indexed"]:
            return _stored(array, chunk, decoder_v3(codecs, chunk, array.dtype), None)
        inner = [dict(codec) for codec in codecs[0]["configuration"]["codecs"]]
        shards = shards_of(codecs[0], tuple(map(int, array.shards)), chunk)
        decoder = decoder_v3(inner, chunk, array.dtype)
    except (AttributeError, KeyError, TypeError, ValueError, NotImplementedError):
        return None  # another zarr, or a codec of somebody else's
    return None if shards is None else _stored(array, chunk, decoder, shards)


def _stored(
    array: Any, chunk: tuple[int, ...], decoder: Decoder | None, shards: Shards | None
) -> Stored | None:
    if decoder is None or any(size == 0 for size in itertools.chain(chunk, array.shape)):
        return None
    return Stored(array, chunk, decoder, shards)
