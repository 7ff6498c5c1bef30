"""The polygon: rings over two axes, concave or not, with holes."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ....catalogs.errors import BadShape
from ..rings import Ring, is_many, read_ring
from ..shape import Shape
from ..values import Value
from .crossing import check_ring
from .fields import axis_names, document_fields, listed


class Polygon(Shape):
    """The inside and the edge of rings over two axes, concave or not, with holes.

    Parameters
    ----------
    axes : (str, str)
        The two axes, in the order of the vertices.
    points : sequence of (a, b), or sequence of such rings
        One outer ring or several. A ring need not be closed. A place is inside when it lies
        within an odd number of all rings (holes too); places on any ring belong to the shape.
    holes : sequence of rings, optional
        Rings that are left out, except for their edge.

    Raises
    ------
    BadShape
        If there are not two axes, a ring has fewer than three vertices or crosses itself, or a
        vertex is no pair of coordinates.

    Notes
    -----
    Edges are straight in the plane of the two axes. On a cyclic axis vertices may pass the seam
    (longitudes -10 to 10, or 350 to 370), so that one ring stays whole.

    Examples
    --------
    >>> Polygon(("latitude", "longitude"), [(50, -5), (55, 0), (50, 2)])
    Polygon(('latitude', 'longitude'), [(50, -5), (55, 0), (50, 2)])
    """

    outer: tuple[Ring, ...]
    holes: tuple[Ring, ...]

    def __init__(
        self, axes: Sequence[str], points: Iterable[Any], holes: Iterable[Any] = ()
    ) -> None:
        names = axis_names(axes, "Polygon", 2, 2)
        given = points if isinstance(points, np.ndarray) else list(points)
        outer = list(given) if is_many(given) else [given]
        self._set(
            axes=names,
            outer=tuple(read_ring(ring, "points") for ring in outer),
            holes=tuple(read_ring(ring, "holes") for ring in holes),
        )
        for number, axis in enumerate(self.axes):
            kinds = {isinstance(v[number], str) for ring in self.rings for v in ring}
            if len(kinds) > 1:
                raise BadShape(f"{axis}: numbers and times are mixed", field=axis)
        for ring in self.rings:
            check_ring(ring, self.axes)

    @property
    def rings(self) -> tuple[Ring, ...]:
        """All rings, the holes last; each without a repeated last vertex."""
        return self.outer + self.holes

    @cached_property
    def vertices(self) -> npt.NDArray[np.float64] | None:
        """The vertices of all rings one after the other, shape (n, 2); None if not numbers."""
        if any(isinstance(value, str) for value in self.outer[0][0]):
            return None
        return np.array([vertex for ring in self.rings for vertex in ring], dtype=np.float64)

    @cached_property
    def following(self) -> npt.NDArray[np.int64]:
        """For each of the vertices of all rings the number of the next one on its ring."""
        ends = np.cumsum([len(ring) for ring in self.rings])
        following = np.arange(1, ends[-1] + 1)
        following[ends - 1] = np.concatenate([[0], ends[:-1]])
        return following

    def bounds(self) -> dict[str, tuple[Value, Value]]:
        """The lowest and highest vertex on each axis."""
        result: dict[str, tuple[Value, Value]] = {}
        for number, axis in enumerate(self.axes):
            values: list[Any] = [vertex[number] for ring in self.rings for vertex in ring]
            result[axis] = (min(values), max(values))
        return result

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "Polygon", "axes": [a, b], "points": [[.., ..], ...], "holes": [ring, ...]}``.

        With several outer rings ``points`` is a list of rings.
        """
        outer = [[list(vertex) for vertex in ring] for ring in self.outer]
        return {
            "type": "Polygon",
            "axes": list(self.axes),
            "points": outer[0] if len(outer) == 1 else outer,
            "holes": [[list(vertex) for vertex in ring] for ring in self.holes],
        }

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        axes, points = document_fields(document, ("axes", "points"), optional=("holes",))
        holes = document.get("holes") or ()
        for name, value in (("axes", axes), ("points", points), ("holes", holes)):
            listed(value, name)
        return cls(axes, points, holes)

    def _key(self) -> object:
        return self.axes, self.outer, self.holes

    def __repr__(self) -> str:
        count = sum(len(ring) for ring in self.rings)
        if count > 12:
            return f"<Polygon over {self.axes}: {len(self.rings)} rings, {count} vertices>"
        points = list(self.outer[0]) if len(self.outer) == 1 else [list(r) for r in self.outer]
        holes = f", holes={[list(ring) for ring in self.holes]}" if self.holes else ""
        return f"Polygon({self.axes}, {points}{holes})"
