"""How far disks and corridors of so many kilometres reach in latitude and longitude."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

EARTH_RADIUS_KM = 6371.0088

Range = tuple[float, float]
Vector = tuple[float, float, float]


def caps_bounds(places: Sequence[tuple[Any, Any]], distance: Any) -> tuple[Range, Range]:
    """The latitudes and longitudes within a distance of one place or of a line through several.

    Parameters
    ----------
    places : sequence of (latitude, longitude)
        In degrees. From each to the next the line goes the short way along a great circle.
    distance : float
        Kilometres along the sphere.

    Returns
    -------
    latitudes, longitudes : (lower, upper)
        Longitudes count on from the first place, across the seam where the line crosses it; when
        a pole is within the distance they make a whole turn. For lines they may be a little wide.

    Examples
    --------
    >>> [round(value, 3) for value in caps_bounds([(60.0, 10.0)], 111.195)[0]]
    [59.0, 61.0]
    """
    angle = min(float(distance) / EARTH_RADIUS_KM, math.pi)
    reach = math.degrees(angle)
    turns = [0.0]
    for (_, west), (_, east) in itertools.pairwise(places):
        turns.append(turns[-1] + (float(east) - float(west) + 180.0) % 360.0 - 180.0)
    longitudes = [float(places[0][1]) + turn for turn in turns]
    latitudes = [float(north) for north, _ in places]
    for start, end in itertools.pairwise(places):
        latitudes += _summits(_vector(*start), _vector(*end))
    south, north = min(latitudes) - reach, max(latitudes) + reach
    highest = max(abs(latitude) for latitude in latitudes)
    if highest + reach >= 90.0 - 1e-9:
        middle = (min(longitudes) + max(longitudes)) / 2
        half = max(180.0, (max(longitudes) - min(longitudes)) / 2)
        west, east = middle - half, middle + half
    else:
        beside = math.degrees(math.asin(math.sin(angle) / math.cos(math.radians(highest))))
        west, east = min(longitudes) - beside, max(longitudes) + beside
    return (max(south, -90.0), min(north, 90.0)), (west, east)


def way(start: tuple[Any, Any], end: tuple[Any, Any], steps: int) -> list[tuple[float, float]]:
    """Places (latitude, longitude) along a great circle, both ends included."""
    one, other = _vector(*start), _vector(*end)
    angle = math.acos(max(-1.0, min(1.0, _dot(one, other))))
    found: list[tuple[float, float]] = []
    for number in range(steps + 1):
        part = number / steps
        weights = (1.0 - part, part)
        if angle > 1e-9:
            weights = tuple(math.sin(weight * angle) / math.sin(angle) for weight in weights)
        x, y, z = (weights[0] * a + weights[1] * b for a, b in zip(one, other, strict=True))
        north = math.degrees(math.atan2(z, math.hypot(x, y)))
        found.append((north, math.degrees(math.atan2(y, x))))
    return unwrapped(found, float(start[1]))


def circle(centre: tuple[Any, Any], distance: Any, steps: int) -> list[tuple[float, float]]:
    """Places (latitude, longitude) at a distance in km around a place, counting on in longitude."""
    angle = min(float(distance) / EARTH_RADIUS_KM, math.pi)
    north, east = math.radians(float(centre[0])), float(centre[1])
    found: list[tuple[float, float]] = []
    for number in range(steps):
        bearing = 2 * math.pi * number / steps
        height = math.sin(north) * math.cos(angle)
        height += math.cos(north) * math.sin(angle) * math.cos(bearing)
        height = max(-1.0, min(1.0, height))
        turn = math.atan2(
            math.sin(bearing) * math.sin(angle) * math.cos(north),
            math.cos(angle) - math.sin(north) * height,
        )
        found.append(
            (math.degrees(math.asin(max(-1.0, min(height, 1.0)))), east + math.degrees(turn))
        )
    return found


def unwrapped(places: Sequence[tuple[float, float]], first: float) -> list[tuple[float, float]]:
    """Places whose longitudes count on from one near the first, without jumps of a turn."""
    found: list[tuple[float, float]] = []
    before = first
    for north, east in places:
        before += (east - before + 180.0) % 360.0 - 180.0
        found.append((north, before))
    return found


def _summits(start: Vector, end: Vector) -> list[float]:
    """The latitude where a great-circle leg is nearest to a pole between its ends."""
    pole = _cross(start, end)
    size = math.sqrt(_dot(pole, pole))
    if size < 1e-12:
        return []
    normal = tuple(value / size for value in pole)
    flat = math.hypot(normal[0], normal[1])
    if flat < 1e-12:
        return []
    found: list[float] = []
    for sign in (1.0, -1.0):
        summit = (
            -sign * normal[2] * normal[0] / flat,
            -sign * normal[2] * normal[1] / flat,
            sign * flat,
        )
        ahead = _dot(_cross(normal, start), summit) > 0
        if ahead and _dot(_cross(end, normal), summit) > 0:
            found.append(math.degrees(math.asin(max(-1.0, min(summit[2], 1.0)))))
    return found


def _vector(latitude: Any, longitude: Any) -> Vector:
    north, east = math.radians(float(latitude)), math.radians(float(longitude))
    return (
        math.cos(north) * math.cos(east),
        math.cos(north) * math.sin(east),
        math.sin(north),
    )


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _cross(one: Sequence[float], other: Sequence[float]) -> Vector:
    return (
        one[1] * other[2] - one[2] * other[1],
        one[2] * other[0] - one[0] * other[2],
        one[0] * other[1] - one[1] * other[0],
    )
