"""Polytopes from vertices, and from boxes that are swept along lines."""

from functools import lru_cache

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from ...catalogs.errors import BadShape
from .bodies import Numbers, Polytopes

_FLAT = 1e-10  # thinner than this part of its extent, a hull is a hull of fewer dimensions


def hulls(clouds: list[Numbers]) -> Polytopes:
    """The convex hulls of clouds of points.

    Parameters
    ----------
    clouds : list of arrays, shape (points, axes)
        One for each hull; flat ones are welcome.
    """
    lower = np.stack([cloud.min(axis=0) for cloud in clouds])
    upper = np.stack([cloud.max(axis=0) for cloud in clouds])
    half = (upper - lower) / 2
    scale = np.where(half > 0, half, 1.0)
    scaled = [
        (cloud - (low + high) / 2) / size
        for cloud, low, high, size in zip(clouds, lower, upper, scale, strict=True)
    ]
    levels: list[tuple[Numbers, Numbers]] = []
    for level in range(lower.shape[1]):
        # The projection of a hull is the hull of the projected vertices.
        sides = [_sides(np.ascontiguousarray(cloud[:, : level + 1])) for cloud in scaled]
        levels.append(_stacked(sides, level + 1))
    return Polytopes(lower, upper, levels)


def swept_boxes(start: Numbers, end: Numbers, half: Numbers) -> Polytopes:
    """Boxes swept along lines.

    Parameters
    ----------
    start, end : arrays, shape (legs, axes)
        Where the box's centre goes.
    half : array, shape (axes,)
        Half its widths.

    Notes
    -----
    A box swept along a line is the zonotope of the axes' directions and the line's. Its facets
    hold all of these but two, so that their normals are the axes, and for each pair of axes the
    normal of the line's shadow on their plane: no hull needs to be searched for.
    """
    shift = (end - start) / 2
    centre = (start + end) / 2
    reach = half + np.abs(shift)
    scale = np.where(reach > 0, reach, 1.0)
    box, line = half / scale, shift / scale
    levels: list[tuple[Numbers, Numbers]] = []
    legs, axes = start.shape
    for level in range(axes):
        normals = np.zeros((legs, 2 + 2 * level, level + 1))
        offsets = np.zeros((legs, 2 + 2 * level))
        normals[:, 0, level], normals[:, 1, level] = 1.0, -1.0
        offsets[:, :2] = (reach / scale)[:, level, None]
        for other in range(level):
            along, across = line[:, level], line[:, other]
            size = np.hypot(along, across)
            size[size == 0] = 1.0
            along, across = along / size, across / size
            room = np.abs(along) * box[:, other] + np.abs(across) * box[:, level]
            for side, row in ((1.0, 2 + 2 * other), (-1.0, 3 + 2 * other)):
                normals[:, row, other], normals[:, row, level] = side * along, -side * across
                offsets[:, row] = room
        levels.append((normals, offsets))
    return Polytopes(centre - reach, centre + reach, levels)


def _stacked(sides: list[tuple[Numbers, Numbers]], width: int) -> tuple[Numbers, Numbers]:
    """Halfspaces of several bodies in one array, filled up with ones that bound nothing."""
    most = max(len(offsets) for _, offsets in sides)
    normals = np.zeros((len(sides), most, width))
    offsets = np.full((len(sides), most), np.inf)
    for number, (normal, offset) in enumerate(sides):
        normals[number, : len(offset)] = normal
        offsets[number, : len(offset)] = offset
    return normals, offsets


def _sides(cloud: Numbers) -> tuple[Numbers, Numbers]:
    """The halfspaces of a hull that bound its last axis."""
    return _sides_of_bytes(cloud.tobytes(), cloud.shape[1])


@lru_cache(maxsize=512)
def _sides_of_bytes(cloud: bytes, width: int) -> tuple[Numbers, Numbers]:
    normals, offsets = _halfspaces(np.frombuffer(cloud).reshape(-1, width))
    bounding = np.abs(normals[:, -1]) > 1e-12
    return normals[bounding], offsets[bounding]


def _halfspaces(cloud: Numbers) -> tuple[Numbers, Numbers]:
    """All halfspaces of a hull; where it is flat, equalities as two each."""
    middle = cloud.mean(axis=0)
    spread = cloud - middle
    _, sizes, directions = np.linalg.svd(spread, full_matrices=True)
    rank = int((sizes > _FLAT * max(1.0, float(sizes[0]))).sum()) if len(sizes) else 0
    inside, across = directions[:rank], directions[rank:]
    flat = spread @ inside.T
    if rank == 0:
        normals, offsets = np.zeros((0, 0)), np.zeros(0)
    elif rank == 1:
        normals = np.array([[1.0], [-1.0]])
        offsets = np.array([flat.max(), -flat.min()])
    else:
        try:
            equations = ConvexHull(flat).equations
        except QhullError as error:
            raise BadShape(
                "points: their convex hull cannot be computed; leave out points that nearly "
                "coincide",
                field="points",
            ) from error
        equations = np.unique(np.round(equations, 13), axis=0)
        normals, offsets = equations[:, :-1], -equations[:, -1]
    normals = np.concatenate([normals @ inside, across, -across])
    offsets = np.concatenate([offsets, np.zeros(2 * len(across))])
    return normals, offsets + normals @ middle
