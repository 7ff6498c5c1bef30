"""A cut as a CF discrete sampling geometry (CF conventions, chapter 9)."""

import json
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from ....catalogs.errors import BadShape
from .layout import Layout, gridded, layout_of, tags_of

_CONVENTIONS = "CF-1.11"
_DIM = "points"
_FACTS = {
    "x": {"standard_name": "longitude", "units": "degrees_east", "axis": "X"},
    "y": {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"},
    "z": {"axis": "Z"},
    "t": {"standard_name": "time", "axis": "T"},
}
_IDENTITIES = {
    "timeSeries": "timeseries_id",
    "timeSeriesProfile": "timeseries_id",
    "profile": "profile_id",
    "trajectory": "trajectory_id",
}


def sampling_of(dataset: xr.Dataset) -> xr.Dataset:
    """The Dataset of a discrete sampling geometry.

    Raises
    ------
    BadShape
        If the cut has no horizontal coordinates.
    """
    layout = layout_of(dataset)
    for role, axis in (("y", "latitude"), ("x", "longitude")):
        if role not in layout.names:
            raise BadShape(
                f"{axis}: the cut has none; a sampling geometry must say where its points are",
                field=axis,
            )
    names = gridded(dataset)
    result = _in_parts(_over_points(dataset.compute(), layout, names))
    layout = layout_of(result)
    kind = _feature_type(result, layout)
    result = _with_identity(_arranged(result, layout), kind)
    for role, name in layout.names.items():
        facts = _FACTS[role] if layout.geographic or role in "zt" else {}
        result[name].attrs = {**facts, **result[name].attrs}
    result.attrs = {**result.attrs, "featureType": kind}
    if "CF-" not in str(result.attrs.get("Conventions", "")):
        older = str(result.attrs.get("Conventions", ""))
        result.attrs["Conventions"] = f"{older} {_CONVENTIONS}".strip()
    return _writable(result)


def _over_points(dataset: xr.Dataset, layout: Layout, names: list[Hashable]) -> xr.Dataset:
    """The cut with all horizontal (and coupled) dimensions as one dimension of points."""
    flat = list(layout.coupled)
    for role in ("y", "x"):
        flat += [d for d in dataset.coords[layout.names[role]].dims if d not in flat]
    flat = [dim for dim in dataset.dims if dim in flat]
    if flat == [_DIM]:
        return dataset
    if not flat:
        lone = [layout.names["x"], layout.names["y"], *names]
        varied = {key: dataset.variables[key].expand_dims(_DIM) for key in lone}
        return (
            dataset.drop_vars(lone)
            .assign_coords(_coords(dataset, varied))
            .assign({key: varied[key] for key in names})
        )
    sizes = {dim: dataset.sizes[dim] for dim in flat}
    varied = {
        key: array.set_dims({**dict(array.sizes), **sizes})
        .transpose(*flat, *(dim for dim in array.dims if dim not in flat))
        .stack({_DIM: flat})
        for key, array in dataset.variables.items()
        if set(array.dims) & set(flat)
    }
    data = {key: v for key, v in varied.items() if key in dataset.data_vars}
    return dataset.drop_vars(list(varied)).assign_coords(_coords(dataset, varied)).assign(data)


def _coords(dataset: xr.Dataset, variables: Mapping[Hashable, Any]) -> dict[Hashable, xr.Variable]:
    plain = {key: v for key, v in variables.items() if key in dataset.coords}
    # A dimension's coordinate that becomes one of points is an IndexVariable no longer.
    return {key: xr.Variable(v.dims, v.to_numpy(), v.attrs, v.encoding) for key, v in plain.items()}


def _feature_type(dataset: xr.Dataset, layout: Layout) -> str:
    names = layout.names
    along = {role: bool(dataset.coords[name].dims) for role, name in names.items()}
    on = {role: _DIM in dataset.coords[name].dims for role, name in names.items()}
    if along.get("t") and not on.get("t"):
        vertical = along.get("z") and not on.get("z")
        return "timeSeriesProfile" if vertical else "timeSeries"
    if along.get("z") and not on.get("z"):
        return "profile"
    if on.get("t") and _goes_on(dataset, names["t"]):
        return "trajectory"
    return "point"


def _goes_on(dataset: xr.Dataset, time: Hashable) -> bool:
    """Whether time goes on along the points of each part, as along a path."""
    values = dataset.coords[time].to_numpy()
    if len(values) < 2:
        return False
    back = values[1:] < values[:-1]
    if "part" in dataset.coords:
        part = dataset.coords["part"].to_numpy()
        back &= part[1:] == part[:-1]
    return not back.any()


def _arranged(dataset: xr.Dataset, layout: Layout) -> xr.Dataset:
    """Points first, then time, then level, as CF wants instances and elements."""
    order: list[Hashable] = [_DIM]
    for role in ("t", "z"):
        if role in layout.names:
            order += [d for d in dataset.coords[layout.names[role]].dims if d not in order]
    return dataset.transpose(*order, ...)


def _with_identity(dataset: xr.Dataset, kind: str) -> xr.Dataset:
    """Name each feature: a part of a trajectory or of a set of points, else each point."""
    ragged = "row_size" in dataset.variables
    if ragged:
        count = dataset["row_size"].variable
        attrs = {k: v for k, v in count.attrs.items() if k != "sample_dimension"}
        if kind in ("trajectory", "point"):  # elsewhere the points are instances, not samples
            attrs["sample_dimension"] = _DIM
        count = xr.Variable(count.dims, count.to_numpy(), attrs)
        dataset = dataset.assign_coords(row_size=count)
    role = _IDENTITIES.get(kind)
    if role is None:
        return dataset
    name = "trajectory" if kind == "trajectory" else "feature"
    while name in dataset.variables:
        name += "_id"
    if kind == "trajectory" and not ragged:
        return dataset.assign_coords({name: ((), np.int32(0), {"cf_role": role})})
    dim = dataset["row_size"].dims[0] if kind == "trajectory" else _DIM
    tags = tags_of(dataset)
    if tags is not None and kind == "trajectory":
        values = np.array(tags, dtype=object)
    elif tags is not None and len(set(tags)) == len(tags) == dataset.sizes[_DIM]:
        values = np.array(tags, dtype=object)[dataset["part"].to_numpy()]
    else:
        values = np.arange(dataset.sizes[dim], dtype=np.int32)
    return dataset.assign_coords({name: ((dim,), values, {"cf_role": role})})


def _in_parts(dataset: xr.Dataset) -> xr.Dataset:
    """The points of each part together, and counted."""
    if "part" not in dataset.coords:
        return dataset
    part = dataset.coords["part"].to_numpy()
    if (part[1:] < part[:-1]).any():
        dataset = dataset.isel({_DIM: np.argsort(part, kind="stable")})
    if "row_size" in dataset.variables:
        return dataset
    dim = dataset["tag"].dims[0] if "tag" in dataset.variables else "parts"
    return dataset.assign_coords(
        row_size=(dim, np.bincount(part, minlength=dataset.sizes.get(dim, 0)))
    )


def _writable(dataset: xr.Dataset) -> xr.Dataset:
    """Without the encodings of the cube's file, and attributes that files cannot hold."""
    result = dataset.copy()
    result.attrs = _attributes(dataset.attrs)
    for array in result.variables.values():
        calendar = array.encoding.get("calendar")
        kept = {key: array.encoding[key] for key in ("grid_mapping",) if key in array.encoding}
        array.encoding = {**kept, **({"calendar": calendar} if calendar else {})}
        array.attrs = _attributes(array.attrs)
    return result


def _attributes(attrs: dict[Any, Any]) -> dict[Any, Any]:
    written: dict[Any, Any] = {}
    for key, value in attrs.items():
        if isinstance(value, bool | np.bool_):
            written[key] = int(value)
        elif isinstance(value, dict):
            written[key] = json.dumps(value, default=str)
        elif value is not None:
            written[key] = value
    return written
