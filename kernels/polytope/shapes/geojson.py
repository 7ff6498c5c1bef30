"""Reads GeoJSON: points, areas, features and collections of these, longitude first."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....catalogs.errors import BadShape
from ..shape import Shape
from .combined import Union
from .crossing import crossing
from .fields import numeric_places
from .points import Point
from .polygon import Polygon

AXES = ("latitude", "longitude")

_SHARED_NAMES = {"Point", "Polygon"}  # ours, too; GeoJSON's have coordinates
_NAMES = {
    "MultiPoint",
    "LineString",
    "MultiLineString",
    "LinearRing",
    "MultiPolygon",
    "GeometryCollection",
    "Feature",
    "FeatureCollection",
}


def is_geojson(document: Mapping[str, Any]) -> bool:
    """Whether a document is GeoJSON rather than a shape of ours of the same name."""
    kind = document.get("type")
    return kind in _NAMES or (kind in _SHARED_NAMES and "coordinates" in document)


def from_geojson(document: Mapping[str, Any]) -> Shape:
    """The shape over latitude and longitude that a GeoJSON document means.

    Parameters
    ----------
    document : mapping
        A geometry, Feature or FeatureCollection.

    Returns
    -------
    Shape
        A Point with ``method="nearest"``, a Polygon (of all parts of a MultiPolygon), or a Union:
        of several features with tags, which are their names, ids or numbers. Heights are left out.

    Raises
    ------
    BadShape
        If it holds lines, nothing, or another coordinate system.

    Notes
    -----
    Edges are straight between the longitudes as given (RFC 7946): one from 170 to -170 goes the
    long way. Only where a ring would cross itself so, it is read as crossing the date line.
    """
    _check_system(document)
    kind = document.get("type")
    if kind == "FeatureCollection":
        return _of_features(_sequence(document.get("features"), "features"))
    if kind == "Feature":
        return from_geojson(_mapping(document.get("geometry"), "geometry"))
    if kind == "GeometryCollection":
        return _of_geometries(_sequence(document.get("geometries"), "geometries"))
    coordinates = document.get("coordinates")
    if kind == "Point":
        return Point(AXES, _vertex(coordinates), method="nearest")
    if kind == "MultiPoint":
        points = [_vertex(each) for each in _sequence(coordinates, "coordinates")]
        if not points:
            raise BadShape("coordinates: there is no point", field="coordinates")
        return Point(AXES, points, method="nearest")
    if kind not in ("Polygon", "MultiPolygon"):
        raise BadShape(
            f"type: a GeoJSON {kind} is a line and has no width; give one as "
            "Path(('latitude', 'longitude'), Disk(('latitude', 'longitude'), (0, 0), 50, 'km'), "
            "*points), or an area",
            field="type",
        )
    return _polygon([coordinates] if kind == "Polygon" else _sequence(coordinates, "coordinates"))


def tagged(shapes: Sequence[Shape], tags: Sequence[str]) -> Shape:
    """A lone shape as it is; several as a Union with tags."""
    return shapes[0] if len(shapes) == 1 else Union(*shapes, tags=tags)


def _of_geometries(geometries: Sequence[Any]) -> Shape:
    if not geometries:
        raise BadShape("geometries: the collection is empty", field="geometries")
    members = [from_geojson(_mapping(each, "geometries")) for each in geometries]
    return members[0] if len(members) == 1 else Union(*members)


def _of_features(features: Sequence[Any]) -> Shape:
    if not features:
        raise BadShape("features: there is none", field="features")
    shapes: list[Shape] = []
    tags: list[str] = []
    for number, item in enumerate(features):
        feature = _mapping(item, "features")
        tags.append(_tag(feature, number))
        try:
            shapes.append(Shape.of(feature))
        except BadShape as error:
            text = f"feature {tags[-1]}: {error.detail}"
            raise BadShape(text, field=error.field) from None
    return tagged(shapes, tags)


def _tag(feature: Mapping[str, Any], number: int) -> str:
    properties = feature.get("properties")
    name = properties.get("name") if isinstance(properties, Mapping) else None
    found = next((tag for tag in (name, feature.get("id")) if tag not in (None, "")), number)
    return str(found)


def _polygon(parts: Sequence[Any]) -> Polygon:
    outer: list[list[tuple[Any, Any]]] = []
    holes: list[list[tuple[Any, Any]]] = []
    for part in parts:
        for number, ring in enumerate(_sequence(part, "coordinates")):
            vertices = [_vertex(vertex) for vertex in _sequence(ring, "coordinates")]
            (holes if number else outer).append(_whole(vertices))
    if not outer:
        raise BadShape("coordinates: the polygon is empty", field="coordinates")
    return Polygon(AXES, outer, holes)


def _whole(ring: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """A ring that jumps from 180 to -180 instead of being cut there, counting on in longitude.

    Only a ring that crosses itself as it is given is taken for one; the outline of the world has
    edges as long. One that goes around a pole is closed over it.
    """
    if numeric_places(ring, 2) is None:
        return ring  # what is wrong with it is said by the polygon
    if not any(_jump(one, other) for one, other in itertools.pairwise(ring)):
        return ring
    if crossing(np.asarray(ring, dtype=np.float64)) is None:
        return ring
    turn = 0.0
    found = ring[:1]
    for one, other in itertools.pairwise(ring):
        turn -= 360.0 * _jump(one, other)
        found.append((other[0], other[1] + turn))
    if turn:
        pole = math.copysign(90.0, sum(north for north, _ in ring))
        found += [(pole, found[-1][1]), (pole, found[0][1])]
    return found


def _jump(one: tuple[Any, Any], other: tuple[Any, Any]) -> int:
    """1 or -1 for an edge that goes more than half around the world, east or west."""
    step = other[1] - one[1]
    return 0 if abs(step) <= 180 else 1 if step > 0 else -1


def _check_system(document: Mapping[str, Any]) -> None:
    """Refuse the coordinate systems that GeoJSON allowed before RFC 7946."""
    system = document.get("crs")
    properties = system.get("properties") if isinstance(system, Mapping) else None
    name = str(properties.get("name")) if isinstance(properties, Mapping) else ""
    if system is not None and not name.endswith(("CRS84", "4326")):
        raise BadShape(
            f"crs: {name or system!r} is not longitude and latitude; reproject it to EPSG:4326",
            field="crs",
        )


def _mapping(value: object, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadShape(f"{field}: an object is needed", field=field)
    return value


def _sequence(value: object, field: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise BadShape(f"{field}: a list is needed", field=field)
    return value


def _vertex(value: object) -> tuple[Any, Any]:
    pair = _sequence(value, "coordinates")
    if len(pair) not in (2, 3):
        raise BadShape("coordinates: a vertex is [longitude, latitude]", field="coordinates")
    return pair[1], pair[0]
