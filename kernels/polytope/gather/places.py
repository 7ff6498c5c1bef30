"""Finds which chunk holds which points, and where each goes in the result."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..rows import Rows, expand
from .layers import Chosen, as_range, compose

Indices = npt.NDArray[np.int64]
# So many blocks are written out once, not again for each group of chunks.
_HELD = 10_000
# What is taken along one dimension, inside a chunk or of the result.
Taken = slice | Indices


class Intervals(NamedTuple):
    """Points of a stored array, as intervals along the last of some dimensions.

    Attributes
    ----------
    prefix : array of int64, shape (intervals, dimensions - 1)
        The index on all dimensions but the last.
    start, stop : arrays of int64, shape (intervals,)
        The half-open interval on the last.
    offset : array of int64, shape (intervals,)
        Where the interval's first point goes in the result.
    """

    prefix: Indices
    start: Indices
    stop: Indices
    offset: Indices


def intervals_of(rows: Rows, chosen: Sequence[Chosen], pick: slice | Indices) -> Intervals:
    """The points in the indices of the stored array.

    Parameters
    ----------
    rows : Rows
        The points of the cube.
    chosen : sequence of range or array
        For each of their dimensions the stored indices that the cube has.
    pick : slice or array of int
        Which of the points are wanted.
    """
    found = Intervals(rows.prefix, rows.start, rows.stop, _offsets(rows.start, rows.stop))
    if isinstance(pick, slice) and pick.step in (None, 1):
        found = _between(found, *pick.indices(rows.count)[:2])
    else:
        which = np.arange(rows.count)[pick] if isinstance(pick, slice) else pick
        found = _single(found, which)
    last = chosen[-1]
    if not (isinstance(last, range) and last.step == 1):
        found = _apart(found)
    columns = [compose(c, found.prefix[:, n]) for n, c in enumerate(chosen[:-1])]
    prefix = np.stack(columns, axis=1) if columns else found.prefix
    start = np.asarray(compose(last, found.start))
    return Intervals(prefix, start, start + (found.stop - found.start), found.offset)


def _offsets(start: Indices, stop: Indices) -> Indices:
    length = stop - start
    return np.cumsum(length) - length


def _between(found: Intervals, first: int, last: int) -> Intervals:
    """The points from first to before last."""
    length = found.stop - found.start
    low = np.clip(first - found.offset, 0, length)
    high = np.clip(last - found.offset, 0, length)
    keep = high > low
    start, stop = (found.start + low)[keep], (found.start + high)[keep]
    return Intervals(found.prefix[keep], start, stop, _offsets(start, stop))


def _single(found: Intervals, which: Indices) -> Intervals:
    """Some of the points, in any order; those that follow each other stay one interval."""
    row = np.searchsorted(found.offset, which, side="right") - 1
    head = np.ones(len(which), dtype=bool)
    head[1:] = (np.diff(which) != 1) | (np.diff(row) != 0)
    first = np.flatnonzero(head)
    row = row[first]
    start = found.start[row] + (which[first] - found.offset[row])
    length = np.diff(np.append(first, len(which)))
    return Intervals(found.prefix[row], start, start + length, first)


def _apart(found: Intervals) -> Intervals:
    """The same points, each an interval of its own."""
    row, place = expand(found.start, found.stop)
    return Intervals(found.prefix[row], place, place + 1, np.arange(len(row)))


class Points:
    """The points in one chunk; written out when they are asked for.

    Parameters
    ----------
    base, length, offset : arrays of int64, shape (intervals,)
        For each interval the flat index in the chunk of its first point, its points, and where
        the first goes in the result.
    """

    def __init__(self, base: Indices, length: Indices, offset: Indices) -> None:
        self._base, self._length, self._offset = base, length, offset

    @property
    def intervals(self) -> int:
        """How many intervals they lie in."""
        return len(self._base)

    @cached_property
    def count(self) -> int:
        """How many they are."""
        return int(self._length.sum())

    @property
    def runs(self) -> list[tuple[int, int, int]]:
        """Of each interval the flat index in the chunk, the place in the result and the points."""
        columns = (self._base, self._offset, self._length)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    @property
    def following(self) -> list[tuple[int, int, int]]:
        """The same where the points have been taken out of the chunk, one after the other."""
        columns = (np.cumsum(self._length) - self._length, self._offset, self._length)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    @cached_property
    def flat(self) -> Indices:
        """The flat index of each point in the chunk, over the points' dimensions."""
        return expand(self._base, self._base + self._length)[1]

    @cached_property
    def positions(self) -> Taken:
        """Where each point goes in the result."""
        following = self._offset[:-1] + self._length[:-1] == self._offset[1:]
        if following.all():
            return slice(int(self._offset[0]), int(self._offset[-1] + self._length[-1]))
        return expand(self._offset, self._offset + self._length)[1]


def by_chunk(
    intervals: Intervals, chunks: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Points]]:
    """The points of each chunk that has any.

    Parameters
    ----------
    intervals : Intervals
        The points.
    chunks : tuple of int
        A chunk's lengths along the points' dimensions.

    Yields
    ------
    tuple of int, Points
        The chunk's number on each of these dimensions, and its points.
    """
    width = chunks[-1]
    row, cell = expand(intervals.start // width, (intervals.stop - 1) // width + 1)
    start = np.maximum(intervals.start[row], cell * width)
    length = np.minimum(intervals.stop[row], (cell + 1) * width) - start
    offset = intervals.offset[row] + (start - intervals.start[row])
    prefix = intervals.prefix[row]
    numbers = np.column_stack([prefix // np.array(chunks[:-1], dtype=np.int64), cell])
    inside = np.column_stack([prefix % np.array(chunks[:-1], dtype=np.int64), start % width])
    base = np.zeros(len(start), dtype=np.int64)
    for number, size in enumerate(chunks):
        base = base * size + inside[:, number]
    if not len(base):
        return
    order = np.lexsort(numbers.T[::-1])
    ordered = numbers[order]
    heads = np.flatnonzero((np.diff(ordered, axis=0) != 0).any(axis=1)) + 1
    edges = [0, *heads.tolist(), len(order)]
    for first, last in itertools.pairwise(edges):
        part = order[first:last]
        coords = tuple(ordered[first].tolist())
        yield coords, Points(base[part], length[part], offset[part])


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
