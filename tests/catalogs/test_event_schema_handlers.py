"""Laws of the handlers: canonical forms are fixed points, and equal values get one form."""

import datetime
import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from boathouse.catalogs.errors import BadEvent
from boathouse.catalogs.events.handlers import (
    DateHandler,
    EnumHandler,
    ExpverHandler,
    FloatHandler,
    Handler,
    IntHandler,
    PointHandler,
    PolygonHandler,
    StringHandler,
    TimeHandler,
)
from boathouse.catalogs.events.handlers_shapes import parse_polygon

HANDLERS: list[Handler] = [
    StringHandler(max_length=8),
    DateHandler(),
    DateHandler(canonical_format="%Y-%m-%d"),
    TimeHandler(),
    EnumHandler(values=("g", "Europe", "İ")),
    ExpverHandler(default="1"),
    IntHandler(range=(-5, 10**9)),
    FloatHandler(),
    PolygonHandler(),
    PointHandler(),
]
LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.from_regex(r"\A[0-9:,.()\-]{0,12}\Z"),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: type(handler).__name__)
@given(value=ANYTHING)
@settings(max_examples=60, deadline=None)
def test_any_value_is_refused_by_name_or_has_a_form_that_stays(handler: Handler, value: Any):
    refused = ""
    try:
        canonical = handler.canonical(value, "data.identifier.k")
    except BadEvent as error:
        refused, canonical = error.field or "nowhere", None
    assert refused in ("", "data.identifier.k")
    if not refused:
        assert handler.canonical(canonical, "k") == canonical
        assert handler.canonical(handler.text(canonical), "k") == canonical


@given(day=st.dates())
@settings(deadline=None)
def test_a_day_is_the_same_however_it_is_written(day: datetime.date):
    forms = {
        f"{day.year:04}{day.month:02}{day.day:02}",
        day.isoformat(),
        f"{day.year:04}-{day.timetuple().tm_yday:03}",
    }
    compact = f"{day.year:04}{day.month:02}{day.day:02}"
    assert {DateHandler().canonical(form, "k") for form in forms} == {compact}
    dashed = DateHandler(canonical_format="%Y-%m-%d")
    assert {dashed.canonical(form, "k") for form in forms} == {day.isoformat()}


@given(hours=st.integers(0, 23), minutes=st.integers(0, 59))
def test_a_time_is_the_same_however_it_is_written(hours: int, minutes: int):
    forms = {f"{hours:02}{minutes:02}", f"{hours}:{minutes:02}", f"{hours:02}:{minutes:02}"}
    if not minutes:
        forms |= {str(hours), f"{hours:02}"}
    assert {TimeHandler().canonical(form, "k") for form in forms} == {f"{hours:02}{minutes:02}"}


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_on_the_wire_has_no_exponent_and_loses_nothing(value: float):
    handler = FloatHandler()
    text = handler.text(value)
    assert "e" not in text
    assert not text.endswith(".0")
    assert handler.canonical(text, "k") == value


@given(corners=st.lists(st.tuples(LATITUDES, LONGITUDES), min_size=3, max_size=8))
@settings(deadline=None)
def test_a_ring_is_the_same_as_text_and_as_pairs(corners: list[tuple[float, float]]):
    pairs = [*corners, corners[0]]
    text = ", ".join(f"{latitude!r} , {longitude!r}" for latitude, longitude in pairs)
    handler = PolygonHandler()
    canonical = handler.canonical(f"({text})", "k")
    assert handler.canonical([list(pair) for pair in pairs], "k") == canonical
    west, south, east, north = map(float, parse_polygon(canonical, "k").bbox.split(","))
    for latitude, longitude in pairs:
        assert south <= latitude <= north
        assert west <= longitude <= east
    assume(corners[0] != corners[-1])
    with pytest.raises(BadEvent):
        handler.canonical([list(pair) for pair in corners], "k")


@given(number=st.integers(0, 9999))
def test_numbers_of_experiments_have_four_digits(number: int):
    handler = ExpverHandler()
    assert (
        handler.canonical(number, "k") == handler.canonical(f"{number:03}", "k") == f"{number:04}"
    )
    assert handler.canonical(f"E{number}", "k") == f"e{number}"


@pytest.mark.parametrize(
    ("handler", "asked", "condition"),
    [
        (IntHandler(), "7", {"eq": 7}),
        (IntHandler(), {"in": ["1", 2]}, {"in": [1, 2]}),
        (FloatHandler(), {"between": [1, "2.5"]}, {"between": [1.0, 2.5]}),
        (DateHandler(), {"gte": "2026-187"}, {"gte": "20260706"}),
        (EnumHandler(values=("N", "s")), {"in": ["n", "S"]}, {"in": ["n", "s"]}),
        (StringHandler(), {"prefix": "od"}, {"prefix": "od"}),
    ],
)
def test_what_a_listener_asks_is_canonical_too(
    handler: Handler, asked: Any, condition: dict[str, Any]
):
    assert handler.constraint(asked, "identifier.k") == condition


@pytest.mark.parametrize(
    ("handler", "asked", "reason"),
    [
        (IntHandler(), {}, "exactly one operator"),
        (IntHandler(), {"gt": 1, "lt": 2}, "exactly one operator"),
        (IntHandler(), {"like": 1}, "knows the operators"),
        (EnumHandler(values=("n",)), {"gt": "n"}, "knows the operators eq, in"),
        (PolygonHandler(), {"in": []}, "knows the operators"),
        (IntHandler(), {"between": [1]}, "two values"),
        (IntHandler(), {"in": []}, "a list of values"),
        (IntHandler(), {"in": "12"}, "a list of values"),
        (FloatHandler(), {"gt": math.inf}, "finite"),
        (IntHandler(range=(0, 5)), {"gt": 6}, "from 0 to 5"),
    ],
)
def test_what_cannot_be_asked_is_refused(handler: Handler, asked: Any, reason: str):
    with pytest.raises(BadEvent, match=reason) as refused:
        handler.constraint(asked, "identifier.k")
    assert refused.value.field == "identifier.k"
