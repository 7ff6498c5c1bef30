"""Shapes of single axes and their boxes: a range, a range of each, the whole axis."""

from collections.abc import Mapping
from typing import Any, Self

from ....catalogs.errors import BadShape
from ..shape import Shape
from ..values import Value
from .fields import axis_name, document_fields, range_pair, value_range


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
        axis = axis_name(axis, "axis")
        low, high = value_range(axis, lower, upper)
        self._set(axes=(axis,), axis=axis, lower=low, upper=high)

    def bounds(self) -> dict[str, tuple[Value, Value]]:
        """The range, by the axis."""
        return {self.axis: (self.lower, self.upper)}

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "Span", "axis": ..., "lower": ..., "upper": ...}``."""
        return {"type": "Span", "axis": self.axis, "lower": self.lower, "upper": self.upper}

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        axis, lower, upper = document_fields(document, ("axis", "lower", "upper"))
        return cls(axis, lower, upper)

    def _key(self) -> object:
        return self.axis, self.lower, self.upper

    def __repr__(self) -> str:
        return f"Span({self.axis!r}, {self.lower!r}, {self.upper!r})"


class All(Shape):
    """A whole axis, said aloud; axes that a shape does not mention stay whole too.

    Parameters
    ----------
    axis : str
        The axis.

    Examples
    --------
    >>> All("level").bounds()
    {}
    """

    axis: str

    def __init__(self, axis: str) -> None:
        axis = axis_name(axis, "axis")
        self._set(axes=(axis,), axis=axis)

    def bounds(self) -> dict[str, tuple[Value, Value]]:
        """Empty: only the cube knows how far the axis goes."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "All", "axis": ...}``."""
        return {"type": "All", "axis": self.axis}

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        (axis,) = document_fields(document, ("axis",))
        return cls(axis)

    def _key(self) -> object:
        return self.axis

    def __repr__(self) -> str:
        return f"All({self.axis!r})"


class Box(Shape):
    """Closed ranges of one or more axes.

    Parameters
    ----------
    ranges : mapping of str to (lower, upper), optional
        For axes whose names are no Python names.
    **axes : (lower, upper)
        A range for each axis, as :class:`Span` takes it.

    Raises
    ------
    BadShape
        If there is no axis, or a range is none.

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
            axis = axis_name(name, "ranges")
            spans[axis] = value_range(axis, *range_pair(pair, axis))
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
        (ranges,) = document_fields(document, ("ranges",))
        if not isinstance(ranges, Mapping):
            raise BadShape("ranges: an object of axis: [lower, upper] is needed", field="ranges")
        return cls(ranges)

    def _key(self) -> object:
        return frozenset(self.ranges.items())

    def __repr__(self) -> str:
        if all(axis.isidentifier() for axis in self.axes):
            return f"Box({', '.join(f'{axis}={pair!r}' for axis, pair in self.ranges.items())})"
        return f"Box({self.ranges!r})"
