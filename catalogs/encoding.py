"""How a Dataset is stored in a cube: plain attributes, chunks of a mebibyte, exact times."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from .description import is_time

# Coordinates of one dimension lie in one chunk: with a chunk a step, opening 2,000 steps
# takes a hundred times as long.
COORDINATE_CHUNK = 1024
CHUNK_BYTES = 1 << 20
# Attributes that tie an opened Dataset to where it came from.
COLLECTION_ATTRIBUTE = "boathouse_collection"
SNAPSHOT_ATTRIBUTE = "boathouse_snapshot"


def storable(dataset: xr.Dataset) -> xr.Dataset:
    """A shallow copy without encodings, with attributes that are JSON."""
    clean = dataset.drop_encoding()
    clean.attrs = _json_attributes(dataset.attrs)
    for name, array in list(clean.variables.items()):
        array.attrs = _json_attributes(array.attrs)
        if is_time(clean[name]):
            array.attrs.pop("units", None)
            array.attrs.pop("calendar", None)
        if array.dtype.kind == "U":
            clean[name] = clean[name].astype(object)
    return clean


def _json_attributes(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    left_out = {"_FillValue", "missing_value", COLLECTION_ATTRIBUTE, SNAPSHOT_ATTRIBUTE}
    return {str(key): _json(value) for key, value in attrs.items() if key not in left_out}


def _json(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_json(each) for each in value]
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)


def encoding_of(
    dataset: xr.Dataset, *, steps: bool = False, chunks: Mapping[str, int] | None = None
) -> dict[str, dict[str, Any]]:
    """How each variable is stored: its chunks, and times as exact whole numbers.

    With ``steps`` each step along the leading dimension ``time`` is a chunk of its own;
    ``chunks`` gives the largest size by dimension, for variables of several dimensions.
    """
    encoding: dict[str, dict[str, Any]] = {}
    for name, array in dataset.variables.items():
        told: dict[str, Any] = {}
        if array.ndim > 1 and steps and array.dims[0] == "time":
            told["chunks"] = (1, *chunks_of(array.shape[1:], array.dtype.itemsize))
        elif array.ndim:
            told["chunks"] = chunks_of(array.shape, array.dtype.itemsize)
        if array.ndim > 1 and chunks:
            told["chunks"] = tuple(
                min(size, chunks.get(str(dim), size))
                for dim, size in zip(array.dims, told["chunks"], strict=True)
            )
        if array.dtype.kind == "M":
            told |= {"units": f"{_exact_unit(array.values)} since 1970-01-01", "dtype": "int64"}
        encoding[str(name)] = told
    return encoding


def _exact_unit(times: np.ndarray) -> str:
    """The coarsest unit in which all times are whole numbers.

    Not simply nanoseconds: xarray 2026.9 stores datetime64[us] in nanoseconds as NaT.
    """
    for code, unit in (("s", "seconds"), ("ms", "milliseconds"), ("us", "microseconds")):
        if ((times.astype(f"M8[{code}]") == times) | np.isnat(times)).all():
            return unit
    return "nanoseconds"


def chunks_of(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Chunks of at most a mebibyte: leading dimensions are split before trailing ones.

    Examples
    --------
    >>> chunks_of((744, 100, 100), 4)
    (24, 100, 100)
    """
    if len(shape) == 1:
        return (max(shape[0], COORDINATE_CHUNK),)
    chunks = [max(size, 1) for size in shape]
    while math.prod(chunks) * itemsize > CHUNK_BYTES:
        longest = next(axis for axis, size in enumerate(chunks) if size > 1)
        chunks[longest] = math.ceil(chunks[longest] / 2)
    return tuple(chunks)
