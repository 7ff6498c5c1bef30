"""Points, rounds, hulls, paths and unions: values, JSON both ways, drawings, refusals."""

import copy
import json
import pickle
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import boathouse.kernels.polytope.shapes as shapes
from boathouse.catalogs.errors import BadShape
from boathouse.kernels.polytope.shapes import (
    All,
    Box,
    ConvexPolytope,
    Disk,
    Ellipsoid,
    Path,
    PathSegment,
    Point,
    Polygon,
    Product,
    Select,
    Shape,
    ShapePath,
    Span,
    Union,
)

AXES = ("latitude", "longitude")
TUBE = ("latitude", "longitude", "level", "time")
TUBE_BOX = Box(latitude=(-1, 1), longitude=(-2, 2), level=(-50, 50), time=("-3h", "3h"))
TUBE_POINTS = [(50, 0, 500, "2026-01-01"), (55, 10, 700, "2026-01-02T06:00")]
TIME = Span("time", "2026-01-01", "2026-01-02")
EVERY = [
    Select("level", [500, 850]),
    Select("level", 500, method="nearest", k=2),
    Select("time", [datetime(2026, 1, 1), np.datetime64("2026-01-02T06:00")]),
    Select("station", ["Kew", "Eskdalemuir"]),
    All("level"),
    Point(AXES, (51.5, -0.1)),
    Point(AXES, [(51.5, -0.1), (60, 20)], method="surrounding", k=2),
    Point((*AXES, "time"), (51.5, -0.1, "2026-01-01T06:00"), method="linear"),
    Point("level", [500, 850], method="nearest"),
    Disk(AXES, (50, 0), 5),
    Disk(AXES, (50, 0), (5, 7.5)),
    Disk(("longitude", "latitude"), (0, 50), 500, unit="km"),
    Disk(("level", "time"), (500, "2026-01-01"), (50, timedelta(hours=6))),
    Ellipsoid(("latitude", "longitude", "time"), (50, 0, "2026-01-01"), (2, 3, "6h")),
    Ellipsoid(("a", "b", "c", "d"), (1, 2, 3, 4), 2),
    ConvexPolytope(("a", "b", "c"), [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]),
    ConvexPolytope(("level", "time"), [(500, "2026-01-01"), (850, "2026-01-02")]),
    Path(AXES, Disk(AXES, (0, 0), 1), (50, -5), (55, 0), (50, 2), closed=True),
    Path(AXES, Disk(AXES, (0, 0), 300, unit="km"), (50, -5), (40, -70)),
    Path(TUBE, TUBE_BOX, *TUBE_POINTS),
    PathSegment(TUBE, TUBE_BOX, *TUBE_POINTS),
    ShapePath(AXES, Disk(AXES, (50, 0), 1), Disk(AXES, (55, 10), 3)),
    ShapePath(AXES, Box(latitude=(0, 1), longitude=(0, 1)), ConvexPolytope(AXES, [(5, 5)])),
    Union(Disk(AXES, (50, 0), 5), Box(longitude=(0, 1), latitude=(40, 41)), tags=("a", "b")),
    Union(Span("level", 1, 2), Select("level", [5, 7])),
    Point(AXES, (1, 2)) & Select("level", 500) & All("member"),
    Union(Disk(AXES, (50, 0), 5) & TIME, Point(AXES, (1, 2)) & TIME),
]


@pytest.mark.parametrize("shape", EVERY, ids=repr)
def test_a_shape_survives_json_pickle_copies_and_its_own_print(shape):
    for again in (
        Shape.from_dict(json.loads(json.dumps(shape.to_dict()))),
        Shape.from_json(shape.to_json()),
        pickle.loads(pickle.dumps(shape)),
        copy.deepcopy(shape),
        eval(repr(shape), {name: getattr(shapes, name) for name in shapes.__all__}),
    ):
        assert again == shape
        assert hash(again) == hash(shape)
    assert shape.to_dict()["type"] == type(shape).__name__
    assert set(shape.bounds()) <= set(shape.axes)


def test_shapes_differ_when_they_mean_something_else():
    assert len(set(EVERY)) == len(EVERY)
    assert PathSegment(TUBE, TUBE_BOX, *TUBE_POINTS) != Path(TUBE, TUBE_BOX, *TUBE_POINTS)
    assert Select("a", 1) == Select("a", [1]) == Select("a", np.array([1]))
    assert Point(AXES, (1, 2)) == Point(AXES, [(1, 2)]) == Point(AXES, np.array([[1, 2]]))
    assert Disk(AXES, (1, 2), 3) == Disk(AXES, np.array([1, 2]), (3, 3))
    assert Path(AXES, Disk(AXES, (0, 0), 1), [(1, 2), (3, 4)]) == Path(
        AXES, Disk(AXES, (0, 0), 1), (1, 2), (3, 4)
    )


