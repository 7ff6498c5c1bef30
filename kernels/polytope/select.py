"""Selects the grid points of a cube that lie in a shape, as rows of intervals."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import xarray as xr

from ...catalogs.errors import BadShape
from .axes import Axis
from .finding import find_axis
from .naming import resolve
from .ranges import TOLERANCE
from .regular import select_regular
from .rows import Indices, Rows, expand, merged
from .scattered import read_coordinate, select_scattered
from .selection import Group, Parts, Selection
from .shapes import All, Shape, Union

Overlap = Literal["first", "each"]

__all__ = ["TOLERANCE", "Group", "Overlap", "Selection", "select"]


def select(
    dataset: xr.Dataset,
    shape: Shape,
    *,
    cyclic: Mapping[str, float | None] | None = None,
    tolerance: float = TOLERANCE,
    overlap: Overlap | None = None,
) -> Selection:
    """Select without reading any data.

    Parameters
    ----------
    dataset : xr.Dataset
        The cube; only its coordinates are looked at.
    shape : Shape
        What is wanted.
    cyclic : mapping of str to float or None, optional
        Periods of axes, where the attributes do not say them or are wrong.
    tolerance : float
        A bound or vertex nearer to a grid coordinate than this part of a grid step lies on it;
        0 compares the numbers as they are. Bounds are rounded to float32 first for float32
        coordinates. Whole numbers and times are compared exactly.
    overlap : "first" or "each", optional
        Whether a point that lies in several parts of a Union is given in the first only, or in
        each; the first by default.

    Raises
    ------
    BadShape
        If an axis is unknown or covered twice, or the shape lies outside the cube.
    """
    _check(dataset, tolerance, overlap)
    cube = _Cube(dataset, dict(cyclic or {}), tolerance, overlap == "each")
    selection = Selection(shape, tuple(cube.groups(shape.factors())))
    for group in selection.groups:
        if group.outside:
            raise BadShape(group.empty, field=group.empty.partition(":")[0].split(" and ")[0])
    return selection


def _check(dataset: xr.Dataset, tolerance: float, overlap: str | None) -> None:
    if not (math.isfinite(tolerance) and 0 <= tolerance < 0.5):
        raise BadShape("tolerance: a part of a grid step below 0.5 is needed", field="tolerance")
    if overlap not in (None, "first", "each"):
        raise BadShape(f"overlap: 'first' or 'each' is needed, not {overlap!r}", field="overlap")
    for dim, size in dataset.sizes.items():
        if size != size:  # NaN: Dask does not know it
            raise BadShape(
                f"{dim}: Dask does not know its length; call compute_chunk_sizes() first"
            )


@dataclass(frozen=True)
class _Component:
    """Factors whose coordinates share dimensions.

    Attributes
    ----------
    factors : tuple of Shape
        Usually one.
    dims : frozenset of str
        Their dimensions.
    scattered : bool
        Whether a coordinate is no axis of its own.
    """

    factors: tuple[Shape, ...]
    dims: frozenset[str]
    scattered: bool


class _Cube:
    """The cube, and how shapes are looked for in it."""

    def __init__(
        self, dataset: xr.Dataset, periods: dict[str, float | None], tolerance: float, repeats: bool
    ) -> None:
        self._dataset, self._periods = dataset, periods
        self._tolerance, self._repeats = tolerance, repeats
        self._axes: dict[str, Axis] = {}

    def groups(self, factors: Sequence[Shape]) -> list[Group]:
        """What each factor selects; those that select all of a cube's only value leave no group."""
        for factor in factors:
            if isinstance(factor, All):
                resolve(self._dataset, factor.axis)
        result: list[Group] = []
        for component in self._components([f for f in factors if not isinstance(f, All)]):
            group = self._group(component)
            if group is not None:
                result.append(group)
        return result

    def _group(self, component: _Component) -> Group | None:
        factor, *others = component.factors
        unions = [each for each in component.factors if isinstance(each, Union)]
        if unions and others:
            names = ", ".join(sorted(component.dims))
            raise BadShape(f"{names}: a Union shares them with another shape", field="shape")
        if unions:
            return self._union(unions[0], component.dims)
        if component.scattered:
            told = [
                (
                    each,
                    tuple(
                        read_coordinate(self._dataset, name, self._periods) for name in each.axes
                    ),
                )
                for each in component.factors
            ]
            return select_scattered(self._dataset, told)
        axes = [self._axis(name) for name in factor.axes]
        return select_regular(self._dataset, factor, axes, self._tolerance)

    def _axis(self, name: str) -> Axis:
        if name not in self._axes:  # a Union asks for the same axes again and again
            self._axes[name] = find_axis(self._dataset, name, self._periods)
        return self._axes[name]

    def _components(self, factors: Sequence[Shape]) -> list[_Component]:
        if len(factors) == 1 and self._dataset.sizes.keys() >= set(factors[0].axes):
            return [_Component((factors[0],), frozenset(factors[0].axes), False)]
        found: dict[str, str] = {}
        result: list[_Component] = []
        for factor in factors:
            dims: set[str] = set()
            scattered = False
            for name in factor.axes:
                coordinate = resolve(self._dataset, name)
                if coordinate in found:
                    raise _twice(name, coordinate, found[coordinate])
                own = self._dims_of(coordinate)
                self._check_dims(name, coordinate, own, found)
                scattered = scattered or len(own) > 1 or bool(dims & set(own))
                dims.update(own)
                found[coordinate] = name
            mates = [each for each in result if each.dims & dims]
            if mates:
                scattered = True
            result = [each for each in result if each not in mates]
            together = tuple(itertools.chain(*(each.factors for each in mates), [factor]))
            result.append(
                _Component(together, frozenset(dims.union(*(m.dims for m in mates))), scattered)
            )
        return result

    def _dims_of(self, coordinate: str) -> tuple[str, ...]:
        if coordinate in self._dataset.coords:
            return tuple(map(str, self._dataset.variables[coordinate].dims))
        return (coordinate,)

    def _check_dims(
        self, name: str, coordinate: str, dims: tuple[str, ...], found: Mapping[str, str]
    ) -> None:
        """Refuse a dimension's own coordinate beside another one of that dimension."""
        for other, other_name in found.items():
            shared = set(dims) & set(self._dims_of(other))
            if shared & {coordinate, other}:
                raise _twice(name, min(shared & {coordinate, other}), other_name)

    def _union(self, union: Union, dims: frozenset[str]) -> Group | None:
        members = [self._member(shape, dims) for shape in union.shapes]
        if any(member is None for member in members):
            return None  # one of them takes the cube's only value
        groups = [member for member in members if member is not None]
        shaped = groups[0].rows
        prefix = np.concatenate([group.rows.prefix for group in groups])
        start = np.concatenate([group.rows.start for group in groups])
        stop = np.concatenate([group.rows.stop for group in groups])
        raw = Rows(shaped.dims, shaped.sizes, prefix, start, stop)
        number = np.repeat(np.arange(len(groups)), [len(group.rows.start) for group in groups])
        rows = merged(raw)
        empty = next((group.empty for group in groups if group.empty), "")
        return Group(
            rows,
            beyond=tuple(dict.fromkeys(name for group in groups for name in group.beyond)),
            empty="" if rows.count else empty,
            outside=not rows.count and all(group.outside for group in groups),
            parts=Parts(raw, number, len(groups), union.tags, self._repeats),
            scattered=any(group.scattered for group in groups),
        )

    def _member(self, shape: Shape, dims: frozenset[str]) -> Group | None:
        """One part of a union, over all of the union's dimensions."""
        groups = self.groups(shape.factors())
        if any(group.linear for group in groups):
            raise BadShape("method: 'linear' cannot be part of a Union", field="method")
        if not dims:
            return None if not groups else replace(groups[0], parts=None)
        rows = _product([group.rows for group in groups], self._in_order(dims), self._dataset)
        return Group(
            rows,
            beyond=tuple(name for group in groups for name in group.beyond),
            empty=next((group.empty for group in groups if group.empty), ""),
            outside=any(group.outside for group in groups),
            scattered=any(group.scattered for group in groups),
        )

    def _in_order(self, dims: frozenset[str]) -> tuple[str, ...]:
        for array in self._dataset.data_vars.values():
            if dims <= set(map(str, array.dims)):
                return tuple(str(dim) for dim in array.dims if dim in dims)
        return tuple(str(dim) for dim in self._dataset.dims if dim in dims)


