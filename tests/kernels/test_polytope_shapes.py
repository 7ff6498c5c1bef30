"""Shapes: values, equality, JSON both ways, and refusals that name the field."""

import copy
import json
import pickle
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
import shapely

from boathouse.catalogs.errors import BadShape
from boathouse.kernels.polytope.shapes import Box, Polygon, Product, Shape, Span

AXES = ("latitude", "longitude")
TRIANGLE = [(50, -5), (55, 0), (50, 2)]
HOLE = [(51, -1), (52, 0), (51, 1)]
EVERY = [
    Span("level", 500, 850.5),
    Span("time", "2026-01-01", datetime(2026, 1, 2, 12, tzinfo=UTC)),
    Span("step", timedelta(hours=6), np.timedelta64(2, "D")),
    Box(latitude=(50, 55), longitude=(-5, 2)),
    Box({"grid latitude": (1, 2)}, time=("2026-01-01", "2026-02-01")),
    Polygon(AXES, TRIANGLE),
    Polygon(AXES, TRIANGLE, [HOLE]),
    Polygon(AXES, [TRIANGLE, [(0, 0), (1, 1), (0, 1)]]),
    Polygon(("time", "longitude"), [("2026-01-01", 0), ("2026-01-02", 5), ("2026-01-01", 9)]),
    Polygon(AXES, TRIANGLE) & Span("time", "2026-01-01", "2026-01-02") & Box(level=(1, 2)),
]


@pytest.mark.parametrize("shape", EVERY, ids=repr)
def test_a_shape_survives_json_pickle_and_copies(shape):
    for again in (
        Shape.from_dict(json.loads(json.dumps(shape.to_dict()))),
        Shape.of(json.dumps(shape.to_dict())),
        pickle.loads(pickle.dumps(shape)),
        copy.deepcopy(shape),
        eval(repr(shape), {"Span": Span, "Box": Box, "Polygon": Polygon}),
    ):
        assert again == shape
        assert hash(again) == hash(shape)
    assert shape.to_dict()["type"] == type(shape).__name__


@pytest.mark.parametrize("shape", EVERY, ids=repr)
def test_a_shape_draws_itself_and_cannot_be_changed(shape):
    html = shape._repr_html_()
    assert html.startswith("<div>")
    assert html.endswith("</div>")
    with pytest.raises(AttributeError, match="make a new one"):
        shape.axes = ("x",)
    with pytest.raises(AttributeError, match="make a new one"):
        del shape.axes


def test_shapes_differ_when_they_mean_something_else():
    assert len(set(EVERY)) == len(EVERY)
    assert Box(latitude=(50, 55)) != Span("latitude", 50, 55)
    assert Box(a=(1, 2), b=(3, 4)) == Box(b=(3.0, 4.0), a=(1, 2))
    assert Polygon(AXES, TRIANGLE) == Polygon(AXES, [*TRIANGLE, TRIANGLE[0]])
    assert Polygon(AXES, np.array(TRIANGLE)) == Polygon(AXES, TRIANGLE)


def test_a_drawing_shows_the_polygon_and_escapes_names():
    assert "<path" in Polygon(AXES, TRIANGLE)._repr_html_()
    assert "<path" in Box(latitude=(50, 55), longitude=(-5, 2))._repr_html_()
    html = Polygon(("<b>", "x"), TRIANGLE)._repr_html_() + Span("<i>", 0, 1)._repr_html_()
    assert '<b>"' not in html
    assert "<i>" not in html


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31T06:00Z", "2026-01-31T06:00:00"),
        ("2026-01-31 06:00:00.5", "2026-01-31T06:00:00.5"),
        ("2026-01-31T23:30+01:00", "2026-01-31T22:30:00"),
        ("20260131", "20260131"),
        (datetime(2026, 1, 31, 1, tzinfo=timezone(timedelta(hours=3))), "2026-01-30T22:00:00"),
        (date(2026, 1, 31), "2026-01-31"),
        (np.datetime64("2026-01"), "2026-01-01"),
        (np.datetime64("2026-01-31T06", "h"), "2026-01-31T06:00:00"),
        (np.datetime64("2026-01-31T00:00:00.000000001"), "2026-01-31T00:00:00.000000001"),
        (pd.Timestamp("2026-01-31T00:00:00.000000001"), "2026-01-31T00:00:00.000000001"),
        (timedelta(hours=6), "PT21600S"),
        (pd.Timedelta("1ns"), "PT0.000000001S"),
        (np.timedelta64(-90, "m"), "-PT5400S"),
        (np.float32(0.5), 0.5),
        (np.int16(3), 3),
        (np.array(2.5), 2.5),
    ],
)
def test_values_have_one_spelling(value, text):
    assert Span("axis", value, value).lower == text


def test_thirtieth_of_february_is_left_to_the_calendar_of_the_cube():
    assert Span("time", "2026-02-30", "2026-03-01").lower == "2026-02-30"


