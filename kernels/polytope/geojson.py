"""Reads the rings of GeoJSON polygons."""

from collections.abc import Mapping
from typing import Any

from ...catalogs.errors import BadShape

Rings = list[list[tuple[Any, Any]]]

_GEOMETRIES = {
    "Point",
    "MultiPoint",
    "LineString",
    "MultiLineString",
    "MultiPolygon",
    "GeometryCollection",
    "Feature",
    "FeatureCollection",
}


def is_geojson(document: Mapping[str, Any]) -> bool:
    """Whether a document is GeoJSON: of the two Polygons the one with ``coordinates``."""
    kind = document.get("type")
    return kind in _GEOMETRIES or (kind == "Polygon" and "coordinates" in document)


def rings(document: Mapping[str, Any]) -> tuple[Rings, Rings]:
    """The outer rings and the holes of a GeoJSON polygon.

    Parameters
    ----------
    document : mapping
        A Polygon, MultiPolygon, Feature or a FeatureCollection of one Feature.

    Returns
    -------
    outer, holes : list of rings
        Vertices as (latitude, longitude); heights are left out.

    Raises
    ------
    BadShape
        If it holds no polygon.
    """
    kind = document.get("type")
    if kind == "FeatureCollection":
        features = document.get("features")
        if not isinstance(features, list | tuple) or len(features) != 1:
            raise BadShape(
                "features: one Feature is needed; give the one that you mean", field="features"
            )
        return rings(_mapping(features[0], "features"))
    if kind == "Feature":
        return rings(_mapping(document.get("geometry"), "geometry"))
    if kind not in ("Polygon", "MultiPolygon"):
        raise BadShape(
            f"type: a GeoJSON {kind} has no area; a Polygon or MultiPolygon is needed", field="type"
        )
    coordinates = _sequence(document.get("coordinates"))
    polygons = [coordinates] if kind == "Polygon" else [_sequence(part) for part in coordinates]
    outer: Rings = []
    holes: Rings = []
    for polygon in polygons:
        for number, ring in enumerate(polygon):
            (holes if number else outer).append([_vertex(vertex) for vertex in _sequence(ring)])
    if not outer:
        raise BadShape("coordinates: the polygon is empty", field="coordinates")
    return outer, holes


def _mapping(value: object, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadShape(f"{field}: an object is needed", field=field)
    return value


def _sequence(value: object) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise BadShape("coordinates: a list is needed", field="coordinates")
    return value


def _vertex(value: object) -> tuple[Any, Any]:
    pair = _sequence(value)
    if len(pair) not in (2, 3):
        raise BadShape("coordinates: a vertex is [longitude, latitude]", field="coordinates")
    return pair[1], pair[0]
