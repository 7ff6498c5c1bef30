"""Decodes chunks of zarr arrays without zarr's pipeline, where their codecs are common ones."""

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numcodecs
import numcodecs.abc
import numpy as np
import numpy.typing as npt

# What a codec raises at bytes that it does not understand.
DECODING_ERRORS = (
    ValueError, TypeError, RuntimeError, OSError, EOFError, LookupError, zlib.error,
)  # fmt: skip
# Kinds of numbers and texts of one length, which lie in a chunk as they lie in memory.
_KINDS = "biufcmMSU"
# Bytes-to-bytes codecs of numcodecs that are written into zarr v3 under their own name.
_NUMCODECS = frozenset({"blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd", "shuffle"})

# Byte orders as zarr and as numpy write them.
_ORDERS: dict[str, Literal["<", ">"]] = {"big": ">", "little": "<"}

Step = Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Decoder:
    """Turns the bytes of a chunk into an array.

    Attributes
    ----------
    shape : tuple of int
        Of a chunk.
    dtype : np.dtype
        As stored, with its byte order.
    steps : tuple of callables
        What undoes the codecs, the last codec first.
    order : tuple of int
        The dimensions in the order in which they are stored.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    steps: tuple[Step, ...]
    order: tuple[int, ...]

    def __call__(self, data: Any) -> npt.NDArray[Any]:
        """The chunk.

        Raises
        ------
        one of DECODING_ERRORS
            If the bytes are not what the codecs make.
        """
        for step in self.steps:
            data = step(data)
        if isinstance(data, np.ndarray):
            values = np.ascontiguousarray(data).reshape(-1).view(self.dtype)
        else:
            values = np.frombuffer(data, dtype=self.dtype)
        stored = values.reshape(tuple(self.shape[dim] for dim in self.order))
        return stored.transpose(np.argsort(self.order))


def decoder_v2(metadata: Any, dtype: np.dtype[Any]) -> Decoder | None:
    """A decoder for a zarr v2 array: any compressor and any filters of numcodecs.

    Parameters
    ----------
    metadata : zarr's ArrayV2Metadata
        Of the array.
    dtype : np.dtype
        Of the array.

    Returns
    -------
    Decoder or None
        None when only zarr can tell.
    """
    codecs = [*(metadata.filters or ()), *([metadata.compressor] if metadata.compressor else [])]
    if dtype.kind not in _KINDS or not all(isinstance(c, numcodecs.abc.Codec) for c in codecs):
        return None
    order = range(len(metadata.chunks))
    order = order[::-1] if metadata.order == "F" else order
    steps = tuple(codec.decode for codec in reversed(codecs))
    return Decoder(tuple(metadata.chunks), dtype, steps, tuple(order))


def decoder_v3(
    codecs: Sequence[Mapping[str, Any]], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Decoder | None:
    """A decoder for the codecs of a zarr v3 array, or of the inner chunks of its shards.

    Parameters
    ----------
    codecs : sequence of mappings
        As in the array's metadata document.
    shape : tuple of int
        Of a chunk.
    dtype : np.dtype
        Of the array.

    Returns
    -------
    Decoder or None
        None when only zarr can tell.
    """
    if dtype.kind not in _KINDS:
        return None
    order, stored, steps = tuple(range(len(shape))), None, list[Step]()
    for codec in codecs:
        name, about = codec["name"], codec.get("configuration") or {}
        if stored is None and name == "transpose":
            order = tuple(order[dim] for dim in about["order"])
        elif stored is None and name == "bytes":
            swapped = _ORDERS.get(str(about.get("endian")))
            if swapped is None and dtype.itemsize > 1 and dtype.kind != "S":
                return None
            stored = dtype if swapped is None else dtype.newbyteorder(swapped)
        elif stored is None or (step := _step(name, about)) is None:
            return None
        else:
            steps.append(step)
    if stored is None:
        return None
    return Decoder(shape, stored, tuple(reversed(steps)), order)


def _step(name: str, about: Mapping[str, Any]) -> Step | None:
    """What undoes one bytes-to-bytes codec."""
    if name == "crc32c":
        return checked
    plain = name.removeprefix("numcodecs.")
    if plain not in _NUMCODECS:
        return None
    if name == plain:  # zarr's own write nothing into the configuration that decoding needs
        return numcodecs.get_codec({"id": plain}).decode
    return numcodecs.get_codec({"id": plain, **about}).decode


def checked(data: Any) -> Any:
    """Bytes without the CRC-32C that closes them.

    Raises
    ------
    ValueError
        If it is not theirs.
    """
    import google_crc32c  # zarr brings it

    body = np.frombuffer(data, dtype=np.uint8)[:-4]
    found = int.from_bytes(bytes(data[-4:]), "little")
    if google_crc32c.value(body.tobytes()) != found:
        raise ValueError("the checksum of a chunk does not fit its bytes")
    return body


@dataclass(frozen=True)
class Shards:
    """How chunks lie in a shard.

    Attributes
    ----------
    counts : tuple of int
        Chunks in a shard along each dimension.
    at_start : bool
        Whether the index opens the shard, or closes it.
    closing : bool
        Whether a checksum closes the index.
    """

    counts: tuple[int, ...]
    at_start: bool
    closing: bool

    @property
    def index_bytes(self) -> int:
        """How long the index is."""
        return 16 * math.prod(self.counts) + 4 * self.closing

    def index(self, data: Any) -> npt.NDArray[np.uint64]:
        """Where each chunk lies.

        Returns
        -------
        array of uint64, shape (\\*counts, 2)
            Its first byte and its length; both 2**64 - 1 where it is missing.

        Raises
        ------
        ValueError
            If the bytes are not an index.
        """
        body = checked(data) if self.closing else data
        return np.frombuffer(body, dtype="<u8").reshape(*self.counts, 2)


def shards_of(
    codec: Mapping[str, Any], shard: tuple[int, ...], chunk: tuple[int, ...]
) -> Shards | None:
    """How the chunks lie in the shards that a sharding codec writes.

    Parameters
    ----------
    codec : mapping
        As in the array's metadata document.
    shard, chunk : tuples of int
        The lengths of a shard and of a chunk.

    Returns
    -------
    Shards or None
        None when the index is written in a way that only zarr knows.
    """
    about = codec["configuration"]
    index: list[tuple[str, str | None]] = []
    for step in about["index_codecs"]:
        index.append((step["name"], (step.get("configuration") or {}).get("endian")))
    if index[:1] != [("bytes", "little")] or index[1:] not in ([], [("crc32c", None)]):
        return None
    counts = tuple(s // c for s, c in zip(shard, chunk, strict=True))
    return Shards(counts, about["index_location"] == "start", len(index) == 2)
