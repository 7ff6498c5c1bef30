"""Selects ranges and values of one axis, and what lies on the grid by intention."""

import math

import numpy as np
import numpy.typing as npt

from ...catalogs.errors import BadShape
from .axes import Axis
from .bodies import Numbers
from .rows import Indices, Rows, fold
from .selection import Group
from .shapes import Select, Span
from .values import Value

# A bound this close to a grid point, in steps of the grid, is meant to be on it.
TOLERANCE = 1e-9


def select_span(factor: Span, axis: Axis, tolerance: float) -> Group | None:
    """The places of an axis in a range; None where the cube has but one value, which is in it."""
    rows = span_rows(axis, factor.lower, factor.upper, tolerance)
    lower, upper = axis.number(factor.lower), axis.number(factor.upper)
    if rows.count == 0:
        text = missing_text(axis, factor.lower, factor.upper)
        return Group(
            rows, lambda: (rows,), (axis,), (lower,), (), text, outside(axis, lower, upper)
        )
    if axis.dim is None:
        return None
    beyond = () if covers(axis, lower, upper) else (axis.name,)
    return Group(rows, lambda: (rows,), (axis,), (lower,), beyond)


def span_rows(axis: Axis, lower: Value, upper: Value, tolerance: float) -> Rows:
    """The places of an axis in a closed range."""
    start, stop = _between(axis, lower, upper, tolerance)
    none = np.zeros((1, 0), dtype=np.int64)
    return fold((axis,), none, np.array([start]), np.array([stop]))


def number_rows(axis: Axis, lower: float, upper: float) -> Rows:
    """The places of an axis in a closed range of its numbers."""
    none = np.zeros((1, 0), dtype=np.int64)
    if axis.period is not None and upper - lower >= axis.period:
        start, stop = 0, len(axis.places)
    else:
        grid = tiled(axis, lower, upper)
        start = int(np.searchsorted(grid, lower, "left"))
        stop = int(np.searchsorted(grid, upper, "right"))
    return fold((axis,), none, np.array([start]), np.array([stop]))


def select_values(factor: Select, axis: Axis, tolerance: float) -> Group | None:
    """The places of an axis that are named, or next to what is named."""
    chosen = [places_of(axis, value, factor.method, factor.k, tolerance) for value in factor.values]
    found = np.unique(np.concatenate(chosen)) if chosen else np.zeros(0, dtype=np.int64)
    none = np.zeros((len(found), 0), dtype=np.int64)
    rows = fold((axis,), none, found, found + 1)
    if axis.dim is None:
        return None
    return Group(
        rows, lambda: (rows,), (axis,), (0.0,) if axis.kind == "label" else (_least(axis, rows),)
    )


def _least(axis: Axis, rows: Rows) -> float:
    return float(axis.numbers[0]) if rows.count else 0.0


def places_of(axis: Axis, value: Value, method: str | None, k: int, tolerance: float) -> Indices:
    """The numbers of the places that one value names.

    Parameters
    ----------
    axis : Axis
        Of the cube.
    value : number, time, duration or label
        What is asked for.
    method : None, "nearest" or "surrounding"
        The value itself; the k places nearest to it; or the k next at or below and at or above.
    k : int
        How many.
    tolerance : float
        In grid steps.

    Raises
    ------
    BadShape
        If the axis has no such place, or the value lies outside the cube.
    """
    if axis.kind == "label":
        return _label(axis, value)
    numbers = axis.numbers
    if len(numbers) == 0:
        raise BadShape(f"{axis.name}: has no values here", field=axis.name)
    number = axis.number(value)
    if axis.kind == "number":
        grid = tiled(axis, number, number)
        number = float(settled(axis, np.array([number]), grid, tolerance)[0])
    else:
        grid = numbers
    if outside(axis, number, number) and method is not None:
        raise BadShape(
            f"{axis.name}: {value} lies outside the cube; {axis.name} {axis.extent}",
            field=axis.name,
        )
    if method is None:
        low, high = np.searchsorted(grid, number, "left"), np.searchsorted(grid, number, "right")
        if low == high:
            raise BadShape(
                f"{axis.name}: {value} is not on the grid; ask for method='nearest' or "
                f"'surrounding', or a Span; {axis.name} {axis.extent}",
                field=axis.name,
            )
        return np.arange(low, high) % len(numbers)
    places, valid = near(axis, np.array([number]), method, k)
    return places[valid]


