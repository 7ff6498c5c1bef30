"""Shapes of other people's documents: GeoJSON, shapely, geopandas."""

import json

import geopandas
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from boathouse.catalogs.errors import BadShape
from boathouse.kernels.polytope.shapes import (
    Point,
    Polygon,
    Shape,
    Union,
)

AXES = ("latitude", "longitude")
SQUARE = [[-5, 50], [2, 50], [2, 55], [-5, 55], [-5, 50]]
AREA = Polygon(AXES, [(50, -5), (50, 2), (55, 2), (55, -5)])
PLACE = Point(AXES, (51.5, -0.1), method="nearest")


def feature(geometry, **others):
    return {"type": "Feature", "geometry": geometry, **others}


POLYGON = {"type": "Polygon", "coordinates": [SQUARE]}
POINT = {"type": "Point", "coordinates": [-0.1, 51.5]}


# --- GeoJSON ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "shape"),
    [
        (POINT, PLACE),
        ({"type": "Point", "coordinates": [-0.1, 51.5, 30]}, PLACE),
        (
            {"type": "MultiPoint", "coordinates": [[-0.1, 51.5], [20, 60]]},
            Point(AXES, [(51.5, -0.1), (60, 20)], method="nearest"),
        ),
        ({"type": "GeometryCollection", "geometries": [POLYGON]}, AREA),
        ({"type": "GeometryCollection", "geometries": [POLYGON, POINT]}, Union(AREA, PLACE)),
        (feature(POINT, id=7), PLACE),
        ({"type": "FeatureCollection", "features": [feature(POLYGON, id="x")]}, AREA),
        (
            {
                "type": "FeatureCollection",
                "features": [
                    feature(POLYGON, id=1, properties={"name": "UK"}),
                    feature(POINT, id=2, properties={"name": ""}),
                    feature(POINT, properties=None),
                ],
            },
            Union(AREA, PLACE, PLACE, tags=("UK", "2", "2")),
        ),
        (
            {
                "type": "Polygon",
                "coordinates": [SQUARE],
                "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}},
            },
            AREA,
        ),
    ],
)
def test_geojson_is_read_longitude_first(document, shape):
    assert Shape.of(document) == shape
    assert Shape.of(json.dumps(document)) == shape


@pytest.mark.parametrize(
    ("document", "field", "words"),
    [
        ({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}, "type", "Path("),
        ({"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]]]}, "type", "no width"),
        ({"type": "Point", "coordinates": []}, "coordinates", "[longitude, latitude]"),
        ({"type": "Point", "coordinates": [0, None]}, "latitude", "NoneType"),
        ({"type": "MultiPoint", "coordinates": []}, "coordinates", "no point"),
        ({"type": "GeometryCollection", "geometries": []}, "geometries", "empty"),
        ({"type": "FeatureCollection", "features": [3]}, "features", "object"),
        (
            {
                "type": "FeatureCollection",
                "features": [feature(POINT), feature(None, properties={"name": "Nowhere"})],
            },
            "geometry",
            "feature Nowhere",
        ),
        (
            {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2]]]},
            "latitude",
            "crosses itself",
        ),
        (
            {**POLYGON, "crs": {"type": "name", "properties": {"name": "EPSG:3857"}}},
            "crs",
            "EPSG:4326",
        ),
    ],
)
def test_other_geojson_is_refused_with_the_mend(document, field, words):
    with pytest.raises(BadShape) as caught:
        Shape.of(document)
    assert caught.value.field == field
    assert words in caught.value.detail


def test_a_ring_that_jumps_at_the_date_line_is_made_whole():
    eastern = [[30, 50], [170, 50], [-175, 60], [170, 70], [30, 70], [30, 50]]
    shape = Shape.of({"type": "Polygon", "coordinates": [eastern]})
    assert shape == Polygon(AXES, [(50, 30), (50, 170), (60, 185), (70, 170), (70, 30)])


