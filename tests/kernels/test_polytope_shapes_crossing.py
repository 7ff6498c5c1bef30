"""Rings that cross themselves are refused, those that only touch are not, and quickly."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from boathouse.catalogs.errors import BadShape
from boathouse.kernels.polytope.shapes import Polygon
from boathouse.kernels.polytope.shapes.crossing import crossing

AXES = ("latitude", "longitude")


def side(a, b, c):
    turn = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (turn > 0) - (turn < 0)


def crosses(ring):
    """Whether two edges cross properly, pair by pair in whole numbers."""
    edges = list(zip(ring, [*ring[1:], ring[0]], strict=True))
    return any(
        side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
        for (a, b), (c, d) in itertools.combinations(edges, 2)
    )


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=7))
@example([(0, 0), (2, 2), (2, 0), (0, 2)])
@example([(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)])  # touches an edge with a vertex
@example([(0, 0), (2, 2), (4, 4), (4, 0), (2, 2), (0, 4)])  # passes twice through a vertex
@example([(0, 0), (4, 0), (4, 4), (4, 0)])  # goes back on itself
@example([(0, 0), (0, 0), (4, 0), (4, 4), (4, 4)])
def test_proper_crossings_are_found_and_nothing_else(ring):
    assert (crossing(np.array(ring, dtype=float)) is not None) == crosses(ring)
    # Tenths are no binary fractions: a vertex on an edge lies beside it by rounding.
    assert (crossing(np.array(ring, dtype=float) / 10) is not None) == crosses(ring)


def test_the_refusal_says_where():
    with pytest.raises(BadShape, match="crosses itself near latitude 1, longitude 1") as caught:
        Polygon(AXES, [(0, 0), (2, 2), (2, 0), (0, 2)])
    assert caught.value.field == "latitude"
    with pytest.raises(BadShape, match="make_valid"):
        Polygon(AXES, [(9, 9), (9, 0), (0, 0)], [[(0, 0), (2, 2), (2, 0), (0, 2)]])


def test_rings_may_cross_each_other():
    square = np.array([(0, 0), (0, 4), (4, 4), (4, 0)])
    assert len(Polygon(AXES, [square, square + 2]).rings) == 2


def coastline(count):
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    radius = 10 + np.sin(50 * angle) + 0.3 * np.sin(997 * angle)
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)


@pytest.mark.parametrize("fault", ["none", "touching", "crossing"])
def test_a_coastline_of_a_hundred_thousand_vertices_takes_less_than_a_second(fault):
    ring = coastline(100_000)
    if fault == "touching":
        ring = np.concatenate([ring, ring[:1], ring[-1:]])
    if fault == "crossing":
        ring[[30_000, 30_007]] = ring[[30_007, 30_000]]
    Polygon(AXES, ring[::100])  # imports what it needs
    start = time.process_time()
    if fault == "crossing":
        with pytest.raises(BadShape, match="crosses itself"):
            Polygon(AXES, ring)
    else:
        assert len(Polygon(AXES, ring).rings[0]) == len(ring)
    assert time.process_time() - start < 1.0
