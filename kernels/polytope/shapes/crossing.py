"""Finds where a ring crosses itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ....catalogs.errors import BadShape
from ..rings import Ring

Numbers = npt.NDArray[np.float64]

# A turn this slight, in parts of the edges' lengths, is rounding: the edges touch.
_SLIGHT = 1e-12


def check_ring(ring: Ring, axes: Sequence[str]) -> None:
    """Refuse a ring of numbers that crosses itself; touching itself is no crossing.

    Raises
    ------
    BadShape
        Naming the first axis and the place.
    """
    if any(isinstance(value, str) for value in ring[0]) or len(ring) < 4:
        return
    place = crossing(np.asarray(ring, dtype=np.float64))
    if place is None:
        return
    where = ", ".join(f"{axis} {value:g}" for axis, value in zip(axes, place, strict=True))
    raise BadShape(
        f"{axes[0]}: the ring crosses itself near {where}; put its vertices in order, give each "
        "loop as a ring of its own, or mend it with shapely.make_valid",
        field=axes[0],
    )


def crossing(ring: Numbers) -> tuple[float, float] | None:
    """Where two edges of a ring cross properly: each has its ends on both sides of the other.

    Parameters
    ----------
    ring : array, shape (n, 2)
        Vertices; the last is joined to the first.

    Returns
    -------
    (float, float) or None
        A place of crossing.
    """
    import shapely

    closed = np.concatenate([ring, ring[:1]])
    if shapely.is_simple(shapely.linestrings(closed)):
        return None
    start, end = closed[:-1], closed[1:]
    edges: Any = shapely.linestrings(np.stack([start, end], axis=1))
    one, other = shapely.STRtree(edges).query(edges)
    one, other = one[one < other], other[one < other]
    a, b, c, d = start[one], end[one], start[other], end[other]
    proper = (_side(a, b, c) * _side(a, b, d) < 0) & (_side(c, d, a) * _side(c, d, b) < 0)
    if not proper.any():
        return None
    first = int(np.argmax(proper))
    meeting: Any = shapely.intersection(edges[one[first]], edges[other[first]])
    if shapely.is_empty(meeting):  # too small for GEOS to say where
        return float(a[first, 0]), float(a[first, 1])
    middle = shapely.centroid(meeting)
    return float(shapely.get_x(middle)), float(shapely.get_y(middle))


def _side(start: Numbers, end: Numbers, place: Numbers) -> npt.NDArray[np.int8]:
    """On which side of lines places lie: 1, -1, or 0 where that is within rounding."""
    along, away = end - start, place - start
    turn = along[:, 0] * away[:, 1] - along[:, 1] * away[:, 0]
    size = np.hypot(*along.T) * np.hypot(*away.T)
    return np.where(np.abs(turn) <= _SLIGHT * size, 0, np.sign(turn)).astype(np.int8)
