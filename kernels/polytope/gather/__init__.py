"""Fetches the values of points: from memory by index, from a store each touched chunk once."""

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize

from ..rows import Rows, rows_of_flat
from .blocks import TASK_BYTES, Chunks, gather_blocks, task_sizes
from .dasked import source_of_dask
from .layers import Source, source_of
from .memory import take, take_rows

if TYPE_CHECKING:
    from .lazy import Gathered

__all__ = ["TASK_BYTES", "gather", "store_chunks", "straight", "take"]


def gather(variable: xr.Variable, rows: Rows, name: str) -> xr.Variable:
    """The values of a variable at coupled points, as lazy as the variable is.

    Parameters
    ----------
    variable : xr.Variable
        It has one or more of the dimensions of ``rows``.
    rows : Rows
        The points.
    name : str
        The dimension that takes the place of theirs.

    Returns
    -------
    xr.Variable
        Attributes as they were; ``name`` stands where the first of the dimensions stood.
    """
    present = [dim for dim in rows.dims if dim in variable.dims]
    if len(present) < len(rows.dims) or not rows.count:
        return _of_some(variable, rows, present, name)
    places = tuple(variable.dims.index(dim) for dim in rows.dims)
    position = min(places)
    dims = [str(dim) for number, dim in enumerate(variable.dims) if number not in places]
    dims.insert(position, name)
    if (known := _known(variable)) is not None:
        points = known.at(places, rows, position).as_lazy()
        lazy = xr.Variable(dims, points, variable.attrs, variable.encoding)
        return lazy if variable.chunks is None else _in_tasks(lazy, variable, places, rows)
    if not variable._in_memory and variable.chunks is None:
        variable = _with_dask(variable)
    data = variable.data
    if isinstance(data, da.Array) and isinstance(data._meta, np.ndarray):
        values: Any = gather_blocks(data, places, rows)
    elif isinstance(data, np.ndarray):
        values = np.moveaxis(take_rows(data, places, rows), -1, position)
    else:  # another kind of array: xarray knows how
        indices = {d: xr.Variable(name, i) for d, i in zip(rows.dims, rows.points(), strict=True)}
        return variable.isel(indices)
    return xr.Variable(dims, values, variable.attrs, variable.encoding)


def _of_some(variable: xr.Variable, rows: Rows, present: list[str], name: str) -> xr.Variable:
    """Values of a variable that has not all of the points' dimensions, or at no points."""
    indices = dict(zip(rows.dims, rows.points(), strict=True))
    if len(present) < 2 or not rows.count:
        at = {dim: xr.Variable(name, indices[dim]) for dim in present}
        return straight(variable).isel(at)
    sizes = tuple(variable.sizes[dim] for dim in present)
    flat = np.ravel_multi_index(tuple(indices[dim] for dim in present), sizes)
    places, which = np.unique(flat, return_inverse=True)
    once = gather(variable, rows_of_flat(places, tuple(present), sizes), name)
    return once.isel({name: which})


def straight(variable: xr.Variable) -> xr.Variable:
    """The same variable, read without zarr's pipeline where that is possible, and as lazy.

    For what is taken by ranges: boxes of lazy variables read with as many gets at a time as points.
    Data in memory, of Dask or of anything but zarr are given back as they are.

    Parameters
    ----------
    variable : xr.Variable
        Of any kind.
    """
    source = _source(variable) if variable.chunks is None else None
    if source is None:
        return variable
    from .lazy import Gathered

    data = Gathered(source).as_lazy()
    return xr.Variable(variable.dims, data, variable.attrs, variable.encoding)


def store_chunks(variable: xr.Variable) -> Chunks | None:
    """The units in which a variable lies in its zarr store; the inner ones of shards.

    Parameters
    ----------
    variable : xr.Variable
        Of any kind.

    Returns
    -------
    tuple of tuples of int, or None
        Their lengths along each dimension; None when it is in memory, or not read straight from
        a zarr array.
    """
    source = _source(variable)
    return None if source is None else source.chunks


def _source(variable: xr.Variable) -> Source | None:
    data = variable._data
    if variable._in_memory:
        return None
    return source_of_dask(data) if isinstance(data, da.Array) else source_of(data)


def _known(variable: xr.Variable) -> "Gathered | None":
    """A variable that is read straight from a zarr array, of some dimensions maybe at points."""
    if variable._in_memory:
        return None
    from .lazy import Gathered, gathered_of  # it brings zarr, which a cube in memory needs not

    if (already := gathered_of(variable._data)) is not None:
        return already
    source = _source(variable)
    return None if source is None else Gathered(source)


def _in_tasks(
    lazy: xr.Variable, variable: xr.Variable, places: tuple[int, ...], rows: Rows
) -> xr.Variable:
    """Let Dask read points of a store, each chunk in one task and TASK_BYTES or more in each."""
    chunks = store_chunks(variable)
    assert chunks is not None
    *sizes, last = task_sizes(rows, chunks, places, variable.dtype.itemsize)
    sizes.insert(min(places), last)
    data: Any = variable.data
    token = tokenize(data.name, places, rows.prefix, rows.start, rows.stop)
    return lazy.chunk(dict(zip(lazy.dims, sizes, strict=True)), name=f"polytope-{token}")


def _with_dask(variable: xr.Variable) -> xr.Variable:
    """Read a lazy variable by its own chunks: xarray's vectorised reading takes far too much."""
    stored = variable.encoding.get("chunks") or variable.encoding.get("chunksizes")
    if stored is None or len(stored) != variable.ndim:
        stored = variable.shape
    sizes = {dim: max(int(n), 1) for dim, n in zip(variable.dims, stored, strict=True)}
    return variable.chunk(sizes, name=f"boathouse-read-{uuid4().hex}")
