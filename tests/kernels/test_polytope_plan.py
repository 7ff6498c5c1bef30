"""Plans count points, chunks and bytes without reading."""

import json

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import boathouse.kernels.polytope.accessor  # noqa: F401 - registers .polytope
from boathouse.catalogs.errors import BadShape
from boathouse.kernels.polytope.plan import human
from boathouse.kernels.polytope.shapes import Box, Polygon, Span

AXES = ("latitude", "longitude")
CORNER = Polygon(AXES, [(0, 0), (0, 15), (15, 0)])


def unreadable(*_, **__):
    raise AssertionError("a plan reads nothing")


def cube():
    """Two variables whose blocks cannot be computed."""
    shape, chunks = (4, 41, 41), (1, 10, 10)
    template = da.zeros(shape, chunks=chunks, dtype="f4")
    data = template.map_blocks(unreadable, dtype="f4", meta=np.empty((0, 0, 0), "f4"))
    return xr.Dataset(
        {
            "t": (("time", *AXES), data),
            "orography": (AXES, data[0]),
            "clock": ("time", np.arange(4)),
            "crs": ((), 0),
        },
        {
            "time": np.arange("2026-01-01", "2026-01-05", dtype="M8[D]").astype("M8[ns]"),
            "latitude": np.arange(0.0, 41.0),
            "longitude": ("longitude", np.arange(0.0, 41.0), {"units": "degrees_east"}),
        },
    )


def test_a_plan_counts_what_is_touched():
    plan = cube().polytope.plan(CORNER)
    t, orography = plan.variables["t"], plan.variables["orography"]
    # Rows of 16, 15, ... 1 points; of the four 10 x 10 chunks the far one holds nothing.
    assert (t.points, orography.points) == (4 * 136, 136)
    assert t.dims == {"time": 4, "points": 136}
    assert (t.chunks, t.bytes, t.all_chunks) == (4 * 3, 4 * 3 * 400, 4 * 25)
    assert (t.box_chunks, t.box_bytes) == (4 * 4, 4 * 16 * 16 * 4)
    assert (orography.chunks, orography.bytes) == (3, 1200)
    assert t.result_bytes == 4 * 136 * 4
    assert plan.points == 4 * 136
    assert plan.chunks == 15
    assert plan.bytes == t.bytes + orography.bytes
    assert plan.box_bytes == t.box_bytes + orography.box_bytes + 4 * 8
    assert plan.beyond == ()
    assert list(plan.variables) == ["t", "orography", "clock"]


def test_a_plan_of_ranges_counts_the_short_last_chunk():
    box = Box(latitude=(35, 40), longitude=(40, 40), time=("2026-01-02", "2026-01-03"))
    plan = cube().polytope.plan(box)
    t = plan.variables["t"]
    assert t.dims == {"time": 2, "latitude": 6, "longitude": 1}
    # latitudes 35..40 lie in the chunk of ten and in the last, which is one row high
    assert (t.points, t.chunks, t.bytes) == (12, 4, 2 * (10 + 1) * 1 * 4)


def test_the_box_across_the_seam_is_the_shapes_own():
    ds = xr.Dataset(
        {"t": (AXES, np.zeros((10, 360), "f4"))},
        {"latitude": np.arange(10.0), "longitude": np.arange(360.0)},
    )
    plan = ds.polytope.plan(Polygon(AXES, [(0, -5), (4, 5), (0, 5)]))
    assert plan.box_bytes == 5 * 11 * 4
    assert (plan.chunks, plan.bytes) == (0, 0)
    assert "in memory" in str(plan)


def test_a_plan_says_where_the_shape_reaches_beyond_the_cube():
    ds = cube()
    assert ds.polytope.plan(Box(latitude=(-50, 10))).beyond == ("latitude",)
    assert ds.polytope.plan(Span("time", "2026-01-02", "2027-01-01")).beyond == ("time",)
    assert ds.polytope.plan(Polygon(AXES, [(0, -30), (50, 10), (0, 10)])).beyond == AXES
    assert ds.polytope.plan(Box(longitude=(-340, -330))).beyond == ()
    assert "beyond the cube on latitude" in str(ds.polytope.plan(Box(latitude=(-50, 10))))


def test_a_plan_prints_and_travels():
    plan = cube().polytope.plan(CORNER)
    assert str(plan).startswith("544 points, 2.75 kB; 15 chunks to read, 6 kB")
    assert "orography: 136 points" in repr(plan)
    html = plan._repr_html_()
    assert html.startswith("<table>")
    assert "together" in html
    document = json.loads(json.dumps(plan.to_dict()))
    assert document["points"] == 544
    assert document["variables"]["t"]["dims"] == {"time": 4, "points": 136}


def test_names_in_a_plan_are_escaped():
    plan = xr.DataArray(np.zeros(3), {"x": [0, 1, 2]}, "x", "<b>").polytope.plan(Span("x", 0, 1))
    assert "<b>" not in plan._repr_html_()


def test_unknown_chunk_sizes_are_refused():
    data = da.zeros(10, chunks=5)
    array = xr.DataArray(data[data == 0], dims="x")
    with pytest.raises(BadShape, match="compute_chunk_sizes"):
        array.polytope.plan(Span("x", 0, 3))


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_999, "1 MB"), (5e13, "50 TB")],
)
def test_bytes_for_people(size, text):
    assert human(size) == text
