"""A lazy array of points in a zarr array: reads each touched chunk once when it is asked."""

import asyncio
import math
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from xarray.backends import BackendArray
from xarray.core import indexing

from ..rows import Rows
from .layers import Chosen, Source, compose
from .memory import take_flat, whole_fields
from .places import Block, Layout, Piece, Points, intervals_of, outer
from .reading import read

Array = npt.NDArray[Any]
POINTS = -1
# Copying intervals beats indexing points when they are longer than 8, or than 256 if there is
# but one field to copy them in.
_LONG, _LONE = 8, 256


class Gathered(BackendArray):
    """Values of a zarr array, of some dimensions at points; nothing is read before it is asked.

    xarray's ``LazilyIndexedArray`` goes around it, so that what is chosen of it stays lazy too.

    Parameters
    ----------
    source : Source
        The variable.
    places : tuple of int
        The variable's dimensions that the points are on; none for a box.
    rows : Rows or None
        The points; None for a box.
    position : int
        Where the points' dimension stands in the result.
    """

    def __init__(
        self,
        source: Source,
        places: tuple[int, ...] = (),
        rows: Rows | None = None,
        position: int = 0,
    ) -> None:
        self.source, self.rows = source, rows
        self._group = tuple(source.axes[place] for place in places)
        axes = [axis for number, axis in enumerate(source.axes) if number not in places]
        if rows is not None:
            axes.insert(position, POINTS)
        self._axes = tuple(axes)
        self.dtype = source.dtype
        self._token = uuid4().hex

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the result."""
        return tuple(self._length(axis) for axis in self._axes)

    def _length(self, axis: int) -> int:
        if axis == POINTS:
            assert self.rows is not None
            return self.rows.count
        chosen = self.source.chosen[axis]
        assert not isinstance(chosen, int)
        return len(chosen)

    def __dask_tokenize__(self) -> tuple[str, str]:
        return (type(self).__qualname__, self._token)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Array:
        support = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Array:
        """The values, read in another thread so that the event loop goes on."""
        return await asyncio.to_thread(self.__getitem__, key)

    def _read(self, key: tuple[Any, ...]) -> Array:
        """Values by an int, slice or array of int for each dimension."""
        layout, lone, moved = self._layout(key)
        result = np.empty(layout.shape, dtype=self.dtype)
        if result.size:
            scatter = Scatter(self.source, layout, result)
            count, pieces = layout.pieces()
            read(self.source.array, pieces, count, scatter)
        result = result.transpose(moved)
        return result[tuple(0 if axis in lone else slice(None) for axis in range(result.ndim))]

    def _layout(self, key: tuple[Any, ...]) -> tuple[Layout, set[int], list[int]]:
        """What is read, which dimensions of the result are dropped, and their order."""
        others: list[int] = [n for n in self._axes if n != POINTS]
        chosen: dict[int, Chosen] = {}
        lone: set[int] = set()
        pick: Any = slice(None)
        for number, (axis, wanted) in enumerate(zip(self._axes, key, strict=True)):
            one = isinstance(wanted, int | np.integer)
            lone |= {number} if one else set()
            part = slice(int(wanted), int(wanted) + 1) if one else wanted
            if axis == POINTS:
                pick = part
            else:
                chosen[axis] = compose(self.source.chosen[axis], part)
        fixed = [n for n in range(self.source.array.ndim) if n not in (*others, *self._group)]
        lead = (*others, *fixed)
        chosen.update({n: self.source.chosen[n] for n in fixed})
        intervals = None
        if self.rows is not None:
            intervals = intervals_of(self.rows, [self.source.chosen[n] for n in self._group], pick)
        chunks = tuple(map(int, self.source.array.chunks))
        layout = Layout(chunks, lead, tuple(chosen[n] for n in lead), self._group, intervals)
        stored = {axis: number for number, axis in enumerate(lead)}
        stored[POINTS] = len(lead)
        moved = [stored[axis] for axis in self._axes]
        # Dimensions that the variable has lost come last, and go.
        lone |= set(range(len(moved), len(moved) + len(fixed)))
        return layout, lone, [*moved, *(stored[n] for n in fixed)]


class Scatter:
    """Puts what is wanted of chunks where it belongs in the result; may be called at once.

    Parameters
    ----------
    source : Source
        How stored values are decoded.
    layout : Layout
        What is read.
    result : array
        It is filled.
    """

    def __init__(self, source: Source, layout: Layout, result: Array) -> None:
        self._functions, self._result = source.functions, result
        self._order = (*layout.others, *layout.group)
        self._trailing = len(layout.group)

    def __call__(self, piece: Piece, block: Array) -> None:
        """Take what is wanted of a chunk, or put the single value that stands for it."""
        if block.ndim < len(self._order):
            rest = () if piece.points is None else (piece.points.positions,)
            self._result[outer(piece.block.target, *rest)] = self._decoded(block.reshape(1))[0]
            return
        fields = block.transpose(self._order)[piece.block.inside]
        if piece.points is None:
            self._result[outer(piece.block.target)] = self._decoded(fields)
        else:
            self._put(fields, piece.block, piece.points)

    def _put(self, fields: Array, block: Block, points: Points) -> None:
        lead = fields.shape[: -self._trailing]
        whole = whole_fields(fields, self._trailing)
        many = math.prod(lead)
        long = many * points.count >= points.intervals * (_LONG * many + _LONE)
        if not (long and block.slices):
            values = self._decoded(self._taken(fields, points, whole))
            where = (*block.target, points.positions)
            self._result[where if block.slices else outer(where)] = values
            return
        if whole and not self._functions:
            values, runs = fields.reshape(*lead, -1), points.runs
        else:
            values, runs = self._decoded(self._taken(fields, points, whole)), points.following
        part = self._result[block.target]
        for first, position, length in runs:
            part[..., position : position + length] = values[..., first : first + length]

    def _taken(self, fields: Array, points: Points, whole: bool) -> Array:
        if whole:
            return take_flat(fields, self._trailing, points.flat)
        shape = fields.shape[-self._trailing :]
        return fields[(..., *np.unravel_index(points.flat, shape))]

    def _decoded(self, values: Array) -> Array:
        for function in self._functions:
            values = function(values)
        return values


def lazy_points(
    source: Source, places: tuple[int, ...], rows: Rows, position: int
) -> indexing.LazilyIndexedArray:
    """The points of a variable as what xarray takes for lazy data.

    Parameters
    ----------
    source : Source
        The variable.
    places : tuple of int
        The variable's dimensions that the points are on.
    rows : Rows
        The points.
    position : int
        Where the points' dimension stands in the result.
    """
    return indexing.LazilyIndexedArray(Gathered(source, places, rows, position))


def lazy_box(source: Source) -> indexing.LazilyIndexedArray:
    """All of a variable as what xarray takes for lazy data."""
    return indexing.LazilyIndexedArray(Gathered(source))
