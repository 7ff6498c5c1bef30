"""What people write to pick events, as filters."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

import boathouse as bh
from boathouse.catalogs.errors import BadEvent
from boathouse.catalogs.events.conditions import (
    make_filter,
    read_condition,
    read_conditions,
    rfc3339,
    write_bbox,
)
from boathouse.catalogs.events.event import Event, EventFilter, moment
from boathouse.catalogs.events.places import parse_box


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({}, EventFilter()),
        ({"type": "a.b"}, EventFilter(type="a.b")),
        ({"type": ["a.b", "c.*"]}, EventFilter(types=("a.b", "c.*"))),
        ({"type": ["a"], "types": ["b"]}, EventFilter(types=("a", "b"))),
        ({"since": date(2026, 1, 2)}, EventFilter(since="2026-01-02T00:00:00Z")),
        ({"data_until": "2026-01-02T03:00+03:00"}, EventFilter(data_until="2026-01-02T00:00:00Z")),
        ({"bbox": "5,44,17,48"}, EventFilter(bbox=(5, 44, 17, 48))),
        ({"bbox": np.array([5, 44, 17, 48])}, EventFilter(bbox=(5, 44, 17, 48))),
        ({"where": {"a": 1}, "fields": {"b": 2}}, EventFilter(where={"a": 1, "b": 2})),
        ({"fields": {"param": ("2t", "10u")}}, EventFilter(where={"param": {"in": ["2t", "10u"]}})),
        ({"fields": {"n": np.float32(0.5)}}, EventFilter(where={"n": 0.5})),
        (
            {"fields": {"day": {"gte": date(2026, 1, 1)}}},
            EventFilter(where={"day": {"gte": "2026-01-01T00:00:00Z"}}),
        ),
    ],
)  # fmt: skip
def test_keywords_become_a_filter(given_: dict[str, Any], expected: EventFilter) -> None:
    assert make_filter(**given_) == expected


@pytest.mark.parametrize(
    "area",
    [
        bh.Box(latitude=(44, 48), longitude=(5, 17)),
        bh.Polygon(("latitude", "longitude"), [(44, 5), (48, 5), (48, 17), (44, 17)]),
        box(5, 44, 17, 48),
        {"type": "Polygon", "coordinates": [[[5, 44], [17, 44], [17, 48], [5, 48], [5, 44]]]},
    ],
)
def test_any_kind_of_area_picks_by_place(area: Any) -> None:
    where = make_filter(area=area)
    inside, outside = (
        Event(type="t", source="/s", data={"geometry": {"type": "Point", "coordinates": place}})
        for place in ([6, 45], [4, 45])
    )
    assert where.matches(inside)
    assert not where.matches(outside)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"type": 7}, "type"),
        ({"types": "a.b"}, "types"),
        ({"collection": ["a"]}, "collection"),
        ({"since": "last week"}, "since"),
        ({"until": 12.5}, "until"),
        ({"data_since": "2026-13-01"}, "data_since"),
        ({"since": datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))}, "since"),
        ({"bbox": (5, 44, 17)}, "bbox"),
        ({"bbox": (5, 48, 17, 44)}, "bbox"),
        ({"bbox": "here"}, "bbox"),
        ({"area": 7}, "area"),
        ({"area": {"type": "Polygon"}}, "area"),
        ({"area": bh.Box(level=(1, 2))}, "area"),
        ({"where": {"a": {"like": "b"}}}, "where.a"),
        ({"fields": {"a": {"lt": None}}}, "where.a.lt"),
        ({"fields": {"colection": "sst"}}, "colection"),
        ({"fields": {"time_out": 5}}, "time_out"),
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(BadEvent) as caught:
        make_filter(**wrong)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cloud_cover<20", ("cloud_cover", {"lt": 20})),
        ("cloud_cover <= 20.5", ("cloud_cover", {"lte": 20.5})),
        ("step>=0", ("step", {"gte": 0})),
        ("data.a.b = x=y", ("data.a.b", {"eq": "x=y"})),
        ("a!=true", ("a", {"ne": True})),
        ('a="20"', ("a", {"eq": "20"})),
        ("param in 2t, 10u", ("param", {"in": ["2t", "10u"]})),
        ("param in [1, 2]", ("param", {"in": [1, 2]})),
        ("step between 0,24", ("step", {"between": [0, 24]})),
        ("name prefix S2", ("name", {"prefix": "S2"})),
        ("name suffix 12", ("name", {"suffix": "12"})),
        ("a exists", ("a", {"exists": True})),
        ("a exists false", ("a", {"exists": False})),
        ("index=5", ("index", {"eq": 5})),
    ],
)
def test_a_condition_is_read_as_typed(text: str, expected: tuple[str, Any]) -> None:
    assert read_condition(text) == expected
    assert make_filter(where=dict([expected])).where == dict([expected])


@pytest.mark.parametrize("text", ["", "cloud_cover", "<20", "a like b", "2a=1"])
def test_no_condition_is_refused(text: str) -> None:
    with pytest.raises(BadEvent) as caught:
        read_condition(text)
    assert caught.value.field == "where"


def test_two_conditions_of_one_kind_on_a_field_are_refused() -> None:
    assert read_conditions(["a>1", "a<3"]) == {"a": {"gt": 1, "lt": 3}}
    with pytest.raises(BadEvent, match="two conditions"):
        read_conditions(["a>1", "a>2"])


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)))
def test_a_time_keeps_its_moment(time: datetime) -> None:
    assert moment(rfc3339(time)) == moment(rfc3339(time.isoformat()))
    assert rfc3339(time) == rfc3339(time.replace(tzinfo=None))


_longitudes, _latitudes = st.floats(-180, 180), st.floats(-90, 90)


@given(_longitudes, _longitudes, st.lists(_latitudes, min_size=2, max_size=2).map(sorted))
def test_a_box_survives_writing(west: float, east: float, latitudes: list[float]) -> None:
    south, north = latitudes
    assert np.allclose(
        parse_box(write_bbox((west, south, east, north))), (west, south, east, north), atol=1e-7
    )
