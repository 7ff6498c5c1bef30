"""What an extraction will touch, counted before anything is read."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from .gather import store_chunks
from .rows import Rows
from .selection import Group, Selection
from .shape import Shape

Chunks = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class VariablePlan:
    """What of one variable will be touched.

    Attributes
    ----------
    points : int
        Values in the result.
    chunks, bytes : int
        Chunks that hold one of them, and what these hold when decoded; 0 for data in memory.
    box_bytes : int
        What the values of the shape's bounding box hold.
    box_chunks : int
        Chunks that the bounding box touches.
    all_chunks : int
        Chunks of the whole variable.
    result_bytes : int
        What the result holds.
    dims : dict of str to int
        The result's dimensions and their lengths.
    """

    points: int
    chunks: int
    bytes: int
    box_bytes: int
    box_chunks: int
    all_chunks: int
    result_bytes: int
    dims: dict[str, int]


@dataclass(frozen=True)
class Plan:
    """What an extraction will touch.

    Attributes
    ----------
    shape : Shape
        What was asked for.
    points : int
        Grid points in the shape: the values of the variable that has most.
    chunks : int
        Chunks to read, of all variables together.
    bytes : int
        What these chunks hold when decoded.
    box_bytes : int
        What the values of the bounding box hold, of all variables together.
    box_chunks : int
        Chunks that the bounding box touches.
    result_bytes : int
        What the result holds.
    beyond : tuple of str
        The axes on which the shape reaches beyond the cube: there the result has less than the
        shape covers.
    empty : str
        Why there are no points, when there are none.
    variables : dict of str to VariablePlan
        The same for each variable.
    """

    shape: Shape
    beyond: tuple[str, ...]
    empty: str = ""
    variables: dict[str, VariablePlan] = field(default_factory=dict)

    @property
    def points(self) -> int:
        """Grid points in the shape: the values of the variable that has most."""
        return max((plan.points for plan in self.variables.values()), default=0)

    @property
    def chunks(self) -> int:
        """Chunks to read, of all variables together; 0 for data in memory."""
        return self._total("chunks")

    @property
    def bytes(self) -> int:
        """What the chunks to read hold when decoded."""
        return self._total("bytes")

    @property
    def box_bytes(self) -> int:
        """What the values of the bounding box hold."""
        return self._total("box_bytes")

    @property
    def box_chunks(self) -> int:
        """Chunks that the bounding box touches."""
        return self._total("box_chunks")

    @property
    def result_bytes(self) -> int:
        """What the result holds."""
        return self._total("result_bytes")

    def _total(self, name: str) -> int:
        return sum(getattr(plan, name) for plan in self.variables.values())

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON-able values."""
        names = ("points", "chunks", "bytes", "box_bytes", "box_chunks", "result_bytes")
        return {
            **{name: getattr(self, name) for name in names},
            "beyond": list(self.beyond),
            "empty": self.empty,
            "variables": {name: asdict(plan) for name, plan in self.variables.items()},
        }

    def __str__(self) -> str:
        lines = [self.summary()]
        if len(self.variables) > 1:
            lines += [f"  {name}: {_sentence(plan)}" for name, plan in self.variables.items()]
        if self.empty:
            lines.append(self.empty)
        if self.beyond:
            lines.append(f"The shape reaches beyond the cube on {', '.join(self.beyond)}.")
        return "\n".join(lines)

    __repr__ = __str__

    def summary(self) -> str:
        """The plan in one sentence."""
        return _sentence(self)

    def _repr_html_(self) -> str:
        from .drawing import plan_html

        return plan_html(self)


def make_plan(dataset: xr.Dataset, selection: Selection) -> Plan:
    """Count what a selection touches; reads nothing.

    Parameters
    ----------
    dataset : xr.Dataset
        The cube.
    selection : Selection
        Of this cube.
    """
    names = names_of(dataset, selection.groups)
    variables = {
        str(name): _variable_plan(array.variable, selection.groups, names)
        for name, array in dataset.data_vars.items()
        if array.ndim
    }
    return Plan(selection.shape, selection.beyond, selection.empty, variables)


def chunks_of(variable: xr.Variable, *, points: bool = False) -> Chunks | None:
    """The units in which a variable is read; None when it is in memory.

    Dask's chunks where there are some (but points are read straight from a store that Dask would
    read), else the store's, else one chunk for all.
    """
    if (points or variable.chunks is None) and (stored := store_chunks(variable)) is not None:
        return stored
    if variable.chunks is not None:
        return tuple(tuple(map(int, sizes)) for sizes in variable.chunks)
    if variable._in_memory:
        return None
    stored = variable.encoding.get("chunks") or variable.encoding.get("chunksizes")
    if stored is None or len(stored) != variable.ndim:
        return tuple((size,) for size in variable.shape)
    return tuple(
        _cut_up(size, int(step)) for size, step in zip(variable.shape, stored, strict=True)
    )


