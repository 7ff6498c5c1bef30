"""The point set of polygons and ranges is the closed set: no point more, no point less."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

import boathouse.kernels.polytope.accessor  # noqa: F401 - registers .polytope
from boathouse.catalogs.errors import BadShape, ShapeWarning
from boathouse.kernels.polytope.scanline import _first_at
from boathouse.kernels.polytope.shapes import Polygon, Span

AXES = ("latitude", "longitude")
many = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def cube(rows, columns, *, dtype=np.float64, units=("degrees_north", "degrees_east")):
    """A cube whose values are their own flat index."""
    rows, columns = np.asarray(rows, dtype), np.asarray(columns, dtype)
    values = np.arange(len(rows) * len(columns)).reshape(len(rows), len(columns))
    return xr.DataArray(
        values,
        [
            ("latitude", rows, {"units": units[0]}),
            ("longitude", columns, {"units": units[1]}),
        ],
        name="number",
    )


def plain(rows, columns, **options):
    """A cube on two axes that do not come round."""
    return cube(rows, columns, units=("m", "m"), **options)


def chosen(array, shape, **options):
    """The flat indices that an extraction gives; none when it finds nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ShapeWarning)
        try:
            return array.polytope.extract(shape, **options).values.ravel().tolist()
        except BadShape as error:
            if "no grid point" not in error.detail:
                raise
            return []


def crosses(ring, y, x):
    """None for a point on the ring, else whether a ray from it meets the ring oddly often."""
    odd = False
    for (y0, x0), (y1, x1) in zip(ring, [*ring[1:], ring[0]], strict=True):
        across = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        if across == 0 and min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= y <= max(y0, y1):
            return None
        if (y0 <= y) != (y1 <= y) and (x - x0) * abs(y1 - y0) < (x1 - x0) * abs(y - y0):
            odd = not odd
    return odd


def by_whole_numbers(rings, rows, columns):
    """The closed set point by point, in arithmetic of whole numbers that never rounds."""
    numbers = [value for ring in rings for vertex in ring for value in vertex]
    scale = max(Fraction(float(value)).denominator for value in (*numbers, *rows, *columns))

    def whole(value):
        return int(Fraction(float(value)) * scale)

    exact = [[(whole(y), whole(x)) for y, x in ring] for ring in rings]
    inside = []
    for row, y in enumerate(map(whole, rows)):
        for column, x in enumerate(map(whole, columns)):
            sides = [crosses(ring, y, x) for ring in exact]
            if None in sides or sum(sides) % 2:
                inside.append(row * len(columns) + column)
    return inside


def by_shapely(polygon, rows, columns, period=None):
    """The closed set by GEOS; on a cyclic axis, of all copies of the grid."""
    y, x = np.meshgrid(np.asarray(rows, float), np.asarray(columns, float), indexing="ij")
    turns = (0,) if period is None else (-2, -1, 0, 1, 2, 3)
    shapely.prepare(polygon)
    inside = np.zeros(y.shape, dtype=bool)
    for turn in turns:
        inside |= shapely.intersects_xy(polygon, x + turn * (period or 0), y)
    return np.flatnonzero(inside.ravel()).tolist()


def simple(rings):
    """A polygon of these rings; those that cross themselves are refused, and are not meant."""
    try:
        return Polygon(AXES, rings[0], rings[1:])
    except BadShape as error:
        assume("crosses itself" not in error.detail)
        raise


lattice = st.tuples(st.integers(0, 8), st.integers(0, 8))
lattice_ring = st.lists(lattice, min_size=3, max_size=8).filter(lambda ring: ring[0] != ring[-1])
lattice_rings = st.lists(lattice_ring, min_size=1, max_size=3)


