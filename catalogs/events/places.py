"""Where an event is: geometries and boxes in degrees, safe at the antimeridian."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ..errors import BadEvent

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from .event import Event

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
# No longitude of a shape may be farther off; it is brought back by whole turns.
FARTHEST = 1080
Box = tuple[float, float, float, float]


def parse_box(text: str, field: str = "bbox") -> Box:
    """``"west,south,east,north"`` in degrees as numbers.

    Raises
    ------
    BadEvent
        When it is no such box.

    Examples
    --------
    >>> parse_box("170,-10,-170,10")
    (170.0, -10.0, -170.0, 10.0)
    """
    try:
        return _parsed_box(text)
    except ValueError as error:
        raise BadEvent(
            f"{field} must be 'west,south,east,north' in degrees, with south <= north; "
            f"{text[:60]!r} is not.",
            field=field,
        ) from error


def check_box(box: Any, field: str = "bbox") -> Box:
    """Four numbers west, south, east, north in degrees; raises ``BadEvent``."""
    given: Any = box if isinstance(box, list | tuple) else ()
    if len(given) == 4 and all(_is_degree(each) for each in given):
        west, south, east, north = map(float, given)
        if -90 <= south <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180:
            return west, south, east, north
    raise BadEvent(
        f"{field} must be west, south, east and north in degrees, with south <= north (west may be "
        "larger than east: across the antimeridian).",
        field=field,
    )


def box_geometry(box: Box) -> dict[str, Any]:
    """A box as GeoJSON, cut in two where it crosses the antimeridian."""
    west, south, east, north = box
    if west <= east:
        return {"type": "Polygon", "coordinates": [_ring(west, south, east, north)]}
    rings = [[_ring(west, south, 180.0, north)], [_ring(-180.0, south, east, north)]]
    return {"type": "MultiPolygon", "coordinates": rings}


def check_area(area: Any, field: str = "area") -> None:
    """Raise ``BadEvent`` when it is no GeoJSON geometry with a valid, non-empty shape."""
    if not _is_geometry(area):
        raise BadEvent(
            f"{field} must be a GeoJSON geometry: {', '.join(sorted(GEOMETRIES))}.", field=field
        )
    try:
        prepared(cast("Mapping[str, Any]", area))
    except (TypeError, BadEvent) as error:
        raise BadEvent(f"{field} is no valid, non-empty GeoJSON geometry.", field=field) from error


def event_geometry(event: "Event") -> dict[str, Any] | None:
    """Where the event says that it is, as GeoJSON; None when it does not say."""
    found = _geometry_or_box(event)
    return box_geometry(found) if isinstance(found, tuple) else found


def event_boxes(event: "Event") -> list[Box]:
    """Boxes that hold the event's geometry, none of them across the antimeridian."""
    if not (event.bbox or isinstance(event.data, dict)):
        return []
    found = _geometry_or_box(event)
    if found is None:
        return []
    if isinstance(found, tuple):
        west, south, east, north = found
        if west <= east:
            return [found]
        return [(west, south, 180.0, north), (-180.0, south, east, north)]
    shape = _shape(found)
    return [] if shape is None else boxes_of(shape)


def event_shape(event: "Event") -> "BaseGeometry | None":
    """The event's geometry within -180 to 180 degrees; None when it says none that is valid."""
    geometry = event_geometry(event)
    return None if geometry is None else _shape(geometry)


def touches(event: "Event", area: Sequence[float] | Mapping[str, Any]) -> bool:
    """Whether the event's geometry and a box or a GeoJSON geometry have a point in common."""
    shape = event_shape(event)
    return shape is not None and bool(prepared(area).intersects(shape))


def boxes_of(shape: "BaseGeometry") -> list[Box]:
    """The shape's bounds; two of them when it has a part at either side of the antimeridian."""
    west, south, east, north = shape.bounds
    if not (west <= -180 and east >= 180):
        return [(west, south, east, north)]
    from shapely import get_parts

    middle = [each.bounds for each in get_parts(shape)]
    halves = [
        [each for each in middle if (each[0] + each[2] < 0) is western] for western in (True, False)
    ]
    return [
        (
            min(each[0] for each in half),
            min(each[1] for each in half),
            max(each[2] for each in half),
            max(each[3] for each in half),
        )
        for half in halves
        if half
    ]


