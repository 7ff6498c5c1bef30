"""Builds the lazy Dataset of the points in a shape."""

from typing import Any, Literal

import numpy as np
import xarray as xr

from .axes import Axis
from .gather import gather
from .plan import names_of
from .select import Group, Selection

Frame = Literal["cube", "shape"]

# How the whole cube lay in its file says nothing of a part of it, and hinders writing that.
_LAYOUT = {"chunks", "preferred_chunks", "shards", "chunksizes", "contiguous", "original_shape"}


def cut(dataset: xr.Dataset, selection: Selection, frame: Frame = "cube") -> xr.Dataset:
    """The points of a selection, as lazy as the Dataset.

    Parameters
    ----------
    dataset : xr.Dataset
        The cube.
    selection : Selection
        Of this cube.
    frame : "cube" or "shape"
        Whether coordinates of cyclic axes are the cube's, or counted on from where the shape
        starts (longitudes -10 to 10 rather than 350 to 360 and 0 to 10; ascending).

    Returns
    -------
    xr.Dataset
        Ranges of single axes leave these as dimensions; coupled axes become ``points``.
    """
    straight = {
        group.rows.dims[0]: group.rows.indexer()
        for group in selection.groups
        if len(group.rows.dims) == 1
    }
    changed = {
        name
        for name, variable in dataset.variables.items()
        for group in selection.groups
        if any(dim in variable.dims for dim in group.rows.dims)
    }
    result = dataset.isel(straight)
    for group, name in zip(selection.groups, names_of(dataset, selection.groups), strict=True):
        if len(group.rows.dims) > 1:
            result = _with_points(result, group, name)
    for key in changed:
        encoding = result[key].encoding
        result[key].encoding = {k: v for k, v in encoding.items() if k not in _LAYOUT}
    if frame == "shape":
        for group in selection.groups:
            result = _from_the_start(result, group)
    return result


def _with_points(dataset: xr.Dataset, group: Group, name: str) -> xr.Dataset:
    """Replace the dimensions of coupled axes by one of points."""
    dims = group.rows.dims
    coordinates = [key for key, c in dataset.coords.items() if any(dim in c.dims for dim in dims)]
    frame = dataset.drop_vars([*coordinates, *dataset.data_vars])
    points = {
        key: gather(dataset.variables[key], group.rows, name)
        for key in dataset.variables
        if any(dim in dataset.variables[key].dims for dim in dims)
    }
    data: dict[Any, Any] = {
        key: points.get(key, array.variable) for key, array in dataset.data_vars.items()
    }
    return frame.assign(data).assign_coords({key: points[key] for key in coordinates})


def _from_the_start(dataset: xr.Dataset, group: Group) -> xr.Dataset:
    """Count the coordinates of cyclic axes on from the shape's lower bound."""
    for axis, lower in zip(group.axes, group.lower, strict=True):
        if axis.period is None or axis.name not in dataset.coords:
            continue
        coordinate = dataset.coords[axis.name]
        values = _unrolled(coordinate.to_numpy().astype(np.float64), axis, lower)
        counted = coordinate.copy(data=values.astype(coordinate.dtype))
        dataset = dataset.assign_coords({axis.name: counted.variable})
        if axis.dim in dataset.dims:
            dataset = dataset.isel({axis.dim: np.argsort(values, kind="stable")})
    return dataset


def _unrolled(values: Any, axis: Axis, lower: float) -> Any:
    """Values in the period that begins at lower, where rounding may have left one just below."""
    assert axis.period is not None
    slack = axis.period * 1e-6
    turns = np.ceil((lower - slack - values) / axis.period)
    return values + turns * axis.period
