"""The convex hull of points over one or more axes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from ..shape import Shape
from ..values import Value
from .fields import Place, axis_names, document_fields, listed, places
from .lengths import extremes


class ConvexPolytope(Shape):
    """All that lies between given points, these included: their convex hull.

    Parameters
    ----------
    axes : sequence of str
        One axis or more, in the order of the values of a point.
    points : sequence of (a, b, ...)
        One or more; those inside the hull of the others do no harm.

    Raises
    ------
    BadShape
        If a point has not a value for each axis, or an axis mixes kinds.

    Examples
    --------
    >>> ConvexPolytope(("level", "step"), [(500, 0), (850, 0), (850, 6)]).bounds()["step"]
    (0, 6)
    """

    points: tuple[Place, ...]

    def __init__(self, axes: Sequence[str], points: Iterable[Any]) -> None:
        names = axis_names(axes, "ConvexPolytope")
        self._set(axes=names, points=places(points, names, "points"))

    def bounds(self) -> dict[str, tuple[Value, Value]]:
        """The lowest and the highest point on each axis."""
        columns = zip(*self.points, strict=True)
        return {axis: extremes(column) for axis, column in zip(self.axes, columns, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "ConvexPolytope", "axes": [...], "points": [[...], ...]}``."""
        points = [list(point) for point in self.points]
        return {"type": "ConvexPolytope", "axes": list(self.axes), "points": points}

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        axes, points = document_fields(document, ("axes", "points"))
        return cls(listed(axes, "axes"), listed(points, "points"))

    def _key(self) -> object:
        return self.axes, self.points

    def __repr__(self) -> str:
        if len(self.points) > 12:
            return f"<ConvexPolytope over {self.axes}: {len(self.points)} points>"
        return f"ConvexPolytope({self.axes}, {list(self.points)})"
