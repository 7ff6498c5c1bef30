"""Describes a Dataset for the catalog: its variables, dimensions, area and time interval."""

import math
from typing import Any

import msgspec
import numpy as np
import xarray as xr

from .times import time_text

# How CF lets one tell a geographic coordinate, beside the standard name itself.
_GEOGRAPHIC = {
    "latitude": (
        {"latitude", "lat"},
        {"degrees_north", "degree_north", "degree_N", "degrees_N"},
    ),
    "longitude": (
        {"longitude", "lon", "long"},
        {"degrees_east", "degree_east", "degree_E", "degrees_E"},
    ),
}


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog says of a Dataset; the fields are those of ``Collection``."""

    variables: dict[str, dict[str, Any]]
    dimensions: dict[str, dict[str, Any]]
    bbox: tuple[float, ...]
    interval: tuple[str, ...]


def describe(dataset: xr.Dataset) -> Description:
    """Describe a Dataset; reads coordinates only.

    Examples
    --------
    >>> ds = xr.Dataset({"t": ("latitude", [1.0, 2.0])}, {"latitude": [50.0, 51.0]})
    >>> describe(ds).variables["t"]["dims"]
    ['latitude']
    """
    variables = {
        str(name): {
            "dims": [str(dim) for dim in array.dims],
            "shape": [int(size) for size in array.shape],
            "dtype": str(array.dtype),
            "units": str(array.attrs.get("units", "")),
            "long_name": long_name(array),
        }
        for name, array in dataset.data_vars.items()
    }
    return Description(
        variables=variables,
        dimensions={str(dim): _dimension(dataset, str(dim)) for dim in dataset.sizes},
        bbox=bounding_box(dataset),
        interval=time_interval(dataset),
    )


def long_name(array: xr.DataArray) -> str:
    """What to call a variable in a picture."""
    attrs = array.attrs
    name = attrs.get("long_name") or str(attrs.get("standard_name", "")).replace("_", " ")
    return str(name or array.name)


def is_time(array: xr.DataArray) -> bool:
    """Whether the values are dates of NumPy or cftime."""
    if array.dtype.kind == "M":
        return True
    return array.dtype == object and array.size > 0 and hasattr(array.values.flat[0], "calendar")


def geographic(dataset: xr.Dataset, axis: str) -> xr.DataArray | None:
    """The coordinate that is ``"latitude"`` or ``"longitude"``, of one or two dimensions."""
    names, units = _GEOGRAPHIC[axis]
    found = [
        array
        for name, array in dataset.coords.items()
        if array.attrs.get("standard_name") == axis
        or array.attrs.get("units") in units
        or str(name).lower() in names
    ]
    return found[0] if found else None


def bounding_box(dataset: xr.Dataset) -> tuple[float, ...]:
    """West, south, east, north in degrees (west > east across the date line), or empty."""
    latitude, longitude = geographic(dataset, "latitude"), geographic(dataset, "longitude")
    if latitude is None or longitude is None or not latitude.size or not longitude.size:
        return ()
    south, north = float(latitude.min()), float(latitude.max())
    west, east = float(longitude.min()), float(longitude.max())
    if not all(map(math.isfinite, (south, north, west, east))):
        return ()
    spacing = (east - west) / max(max(longitude.shape) - 1, 1)
    if east - west + spacing * 1.001 >= 360:
        west, east = -180.0, 180.0
    else:
        west, east = _wrapped(west), _wrapped(east)
    return tuple(round(edge, 6) for edge in (west, south, east, north))


def _wrapped(longitude: float) -> float:
    return longitude if -180 <= longitude <= 180 else (longitude + 180) % 360 - 180


def time_interval(dataset: xr.Dataset) -> tuple[str, ...]:
    """First and last time as RFC 3339, or empty."""
    times = [
        array
        for name, array in dataset.coords.items()
        if name == "time" or array.attrs.get("standard_name") == "time"
    ]
    times = [array for array in times if array.size and is_time(array)]
    if not times:
        return ()
    values = times[0].values.ravel()
    if values.dtype.kind == "M":
        values = values[~np.isnat(values)]
    return (time_text(values.min()), time_text(values.max())) if values.size else ()


def _dimension(dataset: xr.Dataset, dim: str) -> dict[str, Any]:
    told: dict[str, Any] = {"size": int(dataset.sizes[dim]), "units": ""}
    if dim not in dataset.coords or not dataset.sizes[dim]:
        return told
    coordinate = dataset.coords[dim]
    told["units"] = str(coordinate.attrs.get("units", ""))
    told["first"], told["last"] = (_plain(coordinate, index) for index in (0, -1))
    return told


def _plain(coordinate: xr.DataArray, index: int) -> Any:
    value = coordinate.values[index]
    if is_time(coordinate):
        return time_text(value)
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, float) and not math.isfinite(plain):
        return None
    return plain if isinstance(plain, int | float | str) else str(plain)