def _cut_up(size: int, step: int) -> tuple[int, ...]:
    whole, rest = divmod(size, max(step, 1))
    return (step,) * whole + ((rest,) if rest else ()) or (0,)


def _variable_plan(
    variable: xr.Variable, groups: tuple[Group, ...], names: list[str]
) -> VariablePlan:
    coupled = (group for group in groups if len(group.rows.dims) > 1 and not group.lone)
    points = any(set(group.rows.dims) <= set(map(str, variable.dims)) for group in coupled)
    chunks = chunks_of(variable, points=points)
    sizes = dict(zip(map(str, variable.dims), variable.shape, strict=True))
    by_dim = dict(zip(sizes, chunks or tuple((size,) for size in variable.shape), strict=True))
    counts, touched, cells, box_cells, box_touched = dict(sizes), 1, 1, 1, 1
    renamed = {dim: dim for dim in sizes}
    lone: set[str] = set()
    for group, name in zip(groups, names, strict=True):
        inside = [dim for dim in group.rows.dims if dim in sizes]
        if not inside:
            continue
        renamed.update(dict.fromkeys(inside, name))
        counts[name] = group.count
        lone = lone | set(inside) if group.lone else lone
        count, held = _touched(group.rows, inside, by_dim)
        touched, cells = touched * count, cells * held
        for rows in group.box:
            if rows.dims[0] in sizes:
                box_cells *= rows.count
                box_touched *= _touched(rows, list(rows.dims), by_dim)[0]
    rest = [dim for dim in sizes if not any(dim in group.rows.dims for group in groups)]
    blocks, whole = math.prod(len(by_dim[d]) for d in rest), math.prod(sizes[d] for d in rest)
    width, stored = variable.dtype.itemsize, int(chunks is not None)
    dims = {name: counts[name] for dim, name in renamed.items() if dim not in lone}
    points = math.prod(dims.values())
    return VariablePlan(
        points=points,
        chunks=stored * touched * blocks,
        bytes=stored * width * cells * whole,
        box_bytes=width * box_cells * whole,
        box_chunks=stored * box_touched * blocks,
        all_chunks=stored * math.prod(map(len, by_dim.values())),
        result_bytes=width * points,
        dims=dims,
    )


def _touched(rows: Rows, inside: list[str], by_dim: dict[str, tuple[int, ...]]) -> tuple[int, int]:
    """How many chunks hold a point, counted on some dimensions, and how many cells these have."""
    chunks = tuple(
        by_dim[dim] if dim in inside else (size,)
        for dim, size in zip(rows.dims, rows.sizes, strict=True)
    )
    touched = rows.touched(chunks)
    cells = np.ones(len(touched), dtype=np.int64)
    for number, dim in enumerate(rows.dims):
        if dim in inside:
            cells *= np.array(chunks[number])[touched[:, number]]
    return len(touched), int(cells.sum())


def names_of(dataset: xr.Dataset, groups: tuple[Group, ...]) -> list[str]:
    """The dimension that each group leaves: its own, or for coupled axes points, points_2, ..."""
    names: list[str] = []
    number = 0
    for group in groups:
        if not group.coupled and group.linear is None:
            names.append(group.rows.dims[0])
            continue
        if group.lone and group.linear is None:
            names.append("")  # it leaves no dimension
            continue
        number += 1
        name = "points" if number == 1 else f"points_{number}"
        while name in dataset.dims or name in dataset.variables:
            name += "_"
        names.append(name)
    return names


def _sentence(plan: Plan | VariablePlan) -> str:
    result = f"{plan.points:,} points, {human(plan.result_bytes)}"
    if not plan.chunks:
        return f"{result}, in memory (bounding box: {human(plan.box_bytes)})"
    read = f"{plan.chunks:,} {'chunk' if plan.chunks == 1 else 'chunks'} to read"
    return f"{result}; {read}, {human(plan.bytes)} (bounding box: {human(plan.box_bytes)})"


def human(size: float) -> str:
    """A number of bytes for people.

    Examples
    --------
    >>> human(31_800_000)
    '31.8 MB'
    """
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    raise AssertionError


__all__ = ["Plan", "VariablePlan", "chunks_of", "human", "make_plan", "names_of"]
