"""Reads the well-known text of a query: points, lines and polygons, longitude first."""

import math
from typing import Any

import msgspec
import numpy as np
import shapely

from ...catalogs.errors import BadShape

EXAMPLES = {
    "Point": "POINT(-0.1 51.5)",
    "LineString": "LINESTRING(-5 50,2 55)",
    "Polygon": "POLYGON((-6 50,2 50,2 55,-6 55,-6 50))",
}


class Vertices(msgspec.Struct, frozen=True, kw_only=True):
    """Points, or the vertices of a line.

    Attributes
    ----------
    places : tuple of (longitude, latitude)
        In degrees; along a line the longitudes go on across the date line.
    levels : tuple of float
        The Z of each; empty when there is none.
    seconds : tuple of float
        The M of each, seconds since 1970; empty when there is none.
    """

    places: tuple[tuple[float, float], ...]
    levels: tuple[float, ...] = ()
    seconds: tuple[float, ...] = ()


Ring = list[tuple[float, float]]


def read_points(text: str) -> Vertices:
    """The points of a POINT or MULTIPOINT, with Z if there is one.

    Raises
    ------
    BadShape
        Naming coords, when it is another geometry or none.

    Examples
    --------
    >>> read_points("POINT(-0.1 51.5)").places
    ((-0.1, 51.5),)
    """
    geometry = _read(text, "Point", ("Point", "MultiPoint"))
    if geometry.has_m:
        raise _bad("points have no M here; give the time as datetime", "Point")
    return _vertices(geometry)


def read_lines(text: str) -> list[Vertices]:
    """The lines of a LINESTRING or MULTILINESTRING, with Z and M as they have.

    Raises
    ------
    BadShape
        Naming coords, when it is another geometry or none.
    """
    geometry = _read(text, "LineString", ("LineString", "MultiLineString"))
    return [_unrolled(_vertices(line)) for line in shapely.get_parts(geometry)]


def read_polygons(text: str) -> tuple[list[Ring], list[Ring]]:
    """The outer rings and the holes of a POLYGON or MULTIPOLYGON.

    Returns
    -------
    outer, holes : lists of rings
        Vertices as (latitude, longitude).

    Raises
    ------
    BadShape
        Naming coords, when it is another geometry or none, or polygons overlap.
    """
    geometry = _read(text, "Polygon", ("Polygon", "MultiPolygon"))
    if geometry.has_z or geometry.has_m:
        raise _bad("polygons are flat here; give levels as z and times as datetime", "Polygon")
    parts = shapely.get_parts(geometry)
    # What a ring does wrong by itself the shape says; here only what would cancel out.
    if len(parts) > 1 and not geometry.is_valid and all(part.is_valid for part in parts):
        raise _bad(f"the polygons overlap ({shapely.is_valid_reason(geometry)})", "Polygon")
    outer = [_ring(part.exterior) for part in parts]
    return outer, [_ring(hole) for part in parts for hole in part.interiors]


def _read(text: str, kind: str, allowed: tuple[str, ...]) -> Any:
    try:
        # What overflows becomes infinite, and is refused below.
        with np.errstate(all="ignore"):
            geometry: Any = shapely.from_wkt(text.strip())
    except (shapely.errors.ShapelyError, NotImplementedError) as error:
        reason = str(error).partition(": ")[2] or str(error)
        raise _bad(f"this is no well-known text: {reason}", kind) from None
    if geometry.geom_type not in allowed:
        wanted = " or ".join(each.upper() for each in allowed)
        raise _bad(f"{geometry.geom_type.upper()} is not for this query; give a {wanted}", kind)
    if geometry.is_empty:
        raise _bad("the geometry is empty", kind)
    for longitude, latitude in shapely.get_coordinates(geometry).tolist():
        if not (math.isfinite(longitude) and math.isfinite(latitude)):
            raise _bad("every coordinate must be a finite number", kind)
        if abs(latitude) > 90:
            raise _bad(f"{latitude} is no latitude; longitude comes first", kind)
    return geometry


def _vertices(geometry: Any) -> Vertices:
    found = shapely.get_coordinates(geometry, include_z=True, include_m=True).tolist()
    for further, has, name in ((2, geometry.has_z, "Z"), (3, geometry.has_m, "M")):
        if has and not all(math.isfinite(each[further]) for each in found):
            raise _bad(f"every {name} must be a finite number", geometry.geom_type)
    return Vertices(
        places=tuple((each[0], each[1]) for each in found),
        levels=tuple(each[2] for each in found) if geometry.has_z else (),
        seconds=tuple(each[3] for each in found) if geometry.has_m else (),
    )


def _unrolled(line: Vertices) -> Vertices:
    """A line on which no leg is longer than half the way round: from 179 to -179 it goes on."""
    places = [line.places[0]]
    for longitude, latitude in line.places[1:]:
        turns = round((places[-1][0] - longitude) / 360)
        places.append((longitude + 360 * turns, latitude))
    return msgspec.structs.replace(line, places=tuple(places))


def _ring(ring: Any) -> Ring:
    return [(latitude, longitude) for longitude, latitude in shapely.get_coordinates(ring).tolist()]


def _bad(text: str, kind: str) -> BadShape:
    example = EXAMPLES.get(kind, EXAMPLES["Point"])
    return BadShape(f"coords: {text}, such as {example}.", field="coords")
