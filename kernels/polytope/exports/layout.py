"""What lies where in a cut: its x, y, z and t, and the dimensions that couple some of these."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ..naming import role_of

_PROJECTED = {
    "x": ("projection_x_coordinate", "grid_longitude", "projection_x_angular_coordinate"),
    "y": ("projection_y_coordinate", "grid_latitude", "projection_y_angular_coordinate"),
}
_ROLES = {"longitude": "x", "latitude": "y", "level": "z", "time": "t"}
PARTS = ("part", "row_size", "tag")


@dataclass(frozen=True)
class Layout:
    """The coordinates of a cut and how they hang together.

    Attributes
    ----------
    names : dict
        The coordinates that are x, y, z and t, as far as there are such.
    geographic : bool
        Whether x and y are longitude and latitude, or those of a projection or rotated grid.
    coupled : tuple
        The dimensions along which several of them vary together: the points.
    """

    names: dict[str, Hashable]
    geographic: bool
    coupled: tuple[Hashable, ...]

    def role(self, name: Hashable) -> str | None:
        """x, y, z or t; None for any other coordinate."""
        return next((role for role, key in self.names.items() if key == name), None)


def dataset_of(cube: Any) -> xr.Dataset:
    """The cube as a Dataset; a nameless DataArray becomes the variable ``data``."""
    if isinstance(cube, xr.Dataset):
        return cube
    name = "data" if cube.name is None else str(cube.name)
    while name in cube.coords:  # xarray lets an array be called like its coordinate
        name += "_"
    return cube.to_dataset(name=name)


def layout_of(dataset: xr.Dataset) -> Layout:
    """Find x, y, z and t by CF attributes, else by name, and what couples them."""
    names: dict[str, Hashable] = {}
    projected: dict[str, Hashable] = {}
    for key in sorted(dataset.coords, key=lambda key: _rank(dataset, key)):
        array = dataset.coords[key]
        role = _ROLES.get(role_of(key, array) or "")
        if role is not None and (role == "t") == _is_time(array):
            names.setdefault(role, key)
        elif role is None and (side := _projected(array)):
            projected.setdefault(side, key)
    geographic = _prefers_geographic(dataset, names, projected)
    if not geographic:
        names = {**names, **projected}
    return Layout(names, geographic, _coupled(dataset, names))


def gridded(dataset: xr.Dataset) -> list[Hashable]:
    """The variables that hold data: not grid mappings, bounds, or what counts the parts."""
    aside: set[Hashable] = {"row_size"}
    for array in dataset.variables.values():
        for source in (array.attrs, array.encoding):
            aside.update(str(source.get("bounds", "")).split())
            aside.update(str(source.get("grid_mapping", "")).replace(":", " ").split())
    return [
        key
        for key, array in dataset.data_vars.items()
        if key not in aside and "grid_mapping_name" not in array.attrs
    ]


def mapping_of(dataset: xr.Dataset) -> dict[str, Any]:
    """The attributes of the cut's grid mapping; empty where it has none."""
    found = [
        array.attrs
        for array in dataset.variables.values()
        if array.ndim == 0 and {"grid_mapping_name", "crs_wkt", "spatial_ref"} & set(array.attrs)
    ]
    return dict(found[0]) if found else {}


def _rank(dataset: xr.Dataset, key: Hashable) -> int:
    """A dimension's own coordinate before others, these before 2-D ones and scalars."""
    ndim = dataset.coords[key].ndim
    return 0 if key in dataset.dims else {1: 1, 0: 2}.get(ndim, 3)


def _is_time(array: xr.DataArray) -> bool:
    if array.dtype.kind == "O":
        first = array.to_numpy().flat[0] if array.size else None
        return hasattr(first, "calendar")
    return array.dtype.kind == "M"


def _projected(array: xr.DataArray) -> str | None:
    standard, axis = array.attrs.get("standard_name"), array.attrs.get("axis")
    for side, standards in _PROJECTED.items():
        if standard in standards or (not standard and axis == side.upper()):
            return side
    return None


def _prefers_geographic(
    dataset: xr.Dataset, names: dict[str, Hashable], projected: dict[str, Hashable]
) -> bool:
    """Longitude and latitude are better known, unless only the others run along dimensions."""
    if len(projected) < 2:
        return True
    known = [dataset.coords[names[role]] for role in ("x", "y") if role in names]
    return len(known) == 2 and all(array.ndim < 2 for array in known)


def _coupled(dataset: xr.Dataset, names: dict[str, Hashable]) -> tuple[Hashable, ...]:
    counts: dict[Hashable, int] = {}
    for role, key in names.items():
        dims = dataset.coords[key].dims
        for dim in dims:
            flat = role != "t" and len(dims) > 1
            counts[dim] = counts.get(dim, 0) + (2 if flat else 1)
    if "part" in dataset.coords:
        counts.update(dict.fromkeys(dataset.coords["part"].dims, 2))
    for dim in counts:
        if dim not in dataset.coords and str(dim).startswith("points"):
            counts[dim] = 2
    return tuple(dim for dim in dataset.dims if counts.get(dim, 0) > 1)


def part_rows(dataset: xr.Dataset) -> list[tuple[int, Any]]:
    """For each part its number and its points: a slice where these follow each other.

    Returns
    -------
    list of (int, slice or array)
        Parts without points are not in it.
    """
    part = dataset.coords["part"].to_numpy()
    order = np.argsort(part, kind="stable")
    numbers, first = np.unique(part[order], return_index=True)
    ends = [*first[1:], len(part)][: len(first)]
    together = bool((order == np.arange(len(part))).all())
    rows = [
        slice(int(a), int(b)) if together else order[a:b] for a, b in zip(first, ends, strict=True)
    ]
    return [(int(number), row) for number, row in zip(numbers, rows, strict=True)]


def tags_of(dataset: xr.Dataset) -> list[str] | None:
    """The name of each part, where parts have names."""
    return [str(tag) for tag in dataset["tag"].to_numpy()] if "tag" in dataset.variables else None
