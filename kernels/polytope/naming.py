"""Which coordinate of a cube an axis name means, and what CF says of it."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr

from ...catalogs.errors import BadShape

# The names and CF standard names by which people mean the same axis.
_ROLES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "latitude": (frozenset({"latitude", "lat"}), frozenset({"latitude"})),
    "longitude": (frozenset({"longitude", "lon", "long"}), frozenset({"longitude"})),
    "time": (frozenset({"time", "valid_time", "t"}), frozenset({"time"})),
    "level": (
        frozenset({"level", "levelist", "lev", "z", "vertical", "plev", "altitude", "depth"}),
        frozenset({"air_pressure", "altitude", "height", "depth", "model_level_number"}),
    ),
    "member": (
        frozenset({"member", "number", "ensemble", "realization"}),
        frozenset({"realization"}),
    ),
}
_NORTH = {"degrees_north", "degree_north", "degrees_N", "degree_N", "degreesN", "degreeN"}
_EAST = {"degrees_east", "degree_east", "degrees_E", "degree_E", "degreesE", "degreeE"}
_DEGREES = {"", "degrees", "degree", "deg"}
_RADIANS = {"radian", "radians", "rad"}


def resolve(dataset: xr.Dataset, name: str) -> str:
    """The coordinate, or the dimension without one, that an axis name means.

    Looked for in this order: the cube's own names; CF standard names; what people call the same
    axis (``lat`` and ``latitude``) where the attributes agree.

    Parameters
    ----------
    dataset : xr.Dataset
        The cube.
    name : str
        An axis of a shape.

    Returns
    -------
    str
        The name of a coordinate, or of a dimension.

    Raises
    ------
    BadShape
        If there is none, or several.
    """
    if name in dataset.coords:
        return name
    if name in dataset.dims:
        return name
    standard = [
        key for key, array in dataset.coords.items() if _attribute(array, "standard_name") == name
    ]
    wanted = next((role for role, (names, _) in _ROLES.items() if name.lower() in names), name)
    alike = [key for key, array in dataset.coords.items() if role_of(key, array) == wanted]
    for keys in (standard, alike):
        found = _best(dataset, keys, name)
        if found is not None:
            return found
    raise BadShape(f"{name}: the cube has no such axis; it has {axes_text(dataset)}", field=name)


def role_of(name: Hashable, coordinate: xr.DataArray | xr.Variable) -> str | None:
    """What a coordinate is by CF: latitude, longitude, time, level, member, or unknown (None)."""
    standard = _attribute(coordinate, "standard_name")
    units = _attribute(coordinate, "units")
    for role, (names, standards) in _ROLES.items():
        if standard in standards:
            return role
        if not standard and str(name).lower() in names and _agrees(role, units):
            return role
    if not standard and units in _NORTH | _EAST:
        return "latitude" if units in _NORTH else "longitude"
    if coordinate.dtype.kind == "M" and _attribute(coordinate, "axis") == "T":
        return "time"
    if _attribute(coordinate, "axis") == "Z" or "positive" in coordinate.attrs:
        return "level"
    return None


def period_of(name: Hashable, coordinate: xr.DataArray | xr.Variable) -> float | None:
    """After how much a coordinate comes round again, by CF: 360 for longitudes in degrees.

    Returns
    -------
    float or None
        In the coordinate's units; None if it does not.
    """
    standard = _attribute(coordinate, "standard_name")
    units = _attribute(coordinate, "units")
    if coordinate.dtype.kind not in "iuf":
        return None
    if units in _EAST:
        return 360.0
    longitude = standard in ("longitude", "grid_longitude")
    if not standard and str(name).lower() in _ROLES["longitude"][0]:
        longitude = True
    if longitude and units in _RADIANS:
        return 2 * np.pi
    if longitude and units in _DEGREES:
        return 360.0
    eastward = _attribute(coordinate, "axis") == "X" and units in _DEGREES - {""}
    return 360.0 if eastward else None


def told_by(coordinate: xr.Variable) -> tuple[str, ...]:
    """All that a coordinate's attributes say of what it is, to compare."""
    attributes = coordinate.attrs
    told = (
        attributes.get("standard_name", ""),
        attributes.get("units", ""),
        attributes.get("axis", ""),
    )
    if coordinate.encoding or not all(type(text) is str for text in told):
        return tuple([_attribute(coordinate, name) for name in ("standard_name", "units", "axis")])
    return told


def axes_text(dataset: xr.Dataset) -> str:
    """The axes that a shape may name, for an error."""
    names = [str(dim) for dim in dataset.dims]
    names += [
        str(key) for key, c in dataset.coords.items() if c.ndim == 1 and key not in dataset.dims
    ]
    return ", ".join(names) or "no dimensions"


def _attribute(coordinate: xr.DataArray | xr.Variable, name: str) -> str:
    value: Any = coordinate.attrs.get(name, coordinate.encoding.get(name, ""))
    return value.strip() if isinstance(value, str) else ""


def _agrees(role: str, units: str) -> bool:
    if role == "latitude":
        return units in _NORTH | _DEGREES
    if role == "longitude":
        return units in _EAST | _DEGREES
    return True


def _best(dataset: xr.Dataset, keys: list[Hashable], name: str) -> str | None:
    """The one that is meant: a dimension's own coordinate before others, these before scalars."""
    for candidates in (
        [key for key in keys if key in dataset.dims],
        [key for key in keys if dataset[key].ndim == 1],
        [key for key in keys if dataset[key].ndim == 0],
        keys,
    ):
        if len(candidates) > 1:
            names = ", ".join(map(str, candidates))
            raise BadShape(f"{name}: may mean any of {names}; name one of them", field=name)
        if candidates:
            return str(candidates[0])
    return None
