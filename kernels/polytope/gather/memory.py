"""Takes the values of points out of arrays in memory."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..rows import Rows, expand

Array = npt.NDArray[Any]

# Copying a run of values in many fields costs less than looking each value up, from these on.
_FIELDS = 16
_RUN = 8


def take_rows(array: Array, places: tuple[int, ...], rows: Rows) -> Array:
    """Values at the points of rows.

    Parameters
    ----------
    array : array
        Of any dimensions.
    places : tuple of int
        The dimensions that those of the rows are.
    rows : Rows
        The points.

    Returns
    -------
    array, shape (the other dimensions..., points)
        A copy.
    """
    fields = np.moveaxis(array, places, range(-len(places), 0))
    if not whole_fields(fields, len(places)):
        return fields[(..., *rows.points())]
    first, length = rows.first_of(), rows.stop - rows.start
    lead = fields.shape[: fields.ndim - len(places)]
    if math.prod(lead) < _FIELDS or length.sum() < _RUN * len(length):
        return take_flat(fields, len(places), expand(first, first + length)[1])
    table = fields.reshape(*lead, math.prod(fields.shape[len(lead) :]))
    target = length.cumsum() - length
    result = np.empty((*lead, int(length.sum())), array.dtype)
    for start, size, place in zip(first.tolist(), length.tolist(), target.tolist(), strict=True):
        result[..., place : place + size] = table[..., start : start + size]
    return result


def take(
    array: Array, places: tuple[int, ...], indices: tuple[npt.NDArray[np.int64], ...]
) -> Array:
    """Values at points.

    Parameters
    ----------
    array : array
        Of any dimensions.
    places : tuple of int
        The dimensions that the indices belong to.
    indices : tuple of arrays, each of shape (points,)
        The points.

    Returns
    -------
    array, shape (the other dimensions..., points)
        A copy.

    Examples
    --------
    >>> take(np.arange(6).reshape(2, 3), (0, 1), (np.array([0, 1]), np.array([2, 0])))
    array([2, 3])
    """
    fields = np.moveaxis(array, places, range(-len(places), 0))
    shape = fields.shape[-len(places) :]
    if not whole_fields(fields, len(places)):
        return fields[(..., *indices)]
    return take_flat(fields, len(places), np.ravel_multi_index(indices, shape))


def whole_fields(fields: Array, trailing: int) -> bool:
    """Whether the trailing dimensions lie in memory as one piece."""
    if not fields.size:
        return False
    return fields[(0,) * (fields.ndim - trailing)].flags.c_contiguous


def take_flat(fields: Array, trailing: int, flat: npt.NDArray[np.int64]) -> Array:
    """Values at flat indices over the trailing dimensions, which lie in memory as one piece.

    Returns
    -------
    array, shape (the leading dimensions..., points)
        A copy.
    """
    lead = fields.shape[: fields.ndim - trailing]
    table = fields.reshape(*lead, math.prod(fields.shape[len(lead) :]))
    # numpy's take first copies what is not contiguous, all of it.
    return np.take(table, flat, axis=-1) if table.flags.c_contiguous else table[..., flat]
