"""Disks in kilometres on the sphere, still or swept along great circles."""

import numpy as np
import numpy.typing as npt

from .bodies import CLOSE, Bodies, Numbers
from .rows import Indices

EARTH_RADIUS_KM = 6371.0088  # the mean radius of GRS 80 (Moritz 2000)
_STEPS = 64  # places along a leg that its bounding box is made of


class Caps(Bodies):
    """What lies within a distance of a place, over latitude and longitude.

    Parameters
    ----------
    centre : array, shape (bodies, 2)
        (latitude, longitude) in degrees.
    distance : float
        Kilometres along the sphere.
    latitude_first : bool
        Whether the cube's slower axis is the latitude.
    """

    def __init__(self, centre: Numbers, distance: float, *, latitude_first: bool) -> None:
        self._centre, self._angle = centre, min(distance / EARTH_RADIUS_KM, np.pi)
        self._latitude_first = latitude_first
        lower, upper = _cap_box(centre, self._angle)
        order = [0, 1] if latitude_first else [1, 0]
        self.lower, self.upper = lower[:, order], upper[:, order]

    @property
    def sliceable(self) -> bool:
        """A meridian may cut a cap of more than a hemisphere twice."""
        return self._latitude_first or self._angle <= np.pi / 2

    def between(self, body: Indices, prefix: Numbers) -> tuple[Numbers, Numbers]:
        """As :meth:`Bodies.between` says."""
        if prefix.shape[1] == 0:
            return self.lower[body, 0], self.upper[body, 0]
        if self._latitude_first:
            return self._along_parallel(body, prefix[:, 0])
        return self._along_meridian(body, prefix[:, 0])

    def _along_parallel(self, body: Indices, latitude: Numbers) -> tuple[Numbers, Numbers]:
        north, east = np.radians(self._centre[body, 0]), self._centre[body, 1]
        row = np.radians(latitude)
        # The haversine formula, which loses nothing for near places.
        room = np.sin(self._angle / 2) ** 2 - np.sin((row - north) / 2) ** 2
        shrink = np.cos(row) * np.cos(north)
        none = room < -CLOSE * np.sin(self._angle / 2) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(shrink > 1e-15, np.maximum(room, 0.0) / shrink, 1.0)
        half = np.degrees(2 * np.arcsin(np.sqrt(np.minimum(share, 1.0))))
        half = np.where(none, -np.inf, half)
        return east - half, east + half

    def _along_meridian(self, body: Indices, longitude: Numbers) -> tuple[Numbers, Numbers]:
        north = np.radians(self._centre[body, 0])
        turn = np.radians(longitude - self._centre[body, 1])
        up, over = np.sin(north), np.cos(north) * np.cos(turn)
        size = np.hypot(up, over)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.cos(self._angle) / size
        none = ~(share <= 1 + CLOSE)
        half = np.degrees(np.arccos(np.clip(np.where(none, 1.0, share), -1.0, 1.0)))
        half = np.where(none, -np.inf, half)
        middle = np.degrees(np.arctan2(up, over))
        return np.maximum(middle - half, -90.0), np.minimum(middle + half, 90.0)

    def contain(self, body: int, points: Numbers) -> npt.NDArray[np.bool_]:
        """As :meth:`Bodies.contain` says."""
        places = points if self._latitude_first else points[:, ::-1]
        away = _angle(_vectors(places), _vectors(self._centre[body][None, :]))
        return away <= self._angle * (1 + CLOSE)


