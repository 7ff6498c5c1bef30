"""What a shape looks like along two of its axes: rings, and single places."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..shape import Shape
from ..values import Value, parse_duration, parse_instant
from .combined import Product, Union
from .convex import ConvexPolytope
from .fields import Place
from .geodesics import circle, unwrapped, way
from .paths import Path, ShapePath
from .points import Point
from .polygon import Polygon
from .ranges import Box, Span
from .rounds import Disk, Ellipsoid

Pair = tuple[float, float]

_STEPS = 48  # corners of a drawn circle
_LEG_STEPS = 12  # pieces of a drawn great circle
_MOST_VERTICES = 600  # a coastline needs no more on so small a picture
_MOST_POINTS = 1000
_MOST_LEGS = 150


@dataclass(frozen=True)
class Outline:
    """Rings that are filled together by the even-odd rule, places, and the line of a path."""

    rings: list[list[Pair]] = field(default_factory=list[list[Pair]])
    bodies: list[list[Pair]] = field(default_factory=list[list[Pair]])
    places: list[Pair] = field(default_factory=list[Pair])
    line: list[Pair] = field(default_factory=list[Pair])
    tag: str = ""

    def pairs(self) -> list[Pair]:
        """All that must be seen."""
        return [*itertools.chain(*self.rings, *self.bodies), *self.places, *self.line]


def number_of(value: Value) -> float | None:
    """A value as a number to draw it; None for labels."""
    if not isinstance(value, str):
        return float(value)
    moment = parse_instant(value)
    if moment is not None:
        try:
            return float(moment.since_epoch())
        except ValueError:  # 30 February, of calendars that have it
            return float((moment.year - 1970) * 360 + moment.month * 30 + moment.day) * 86_400e9
    length = parse_duration(value)
    return None if length is None else float(length)


def outlines(shape: Shape, across: str, upright: str) -> list[Outline]:
    """What a shape looks like along two of its axes; empty where that cannot be drawn."""
    if isinstance(shape, Union):
        found: list[Outline] = []
        for number, member in enumerate(shape.shapes):
            tag = shape.tags[number] if shape.tags else str(number)
            for outline in outlines(member, across, upright):
                found.append(
                    Outline(outline.rings, outline.bodies, outline.places, outline.line, tag)
                )
        return found
    if isinstance(shape, Product):
        inner = [each for each in shape.shapes if {across, upright} <= set(each.axes)]
        if inner:
            return outlines(inner[0], across, upright)
        ranges = {axis: pair for each in shape.shapes for axis, pair in each.bounds().items()}
        if across in ranges and upright in ranges:
            return outlines(
                Box({axis: ranges[axis] for axis in (across, upright)}), across, upright
            )
        return []
    view = _View(shape.axes, across, upright)
    if isinstance(shape, Point):
        return [Outline(places=view.pairs(shape.points[:_MOST_POINTS]))]
    if isinstance(shape, Polygon):
        rings = [ring[:: max(1, len(ring) // _MOST_VERTICES)] for ring in shape.rings]
        return [Outline(rings=[view.pairs(ring) for ring in rings])]
    if isinstance(shape, Path):
        return [_path(shape, view)]
    if isinstance(shape, ShapePath):
        clouds = [_cloud(each, across, upright) for each in shape.shapes]
        bodies = [hull([*one, *other]) for one, other in itertools.pairwise(clouds)]
        return [Outline(bodies=bodies)]
    if isinstance(shape, Disk) and shape.unit == "km":
        return [Outline(rings=[_circle_km(shape, across)])]
    if isinstance(shape, Box | ConvexPolytope | Disk | Ellipsoid):
        return [Outline(rings=[hull(_cloud(shape, across, upright))])]
    return []


class _View:
    """Picks two of the axes out of places."""

    def __init__(self, axes: Sequence[str], across: str, upright: str) -> None:
        self._columns = axes.index(across), axes.index(upright)

    def pairs(self, points: Sequence[Sequence[Value]]) -> list[Pair]:
        x, y = self._columns
        found = [(number_of(point[x]), number_of(point[y])) for point in points]
        return [(a, b) for a, b in found if a is not None and b is not None]


def _cloud(shape: Shape, across: str, upright: str) -> list[Pair]:
    """Places whose hull is the shape, seen along two axes."""
    if isinstance(shape, ConvexPolytope):
        return _View(shape.axes, across, upright).pairs(shape.points)
    if isinstance(shape, Disk) and shape.unit == "km":
        return _circle_km(shape, across)
    bounds = shape.bounds()
    west, east, south, north = (number_of(value) for value in (*bounds[across], *bounds[upright]))
    if west is None or east is None or south is None or north is None:
        return []
    if isinstance(shape, Box | Span):
        return [(west, south), (east, south), (east, north), (west, north)]
    x, y, wide, high = (
        (west + east) / 2,
        (south + north) / 2,
        (east - west) / 2,
        (north - south) / 2,
    )
    angles = [2 * math.pi * number / _STEPS for number in range(_STEPS)]
    return [(x + wide * math.cos(angle), y + high * math.sin(angle)) for angle in angles]


def _circle_km(disk: Disk, across: str) -> list[Pair]:
    north = disk.latitude
    found = circle((disk.centre[north], disk.centre[1 - north]), disk.radius[0], _STEPS)
    bounds = disk.bounds()
    latitudes, longitudes = bounds[disk.axes[north]], bounds[disk.axes[1 - north]]
    pole = next((float(value) for value in latitudes if abs(float(value)) == 90.0), None)
    if pole is not None:  # the edge meets every meridian once; fill up to the pole
        found.sort(key=lambda place: place[1])
        west, east = (float(value) for value in longitudes)
        found = [(pole, west), (found[0][0], west), *found, (found[-1][0], east), (pole, east)]
    flip = disk.axes[north] == across
    return [(lat, lon) if flip else (lon, lat) for lat, lon in found]


def _path(path: Path, view: _View) -> Outline:
    points = _corners(path)
    shape = path.shape
    x, y = view._columns
    across, upright = path.axes[x], path.axes[y]
    if isinstance(shape, Disk) and shape.unit == "km":
        return _path_km(path, shape, across)
    line = view.pairs(points)
    cloud = _cloud(shape, across, upright)
    if not cloud or len(line) < 2:
        return Outline(line=line)
    xs, ys = zip(*cloud, strict=True)
    middle = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    around = [(a - middle[0], b - middle[1]) for a, b in cloud]
    bodies = [
        hull([(a + c, b + d) for a, b in leg for c, d in around])
        for leg in itertools.pairwise(line)
    ]
    return Outline(bodies=bodies, line=line)


def _corners(path: Path) -> list[Place]:
    """The corners of a path's line, of a long one some."""
    step = max(1, len(path.points) // _MOST_LEGS)
    return [*path.points[:-1:step], path.points[-1], *(path.points[:1] if path.closed else ())]


def _path_km(path: Path, disk: Disk, across: str) -> Outline:
    north = path.axes.index(disk.axes[disk.latitude])
    corners = [(point[north], point[1 - north]) for point in _corners(path)]
    line: list[Pair] = [(float(corners[0][0]), float(corners[0][1]))]
    for start, end in itertools.pairwise(corners):
        line += way(start, end, _LEG_STEPS)[1:]
    line = unwrapped(line, line[0][1])
    flip = path.axes[north] == across
    circles = [circle(place, disk.radius[0], _STEPS // 2) for place in line]
    bodies = [hull([*one, *other]) for one, other in itertools.pairwise(circles)]
    turned = [[(lat, lon) if flip else (lon, lat) for lat, lon in body] for body in bodies]
    return Outline(bodies=turned, line=[(lat, lon) if flip else (lon, lat) for lat, lon in line])


def hull(points: Sequence[Pair]) -> list[Pair]:
    """The convex hull of places, counterclockwise (Andrew's monotone chain)."""
    ordered = sorted(set(points))
    if len(ordered) < 3:
        return ordered
    chains: list[list[Pair]] = []
    for way_round in (ordered, ordered[::-1]):
        chain: list[Pair] = []
        for place in way_round:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], place) <= 0:
                chain.pop()
            chain.append(place)
        chains.append(chain[:-1])
    return chains[0] + chains[1]


def _turn(one: Pair, two: Pair, three: Pair) -> float:
    return (two[0] - one[0]) * (three[1] - one[1]) - (two[1] - one[1]) * (three[0] - one[0])
