"""Checks the rings of a polygon as a user or a document gives them."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np

from ...catalogs.errors import BadShape
from .values import Value, canonical

Vertex = tuple[Value, Value]
Ring = tuple[Vertex, ...]


def is_many(points: Any) -> bool:
    """Whether these points are a sequence of rings rather than one ring."""
    if len(points) == 0 or isinstance(points[0], str) or not hasattr(points[0], "__getitem__"):
        return False
    first = points[0]
    return len(first) > 0 and not isinstance(first[0], str) and hasattr(first[0], "__len__")


def read_ring(ring: Any, field: str) -> Ring:
    """A ring with its values in their one spelling and no repeated last vertex.

    Raises
    ------
    BadShape
        If it has fewer than three vertices, or a vertex is no pair of coordinates.
    """
    if isinstance(ring, str | Mapping) or not isinstance(ring, Iterable):
        raise BadShape(f"{field}: a ring is a list of pairs", field=field)
    given = ring if isinstance(ring, np.ndarray) else list(ring)
    vertices = _numeric_ring(given)
    if vertices is None:
        vertices = tuple(_vertex(pair, f"{field}[{n}]") for n, pair in enumerate(given))
    while len(vertices) > 1 and vertices[0] == vertices[-1]:
        vertices = vertices[:-1]
    if len(vertices) < 3:
        raise BadShape(f"{field}: a ring needs three vertices, not {len(vertices)}", field=field)
    return vertices


def _numeric_ring(ring: Any) -> Ring | None:
    """The quick way for a coastline; None if a vertex needs a closer look."""
    if not isinstance(ring, np.ndarray):
        if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in ring):
            return None
        if not all(type(value) in (int, float) for pair in ring for value in pair):
            return None
    array = np.asarray(ring)
    if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[1] != 2:
        return None
    if not (np.abs(array.astype(np.float64)) <= 1e100).all():
        return None
    return tuple(map(tuple, array.tolist() if isinstance(ring, np.ndarray) else ring))


def _vertex(pair: Any, field: str) -> Vertex:
    if isinstance(pair, str) or not hasattr(pair, "__len__") or len(pair) != 2:
        raise BadShape(f"{field}: a pair of coordinates is needed, not {pair!r}", field=field)
    return cast(Vertex, tuple(canonical(value, field) for value in pair))
