"""How far shapes reach, as far as it can be said without a cube."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boathouse.kernels.polytope.shapes import (
    All,
    Box,
    Disk,
    Ellipsoid,
    Path,
    Select,
    ShapePath,
    Span,
    Union,
)

AXES = ("latitude", "longitude")
TUBE = ("latitude", "longitude", "level", "time")
TUBE_BOX = Box(latitude=(-1, 1), longitude=(-2, 2), level=(-50, 50), time=("-3h", "3h"))
TUBE_POINTS = [(50, 0, 500, "2026-01-01"), (55, 10, 700, "2026-01-02T06:00")]
TIME = Span("time", "2026-01-01", "2026-01-02")


@pytest.mark.parametrize(
    ("shape", "bounds"),
    [
        (Select("level", [850, 500]), {"level": (500, 850)}),
        (Select("step", ["12h", "6h"]), {"step": ("6h", "12h")}),
        (Select("station", ["Kew", "Eskdalemuir"]), {"station": ("Eskdalemuir", "Kew")}),
        (
            Select("time", ["2026-01-01T00:00:00.5", "2026-01-01"]),
            {"time": ("2026-01-01", "2026-01-01T00:00:00.5")},
        ),
        (All("level"), {}),
        (Disk(AXES, (50, 0), (5, 7)), {"latitude": (45, 55), "longitude": (-7, 7)}),
        (
            Ellipsoid(("level", "time"), (500, "2026-01-01"), (50, "90m")),
            {"level": (450, 550), "time": ("2025-12-31T22:30:00", "2026-01-01T01:30:00")},
        ),
        (
            Ellipsoid(("level", "step"), (500, "6h"), (0, "7h")),
            {"level": (500, 500), "step": ("-PT3600S", "PT46800S")},
        ),
        (
            Ellipsoid(("level", "time"), (0, "2026-02-30"), (0, "36h")),  # of a 360-day calendar
            {"level": (0, 0), "time": ("2026-02-28T12:00:00", "2026-03-01T12:00:00")},
        ),
        (
            Path(TUBE, TUBE_BOX, *TUBE_POINTS),
            {
                "latitude": (49, 56),
                "longitude": (-2, 12),
                "level": (450, 750),
                "time": ("2025-12-31T21:00:00", "2026-01-02T09:00:00"),
            },
        ),
        (
            # A box that lies elsewhere, with times: only its size matters.
            Path(
                ("level", "time"),
                Box(time=("2000-01-01", "2000-01-03"), level=(10, 30)),
                (500, "2026-01-02"),
                (500, "2026-01-03"),
            ),
            {"level": (490, 510), "time": ("2026-01-01", "2026-01-04")},
        ),
        (
            ShapePath(AXES, Disk(AXES, (50, 0), 1), Disk(AXES, (55, 10), 3)),
            {"latitude": (49, 58), "longitude": (-1, 13)},
        ),
        (
            Union(Disk(AXES, (50, 0), 5), Box(longitude=(0, 9), latitude=(40, 41))),
            {"latitude": (40, 55), "longitude": (-5, 9)},
        ),
        (Union(All("level") & TIME, Span("level", 1, 2) & TIME), {"time": TIME.bounds()["time"]}),
    ],
)
def test_bounds_are_known_without_a_cube(shape, bounds):
    assert shape.bounds() == bounds


def destination(place, bearing, distance):
    """Where one arrives on the sphere, by rotating vectors."""
    north, east = np.radians(place)
    here = np.array(
        [math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)]
    )
    up = np.array([-math.sin(north) * math.cos(east), -math.sin(north) * math.sin(east), 0])
    up[2] = math.cos(north)
    right = np.array([-math.sin(east), math.cos(east), 0])
    angle = distance / 6371.0088
    there = here * math.cos(angle) + math.sin(angle) * (
        up * math.cos(bearing) + right * math.sin(bearing)
    )
    return (
        math.degrees(math.asin(max(-1.0, min(1.0, there[2])))),
        math.degrees(math.atan2(there[1], there[0])),
    )


def halfway(start, end):
    """The middle of a great circle's short way."""
    north, east = np.radians([start, end]).T
    x, y, z = (
        sum(np.cos(north) * np.cos(east)),
        sum(np.cos(north) * np.sin(east)),
        sum(np.sin(north)),
    )
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))


def within(places, bounds):
    """Whether places lie in ranges of latitude and longitude, the latter after any turns."""
    (south, north), (west, east) = bounds
    return all(
        south - 1e-6 <= lat <= north + 1e-6 and (lon - west + 1e-6) % 360 <= east - west + 2e-6
        for lat, lon in places
    )


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.floats(-89, 89), st.floats(-400, 400), st.floats(1, 9000))
def test_a_disk_in_kilometres_lies_in_its_bounds_and_touches_them(north, east, radius):
    bounds = Disk(AXES, (north, east), radius, unit="km").bounds()
    ranges = bounds["latitude"], bounds["longitude"]
    edge = [
        destination((north, east), bearing, radius) for bearing in np.linspace(0, 2 * np.pi, 721)
    ]
    assert within(edge, ranges)
    turned = Disk(("lon", "lat"), (east, north), radius, unit="km").bounds()
    assert (turned["lat"], turned["lon"]) == ranges
    if ranges[0][0] > -90 and ranges[0][1] < 90:
        half = max(abs((lon - east + 180) % 360 - 180) for _, lon in edge)
        assert (ranges[1][1] - ranges[1][0]) / 2 == pytest.approx(half, rel=1e-3)
        assert ranges[0][1] == pytest.approx(max(lat for lat, _ in edge), abs=1e-3)
    else:
        assert ranges[1][1] - ranges[1][0] == pytest.approx(360)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.floats(-80, 80), st.floats(-180, 180)), min_size=2, max_size=4),
    st.floats(1, 2000),
)
def test_a_corridor_in_kilometres_lies_in_its_bounds(points, radius):
    path = Path(AXES, Disk(AXES, (0, 0), radius, unit="km"), *points)
    ranges = path.bounds()["latitude"], path.bounds()["longitude"]
    for place in [*points, *map(halfway, points[:-1], points[1:])]:
        edge = [destination(place, bearing, radius) for bearing in np.linspace(0, 6, 60)]
        assert within(edge, ranges)


def test_a_flight_over_the_north_reaches_further_north_than_its_ends():
    path = Path(AXES, Disk(AXES, (0, 0), 0, unit="km"), (60, 0), (60, 90))
    assert path.bounds()["latitude"][1] == pytest.approx(67.792, abs=1e-3)
    assert path.bounds()["longitude"] == (0, 90)
    across = Path(AXES, Disk(AXES, (0, 0), 0, unit="km"), (0, 170), (0, -170))
    assert across.bounds()["longitude"] == (170, 190)