@many
@given(lattice_rings)
@example([[(0, 0), (0, 4), (4, 4), (4, 0)], [(1, 1), (1, 3), (3, 3), (3, 1)]])
@example([[(0, 0), (0, 0), (2, 0), (4, 0), (4, 4), (4, 4), (0, 4)]])  # repeated, collinear
@example([[(2, 2), (2, 8), (2, 8)]])  # a line
@example([[(2, 2), (5, 5), (7, 7)]])
def test_rings_with_vertices_on_grid_points_give_the_closed_set(rings):
    places = np.arange(9) / 2
    halves = [[(y / 2, x / 2) for y, x in ring] for ring in rings]
    shape = simple(halves)
    assert chosen(plain(places, places), shape) == by_whole_numbers(halves, places, places)


@many
@given(lattice_rings)
def test_edges_between_tenths_are_decided_exactly(rings):
    # Tenths are no binary fractions: whether a point is on an edge hangs on the last bit.
    places = np.arange(9) / 10
    tenths = [[(y / 10, x / 10) for y, x in ring] for ring in rings]
    shape = simple(tenths)
    assert chosen(plain(places, places), shape) == by_whole_numbers(tenths, places, places)


@many
@given(
    st.lists(
        st.tuples(*[st.floats(-3, 3, allow_nan=False)] * 2),
        min_size=3,
        max_size=9,
    )
)
def test_any_floating_point_ring_gives_the_closed_set_without_tolerance(ring):
    places = np.array([-3.0, -1.5, -1e-5, 0.0, 5e-324, 0.1, 1.1, 2.5, 3.0])
    assume(ring[0] != ring[-1])
    found = chosen(plain(places, places), simple([ring]), tolerance=0)
    assert found == by_whole_numbers([ring], places, places)


@st.composite
def stars(draw, largest=40):
    """A simple polygon with its vertices in order around a centre, concave, perhaps with a hole."""
    count = draw(st.integers(3, largest))
    number = draw(st.integers(0, 2**32 - 1))
    source = np.random.default_rng(number)
    angles = np.sort(source.uniform(0, 2 * np.pi, count))
    radius = source.uniform(2, 20, count)
    centre = source.uniform(-20, 20, 2)
    outer = np.round(centre + np.c_[np.cos(angles), np.sin(angles)] * radius[:, None], 4)
    hole = centre + np.c_[np.cos(angles), np.sin(angles)] * 0.5 * radius.min()
    polygon = shapely.Polygon(outer[:, ::-1], [np.round(hole, 4)[:, ::-1]] if number % 2 else [])
    assume(polygon.is_valid and polygon.area > 1e-6)
    return polygon


@many
@given(stars(), st.booleans(), st.booleans())
def test_stars_with_holes_agree_with_geos(polygon, descending, swapped):
    rows, columns = np.linspace(-45, 45, 46), np.linspace(-44, 44, 45)
    rows = rows[::-1] if descending else rows
    array = plain(rows, columns)
    expected = by_shapely(polygon, rows, columns)
    if swapped:
        array = array.transpose()
        rank = {value: place for place, value in enumerate(array.values.ravel().tolist())}
        expected = sorted(expected, key=rank.__getitem__)
    assert chosen(array, polygon) == expected


@many
@given(
    stars(12),
    st.sampled_from([-360, -180, 0, 170, 180, 350, 540]),
    st.sampled_from(["0..360", "-180..180", "part", "both ends", "rolled", "descending"]),
)
def test_polygons_across_the_seam_agree_with_geos_on_every_turn(polygon, shift, layout):
    rows = np.arange(50, -51, -2.5)
    columns = {
        "0..360": np.arange(0, 360, 2.5),
        "-180..180": np.arange(-180, 180, 2.5),
        "part": np.arange(300, 370, 2.5),
        "both ends": np.arange(0, 361, 2.5),
        "rolled": np.roll(np.arange(0, 360, 2.5), 50),
        "descending": np.arange(357.5, -1, -2.5),
    }[layout]
    moved = shapely.transform(polygon, lambda vertices: vertices + np.array([shift, 0]))
    expected = by_shapely(moved, rows, columns, period=360)
    found = chosen(cube(rows, columns), moved)
    if layout == "both ends":  # one place, of which one column is given
        row, column = np.divmod(expected, len(columns))
        expected = sorted(set(zip(row.tolist(), (column % 144).tolist(), strict=True)))
        row, column = np.divmod(np.array(found, dtype=int), len(columns))
        places = sorted(zip(row.tolist(), (column % 144).tolist(), strict=True))
        assert places == expected
    else:
        assert found == expected


