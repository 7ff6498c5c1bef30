"""Recognises Dask arrays that come straight from a zarr store, so that points skip their chunks."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np

from .layers import Chosen, Source, as_range, compose, source_of

Chunks = tuple[tuple[int, ...], ...]


def source_of_dask(data: da.Array) -> Source | None:
    """The zarr array that a Dask array reads, when it does nothing else.

    That is what ``xr.open_zarr(..., chunks={})`` gives, as it is or with ranges or single indices
    chosen of it. Dask's graphs are looked at, never run; one that looks any different is left
    to Dask.

    Parameters
    ----------
    data : da.Array
        Of any graph.

    Returns
    -------
    Source or None
        None when the array is anything else.
    """
    try:
        return _found(data)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None  # another Dask keeps its graphs in another way


def _found(data: da.Array) -> Source | None:
    graph: Any = data.dask
    base = str(data.name)
    names = {base}
    if base.startswith("getitem-"):
        (base,) = graph.dependencies[base]
        names.add(base)
    original = f"original-{base}"
    if set(graph.layers) != {original, *names}:
        return None
    held = graph.layers[original][original]
    source = source_of(getattr(held, "value", held))
    if source is None or source.dtype != data.dtype:
        return None
    shape = tuple(len(_long(source.chosen[axis])) for axis in source.axes)
    if len(names) == 1:
        return source if shape == tuple(data.shape) else None
    (chunks,) = {dep.chunks for dep in graph.layers[base].io_deps.values()}
    if tuple(map(sum, chunks)) != shape:
        return None
    return _narrowed(source, _view(data, graph.layers[data.name], base, chunks))


def _long(chosen: Chosen) -> Any:
    assert not isinstance(chosen, int)
    return chosen


def _view(data: da.Array, layer: Mapping[Any, Any], base: str, chunks: Chunks) -> list[Chosen]:
    """What a layer of slices takes of each dimension of the array below.

    Slices of Dask's are the same along a dimension whatever the block on the others, so the
    blocks along the edges tell all; the last block is compared.
    """
    starts = [(0, *itertools.accumulate(sizes)) for sizes in chunks]

    def taken(*block: int) -> list[Chosen]:
        task = layer[(data.name, *block)]
        if type(task).__name__ == "Alias":  # all of a block
            key, index = task.target, (slice(None),) * len(chunks)
        else:
            key, index = getattr(task.args[0], "key", None), task.args[1]
            if task.func.__name__ != "getitem" or len(index) != len(chunks):
                raise ValueError("not a layer of slices")
        if key is None or key[0] != base:
            raise ValueError("not a layer of slices")
        spans = [range(starts[d][n], starts[d][n + 1]) for d, n in enumerate(key[1:])]
        return [span[k] for span, k in zip(spans, index, strict=True)]

    origin = (0,) * data.ndim
    first, last = taken(*origin), taken(*(n - 1 for n in data.numblocks))
    result = list(first)
    kept = [dim for dim, part in enumerate(first) if isinstance(part, range)]
    for axis, dim in enumerate(kept):
        blocks = range(data.numblocks[axis])
        parts = [taken(*origin[:axis], n, *origin[axis + 1 :])[dim] for n in blocks]
        if tuple(len(_long(part)) for part in parts) != data.chunks[axis]:
            raise ValueError("not a layer of slices")
        if parts[-1] != last[dim]:
            raise ValueError("not a product of slices")
        result[dim] = as_range(np.concatenate([np.asarray(part, dtype=np.int64) for part in parts]))
    return result


def _narrowed(source: Source, view: list[Chosen]) -> Source:
    """A source with less of each dimension; a single index drops it."""
    chosen = list(source.chosen)
    axes: list[int] = []
    for axis, part in zip(source.axes, view, strict=True):
        if isinstance(part, int):
            chosen[axis] = int(_long(chosen[axis])[part])
            continue
        chosen[axis] = compose(chosen[axis], np.asarray(part, dtype=np.int64))
        again = chosen[axis]
        chosen[axis] = as_range(again) if isinstance(again, np.ndarray) else again
        axes.append(axis)
    return replace(source, chosen=tuple(chosen), axes=tuple(axes))
