"""Shapes of the features of Polytope requests, as ECMWF's service takes them."""

import json

import pytest

from boathouse.catalogs.errors import BadShape
from boathouse.kernels.polytope.shapes import (
    Box,
    Disk,
    Ellipsoid,
    Path,
    Point,
    Polygon,
    Select,
    Shape,
    Span,
)

AXES = ("latitude", "longitude")
AREA = Polygon(AXES, [(50, -5), (50, 2), (55, 2), (55, -5)])
POINTS = [[51.5, -0.1], [60, 20]]
NEAREST = Point(AXES, [(51.5, -0.1), (60, 20)], method="nearest")


@pytest.mark.parametrize(
    ("document", "shape"),
    [
        ({"type": "position", "points": POINTS}, NEAREST),
        (
            {
                "type": "timeseries",
                "points": POINTS,
                "time_axis": "step",
                "range": {"start": 0, "end": 48},
            },
            NEAREST & Span("step", 0, 48),
        ),
        (
            {
                "type": "timeseries",
                "points": POINTS,
                "axes": "step",
                "range": {"start": 0, "end": 12, "interval": 6},
            },
            NEAREST & Select("step", [0, 6, 12]),
        ),
        (
            {
                "type": "timeseries",
                "points": [[-0.1, 51.5], [20, 60]],
                "axes": ["longitude", "latitude"],
                "time_axis": "date",
                "range": {"start": "20260101", "end": 20260103},
            },
            Point(("longitude", "latitude"), [(-0.1, 51.5), (20, 60)], method="nearest")
            & Span("time", "2026-01-01", "2026-01-03T23:59:59.999999999"),
        ),
        ({"type": "timeseries", "points": POINTS, "time_axis": "step"}, NEAREST),
        (
            {
                "type": "verticalprofile",
                "points": POINTS,
                "axes": "levelist",
                "range": {"start": 1, "end": 1000},
            },
            NEAREST & Span("level", 1, 1000),
        ),
        (
            {"type": "verticalprofile", "points": POINTS, "range": [500, 850]},
            NEAREST & Select("level", [500, 850]),
        ),
        (
            {"type": "boundingbox", "points": [[60, -5], [50, 2]]},
            Box(latitude=(50, 60), longitude=(-5, 2)),
        ),
        (
            {
                "type": "boundingbox",
                "points": [[60, -5, 1000], [50, 2, 500]],
                "axes": ["latitude", "longitude", "levelist"],
            },
            Box(latitude=(50, 60), longitude=(-5, 2), level=(500, 1000)),
        ),
        (
            {"type": "polygon", "shape": [[50, -5], [50, 2], [55, 2], [55, -5], [50, -5]]},
            AREA,
        ),
        (
            {"type": "polygon", "shape": [[[50, -5], [50, 2], [55, 2]], [[0, 0], [0, 1], [1, 1]]]},
            Polygon(AXES, [(50, -5), (50, 2), (55, 2)]) | Polygon(AXES, [(0, 0), (0, 1), (1, 1)]),
        ),
        ({"type": "circle", "center": [[50, 0]], "radius": 2}, Disk(AXES, (50, 0), 2)),
        (
            {
                "type": "circle",
                "center": [[50, 0, 500]],
                "radius": 2,
                "axes": ["latitude", "longitude", "levelist"],
            },
            Ellipsoid((*AXES, "level"), (50, 0, 500), 2),
        ),
        (
            {"type": "trajectory", "points": POINTS, "inflation": 0.5, "axes": list(AXES)},
            Path(AXES, Disk(AXES, (51.5, -0.1), 0.5), *POINTS),
        ),
        (
            {
                "type": "trajectory",
                "points": [[50, 0, 500, 0], [55, 5, 700, 12]],
                "inflation": [1, 2, 50, 3],
                "inflate": "box",
            },
            Path(
                (*AXES, "level", "step"),
                Box(latitude=(49, 51), longitude=(-2, 2), level=(450, 550), step=(-3, 3)),
                (50, 0, 500, 0),
                (55, 5, 700, 12),
            ),
        ),
        (
            {
                "type": "frame",
                "outer_box": [[60, -10], [40, 10]],
                "inner_box": [[45, -5], [55, 5]],
            },
            Polygon(
                AXES,
                [(40, -10), (40, 10), (60, 10), (60, -10)],
                [[(45, -5), (45, 5), (55, 5), (55, -5)]],
            ),
        ),
    ],
)
def test_polytope_features_are_read_latitude_first(document, shape):
    assert Shape.of(document) == shape
    assert Shape.of({"feature": document}) == shape
    assert Shape.of(json.dumps(document)) == shape


@pytest.mark.parametrize(
    ("document", "field", "words"),
    [
        ({"feature": {"type": "blob"}}, "type", "trajectory"),
        ({"feature": {"type": "position", "points": POINTS}, "step": 0}, "step", "Select("),
        ({"type": "position"}, "points", "missing"),
        ({"type": "position", "points": POINTS, "radius": 3}, "radius", "no such field"),
        ({"type": "position", "points": POINTS, "axes": [1, 2]}, "axes", "names"),
        ({"type": "circle", "center": [[50, 0]], "radius": -1}, "latitude", "negative"),
        ({"type": "circle", "center": [50], "radius": 1}, "center", "value for each"),
        ({"type": "boundingbox", "points": POINTS[:1]}, "points", "two opposite corners"),
        ({"type": "boundingbox", "points": [[1, 2], [3, "2026-01-01"]]}, "longitude", "one kind"),
        ({"type": "trajectory", "points": POINTS}, "inflation", "missing"),
        ({"type": "trajectory", "points": [], "inflation": 1}, "points", "two points"),
        (
            {"type": "trajectory", "points": POINTS, "inflation": 1, "inflate": "oval"},
            "inflate",
            "'box'",
        ),
        (
            {"type": "trajectory", "points": POINTS, "inflation": [1, 2, 3]},
            "radius",
            "one for each",
        ),
        (
            {"type": "timeseries", "points": POINTS, "time_axis": ["step", "date"]},
            "time_axis",
            "one axis",
        ),
        (
            {"type": "timeseries", "points": POINTS, "range": {"start": 0}},
            "range",
            "end",
        ),
        ({"type": "timeseries", "points": POINTS, "range": 5}, "range", "start and end"),
        (
            {"type": "timeseries", "points": POINTS, "range": {"start": 0, "end": 1, "by": 1}},
            "range",
            "interval",
        ),
        (
            {
                "type": "timeseries",
                "points": POINTS,
                "time_axis": "date",
                "range": {"start": "20260101", "end": "20260103", "interval": 2},
            },
            "time",
            "leave it out",
        ),
        (
            {
                "type": "timeseries",
                "points": POINTS,
                "time_axis": "date",
                "range": ["20260101"],
            },
            "range",
            "'start'",
        ),
        (
            {"type": "frame", "outer_box": [[0, 0], [1, 1]], "inner_box": [[0, 0], [2, 2]]},
            "latitude",
            "inner box",
        ),
        (
            {"type": "polygon", "shape": [[0, 0], [2, 2], [2, 0], [0, 2]]},
            "latitude",
            "crosses itself",
        ),
    ],
)
def test_other_features_are_refused_with_the_mend(document, field, words):
    with pytest.raises(BadShape) as caught:
        Shape.of(document)
    assert caught.value.field == field
    assert words in caught.value.detail
