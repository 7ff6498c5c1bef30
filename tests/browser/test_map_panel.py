"""The map in a Panel page: drawing, editing, sliders, and what Python sets."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from boathouse.kernels.polytope.shapes import Box, Span
from boathouse.kernels.selector.field import encode_field
from boathouse.kernels.selector.widget import PolytopeSelector

from .hand import Opened, area_of, degrees, make_cube

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(chromium_page: Any, serve_panel: Any) -> Opened:
    pick = PolytopeSelector(make_cube())
    address = serve_panel(lambda: pick.panel(sizing_mode="stretch_width"))
    chromium_page.goto(address)
    return Opened(chromium_page, pick)


def test_polygon_drawn_by_clicks_is_in_python_offline(opened: Opened, snapshot: Any) -> None:
    places = [(640, 80), (760, 90), (740, 190), (650, 170)]
    polygon = opened.draw_polygon(*places)
    expected = [degrees(opened, *place) for place in places]
    assert np.allclose(polygon.outer[0], expected, atol=0.02)
    assert polygon.axes == ("lat", "lon")
    opened.page.locator(".bh-figure").first.wait_for()
    assert opened.pick.plan is not None
    shown = opened.page.locator(".bh-figures").inner_text()
    assert f"{opened.pick.plan.points:,} points" in shown
    snapshot(opened.page, "map-panel-polygon")
    cut = opened.pick.extract()
    assert cut["t"].isel(time=0, level=0).size * 8 * 3 == opened.pick.plan.points
    served = opened.page.url.split("/")[2]
    assert opened.page.hosts == {served}, "the page asked another host"


def test_shape_set_in_python_is_drawn(opened: Opened, snapshot: Any) -> None:
    opened.pick.shape = Box(latitude=(30, 60), longitude=(170, 200)) & Span(
        "time", "2026-01-01T06:00", "2026-01-01T18:00"
    )
    corners = opened.page.locator(".bh-corner")
    corners.nth(3).wait_for()
    assert corners.count() == 4
    path = opened.page.locator(".bh-shape").get_attribute("d")
    edges = sorted({float(part.split()[0]) for part in path.strip("MZ").split("L")})
    assert len(edges) == 2, path
    assert abs(edges[1] - edges[0] - 30 * 420 / 180) < 0.5, "the box was torn at the date line"
    row = opened.page.locator(".bh-row", has_text="time")
    assert "2026-01-01 06:00 – 2026-01-01 18:00" in row.inner_text()
    snapshot(opened.page, "map-panel-set")
    opened.pick.shape = None
    opened.until(lambda: not corners.count(), "an empty map")
    assert "2026-01-02 18:00" in row.inner_text()


def test_polygon_across_the_date_line_stays_whole(opened: Opened) -> None:
    opened.drag((1100, 200), (700, 200))  # the Pacific comes to the middle
    opened.page.wait_for_timeout(100)
    polygon = opened.draw_polygon((560, 100), (900, 110), (880, 230), (580, 240))
    longitudes = [vertex[1] for vertex in polygon.outer[0]]
    assert min(longitudes) >= -180
    assert min(longitudes) < 180 < max(longitudes)
    assert max(longitudes) - min(longitudes) == pytest.approx(340 * 180 / 420, abs=0.5)
    cut = opened.pick.extract()
    assert float(cut["lon"].max()) > 180 > float(cut["lon"].min())


def test_corners_are_dragged_and_undone(opened: Opened) -> None:
    first = opened.draw_polygon((600, 100), (700, 100), (700, 200), (600, 200))
    opened.drag((700, 200), (760, 260))
    there = pytest.approx(degrees(opened, 760, 260), abs=0.02)
    opened.until(lambda: area_of(opened.pick).outer[0][2] == there, "the corner moved")
    moved = area_of(opened.pick)
    assert moved.outer[0][:2] == first.outer[0][:2]
    opened.drag((650, 100), (650, 60))  # the middle of an edge makes a corner
    above = pytest.approx(degrees(opened, 650, 60), abs=0.02)
    opened.until(lambda: area_of(opened.pick).outer[0][1] == above, "a fifth corner")
    assert len(area_of(opened.pick).outer[0]) == 5
    opened.tool("undo").click()
    opened.until(lambda: area_of(opened.pick) == moved, "the step before")
    opened.page.keyboard.press("Control+z")
    opened.until(lambda: area_of(opened.pick) == first, "the first polygon")
    opened.tool("clear").click()
    opened.until(lambda: opened.pick.shape is None, "no shape")
    opened.tool("undo").click()
    opened.until(lambda: opened.pick.shape is not None, "the shape again")
    assert area_of(opened.pick) == first


def test_keys_while_drawing(opened: Opened) -> None:
    opened.tool("polygon").click()
    opened.click((600, 100), (700, 100), (700, 200), (900, 300))
    dots = opened.page.locator(".bh-dot")
    assert dots.count() == 4
    opened.page.keyboard.press("Backspace")
    assert dots.count() == 3
    opened.page.keyboard.press("Escape")
    assert dots.count() == 0
    assert opened.pick.shape is None
    opened.click((600, 100), (700, 100), (700, 200), (600, 100))  # back on the first corner
    opened.until(lambda: opened.pick.shape is not None, "the closed polygon")
    assert len(area_of(opened.pick).outer[0]) == 3
    opened.until(lambda: opened.pick.mode == "pan", "the pointer for moving")


def test_box_and_what_lies_outside(chromium_page: Any, serve_panel: Any, snapshot: Any) -> None:
    region = make_cube().sel(lat=slice(60, 40), lon=slice(0, 20))
    pick = PolytopeSelector(region)
    chromium_page.goto(serve_panel(lambda: pick.panel(sizing_mode="stretch_width")))
    opened = Opened(chromium_page, pick)
    opened.page.wait_for_timeout(600)  # the finer coastlines
    opened.tool("box").click()
    opened.drag((560, 150), (700, 260))
    opened.until(lambda: pick.shape is not None, "the box")
    box = area_of(pick)
    assert isinstance(box, Box)
    assert 40 < box.ranges["lat"][0] < box.ranges["lat"][1] < 60
    snapshot(opened.page, "map-panel-box")
    opened.tool("clear").click()
    opened.until(lambda: pick.shape is None, "an empty map")
    opened.tool("box").click()
    opened.drag((60, 330), (120, 380))
    alert = opened.page.locator(".bh-error")
    alert.wait_for()
    assert "lon" in alert.inner_text() or "lat" in alert.inner_text()
    assert pick.plan is None
    snapshot(opened.page, "map-panel-outside")


def test_sliders_choose_ranges_and_the_field(opened: Opened, snapshot: Any) -> None:
    low = opened.page.locator("input.bh-low[data-axis=time]")
    low.focus()
    for _ in range(3):
        opened.page.keyboard.press("ArrowRight")
    opened.until(lambda: opened.pick.ranges["time"] == [3, 7], "the lower handle")
    assert opened.pick.shape == Span("time", "2026-01-01T18:00", "2026-01-02T18:00")
    opened.page.locator(".bh-caption", has_text="2026-01-01 18:00").wait_for()
    high = opened.page.locator("input.bh-high[data-axis=level]")
    high.focus()
    opened.page.keyboard.press("Home")
    opened.until(lambda: opened.pick.ranges["level"] == [0, 0], "the upper handle")
    polygon = opened.draw_polygon((600, 100), (700, 100), (700, 200))
    assert opened.pick.shape == polygon & Span(
        "time", "2026-01-01T18:00", "2026-01-02T18:00"
    ) & Span("level", 1000, 1000)
    snapshot(opened.page, "map-panel-sliders")


def test_the_map_moves_by_keys_wheel_and_buttons(opened: Opened) -> None:
    def bounds_after(action: Callable[[], Any]) -> list[float]:
        before = opened.pick.bounds
        action()
        opened.until(lambda: opened.pick.bounds != before, "the bounds in Python")
        opened.page.wait_for_timeout(300)
        return opened.pick.bounds

    press = opened.page.keyboard.press
    opened.page.mouse.move(*opened.at(640, 210))
    opened.page.mouse.wheel(0, -240)
    opened.page.wait_for_timeout(400)
    assert opened.pick.bounds == [], "the wheel moved a map that nobody had touched"
    opened.stage.focus()
    west, south, east, north = bounds_after(lambda: press("+"))
    assert north - south == pytest.approx(90, abs=0.1)
    west, south, east, north = bounds_after(lambda: press("ArrowRight"))
    assert (west + east) / 2 == pytest.approx(80 / (2 * 420 / 180), abs=0.1)
    west, south, east, north = bounds_after(lambda: press("ArrowUp"))
    assert south > -45
    bounds_after(lambda: opened.page.mouse.wheel(0, -240))
    assert opened.pick.bounds[3] - opened.pick.bounds[1] == pytest.approx(45, abs=0.1)
    west, south, east, north = bounds_after(lambda: opened.tool("fit").click())
    assert (south, north) == (-90, 90)
    opened.pick.bounds = [-20, 30, 50, 65]
    opened.page.wait_for_timeout(600)
    opened.page.mouse.move(*opened.at(640, 210))
    latitude, longitude = opened.page.locator(".bh-readout span").all_inner_texts()[:2]
    assert (float(latitude.split("°")[0]), float(longitude.split("°")[0])) == pytest.approx(
        (47.5, 15), abs=0.2
    )


def test_no_gap_where_the_field_comes_round(opened: Opened) -> None:
    opened.page.mouse.move(*opened.at(opened.stage.bounding_box()["width"] / 2 - 3, 210))
    assert "1.3° W" in opened.page.locator(".bh-readout").inner_text()
    assert "K" in opened.page.locator(".bh-readout b").inner_text()
    clear = opened.page.locator(".bh-canvas").evaluate(
        """canvas => {
          const water = getComputedStyle(canvas.closest('.bh-map')).getPropertyValue('--bh-water');
          const row = canvas.getContext('2d').getImageData(0, 150, canvas.width, 1).data;
          const [r, g, b] = water.trim().match(/\\w\\w/g).map(part => parseInt(part, 16));
          let found = 0;
          for (let i = 0; i < row.length; i += 4) {
            if (row[i] === r && row[i + 1] === g && row[i + 2] === b) found += 1;
          }
          return found;
        }"""
    )
    assert clear == 0


def test_view_mode_gives_the_clicked_place(
    chromium_page: Any, serve_panel: Any, snapshot: Any
) -> None:
    from boathouse.kernels.selector.panel import MapView

    field = encode_field(make_cube()["t"].isel(time=0, level=0), colormap="magma")
    view = MapView(
        field=dict(field), mode="view", height=500, theme="dark", sizing_mode="stretch_width"
    )
    chromium_page.goto(serve_panel(lambda: view))
    stage = chromium_page.locator(".bh-stage")
    chromium_page.locator(".bh-scale").wait_for()
    chromium_page.wait_for_timeout(300)
    frame = stage.bounding_box()
    chromium_page.mouse.click(
        frame["x"] + frame["width"] / 2 + 100, frame["y"] + frame["height"] / 2 - 60
    )
    chromium_page.wait_for_timeout(500)
    scale = frame["height"] / 180
    assert view.clicked == pytest.approx([100 / scale, 60 / scale], abs=0.01)
    assert view.marker == view.clicked
    readout = chromium_page.locator(".bh-readout").inner_text()
    assert "K" in readout
    assert "° N" in readout
    assert not chromium_page.locator(".bh-button[data-name=polygon]").is_visible()
    assert 480 < chromium_page.locator(".bh-map").bounding_box()["height"] <= 500
    snapshot(chromium_page, "map-panel-view")