@pytest.mark.parametrize("shape", EVERY, ids=repr)
def test_a_shape_draws_itself_and_cannot_be_changed(shape):
    html = shape._repr_html_()
    assert html.startswith("<div>")
    assert html.endswith("</div>")
    coupled = any(len(factor.axes) > 1 for factor in shape.factors())
    assert ("<svg" in html) == coupled
    assert "nan" not in html
    with pytest.raises(AttributeError, match="make a new one"):
        shape.axes = ("x",)


def test_a_drawing_names_parts_and_escapes_what_users_write():
    html = Union(Disk(AXES, (50, 0), 5), Disk(AXES, (40, 0), 5), tags=("<i>", "two"))._repr_html_()
    assert "<title>two</title>" in html
    assert "<i>" not in html
    assert "<b>x" not in Select("<b>x", "<b>y")._repr_html_()
    assert "<b>y" not in Select("<b>x", "<b>y")._repr_html_()


def test_a_drawing_of_a_coastline_and_of_many_points_stays_small():
    angles = np.linspace(0, 2 * np.pi, 50_000, endpoint=False)
    ring = np.stack([50 + np.sin(angles), np.cos(angles)], axis=1)
    assert len(Polygon(AXES, ring)._repr_html_()) < 20_000
    assert len(Point(AXES, ring)._repr_html_()) < 100_000
    assert len(Path(AXES, Disk(AXES, (0, 0), 1), *ring[:400])._repr_html_()) < 150_000
    islands = [Polygon(AXES, ring[::100] / 9 + (0, shift)) for shift in range(-170, 170)]
    html = Union(*islands, tags=map(str, range(340)))._repr_html_()
    assert len(html) < 60_000
    assert "340 parts: 0, 1," in html


# --- what they are made of --------------------------------------------------------------------


def test_attributes_are_as_documented():
    path = Path(AXES, Disk(AXES, (0, 0), 1), (1, 2), (3, 4), closed=True)
    assert (path.shape, path.points, path.closed) == (Disk(AXES, (0, 0), 1), ((1, 2), (3, 4)), True)
    leg = PathSegment(AXES, Disk(AXES, (0, 0), 1), (1, 2), (3, 4))
    assert (leg.start, leg.end, leg.points, leg.closed) == ((1, 2), (3, 4), ((1, 2), (3, 4)), False)
    disk = Disk(AXES, (1, 2), 3)
    assert (disk.centre, disk.radius, disk.unit) == ((1, 2), (3, 3), "degrees")
    body = Ellipsoid(("level", "time"), (1, "2026-01-01"), (2, "1h"))
    assert body.radius == (2, "PT3600S")
    select = Select("level", 5, "nearest", 2)
    assert (select.axis, select.values, select.method, select.k) == ("level", (5,), "nearest", 2)
    assert All("level").axis == "level"


def test_a_union_takes_apart_what_it_may_and_gives_out_what_its_members_share():
    a, b, c = Disk(AXES, (0, 0), 1), Disk(AXES, (5, 5), 1), Box(longitude=(1, 2), latitude=(3, 4))
    assert a | b == Union(a, b) == Union([a, b])
    assert ((a | b) | c).shapes == (a, b, c)
    assert Union(a | b, c, tags=("two", "one")).shapes == (a | b, c)
    inner = Union(a, b, tags=("x", "y"))
    assert Union(inner, c).shapes == (inner, c)
    assert Union(a & TIME, b & TIME).factors() == (a | b, TIME)
    assert Union(a & TIME, TIME & b, tags=("x", "y")).factors() == (inner, TIME)
    assert Union(a, b).factors() == (Union(a, b),)
    level = Span("level", 1, 2)
    assert Union(a & TIME & level, b & level & TIME).factors() == (a | b, TIME, level)
    assert Union(TIME & a, TIME & a).factors() == (a | a, TIME)
    boxes = Union(Box(level=(1, 2), x=(0, 1)), Box(x=(5, 6), level=(1, 2)))
    assert boxes.factors() == (Span("x", 0, 1) | Span("x", 5, 6), level)


