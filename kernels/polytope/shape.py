"""What every shape can do: JSON both ways, equality, combination."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from ...catalogs.errors import BadShape
from . import geojson
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
        """Read a shape from :meth:`to_dict`, or from a GeoJSON polygon.

        Parameters
        ----------
        document : mapping
            What ``to_dict`` gave; or a GeoJSON Polygon, MultiPolygon, a Feature of one, or a
            FeatureCollection of one Feature (longitude first, as GeoJSON has it).

        Returns
        -------
        Shape
            Of GeoJSON a :class:`Polygon` over ``("latitude", "longitude")``.

        Raises
        ------
        BadShape
            If it is neither; the text names the field.

        Examples
        --------
        >>> Shape.from_dict({"type": "Span", "axis": "level", "lower": 500, "upper": 850})
        Span('level', 500, 850)
        """
        kind = document.get("type")
        if geojson.is_geojson(document):
            outer, holes = geojson.rings(document)
            return _kinds()["Polygon"](("latitude", "longitude"), outer, holes)
        kinds = _kinds()
        if not isinstance(kind, str) or kind not in kinds:
            known = ", ".join(sorted(kinds))
            raise BadShape(
                f"type: {kind!r} is no shape; known are {known} and GeoJSON polygons", field="type"
            )
        return kinds[kind]._read(document)

    @staticmethod
    def of(value: Any) -> "Shape":
        """A shape of anything that means one.

        Parameters
        ----------
        value : Shape, mapping, str or geometry
            A shape, its dict, GeoJSON, JSON text of these, or an object with
            ``__geo_interface__`` (shapely, geopandas) that is a polygon.

        Raises
        ------
        BadShape
            If it means no shape.
        """
        if isinstance(value, Shape):
            return value
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError as error:
                raise BadShape(f"the shape is no JSON: {error}", field="shape") from None
        elif not isinstance(value, Mapping):
            value = getattr(value, "__geo_interface__", value)
        if not isinstance(value, Mapping):
            raise BadShape(
                f"{type(value).__name__} is no shape; give a Box, Polygon, Span, their dict, "
                "GeoJSON or a shapely polygon",
                field="shape",
            )
        return Shape.from_dict(value)

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
        return _kinds()["Product"](self, other)

    def __or__(self, other: "Shape") -> "Shape":
        return _kinds()["Union"](self, other)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Shape) and type(other) is type(self) and other._key() == self._key()
        )

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._key()))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} cannot be changed; make a new one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a {type(self).__name__} cannot be changed; make a new one")

    def _set(self, **fields: object) -> None:
        vars(self).update(fields)

    def _repr_html_(self) -> str:
        from .drawing import shape_html

        return shape_html(self)


def _kinds() -> dict[str, Any]:
    """The classes of shapes by their names."""
    from . import shapes

    return {name: kind for name, kind in Shape._kinds.items() if hasattr(shapes, name)}