class Corridors(Bodies):
    """What lies within a distance of great-circle legs, over latitude and longitude.

    Parameters
    ----------
    start, end : arrays, shape (legs, 2)
        (latitude, longitude) in degrees; the leg goes the short way.
    distance : float
        Kilometres along the sphere.
    latitude_first : bool
        Whether the cube's slower axis is the latitude.
    """

    def __init__(
        self, start: Numbers, end: Numbers, distance: float, *, latitude_first: bool
    ) -> None:
        self._angle = min(distance / EARTH_RADIUS_KM, np.pi)
        self._latitude_first = latitude_first
        self._start, self._end = _vectors(start), _vectors(end)
        boxes = [self._box(number, start[number, 1]) for number in range(len(start))]
        order = [0, 1] if latitude_first else [1, 0]
        self.lower = np.stack([low for low, _ in boxes])[:, order]
        self.upper = np.stack([high for _, high in boxes])[:, order]

    @property
    def sliceable(self) -> bool:
        """A parallel may cut a corridor twice."""
        return False

    def _box(self, number: int, first: float) -> tuple[Numbers, Numbers]:
        part = np.linspace(0, 1, _STEPS)[:, None]
        way = _between(self._start[number], self._end[number], part)
        north = np.degrees(np.arcsin(np.clip(way[:, 2], -1, 1)))
        east = np.degrees(np.unwrap(np.arctan2(way[:, 1], way[:, 0])))
        east += np.round((first - east[0]) / 360) * 360
        step = float(_angle(way[:1], way[1:2])[0])
        lower, upper = _cap_box(np.stack([north, east], axis=1), min(self._angle + step, np.pi))
        return lower.min(axis=0), upper.max(axis=0)

    def between(self, body: Indices, prefix: Numbers) -> tuple[Numbers, Numbers]:
        """The bounding box; :attr:`sliceable` says that it is no more."""
        level = prefix.shape[1]
        return self.lower[body, level], self.upper[body, level]

    def contain(self, body: int, points: Numbers) -> npt.NDArray[np.bool_]:
        """As :meth:`Bodies.contain` says."""
        places = _vectors(points if self._latitude_first else points[:, ::-1])
        start, end = self._start[body], self._end[body]
        nearest = np.minimum(_angle(places, start[None]), _angle(places, end[None]))
        pole = np.cross(start, end)
        size = float(np.linalg.norm(pole))
        if size > 1e-12:
            pole = pole / size
            beside = (places @ np.cross(pole, start) >= 0) & (places @ np.cross(end, pole) >= 0)
            across = np.abs(np.arcsin(np.clip(places @ pole, -1, 1)))
            nearest = np.where(beside, across, nearest)
        return nearest <= self._angle * (1 + CLOSE)


def distance_km(places: Numbers, others: Numbers) -> Numbers:
    """Kilometres along the sphere between (latitude, longitude) pairs of shape (n, 2)."""
    return _angle(_vectors(places), _vectors(others)) * EARTH_RADIUS_KM


def unit_vectors(places: Numbers) -> Numbers:
    """Places on the unit sphere, shape (n, 3), of (latitude, longitude) in degrees."""
    return _vectors(places)


def _vectors(places: Numbers) -> Numbers:
    north, east = np.radians(places[:, 0]), np.radians(places[:, 1])
    return np.stack(
        [np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=1
    )


def _angle(places: Numbers, others: Numbers) -> Numbers:
    """By the chord, which loses nothing for near places."""
    chord = np.sqrt(((places - others) ** 2).sum(axis=1))
    return 2 * np.arcsin(np.minimum(chord / 2, 1.0))


def _between(start: Numbers, end: Numbers, part: Numbers) -> Numbers:
    """Places along a great circle (Shoemake's slerp)."""
    angle = float(_angle(start[None], end[None])[0])
    if angle < 1e-12:
        return np.repeat(start[None], len(part), axis=0)
    return (np.sin((1 - part) * angle) * start + np.sin(part * angle) * end) / np.sin(angle)


def _cap_box(centre: Numbers, angle: float) -> tuple[Numbers, Numbers]:
    """The latitudes and longitudes that caps reach."""
    north, reach = centre[:, 0], np.degrees(angle)
    with np.errstate(invalid="ignore"):
        half = np.degrees(np.arcsin(np.sin(angle) / np.cos(np.radians(north))))
    # Over a pole every meridian is met.
    polar = np.abs(north) + reach >= 90 - 1e-9
    half = np.where(polar | ~np.isfinite(half), 180.0, half)
    lower = np.stack([np.maximum(north - reach, -90.0), centre[:, 1] - half], axis=1)
    upper = np.stack([np.minimum(north + reach, 90.0), centre[:, 1] + half], axis=1)
    return lower, upper
