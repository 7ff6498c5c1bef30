"""Area weights for means over what was cut."""

from collections.abc import Hashable
from typing import TypeVar

import numpy as np
import xarray as xr

from ...catalogs.errors import BadShape
from .naming import resolve

Cube = TypeVar("Cube", xr.Dataset, xr.DataArray)


def area_weights(cut: xr.Dataset | xr.DataArray) -> xr.DataArray:
    """The relative areas of grid cells: the cosine of their latitude.

    Parameters
    ----------
    cut : Dataset or DataArray
        A cube or what was cut out of one, with a latitude in degrees (or radians by its units)
        along one dimension, ``points`` or its own. The grid is taken to be even in longitude
        and latitude.

    Returns
    -------
    DataArray
        Along the latitude's dimension, at least 0.

    Raises
    ------
    BadShape
        If there is no latitude.

    Examples
    --------
    >>> cube = xr.Dataset({"t": ("lat", [1.0, 2.0])}, {"lat": [0.0, 60.0]})
    >>> area_weights(cube).round(3).values
    array([1. , 0.5])
    """
    dataset = _coordinates(cut)
    latitude = dataset.coords[resolve(dataset, "latitude")]
    radians = latitude.attrs.get("units", "") in ("radian", "radians", "rad")
    degrees = latitude.astype(np.float64)
    angle = degrees if radians else degrees * (np.pi / 180)
    weights = xr.ufuncs.cos(angle).clip(min=0.0)
    return weights.rename("area_weights").drop_attrs()


def area_mean(cut: Cube) -> Cube:
    """The area-weighted mean over latitude and longitude of what was cut.

    Parameters
    ----------
    cut : Dataset or DataArray
        As :func:`area_weights` takes it. Missing values are left out. Variables without a
        latitude stay as they are; text and times are left out.

    Returns
    -------
    Dataset or DataArray
        Without ``points`` (or latitude and longitude); attributes stay.

    Examples
    --------
    >>> cube = xr.Dataset({"t": ("lat", [1.0, 4.0])}, {"lat": [0.0, 60.0]})
    >>> round(float(area_mean(cube).t), 6)
    2.0
    """
    weights = area_weights(cut)
    dims = {*weights.dims, *_longitude_dims(_coordinates(cut))}
    if isinstance(cut, xr.DataArray):
        return _mean(cut, weights, dims)
    means = {
        name: _mean(array, weights, dims)
        for name, array in cut.data_vars.items()
        if array.dtype.kind in "fiub" and set(weights.dims) <= set(array.dims)
    }
    return cut.drop_dims([dim for dim in dims if dim in cut.dims]).assign(means)


def _mean(array: xr.DataArray, weights: xr.DataArray, dims: set[Hashable]) -> xr.DataArray:
    over = [dim for dim in array.dims if dim in dims]
    return array.weighted(weights).mean(over, keep_attrs=True)


def _coordinates(cut: xr.Dataset | xr.DataArray) -> xr.Dataset:
    return cut.coords.to_dataset()


def _longitude_dims(dataset: xr.Dataset) -> set[Hashable]:
    try:
        return set(dataset.coords[resolve(dataset, "longitude")].dims)
    except BadShape:
        return set()
