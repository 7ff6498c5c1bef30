"""Selects grid points at, near or about given places, each place with its own points."""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...catalogs.errors import BadShape
from .axes import Axis
from .bodies import Numbers
from .ranges import near, settled, tiled
from .rows import Indices, Rows, fold
from .selection import Group, Linear, Parts
from .shapes import Point
from .sphere import distance_km
from .values import Value


def select_points(
    factor: Point, axes: tuple[Axis, ...], order: tuple[int, ...], tolerance: float
) -> Group:
    """The grid points of a Point shape on axes of the cube.

    Parameters
    ----------
    factor : Point
        What is asked for.
    axes : tuple of Axis
        In the cube's order, over different dimensions.
    order : tuple of int
        For each of these the number of the axis in the shape.
    tolerance : float
        In grid steps, for points that are to be on the grid.

    Raises
    ------
    BadShape
        If a point lies outside the cube, or is not on the grid and no method says what to do.
    """
    for axis in axes:
        if axis.kind == "label":
            raise BadShape(f"{axis.name}: holds labels; use a Select", field=axis.name)
    numbers = [_column(axis, factor.points, number) for axis, number in zip(axes, order)]  # noqa: B905
    for axis, column, number in zip(axes, numbers, order, strict=True):
        _check_inside(axis, column, factor, number)
    if factor.method is None:
        choices = [
            _on_grid(axis, column, factor, number, tolerance)
            for axis, column, number in zip(axes, numbers, order, strict=True)
        ]
    elif factor.method == "linear":
        choices = [near(a, c, "surrounding", 1) for a, c in zip(axes, numbers, strict=True)]
    else:
        choices = [near(a, c, factor.method, factor.k) for a, c in zip(axes, numbers, strict=True)]
    places, valid = _combined(choices)
    if factor.method == "nearest" and factor.k > 1:
        places, valid = _nearest(axes, numbers, places, valid, factor.k)
    return _group(factor, axes, numbers, places, valid)


def _group(
    factor: Point,
    axes: tuple[Axis, ...],
    numbers: list[Numbers],
    places: list[Indices],
    valid: npt.NDArray[np.bool_],
) -> Group:
    point, _ = np.nonzero(valid)
    columns = [column[valid] for column in places]
    prefix = np.stack(columns[:-1], axis=1) if len(columns) > 1 else np.zeros((len(point), 0), int)
    rows = fold(axes, prefix, columns[-1], columns[-1] + 1)
    index = [axis.index[column] for axis, column in zip(axes, columns, strict=True)]
    raw = Rows(rows.dims, rows.sizes, np.stack(index[:-1], axis=1) if index[:-1] else prefix,
               index[-1], index[-1] + 1)  # fmt: skip
    lower = tuple(float(column.min()) for column in numbers)
    lone = len(factor.points) == 1 and rows.count == 1
    if factor.method == "linear":
        linear = _linear(axes, numbers, places, valid, rows)
        return Group(rows, None, axes, lower, linear=linear, lone=len(factor.points) == 1)
    parts = None
    if len(factor.points) > 1:
        parts = Parts(raw, point, len(factor.points), (), repeats=True)
    return Group(rows, None, axes, lower, parts=parts, lone=lone)


def _column(axis: Axis, points: Sequence[Sequence[Value]], number: int) -> Numbers:
    return np.array([axis.number(point[number]) for point in points], dtype=np.float64)


def _check_inside(axis: Axis, values: Numbers, factor: Point, number: int) -> None:
    grid = axis.numbers
    if len(grid) == 0:
        raise BadShape(f"{axis.name}: has no values here", field=axis.name)
    first, last = float(grid[0]), float(grid[-1])
    step = axis.steps[1]
    if axis.period is not None:
        if last - first + step >= axis.period * (1 - 1e-9):
            return  # it comes round: nothing lies outside
        values = first - step + np.mod(values - first + step, axis.period)
    margin = 0.0 if factor.method == "linear" else step
    for point in np.flatnonzero((values < first - margin) | (values > last + margin)).tolist():
        mend = "; there is nothing to interpolate from" if factor.method == "linear" else ""
        raise BadShape(
            f"{axis.name}: {factor.points[point][number]} (point {point}) lies outside the "
            f"cube{mend}; {axis.name} {axis.extent}",
            field=axis.name,
        )


