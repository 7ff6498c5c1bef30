"""Builds Datasets and DataArrays of variables that are known to fit, without checking again."""

from collections.abc import Hashable, Mapping
from typing import Any

import xarray as xr


def assemble(
    variables: Mapping[Hashable, xr.Variable],
    coordinates: set[Hashable],
    attributes: Mapping[Any, Any],
    indexes: Mapping[Hashable, Any],
) -> xr.Dataset:
    """A Dataset of variables.

    Parameters
    ----------
    variables : mapping
        Of data and coordinates; their dimensions agree.
    coordinates : set
        Which of them are coordinates.
    attributes : mapping
        Of the Dataset.
    indexes : mapping
        The indexes of coordinates that have one.

    Notes
    -----
    xarray's own constructor aligns and merges, which takes longer than to cut a country out of
    a field. Its internal one does not; where an xarray has none, the public one is used.
    """
    direct = getattr(xr.Dataset, "_construct_direct", None)
    if direct is None:
        data = {key: v for key, v in variables.items() if key not in coordinates}
        known = {key: variables[key] for key in coordinates}
        coords = xr.Coordinates(known, indexes=dict(indexes))
        return xr.Dataset(data, coords, dict(attributes))
    dims: dict[Hashable, int] = {}
    for variable in variables.values():
        dims.update(zip(variable.dims, variable.shape, strict=True))
    return direct(dict(variables), set(coordinates), dims, dict(attributes) or None, dict(indexes))


def array_of(
    variable: xr.Variable,
    coordinates: Mapping[Hashable, xr.Variable],
    name: Hashable,
    indexes: Mapping[Hashable, Any],
) -> xr.DataArray:
    """A DataArray of a variable.

    Parameters
    ----------
    variable : xr.Variable
        Its data.
    coordinates : mapping
        Those whose dimensions the variable has are taken.
    name : hashable
        Of the array; None for none.
    indexes : mapping
        The indexes of coordinates that have one.
    """
    dims = set(variable.dims)
    known = {key: held for key, held in coordinates.items() if dims.issuperset(held.dims)}
    kept = {key: index for key, index in indexes.items() if key in known}
    if getattr(xr.Dataset, "_construct_direct", None) is None:
        return xr.DataArray(variable, xr.Coordinates(known, indexes=kept), name=name)
    return xr.DataArray(variable, known, name=name, indexes=kept, fastpath=True)
