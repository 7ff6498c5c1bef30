"""Slices convex bodies into intervals of a grid's places, one axis after the other."""

import numpy as np

from .bodies import CLOSE, Bodies, Numbers
from .rows import Indices, expand

_MOST_PLACES = 4_000_000  # how many places are tried at once where slicing cannot tell


def slice_bodies(
    bodies: Bodies, grids: list[Numbers], reach: list[float]
) -> tuple[Indices, Indices, Indices]:
    """The places of a grid in any of some bodies.

    Parameters
    ----------
    bodies : Bodies
        Over as many axes as there are grids.
    grids : list of arrays
        The coordinates along each axis, ascending.
    reach : list of float
        How far outside a body a coordinate may lie on each axis and still be in it.

    Returns
    -------
    prefix : array of int, shape (rows, axes - 1)
        Numbers of places on all axes but the last.
    start, stop : arrays of int, shape (rows,)
        Half-open intervals on the last; not sorted, overlapping where bodies do.
    """
    if not bodies.sliceable:
        return _by_trial(bodies, grids, reach)
    body = np.arange(len(bodies.lower))
    slack = CLOSE * (bodies.upper - bodies.lower) + np.array(reach)
    prefix = np.zeros((len(body), 0), dtype=np.int64)
    numbers = np.zeros((len(body), 0))
    start = stop = np.zeros(len(body), dtype=np.int64)
    for level, grid in enumerate(grids):
        low, high = bodies.between(body, numbers)
        start = np.searchsorted(grid, low - slack[body, level], "left")
        stop = np.searchsorted(grid, high + slack[body, level], "right")
        if level == len(grids) - 1:
            break
        row, place = expand(start, stop)
        body = body[row]
        places, coordinates = place[:, None], grid[place][:, None]
        prefix = np.concatenate([prefix[row], places], axis=1) if level else places
        numbers = np.concatenate([numbers[row], coordinates], axis=1) if level else coordinates
    keep = stop > start
    return (prefix, start, stop) if keep.all() else (prefix[keep], start[keep], stop[keep])


def _by_trial(
    bodies: Bodies, grids: list[Numbers], reach: list[float]
) -> tuple[Indices, Indices, Indices]:
    """Try every place in each bounding box; only ever for two axes."""
    prefixes: list[Indices] = []
    starts: list[Indices] = []
    rows, columns = grids
    for body in range(len(bodies.lower)):
        low, high = bodies.lower[body] - reach, bodies.upper[body] + reach
        first, last = _range(rows, low[0], high[0])
        left, right = _range(columns, low[1], high[1])
        batch = max(1, _MOST_PLACES // max(right - left, 1))
        for begin in range(first, last, batch):
            end = min(begin + batch, last)
            places = np.stack(
                np.meshgrid(rows[begin:end], columns[left:right], indexing="ij"), axis=-1
            )
            inside = bodies.contain(body, places.reshape(-1, 2)).reshape(places.shape[:2])
            row, column = np.nonzero(inside)
            prefixes.append(row[:, None] + begin)
            starts.append(column + left)
    none = np.zeros((0, 1), dtype=np.int64)
    prefix = np.concatenate([none, *prefixes])
    start = np.concatenate([none[:, 0], *starts])
    return prefix, start, start + 1


def _range(grid: Numbers, low: float, high: float) -> tuple[int, int]:
    return int(np.searchsorted(grid, low, "left")), int(np.searchsorted(grid, high, "right"))
