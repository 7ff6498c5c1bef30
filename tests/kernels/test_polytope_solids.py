"""Convex shapes of two to four axes hold exactly the closed set, by brute force over each grid."""

import itertools
import warnings

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

import boathouse.kernels.polytope.accessor  # noqa: F401 - registers .polytope
from boathouse.catalogs.errors import BadShape, ShapeWarning
from boathouse.kernels.polytope.shapes import (
    Box,
    ConvexPolytope,
    Disk,
    Ellipsoid,
    Path,
    ShapePath,
    Union,
)

NAMES = ("a", "b", "c", "d")
EARTH = 6371.0088

many = settings(
    max_examples=350, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
few = settings(
    max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def grid(axes, size, *, dtype=np.float64, descending=(), order=None):
    """A cube whose values are their own flat index, on the whole numbers from 0."""
    names = [NAMES[n] for n in (order or range(axes))]
    values = {
        name: np.arange(size - 1, -1, -1) if name in descending else np.arange(size)
        for name in names
    }
    return xr.DataArray(
        np.arange(size**axes).reshape((size,) * axes),
        {name: (name, v.astype(dtype)) for name, v in values.items()},
        names,
        name="number",
    )


def chosen(cube, shape, **options):
    """The places that an extraction gives, as a set of tuples in the order of NAMES."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ShapeWarning)
        try:
            cut = cube.polytope.extract(shape, **options)
        except BadShape as error:
            if "no grid point" not in error.detail:
                raise
            return set()
    if "points" not in cut.dims:
        cut = cut.stack(points=cut.dims) if cut.dims else cut.expand_dims("points")
    names = [name for name in NAMES if name in cube.dims]
    columns = [np.asarray(cut[name].values, dtype=float) for name in names]
    found = list(zip(*columns, strict=True))
    assert len(found) == len(set(found)), "a point came twice"
    expected = cube.sel(
        {n: xr.DataArray(c, dims="points") for n, c in zip(names, columns, strict=True)}
    )
    np.testing.assert_array_equal(cut.values, expected.values)
    return set(found)


def places(axes, size):
    return np.array(list(itertools.product(range(size), repeat=axes)), dtype=float)


def in_hull(vertices, points):
    """Whether points are convex combinations of vertices: least squares with weights >= 0."""
    matrix = np.concatenate([vertices.T, np.ones((1, len(vertices)))])
    residuals = np.array([nnls(matrix, [*point, 1.0])[1] for point in points])
    sure = (residuals < 1e-11) | (residuals > 1e-8)
    assert sure.all(), "the oracle cannot tell"
    return residuals < 1e-9


vertex = st.integers(-1, 5).map(float) | st.integers(-4, 20).map(lambda n: n / 4)


@st.composite
def clouds(draw, axes):
    return draw(st.lists(st.tuples(*[vertex] * axes), min_size=1, max_size=axes + 4))


@many
@given(st.data(), st.sampled_from([2, 2, 3, 3, 3]))
def test_a_hull_of_any_points_is_closed(data, axes):
    cloud = data.draw(clouds(axes))
    everything = places(axes, 5)
    expected = {tuple(p) for p in everything[in_hull(np.array(cloud), everything)]}
    descending = data.draw(st.sets(st.sampled_from(NAMES[:axes])))
    order = data.draw(st.permutations(range(axes)))
    dtype = data.draw(st.sampled_from([np.float64, np.float32]))
    cube = grid(axes, 5, dtype=dtype, descending=descending, order=order)
    assert chosen(cube, ConvexPolytope(NAMES[:axes], cloud)) == expected


@few
@given(clouds(4))
def test_a_hull_in_four_dimensions_is_closed(cloud):
    everything = places(4, 4)
    expected = {tuple(p) for p in everything[in_hull(np.array(cloud), everything)]}
    assert chosen(grid(4, 4), ConvexPolytope(NAMES, cloud)) == expected


@many
@given(st.data(), st.sampled_from([2, 3, 3, 4]))
def test_a_box_swept_along_a_line_is_the_hull_of_its_corners(data, axes):
    size = {2: 7, 3: 5, 4: 4}[axes]
    start, end = (data.draw(st.tuples(*[vertex] * axes)) for _ in range(2))
    half = data.draw(st.tuples(*[st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5])] * axes))
    box = Box({n: (-h, h) for n, h in zip(NAMES, half, strict=False)})
    corners = np.array(list(itertools.product(*[(-h, h) for h in half])))
    hull = np.concatenate([corners + start, corners + end])
    everything = places(axes, size)
    expected = {tuple(p) for p in everything[in_hull(hull, everything)]}
    order = data.draw(st.permutations(range(axes)))
    cube = grid(axes, size, order=order)
    assert chosen(cube, Path(NAMES[:axes], box, start, end)) == expected


def apart(points, start, end, radius):
    """The least distance from a segment, in radii."""
    line = (np.array(end) - start) / radius
    away = (points - start) / radius
    length = float(line @ line)
    time = np.clip(away @ line / length, 0, 1) if length else np.zeros(len(points))
    return np.sqrt(((away - time[:, None] * line) ** 2).sum(axis=1))


@many
@given(st.data(), st.sampled_from([2, 3, 3, 4]))
def test_an_ellipsoid_swept_along_a_line_is_what_is_near_the_line(data, axes):
    size = {2: 9, 3: 6, 4: 4}[axes]
    start, end = (data.draw(st.tuples(*[vertex] * axes)) for _ in range(2))
    if data.draw(st.booleans()):
        end = start
    radius = data.draw(st.tuples(*[st.sampled_from([0.5, 1.0, 1.25, 2.0, 2.5])] * axes))
    everything = places(axes, size)
    distance = apart(everything, np.array(start), np.array(end), np.array(radius))
    expected = {tuple(p) for p in everything[distance <= 1 + 1e-10]}
    cube = grid(axes, size, order=data.draw(st.permutations(range(axes))))
    shape = Ellipsoid(NAMES[:axes], (0,) * axes, radius)
    swept = Path(NAMES[:axes], shape, start, end)
    if start == end:
        swept = Ellipsoid(NAMES[:axes], start, radius)
    assert chosen(cube, swept) == expected


@few
@given(st.data(), st.sampled_from([2, 3]))
def test_a_growing_disk_is_the_union_of_those_between(data, axes):
    size = {2: 12, 3: 6}[axes]
    start, end = (data.draw(st.tuples(*[vertex] * axes)) for _ in range(2))
    radius = data.draw(st.sampled_from([0.5, 1.0, 2.0]))
    growth = data.draw(st.sampled_from([0.25, 1.0, 2.0, 3.0]))
    times = np.linspace(0, 1, 4001)[:, None]
    centres = np.array(start) + times * (np.array(end) - start)
    radii = radius * (1 + times[:, 0] * (growth - 1))
    everything = places(axes, size)
    gaps = np.array([(np.sqrt(((p - centres) ** 2).sum(1)) - radii).min() for p in everything])
    found = chosen(
        grid(axes, size),
        ShapePath(
            NAMES[:axes],
            Ellipsoid(NAMES[:axes], start, radius),
            Ellipsoid(NAMES[:axes], end, radius * growth),
        ),
    )
    assert {tuple(p) for p in everything[gaps <= 1e-9]} <= found
    assert not found & {tuple(p) for p in everything[gaps > 1e-5]}


@few
@given(st.lists(st.tuples(*[vertex] * 3), min_size=2, max_size=4))
def test_a_polyline_is_the_union_of_its_legs(points):
    box = Box(a=(-0.5, 0.5), b=(-1, 1), c=(-0.25, 0.25))
    cube = grid(3, 5)
    legs = [chosen(cube, Path(NAMES[:3], box, *leg)) for leg in itertools.pairwise(points)]
    assert chosen(cube, Path(NAMES[:3], box, *points)) == set().union(*legs)
    union = Union(*(Path(NAMES[:3], box, *leg) for leg in itertools.pairwise(points)))
    assert chosen(cube, union) == set().union(*legs)


def test_boxes_that_grow_are_the_hull_of_both():
    one, two = Box(a=(0, 0), b=(0, 1), c=(0, 1)), Box(a=(4, 4), b=(0, 4), c=(1, 3))
    corners = [
        *itertools.product((0,), (0, 1), (0, 1)),
        *itertools.product((4,), (0, 4), (1, 3)),
    ]
    everything = places(3, 5)
    expected = {tuple(p) for p in everything[in_hull(np.array(corners, float), everything)]}
    assert chosen(grid(3, 5), ShapePath(NAMES[:3], one, two)) == expected


# --- on the sphere ---------------------------------------------------------------------------


def globe(step, *, latitude_first=True, start=0.0):
    latitude = np.arange(-90, 90 + step / 2, step)
    longitude = start + np.arange(0, 360, step)
    cube = xr.DataArray(
        np.arange(latitude.size * longitude.size).reshape(latitude.size, longitude.size),
        {
            "latitude": ("latitude", latitude, {"units": "degrees_north"}),
            "longitude": ("longitude", longitude, {"units": "degrees_east"}),
        },
        ("latitude", "longitude"),
        name="number",
    )
    return cube if latitude_first else cube.transpose("longitude", "latitude")


def kilometres(cube, north, east):
    """Great-circle distances (Vincenty's formula on the sphere), in the order of the cube."""
    latitude, longitude = np.meshgrid(cube.latitude, cube.longitude, indexing="ij")
    phi, other, turn = np.radians(latitude), np.radians(north), np.radians(longitude - east)
    up = np.hypot(
        np.cos(phi) * np.sin(turn),
        np.cos(other) * np.sin(phi) - np.sin(other) * np.cos(phi) * np.cos(turn),
    )
    along = np.sin(other) * np.sin(phi) + np.cos(other) * np.cos(phi) * np.cos(turn)
    return xr.DataArray(EARTH * np.arctan2(up, along), cube.coords, ("latitude", "longitude"))


@few
@given(
    st.floats(-90, 90) | st.sampled_from([-90.0, 0.0, 89.0, 90.0]),
    st.floats(-400, 400),
    st.floats(50, 19_000),
    st.booleans(),
    st.sampled_from([0.0, -180.0, 7.0]),
)
def test_a_disk_in_kilometres_is_what_is_that_near(north, east, radius, latitude_first, start):
    cube = globe(7.5, latitude_first=latitude_first, start=start)
    away = kilometres(cube, north, east)
    shape = Disk(("latitude", "longitude"), (north, east), radius, unit="km")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ShapeWarning)
        found = cube.polytope.extract(shape)
    numbers = found.values.tolist()
    assert len(numbers) == len(set(numbers))
    values = cube.transpose("latitude", "longitude")
    assert set(values.values[away.values <= radius - 1e-3]) <= set(numbers)
    assert set(numbers) <= set(values.values[away.values <= radius + 1e-3])


def test_a_disk_over_the_pole_has_every_meridian():
    cube = globe(5)
    cut = cube.polytope.extract(Disk(("latitude", "longitude"), (88, 10), 800, unit="km"))
    counts = cut.groupby("latitude").count()
    assert counts.sel(latitude=90).item() == counts.sel(latitude=85).item() == 72


@few
@given(
    st.tuples(st.floats(-80, 80), st.floats(-180, 180)),
    st.tuples(st.floats(-80, 80), st.floats(-180, 180)),
    st.floats(200, 2000),
    st.booleans(),
)
def test_a_corridor_in_kilometres_is_what_is_near_the_great_circle(
    start, end, radius, latitude_first
):
    a, b = (np.radians(p) for p in (start, end))
    vectors = [
        np.array([np.cos(p[0]) * np.cos(p[1]), np.cos(p[0]) * np.sin(p[1]), np.sin(p[0])])
        for p in (a, b)
    ]
    angle = np.arccos(np.clip(vectors[0] @ vectors[1], -1, 1))
    if angle < 0.01 or angle > 3.0:
        return
    parts = np.linspace(0, 1, 2001)[:, None]
    way = (np.sin((1 - parts) * angle) * vectors[0] + np.sin(parts * angle) * vectors[1]) / np.sin(
        angle
    )
    cube = globe(7.5, latitude_first=latitude_first)
    latitude, longitude = np.meshgrid(cube.latitude, cube.longitude, indexing="ij")
    phi, lam = np.radians(latitude.ravel()), np.radians(longitude.ravel())
    spots = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], 1)
    away = EARTH * np.arccos(np.clip(spots @ way.T, -1, 1)).min(axis=1)
    shape = Path(
        ("latitude", "longitude"),
        Disk(("latitude", "longitude"), (0, 0), radius, unit="km"),
        start,
        end,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ShapeWarning)
        found = set(cube.polytope.extract(shape).values.tolist())
    values = cube.transpose("latitude", "longitude").values.ravel()
    assert set(values[away <= radius - 0.5]) <= found
    assert found <= set(values[away <= radius + 0.5])


def test_kilometres_need_latitude_and_longitude():
    with pytest.raises(BadShape, match="kilometres"):
        grid(2, 5).polytope.extract(Disk(("a", "b"), (1, 1), 100, unit="km"))


@few
@given(
    st.floats(-60, 60),
    st.floats(-720, 720),
    st.sampled_from([1.0, 2.5, 5.0, 40.0, 200.0]),
    st.sampled_from([0.0, -180.0, 7.0]),
)
def test_a_disk_in_degrees_stays_whole_across_the_seam(north, east, radius, start):
    cube = globe(2.5, start=start)
    shape = Disk(("latitude", "longitude"), (north, east), radius)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ShapeWarning)
        found = cube.polytope.extract(shape).values.tolist()
    latitude, longitude = np.meshgrid(cube.latitude, cube.longitude, indexing="ij")
    turn = (longitude - east + 180) % 360 - 180
    away = np.hypot(latitude - north, turn)
    assert len(found) == len(set(found))
    assert set(cube.values[away <= radius - 1e-6]) <= set(found)
    assert set(found) <= set(cube.values[away <= radius + 1e-6])
