"""Selects the grid points of a cube that lie in a shape, as rows of intervals."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from ...catalogs.errors import BadShape
from .axes import Axis, find_axis
from .rings import Ring
from .rows import Rows, fold
from .scanline import scan
from .shape import Shape
from .shapes import Polygon, Span
from .values import Value

Numbers = npt.NDArray[np.float64]

# A bound this close to a grid point, in steps of the grid, is meant to be on it.
TOLERANCE = 1e-9
_MOST_TURNS = 100


@dataclass(frozen=True, eq=False)
class Group:
    """What one factor of a shape selects.

    Attributes
    ----------
    rows : Rows
        The grid points, over the factor's dimensions.
    box : tuple of Rows
        The bounding box: for each dimension the places within the shape's bounds.
    axes : tuple of Axis
        In the order of the dimensions.
    lower : tuple of float
        The shape's lower bound on each axis, in the axis' numbers: where it starts.
    beyond : tuple of str
        The axes on which the shape reaches more than a step beyond the cube.
    """

    rows: Rows
    box: tuple[Rows, ...]
    axes: tuple[Axis, ...]
    lower: tuple[float, ...]
    beyond: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Selection:
    """The grid points of a cube in a shape: the product of its groups.

    Dimensions that no group has stay whole.
    """

    shape: Shape
    groups: tuple[Group, ...]


def select(
    dataset: xr.Dataset,
    shape: Shape,
    *,
    cyclic: Mapping[str, float | None] | None = None,
    tolerance: float = TOLERANCE,
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

    Raises
    ------
    BadShape
        If an axis is unknown or covered twice, or nothing of the cube lies in the shape.
    """
    _check(dataset, tolerance)
    periods = dict(cyclic or {})
    found: dict[str, str] = {}
    groups: list[Group] = []
    for factor in shape.factors():
        axes = tuple(find_axis(dataset, name, periods) for name in factor.axes)
        for name, axis in zip(factor.axes, axes, strict=True):
            target = axis.dim or axis.name
            if target in found:
                raise BadShape(
                    f"{name}: the shape covers {target} twice, as {found[target]} and {name}",
                    field=name,
                )
            found[target] = name
        group = _select(dataset, factor, axes, tolerance)
        if group is not None:
            groups.append(group)
    return Selection(shape, tuple(groups))


def _check(dataset: xr.Dataset, tolerance: float) -> None:
    if not (math.isfinite(tolerance) and 0 <= tolerance < 0.5):
        raise BadShape("tolerance: a part of a grid step below 0.5 is needed", field="tolerance")
    for dim, size in dataset.sizes.items():
        if size != size:  # NaN: Dask does not know it
            raise BadShape(
                f"{dim}: Dask does not know its length; call compute_chunk_sizes() first"
            )


def _select(
    dataset: xr.Dataset, factor: Shape, axes: tuple[Axis, ...], tolerance: float
) -> Group | None:
    if isinstance(factor, Span):
        return _select_span(factor, axes[0], tolerance)
    if isinstance(factor, Polygon):
        return _select_polygon(factor, axes, _order(dataset, axes), tolerance)
    raise BadShape(f"{type(factor).__name__}: cannot be cut yet", field="shape")


def _select_span(factor: Span, axis: Axis, tolerance: float) -> Group | None:
    rows = span_rows(axis, factor.lower, factor.upper, tolerance)
    if rows.count == 0:
        raise _empty([(axis, (factor.lower, factor.upper), rows)])
    if axis.dim is None:
        return None  # the cube's only value lies in the range
    lower, upper = axis.number(factor.lower), axis.number(factor.upper)
    beyond = () if _covers(axis, lower, upper) else (axis.name,)
    return Group(rows, (rows,), (axis,), (lower,), beyond)


def span_rows(axis: Axis, lower: Value, upper: Value, tolerance: float) -> Rows:
    """The places of an axis in a closed range."""
    start, stop = _between(axis, lower, upper, tolerance)
    none = np.zeros((1, 0), dtype=np.int64)
    return fold((axis,), none, np.array([start]), np.array([stop]))


def _between(axis: Axis, lower: Value, upper: Value, tolerance: float) -> tuple[int, int]:
    places = axis.places
    if axis.kind != "number":
        low, high = axis.whole(lower, up=True), axis.whole(upper, up=False)
    else:
        low, high = axis.number(lower), axis.number(upper)
        if axis.period is not None and high - low >= axis.period:
            return 0, len(places)
        grid = tiled(axis, low, high)
        low, high = settled(axis, np.array([low, high]), grid, tolerance)
        places = grid
    return int(np.searchsorted(places, low, "left")), int(np.searchsorted(places, high, "right"))


def tiled(axis: Axis, low: float, high: float) -> Numbers:
    """The numbers of an axis, for a cyclic one repeated from before low to beyond high."""
    numbers = axis.numbers
    if axis.period is None or len(numbers) == 0:
        return numbers
    first, last = _turns(axis, low, high)
    turns = np.arange(first, last + 1)[:, None] * axis.period
    return (numbers[None, :] + turns).ravel()


def _turns(axis: Axis, low: float, high: float) -> tuple[int, int]:
    assert axis.period is not None
    places = axis.numbers
    first = math.floor((low - float(places[-1])) / axis.period)
    last = math.ceil((high - float(places[0])) / axis.period)
    return first, last


