"""Reads a shape from whatever means one: documents, JSON text, geometries, tables of them."""

import json
from collections.abc import Mapping
from typing import Any

from ....catalogs.errors import BadShape
from ..shape import Shape
from .features import from_feature, is_feature
from .geojson import from_geojson, is_geojson, tagged

_MEND = (
    "give a Box, Disk, Polygon or another Shape, its dict, GeoJSON, a shapely geometry, a "
    "GeoDataFrame, or a Polytope feature"
)


def read_document(document: Mapping[str, Any]) -> Shape:
    """The shape of a dict; see :meth:`Shape.from_dict`."""
    if is_geojson(document):
        return from_geojson(document)
    if is_feature(document):
        return from_feature(document)
    kind = document.get("type")
    kinds = Shape._kinds
    if not isinstance(kind, str) or kind not in kinds:
        known = ", ".join(sorted(kinds))
        raise BadShape(
            f"type: {kind!r} is no shape; known are {known}, GeoJSON and Polytope features",
            field="type",
        )
    return kinds[kind]._read(document)


def read_any(value: Any) -> Shape:
    """The shape of anything that means one; see :meth:`Shape.of`."""
    if isinstance(value, Shape):
        return value
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise BadShape(f"the shape is no JSON: {error}", field="shape") from None
    elif hasattr(value, "to_crs") and hasattr(value, "geometry"):
        return _from_table(value)
    elif not isinstance(value, Mapping):
        value = getattr(value, "__geo_interface__", value)
    if not isinstance(value, Mapping):
        raise BadShape(f"{type(value).__name__} is no shape; {_MEND}", field="shape")
    return read_document(value)


def _from_table(table: Any) -> Shape:
    """The shape of a GeoSeries or GeoDataFrame; other coordinate systems are reprojected."""
    if table.crs is not None and table.crs != "EPSG:4326":
        table = table.to_crs("EPSG:4326")
    geometries = list(table.geometry)
    if not geometries:
        raise BadShape("shape: the table has no rows", field="shape")
    named = "name" in getattr(table, "columns", ())
    tags = [str(tag) for tag in (table["name"] if named else table.index)]
    shapes: list[Shape] = []
    for tag, geometry in zip(tags, geometries, strict=True):
        if geometry is None or geometry.is_empty:
            raise BadShape(f"{tag}: has no geometry; leave the row out", field="geometry")
        try:
            shapes.append(from_geojson(geometry.__geo_interface__))
        except BadShape as error:
            raise BadShape(f"{tag}: {error.detail}", field=error.field) from None
    return tagged(shapes, tags)
