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
from .layout import Block, Group, Layout, Piece, outer
from .memory import take_flat, whole_fields
from .places import Points, intervals_of
from .reading import read

Array = npt.NDArray[Any]
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
    axes : tuple of int, optional
        For each dimension of the result the stored array's dimension, or -1 for the first points,
        -2 for the second ones and so on; the variable's dimensions by default.
    groups : tuple of (tuple of int, Rows)
        Points, and the stored array's dimensions that they are on.
    """

    def __init__(
        self,
        source: Source,
        axes: tuple[int, ...] | None = None,
        groups: tuple[tuple[tuple[int, ...], Rows], ...] = (),
    ) -> None:
        self.source, self.groups = source, groups
        self.axes = source.axes if axes is None else axes
        self.dtype = source.dtype
        self._token = uuid4().hex

    def at(self, places: tuple[int, ...], rows: Rows, position: int) -> "Gathered":
        """The same with points on some more of its dimensions.

        Parameters
        ----------
        places : tuple of int
            The dimensions; no other points are on them.
        rows : Rows
            The points.
        position : int
            Where their dimension stands then.
        """
        dims = tuple(self.axes[place] for place in places)
        axes = [axis for number, axis in enumerate(self.axes) if number not in places]
        axes.insert(position, -1 - len(self.groups))
        return Gathered(self.source, tuple(axes), (*self.groups, (dims, rows)))

    def as_lazy(self) -> indexing.LazilyIndexedArray:
        """What xarray takes for lazy data."""
        return indexing.LazilyIndexedArray(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the result."""
        return tuple(self._length(axis) for axis in self.axes)

    def _length(self, axis: int) -> int:
        if axis < 0:
            return self.groups[-1 - axis][1].count
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
        others = [axis for axis in self.axes if axis >= 0]
        chosen: dict[int, Chosen] = {}
        picks: list[Any] = [slice(None)] * len(self.groups)
        lone: set[int] = set()
        for number, (axis, wanted) in enumerate(zip(self.axes, key, strict=True)):
            one = isinstance(wanted, int | np.integer)
            lone |= {number} if one else set()
            part = slice(int(wanted), int(wanted) + 1) if one else wanted
            if axis < 0:
                picks[-1 - axis] = part
            else:
                chosen[axis] = compose(self.source.chosen[axis], part)
        on_points = [dim for dims, _ in self.groups for dim in dims]
        fixed = [n for n in range(self.source.array.ndim) if n not in (*others, *on_points)]
        chosen.update({n: self.source.chosen[n] for n in fixed})
        lead = (*others, *fixed)
        groups = tuple(
            Group(dims, intervals_of(rows, [self.source.chosen[n] for n in dims], pick))
            for (dims, rows), pick in zip(self.groups, picks, strict=True)
        )
        chunks = tuple(map(int, self.source.array.chunks))
        layout = Layout(chunks, lead, tuple(chosen[n] for n in lead), groups)
        stored = {axis: number for number, axis in enumerate(lead)}
        stored.update({-1 - number: len(lead) + number for number in range(len(groups))})
        # Dimensions that the variable has lost come last, and go.
        lone |= set(range(len(self.axes), len(self.axes) + len(fixed)))
        return layout, lone, [stored[axis] for axis in (*self.axes, *fixed)]


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
        self._order = layout.dims
        self._others = len(layout.others)
        self._widths = [len(group.dims) for group in layout.groups]
        self._trailing = self._widths[-1] if self._widths else 0

    def __call__(self, piece: Piece, block: Array) -> None:
        """Take what is wanted of a chunk, or put the single value that stands for it."""
        if block.ndim < len(self._order):
            rest = () if piece.points is None else (piece.points.positions,)
            self._result[outer(piece.block.target, *rest)] = self._decoded(block.reshape(1))[0]
            return
        fields = block.transpose(self._order)[piece.block.inside]
        for at, points in enumerate(piece.block.more, self._others):
            width = self._widths[at - self._others]
            moved = np.moveaxis(fields, range(at, at + width), range(-width, 0))
            fields = np.moveaxis(_taken(moved, width, points), -1, at)
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
            values = self._decoded(_taken(fields, self._trailing, points))
            where = (*block.target, points.positions)
            self._result[where if block.slices else outer(where)] = values
            return
        if whole and not self._functions:
            values, runs = fields.reshape(*lead, -1), points.runs
        else:
            values, runs = self._decoded(_taken(fields, self._trailing, points)), points.following
        part = self._result[block.target]
        for first, position, length in runs:
            part[..., position : position + length] = values[..., first : first + length]

    def _decoded(self, values: Array) -> Array:
        for function in self._functions:
            values = function(values)
        return values


def _taken(fields: Array, trailing: int, points: Points) -> Array:
    """The values of points on the trailing dimensions."""
    if whole_fields(fields, trailing):
        return take_flat(fields, trailing, points.flat)
    return fields[(..., *np.unravel_index(points.flat, fields.shape[-trailing:]))]


def gathered_of(data: Any) -> Gathered | None:
    """What a lazy variable already is of ours, when all of it is there."""
    if not isinstance(data, indexing.LazilyIndexedArray) or not isinstance(data.array, Gathered):
        return None
    whole = all(isinstance(key, slice) and key == slice(None) for key in data.key.tuple)
    return data.array if whole else None