def settled(axis: Axis, values: Numbers, grid: Numbers, tolerance: float) -> Numbers:
    """Move values that are meant to be grid coordinates onto them.

    Values are rounded to float32 when the coordinate is (where the cube has them, since float32
    is coarser at 350 than at -10); then those within the tolerance of a coordinate become it.
    """
    if axis.single:
        turns = np.zeros(len(values))
        if axis.period is not None and len(axis.places):
            # A value that will be rounded onto the first place belongs to its turn.
            slack = float(np.spacing(np.float32(axis.period)))
            turns = np.floor((values - axis.places[0] + slack) / axis.period) * axis.period
        values = (values - turns).astype(np.float32).astype(np.float64) + turns
    if tolerance == 0 or axis.kind != "number" or len(grid) == 0:
        return values
    reach = _reach(axis, tolerance)
    above = np.searchsorted(grid, values)
    for near in (grid[np.maximum(above - 1, 0)], grid[np.minimum(above, len(grid) - 1)]):
        values = np.where(np.abs(values - near) <= reach, near, values)
    return values


def _reach(axis: Axis, tolerance: float) -> float:
    """The tolerance in the axis' units; never less than what folding rounds."""
    places = axis.places
    largest = max(abs(float(places[0])), abs(float(places[-1])), axis.period or 0.0)
    rounding = 4 * float(np.spacing(largest))
    steps = np.diff(places)
    steps = steps[steps > 0]
    if len(steps) == 0:
        return rounding
    return min(max(tolerance * float(steps.min()), rounding), float(steps.min()) / 4)


def _select_polygon(
    factor: Polygon, axes: tuple[Axis, ...], order: tuple[int, int], tolerance: float
) -> Group:
    scalar = [axis for axis in axes if axis.dim is None]
    if scalar:
        name = scalar[0].name
        raise BadShape(f"{name}: has one value here, so that no polygon spans it", field=name)
    axes = (axes[order[0]], axes[order[1]])
    rings = [
        np.stack([_column(axes[n], ring, order[n]) for n in (0, 1)], 1) for ring in factor.rings
    ]
    stacked = np.concatenate(rings)
    lower, upper = stacked.min(axis=0).tolist(), stacked.max(axis=0).tolist()
    grids: list[Numbers] = []
    for number, axis in enumerate(axes):
        if axis.period and upper[number] - lower[number] > _MOST_TURNS * axis.period:
            raise BadShape(f"{axis.name}: the polygon goes round too often", field=axis.name)
        grid = tiled(axis, lower[number], upper[number])
        grids.append(grid)
        for ring in rings:
            ring[:, number] = settled(axis, ring[:, number], grid, tolerance)
    row, start, stop = scan(rings, grids[0], grids[1])
    # The grids begin some whole turns away, which folding takes off again.
    rows = fold(axes, row[:, None], start, stop)
    bounds = [factor.bounds()[factor.axes[number]] for number in order]
    box = tuple(span_rows(axis, *pair, tolerance) for axis, pair in zip(axes, bounds, strict=True))
    if rows.count == 0:
        raise _empty(list(zip(axes, bounds, box, strict=True)))
    beyond = tuple(
        axis.name
        for axis, low, high in zip(axes, lower, upper, strict=True)
        if not _covers(axis, low, high)
    )
    return Group(rows, box, axes, tuple(lower), beyond)


def _column(axis: Axis, ring: Ring, number: int) -> Numbers:
    """One coordinate of a ring's vertices, in the axis' numbers."""
    values = [vertex[number] for vertex in ring]
    if axis.kind == "number" and not isinstance(values[0], str):
        return np.array(values, dtype=np.float64)
    return np.array([axis.number(value) for value in values])


def _order(dataset: xr.Dataset, axes: tuple[Axis, ...]) -> tuple[int, int]:
    """The two axes by how slowly the cube's data vary along them."""
    dims = [str(axis.dim) for axis in axes]
    orders = [list(map(str, array.dims)) for array in dataset.data_vars.values()]
    for order in (*orders, list(map(str, dataset.dims))):
        if set(dims) <= set(order):
            return (0, 1) if order.index(dims[0]) < order.index(dims[1]) else (1, 0)
    return 0, 1


def _covers(axis: Axis, lower: float, upper: float) -> bool:
    """Whether the cube goes about as far as the shape does."""
    numbers = axis.numbers
    if len(numbers) == 0:
        return False
    step = float(np.diff(numbers).max()) if len(numbers) > 1 else 0.0
    first, last = float(numbers[0]) - step, float(numbers[-1]) + step
    if axis.period is not None:
        if last - first >= axis.period:
            return True
        turns = math.floor((lower - first) / axis.period) * axis.period
        lower, upper = lower - turns, upper - turns
    return lower >= first and upper <= last


def _empty(asked: list[tuple[Axis, tuple[Value, Value], Rows]]) -> BadShape:
    """Say on which axis shape and cube miss each other."""
    for axis, (low, high), rows in asked:
        if rows.count == 0:
            return BadShape(
                f"{axis.name}: no grid point lies from {low} to {high}; the cube {axis.extent}",
                field=axis.name,
            )
    names = " and ".join(axis.name for axis, _, _ in asked)
    extents = "; ".join(f"{axis.name} {axis.extent}" for axis, _, _ in asked)
    return BadShape(
        f"{names}: no grid point lies in the shape, it falls between them; {extents}",
        field=asked[0][0].name,
    )
