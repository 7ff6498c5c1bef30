"""Turns the shapes that couple axes into convex bodies in the numbers of a cube's axes."""

import itertools
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ...catalogs.errors import BadShape
from .bodies import Bodies, Numbers
from .hulls import hulls, swept_boxes
from .quadrics import Ellipsoids
from .shapes import Box, ConvexPolytope, Disk, Ellipsoid, Path, Shape, ShapePath
from .sphere import Caps, Corridors
from .values import Value


class Scale(Protocol):
    """What is needed of an axis: how its values become numbers."""

    @property
    def name(self) -> str:
        """The coordinate's name."""
        ...

    def number(self, value: Value) -> float:
        """A value of a shape as a number."""
        ...

    def length(self, value: Value) -> float:
        """A length along the axis as a number."""
        ...

    @property
    def is_latitude(self) -> bool:
        """Whether it is the latitude in degrees."""
        ...


def bodies_of(shape: Shape, scales: Sequence[Scale], order: Sequence[int]) -> Bodies:
    """The bodies of a shape.

    Parameters
    ----------
    shape : Disk, Ellipsoid, ConvexPolytope, Path or ShapePath
        What couples axes.
    scales : sequence of Scale
        One for each of the shape's axes, in the cube's order.
    order : sequence of int
        For each of these the number of the axis in the shape.

    Raises
    ------
    BadShape
        If a value does not fit its axis.
    """
    form = _Form(shape, scales, order)
    if isinstance(shape, Disk | Ellipsoid):
        centre = form.point(shape.centre)[None]
        if isinstance(shape, Disk) and shape.unit == "km":
            first = form.latitude_first()
            place = centre if first else centre[:, ::-1]
            return Caps(place, float(shape.radius[0]), latitude_first=first)
        return Ellipsoids(centre, centre, form.lengths(shape.radius))
    if isinstance(shape, ConvexPolytope):
        return hulls([form.points(shape.points)])
    if isinstance(shape, Path):
        return form.swept(shape)
    if isinstance(shape, ShapePath):
        return form.growing(shape)
    raise BadShape(f"{type(shape).__name__}: cannot be cut out of this cube", field="shape")