def test_a_ring_around_the_pole_is_closed_over_it():
    coast = [[0, -70], [100, -65], [170, -62], [-170, -75], [-100, -66], [0, -70]]
    shape = Shape.of({"type": "Polygon", "coordinates": [coast]})
    assert isinstance(shape, Polygon)
    assert shape.bounds() == {"latitude": (-90, -62), "longitude": (0, 360)}
    area = shapely.Polygon([(lon, lat) for lat, lon in shape.outer[0]])
    assert area.is_valid
    assert all(area.covers(shapely.Point(lon, -85)) for lon in range(0, 361, 10))


def test_the_outline_of_the_world_stays_as_it_is():
    world = [[-180, -80], [180, -80], [180, 80], [-180, 80], [-180, -80]]
    shape = Shape.of({"type": "Polygon", "coordinates": [world]})
    assert shape.bounds() == {"latitude": (-80, 80), "longitude": (-180, 180)}


# --- shapely and geopandas --------------------------------------------------------------------


def test_shapely_geometries_are_read():
    assert Shape.of(shapely.Polygon(SQUARE)) == AREA
    assert Shape.of(shapely.Point(-0.1, 51.5)) == PLACE
    assert Shape.of(shapely.MultiPoint([(1, 2), (3, 4)])).points == ((2, 1), (4, 3))
    both = shapely.GeometryCollection([shapely.Polygon(SQUARE), shapely.Point(-0.1, 51.5)])
    assert Shape.of(both) == Union(AREA, PLACE)
    for geometry in (shapely.LineString([(0, 0), (1, 1)]), shapely.LinearRing(SQUARE)):
        with pytest.raises(BadShape, match="no width"):
            Shape.of(geometry)
    with pytest.raises(BadShape, match="empty"):
        Shape.of(shapely.Polygon())


ring = st.lists(
    st.tuples(st.integers(-180, 180), st.integers(-90, 90)), min_size=3, max_size=8, unique=True
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(ring, min_size=1, max_size=3))
def test_a_valid_shapely_geometry_is_the_same_area(rings):
    areas = [area for area in map(shapely.Polygon, rings) if area.is_valid]
    geometry = shapely.union_all(areas)
    if geometry.is_empty:
        return
    shape = Shape.of(geometry)
    assert isinstance(shape, Polygon)
    parts = [shapely.Polygon([(lon, lat) for lat, lon in each]) for each in shape.rings]
    odd = parts[0]
    for part in parts[1:]:
        odd = shapely.symmetric_difference(odd, part)
    assert odd.area == pytest.approx(geometry.area, rel=1e-9)
    assert Shape.from_json(shape.to_json()) == shape


def test_a_geodataframe_becomes_a_union_with_the_names_as_tags():
    table = geopandas.GeoDataFrame(
        {"name": ["box", "place"]},
        geometry=[shapely.Polygon(SQUARE), shapely.Point(-0.1, 51.5)],
        crs="EPSG:4326",
    )
    expected = Union(AREA, PLACE, tags=("box", "place"))
    assert Shape.of(table) == expected
    assert Shape.of(table.geometry) == Union(AREA, PLACE, tags=("0", "1"))
    assert Shape.of(table.drop(columns="name").set_index([["a", "b"]])).tags == ("a", "b")
    assert Shape.of(table.iloc[:1]) == AREA
    assert Shape.of(table.set_crs(None, allow_override=True)) == expected


def test_a_geodataframe_is_reprojected():
    table = geopandas.GeoSeries([shapely.Point(-0.1, 51.5)], crs="EPSG:4326").to_crs("EPSG:3857")
    point = Shape.of(table)
    assert isinstance(point, Point)
    np.testing.assert_allclose(point.points, [(51.5, -0.1)], atol=1e-9)


def test_rows_that_hold_nothing_are_named():
    table = geopandas.GeoSeries([shapely.Polygon(SQUARE), None], index=["a", "b"])
    with pytest.raises(BadShape, match="b: has no geometry"):
        Shape.of(table)
    with pytest.raises(BadShape, match="no rows"):
        Shape.of(table.iloc[:0])
    lines = geopandas.GeoSeries([shapely.LineString([(0, 0), (1, 1)])], index=["road"])
    with pytest.raises(BadShape, match=r"road: .*no width"):
        Shape.of(lines)
