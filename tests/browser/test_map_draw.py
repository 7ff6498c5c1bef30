"""Disks, paths, countries and several parts on the map: drawn, edited and set from Python."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from boathouse.kernels.polytope.shapes import (
    Box,
    ConvexPolytope,
    Disk,
    Ellipsoid,
    Path,
    Point,
    Polygon,
    Select,
    Shape,
    ShapePath,
    Span,
    Union,
)
from boathouse.kernels.selector.widget import PolytopeSelector

from .hand import Opened, degrees, make_cube

pytestmark = pytest.mark.browser
AXES = ("lat", "lon")


@pytest.fixture
def opened(chromium_page: Any, serve_panel: Any) -> Opened:
    pick = PolytopeSelector(make_cube())
    chromium_page.goto(serve_panel(lambda: pick.panel(sizing_mode="stretch_width")))
    return Opened(chromium_page, pick)


def near(expected: Any, tolerance: float = 0.3) -> Any:
    return pytest.approx(expected, abs=tolerance)


def kilometres(here: tuple[float, float], there: tuple[float, float]) -> float:
    """The great-circle distance of two (latitude, longitude), by the dot product."""
    places = []
    for latitude, longitude in (here, there):
        lat, lon = np.radians(latitude), np.radians(longitude)
        places.append((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)))
    return 6371.0088 * float(np.arccos(np.clip(np.dot(*places), -1, 1)))


def field(opened: Opened, label: str) -> Any:
    return opened.page.locator(f".bh-card input[aria-label='{label}']")


def fill(opened: Opened, label: str, value: object) -> None:
    field(opened, label).fill(str(value))
    field(opened, label).press("Enter")


def test_disk_is_drawn_moved_and_resized(opened: Opened, snapshot: Any) -> None:
    opened.tool("disk").click()
    opened.drag((640, 120), (740, 120))
    opened.until(lambda: opened.pick.shape is not None, "the disk")
    disk = opened.pick.shape
    assert isinstance(disk, Disk)
    here, edge = degrees(opened, 640, 120), degrees(opened, 740, 120)
    assert disk.unit == "km"
    assert disk.centre == near(here)
    assert disk.radius[0] == near(kilometres(here, edge), 5)
    opened.settle()
    assert opened.pick.plan is not None
    assert opened.pick.plan.points == opened.pick.extract()["t"].size
    snapshot(opened.page, "map-disk")
    opened.drag((640, 120), (690, 150))  # its centre takes all of it along
    there = near(degrees(opened, 690, 150))
    opened.until(lambda: opened.pick.shape.centre == there, "the disk moved")
    assert opened.pick.shape.radius == disk.radius
    fill(opened, "Radius", "500")
    opened.until(lambda: opened.pick.shape.radius == (500, 500), "the radius as typed")
    opened.page.locator(".bh-card select").select_option("degrees")
    opened.until(lambda: opened.pick.shape.unit == "degrees", "degrees")
    assert opened.pick.shape.radius[0] == near(500 / 111.195, 0.01)
    fill(opened, "Latitude", 95)
    assert "bh-wrong" in field(opened, "Latitude").get_attribute("class")
    fill(opened, "Latitude", 50)
    opened.until(lambda: opened.pick.shape.centre[0] == 50, "the latitude as typed")
    for _ in range(3):
        opened.page.keyboard.press("Control+z")
    opened.until(lambda: opened.pick.shape.radius == disk.radius, "three steps back")


def test_path_with_a_width_is_drawn_and_edited(opened: Opened, snapshot: Any) -> None:
    places = [(560, 100), (640, 180), (760, 150)]
    opened.tool("path").click()
    fill(opened, "Width", 400)
    opened.click(*places)
    opened.page.mouse.dblclick(*opened.at(800, 220))
    opened.until(lambda: opened.pick.shape is not None, "the path")
    path = opened.pick.shape
    assert isinstance(path, Path)
    expected = [degrees(opened, *place) for place in [*places, (800, 220)]]
    assert np.allclose(path.points, expected, atol=0.3)
    assert isinstance(path.shape, Disk)
    assert (path.shape.radius[0], path.shape.unit) == (200, "km")
    snapshot(opened.page, "map-path")
    fill(opened, "Width", 600)
    opened.until(lambda: opened.pick.shape.shape.radius[0] == 300, "the width as typed")
    opened.drag((640, 180), (640, 120))
    moved = near(degrees(opened, 640, 120))
    opened.until(lambda: opened.pick.shape.points[1] == moved, "a corner moved")
    corner = opened.page.locator(".bh-corner").last
    corner.focus()
    corner.press("Delete")
    opened.until(lambda: len(opened.pick.shape.points) == 3, "one corner fewer")
    between = opened.page.locator(".bh-between").first
    between.focus()
    between.press("Enter")
    opened.until(lambda: len(opened.pick.shape.points) == 4, "a corner in the middle")


def test_corners_and_whole_parts_move_by_keys(opened: Opened) -> None:
    first = opened.draw_polygon((600, 100), (700, 100), (700, 200), (600, 200))
    corner = opened.page.locator(".bh-corner").nth(2)
    corner.focus()
    corner.press("ArrowDown")
    opened.until(lambda: opened.pick.shape != first, "a corner moved")
    second = opened.pick.shape
    assert second.outer[0][2][0] < first.outer[0][2][0]
    assert second.outer[0][:2] == first.outer[0][:2]
    grip = opened.page.locator(".bh-grip")
    grip.focus()
    grip.press("ArrowRight")
    opened.until(lambda: opened.pick.shape != second, "all of it moved")
    shift = np.subtract(opened.pick.shape.outer[0], second.outer[0])
    assert np.allclose(shift[:, 0], 0, atol=1e-3)
    assert np.allclose(shift[:, 1], shift[0, 1], atol=1e-3)
    assert shift[0, 1] > 0
    opened.page.locator(".bh-grip").press("Delete")
    opened.until(lambda: opened.pick.shape is None, "an empty map")


def test_countries_by_name_and_by_click_stay_whole(opened: Opened, snapshot: Any) -> None:
    opened.tool("country").click()
    opened.page.wait_for_timeout(600)  # the finer borders
    search = opened.page.locator(".bh-search")
    search.fill("fij")
    opened.page.locator("[role=option]", has_text="Fiji").wait_for()
    snapshot(opened.page, "map-country-list")
    search.press("Enter")
    opened.until(lambda: opened.pick.shape is not None, "Fiji")
    fiji = opened.pick.shape
    assert isinstance(fiji, Polygon)
    west, east = fiji.bounds()["lon"]
    assert 170 < west < 180 < east < 190
    for name in ("russian fed", "cote d"):
        search.fill(name)
        search.press("Enter")
    opened.until(lambda: len(getattr(opened.pick.shape, "tags", ())) == 3, "three countries")
    three = opened.pick.shape
    opened.page.mouse.move(*opened.at(525, 230))
    assert "Brazil" in opened.page.locator(".bh-readout").inner_text()
    snapshot(opened.page, "map-country-hover")
    opened.click((525, 230))
    opened.until(lambda: len(getattr(opened.pick.shape, "tags", ())) == 4, "four countries")
    union = opened.pick.shape
    assert isinstance(union, Union)
    assert union.tags == ("Fiji", "Russia", "Côte d'Ivoire", "Brazil")
    west, east = union.shapes[1].bounds()["lon"]
    assert 19 < west < 28
    assert 189 < east < 192
    cut = opened.pick.extract()
    assert cut["tag"].values.tolist() == list(union.tags)
    size = cut["t"].size
    opened.until(lambda: opened.pick.plan and opened.pick.plan.points == size, "the last plan")
    opened.page.keyboard.press("Escape")
    opened.tool("near").click()
    opened.page.wait_for_timeout(500)
    snapshot(opened.page, "map-countries")
    opened.tool("country").click()
    search.fill("brazil")
    assert opened.page.locator("[role=option].bh-picked").count() == 1
    search.press("Enter")
    opened.until(lambda: opened.pick.shape == three, "Brazil taken out again")


def test_several_parts_are_named_removed_and_had_back(opened: Opened, snapshot: Any) -> None:
    opened.tool("box").click()
    opened.drag((600, 100), (660, 150))
    opened.until(lambda: isinstance(opened.pick.shape, Box), "the box")
    box = opened.pick.shape
    opened.tool("disk").click()
    opened.drag((800, 150), (840, 150))
    opened.until(lambda: isinstance(opened.pick.shape, Union), "two parts")
    both = opened.pick.shape
    assert [type(part) for part in both.shapes] == [Box, Disk]
    assert both.shapes[0] == box
    assert both.tags == ()
    fill(opened, "Name of this part", "storm")
    opened.until(lambda: opened.pick.shape.tags == ("Box", "storm"), "the name")
    opened.click((630, 125))  # the box is chosen
    assert field(opened, "South").input_value() == str(round(box.ranges["lat"][0], 4))
    snapshot(opened.page, "map-parts")
    chips = opened.page.locator(".bh-chip")
    assert chips.all_inner_texts() == ["Box", "storm"]
    chips.nth(0).locator(".bh-chip-remove").click()
    opened.until(lambda: isinstance(opened.pick.shape, Disk), "one part")
    opened.tool("undo").click()
    opened.until(lambda: isinstance(opened.pick.shape, Union), "both again")
    opened.page.keyboard.press("Control+Shift+z")
    opened.until(lambda: isinstance(opened.pick.shape, Disk), "one part again")
    assert opened.tool("redo").is_disabled()
    opened.tool("clear").click()
    opened.until(lambda: opened.pick.shape is None, "an empty map")
    for _ in range(4):
        opened.page.keyboard.press("Control+z")
    opened.until(lambda: opened.pick.shape == box, "the box alone")
    opened.page.keyboard.press("Control+y")
    opened.until(lambda: opened.pick.shape == both, "both parts")


def test_all_can_be_drawn_without_a_pointer(opened: Opened, snapshot: Any) -> None:
    press = opened.page.keyboard.press
    opened.stage.focus()
    press("+")
    opened.page.wait_for_timeout(350)
    press("p")
    opened.until(lambda: opened.pick.mode == "polygon", "the mode")
    for arrow in ("ArrowRight", "ArrowUp", "ArrowLeft"):
        press(" ")
        press(arrow)
        opened.page.wait_for_timeout(350)
    press(" ")
    assert opened.page.locator(".bh-dot").count() == 4
    assert opened.page.locator(".bh-cross").is_visible()
    snapshot(opened.page, "map-by-keys")
    press("Backspace")
    assert opened.page.locator(".bh-dot").count() == 3
    press("Enter")
    opened.until(lambda: isinstance(opened.pick.shape, Polygon), "the polygon")
    assert len(opened.pick.shape.outer[0]) == 3
    press("Delete")
    opened.until(lambda: opened.pick.shape is None, "nothing")
    press("d")
    press(" ")
    press("ArrowRight")
    opened.page.wait_for_timeout(350)
    press("Enter")
    opened.until(lambda: isinstance(opened.pick.shape, Disk), "the disk")
    press("b")
    press(" ")
    press("Escape")
    assert opened.page.locator(".bh-draft").get_attribute("d") == ""
    press("Escape")
    opened.until(lambda: opened.pick.mode == "pan", "the pointer for moving")
    opened.tool("polygon").focus()
    press("ArrowRight")
    focused = "document.activeElement.shadowRoot ?? document.activeElement"
    name = opened.tool("box").evaluate("node => node.getRootNode().activeElement.dataset.name")
    assert name == "box", focused
    unnamed = opened.page.locator(
        ".bh-map button:not([aria-label]):not(.bh-chip-name), .bh-map input:not([aria-label])"
    )
    assert unnamed.count() == 0


def test_what_crosses_itself_is_said_and_mended(opened: Opened, snapshot: Any) -> None:
    opened.tool("polygon").click()
    opened.click((600, 100), (700, 200), (700, 100), (600, 200))
    opened.page.keyboard.press("Enter")
    alert = opened.page.locator(".bh-error")
    alert.wait_for()
    assert "cross" in alert.inner_text()
    snapshot(opened.page, "map-refused")
    assert opened.pick.shape is None
    opened.page.wait_for_timeout(300)
    assert opened.page.locator(".bh-corner").count() == 4, "it was taken away"
    opened.drag((700, 200), (650, 60))
    opened.until(lambda: opened.pick.shape is not None, "the mended polygon")
    alert.wait_for(state="hidden")
    opened.page.locator(".bh-figure").first.wait_for()


class Slow(PolytopeSelector):
    """One that takes long to count."""

    def _count(self) -> None:
        time.sleep(1.2)
        super()._count()


def test_a_spinner_shows_that_figures_are_awaited(
    chromium_page: Any, serve_panel: Any, snapshot: Any
) -> None:
    pick = Slow(make_cube())
    chromium_page.goto(serve_panel(lambda: pick.panel(sizing_mode="stretch_width")))
    opened = Opened(chromium_page, pick)
    opened.tool("box").click()
    opened.drag((600, 100), (660, 150))
    spinner = opened.page.locator(".bh-spinner")
    spinner.wait_for()
    assert opened.page.locator(".bh-figures").get_attribute("aria-busy") == "true"
    snapshot(opened.page, "map-waiting")
    opened.page.locator(".bh-figure").first.wait_for()
    assert spinner.count() == 0
    assert opened.pick.answer == {"asked": 1}


BRUSH = Disk(AXES, (0, 0), 400, unit="km")


@pytest.mark.parametrize(
    ("shape", "shapes", "editable"),
    [
        (Disk(AXES, (75, -60), 2500, unit="km"), 1, True),
        (Disk(("longitude", "latitude"), (178, 10), (22, 9)), 1, True),
        (Path(AXES, BRUSH, (10, 170), (-20, 220), (-10, 260)), 1, True),
        (Path(AXES, Box(lat=(-2, 2), lon=(-6, 6)), (50, 100), (20, 130), closed=True), 1, True),
        (Ellipsoid(AXES, (40, -100), (10, 25)), 1, False),
        (ConvexPolytope(AXES, [(0, 0), (30, 20), (20, 40)]), 1, False),
        (ShapePath(AXES, Disk(AXES, (0, 0), 3), Disk(AXES, (20, 30), 9)), 1, False),
        (Point(AXES, [(50, 10), (-30, 200)], method="nearest"), 0, False),
        (Select("lat", [50, 45]) & Select("lon", 10) & Span("level", 700, 900), 0, False),
        (Union(BRUSH & Span("level", 700, 900), Box(lat=(0, 9), lon=(0, 9), level=(1, 600))), 2, 0),
        (
            Path(
                ("time", *AXES),
                Box(time=("-3h", "3h"), lat=(-6, 6), lon=(-6, 6)),
                ("2026-01-01T06:00", 40, 0),
                ("2026-01-01T18:00", 50, 20),
            ),
            1,
            False,
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Shape) else str(value),
)
def test_every_shape_of_python_is_drawn(
    opened: Opened, snapshot: Any, shape: Shape, shapes: int, editable: bool
) -> None:
    opened.pick.shape = shape
    opened.page.locator(".bh-figure").first.wait_for()
    page = opened.page
    opened.until(lambda: page.locator(".bh-shape").count() == shapes, "the shapes")
    assert page.locator(".bh-place").count() >= (shapes == 0)
    assert bool(page.locator(".bh-grip").count()) == bool(editable)
    assert opened.pick.asked == 0, "what Python set was drawn back to it"
    snapshot(page, f"map-set-{type(shape).__name__.lower()}")
    assert opened.pick.shape == shape


def test_a_part_that_is_not_touched_stays_exact(opened: Opened) -> None:
    exact = Disk(AXES, (12.345678901, 34.567890123), 1234.56789, unit="km")
    tagged = Union(exact, Box(lat=(-20, 0), lon=(-60, -20)), tags=("a", "b"))
    opened.pick.shape = tagged & Span("level", 700, 900)
    chips = opened.page.locator(".bh-chip")
    chips.nth(1).wait_for()
    chips.nth(1).locator(".bh-chip-name").click()
    opened.page.locator(".bh-grip").focus()
    opened.page.locator(".bh-grip").press("ArrowUp")
    opened.until(lambda: opened.pick.shape != tagged & Span("level", 700, 900), "a part moved")
    union, span = opened.pick.shape.shapes
    assert union.shapes[0] == exact
    assert union.shapes[1].ranges["lat"][0] > -20
    assert union.tags == ("a", "b")
    assert span == Span("level", 700, 900)


def test_what_is_drawn_beside_a_shape_of_python_names_the_axes_alike(opened: Opened) -> None:
    opened.pick.shape = Box(latitude=(-20.123456, 0), longitude=(-60, -20))
    opened.page.locator(".bh-grip").wait_for()
    opened.tool("disk").click()
    opened.drag((700, 100), (740, 100))
    opened.until(lambda: isinstance(opened.pick.shape, Union), "both")
    opened.settle()
    assert opened.pick.shape.shapes[0] == Box(lat=(-20.123456, 0), lon=(-60, -20))
    assert opened.pick.plan is not None


def test_the_view_goes_to_what_python_sets_out_of_sight(opened: Opened) -> None:
    opened.pick.bounds = [-10, 40, 10, 55]
    opened.page.wait_for_timeout(500)
    opened.pick.shape = Disk(AXES, (-20, 140), 300, unit="km")
    opened.until(
        lambda: bool(opened.pick.bounds) and opened.pick.bounds[3] < 0, "the view of Australia"
    )
    west, south, east, north = opened.pick.bounds
    assert south < -20 < north
    assert west < 140 < east


def test_sliders_choose_one_value_or_labels(
    chromium_page: Any, serve_panel: Any, snapshot: Any
) -> None:
    cube = make_cube().expand_dims(member=["control", "low", "high"], axis=1)
    pick = PolytopeSelector(cube)
    chromium_page.goto(serve_panel(lambda: pick.panel(sizing_mode="stretch_width")))
    opened = Opened(chromium_page, pick)
    row = opened.page.locator(".bh-row", has_text="time")
    row.locator(".bh-single").click()
    first = Span("time", "2026-01-01", "2026-01-01")
    opened.until(lambda: pick.shape == first, "a single time")
    handle = opened.page.locator("input.bh-low[data-axis=time]")
    handle.focus()
    handle.press("ArrowRight")
    opened.until(lambda: pick.ranges["time"] == [1, 1], "the next time")
    assert not opened.page.locator("input.bh-high[data-axis=time]").is_visible()
    member = opened.page.locator("input.bh-high[data-axis=member]")
    member.focus()
    member.press("ArrowLeft")
    opened.until(lambda: pick.ranges["member"] == [0, 1], "two members")
    six = Span("time", "2026-01-01T06:00", "2026-01-01T06:00")
    assert pick.shape == six & Select("member", ["control", "low"])
    snapshot(opened.page, "map-sliders-single")
    row.locator(".bh-single").click()
    opened.until(lambda: pick.ranges["time"] == [0, 7], "all times")
    assert pick.shape == Select("member", ["control", "low"])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [640, 1280, 1920])
def test_nothing_is_cut_off_at_any_width(
    chromium_page: Any, serve_panel: Any, snapshot: Any, theme: str, width: int
) -> None:
    chromium_page.set_viewport_size({"width": width, "height": 1000})
    pick = PolytopeSelector(make_cube(), theme=theme)
    chromium_page.goto(serve_panel(lambda: pick.panel(sizing_mode="stretch_width")))
    opened = Opened(chromium_page, pick)
    pick.shape = Union(
        Disk(AXES, (30, 10), 2000, unit="km"),
        Path(AXES, BRUSH, (10, 60), (-20, 120), (-10, 170)),
        tags=("basin", "cruise"),
    )
    opened.page.locator(".bh-chip-name", has_text="cruise").click()
    snapshot(opened.page, f"map-{theme}-{width}")
    beyond: Callable[[str], Any] = opened.page.locator(".bh-map").evaluate
    assert beyond("node => node.scrollWidth <= node.clientWidth + 1")
    frame = opened.page.locator(".bh-map").bounding_box()
    for button in opened.page.locator(".bh-map button:visible").all():
        box = button.bounding_box()
        assert box["x"] >= frame["x"]
        assert box["x"] + box["width"] <= frame["x"] + frame["width"]