@pytest.mark.parametrize(
    ("make", "field", "words"),
    [
        (lambda: Span("", 0, 1), "axis", "no name"),
        (lambda: Span("x", 2, 1), "x", "above the upper bound"),
        (lambda: Span("time", "2026-02-01", "2026-01-31T23:59"), "time", "above"),
        (lambda: Span("step", "6h", "PT1H"), "step", "above"),
        (lambda: Span("x", float("nan"), 1), "x", "finite"),
        (lambda: Span("x", 0, float("inf")), "x", "finite"),
        (lambda: Span("x", 0, 1e200), "x", "too large"),
        (lambda: Span("x", True, 2), "x", "not True"),
        (lambda: Span("x", None, 2), "x", "NoneType"),
        (lambda: Span("x", 1, "2026-01-01"), "x", "not of one kind"),
        (lambda: Span("time", np.datetime64("NaT"), "2026-01-01"), "time", "NaT"),
        (lambda: Span("step", np.timedelta64(1, "M"), np.timedelta64(2, "M")), "step", "hours"),
        (lambda: Span("x", np.array([1, 2]), 3), "x", "one value"),
        (lambda: Span("x", " ", "a"), "x", "empty"),
        (Box, "ranges", "needs an axis"),
        (lambda: Box(latitude=5), "latitude", "(lower, upper)"),
        (lambda: Box(latitude=(1, 2, 3)), "latitude", "(lower, upper)"),
        (lambda: Box(longitude=(350, 10)), "longitude", "(350, 370)"),
        (lambda: Polygon(("a",), TRIANGLE), "axes", "two different"),
        (lambda: Polygon(("a", "a"), TRIANGLE), "axes", "two different"),
        (lambda: Polygon("ab", TRIANGLE), "axes", "two different"),
        (lambda: Polygon(AXES, [(0, 0), (1, 1), (0, 0)]), "points", "three vertices"),
        (lambda: Polygon(AXES, []), "points", "three vertices"),
        (lambda: Polygon(AXES, [(0, 0), (1, float("nan")), (2, 0)]), "points[1]", "finite"),
        (lambda: Polygon(AXES, [(0, 0), (1, 2, 3), (2, 0)]), "points[1]", "pair"),
        (lambda: Polygon(AXES, [(0, 0), "ab", (2, 0)]), "points[1]", "pair"),
        (lambda: Polygon(AXES, TRIANGLE, [[(0, 0)]]), "holes", "three vertices"),
        (lambda: Polygon(AXES, [("2026-01-01", 0), (5, 0), (5, 1)]), "latitude", "mixed"),
        (lambda: Polygon(AXES, TRIANGLE) & Box(latitude=(1, 2)), "latitude", "twice"),
        (Product, "shapes", "needs a shape"),
        (lambda: Shape.from_dict({"type": "Blob"}), "type", "Point, Polygon, Product"),
        (lambda: Shape.from_dict({}), "type", "None is no shape"),
        (lambda: Shape.from_dict({"type": "Span", "axis": "x", "lower": 1}), "upper", "missing"),
        (lambda: Shape.from_dict({"type": "Box", "ranges": 3}), "ranges", "object"),
        (lambda: Shape.from_dict({"type": "Box", "ranges": {}, "x": 1}), "x", "no such field"),
        (lambda: Shape.from_dict({"type": "Product", "shapes": 3}), "shapes", "list"),
        (lambda: Shape.from_dict({"type": "Polygon", "axes": 3, "points": []}), "axes", "list"),
        (lambda: Shape.of(3), "shape", "int is no shape"),
        (lambda: Shape.of("{"), "shape", "no JSON"),
        (lambda: Shape.of("[1]"), "shape", "list is no shape"),
    ],
)
def test_bad_shapes_are_refused_by_the_field(make, field, words):
    with pytest.raises(BadShape) as caught:
        make()
    assert caught.value.field == field
    assert words in caught.value.detail


SQUARE = [[-5, 50], [2, 50], [2, 55], [-5, 55], [-5, 50]]
INNER = [[-1, 51], [0, 51], [0, 52], [-1, 51]]
GEOMETRY = {"type": "Polygon", "coordinates": [SQUARE, INNER]}


@pytest.mark.parametrize(
    "document",
    [
        GEOMETRY,
        {"type": "MultiPolygon", "coordinates": [[SQUARE, INNER]]},
        {"type": "Feature", "properties": {}, "geometry": GEOMETRY},
        {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": GEOMETRY}]},
        {"type": "Polygon", "coordinates": [[[*vertex, 7.0] for vertex in SQUARE], INNER]},
        shapely.Polygon(SQUARE, [INNER]),
        shapely.MultiPolygon([shapely.Polygon(SQUARE, [INNER])]),
    ],
    ids=["polygon", "multi", "feature", "collection", "heights", "shapely", "shapely multi"],
)
def test_geojson_and_shapely_become_a_polygon_latitude_first(document):
    expected = Polygon(AXES, [(50, -5), (50, 2), (55, 2), (55, -5)], [[(51, -1), (51, 0), (52, 0)]])
    assert Shape.of(document) == expected


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}, "type"),
        ({"type": "Polygon", "coordinates": []}, "coordinates"),
        ({"type": "Polygon", "coordinates": None}, "coordinates"),
        ({"type": "Polygon", "coordinates": [[[1], [2, 3], [4, 5]]]}, "coordinates"),
        ({"type": "Feature", "geometry": None}, "geometry"),
        ({"type": "FeatureCollection", "features": []}, "features"),
    ],
)
def test_geojson_without_a_polygon_is_refused(document, field):
    with pytest.raises(BadShape) as caught:
        Shape.from_dict(document)
    assert caught.value.field == field


def test_bounds_and_factors_tell_what_a_shape_covers():
    ranges = Box(level=(500, 850), time=("2026-01-01", "2026-01-02"))
    shape = Polygon(AXES, TRIANGLE, [HOLE]) & ranges
    assert shape.axes == ("latitude", "longitude", "level", "time")
    assert shape.bounds() == {
        "latitude": (50, 55),
        "longitude": (-5, 2),
        "level": (500, 850),
        "time": ("2026-01-01", "2026-01-02"),
    }
    assert [type(factor) for factor in shape.factors()] == [Polygon, Span, Span]


def test_a_coastline_prints_short():
    ring = [(np.sin(a), np.cos(a)) for a in np.linspace(0, 6, 500)]
    assert repr(Polygon(("y", "x"), ring)) == "<Polygon over ('y', 'x'): 1 rings, 500 vertices>"