class _Form:
    """The numbers of one shape."""

    def __init__(self, shape: Shape, scales: Sequence[Scale], order: Sequence[int]) -> None:
        self._names = [shape.axes[number] for number in order]
        self._scales, self._order = scales, order

    def point(self, values: Sequence[Value]) -> Numbers:
        ordered = [values[number] for number in self._order]
        return np.array([s.number(v) for s, v in zip(self._scales, ordered, strict=True)])

    def points(self, points: Sequence[Sequence[Value]]) -> Numbers:
        return np.stack([self.point(point) for point in points])

    def lengths(self, values: Sequence[Value]) -> Numbers:
        ordered = [values[number] for number in self._order]
        return np.array([s.length(v) for s, v in zip(self._scales, ordered, strict=True)])

    def latitude_first(self) -> bool:
        """Whether the first of two axes is the latitude; only they can be in kilometres."""
        found = [scale.is_latitude for scale in self._scales]
        if found.count(True) != 1:
            names = " and ".join(scale.name for scale in self._scales)
            raise BadShape(
                f"{names}: a radius in kilometres needs latitude and longitude in degrees; give "
                "the radius in the axes' units",
                field=self._names[0],
            )
        return found[0]

    def swept(self, path: Path) -> Bodies:
        way = self.points(path.points)
        if path.closed:
            way = np.concatenate([way, way[:1]])
        start, end = way[:-1], way[1:]
        shape = path.shape
        if isinstance(shape, Disk) and shape.unit == "km":
            first = self.latitude_first()
            corners = (start, end) if first else (start[:, ::-1], end[:, ::-1])
            return Corridors(*corners, float(shape.radius[0]), latitude_first=first)
        if isinstance(shape, Box):
            return swept_boxes(start, end, self._half_widths(shape))
        if isinstance(shape, Disk | Ellipsoid):
            return Ellipsoids(start, end, self._radii(shape))
        cloud = self._centred(shape)
        return hulls([np.concatenate([cloud + a, cloud + b]) for a, b in zip(start, end)])  # noqa: B905

    def growing(self, path: ShapePath) -> Bodies:
        if all(isinstance(shape, Disk | Ellipsoid) for shape in path.shapes):
            return self._growing_rounds(path.shapes)
        clouds = [self._corners(shape) for shape in path.shapes]
        return hulls([np.concatenate(pair) for pair in itertools.pairwise(clouds)])

    def _growing_rounds(self, shapes: Sequence[Any]) -> Bodies:
        centres = [self._ordered(shape.axes, shape.centre) for shape in shapes]
        radii = [self._radii(shape) for shape in shapes]
        parts: list[Bodies] = []
        for (a, b), (r, s) in zip(
            itertools.pairwise(centres), itertools.pairwise(radii), strict=True
        ):
            growth = s[r > 0] / r[r > 0]
            ratio = float(growth[0]) if len(growth) else 1.0
            if not np.allclose(s, r * ratio, rtol=1e-9):
                raise BadShape(
                    "shapes: the radii must grow alike on every axis; give a ConvexPolytope, or "
                    "Boxes",
                    field="shapes",
                )
            parts.append(Ellipsoids(a[None], b[None], r, ratio))
        return parts[0] if len(parts) == 1 else Several(parts)

    def _ordered(self, axes: Sequence[str], values: Sequence[Value]) -> Numbers:
        by_name = dict(zip(axes, values, strict=True))
        return np.array(
            [s.number(by_name[n]) for s, n in zip(self._scales, self._names, strict=True)]
        )

    def _radii(self, shape: Any) -> Numbers:
        by_name = dict(zip(shape.axes, shape.radius, strict=True))
        return np.array(
            [s.length(by_name[n]) for s, n in zip(self._scales, self._names, strict=True)]
        )

    def _half_widths(self, box: Box) -> Numbers:
        ranges = box.ranges
        return np.array(
            [_width(s, *ranges[n]) / 2 for s, n in zip(self._scales, self._names, strict=True)]
        )

    def _centred(self, shape: ConvexPolytope) -> Numbers:
        columns = [shape.axes.index(name) for name in self._names]
        cloud = np.array(
            [
                [_offset(s, point[c]) for s, c in zip(self._scales, columns, strict=True)]
                for point in shape.points
            ]
        )
        return cloud - (cloud.min(axis=0) + cloud.max(axis=0)) / 2

    def _corners(self, shape: Shape) -> Numbers:
        if isinstance(shape, Box):
            pairs = [shape.ranges[name] for name in self._names]
            numbers = [[s.number(v) for v in p] for s, p in zip(self._scales, pairs, strict=True)]
            return np.array(list(itertools.product(*numbers)))
        if isinstance(shape, ConvexPolytope):
            return np.stack([self._ordered(shape.axes, point) for point in shape.points])
        raise BadShape(
            f"shapes: a {type(shape).__name__} cannot grow into another kind of shape; give Boxes "
            "and ConvexPolytopes, or Disks and Ellipsoids",
            field="shapes",
        )


class Several(Bodies):
    """Bodies of several forms."""

    def __init__(self, parts: Sequence[Bodies]) -> None:
        self._parts = parts
        self.lower = np.concatenate([part.lower for part in parts])
        self.upper = np.concatenate([part.upper for part in parts])
        sizes = [len(part.lower) for part in parts]
        self._part = np.repeat(np.arange(len(parts)), sizes)
        self._number = np.concatenate([np.arange(size) for size in sizes])

    def between(self, body: Any, prefix: Numbers) -> tuple[Numbers, Numbers]:
        """As :meth:`Bodies.between` says."""
        low, high = np.empty(len(body)), np.empty(len(body))
        for number in np.unique(self._part[body]):
            rows = self._part[body] == number
            part = self._parts[number]
            low[rows], high[rows] = part.between(self._number[body[rows]], prefix[rows])
        return low, high

    def contain(self, body: int, points: Numbers) -> Any:
        """As :meth:`Bodies.contain` says."""
        return self._parts[self._part[body]].contain(int(self._number[body]), points)


def _width(scale: Scale, low: Value, high: Value) -> float:
    return _offset(scale, high) - _offset(scale, low)


def _offset(scale: Scale, value: Value) -> float:
    """A coordinate of a swept shape: on an axis of times a time, or a length from the middle."""
    try:
        return scale.length(value)
    except BadShape:
        return scale.number(value)