def _product(groups: Sequence[Rows], dims: tuple[str, ...], dataset: xr.Dataset) -> Rows:
    """Rows over all dimensions of what lies in each of some rows over some of them."""
    sizes = tuple(dataset.sizes[dim] for dim in dims)
    if len(groups) == 1 and groups[0].dims == dims:
        return groups[0]
    columns: dict[str, Indices] = {}
    start = stop = np.zeros(1, dtype=np.int64)
    length = 1
    free = [d for d in dims if not any(d in rows.dims for rows in groups)]
    whole = [
        Rows((d,), (dataset.sizes[d],), np.zeros((1, 0), int), np.zeros(1, int),
             np.array([dataset.sizes[d]]))
        for d in free
    ]  # fmt: skip
    for rows in [*groups, *whole]:
        holds_last = rows.dims[-1] == dims[-1]
        row, last = (
            (np.arange(len(rows.start)), rows.start)
            if holds_last
            else expand(rows.start, rows.stop)
        )
        columns = {dim: np.repeat(column, len(row)) for dim, column in columns.items()}
        start, stop = np.repeat(start, len(row)), np.repeat(stop, len(row))
        for number, dim in enumerate(rows.dims[:-1]):
            columns[dim] = np.tile(rows.prefix[row, number], length)
        if holds_last:
            start, stop = np.tile(rows.start, length), np.tile(rows.stop, length)
        else:
            columns[rows.dims[-1]] = np.tile(last, length)
        length *= len(row)
    prefix = (
        np.stack([columns[dim] for dim in dims[:-1]], axis=1)
        if len(dims) > 1
        else np.zeros((length, 0), dtype=np.int64)
    )
    return merged(Rows(dims, sizes, prefix, start, stop))


def _twice(name: str, coordinate: str, other: str) -> BadShape:
    return BadShape(
        f"{name}: the shape covers {coordinate} twice, as {other} and {name}; give one of them",
        field=name,
    )
