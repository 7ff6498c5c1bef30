"""Shapes that are swept along a line, and shapes that grow into each other."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from ....catalogs.errors import BadShape
from ..shape import Shape
from ..values import Value
from .convex import ConvexPolytope
from .fields import Place, axis_names, document_fields, listed, one_kind, places, spread
from .geodesics import caps_bounds
from .lengths import extremes, half_width, moved
from .points import check_place_count
from .ranges import Box
from .rounds import Disk, Ellipsoid

Swept = Box | ConvexPolytope | Disk | Ellipsoid


class Path(Shape):
    """What a shape passes over when its middle moves along a line.

    Parameters
    ----------
    axes : sequence of str
        The axes, in the order of the values of a point.
    shape : Box, ConvexPolytope, Disk or Ellipsoid
        Over the same axes, in any order. Only its size matters: the middle of its bounds is put
        on the line. On an axis of times its bounds may be durations, ``("-3h", "3h")``.
    *points : (a, b, ...)
        The corners of the line, two or more; or one list of them.
    closed : bool
        Whether the line returns from the last point to the first.

    Raises
    ------
    BadShape
        If the shape is of another kind or has other axes, or a value does not fit its axis.

    Notes
    -----
    Legs are straight in the plane of the axes. With a :class:`Disk` in kilometres they are great
    circles, and the path holds what lies within that distance of them.

    Examples
    --------
    >>> axes = ("latitude", "longitude")
    >>> Path(axes, Disk(axes, (0, 0), 1), (50, -5), (55, 0)).bounds()
    {'latitude': (49, 56), 'longitude': (-6, 1)}
    """

    shape: Swept
    points: tuple[Place, ...]
    closed: bool

    def __init__(self, axes: Sequence[str], shape: Any, *points: Any, closed: bool = False) -> None:
        names = axis_names(axes, type(self).__name__)
        found = places(spread(points), names, "points") if points else ()
        check_place_count(found, 2, type(self).__name__)
        self._set(axes=names, shape=_swept(shape, names), points=found, closed=bool(closed))
        self.bounds()  # refuses a shape that does not fit the points

    def bounds(self) -> dict[str, tuple[Value, Value]]:
        """How far it reaches on each axis."""
        shape = self.shape
        if isinstance(shape, Disk) and shape.unit == "km":
            return self._bounds_km(shape)
        found: dict[str, tuple[Value, Value]] = {}
        for number, axis in enumerate(self.axes):
            low, high = extremes(point[number] for point in self.points)
            reach = _reach(shape, axis)
            found[axis] = (moved(low, reach, axis, back=True), moved(high, reach, axis))
        return found

    def _bounds_km(self, disk: Disk) -> dict[str, tuple[Value, Value]]:
        north = self.axes.index(disk.axes[disk.latitude])
        for point in self.points:
            one_kind((0, *point), self.axes[north])
            value = point[north]
            if not isinstance(value, str) and abs(value) > 90:
                axis = self.axes[north]
                raise BadShape(f"{axis}: {value} is no latitude; give -90 to 90", field=axis)
        line = [(point[north], point[1 - north]) for point in self.points]
        if self.closed:
            line.append(line[0])
        ranges = caps_bounds(line, disk.radius[0])
        return {axis: ranges[number != north] for number, axis in enumerate(self.axes)}

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "Path", "axes": [...], "shape": {...}, "points": [...], "closed": ...}``."""
        return {
            "type": "Path",
            "axes": list(self.axes),
            "shape": self.shape.to_dict(),
            "points": [list(point) for point in self.points],
            "closed": self.closed,
        }

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        names = ("axes", "shape", "points")
        axes, shape, points = document_fields(document, names, optional=("closed",))
        points = listed(points, "points")
        return cls(listed(axes, "axes"), shape, *points, closed=bool(document.get("closed")))

    def _key(self) -> object:
        return self.axes, self.shape, self.points, self.closed

    def __repr__(self) -> str:
        name = type(self).__name__
        if len(self.points) > 12:
            return f"<{name} over {self.axes}: {self.shape!r} along {len(self.points)} points>"
        points = ", ".join(map(repr, self.points))
        closed = ", closed=True" if self.closed else ""
        return f"{name}({self.axes}, {self.shape!r}, {points}{closed})"


