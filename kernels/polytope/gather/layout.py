"""What is read of each chunk of a stored array, and where it goes in the result."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .layers import Chosen, as_range
from .places import Indices, Intervals, Points, Taken, by_chunk

# So many blocks are written out once, not again for each group of chunks.
_HELD = 10_000


class Stretch(NamedTuple):
    """What is taken of one chunk along one dimension, and where it goes.

    Attributes
    ----------
    number : int
        The chunk's number.
    inside : slice or array of int
        In the chunk.
    target : slice or array of int
        In the result.
    """

    number: int
    inside: Taken
    target: Taken


def stretches(chosen: Chosen, chunk: int) -> list[Stretch]:
    """Cut what is chosen of a dimension up by chunks.

    Parameters
    ----------
    chosen : int, range or array
        The indices; a single one leaves a dimension of length 1.
    chunk : int
        A chunk's length.

    Examples
    --------
    >>> stretches(range(3, 6), 4)[1]
    Stretch(number=1, inside=slice(0, 2, None), target=slice(1, 3, None))
    """
    index = np.atleast_1d(np.asarray(chosen, dtype=np.int64))
    owner = index // chunk
    order = np.argsort(owner, kind="stable")
    edges = np.flatnonzero(np.diff(owner[order])) + 1
    result: list[Stretch] = []
    for target in np.split(order, edges) if len(index) else ():
        inside = index[target] - int(owner[target[0]]) * chunk
        result.append(Stretch(int(owner[target[0]]), _slim(inside), _slim(target)))
    return result


def _slim(index: Indices) -> Taken:
    found = as_range(index)
    return slice(found.start, found.stop) if isinstance(found, range) else index


class Block(NamedTuple):
    """What is taken along the dimensions that the last points are not on.

    Attributes
    ----------
    numbers : tuple of int
        The chunk's number on each of them.
    inside : tuple
        The index of the chunk along those that no points are on.
    more : tuple of Points
        The points that are not the last.
    target : tuple of slice or array
        Where it goes in the result, along all dimensions but the last.
    slices : bool
        Whether ``target`` has slices only.
    """

    numbers: tuple[int, ...]
    inside: tuple[Any, ...]
    more: tuple[Points, ...]
    target: tuple[Taken, ...]
    slices: bool


class Piece(NamedTuple):
    """What is taken of one chunk.

    Attributes
    ----------
    chunk : tuple of int
        The chunk's number on each dimension of the stored array.
    block : Block
        What of the dimensions that the last points are not on.
    points : Points or None
        The last points; None when there are only ranges.
    """

    chunk: tuple[int, ...]
    block: Block
    points: Points | None


# The chunks' numbers on the dimensions of points, and the points.
Found = tuple[tuple[int, ...], Points]


class Group(NamedTuple):
    """Points on some dimensions of a stored array.

    Attributes
    ----------
    dims : tuple of int
        The dimensions.
    intervals : Intervals
        The points.
    """

    dims: tuple[int, ...]
    intervals: Intervals


@dataclass(frozen=True, eq=False)
class Layout:
    """What is read of a stored array.

    The result has the dimensions that no points are on, then one for each group of points.

    Attributes
    ----------
    chunks : tuple of int
        The lengths of a chunk.
    others : tuple of int
        The dimensions of the array that no points are on, in the order of the result.
    chosen : tuple of int, range or array
        What is read of each of them.
    groups : tuple of Group
        The points.
    """

    chunks: tuple[int, ...]
    others: tuple[int, ...]
    chosen: tuple[Chosen, ...]
    groups: tuple[Group, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the result; a single index leaves a dimension of length 1."""
        lengths = [1 if isinstance(c, int) else len(c) for c in self.chosen]
        for _, found in self.groups:
            lengths.append(int((found.stop - found.start).sum()))
        return tuple(lengths)

    @property
    def dims(self) -> tuple[int, ...]:
        """The dimensions of the array in the order of the result."""
        return (*self.others, *(dim for group in self.groups for dim in group.dims))

    def pieces(self) -> tuple[int, Iterator[Piece]]:
        """How many chunks there are to read, and what of each; every chunk once."""
        along = zip(self.others, self.chosen, strict=True)
        parts = [stretches(chosen, self.chunks[dim]) for dim, chosen in along]
        found = [
            list(by_chunk(group.intervals, tuple(self.chunks[dim] for dim in group.dims)))
            for group in self.groups
        ]
        count = math.prod(map(len, (*parts, *found)))
        return count, self._each(parts, found[:-1], found[-1] if found else [((), None)])

    def _each(
        self,
        parts: list[list[Stretch]],
        more: list[list[Found]],
        last: Sequence[tuple[tuple[int, ...], Points | None]],
    ) -> Iterator[Piece]:
        held: list[Block] | None = None
        if math.prod(map(len, (*parts, *more))) <= _HELD:
            held = list(_blocks(parts, more))
        numbered = (*(self.groups[-1].dims if self.groups else ()), *self.others)
        for group in self.groups[:-1]:
            numbered += group.dims
        order = np.argsort(numbered).tolist()
        for coords, points in last:
            for block in _blocks(parts, more) if held is None else held:
                numbers = (*coords, *block.numbers)
                yield Piece(tuple([numbers[n] for n in order]), block, points)


def _blocks(parts: list[list[Stretch]], more: list[list[Found]]) -> Iterator[Block]:
    for chosen in itertools.product(*parts):
        for found in itertools.product(*more):
            points = tuple(p for _, p in found)
            target = (*(part.target for part in chosen), *(p.positions for p in points))
            yield Block(
                (*(part.number for part in chosen), *(n for coords, _ in found for n in coords)),
                outer(tuple(part.inside for part in chosen)),
                points,
                target,
                all(isinstance(taken, slice) for taken in target),
            )


def outer(lead: tuple[Taken, ...], *rest: Taken) -> tuple[Any, ...]:
    """An index that takes along each dimension by itself.

    Examples
    --------
    >>> np.zeros((4, 5, 6))[outer((np.array([0, 2]), slice(0, 3)), np.array([1, 5]))].shape
    (2, 3, 2)
    """
    index = (*lead, *rest)
    if sum(not isinstance(i, slice) for i in index) <= 1:
        return index
    return np.ix_(*(np.arange(i.start, i.stop) if isinstance(i, slice) else i for i in index))