@pytest.mark.parametrize(
    ("make", "field", "words"),
    [
        (lambda: Select("level", []), "values", "empty"),
        (lambda: Select("level", [500, float("nan")]), "level", "finite"),
        (lambda: Select("level", [500, "2026-01-01"]), "level", "mixed"),
        (lambda: Select("time", ["2026-01-01", "6h"]), "time", "duration and time are mixed"),
        (lambda: Select("level", 500, method="linear"), "method", "'nearest', 'surrounding'"),
        (lambda: Select("level", 500, method="nearest", k=0), "k", "from 1"),
        (lambda: Select("level", 500, method="nearest", k=True), "k", "from 1"),
        (lambda: Select("level", 500, k=2), "k", "nearest"),
        (lambda: Point(AXES, (1, 2, 3)), "points", "latitude, longitude"),
        (lambda: Point(AXES, [(1, 2), (3,)]), "points[1]", "latitude, longitude"),
        (lambda: Point(AXES, [(1, 2), (float("inf"), 3)]), "latitude", "finite"),
        (lambda: Point(AXES, np.array([[1, 2], [np.nan, 3]])), "latitude", "finite"),
        (lambda: Point(AXES, []), "points", "give a point"),
        (lambda: Point(AXES, "ab"), "points", "list"),
        (lambda: Point(AXES, [(1, 2), ("2026-01-01", 3)]), "latitude", "mixed"),
        (lambda: Point(AXES, (1, 2), method="cubic"), "method", "linear"),
        (lambda: Point(AXES, (1, 2), method="linear", k=2), "k", "surrounding"),
        (lambda: Point(("a", "a"), (1, 2)), "axes", "different"),
        (lambda: Point((), ()), "axes", "1 or more"),
        (lambda: Point(3, (1, 2)), "axes", "names"),
        (lambda: Disk(AXES, (50, 0), -1), "latitude", "negative"),
        (lambda: Disk(AXES, (50, 0), (1, 2, 3)), "radius", "one for each"),
        (lambda: Disk(AXES, (50, 0), float("nan")), "latitude", "finite"),
        (lambda: Disk(AXES, (50, 0), "far"), "latitude", "no length"),
        (lambda: Disk(AXES, (50,), 1), "centre", "latitude, longitude"),
        (lambda: Disk(AXES, 50, 1), "centre", "latitude, longitude"),
        (lambda: Disk((*AXES, "level"), (1, 2, 3), 1), "axes", "two different"),
        (lambda: Disk(AXES, (50, 0), 1, unit="miles"), "unit", "'km'"),
        (lambda: Disk(AXES, (50, 0), (1, 2), unit="km"), "radius", "one number"),
        (lambda: Disk(AXES, (50, 0), "6h", unit="km"), "radius", "kilometres"),
        (lambda: Disk(AXES, (95, 0), 1, unit="km"), "latitude", "-90 to 90"),
        (lambda: Disk(("lon", "lat"), (95, 91), 1, unit="km"), "lat", "-90 to 90"),
        (lambda: Disk(("level", "time"), (5, "2026-01-01"), 5), "time", "duration such as"),
        (lambda: Disk(("level", "time"), (5, "2026-01-01"), 5, "km"), "time", "degrees"),
        (lambda: Ellipsoid(("level", "time"), (5, "20260101"), (5, "6h")), "time", "2026-01-31T06"),
        (lambda: Ellipsoid(("level", "time"), (5, 7), (5, "6h")), "time", "a number"),
        (lambda: Ellipsoid(("level",), (5,), 5), "axes", "2 or more"),
        (lambda: ConvexPolytope(AXES, []), "points", "empty"),
        (lambda: ConvexPolytope(AXES, [(1, 2), (3, float("nan"))]), "longitude", "finite"),
        (lambda: Path(AXES, Disk(AXES, (0, 0), 1), (1, 2)), "points", "2 points"),
        (lambda: Path(AXES, Disk(AXES, (0, 0), 1)), "points", "2 points"),
        (lambda: Path(AXES, Span("latitude", 0, 1), (1, 2), (3, 4)), "shape", "not a Span"),
        (lambda: Path(AXES, Box(latitude=(0, 1)), (1, 2), (3, 4)), "longitude", "must have the"),
        (lambda: Path(TUBE[:3], Disk(AXES, (0, 0), 1), (1, 2, 3), (3, 4, 5)), "level", "must have"),
        (
            lambda: Path(
                ("level", "time"),
                Box(level=(0, 1), time=(0, 1)),
                (1, "2026-01-01"),
                (1, "2026-01-02"),
            ),
            "time",
            "duration such as '6h'",
        ),
        (
            lambda: Path(AXES, Disk(AXES, (0, 0), 9, unit="km"), (1, 2), (95, 2)),
            "latitude",
            "-90 to 90",
        ),
        (lambda: ShapePath(AXES, Disk(AXES, (0, 0), 1)), "shapes", "needs two"),
        (
            lambda: ShapePath(AXES, Disk(AXES, (0, 0), 1), ConvexPolytope(AXES, [(1, 2)])),
            "shapes",
            "round and angular",
        ),
        (
            lambda: ShapePath(AXES, *[Disk(AXES, (0, 0), 1, unit="km")] * 2),
            "shapes",
            "in degrees",
        ),
        (
            lambda: ShapePath("t", ConvexPolytope("t", ["2026-01-01"]), ConvexPolytope("t", [3])),
            "t",
            "mixed",
        ),
        (Union, "shapes", "needs a shape"),
        (lambda: Span("a", 1, 2) | Span("b", 1, 2), "a", "same axes"),
        (lambda: Disk(AXES, (0, 0), 1) | Span("latitude", 1, 2), "longitude", "same axes"),
        (lambda: Span("a", 1, 2) | Select("a", "2026-01-01"), "a", "mixed"),
        (lambda: Union(Span("a", 1, 2), tags=("x", "y")), "tags", "one for each"),
        (lambda: Union(Span("a", 1, 2), tags=(3,)), "tags", "a text"),
        (lambda: Shape.from_dict({"type": "Disk", "axes": ["a", "b"]}), "centre", "missing"),
        (lambda: Shape.from_dict({"type": "All", "axis": "a", "k": 1}), "k", "no such field"),
        (lambda: Shape.from_dict({"type": "Union", "shapes": 3}), "shapes", "list"),
        (lambda: Shape.from_dict({"type": "Point", "axes": "a", "points": [1]}), "axes", "list"),
    ],
)
def test_bad_shapes_are_refused_by_the_field(make, field, words):
    with pytest.raises(BadShape) as caught:
        make()
    assert caught.value.field == field
    assert words in caught.value.detail


