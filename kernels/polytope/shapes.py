"""Shapes that can be cut out of a cube: ranges, boxes, polygons and their products."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from ...catalogs.errors import BadShape
from .rings import Ring, is_many, read_ring
from .shape import Shape
from .values import Value, canonical, in_order

__all__ = ["Box", "Polygon", "Product", "Shape", "Span"]


class Span(Shape):
    """A closed range of one axis.

    Parameters
    ----------
    axis : str
        The axis.
    lower, upper : number, time or duration
        Both ends belong to it. On a cyclic axis values beyond the cube's own are folded: a range
        across the seam is (-10, 10) or (350, 370).

    Raises
    ------
    BadShape
        If lower is above upper, or a value is no coordinate.

    Examples
    --------
    >>> Span("time", "2026-01-01", "2026-01-02T12:00")
    Span('time', '2026-01-01', '2026-01-02T12:00:00')
    """

    axis: str
    lower: Value
    upper: Value

    def __init__(self, axis: str, lower: Any, upper: Any) -> None:
        axis = _axis_name(axis, "axis")
        low, high = _range(axis, lower, upper)
        self._set(axes=(axis,), axis=axis, lower=low, upper=high)

    def factors(self) -> tuple[Shape, ...]:
        """Itself."""
        return (self,)

    def bounds(self) -> dict[str, tuple[Value, Value]]:
        """The range, by the axis."""
        return {self.axis: (self.lower, self.upper)}

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "Span", "axis": ..., "lower": ..., "upper": ...}``."""
        return {"type": "Span", "axis": self.axis, "lower": self.lower, "upper": self.upper}

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        axis, lower, upper = _fields(document, ("axis", "lower", "upper"))
        return cls(axis, lower, upper)

    def _key(self) -> object:
        return self.axis, self.lower, self.upper

    def __repr__(self) -> str:
        return f"Span({self.axis!r}, {self.lower!r}, {self.upper!r})"


