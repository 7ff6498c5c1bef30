"""Shapes of single values: of one axis, or places over several axes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from ....catalogs.errors import BadShape
from ..shape import Shape
from ..values import Value
from .fields import Place, axis_name, axis_names, document_fields, listed, method_and_count, places
from .lengths import extremes


class Select(Shape):
    """Single values of one axis: numbers, times or labels.

    Parameters
    ----------
    axis : str
        The axis.
    values : value or sequence of values
        What is wanted of it.
    method : None, "nearest" or "surrounding"
        The value itself, which must be on the grid; the `k` values of the cube nearest to it; or
        the `k` next ones at or below it and at or above it.
    k : int
        How many.

    Raises
    ------
    BadShape
        If there is no value, their kinds are mixed, or the method is unknown.

    Examples
    --------
    >>> Select("level", [500, 850])
    Select('level', (500, 850))
    """

    axis: str
    values: tuple[Value, ...]
    method: str | None
    k: int

    def __init__(self, axis: str, values: Any, method: str | None = None, k: int = 1) -> None:
        axis = axis_name(axis, "axis")
        found = tuple(value for (value,) in places(values, (axis,), "values"))
        method, k = method_and_count(method, k, ("nearest", "surrounding"), "Select")
        self._set(axes=(axis,), axis=axis, values=found, method=method, k=k)

    def bounds(self) -> dict[str, tuple[Value, Value]]:
        """The lowest and the highest value; labels by the alphabet."""
        return {self.axis: extremes(self.values)}

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "Select", "axis": ..., "values": [...]}``, and method and k if set."""
        document = {"type": "Select", "axis": self.axis, "values": list(self.values)}
        return {**document, **_how(self.method, self.k)}

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        axis, values = document_fields(document, ("axis", "values"), optional=("method", "k"))
        return cls(axis, values, document.get("method"), document.get("k", 1))

    def _key(self) -> object:
        return self.axis, self.values, self.method, self.k

    def __repr__(self) -> str:
        return f"Select({self.axis!r}, {self.values!r}{_how_text(self.method, self.k)})"


class Point(Shape):
    """One place or many over one or more axes, and how grid points are found for each.

    Parameters
    ----------
    axes : sequence of str
        The axes, in the order of the values of a place.
    points : (a, b, ...) or sequence of these
        The places.
    method : None, "nearest", "surrounding" or "linear"
        The grid point at the place, which must be on the grid; the `k` nearest to it; the grid
        points about it, `k` on either side of each axis; or the value between these.
    k : int
        How many.

    Raises
    ------
    BadShape
        If a place has not a value for each axis, an axis mixes kinds, or the method is unknown.

    Examples
    --------
    >>> Point(("latitude", "longitude"), (51.5, -0.1), method="nearest")
    Point(('latitude', 'longitude'), [(51.5, -0.1)], method='nearest')
    """

    points: tuple[Place, ...]
    method: str | None
    k: int

    def __init__(
        self, axes: Sequence[str], points: Iterable[Any], method: str | None = None, k: int = 1
    ) -> None:
        names = axis_names(axes, "Point")
        found = places(points, names, "points")
        method, k = method_and_count(method, k, ("nearest", "surrounding", "linear"), "Point")
        self._set(axes=names, points=found, method=method, k=k)

    def bounds(self) -> dict[str, tuple[Value, Value]]:
        """The lowest and the highest value on each axis."""
        columns = zip(*self.points, strict=True)
        return {axis: extremes(column) for axis, column in zip(self.axes, columns, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "Point", "axes": [...], "points": [[...]]}``, and method and k if set."""
        points = [list(point) for point in self.points]
        document = {"type": "Point", "axes": list(self.axes), "points": points}
        return {**document, **_how(self.method, self.k)}

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        axes, points = document_fields(document, ("axes", "points"), optional=("method", "k"))
        points = listed(points, "points")
        return cls(listed(axes, "axes"), points, document.get("method"), document.get("k", 1))

    def _key(self) -> object:
        return self.axes, self.points, self.method, self.k

    def __repr__(self) -> str:
        if len(self.points) > 12:
            return f"<Point over {self.axes}: {len(self.points)} points>"
        return f"Point({self.axes}, {list(self.points)}{_how_text(self.method, self.k)})"


def _how(method: str | None, k: int) -> dict[str, Any]:
    return {
        name: value
        for name, value, plain in (("method", method, None), ("k", k, 1))
        if value != plain
    }


def _how_text(method: str | None, k: int) -> str:
    return "".join(f", {name}={value!r}" for name, value in _how(method, k).items())


def check_place_count(points: Sequence[Place], least: int, kind: str) -> None:
    """Refuse a shape of too few places."""
    if len(points) < least:
        raise BadShape(f"points: a {kind} needs {least} points, not {len(points)}", field="points")
