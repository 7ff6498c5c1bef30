"""Selects grid points where each axis of a shape is a dimension of the cube of its own."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from ...catalogs.errors import BadShape
from .axes import Axis
from .bodies import Bodies, Numbers
from .forms import bodies_of
from .points import select_points
from .ranges import (
    covers,
    missing_text,
    number_rows,
    outside,
    reach,
    select_span,
    select_values,
    settled,
    tiled,
)
from .recent import RECENT
from .rings import Vertex
from .rows import Indices, Rows, fold
from .scanline import scan
from .selection import Group
from .shapes import ConvexPolytope, Point, Polygon, Select, Shape, Span
from .slicing import slice_bodies

_MOST_TURNS = 100


def select_regular(
    dataset: xr.Dataset, factor: Shape, axes: Sequence[Axis], tolerance: float
) -> Group | None:
    """The grid points of one factor.

    Parameters
    ----------
    dataset : xr.Dataset
        The cube.
    factor : Shape
        What couples these axes: not a Product, not a Union.
    axes : sequence of Axis
        In the order of the shape's axes.
    tolerance : float
        In grid steps.

    Returns
    -------
    Group or None
        None where the cube has but one value on all of these axes, and it lies in the shape.
    """
    if isinstance(factor, Span):
        return select_span(factor, axes[0], tolerance)
    if isinstance(factor, Select):
        return select_values(factor, axes[0], tolerance)
    order = order_of(dataset, axes)
    ordered = tuple(axes[number] for number in order)
    return RECENT.get(
        (factor, order, tolerance), ordered, lambda: _coupled(factor, ordered, order, tolerance)
    )


def _coupled(
    factor: Shape, axes: tuple[Axis, ...], order: tuple[int, ...], tolerance: float
) -> Group | None:
    for axis in axes:
        if axis.kind == "label":
            raise BadShape(f"{axis.name}: labels have no range; use a Select", field=axis.name)
    if isinstance(factor, Point):
        group = select_points(factor, axes, order, tolerance)
    elif isinstance(factor, Polygon):
        group = _polygon(factor, axes, order, tolerance)
    else:
        group = _solid(factor, axes, order, tolerance)
    return _without_scalars(group)


def order_of(dataset: xr.Dataset, axes: Sequence[Axis]) -> tuple[int, ...]:
    """The axes by how slowly the cube's data vary along them; those of one value come first."""
    dims = [axis.dim for axis in axes]
    wanted = {dim for dim in dims if dim is not None}
    held = dataset.coords
    orders = (variable.dims for key, variable in dataset.variables.items() if key not in held)
    for order in (*orders, tuple(dataset.dims)):
        places = list(map(str, order))
        if wanted <= set(places):
            return tuple(
                sorted(
                    range(len(dims)),
                    key=lambda n: -1 if dims[n] is None else places.index(str(dims[n])),
                )
            )
    return tuple(range(len(dims)))


def _polygon(
    factor: Polygon, axes: tuple[Axis, ...], order: tuple[int, ...], tolerance: float
) -> Group:
    if factor.vertices is not None and all(axis.kind == "number" for axis in axes):
        vertices = factor.vertices[:, list(order)]
    else:
        given = [vertex for ring in factor.rings for vertex in ring]
        vertices = np.stack([_column(axes[n], given, order[n]) for n in (0, 1)], axis=1)
    group = _area(vertices, factor.following, axes, tolerance)
    if group.rows.count == 0:
        bounds = [factor.bounds()[factor.axes[number]] for number in order]
        return _explained(group, [f"{low} to {high}" for low, high in bounds])
    return group


def _area(vertices: Numbers, following: Indices, axes: tuple[Axis, ...], tolerance: float) -> Group:
    """What lies in rings over two axes, even-odd."""
    lower, upper = vertices.min(axis=0).tolist(), vertices.max(axis=0).tolist()
    grids: list[Numbers] = []
    columns: list[Numbers] = []
    for number, axis in enumerate(axes):
        _check_turns(axis, lower[number], upper[number])
        grid = tiled(axis, lower[number], upper[number])
        grids.append(grid)
        columns.append(settled(axis, vertices[:, number], grid, tolerance))
    meant = np.stack(columns, axis=1)
    row, start, stop = scan(meant, following, grids[0], grids[1])
    # The grids begin some whole turns away, which folding takes off again.
    rows = fold(axes, row[:, None], start, stop)
    return _with_bounds(rows, axes, meant.min(axis=0), meant.max(axis=0))


def _solid(
    factor: Shape, axes: tuple[Axis, ...], order: tuple[int, ...], tolerance: float
) -> Group:
    if isinstance(factor, ConvexPolytope):
        cloud = _settled_cloud(factor, axes, order, tolerance)
        if len(axes) == 2:
            ring = _ring_of(cloud)
            following = np.roll(np.arange(len(ring)), -1)
            return _explained(_area(ring, following, axes, tolerance), None)
        if len(axes) == 1:
            low, high = float(cloud.min()), float(cloud.max())
            return _explained(_with_bounds(number_rows(axes[0], low, high), axes,
                                           cloud.min(axis=0), cloud.max(axis=0)), None)  # fmt: skip
    bodies = bodies_of(factor, axes, order)
    return _explained(_of_bodies(bodies, axes, tolerance), None)