class Box(Shape):
    """Closed ranges of one or more axes.

    Parameters
    ----------
    ranges : mapping of str to (lower, upper), optional
        For axes whose names are no Python names.
    **axes : (lower, upper)
        A range for each axis, as :class:`Span` takes it.

    Examples
    --------
    >>> Box(latitude=(50, 55), longitude=(-5, 2)).axes
    ('latitude', 'longitude')
    """

    _ranges: dict[str, tuple[Value, Value]]

    def __init__(self, ranges: Mapping[str, Any] | None = None, /, **axes: Any) -> None:
        given = {**(ranges or {}), **axes}
        if ranges and len(given) < len(ranges) + len(axes):
            raise BadShape("an axis is given twice", field="ranges")
        if not given:
            raise BadShape("a Box needs an axis: Box(latitude=(50, 55))", field="ranges")
        spans: dict[str, tuple[Value, Value]] = {}
        for name, pair in given.items():
            axis = _axis_name(name, "ranges")
            spans[axis] = _range(axis, *_pair(pair, axis))
        self._set(axes=tuple(spans), _ranges=spans)

    @property
    def ranges(self) -> dict[str, tuple[Value, Value]]:
        """The range of each axis."""
        return dict(self._ranges)

    def factors(self) -> tuple[Shape, ...]:
        """A Span for each axis."""
        return tuple(Span(axis, *pair) for axis, pair in self.ranges.items())

    def bounds(self) -> dict[str, tuple[Value, Value]]:
        """The ranges."""
        return self.ranges

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "Box", "ranges": {axis: [lower, upper]}}``."""
        return {"type": "Box", "ranges": {axis: list(pair) for axis, pair in self.ranges.items()}}

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        (ranges,) = _fields(document, ("ranges",))
        if not isinstance(ranges, Mapping):
            raise BadShape("ranges: an object of axis: [lower, upper] is needed", field="ranges")
        return cls(ranges)

    def _key(self) -> object:
        return frozenset(self.ranges.items())

    def __repr__(self) -> str:
        if all(axis.isidentifier() for axis in self.axes):
            return f"Box({', '.join(f'{axis}={pair!r}' for axis, pair in self.ranges.items())})"
        return f"Box({self.ranges!r})"


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
        If there are not two axes, a ring has fewer than three vertices or a vertex is no pair
        of coordinates.

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
        names = (axes,) if isinstance(axes, str) else tuple(axes)
        if len(names) != 2 or names[0] == names[1]:
            raise BadShape("axes: a Polygon needs two different axes", field="axes")
        given = points if isinstance(points, np.ndarray) else list(points)
        outer = list(given) if is_many(given) else [given]
        self._set(
            axes=tuple(_axis_name(name, "axes") for name in names),
            outer=tuple(read_ring(ring, "points") for ring in outer),
            holes=tuple(read_ring(ring, "holes") for ring in holes),
        )
        for number, axis in enumerate(self.axes):
            kinds = {isinstance(v[number], str) for ring in self.rings for v in ring}
            if len(kinds) > 1:
                raise BadShape(f"{axis}: numbers and times are mixed", field=axis)

    @property
    def rings(self) -> tuple[Ring, ...]:
        """All rings, the holes last; each without a repeated last vertex."""
        return self.outer + self.holes

    def factors(self) -> tuple[Shape, ...]:
        """Itself."""
        return (self,)

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
        axes, points = _fields(document, ("axes", "points"), optional=("holes",))
        holes = document.get("holes") or ()
        for name, value in (("axes", axes), ("points", points), ("holes", holes)):
            if not isinstance(value, list | tuple | np.ndarray):
                raise BadShape(f"{name}: a list is needed", field=name)
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


class Product(Shape):
    """Shapes over different axes, all of which must hold: a polygon and a time range.

    Usually written ``polygon & Span("time", ...)``.

    Raises
    ------
    BadShape
        If two of them speak of the same axis.
    """

    shapes: tuple[Shape, ...]

    def __init__(self, *shapes: Any) -> None:
        parts: list[Shape] = []
        for shape in map(Shape.of, shapes):
            parts.extend(shape.shapes if isinstance(shape, Product) else (shape,))
        if not parts:
            raise BadShape("a Product needs a shape", field="shapes")
        axes = tuple(axis for shape in parts for axis in shape.axes)
        twice = sorted({axis for axis in axes if axes.count(axis) > 1})
        if twice:
            raise BadShape(f"{', '.join(twice)}: covered twice; give one range", field=twice[0])
        self._set(axes=axes, shapes=tuple(parts))

    def factors(self) -> tuple[Shape, ...]:
        """The factors of its shapes."""
        return tuple(factor for shape in self.shapes for factor in shape.factors())

    def bounds(self) -> dict[str, tuple[Value, Value]]:
        """The bounds of its shapes."""
        return {axis: pair for shape in self.shapes for axis, pair in shape.bounds().items()}

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "Product", "shapes": [...]}``."""
        return {"type": "Product", "shapes": [shape.to_dict() for shape in self.shapes]}

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        (shapes,) = _fields(document, ("shapes",))
        if not isinstance(shapes, list | tuple):
            raise BadShape("shapes: a list of shapes is needed", field="shapes")
        return cls(*shapes)

    def _key(self) -> object:
        return frozenset(self.shapes)

    def __repr__(self) -> str:
        return " & ".join(map(repr, self.shapes))


def _axis_name(name: object, field: str) -> str:
    if not isinstance(name, str) or not name.strip():
        raise BadShape(f"{field}: {name!r} is no name of an axis", field=field)
    return name


def _pair(pair: object, axis: str) -> tuple[Any, Any]:
    if isinstance(pair, slice):
        pair = (pair.start, pair.stop)
    if not isinstance(pair, list | tuple | np.ndarray) or len(pair) != 2:
        raise BadShape(f"{axis}: (lower, upper) is needed, not {pair!r}", field=axis)
    low, high = pair
    return low, high


def _range(axis: str, lower: Any, upper: Any) -> tuple[Value, Value]:
    low, high = canonical(lower, axis), canonical(upper, axis)
    if isinstance(low, str) != isinstance(high, str):
        raise BadShape(f"{axis}: {low!r} and {high!r} are not of one kind", field=axis)
    if in_order(low, high) is False:
        raise BadShape(
            f"{axis}: the lower bound {low} is above the upper bound {high}; exchange them, or "
            "write a range across the seam of a cyclic axis as (-10, 10) or (350, 370)",
            field=axis,
        )
    return low, high


def _fields(
    document: Mapping[str, Any], names: tuple[str, ...], optional: tuple[str, ...] = ()
) -> tuple[Any, ...]:
    kind = document.get("type")
    for name in names:
        if document.get(name) is None:
            raise BadShape(f"{name}: missing in the {kind}", field=name)
    for name in document:
        if name not in ("type", *names, *optional):
            raise BadShape(f"{name}: a {kind} has no such field", field=str(name))
    return tuple(document[name] for name in names)