def prepared(area: Sequence[float] | Mapping[str, Any]) -> "BaseGeometry":
    """A filter's box or geometry as a shape that is quick to ask; raises ``BadEvent``."""
    return _prepared(msgspec.json.encode(area, order="sorted"))


@lru_cache(maxsize=1024)
def _parsed_box(text: str) -> Box:
    return check_box([float(part) for part in text.split(",")])


@lru_cache(maxsize=256)
def _prepared(area: bytes) -> "BaseGeometry":
    from shapely import prepare

    document = msgspec.json.decode(area)
    if isinstance(document, list):
        document = box_geometry(check_box(document))
    shape = _shape(document)
    if shape is None:
        raise BadEvent("area is no valid, non-empty GeoJSON geometry.", field="area")
    prepare(shape)
    return shape


def _geometry_or_box(event: "Event") -> dict[str, Any] | Box | None:
    data: Any = event.data
    if isinstance(data, dict):
        geometry = data.get("geometry")
        if _is_geometry(geometry):
            return geometry
        identifier = data.get("identifier")
        if isinstance(identifier, dict):
            found = _of_identifier(cast("dict[str, Any]", identifier))
            if found is not None:
                return found
    box: Any = event.bbox or (data.get("bbox") if isinstance(data, dict) else None)
    return _of_box(box) if box else None


def _of_box(box: Any) -> Box | None:
    try:
        if isinstance(box, str):
            return parse_box(box)
        if isinstance(box, list) and len(cast("list[Any]", box)) == 6:
            box = [box[0], box[1], box[3], box[4]]  # STAC: with heights
        return check_box(box)
    except BadEvent:
        return None


def _of_identifier(identifier: dict[str, Any]) -> dict[str, Any] | None:
    """Aviso's polygon or point: ``lat,lon,lat,lon``, latitude first."""
    for name, kind in (("polygon", "Polygon"), ("point", "Point")):
        value = identifier.get(name)
        pairs = _pairs(value) if value else None
        if pairs and kind == "Polygon" and len(pairs) >= 4:
            return {"type": "Polygon", "coordinates": [pairs]}
        if pairs and kind == "Point" and len(pairs) == 1:
            return {"type": "Point", "coordinates": pairs[0]}
    return None


def _pairs(value: Any) -> list[list[float]] | None:
    if isinstance(value, str):
        value = value.strip().removeprefix("(").removesuffix(")").split(",")
    if not isinstance(value, list):
        return None
    numbers: list[Any] = []
    for each in cast("list[Any]", value):
        numbers += each if isinstance(each, list) else [each]
    try:
        degrees = [float(each) for each in numbers]
    except (TypeError, ValueError, OverflowError):
        return None
    if len(degrees) % 2:
        return None
    pairs = zip(degrees[::2], degrees[1::2], strict=True)
    return [[longitude, latitude] for latitude, longitude in pairs]


def _ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def _is_geometry(value: Any) -> bool:
    kind = cast("Any", value).get("type") if isinstance(value, Mapping) else None
    return isinstance(kind, str) and kind in GEOMETRIES


def _is_degree(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 360


def _shape(geometry: Mapping[str, Any]) -> "BaseGeometry | None":
    """A valid shape within -180 to 180 degrees, or None: any producer may write anything."""
    from shapely import force_2d, is_valid, make_valid
    from shapely.errors import ShapelyError
    from shapely.geometry import shape

    try:
        found = force_2d(shape(dict(geometry)))
        # What is not finite is not equal to itself, or out of any range.
        if found.is_empty or not all(abs(each) <= FARTHEST for each in found.bounds):
            return None
        return _within_the_map(found if is_valid(found) else make_valid(found))
    except (ShapelyError, ArithmeticError, LookupError, ValueError, TypeError, AttributeError):
        return None


def _within_the_map(shape: "BaseGeometry") -> "BaseGeometry | None":
    from shapely import union_all
    from shapely.affinity import translate
    from shapely.geometry import box

    west, south, east, north = shape.bounds
    if south < -90 or north > 90 or east - west > 720:
        return None
    if west >= -180 and east <= 180:
        return shape
    world = box(-180, -90, 180, 90)
    turns = range(math.floor((west + 180) / 360), math.floor((east + 180) / 360) + 1)
    pieces = [translate(shape, -360 * turn).intersection(world) for turn in turns]
    found = union_all([piece for piece in pieces if not piece.is_empty])
    return None if found.is_empty else found