@many
@given(stars(12), st.integers(-2, 2))
def test_float32_cubes_agree_with_geos_on_the_rounded_polygon(polygon, turn):
    rows = (np.arange(-225, 226, 7) / 5).astype("f4")  # fifths of a degree: inexact in float32
    columns = (np.arange(-220, 221, 6) / 5).astype("f4")
    rounded = shapely.transform(polygon, lambda vertices: vertices.astype("f4").astype("f8"))
    assume(rounded.is_valid)
    shift = np.array([360 * turn, 0])
    moved = shapely.transform(polygon, lambda vertices: np.round(vertices + shift, 4))
    found = chosen(cube(rows, columns, dtype=np.float32), moved)
    assert found == by_shapely(rounded, rows, columns)


@many
@given(lattice_ring, st.integers(-3, 3))
def test_the_same_polygon_some_turns_on_holds_the_same_points(ring, turn):
    rows, columns = np.arange(0, 61, 5), np.arange(0, 360, 5)
    here = simple([[(y * 5, x * 5 - 30) for y, x in ring]])
    there = simple([[(y * 5, x * 5 - 30 + 360 * turn) for y, x in ring]])
    assert chosen(cube(rows, columns), here) == chosen(cube(rows, columns), there)


@many
@given(st.floats(-800, 800), st.floats(0, 800), st.sampled_from([0, -180, 7]), st.booleans())
@example(-360.0, 1080.0, 0, False)
@example(357.5, 0.0, 0, True)
def test_ranges_of_longitude_hold_each_place_once(lower, length, start, descending):
    columns = start + np.arange(0, 360, 2.5)
    columns = columns[::-1] if descending else columns
    upper = lower + length
    turned = columns[None, :] + 360 * np.arange(-5, 6)[:, None]
    expected = np.flatnonzero(((turned >= lower) & (turned <= upper)).any(axis=0)).tolist()
    array = cube([0.0], columns)
    assert chosen(array, Span("longitude", lower, upper), tolerance=0) == expected


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_decimal_bound_finds_its_grid_point_in_any_precision(dtype):
    array = plain([0.0], np.arange(0, 10) * 0.1, dtype=np.dtype(dtype))
    assert chosen(array, Span("longitude", 0.1, 0.3)) == [1, 2, 3]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_decimal_bound_finds_its_grid_point_a_turn_away(dtype):
    array = cube([0.0], np.arange(3600) / 10, dtype=np.dtype(dtype))
    assert chosen(array, Span("longitude", -9.9, -9.7)) == [3501, 3502, 3503]
    triangle = Polygon(AXES, [(-1, -9.9), (1, -9.9), (0, -9.7)])
    assert chosen(array, triangle) == [3501, 3502, 3503]


def test_without_tolerance_numbers_are_taken_as_they_are():
    array = plain([0.0], [0.1, 0.1 + 0.2])
    assert chosen(array, Span("longitude", 0.1, 0.3)) == [0, 1]
    assert chosen(array, Span("longitude", 0.1, 0.3), tolerance=0) == [0]


@many
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-12, 0.2, 3.0]))
def test_the_quick_search_finds_what_the_plain_one_finds(number, roughness):
    source = np.random.default_rng(number)
    columns = np.cumsum(1 + roughness * source.uniform(0, 1, 1500))
    values = source.uniform(columns[0] - 3, columns[-1] + 3, 3000)
    values[:1500] = columns
    values[:200] = np.nextafter(columns[:200], source.choice([-np.inf, np.inf], 200))
    np.testing.assert_array_equal(_first_at(columns, values), np.searchsorted(columns, values))
