"""Finds the axis of a cube that a shape names, and keeps what was found as long as it holds."""

import math
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from ...catalogs.errors import BadShape
from .axes import Axis, read_axis
from .naming import axes_text, period_of, resolve, role_of, told_by


def find_axis(
    dataset: xr.Dataset, name: str, cyclic: dict[str, float | None] | None = None
) -> Axis:
    """The axis of a cube that a shape names.

    Parameters
    ----------
    dataset : xr.Dataset
        The cube; of its data nothing is read.
    name : str
        A dimension, a one-dimensional coordinate, or a CF name of one.
    cyclic : dict of str to float or None, optional
        Periods that override what the attributes say, by the shape's or the cube's name.

    Raises
    ------
    BadShape
        If the cube has no such axis.
    """
    if not cyclic and (index := dataset._indexes.get(name)) is not None:
        axis = known_axis(index, name, dataset.variables[name])
        if axis is not None:
            return axis
    found = resolve(dataset, name)
    if found not in dataset.coords:
        size = dataset.sizes[found]
        places = np.arange(size)
        return Axis(found, found, "integer", size, places, places, 1)
    coordinate = dataset.variables[found]
    index = getattr(dataset.xindexes.get(found), "index", None)
    if index is None:
        return _described(dataset, name, found, coordinate, cyclic)
    # An index cannot change, so what was found of it once holds as long as it lives, if the
    # attributes say the same.
    known = _known_axes(index)
    override = tuple([cyclic.get(key, _UNSAID) for key in (found, name)]) if cyclic else ()
    key = (found, override, *told_by(coordinate))
    if key not in known:
        known[key] = _described(dataset, name, found, coordinate, cyclic)
    return known[key]


def known_axis(index: Any, name: str, coordinate: xr.Variable) -> Axis | None:
    """The facts of an axis that was asked for before, by its xarray index; None when it was not."""
    held = getattr(index, "index", None)
    known = _KNOWN.get(id(held))
    if known is None or known[0]() is not held:
        return None
    return known[1].get((name, (), *told_by(coordinate)))


_UNSAID = -1.0  # no period


def _described(
    dataset: xr.Dataset,
    name: str,
    found: str,
    coordinate: xr.Variable,
    cyclic: dict[str, float | None] | None,
) -> Axis:
    period = period_of(found, coordinate)
    for key in (found, name):
        if cyclic and key in cyclic:
            period = cyclic[key] or None
    if period is not None and not (math.isfinite(period) and period > 0):
        raise BadShape(f"cyclic: {period} is no period of {found}", field="cyclic")
    if coordinate.ndim > 1:
        raise BadShape(
            f"{name}: the coordinate {found} has {coordinate.ndim} dimensions here; this needs "
            f"one of {axes_text(dataset)}",
            field=name,
        )
    return _axis_of(found, coordinate, period, role_of(found, coordinate) == "latitude")


_KNOWN: dict[int, tuple[weakref.ref[Any], dict[Any, Axis]]] = {}


def _known_axes(index: Any) -> dict[Any, Axis]:
    """What is known of a pandas index, which can be referred to weakly but not be a key."""
    number = id(index)
    known = _KNOWN.get(number)
    if known is None or known[0]() is not index:
        known = (weakref.ref(index, lambda _: _KNOWN.pop(number, None)), {})
        _KNOWN[number] = known
    return known[1]


def _axis_of(name: str, coordinate: xr.Variable, period: float | None, latitude: bool) -> Axis:
    dim = str(coordinate.dims[0]) if coordinate.dims else None
    axis = read_axis(name, dim, np.atleast_1d(coordinate.to_numpy()), period)
    return replace(axis, is_latitude=True) if latitude and axis.kind == "number" else axis
