"""A cut as a table: pandas and CSV."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from .layout import gridded, mapping_of, tags_of
from .numbers import plain, shortest, times


def columns_of(dataset: xr.Dataset) -> dict[str, xr.DataArray]:
    """The columns of a table, each of one dimension, equally long: coordinates, then variables.

    What a variable lacks of the dimensions is repeated. The points' tags are a column; what only
    counts the parts, grid mappings and bounds are not.
    """
    names = gridded(dataset)
    dataset = dataset.compute()
    dims = [dim for dim in dataset.dims if any(dim in dataset[name].dims for name in names)]
    arrays: dict[Hashable, xr.DataArray] = {
        dim: dataset.coords[dim] if dim in dataset.coords else dataset[dim]
        for dim in dims
        if dim in dataset.coords or not str(dim).startswith("points")
    }
    arrays |= {
        key: array
        for key, array in dataset.coords.items()
        if set(array.dims) <= set(dims) and key not in arrays and not _describes(key, array)
    }
    tags = tags_of(dataset)
    if tags is not None and "part" in dataset.coords:
        part = dataset.coords["part"]
        found = np.array(tags, dtype=object)[part.to_numpy()]
        arrays["tag"] = xr.DataArray(found, dims=part.dims)
    arrays |= {name: dataset[name] for name in names}
    sizes = {dim: dataset.sizes[dim] for dim in dims}
    return {str(key): _long(array, sizes) for key, array in arrays.items()}


def dataframe_of(dataset: xr.Dataset) -> pd.DataFrame:
    """The table, with the attributes of columns and Dataset in ``attrs``."""
    columns = columns_of(dataset)
    frame = pd.DataFrame({key: array.to_numpy() for key, array in columns.items()})
    frame.attrs["columns"] = {key: dict(a.attrs) for key, a in columns.items() if a.attrs}
    frame.attrs["dataset"] = dict(dataset.attrs)
    if mapping := mapping_of(dataset):
        frame.attrs["grid_mapping"] = mapping
    return frame


def csv_of(dataset: xr.Dataset, *, comments: bool = True) -> str:
    """The table as comma-separated values, led by comments that say units and standard names."""
    columns = columns_of(dataset)
    lines = _comments(columns) if comments else ""
    frame = pd.DataFrame({key: _written(array.to_numpy()) for key, array in columns.items()})
    return lines + frame.to_csv(index=False, lineterminator="\n")


def _describes(key: Hashable, array: xr.DataArray) -> bool:
    """Whether a scalar is about the cut as a whole rather than a place in it."""
    return "grid_mapping_name" in array.attrs or key in ("row_size", "tag", "spatial_ref")


def _long(array: xr.DataArray, sizes: dict[Hashable, int]) -> xr.DataArray:
    values = array.variable.set_dims(sizes).transpose(*sizes).to_numpy().reshape(-1)
    return xr.DataArray(values, dims="rows", attrs=array.attrs)


def _comments(columns: dict[str, xr.DataArray]) -> str:
    lines: list[str] = []
    for key, array in columns.items():
        said = [f"{name}={array.attrs[name]}" for name in _SAID if array.attrs.get(name)]
        if said:
            lines.append(f"# {key}: {', '.join(said)}".replace("\n", " ") + "\n")
    return "".join(lines)


_SAID = ("units", "standard_name", "long_name", "grid_mapping")


def _written(values: Any) -> Any:
    """A column as CSV shows it: float32 with their own digits, times and durations as text."""
    if values.dtype.kind == "f":
        return shortest(values)
    if values.dtype.kind == "M":
        return np.array(times(values), dtype=object)
    if values.dtype.kind in "mO":
        return np.array(plain(values), dtype=object)
    return values
