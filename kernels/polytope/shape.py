"""What every shape can do: JSON both ways, equality, combination."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

from .values import Value


class Shape(ABC):
    """What is cut out of a cube: a closed set of places over named axes.

    An axis is named as the cube names its dimension or one-dimensional coordinate, or as CF
    names it (``latitude`` finds ``lat``). Axes that a shape does not mention stay whole.
    ``a & b`` is what lies in both, for shapes over different axes: a polygon and a time range.

    Values are numbers, times (datetime, NumPy, or ISO 8601 text, taken as UTC) and durations
    (timedelta or text such as ``"6h"``). All bounds belong to the shape.

    Examples
    --------
    >>> from boathouse.kernels.polytope.shapes import Box, Span
    >>> uk = Box(latitude=(50, 59), longitude=(-8, 2)) & Span("time", "2026-01-01", "2026-01-02")
    >>> Shape.from_dict(uk.to_dict()) == uk
    True
    """

    axes: tuple[str, ...]
    _kinds: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        Shape._kinds[cls.__name__] = cls

    def factors(self) -> tuple["Shape", ...]:
        """The shapes over disjoint axes whose product this is; itself if it couples them."""
        return (self,)

    @abstractmethod
    def bounds(self) -> dict[str, tuple[Value, Value]]:
        """The lowest and the highest value on each axis."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The shape as JSON-able values; ``type`` is the name of the class."""

    @classmethod
    @abstractmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        """The shape of a document that :meth:`to_dict` made."""

    @abstractmethod
    def _key(self) -> object:
        """What makes two shapes of a class equal."""

    @staticmethod
    def from_dict(document: Mapping[str, Any]) -> "Shape":
        """Read a shape from :meth:`to_dict`, GeoJSON or a Polytope feature.

        Parameters
        ----------
        document : mapping
            What ``to_dict`` gave; or a GeoJSON geometry, Feature or FeatureCollection (longitude
            first); or the ``feature`` of a Polytope request (latitude first).

        Returns
        -------
        Shape
            Of GeoJSON points, a polygon or a union over ``("latitude", "longitude")``.

        Raises
        ------
        BadShape
            If it is none of these; the text names the field.

        Examples
        --------
        >>> Shape.from_dict({"type": "Span", "axis": "level", "lower": 500, "upper": 850})
        Span('level', 500, 850)
        """
        from .shapes.reading import read_document

        return read_document(document)

    @staticmethod
    def of(value: Any) -> "Shape":
        """A shape of anything that means one.

        Parameters
        ----------
        value : Shape, mapping, str, geometry or table of geometries
            A shape; what :meth:`from_dict` takes, or JSON text of it; a shapely geometry, or
            whatever has ``__geo_interface__``; a GeoSeries or GeoDataFrame, whose rows become a
            Union with tags (its column ``name``, or the index), reprojected if need be.

        Raises
        ------
        BadShape
            If it means no shape.

        Examples
        --------
        >>> Shape.of({"type": "circle", "center": [[50, 0]], "radius": 2})
        Disk(('latitude', 'longitude'), (50, 0), 2)
        """
        from .shapes.reading import read_any

        return read_any(value)

    def to_json(self) -> str:
        """The shape as JSON text."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @staticmethod
    def from_json(text: str) -> "Shape":
        """Read a shape from the text of :meth:`to_json`, or from GeoJSON text.

        Raises
        ------
        BadShape
            If it is no JSON, or no shape.
        """
        return Shape.of(str(text))

    def __and__(self, other: "Shape") -> "Shape":
        return Shape._kinds["Product"](self, other)

    def __or__(self, other: "Shape") -> "Shape":
        return Shape._kinds["Union"](self, other)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Shape) and type(other) is type(self) and other._key() == self._key()
        )

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((type(self).__name__, self._key()))

    def __getstate__(self) -> dict[str, object]:
        # What can be derived stays here: above all a hash, which differs in another process.
        derived = {
            name
            for cls in type(self).__mro__
            for name, member in vars(cls).items()
            if isinstance(member, cached_property)
        }
        return {name: value for name, value in vars(self).items() if name not in derived}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} cannot be changed; make a new one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a {type(self).__name__} cannot be changed; make a new one")

    def _set(self, **fields: object) -> None:
        vars(self).update(fields)

    def _repr_html_(self) -> str:
        from .shapes.pictures import shape_html

        return shape_html(self)
