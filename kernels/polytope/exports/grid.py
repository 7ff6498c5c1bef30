"""Puts a cut's points back on the dimensions that they came from, padded with NaN."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ....catalogs.errors import BadShape
from ..naming import period_of, role_of
from .layout import Layout, layout_of

# So many cells for a point are no grid that anybody wants.
_SPARSE, _SMALL = 1000, 10**6


def grid_of(dataset: xr.Dataset) -> xr.Dataset:
    """The cut with each dimension of points replaced by those it couples.

    Raises
    ------
    BadShape
        If the points lie on no grid of a sensible size.
    """
    layout = layout_of(dataset)
    points = [dim for dim in layout.coupled if dim not in dataset.coords]
    points = [dim for dim in points if _axes(dataset, layout, dim)]
    if not points:
        return dataset
    dataset = dataset.compute()
    for dim in points:
        dataset = _gridded(dataset, dim, _axes(dataset, layout, dim))
    return dataset


def _axes(dataset: xr.Dataset, layout: Layout, dim: Hashable) -> list[Hashable]:
    """The coordinates whose dimensions became points: those of the grid, else the best known."""
    along = [key for key, array in dataset.coords.items() if array.dims == (dim,)]
    native = [key for key in along if _is_native(dataset.coords[key])]
    if len(native) > 1:
        flat = {"latitude", "longitude"}
        along = [key for key in along if role_of(key, dataset.coords[key]) not in flat]
    axes = [
        key
        for key in along
        if key in native
        or layout.role(key) is not None
        or role_of(key, dataset.coords[key]) in ("member", "level", "time")
    ]
    if len(axes) < 2:  # an axis that CF does not know, such as a wavelength
        axes += [key for key in along if key not in axes and key not in ("part", "tag")]
    return axes


def _is_native(array: xr.DataArray) -> bool:
    standard = array.attrs.get("standard_name", "")
    return standard.startswith(("projection_", "grid_l")) or array.attrs.get("axis") in ("X", "Y")


def _gridded(dataset: xr.Dataset, dim: Hashable, axes: list[Hashable]) -> xr.Dataset:
    count = dataset.sizes[dim]
    lines: dict[Hashable, npt.NDArray[Any]] = {}
    place: list[npt.NDArray[np.intp]] = []
    for key in axes:
        others = [dataset.coords[other].to_numpy() for other in axes if other != key]
        lines[key], index = _lines(key, dataset.coords[key], others)
        place.append(index)
    shape = tuple(map(len, lines.values()))
    cells = int(np.prod(shape, dtype=object))
    if cells > _SPARSE * count + _SMALL:
        names = ", ".join(map(str, axes))
        raise BadShape(
            f"{axes[0]}: {count} points over {names} lie on no grid (it would have {cells} "
            "cells); use to_dataframe or to_sampling",
            field=str(axes[0]),
        )
    target = np.ravel_multi_index(place, shape) if count else np.zeros(0, np.intp)
    # Where parts overlap a cell has several points; the first one is kept.
    target, source = np.unique(target, return_index=True)
    variables = {
        key: _spread(array, dim, axes, shape, target, source)
        for key, array in dataset.variables.items()
        if key not in axes and dim in array.dims
    }
    coords = {key: variables.pop(key) for key in list(variables) if key in dataset.coords}
    kept = dataset.drop_vars([*variables, *coords, *axes])
    for key in axes:
        attrs = dataset.coords[key].attrs
        coords[key] = xr.Variable((key,), lines[key], attrs)
    order = list(dataset.data_vars)
    result = kept.assign_coords(coords).assign(variables)
    return result[order] if order else result


def _spread(
    array: xr.Variable,
    dim: Hashable,
    axes: list[Hashable],
    shape: tuple[int, ...],
    target: npt.NDArray[np.intp],
    source: npt.NDArray[np.intp],
) -> xr.Variable:
    """A variable with its points in their cells."""
    axis = array.dims.index(dim)
    values = np.moveaxis(array.to_numpy(), axis, -1)[..., source]
    cells = int(np.prod(shape))
    if len(target) < cells:
        values, fill = _padded(values)
        full = np.full((*values.shape[:-1], cells), fill, dtype=values.dtype)
    else:
        full = np.empty((*values.shape[:-1], cells), dtype=values.dtype)
    full[..., target] = values
    full = full.reshape(*values.shape[:-1], *shape)
    width = len(shape)
    full = np.moveaxis(full, range(full.ndim - width, full.ndim), range(axis, axis + width))
    dims = (*array.dims[:axis], *axes, *array.dims[axis + 1 :])
    return xr.Variable(dims, full, array.attrs)


def _padded(values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Any]:
    """Values of a type that can be missing, and what is written where nothing is."""
    kind = values.dtype.kind
    if kind in "mM":
        return values, np.array("NaT", dtype=values.dtype)
    if kind in "fc":
        return values, np.nan
    if kind in "biu":
        wide = np.float32 if values.dtype.itemsize <= 2 else np.float64
        return values.astype(wide), np.nan
    return values.astype(object), ""


def _lines(
    key: Hashable, array: xr.DataArray, others: list[npt.NDArray[Any]]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
    """The places along an axis, in the direction of the cube, and which each point is at."""
    values = array.to_numpy()
    period = period_of(key, array)
    if period is not None and len(values):
        values = _from_the_gap(values, period)
    places, index = np.unique(values, return_inverse=True)
    filled = _even(places)
    if filled is not None:
        index, places = filled[1][index], filled[0]
    if _descends(array.to_numpy() if period is None else values, others):
        places, index = places[::-1], len(places) - 1 - index
    return places, index.astype(np.intp)


def _from_the_gap(values: npt.NDArray[Any], period: float) -> npt.NDArray[Any]:
    """Values counted on from behind the widest gap of the circle: -4..4 for 356..360 and 0..4."""
    places = np.unique(values)
    gaps = np.diff(places, append=places[:1] + period)
    widest = int(np.argmax(gaps))
    if widest == len(places) - 1 or gaps[widest] <= gaps[-1] * (1 + 1e-6):
        return values
    turned = values - np.array(period, values.dtype)
    return np.where(values > places[widest], turned, values)


def _even(places: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]] | None:
    """The places with the lines between that no point lies on, if their steps are even."""
    if len(places) < 3 or places.dtype.kind not in "iufmM":
        return None
    steps = np.diff(places)
    exact = places.dtype.kind in "iumM"
    step = steps.min()
    number = (places - places[0]) / step
    whole = np.rint(number.astype(np.float64))
    if np.abs(number - whole).max() > (0 if exact else 0.01) or whole[-1] + 1 == len(places):
        return None
    index = whole.astype(np.intp)
    if index[-1] > _SMALL:
        return None
    if exact:
        line = places[0] + np.arange(index[-1] + 1) * step
    else:
        line = np.interp(np.arange(index[-1] + 1), index, places.astype(np.float64))
    line = line.astype(places.dtype)
    line[index] = places
    return line, index


def _descends(values: npt.NDArray[Any], others: list[npt.NDArray[Any]]) -> bool:
    """Whether neighbouring points, if possible on one line, mostly go down."""
    if len(values) < 2 or values.dtype.kind not in "iufmM":
        return False
    up, down = values[1:] > values[:-1], values[1:] < values[:-1]
    same = np.ones(len(up), dtype=bool)
    for other in others:
        same &= other[1:] == other[:-1]
    if (same & (up | down)).any():
        up, down = up & same, down & same
    return int(down.sum()) > int(up.sum())