def _of_bodies(bodies: Bodies, axes: tuple[Axis, ...], tolerance: float) -> Group:
    lower, upper = bodies.lower.min(axis=0), bodies.upper.max(axis=0)
    grids: list[Numbers] = []
    limits: list[float] = []
    for axis, low, high in zip(axes, lower.tolist(), upper.tolist(), strict=True):
        _check_turns(axis, low, high)
        limit = reach(axis, tolerance)
        if axis.single and len(axis.places):
            limit = max(limit, float(np.spacing(np.float32(np.abs(axis.places).max()))) / 2)
        grids.append(tiled(axis, low - limit, high + limit))
        limits.append(limit)
    prefix, start, stop = slice_bodies(bodies, grids, limits)
    return _with_bounds(fold(axes, prefix, start, stop), axes, lower, upper)


def _with_bounds(rows: Rows, axes: tuple[Axis, ...], lower: Numbers, upper: Numbers) -> Group:
    bounds = list(zip(axes, lower.tolist(), upper.tolist(), strict=True))
    beyond = tuple(axis.name for axis, low, high in bounds if not covers(axis, low, high))
    away = rows.count == 0 and any(outside(axis, low, high) for axis, low, high in bounds)

    def box() -> tuple[Rows, ...]:
        return tuple(number_rows(axis, low, high) for axis, low, high in bounds)

    return Group(rows, box, axes, tuple(lower.tolist()), beyond, outside=away)


def _explained(group: Group, asked: list[str] | None) -> Group:
    """Say on which axis shape and cube miss each other, if they do."""
    if group.rows.count:
        return group
    for number, (axis, rows) in enumerate(zip(group.axes, group.box, strict=True)):
        if rows.count == 0:
            low, _, high = asked[number].partition(" to ") if asked else ("the shape's", "", "own")
            if asked:
                return replace(group, empty=missing_text(axis, low, high))
            text = f"{axis.name}: no grid point lies within the shape; the cube {axis.extent}"
            return replace(group, empty=text)
    names = " and ".join(axis.name for axis in group.axes)
    extents = "; ".join(f"{axis.name} {axis.extent}" for axis in group.axes)
    text = f"{names}: no grid point lies in the shape, it falls between them; {extents}"
    return replace(group, empty=text)


def _without_scalars(group: Group) -> Group | None:
    """Leave out the axes of one value, which have no dimension; they come first."""
    scalars = sum(axis.dim is None for axis in group.axes)
    if scalars == 0:
        return group
    if scalars == len(group.axes):
        return None if group.rows.count else group
    axes = group.axes[scalars:]

    def cut(rows: Rows) -> Rows:
        dims, sizes = rows.dims[scalars:], rows.sizes[scalars:]
        return Rows(dims, sizes, rows.prefix[:, scalars:], rows.start, rows.stop)

    bounds = group.bounds
    parts = group.parts and replace(group.parts, rows=cut(group.parts.rows))
    return replace(
        group,
        rows=cut(group.rows),
        bounds=(lambda: bounds()[scalars:]) if bounds else None,
        axes=axes,
        lower=group.lower[scalars:],
        parts=parts,
    )


def _check_turns(axis: Axis, low: float, high: float) -> None:
    if axis.period and high - low > _MOST_TURNS * axis.period:
        raise BadShape(f"{axis.name}: the shape goes round too often", field=axis.name)


def _column(axis: Axis, vertices: Sequence[Vertex], number: int) -> Numbers:
    """One coordinate of vertices, in the axis' numbers."""
    values = [vertex[number] for vertex in vertices]
    if axis.kind == "number" and not isinstance(values[0], str):
        return np.array(values, dtype=np.float64)
    return np.array([axis.number(value) for value in values])


def _settled_cloud(
    factor: ConvexPolytope, axes: tuple[Axis, ...], order: tuple[int, ...], tolerance: float
) -> Numbers:
    columns: list[Numbers] = []
    for axis, number in zip(axes, order, strict=True):
        column = np.array([axis.number(point[number]) for point in factor.points])
        grid = tiled(axis, float(column.min()), float(column.max()))
        columns.append(settled(axis, column, grid, tolerance))
    return np.stack(columns, axis=1)


def _ring_of(cloud: Numbers) -> Numbers:
    """The hull of points in a plane as a ring (Andrew's monotone chain); flat ones as a line."""
    points = np.unique(cloud, axis=0)
    if len(points) < 3:
        return points

    def chain(ordered: Numbers) -> list[Numbers]:
        found: list[Numbers] = []
        for point in ordered:
            while len(found) > 1 and _turn(found[-2], found[-1], point) <= 0:
                found.pop()
            found.append(point)
        return found[:-1]

    return np.array(chain(points) + chain(points[::-1]), dtype=np.float64)


def _turn(first: Numbers, second: Numbers, third: Numbers) -> float:
    a, b = second - first, third - first
    return float(a[0] * b[1] - a[1] * b[0])