def _on_grid(
    axis: Axis, values: Numbers, factor: Point, number: int, tolerance: float
) -> tuple[Indices, npt.NDArray[np.bool_]]:
    grid = axis.numbers
    if axis.kind == "number":
        grid = tiled(axis, float(values.min()), float(values.max()))
        values = settled(axis, values, grid, tolerance)
    found = np.minimum(np.searchsorted(grid, values, "left"), len(grid) - 1)
    for point in np.flatnonzero(grid[found] != values).tolist():
        raise BadShape(
            f"{axis.name}: {factor.points[point][number]} (point {point}) is not on the grid; ask "
            f"for method='nearest', 'surrounding' or 'linear'; {axis.name} {axis.extent}",
            field=axis.name,
        )
    return (found % len(axis.places))[:, None], np.ones((len(values), 1), dtype=bool)


def _combined(
    choices: list[tuple[Indices, npt.NDArray[np.bool_]]],
) -> tuple[list[Indices], npt.NDArray[np.bool_]]:
    """For each point all combinations of its places on the axes, the last axis fastest."""
    widths = [places.shape[1] for places, _ in choices]
    combinations = np.array(list(itertools.product(*map(range, widths)))).reshape(-1, len(widths))
    places = [column[:, combinations[:, number]] for number, (column, _) in enumerate(choices)]
    valid = np.ones(places[0].shape, dtype=bool)
    for number, (_, there) in enumerate(choices):
        valid &= there[:, combinations[:, number]]
    return places, valid


def _nearest(
    axes: tuple[Axis, ...],
    numbers: list[Numbers],
    places: list[Indices],
    valid: npt.NDArray[np.bool_],
    k: int,
) -> tuple[list[Indices], npt.NDArray[np.bool_]]:
    """Of the combinations the k nearest: by kilometres where that can be said, else by steps."""
    away = np.zeros(valid.shape)
    horizontal = [n for n, axis in enumerate(axes) if axis.is_latitude or axis.period == 360.0]
    if len(horizontal) == 2:
        north, east = sorted(horizontal, key=lambda n: not axes[n].is_latitude)
        grid = [axes[n].numbers[places[n]].ravel() for n in (north, east)]
        asked = [np.broadcast_to(numbers[n][:, None], valid.shape).ravel() for n in (north, east)]
        km = distance_km(np.stack(grid, axis=1), np.stack(asked, axis=1)).reshape(valid.shape)
        # In steps of the latitude, so that it adds up with the other axes.
        away += (km / (111.195 * _step(axes[north]))) ** 2
    for number, axis in enumerate(axes):
        if len(horizontal) == 2 and number in horizontal:
            continue
        difference = axis.numbers[places[number]] - numbers[number][:, None]
        if axis.period is not None:
            difference -= np.round(difference / axis.period) * axis.period
        away += (difference / _step(axis)) ** 2
    away[~valid] = np.inf
    # Rounding first, so that of equally near ones the first in the order of the cube is taken.
    order = np.sort(np.argsort(np.round(away, 9), axis=1, kind="stable")[:, :k], axis=1)
    chosen = [np.take_along_axis(column, order, axis=1) for column in places]
    return chosen, np.take_along_axis(valid, order, axis=1)


def _step(axis: Axis) -> float:
    steps = np.diff(axis.numbers)
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else 1.0


def _linear(
    axes: tuple[Axis, ...],
    numbers: list[Numbers],
    places: list[Indices],
    valid: npt.NDArray[np.bool_],
    rows: Rows,
) -> Linear:
    """Multilinear weights; a corner that is not there weighs nothing."""
    corner = np.zeros(valid.shape, dtype=np.int64)
    weight = np.ones(valid.shape)
    for number, axis in enumerate(axes):
        corner = corner * axis.size + axis.index[places[number]]
        weight *= _share(axis, numbers[number], places[number], valid)
    weight[~valid] = 0.0
    corner[~valid] = corner[:, :1].repeat(valid.shape[1], axis=1)[~valid]
    total = weight.sum(axis=1, keepdims=True)
    asked = {axis.name: axis.values_of(column) for axis, column in zip(axes, numbers, strict=True)}
    return Linear(corner, weight / total, asked)


def _share(axis: Axis, values: Numbers, places: Indices, valid: npt.NDArray[np.bool_]) -> Numbers:
    """How much of a value each of its places on an axis holds: 1 at it, 0 at the other one."""
    difference = axis.numbers[places] - values[:, None]
    if axis.period is not None:
        difference -= np.round(difference / axis.period) * axis.period
    away = np.where(valid, np.abs(difference), 0.0)
    gap = away.max(axis=1, keepdims=True)
    low = np.where(valid, np.abs(difference), np.inf).min(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (gap + low - away) / (gap + low)
    return np.where(gap + low > 0, share, 1.0)