def near(axis: Axis, values: Numbers, method: str, k: int) -> tuple[Indices, npt.NDArray[np.bool_]]:
    """The places next to each value, by nearness on a cyclic axis too.

    Parameters
    ----------
    axis : Axis
        Of numbers or times.
    values : array, shape (n,)
        In the axis' numbers.
    method : "nearest" or "surrounding"
        See :func:`places_of`.
    k : int
        How many, at least 1.

    Returns
    -------
    places, valid : arrays, shape (n, width)
        Numbers of places, ascending along the axis; where not valid there is none.
    """
    numbers, size = axis.numbers, len(axis.places)
    width = k if method == "nearest" else 2 * k
    if width > max(size, 2):
        raise BadShape(f"k: {k} is more than {axis.name} has places ({size})", field="k")
    grid = numbers
    if axis.period is not None:
        grid = (numbers[None, :] + np.arange(-1, 2)[:, None] * axis.period).ravel()
        values = values - np.floor((values - numbers[0]) / axis.period) * axis.period
    below = np.searchsorted(grid, values, "right")[:, None]
    above = np.searchsorted(grid, values, "left")[:, None]
    if method == "surrounding":
        window = below - k + np.arange(2 * k)
        valid = (window >= 0) & (window < np.minimum(above + k, len(grid)))
    else:
        window = above - k + np.arange(2 * k)
        valid = (window >= 0) & (window < len(grid))
        away = np.abs(grid[np.clip(window, 0, len(grid) - 1)] - values[:, None])
        # Of two that are equally near the lower one.
        order = np.argsort(np.where(valid, away, np.inf), axis=1, kind="stable")[:, :k]
        order.sort(axis=1)
        window = np.take_along_axis(window, order, axis=1)
        valid = np.take_along_axis(valid, order, axis=1)
    return np.clip(window, 0, len(grid) - 1) % size, valid


def _label(axis: Axis, value: Value) -> Indices:
    found = np.flatnonzero(axis.labels == str(value))
    if len(found) == 0:
        known = ", ".join(axis.labels[:8].tolist()) + (", ..." if len(axis.labels) > 8 else "")
        raise BadShape(f"{axis.name}: the cube has no {value!r}; it has {known}", field=axis.name)
    return found


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
    first = math.floor((low - float(numbers[-1])) / axis.period)
    last = math.ceil((high - float(numbers[0])) / axis.period)
    turns = np.arange(first, last + 1)[:, None] * axis.period
    return (numbers[None, :] + turns).ravel()


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
    limit = reach(axis, tolerance)
    above = np.searchsorted(grid, values)
    for close in (grid[np.maximum(above - 1, 0)], grid[np.minimum(above, len(grid) - 1)]):
        values = np.where(np.abs(values - close) <= limit, close, values)
    return values


def reach(axis: Axis, tolerance: float) -> float:
    """The tolerance in the axis' numbers; never less than what folding rounds."""
    numbers = axis.numbers
    if len(numbers) == 0:
        return 0.0
    largest = max(abs(float(numbers[0])), abs(float(numbers[-1])), axis.period or 0.0)
    rounding = 4 * float(np.spacing(largest))
    step = axis.steps[0]
    return min(max(tolerance * step, rounding), step / 4) if step else rounding


def covers(axis: Axis, lower: float, upper: float) -> bool:
    """Whether the cube goes about as far as the shape does."""
    if len(axis.numbers) == 0:
        return False
    first, last, turned = _one_step_more(axis, lower)
    if axis.period is not None and last - first >= axis.period:
        return True
    return lower - turned >= first and upper - turned <= last


def outside(axis: Axis, lower: float, upper: float) -> bool:
    """Whether nothing between the bounds is within a step of the cube."""
    if len(axis.numbers) == 0:
        return True
    first, last, turned = _one_step_more(axis, lower)
    lower, upper = lower - turned, upper - turned
    if axis.period is not None:
        if last - first >= axis.period:
            return False
        return lower > last and upper < first + axis.period
    if axis.steps[1] == 0.0:
        return upper < first or lower > last
    return upper <= first or lower >= last


def _one_step_more(axis: Axis, value: float) -> tuple[float, float, float]:
    """A step before the first place, a step after the last, and the turns up to a value."""
    numbers, step = axis.numbers, axis.steps[1]
    first, last = float(numbers[0]) - step, float(numbers[-1]) + step
    turned = math.floor((value - first) / axis.period) * axis.period if axis.period else 0.0
    return first, last, turned


def missing_text(axis: Axis, lower: Value, upper: Value) -> str:
    """Say that an axis has nothing between two values."""
    return f"{axis.name}: no grid point lies from {lower} to {upper}; the cube {axis.extent}"
