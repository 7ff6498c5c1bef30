"""An area as GeoJSON, from a shape, a geometry, a feature or a bounding box."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from ..errors import BadRequest

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

# A disk becomes a polygon of so many corners: off by 0.1 % of its radius.
CORNERS = 72
KILOMETRES_OF_A_DEGREE = 111.195
GEOMETRIES = frozenset(
    {
        "Point",
        "MultiPoint",
        "LineString",
        "MultiLineString",
        "Polygon",
        "MultiPolygon",
        "GeometryCollection",
    }
)
_LATITUDES = ("lat", "latitude", "y")
_LONGITUDES = ("lon", "longitude", "long", "x")
_PER_DEGREE = {"degrees": 1.0, "km": KILOMETRES_OF_A_DEGREE, "m": KILOMETRES_OF_A_DEGREE * 1000}


def geojson_of(area: Any, *, field: str = "area") -> dict[str, Any]:
    """An area as a GeoJSON geometry with longitudes in -180 to 180.

    Parameters
    ----------
    area : shape, geometry, mapping or sequence
        A shape of Boathouse on latitude and longitude (``bh.Box``, ``bh.Polygon``,
        ``bh.Disk``, ``bh.Point``, ``bh.Union`` of those), a GeoJSON geometry, feature or
        feature collection, whatever has ``__geo_interface__``, or ``[west, south, east,
        north]`` in degrees (west > east crosses the antimeridian).
    field : str, optional
        What an error names.

    Raises
    ------
    BadRequest
        When it is none of these.

    Examples
    --------
    >>> geojson_of([5, 44, 6, 45])["type"]
    'Polygon'
    """
    from shapely.geometry import mapping

    try:
        geometry = _within_the_map(_geometry(area))
    except BadRequest as error:
        raise BadRequest(f"{field}: {error.detail}", field=field) from error
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise BadRequest(f"{field} is not a valid area: {error}.", field=field) from error
    if geometry.is_empty:
        raise BadRequest(f"{field} is empty.", field=field)
    return _plain(mapping(geometry))


def _geometry(area: Any) -> "BaseGeometry":
    area = getattr(area, "__geo_interface__", area)
    if hasattr(area, "to_dict"):
        area = area.to_dict()
    if isinstance(area, Mapping):
        return _of_mapping(cast("Mapping[str, Any]", area))
    if isinstance(area, Sequence) and not isinstance(area, str | bytes):
        if len(area) == 4 and all(isinstance(each, int | float) for each in area):
            west, south, east, north = (float(each) for each in area)
            return _box((south, north), (west, east))
        raise BadRequest("a list must be [west, south, east, north] in degrees.")
    raise BadRequest(
        f"a {type(area).__name__} is no area; give a shape such as bh.Box(latitude=(44, 48), "
        "longitude=(5, 17)), GeoJSON, or [west, south, east, north]."
    )


def _of_mapping(document: Mapping[str, Any]) -> "BaseGeometry":
    from shapely import union_all
    from shapely.geometry import shape

    kind = document.get("type")
    if kind == "Feature":
        return _geometry(document["geometry"])
    if kind == "FeatureCollection":
        return union_all([_geometry(each["geometry"]) for each in document["features"]])
    if kind in GEOMETRIES and ("coordinates" in document or "geometries" in document):
        return shape(dict(document))
    if kind == "Union":
        return union_all([_of_mapping(each) for each in document["shapes"]])
    if kind == "Box":
        ranges = {_axis(name): tuple(value) for name, value in document["ranges"].items()}
        return _box(ranges.get("lat", (-90, 90)), ranges.get("lon", (-180, 180)))
    if kind in ("Polygon", "Point", "Disk"):
        return _of_shape(str(kind), document)
    raise BadRequest(
        f"{str(kind)[:40]!r} is no area: use a Box, Polygon, Disk, Point, a Union of those, or "
        "GeoJSON."
    )


def _of_shape(kind: str, document: Mapping[str, Any]) -> "BaseGeometry":
    from shapely.geometry import MultiPoint, Polygon

    axes = [_axis(name) for name in document["axes"]]
    if sorted(axes) != ["lat", "lon"]:
        raise BadRequest("an area lies on latitude and longitude, and on nothing else.")

    def turned(points: Any) -> list[tuple[float, float]]:
        pairs = [dict(zip(axes, point, strict=True)) for point in points]
        return [(float(pair["lon"]), float(pair["lat"])) for pair in pairs]

    if kind == "Point":
        return MultiPoint(turned(document["points"]))
    if kind == "Polygon":
        holes = [turned(hole) for hole in document.get("holes", ())]
        return Polygon(turned(document["points"]), holes)
    ((lon, lat),) = turned([document["centre"]])
    unit = str(document.get("unit", "degrees"))
    if unit not in _PER_DEGREE:
        raise BadRequest(f"a disk has its radius in degrees, km or m, not in {unit}.")
    radius = dict(zip(axes, document["radius"], strict=True))
    high, wide = (float(radius[axis]) / _PER_DEGREE[unit] for axis in ("lat", "lon"))
    if unit != "degrees":
        # A degree of longitude is shorter than one of latitude away from the equator.
        wide /= max(math.cos(math.radians(lat)), 0.01)
    turns = [2 * math.pi * corner / CORNERS for corner in range(CORNERS)]
    return Polygon(
        [
            (lon + wide * math.cos(turn), max(-90.0, min(90.0, lat + high * math.sin(turn))))
            for turn in turns
        ]
    )


def _box(latitude: Any, longitude: Any) -> "BaseGeometry":
    from shapely.geometry import box

    south, north = sorted(float(each) for each in latitude)
    west, east = (float(each) for each in longitude)
    if west > east:
        east += 360
    if not -90 <= south <= north <= 90:
        raise BadRequest(f"latitudes lie between -90 and 90; these are {south:g} and {north:g}.")
    return box(west, south, min(east, west + 360), north)


def _axis(name: str) -> str:
    lowered = str(name).lower()
    if lowered in _LATITUDES:
        return "lat"
    if lowered in _LONGITUDES:
        return "lon"
    raise BadRequest(f"an area lies on latitude and longitude, not on {str(name)[:40]!r}.")


def _within_the_map(geometry: "BaseGeometry") -> "BaseGeometry":
    """The geometry cut at the antimeridian, its pieces brought to -180 to 180."""
    from shapely import union_all
    from shapely.affinity import translate
    from shapely.geometry import box

    if geometry.is_empty:
        return geometry
    west, south, east, north = geometry.bounds
    if not all(math.isfinite(each) for each in geometry.bounds) or south < -90 or north > 90:
        raise BadRequest("latitudes lie between -90 and 90.")
    if west >= -180 and east <= 180:
        return geometry
    world = box(-180, -90, 180, 90)
    first, last = math.floor((west + 180) / 360), math.floor((east + 180) / 360)
    if last - first > 2:
        raise BadRequest("longitudes span more than the Earth.")
    pieces = [
        translate(geometry, -360 * turn).intersection(world) for turn in range(first, last + 1)
    ]
    return union_all([piece for piece in pieces if not piece.is_empty])


def _plain(value: Any) -> Any:
    """GeoJSON with lists for tuples, as JSON gives it back."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value
