"""Looks through xarray's lazy layers to the zarr array below them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# What is chosen of one dimension of a stored array.
Chosen = int | range | npt.NDArray[np.int64]

# xarray's layers by name: what each does to the one below it.  They are looked at, never made;
# a layer that is not listed here ends the search, and the data are then read through xarray.
_PLAIN = frozenset({"MemoryCachedArray", "CopyOnWriteArray", "ImplicitToExplicitIndexingAdapter"})
_INDEXED = "LazilyIndexedArray"
_TRANSPOSED = "LazilyVectorizedIndexedArray"
_FUNCTION = "_ElementwiseFunctionArray"
_CAST = frozenset({"NativeEndiannessArray", "BoolTypeArray"})
_STORED = "ZarrArrayWrapper"


@dataclass(frozen=True)
class Cast:
    """The elementwise change to another type.

    Attributes
    ----------
    dtype : np.dtype
        The type.
    """

    dtype: np.dtype[Any]

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The values as that type."""
        return values.astype(self.dtype)


@dataclass(frozen=True, eq=False)
class Source:
    """A zarr array behind a lazy variable, and what the variable makes of it.

    Attributes
    ----------
    array : zarr.Array
        Where the values are stored.
    chosen : tuple of int, range or array
        For each dimension of the stored array what the variable has of it.
    axes : tuple of int
        For each dimension of the variable the stored array's dimension.
    functions : tuple of callables
        Elementwise, the first first: they decode the stored values.
    dtype : np.dtype
        Of the decoded values.
    """

    array: Any
    chosen: tuple[Chosen, ...]
    axes: tuple[int, ...]
    functions: tuple[Callable[[Any], Any], ...]
    dtype: np.dtype[Any]

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """The lengths of the store's (inner) chunks along the variable's dimensions.

        Where the variable has not all of the store, of each chunk what it has; a dimension whose
        indices are not ascending counts as if they were.
        """
        stored = tuple(map(int, self.array.chunks))
        return tuple(_lengths(self.chosen[dim], stored[dim]) for dim in self.axes)


def source_of(data: Any) -> Source | None:
    """The zarr array behind the lazy data of a variable.

    Parameters
    ----------
    data : object
        ``Variable._data``, or what xarray gave to Dask.

    Returns
    -------
    Source or None
        None when the data are something else, or pass through a layer that is not known.
    """
    shape: tuple[int, ...] | None = getattr(data, "shape", None)
    if shape is None:
        return None
    # For each dimension of the layer at hand: the variable's dimension, and what is chosen of it.
    view: list[tuple[int | None, Chosen]] = [(n, range(size)) for n, size in enumerate(shape)]
    functions: list[Callable[[Any], Any]] = []
    dtype, layer = np.dtype(data.dtype), data
    while (name := _name(layer)) != _STORED:
        if name == _FUNCTION:
            functions.append(layer.func)
        elif name in _CAST:
            functions.append(Cast(np.dtype(layer.dtype)))
        elif name in (_INDEXED, _TRANSPOSED):
            deeper = (_indexed if name == _INDEXED else _transposed)(layer, view)
            if deeper is None:
                return None
            view = deeper
        elif name not in _PLAIN:
            return None
        layer = layer.array
    import zarr  # there is one already; a cube in memory needs none

    array = layer.get_array()
    if not isinstance(array, zarr.Array) or len(view) != array.ndim or not _regular(array):
        return None
    places = {axis: number for number, (axis, _) in enumerate(view) if axis is not None}
    if len(places) != len(shape):
        return None
    axes = tuple(places[axis] for axis in range(len(shape)))
    return Source(array, tuple(c for _, c in view), axes, tuple(reversed(functions)), dtype)


def _name(layer: Any) -> str:
    """A layer's class, when it is one of xarray's own."""
    kind = type(layer)
    return kind.__name__ if kind.__module__.startswith("xarray.") else ""


def _regular(array: Any) -> bool:
    """Whether all chunks have one size, that a chunk may be found by dividing."""
    try:
        return all(isinstance(size, int) and size > 0 for size in array.chunks)
    except NotImplementedError:  # what zarr says of rectilinear grids
        return False


def compose(first: Chosen, then: Any) -> Chosen:
    """What is left of a dimension when something is chosen of what was chosen before.

    Parameters
    ----------
    first : int, range or array
        What was chosen.
    then : int, slice or array of int
        What is chosen of it.

    Examples
    --------
    >>> compose(range(10, 20), slice(2, 4))
    range(12, 14)
    """
    if isinstance(first, int):
        raise IndexError("nothing can be chosen of a single index")
    if isinstance(then, np.ndarray):
        then = np.where(then < 0, then + len(first), then).astype(np.int64)
        return then * first.step + first.start if isinstance(first, range) else first[then]
    found = first[then]
    return found if isinstance(found, range | np.ndarray) else int(found)


def _indexed(
    layer: Any, view: Sequence[tuple[int | None, Chosen]]
) -> list[tuple[int | None, Chosen]] | None:
    """The view of the layer below one that indexes each dimension by itself."""
    above = iter(view)
    below: list[tuple[int | None, Chosen]] = []
    for size, key in zip(layer.array.shape, layer.key.tuple, strict=True):
        whole = range(size)
        if isinstance(key, int | np.integer):
            below.append((None, whole[int(key)]))
            continue
        axis, chosen = next(above)
        below.append((axis, compose(compose(whole, key), _as_key(chosen))))
    return below


def _as_key(chosen: Chosen) -> Any:
    """What indexes as the chosen indices do; a range that falls may end before 0: no slice can."""
    if isinstance(chosen, range):
        rising = slice(chosen.start, chosen.stop, chosen.step)
        return rising if chosen.step > 0 else np.array(chosen)
    return chosen


def _transposed(
    layer: Any, view: Sequence[tuple[int | None, Chosen]]
) -> list[tuple[int | None, Chosen]] | None:
    """The same for a layer of index arrays, each of which runs along a dimension of its own."""
    shape = layer.shape
    free = [axis for axis, size in enumerate(shape) if size == 1]
    taken: set[int] = set()
    below: list[tuple[int | None, Chosen]] = []
    for key in layer.key.tuple:
        long = [axis for axis, size in enumerate(key.shape) if size > 1]
        if len(long) > 1 or key.size == 0 or (long and long[0] in taken):
            return None  # points, not a transposed array
        flat = np.asarray(key).ravel().astype(np.int64)
        taken.update(long)
        # Which of the dimensions of length 1 it is makes no difference.
        place = long[0] if long else free.pop() if free else None
        if place is None:
            below.append((None, int(flat[0])))
            continue
        axis, chosen = view[place]
        if isinstance(chosen, int):
            below.append((None, int(flat[chosen])))
        else:
            below.append((axis, as_range(flat[np.asarray(chosen)])))
    return below


def as_range(index: npt.NDArray[np.int64]) -> Chosen:
    """The same indices as a range, when they ascend by one."""
    if len(index) and int(index[-1] - index[0]) == len(index) - 1 and (np.diff(index) == 1).all():
        return range(int(index[0]), int(index[-1]) + 1)
    return index


def _lengths(chosen: Chosen, chunk: int) -> tuple[int, ...]:
    """How many of the chosen indices each chunk has."""
    assert not isinstance(chosen, int)
    if len(chosen) == 0:
        return (0,)
    owner = np.asarray(chosen) // chunk
    edges = np.flatnonzero(np.diff(owner)) + 1
    return tuple(np.diff([0, *edges.tolist(), len(owner)]).tolist())
