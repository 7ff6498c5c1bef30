"""Finds which chunk holds which points, and where each goes in the result."""

import itertools
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..rows import Rows, expand
from .layers import Chosen, compose

Indices = npt.NDArray[np.int64]
# Points of so many are written out at once, 16 bytes each.
_WRITTEN = 250_000
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
    written : (array, array, int, int), optional
        The flat index and the place of points of many chunks, and where those of this one begin
        and end there.
    """

    def __init__(
        self,
        base: Indices,
        length: Indices,
        offset: Indices,
        written: tuple[Indices, Indices, int, int] | None = None,
    ) -> None:
        self._base, self._length, self._offset = base, length, offset
        self._written = written

    @property
    def intervals(self) -> int:
        """How many intervals they lie in."""
        return len(self._base)

    @cached_property
    def count(self) -> int:
        """How many they are."""
        if self._written is not None:
            return self._written[3] - self._written[2]
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
        if self._written is not None:
            flat, _, first, last = self._written
            return flat[first:last]
        return expand(self._base, self._base + self._length)[1]

    @cached_property
    def positions(self) -> Taken:
        """Where each point goes in the result."""
        if self._written is not None:
            _, place, first, last = self._written
            low, high = int(place[first]), int(place[last - 1]) + 1
            return slice(low, high) if high - low == last - first else place[first:last]
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
    base, length, offset = base[order], length[order], offset[order]
    ends = length.cumsum()
    flat = place = None
    if ends[-1] <= _WRITTEN:  # writing them out chunk by chunk takes longer than all at once
        flat, place = expand(base, base + length)[1], expand(offset, offset + length)[1]
    reach = [0, *ends[np.array(edges[1:]) - 1].tolist()]
    for number, (first, last) in enumerate(itertools.pairwise(edges)):
        coords = tuple(ordered[first].tolist())
        written = None
        if flat is not None and place is not None:
            written = (flat, place, reach[number], reach[number + 1])
        yield coords, Points(base[first:last], length[first:last], offset[first:last], written)
