"""Finds the cells nearest to places where latitude and longitude are no axes."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy.spatial import KDTree

from ...catalogs.errors import BadShape
from .axes import Axis
from .bodies import Numbers
from .ranges import near
from .rows import Indices
from .shapes import Point
from .sphere import distance_km, unit_vectors


def nearest_on_axis(axis: Axis, asked: Numbers) -> Indices:
    """The cells nearest to each value on an axis whose places are in no order: shape (n, 1)."""
    order = np.argsort(axis.numbers, kind="stable")
    axis = replace(axis, places=axis.places[order], index=order)
    places, _ = near(axis, asked, "nearest", 1)
    return order[places]


def nearest_on_sphere(
    factor: Point,
    axes: Sequence[Axis],
    numbers: Sequence[Numbers],
    asked: Sequence[Numbers],
    k: int,
) -> Indices:
    """The k cells nearest to each point by the distance on the sphere: shape (points, k).

    Raises
    ------
    BadShape
        If these are not latitude and longitude, or a point lies farther from the cube than its
        cells from each other (without a method: farther than ten centimetres).
    """
    latitude = [n for n, axis in enumerate(axes) if axis.is_latitude]
    if len(axes) != 2 or len(latitude) != 1:
        names = " and ".join(axis.name for axis in axes)
        raise BadShape(
            f"{names}: nearest is found over latitude and longitude in degrees only",
            field=axes[0].name,
        )
    north, east = latitude[0], 1 - latitude[0]
    places = np.stack([numbers[north], numbers[east]], axis=1)
    wanted = np.stack([asked[north], asked[east]], axis=1)
    there = np.flatnonzero(np.isfinite(places).all(axis=1))
    if k > len(there):
        raise BadShape(f"k: {k} is more than the cube has points ({len(there)})", field="k")
    tree = _tree(places[there].tobytes())
    _, found = tree.query(unit_vectors(wanted), k=k)
    found = there[np.asarray(found).reshape(len(wanted), k)]
    away = distance_km(places[found[:, 0]], wanted)
    apart = _apart(tree)
    limit = 1e-4 if factor.method is None else apart
    for point in np.flatnonzero(away > limit).tolist():
        place = ", ".join(map(str, factor.points[point]))
        mend = "ask for method='nearest'" if factor.method is None else "it lies outside the cube"
        raise BadShape(
            f"{axes[0].name}: no grid point at {place} (point {point}), the nearest is "
            f"{away[point]:.3g} km away; {mend}",
            field=axes[0].name,
        )
    return np.sort(found, axis=1)


@lru_cache(maxsize=4)
def _tree(places: bytes) -> KDTree:
    """Keeps the trees of the cubes that were asked last: to plant one takes a second a million."""
    return KDTree(unit_vectors(np.frombuffer(places).reshape(-1, 2)))


def _apart(tree: KDTree) -> float:
    """Twice the widest gap between neighbours in a sample, in kilometres."""
    sample = tree.data[:: max(1, tree.n // 2000)]
    if tree.n < 2:
        return 100.0
    gaps, _ = tree.query(sample, k=2)
    return 2 * 6371.0 * float(gaps[:, 1].max()) * 1.5