class PathSegment(Path):
    """What a shape passes over when its middle moves straight from one point to another.

    Parameters
    ----------
    axes : sequence of str
        The axes, in the order of the values of a point.
    shape : Box, ConvexPolytope, Disk or Ellipsoid
        As :class:`Path` takes it.
    start, end : (a, b, ...)
        The two points.

    Raises
    ------
    BadShape
        As :class:`Path`.

    Examples
    --------
    >>> tube = Box(latitude=(-1, 1), step=("-3h", "3h"))
    >>> PathSegment(("latitude", "step"), tube, (50, "0h"), (55, "12h")).bounds()["step"]
    ('-PT10800S', 'PT54000S')
    """

    def __init__(self, axes: Sequence[str], shape: Any, start: Any, end: Any) -> None:
        super().__init__(axes, shape, start, end)

    @property
    def start(self) -> Place:
        """Where the middle starts."""
        return self.points[0]

    @property
    def end(self) -> Place:
        """Where it ends."""
        return self.points[1]

    def to_dict(self) -> dict[str, Any]:
        """Type "PathSegment" with axes, shape, start and end."""
        return {
            "type": "PathSegment",
            "axes": list(self.axes),
            "shape": self.shape.to_dict(),
            "start": list(self.start),
            "end": list(self.end),
        }

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        axes, shape, start, end = document_fields(document, ("axes", "shape", "start", "end"))
        return cls(listed(axes, "axes"), shape, start, end)


class ShapePath(Shape):
    """Shapes that grow into each other: the hull of each and its next.

    Parameters
    ----------
    axes : sequence of str
        The axes.
    *shapes : Box and ConvexPolytope, or Disk and Ellipsoid
        Two or more over the same axes, in any order; or one list of them. Disks are in the axes'
        own units.

    Raises
    ------
    BadShape
        If there are fewer than two, or one is of another kind or has other axes.

    Examples
    --------
    >>> axes = ("latitude", "longitude")
    >>> plume = ShapePath(axes, Disk(axes, (50, 0), 1), Disk(axes, (55, 10), 3))
    >>> plume.bounds()
    {'latitude': (49, 58), 'longitude': (-1, 13)}
    """

    shapes: tuple[Swept, ...]

    def __init__(self, axes: Sequence[str], *shapes: Any) -> None:
        names = axis_names(axes, "ShapePath")
        found = tuple(_swept(shape, names, "ShapePath") for shape in spread(shapes))
        if len(found) < 2:
            raise BadShape(f"shapes: a ShapePath needs two, not {len(found)}", field="shapes")
        flat = [isinstance(shape, Box | ConvexPolytope) for shape in found]
        if len(set(flat)) > 1:
            raise BadShape(
                "shapes: round and angular ones do not grow into each other; give Boxes and "
                "ConvexPolytopes, or Disks and Ellipsoids",
                field="shapes",
            )
        for shape in found:
            if isinstance(shape, Disk) and shape.unit == "km":
                raise BadShape(
                    "shapes: a Disk in kilometres cannot grow; give its radius in degrees",
                    field="shapes",
                )
        self._set(axes=names, shapes=found)
        for axis, pair in self.bounds().items():
            one_kind(pair, axis)

    def bounds(self) -> dict[str, tuple[Value, Value]]:
        """The lowest and the highest of all on each axis."""
        ranges = [shape.bounds() for shape in self.shapes]
        for axis in self.axes:
            one_kind((value for each in ranges for value in each[axis]), axis)
        return {
            axis: extremes(value for each in ranges for value in each[axis]) for axis in self.axes
        }

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "ShapePath", "axes": [...], "shapes": [{...}, ...]}``."""
        shapes = [shape.to_dict() for shape in self.shapes]
        return {"type": "ShapePath", "axes": list(self.axes), "shapes": shapes}

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        axes, shapes = document_fields(document, ("axes", "shapes"))
        return cls(listed(axes, "axes"), *listed(shapes, "shapes"))

    def _key(self) -> object:
        return self.axes, self.shapes

    def __repr__(self) -> str:
        if len(self.shapes) > 6:
            return f"<ShapePath over {self.axes}: {len(self.shapes)} shapes>"
        return f"ShapePath({self.axes}, {', '.join(map(repr, self.shapes))})"


def _swept(value: Any, axes: Sequence[str], kind: str = "Path") -> Swept:
    shape = Shape.of(value)
    if not isinstance(shape, Box | ConvexPolytope | Disk | Ellipsoid):
        raise BadShape(
            f"shape: a {kind} takes a Box, ConvexPolytope, Disk or Ellipsoid, not a "
            f"{type(shape).__name__}",
            field="shape",
        )
    odd = sorted(set(axes) ^ set(shape.axes))
    if odd:
        raise BadShape(
            f"{odd[0]}: the {type(shape).__name__} must have the axes {', '.join(axes)}, not "
            f"{', '.join(shape.axes)}",
            field=odd[0],
        )
    return shape


def _reach(shape: Swept, axis: str) -> Value:
    """How far a shape reaches from its middle."""
    if isinstance(shape, Disk | Ellipsoid):
        return shape.radius[shape.axes.index(axis)]
    return half_width(*shape.bounds()[axis], axis)
