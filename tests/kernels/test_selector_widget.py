"""PolytopeSelector without a browser: what it takes, what it gives, and what a browser may send."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from boathouse.catalogs.errors import BadRequest, BadShape
from boathouse.kernels.polytope.shapes import (
    All,
    Box,
    ConvexPolytope,
    Disk,
    Ellipsoid,
    Path,
    Point,
    Polygon,
    Select,
    Shape,
    Span,
    Union,
)
from boathouse.kernels.selector import sliders
from boathouse.kernels.selector.widget import PolytopeSelector

TRIANGLE = [(50.0, -5.0), (60.0, 10.0), (40.0, 20.0)]


def make_cube() -> xr.Dataset:
    latitude, longitude = np.arange(90, -90.1, -5.0), np.arange(0, 360, 5.0)
    values = np.random.default_rng(0).normal(size=(6, 3, len(latitude), len(longitude)))
    return xr.Dataset(
        {
            "count": (("time",), np.arange(6)),
            "t": (("time", "level", "lat", "lon"), values, {"units": "K"}),
        },
        {
            "time": np.datetime64("2026-01-01", "ns") + np.arange(6) * np.timedelta64(6, "h"),
            "level": ("level", [1000.0, 850.0, 500.0], {"units": "hPa"}),
            "lat": ("lat", latitude, {"units": "degrees_north"}),
            "lon": ("lon", longitude, {"units": "degrees_east"}),
        },
    )


@pytest.fixture
def pick() -> PolytopeSelector:
    return PolytopeSelector(make_cube())


def browser_sends(pick: PolytopeSelector, **state: Any) -> None:
    pick.set_state(state)


def browser_sees(pick: PolytopeSelector, name: str) -> Any:
    return pick.get_state([name])[name]


def test_begins_with_the_first_field_of_the_first_variable_that_has_a_map(pick: Any) -> None:
    assert pick.shape is None
    assert pick.plan is None
    assert browser_sees(pick, "shape") == {}
    assert pick.field["caption"] == "2026-01-01 00:00 · level 1000 hPa"
    assert [axis["name"] for axis in pick.axes] == ["time", "level"]
    assert pick.axes[0]["values"][1] == "2026-01-01 06:00"
    assert pick.axes[1]["units"] == "hPa"
    assert pick.ranges == {"time": [0, 5], "level": [0, 2]}


def test_polygon_from_the_browser(pick: Any) -> None:
    document = {"type": "Polygon", "axes": ["lat", "lon"], "points": [list(p) for p in TRIANGLE]}
    browser_sends(pick, shape=document)
    assert pick.shape == Polygon(("lat", "lon"), TRIANGLE)
    assert pick.plan.points == pick.extract()["t"].size
    assert browser_sees(pick, "plan")["points"] == pick.plan.points
    browser_sends(pick, shape={})
    assert pick.shape is None
    assert pick.plan is None
    assert browser_sees(pick, "plan") == {}


def test_ranges_from_the_browser_join_the_polygon(pick: Any) -> None:
    polygon = Polygon(("lat", "lon"), TRIANGLE)
    browser_sends(pick, ranges={"time": [1, 2], "level": [0, 1]})
    spans = Span("time", "2026-01-01T06:00", "2026-01-01T12:00") & Span("level", 850, 1000)
    assert pick.shape == spans
    assert pick.field["caption"].startswith("2026-01-01 06:00")
    browser_sends(pick, shape=polygon.to_dict())
    assert pick.shape == polygon & spans
    browser_sends(pick, ranges={"time": [0, 5], "level": [0, 1]})
    assert pick.shape == polygon & Span("level", 850, 1000)
    cut = pick.extract()
    assert cut["level"].values.tolist() == [1000.0, 850.0]
    browser_sends(pick, ranges={"time": [0, 5], "level": [0, 2]})
    assert pick.shape == polygon


def test_shape_set_in_python_moves_sliders_and_stays_exact(pick: Any) -> None:
    shape = Box(latitude=(40, 60), longitude=(-10, 10)) & Span(
        "time", "2026-01-01T05:00", "2026-01-01T13:00"
    )
    pick.shape = shape
    assert pick.shape == shape
    assert pick.ranges == {"time": [1, 2], "level": [0, 2]}
    assert browser_sees(pick, "shape") == shape.to_dict()
    browser_sends(pick, ranges={"time": [1, 2], "level": [1, 1]})
    assert {*pick.shape.factors()} >= {Span("time", "2026-01-01T05:00", "2026-01-01T13:00")}
    assert Span("level", 850, 850) in pick.shape.factors()
    pick.shape = None
    assert pick.ranges == {"time": [0, 5], "level": [0, 2]}


@pytest.mark.parametrize(
    "shape",
    [
        Polygon(("latitude", "longitude"), TRIANGLE),
        Polygon(("longitude", "latitude"), [(170, 10), (190, 10), (180, 30)]),
        Polygon(
            ("lat", "lon"), [TRIANGLE, [(0, 0), (0, 20), (20, 20)]], [[(45, 9), (46, 9), (46, 8)]]
        ),
        Box(lat=(10, 20), lon=(350, 370), level=(500, 900)),
        Box(lat=(10, 20)),
        Span("level", 700, 900),
    ],
)
def test_shapes_come_back_as_they_were_set(pick: Any, shape: Shape) -> None:
    pick.shape = shape
    assert pick.shape == shape
    assert Shape.from_dict(browser_sees(pick, "shape")) == shape
    # What is given back is no news: nothing goes round in circles.
    seen: list[Any] = []
    pick.observe(seen.append, ["shape", "ranges", "field", "plan"])
    for name in ("shape", "ranges"):
        browser_sends(pick, **{name: browser_sees(pick, name)})
    assert seen == []


def test_geojson_and_shapely_are_understood(pick: Any) -> None:
    import shapely

    ring = [[0, 0], [20, 0], [20, 20], [0, 0]]
    pick.shape = {
        "type": "Feature",
        "properties": {},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    assert pick.shape == Polygon(("latitude", "longitude"), [(0, 0), (0, 20), (20, 20)])
    pick.shape = shapely.box(0, 40, 10, 50)
    assert pick.shape.bounds() == {"latitude": (40, 50), "longitude": (0, 10)}
    assert PolytopeSelector(make_cube(), shape=shapely.box(0, 40, 10, 50)).shape == pick.shape


def test_shape_that_does_not_fit_raises_in_python_and_nothing_changes(pick: Any) -> None:
    pick.shape = first = Box(lat=(40, 60), lon=(0, 20))
    for wrong in (
        Span("member", 0, 1),
        Box(lat=(40, 60), lon=(0, 20)) & Span("time", "2030-01-01", "2030-01-02"),
        Box(lat=(95, 99), lon=(1, 2)),
        {"type": "Circle"},
        "nonsense",
    ):
        with pytest.raises(BadShape):
            pick.shape = wrong
        assert pick.shape == first
        assert pick.ranges["time"] == [0, 5]
    assert pick.problem == ""


def test_shape_that_does_not_fit_is_said_in_the_browser(pick: Any) -> None:
    browser_sends(pick, shape={"type": "Box", "ranges": {"lat": [95, 99], "lon": [1, 2]}})
    assert pick.plan is None
    assert "lat" in browser_sees(pick, "plan")["error"]
    with pytest.raises(BadShape):
        pick.extract()
    heard: list[Any] = []
    pick.observe(heard.append, "plan")
    browser_sends(pick, shape={"type": "Box", "ranges": {"lat": [97, 99], "lon": [1, 2]}})
    assert "97" in browser_sees(pick, "plan")["error"]
    assert heard, "the other error was not sent"
    browser_sends(pick, shape={"type": "Box", "ranges": {"lat": [40, 45], "lon": [0, 5]}})
    assert browser_sees(pick, "plan")["points"] == 2 * 2 * 18


def test_what_is_no_shape_stays_drawn_and_is_said(pick: Any) -> None:
    time = Span("time", "2026-01-01T06:00", "2026-01-01T12:00")
    pick.shape = Box(lat=(40, 60), lon=(0, 20)) & time
    crossing = {
        "type": "Polygon",
        "axes": ["lat", "lon"],
        "points": [[0, 0], [20, 20], [20, 0], [0, 20]],
    }
    browser_sends(pick, shape=crossing, asked=1)
    assert pick.shape is None
    assert pick.plan is None
    assert browser_sees(pick, "shape") == crossing, "it is still there to be mended"
    assert "cross" in browser_sees(pick, "plan")["error"]
    assert pick.answer == {"asked": 1}
    assert pick.ranges["time"] == [1, 2]
    with pytest.raises(BadShape, match="cross"):
        pick.extract()
    browser_sends(pick, ranges={"time": [1, 1], "level": [0, 2]}, asked=2)
    assert pick.shape is None, "a slider does not stand for what was refused"
    mended = Polygon(("lat", "lon"), [(0, 0), (20, 0), (20, 20), (0, 20)])
    browser_sends(pick, shape=mended.to_dict(), asked=3)
    assert pick.shape == mended & Span("time", "2026-01-01T06:00", "2026-01-01T06:00")
    assert browser_sees(pick, "plan")["points"] == pick.plan.points


def test_what_was_refused_is_cleared_by_python(pick: Any) -> None:
    wrong = {"type": "Polygon", "axes": ["lat", "lon"], "points": [[0, 0], [1, 1]]}
    browser_sends(pick, shape=wrong)
    assert browser_sees(pick, "shape") == wrong
    heard: list[Any] = []
    pick.observe(heard.append, ["shape", "plan"])
    pick.shape = None
    assert {change["name"] for change in heard} == {"shape", "plan"}
    assert browser_sees(pick, "shape") == {}
    assert browser_sees(pick, "plan") == {}
    browser_sends(pick, shape=wrong)
    pick.shape = Box(lat=(40, 60), lon=(0, 20))
    assert browser_sees(pick, "shape")["type"] == "Box"


def test_nothing_chosen_is_not_the_whole_cube(pick: Any) -> None:
    with pytest.raises(BadShape, match="Nothing is chosen"):
        pick.extract()


def test_ranges_are_brought_into_the_axis(pick: Any) -> None:
    browser_sends(pick, ranges={"time": [9, -3], "nosuch": [0, 1]})
    assert pick.ranges == {"time": [0, 5], "level": [0, 2]}
    pick.ranges = {"level": [2, 1]}
    assert pick.ranges == {"time": [0, 5], "level": [1, 2]}
    with pytest.raises(BadRequest, match="level"):
        pick.ranges = {"level": ["a"]}


def test_colours_mean_the_same_along_time(pick: Any) -> None:
    ends = [(pick.field["vmin"], pick.field["vmax"])]
    for step in range(1, 6):
        browser_sends(pick, ranges={"time": [step, 5]})
        ends.append((pick.field["vmin"], pick.field["vmax"]))
    lows, highs = zip(*ends, strict=True)
    assert list(lows) == sorted(lows, reverse=True)
    assert list(highs) == sorted(highs)
    cube = make_cube()["t"].isel(level=0)
    assert ends[-1] == (float(cube.min()), float(cube.max()))


def test_a_long_axis_sends_only_the_texts_of_its_handles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sliders, "MOST_TEXTS", 4)
    pick = PolytopeSelector(make_cube())
    assert pick.axes[0]["values"] == []
    assert pick.axes[0]["shown"] == ["2026-01-01 00:00", "2026-01-02 06:00"]
    pick.ranges = {"time": [1, 2]}
    assert pick.axes[0]["shown"] == ["2026-01-01 06:00", "2026-01-01 12:00"]
    assert pick.axes[1]["values"] == ["1000", "850", "500"]


def test_axes_without_order_choose_values() -> None:
    cube = make_cube().isel(time=[0, 3, 1]).expand_dims(member=["a", "b", "c"])
    cube = cube.transpose("member", "time", "level", "lat", "lon")
    pick = PolytopeSelector(cube, "t")
    assert [axis["name"] for axis in pick.axes] == ["member", "time", "level"]
    assert pick.axes[0]["values"] == ["a", "b", "c"]
    browser_sends(pick, ranges={"member": [1, 2], "time": [0, 1], "level": [0, 2]})
    assert pick.shape == Select("member", ["b", "c"]) & Select(
        "time", ["2026-01-01", "2026-01-01T18:00"]
    )
    cut = pick.extract()
    assert cut["member"].values.tolist() == ["b", "c"]
    assert cut.sizes["time"] == 2
    plain = make_cube().drop_vars("level")
    pick = PolytopeSelector(plain)
    pick.ranges = {"level": [1, 2]}
    assert pick.shape == Span("level", 1, 2)


def test_single_values_from_python_stay_as_they_are(pick: Any) -> None:
    shape = Select("level", [500, 1000]) & Select("time", "2026-01-01T06:10", method="nearest")
    pick.shape = shape
    assert pick.shape == shape
    assert pick.ranges == {"time": [1, 1], "level": [0, 2]}
    assert pick.axes[1]["chosen"] == "1000, 500 hPa", "what lies between the handles is left out"
    assert pick.axes[0]["chosen"] == ""
    browser_sends(pick, ranges={"time": [1, 1], "level": [0, 1]})
    assert pick.shape == Select("time", "2026-01-01T06:10", method="nearest") & Span(
        "level", 850, 1000
    )
    assert pick.axes[1]["chosen"] == ""


ROUND = Disk(("lat", "lon"), (50, 10), 800, unit="km")
TRACK = Path(("lat", "lon"), Disk(("lat", "lon"), (0, 0), 300, unit="km"), (40, 0), (55, 20))
VOYAGE = Path(
    ("time", "lat", "lon"),
    Box(time=("-3h", "3h"), lat=(-6, 6), lon=(-6, 6)),
    ("2026-01-01T06:00", 40, 0),
    ("2026-01-01T18:00", 50, 20),
)


@pytest.mark.parametrize(
    "shape",
    [
        ROUND,
        Disk(("longitude", "latitude"), (10, 50), (12, 7)),
        TRACK,
        ROUND | Box(lat=(-20, 0), lon=(100, 130)),
        Union(ROUND, TRACK, tags=("pool", "track")) & Span("level", 700, 900),
        Ellipsoid(("lat", "lon"), (50, 10), (8, 14)),
        ConvexPolytope(("lat", "lon"), [(40, 0), (60, 0), (50, 30)]),
        Point(("lat", "lon"), [(50, 10), (-30, 200)], method="nearest"),
        Select("lat", [50, 45]) & Select("lon", 10),
        VOYAGE,
        Union(ROUND & Span("level", 700, 900), TRACK & Span("level", 400, 600)),
        All("time") & ROUND,
    ],
)
def test_every_kind_of_shape_comes_back(pick: Any, shape: Shape) -> None:
    pick.shape = shape
    assert pick.shape == shape
    assert Shape.from_dict(browser_sees(pick, "shape")) == shape
    assert pick.plan.points > 0
    assert pick.plan.points == pick.extract()["t"].size
    seen: list[Any] = []
    pick.observe(seen.append, ["shape", "ranges", "field", "plan"])
    for name in ("shape", "ranges"):
        browser_sends(pick, **{name: browser_sees(pick, name)})
    assert seen == []


def test_drawn_parts_and_sliders_make_one_shape(pick: Any) -> None:
    browser_sends(pick, shape=ROUND.to_dict(), asked=1)
    browser_sends(pick, ranges={"time": [1, 2], "level": [0, 2]}, asked=2)
    both = Union(ROUND, TRACK, tags=("Disk", "Path"))
    browser_sends(pick, shape=both.to_dict(), asked=3)
    assert pick.answer == {"asked": 3}
    assert pick.shape == both & Span("time", "2026-01-01T06:00", "2026-01-01T12:00")
    cut = pick.extract()
    assert cut["tag"].values.tolist() == ["Disk", "Path"]
    assert cut.sizes["time"] == 2


def test_what_is_put_in_place_of_a_drawing_is_answered(pick: Any) -> None:
    def squared(change: Any) -> None:
        if isinstance(change["new"], Disk):
            bounds = change["new"].bounds()
            pick.shape = Box(lat=bounds["lat"], lon=(0, 20))

    pick.observe(squared, "shape")
    browser_sends(pick, shape=ROUND.to_dict(), asked=1)
    assert isinstance(pick.shape, Box)
    assert pick.answer == {"asked": 1, "shape": pick.shape.to_dict()}
    browser_sends(pick, shape=TRACK.to_dict(), asked=2)
    assert pick.answer == {"asked": 2}


def test_a_track_through_time_says_all_about_time(pick: Any) -> None:
    pick.shape = VOYAGE
    browser_sends(pick, ranges={"time": [2, 3], "level": [0, 1]})
    assert pick.shape == VOYAGE & Span("level", 850, 1000)
    assert pick.field["caption"].startswith("2026-01-01 12:00"), "the slider still shows a field"
    browser_sends(pick, shape=ROUND.to_dict())
    assert pick.shape == ROUND & Span("level", 850, 1000)


def test_an_axis_that_was_all_can_be_narrowed(pick: Any) -> None:
    pick.shape = All("level") & ROUND
    browser_sends(pick, ranges={"time": [0, 5], "level": [1, 1]})
    assert pick.shape == ROUND & Span("level", 850, 850)


def test_which_variable_is_shown() -> None:
    cube = make_cube()
    cube["u"] = 0 * cube["t"].isel(level=0, drop=True) + 7
    assert PolytopeSelector(cube, "u").field["vmin"] == 7
    assert PolytopeSelector(cube["u"]).field["label"] == "u"
    with pytest.raises(BadRequest, match="nosuch"):
        PolytopeSelector(cube, "nosuch")
    with pytest.raises(BadRequest, match="count"):
        PolytopeSelector(cube[["count"]])
    with pytest.raises(BadRequest, match="empty"):
        PolytopeSelector(xr.Dataset())


def test_only_the_field_shown_is_read() -> None:
    import dask.array

    read: list[Any] = []

    def block(block_info: Any) -> np.ndarray:
        read.append(block_info[None]["chunk-location"])
        return np.zeros((1, 1, 37, 72))

    cube = make_cube()
    chunks = ((1,) * 6, (1,) * 3, (37,), (72,))
    lazy = dask.array.map_blocks(block, chunks=chunks, dtype=float, meta=np.empty((0,) * 4))
    cube["t"] = (cube["t"].dims, lazy)
    pick = PolytopeSelector(cube)
    assert read == [(0, 0, 0, 0)]
    pick.ranges = {"level": [1, 2]}
    assert read == [(0, 0, 0, 0), (0, 1, 0, 0)]
    pick.shape = Box(lat=(0, 10), lon=(0, 10))
    assert pick.plan.chunks == 18
    assert len(read) == 3, "setting a shape shows the first field again and reads nothing else"


def test_panel_is_bound_both_ways(pick: Any) -> None:
    pytest.importorskip("panel")
    pick.shape = Box(lat=(40, 60), lon=(0, 20))
    view = pick.panel(sizing_mode="stretch_width", frame_height=300)
    assert view.frame_height == 300
    assert view.shape == pick.shape.to_dict()
    assert view.plan["points"] == pick.plan.points
    view.ranges = {"time": [1, 1], "level": [0, 2]}
    assert Span("time", "2026-01-01T06:00", "2026-01-01T06:00") in pick.shape.factors()
    assert view.field["caption"].startswith("2026-01-01 06:00")
    view.shape = Polygon(("lat", "lon"), TRIANGLE).to_dict()
    assert Polygon(("lat", "lon"), TRIANGLE) in pick.shape.factors()
    pick.shape = None
    assert view.shape == {}
    assert view.ranges["time"] == [0, 5]
    pick.mode = "polygon"
    assert view.mode == "polygon"
