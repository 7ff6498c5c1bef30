"""What a selection is made of: groups of grid points, their parts, and weights between them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .axes import Axis
from .bodies import Numbers
from .rows import Indices, Rows, bounding, expand
from .shapes import Shape


@dataclass(frozen=True, eq=False)
class Parts:
    """Which points each part of a shape holds, part after part.

    Attributes
    ----------
    rows : Rows
        The points; in the order of the parts, and those of one part in the order of the cube.
    number : array of int, shape (rows,)
        The part of each row.
    count : int
        How many parts there are, empty ones too.
    tags : tuple of str
        The parts' names; empty when they have none.
    repeats : bool
        Whether a point that lies in several parts is given in each, else in the first.
    """

    rows: Rows
    number: Indices
    count: int
    tags: tuple[str, ...]
    repeats: bool


@dataclass(frozen=True, eq=False)
class Linear:
    """Places between grid points, and what each grid point about them weighs.

    Attributes
    ----------
    corner : array of int, shape (places, corners)
        Flat index over the group's dimensions.
    weight : array, shape (places, corners)
        Adds up to 1.
    numbers : dict of str to array, shape (places,)
        The places' coordinates, by the coordinate's name, in the units of the cube.
    """

    corner: Indices
    weight: Numbers
    numbers: dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, eq=False)
class Group:
    """What one factor of a shape selects, or several whose coordinates share dimensions.

    Attributes
    ----------
    rows : Rows
        The grid points to read, each once, over the group's dimensions.
    bounds : callable or None
        Counts the bounding box: for each dimension the places within the shape's bounds.
    axes : tuple of Axis
        In the order of the dimensions; empty for coordinates that are no axes.
    lower : tuple of float
        The shape's lower bound on each axis, in the axis' numbers: where it starts.
    beyond : tuple of str
        The axes on which the shape reaches more than a step beyond the cube.
    empty : str
        Why there are no points, when there are none.
    outside : bool
        Whether that is because the shape lies outside the cube.
    parts : Parts or None
        For shapes of several parts.
    linear : Linear or None
        For values between grid points.
    lone : bool
        Whether it is one point, whose axes leave no dimension.
    scattered : bool
        Whether the dimensions are not axes of the shape, as on curvilinear grids.
    """

    rows: Rows
    bounds: Callable[[], tuple[Rows, ...]] | None = None
    axes: tuple[Axis, ...] = ()
    lower: tuple[float, ...] = ()
    beyond: tuple[str, ...] = ()
    empty: str = ""
    outside: bool = False
    parts: Parts | None = None
    linear: Linear | None = None
    lone: bool = False
    scattered: bool = False

    @property
    def box(self) -> tuple[Rows, ...]:
        """The bounding box: for each dimension the places within the shape's bounds."""
        return self.bounds() if self.bounds else bounding(self.rows)

    @property
    def coupled(self) -> bool:
        """Whether the dimensions become one of points."""
        return len(self.rows.dims) > 1 or self.scattered

    @property
    def count(self) -> int:
        """How many points the result has."""
        if self.linear is not None:
            return len(self.linear.corner)
        if self.parts is not None and self.parts.repeats:
            return self.parts.rows.count
        return self.rows.count

    def arrangement(self) -> tuple[Indices, Indices]:
        """The parts' points by their place among the group's rows, and the part of each."""
        assert self.parts is not None
        row, last = expand(self.parts.rows.start, self.parts.rows.stop)
        wanted = _flat(self.parts.rows, row, last)
        number = self.parts.number[row]
        if not self.parts.repeats:
            _, first = np.unique(wanted, return_index=True)
            first = np.sort(first)
            wanted, number = wanted[first], number[first]
        return np.searchsorted(flat_points(self.rows), wanted), number


@dataclass(frozen=True, eq=False)
class Selection:
    """The grid points of a cube in a shape: the product of its groups.

    Dimensions that no group has stay whole.
    """

    shape: Shape
    groups: tuple[Group, ...]

    @property
    def beyond(self) -> tuple[str, ...]:
        """The axes on which the shape reaches beyond the cube."""
        return tuple(dict.fromkeys(name for group in self.groups for name in group.beyond))

    @property
    def empty(self) -> str:
        """Why the selection has no points; nothing when it has some."""
        return next((group.empty for group in self.groups if group.empty), "")


def flat_points(rows: Rows) -> Indices:
    """The flat index of every point over the rows' dimensions."""
    return _flat(rows, *expand(rows.start, rows.stop))


def _flat(rows: Rows, row: Indices, last: Indices) -> Indices:
    key = np.zeros(len(row), dtype=np.int64)
    for number, size in enumerate(rows.sizes[:-1]):
        key = key * size + rows.prefix[row, number]
    return key * rows.sizes[-1] + last
