"""Sets of grid points as intervals along the last of some dimensions; never as lists of points."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .axes import Axis

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Grid points over one or more dimensions, in the order of the cube.

    Attributes
    ----------
    dims : tuple of str
        The dimensions, slowest first.
    sizes : tuple of int
        Their lengths in the cube.
    prefix : array of int64, shape (rows, len(dims) - 1)
        The index on all dimensions but the last; ascending row by row.
    start, stop : arrays of int64, shape (rows,)
        The half-open interval on the last dimension; the intervals of equal prefixes are
        ascending and do not touch.
    """

    dims: tuple[str, ...]
    sizes: tuple[int, ...]
    prefix: Indices
    start: Indices
    stop: Indices

    @property
    def count(self) -> int:
        """How many grid points."""
        return int((self.stop - self.start).sum())

    @property
    def last(self) -> str:
        """The last dimension, along which the intervals lie."""
        return self.dims[-1]

    def part(self, first: int, last: int) -> "Rows":
        """The rows from first to before last."""
        rows = slice(first, last)
        return Rows(self.dims, self.sizes, self.prefix[rows], self.start[rows], self.stop[rows])

    def points(self) -> tuple[Indices, ...]:
        """The index of every point on every dimension: the list that the gather needs."""
        return self._points

    @cached_property
    def _points(self) -> tuple[Indices, ...]:
        row, last = expand(self.start, self.stop)
        return (*(self.prefix[:, n].take(row) for n in range(self.prefix.shape[1])), last)

    def first_of(self) -> Indices:
        """The flat index over all dimensions of the first point of each row."""
        key = np.zeros(len(self.start), dtype=np.int64)
        for number, size in enumerate(self.sizes[:-1]):
            key = key * size + self.prefix[:, number]
        return key * self.sizes[-1] + self.start

    def indexer(self) -> slice | Indices:
        """For a single dimension: a slice where one will do, else the indices."""
        if len(self.start) == 1:
            return slice(int(self.start[0]), int(self.stop[0]))
        return expand(self.start, self.stop)[1]

    def touched(self, chunks: tuple[tuple[int, ...], ...]) -> Indices:
        """The chunks that hold a point.

        Parameters
        ----------
        chunks : tuple of tuples of int
            The lengths of the chunks along each of the dimensions.

        Returns
        -------
        array of int64, shape (touched, len(dims))
            The chunk's number on each dimension, ascending.
        """
        if len(self.start) == 0:
            return np.empty((0, len(self.dims)), dtype=np.int64)
        low = chunk_of(self.start, chunks[-1])
        high = chunk_of(self.stop - 1, chunks[-1])
        row, last = expand(low, high + 1)
        columns = [
            chunk_of(self.prefix[:, number], chunks[number])[row]
            for number in range(len(self.dims) - 1)
        ]
        shape = tuple(map(len, chunks))
        keys = np.unique(np.ravel_multi_index((*columns, last), shape))
        return np.stack(np.unravel_index(keys, shape), axis=1)


def bounding(rows: Rows) -> tuple[Rows, ...]:
    """For each dimension the range of indices from the first to the last point."""
    result: list[Rows] = []
    for number, (dim, size) in enumerate(zip(rows.dims, rows.sizes, strict=True)):
        low, high = 0, 0
        if len(rows.start) and number == len(rows.dims) - 1:
            low, high = int(rows.start.min()), int(rows.stop.max())
        elif len(rows.start):
            column = rows.prefix[:, number]
            low, high = int(column.min()), int(column.max()) + 1
        none = np.zeros((1, 0), dtype=np.int64)
        result.append(Rows((dim,), (size,), none, np.array([low]), np.array([high])))
    return tuple(result)


def rows_of_flat(flat: Indices, dims: tuple[str, ...], sizes: tuple[int, ...]) -> Rows:
    """Rows of points given by their flat indices, ascending and each once."""
    last = sizes[-1]
    key, column = flat // last, flat % last
    head = np.ones(len(flat), dtype=bool)
    head[1:] = (np.diff(flat) != 1) | (np.diff(key) != 0)
    tail = np.ones(len(flat), dtype=bool)
    tail[:-1] = head[1:]
    columns = np.unravel_index(key[head], sizes[:-1]) if len(sizes) > 1 else ()
    prefix = (
        np.stack(columns, axis=1) if columns else np.zeros((int(head.sum()), 0), dtype=np.int64)
    )
    return Rows(dims, sizes, prefix, column[head], column[tail] + 1)


def chunk_of(index: Indices, chunks: tuple[int, ...]) -> Indices:
    """The number of the chunk that holds each index, given the chunks' lengths."""
    return np.searchsorted(np.cumsum(chunks), index, side="right")


