"""Gathers points of Dask arrays in tasks that batch chunks."""

import itertools
import math
from dataclasses import dataclass
from typing import Any, cast

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from ..rows import Rows, chunk_of
from .memory import take

Chunks = tuple[tuple[int, ...], ...]
# Points that go together, and the chunks that they touch.
Batch = tuple[Rows, npt.NDArray[np.int64]]

# What a task should read at least, so that Dask's own cost per task stays small beside it.
TASK_BYTES = 16_000_000


@dataclass(frozen=True, eq=False)
class _Piece:
    """What one task does: which points it takes out of which of the blocks it is given.

    Attributes
    ----------
    rows : Rows
        The points of the task.
    places : tuple of int
        The dimensions of the blocks that the points' indices belong to.
    chunks : tuple
        The chunk lengths along these dimensions.
    touched : array, shape (touched, len(places))
        The chunks that hold a point; for each there is one block in each combination.
    spans : tuple of tuples of (int, int)
        For each other dimension, where each of its blocks goes in the result.
    """

    rows: Rows
    places: tuple[int, ...]
    chunks: Chunks
    touched: npt.NDArray[np.int64]
    spans: tuple[tuple[tuple[int, int], ...], ...]


def _assemble(piece: _Piece, blocks: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Put the points of several blocks in the order of the cube."""
    indices = piece.rows.points()
    owners = [chunk_of(i, sizes) for i, sizes in zip(indices, piece.chunks, strict=True)]
    shape = tuple(map(len, piece.chunks))
    keys = np.ravel_multi_index(tuple(owners), shape)
    order = np.argsort(keys, kind="stable")
    wanted = np.asarray(np.ravel_multi_index(tuple(piece.touched.T), shape))
    ends = np.searchsorted(keys[order], wanted, side="right")
    targets = np.split(order, ends[:-1])
    starts = [np.cumsum((0, *sizes[:-1])) for sizes in piece.chunks]
    local = [i - np.take(s, o) for i, s, o in zip(indices, starts, owners, strict=True)]
    lengths = [spans[-1][1] for spans in piece.spans]
    result = np.empty((*lengths, len(keys)), dtype=blocks[0].dtype)
    supply = iter(blocks)
    for combination in itertools.product(*piece.spans):
        part = result[tuple(slice(*span) for span in combination)]
        for target in targets:
            values = take(next(supply), piece.places, tuple(i[target] for i in local))
            part[..., target] = values
    return np.moveaxis(result, -1, min(piece.places))


def gather_blocks(array: da.Array, places: tuple[int, ...], rows: Rows) -> da.Array:
    """Points of a Dask array: each touched block goes into exactly one task.

    Parameters
    ----------
    array : da.Array
        Of any chunks.
    places : tuple of int
        Its dimensions that the points are on.
    rows : Rows
        The points.

    Returns
    -------
    da.Array
        The points' dimension stands where the first of theirs stood.

    Notes
    -----

    The points are in the order of the cube, so those of one row of blocks follow each other;
    a task takes one or more whole rows of blocks, and one or more blocks of the other dimensions.
    """
    chunks = tuple(tuple(map(int, sizes)) for sizes in array.chunks)
    inner: Chunks = tuple(chunks[place] for place in places)
    others = [number for number in range(array.ndim) if number not in places]
    parts, bundles = tasks_of(rows, chunks, places, array.dtype.itemsize)
    name = f"polytope-{tokenize(array.name, places, rows.prefix, rows.start, rows.stop)}"
    position = min(places)
    layer: dict[Any, Any] = {}
    numbered = [list(enumerate(bundle)) for bundle in bundles]
    for number, (part, touched) in enumerate(parts):
        for chosen in itertools.product(*numbered):
            blocks = [range(*bundle) for _, bundle in chosen]
            spans = tuple(
                _spans([chunks[dim][b] for b in block])
                for dim, block in zip(others, blocks, strict=True)
            )
            keys = [
                (array.name, *_block(places, inside, others, outside))
                for outside in itertools.product(*blocks)
                for inside in touched.tolist()
            ]
            where = [at for at, _ in chosen]
            where.insert(position, number)
            layer[(name, *where)] = (_assemble, _Piece(part, places, inner, touched, spans), keys)
    out = [
        tuple(sum(chunks[dim][slice(*bundle)]) for bundle in bundle_list)
        for dim, bundle_list in zip(others, bundles, strict=True)
    ]
    out.insert(position, tuple(part.count for part, _ in parts))
    # Dask's own types do not admit its arrays here.
    graph = HighLevelGraph.from_collections(name, layer, dependencies=cast(Any, [array]))
    return cast(Any, da.Array)(graph, name, tuple(out), dtype=array.dtype)


def _block(
    places: tuple[int, ...], inside: list[int], others: list[int], outside: tuple[int, ...]
) -> tuple[int, ...]:
    index = dict(zip(places, inside, strict=True)) | dict(zip(others, outside, strict=True))
    return tuple(index[number] for number in range(len(index)))


def tasks_of(
    rows: Rows, chunks: Chunks, places: tuple[int, ...], width: int
) -> tuple[list[Batch], list[list[tuple[int, int]]]]:
    """Which chunks one task takes together, that it reads TASK_BYTES or more.

    Parameters
    ----------
    rows : Rows
        The points.
    chunks : tuple of tuples of int
        The lengths of the chunks along each dimension of the array.
    places : tuple of int
        The dimensions that the points are on.
    width : int
        Bytes of a value.

    Returns
    -------
    list of (Rows, array)
        Points that go together, and the chunks that they touch.
    list of lists of (int, int)
        For each other dimension the chunks that go together, from first to before last.
    """
    inner = tuple(chunks[place] for place in places)
    others = [sizes for number, sizes in enumerate(chunks) if number not in places]
    smallest = math.prod(map(max, others)) * width
    parts = _batches(rows, inner, smallest)
    heaviest = max(smallest * _cells(touched, inner) for _, touched in parts)
    return parts, _bundles(others, heaviest)


def task_sizes(
    rows: Rows, chunks: Chunks, places: tuple[int, ...], width: int
) -> tuple[tuple[int, ...], ...]:
    """The lengths of such tasks along the dimensions of the result, the points' one last."""
    parts, bundles = tasks_of(rows, chunks, places, width)
    others = [sizes for number, sizes in enumerate(chunks) if number not in places]
    lengths = [
        tuple(sum(sizes[slice(*bundle)]) for bundle in found)
        for sizes, found in zip(others, bundles, strict=True)
    ]
    return (*lengths, tuple(part.count for part, _ in parts))


def _batches(rows: Rows, chunks: Chunks, block_bytes: int) -> list[Batch]:
    """Split rows where the first dimension's chunks end, keeping small neighbours together."""
    owner = chunk_of(rows.prefix[:, 0], chunks[0])
    edges = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist(), len(owner)]
    result: list[Batch] = []
    first, held = 0, 0
    for start, stop in itertools.pairwise(edges):
        held += block_bytes * _cells(rows.part(start, stop).touched(chunks), chunks)
        if held >= TASK_BYTES or stop == len(owner):
            part = rows.part(first, stop)
            result.append((part, part.touched(chunks)))
            first, held = stop, 0
    return result


def _cells(touched: npt.NDArray[np.int64], chunks: Chunks) -> int:
    """How many cells the touched chunks hold along the points' dimensions."""
    cells = np.ones(len(touched), dtype=np.int64)
    for number, sizes in enumerate(chunks):
        cells *= np.array(sizes)[touched[:, number]]
    return int(cells.sum())


def _bundles(chunks: list[tuple[int, ...]], held: int) -> list[list[tuple[int, int]]]:
    """Which blocks of each other dimension one task takes together, from first to before last."""
    result: list[list[tuple[int, int]]] = []
    for sizes in reversed(chunks):
        together = min(len(sizes), max(1, math.ceil(TASK_BYTES / max(held, 1))))
        held *= together
        firsts = range(0, len(sizes), together)
        result.append([(first, min(first + together, len(sizes))) for first in firsts])
    return result[::-1]


def _spans(lengths: list[int]) -> tuple[tuple[int, int], ...]:
    ends = list(itertools.accumulate(lengths))
    return tuple(zip([0, *ends[:-1]], ends, strict=True))
