"""An area: shapes, GeoJSON and boxes become one GeoJSON geometry."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point, box, mapping, shape

import boathouse as bh
from boathouse.catalogs.events.areas import geojson_of

ALPS = box(5, 44, 17, 48)


@pytest.mark.parametrize(
    "area",
    [
        [5, 44, 17, 48],
        bh.Box(latitude=(44, 48), longitude=(5, 17)),
        bh.Box(lat=(44, 48), lon=(365, 377)),
        bh.Polygon(("latitude", "longitude"), [(44, 5), (48, 5), (48, 17), (44, 17)]),
        bh.Union(
            bh.Box(latitude=(44, 48), longitude=(5, 11)),
            bh.Box(latitude=(44, 48), longitude=(11, 17)),
        ),
        ALPS,
        mapping(ALPS),
        {"type": "Feature", "properties": {}, "geometry": mapping(ALPS)},
        {"type": "FeatureCollection", "features": [{"geometry": mapping(ALPS)}]},
    ],
    ids=lambda area: type(area).__name__,
)
def test_everything_that_is_the_alps(area: Any) -> None:
    assert shape(geojson_of(area)).equals(ALPS)


def test_disks_and_points() -> None:
    disk = shape(geojson_of(bh.Disk(("longitude", "latitude"), (6, 45), 2)))
    assert disk.area == pytest.approx(12.566, rel=0.01)
    assert disk.centroid.distance(Point(6, 45)) < 1e-6
    near = shape(geojson_of(bh.Disk(("latitude", "longitude"), (60, 10), 111.195, unit="km")))
    west, south, east, north = near.bounds
    assert north - south == pytest.approx(2, rel=0.01)
    assert east - west == pytest.approx(4, rel=0.01), "at 60 degrees north twice as wide"
    points = bh.Point(("latitude", "longitude"), [(45, 6), (46, 7)])
    assert shape(geojson_of(points)).equals(shape(mapping(Point(6, 45).union(Point(7, 46)))))


@given(
    west=st.floats(-180, 180),
    width=st.floats(0.5, 359),
    south=st.floats(-89, 88),
    where=st.tuples(st.floats(-179.9, 179.9), st.floats(-89, 89)),
)
def test_a_box_holds_what_lies_east_of_its_west(
    west: float, width: float, south: float, where: tuple[float, float]
) -> None:
    east = west + width if west + width <= 180 else west + width - 360
    area = shape(geojson_of([west, south, east, south + 1]))
    bounds = area.bounds
    assert -180 <= bounds[0] <= bounds[2] <= 180
    lon, lat = where
    inside = (lon - west) % 360 <= width and south <= lat <= south + 1
    edge = min(
        abs((lon - west + 180) % 360 - 180),
        abs((lon - west - width + 180) % 360 - 180),
        abs(lat - south),
        abs(lat - south - 1),
    )
    if edge > 1e-6:
        assert area.intersects(Point(lon, lat)) == inside


@pytest.mark.parametrize(
    ("area", "said"),
    [
        ("alps", "a str is no area"),
        ([1, 2, 3], "west, south, east, north"),
        ([5, 44, 17, 91], "between -90 and 90"),
        ({"type": "Polygon"}, "not a valid area"),
        ({"type": "Polygon", "coordinates": []}, "is empty"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, "a"]]]}, "not a valid area"),
        ({"type": "Point", "coordinates": [0, 95]}, "between -90 and 90"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [2000, 0], [0, 9], [0, 0]]]}, "more than"),
        (bh.Box(step=(1, 2)), "not on 'step'"),
        (bh.Disk(("latitude", "step"), (1, 2), 3), "not on 'step'"),
        (bh.Select("time", ["2020-01-01"]), "'Select' is no area"),
    ],
)
def test_what_is_no_area_is_refused_by_name(area: Any, said: str) -> None:
    with pytest.raises(bh.BadRequest, match=said) as wrong:
        geojson_of(area, field="when.intersects")
    assert wrong.value.field == "when.intersects"
    assert str(wrong.value).startswith("when.intersects")