def expand(start: Indices, stop: Indices) -> tuple[Indices, Indices]:
    """Write intervals out: for every member its interval's number, and its value."""
    length = np.maximum(stop - start, 0)
    row = np.arange(len(length)).repeat(length)
    # What to add to the running number of a member for it to count on from its interval's start.
    return row, np.arange(len(row)) + (start - length.cumsum() + length)[row]


def fold(axes: tuple[Axis, ...], prefix: Indices, start: Indices, stop: Indices) -> Rows:
    """Turn intervals of places, possibly several periods away, into rows of the cube.

    Parameters
    ----------
    axes : tuple of Axis
        One for each dimension.
    prefix : array, shape (n, len(axes) - 1)
        Places on all axes but the last, counted on through the periods of cyclic ones.
    start, stop : arrays, shape (n,)
        Half-open intervals of places on the last, counted likewise; in any order, overlapping.

    Returns
    -------
    Rows
        Each grid point once.
    """
    last = axes[-1]
    keep = stop > start
    if not keep.all():
        prefix, start, stop = prefix[keep], start[keep], stop[keep]
    if last.period is not None:
        prefix, start, stop = _once_round(prefix, start, stop, last)
    sizes = tuple(axis.size for axis in axes)
    key = np.zeros(len(start), dtype=np.int64)
    for number, axis in enumerate(axes[:-1]):
        key = key * axis.size + axis.index[prefix[:, number] % len(axis.places)]
    key, start, stop = _merged(key, start, stop, last.size)
    if last.closing:
        key, start, stop = _closing_once(key, start, stop, len(last.places))
    if last.direction == -1:
        start, stop = last.size - stop, last.size - start
    elif last.direction == 0:
        row, place = expand(start, stop)
        key, start = key[row], last.index[place]
        stop = start + 1
    if last.direction != 1 or last.closing:
        key, start, stop = _merged(key, start, stop, last.size)
    return Rows(tuple([str(axis.dim) for axis in axes]), sizes, _prefix(key, sizes), start, stop)


def merged(rows: Rows) -> Rows:
    """The same points, each once and in the order of the cube."""
    key = np.zeros(len(rows.start), dtype=np.int64)
    for number, size in enumerate(rows.sizes[:-1]):
        key = key * size + rows.prefix[:, number]
    keep = rows.stop > rows.start
    key, start, stop = _merged(key[keep], rows.start[keep], rows.stop[keep], rows.sizes[-1])
    return Rows(rows.dims, rows.sizes, _prefix(key, rows.sizes), start, stop)


def _prefix(key: Indices, sizes: tuple[int, ...]) -> Indices:
    """The indices on all dimensions but the last that a number counts."""
    if len(sizes) == 2:
        return key[:, None]
    if len(sizes) == 1:
        return np.zeros((len(key), 0), dtype=np.int64)
    return np.stack(np.unravel_index(key, sizes[:-1]), axis=1)


def _once_round(
    prefix: Indices, start: Indices, stop: Indices, axis: Axis
) -> tuple[Indices, Indices, Indices]:
    """Fold intervals into one period and split those that cross its seam."""
    places = len(axis.places)
    if len(start) and start.min() >= 0 and stop.max() <= places:
        return prefix, start, stop
    whole = stop - start >= places
    turn = start // places
    start = np.where(whole, 0, start - turn * places)
    stop = np.where(whole, places, stop - turn * places)
    # An interval that ends on the seam keeps the closing column: 350..360, not 350..359 and 0.
    limit = places + 1 if axis.closing else places
    split = stop > limit
    over = stop[split] - places
    stop = np.where(split, places, stop)
    return (
        np.concatenate([prefix, prefix[split]]),
        np.concatenate([start, np.zeros(len(over), dtype=np.int64)]),
        np.concatenate([stop, over]),
    )


def _closing_once(
    key: Indices, start: Indices, stop: Indices, places: int
) -> tuple[Indices, Indices, Indices]:
    """Drop the closing column in rows that have the first one, which is the same place."""
    has_first = key[start == 0]
    both = (stop == places + 1) & np.isin(key, has_first)
    stop = np.where(both, places, stop)
    keep = stop > start
    return key[keep], start[keep], stop[keep]


def _merged(
    key: Indices, start: Indices, stop: Indices, size: int
) -> tuple[Indices, Indices, Indices]:
    """Sort intervals by key and start, and join those that touch or overlap."""
    if len(key) == 0:
        return key, start, stop
    width = size + 2  # so that intervals of neighbouring keys never touch
    first, beyond = key * width + start, key * width + stop
    order = np.argsort(first, kind="stable")
    first, beyond = first[order], beyond[order]
    reach = np.maximum.accumulate(beyond)
    begins = np.ones(len(first) + 1, dtype=bool)
    np.greater(first[1:], reach[:-1], out=begins[1:-1])
    first, reach = first[begins[:-1]], reach[begins[1:]]
    row = first // width
    return row, first - row * width, reach - row * width