# --- laws ------------------------------------------------------------------------------------

number = st.one_of(st.integers(-400, 400), st.floats(-400, 400))
instant = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
length = st.one_of(st.integers(0, 50), st.floats(0, 50))
duration = st.timedeltas(timedelta(0), timedelta(days=20))


@st.composite
def bodies(draw, axes=("latitude", "longitude", "time")):
    """A shape of any kind that couples axes, the last of them of times."""

    def place():
        return (*(draw(number) for _ in axes[:-1]), draw(instant))

    kind = draw(st.sampled_from(["point", "ellipsoid", "hull", "path", "growing"]))
    places = [place() for _ in range(draw(st.integers(2, 5)))]
    radius = (*(draw(length) for _ in axes[:-1]), draw(duration))
    if kind == "point":
        return Point(axes, places, draw(st.sampled_from([None, "nearest", "linear"])))
    if kind == "ellipsoid":
        return Ellipsoid(axes, places[0], radius)
    if kind == "hull":
        return ConvexPolytope(axes, places)
    if kind == "path":
        shape = Ellipsoid(axes, places[0], radius)
        shape = draw(st.sampled_from([shape, Box(shape.bounds())]))
        return Path(axes, shape, *places, closed=draw(st.booleans()))
    return ShapePath(axes, *(Ellipsoid(axes, place, radius) for place in places))


@st.composite
def anything(draw):
    """A shape of shapes."""
    first = draw(st.lists(bodies(), min_size=1, max_size=3))
    tags = [str(number) for number in range(len(first))] if draw(st.booleans()) else ()
    body = first[0] if len(first) == 1 else Union(*first, tags=tags)
    return body & Select("level", draw(st.lists(number, min_size=1, max_size=3)))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(anything())
def test_every_shape_comes_back_from_json_equal_and_with_equal_bounds(shape):
    again = Shape.from_json(shape.to_json())
    assert again == shape
    assert hash(again) == hash(shape)
    assert again.to_json() == shape.to_json()
    for axis, (low, high) in shape.bounds().items():
        assert low <= high, axis
    assert shape._repr_html_().count("<svg") == 1


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(bodies(), min_size=1, max_size=4), st.booleans())
def test_what_members_share_can_be_pulled_out_and_put_back(members, flip):
    level = Select("level", [500])
    joined = Union(*(level & each if flip else each & level for each in members))
    factors = joined.factors()
    assert factors[-1] == level
    assert Product(*factors).bounds() == joined.bounds()
    assert {axis for factor in factors for axis in factor.axes} == set(joined.axes)
