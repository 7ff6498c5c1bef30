"""The map in JupyterLab: a polygon drawn in one cell's output is in the next cell."""

import ast
import json
import re
from typing import Any

import pytest

pytestmark = pytest.mark.browser

CUBE = """
import numpy as np, xarray as xr
from boathouse.kernels.selector.widget import PolytopeSelector
from boathouse.kernels.polytope.shapes import Box
latitude, longitude = np.arange(72, 29.9, -1.0), np.arange(-15, 40.1, 1.0)
north, east = np.meshgrid(np.radians(latitude), np.radians(longitude), indexing="ij")
steps = [280 + 18 * np.cos(2 * north) + 5 * np.sin(6 * east + step) for step in range(4)]
ds = xr.Dataset(
    {"t2m": (("time", "lat", "lon"), steps, {"units": "K", "long_name": "2 metre temperature"})},
    {
        "time": np.datetime64("2026-01-01", "ns") + np.arange(4) * np.timedelta64(6, "h"),
        "lat": ("lat", latitude, {"units": "degrees_north"}),
        "lon": ("lon", longitude, {"units": "degrees_east"}),
    },
)
pick = PolytopeSelector(ds)
pick
"""
CELLS = [
    CUBE.strip(),
    "print((pick.shape.to_dict(), pick.plan.points, pick.extract()['t2m'].size))",
    "pick.shape = Box(lat=(45, 55), lon=(0, 10))",
]

LONG_TRACK = """
from boathouse.kernels.polytope.shapes import Disk, Path
brush = Disk(("lat", "lon"), (0, 0), 150, unit="km")
pick.shape = Path(("lat", "lon"), brush, (36, -6), (38, 10), (34, 30))
""".strip()


class Notebook:
    """A notebook that is open in JupyterLab."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.cells = page.locator(".jp-Notebook .jp-CodeCell")
        self.cells.first.wait_for(timeout=60_000)
        # A cell that is run before the kernel is idle is dropped.
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)

    def run(self, number: int) -> Any:
        """Run one cell; its outputs when it has ended."""
        cell = self.cells.nth(number)
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        prompt = cell.locator(".jp-InputPrompt")
        self.page.wait_for_function(
            "prompt => /\\[\\d+\\]/.test(prompt.textContent)",
            arg=prompt.element_handle(),
            timeout=90_000,
        )
        return cell.locator(".jp-OutputArea-output")


def test_polygon_drawn_in_jupyterlab_is_in_the_next_cell(
    chromium_page: Any, jupyter_lab: Any, snapshot: Any
) -> None:
    page = chromium_page
    page.goto(jupyter_lab("pick", CELLS))
    notebook = Notebook(page)
    notebook.run(0)
    page.locator(".bh-map .bh-scale").wait_for(timeout=60_000)
    page.wait_for_timeout(1500)  # the finer coastlines
    stage = page.locator(".bh-stage")
    stage.scroll_into_view_if_needed()
    frame = stage.bounding_box()
    page.locator(".bh-button[data-name=polygon]").click()
    middle = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    for x, y in ((-60, -80), (70, -60), (90, 60), (-40, 70), (-90, 10)):
        page.mouse.click(middle[0] + x, middle[1] + y)
    page.keyboard.press("Backspace")
    # Enter belongs to the map here, not to the notebook's own shortcuts.
    page.keyboard.press("Enter")
    page.locator(".bh-figure").first.wait_for()
    snapshot(page, "map-jupyter-polygon")

    shape, points, size = ast.literal_eval(notebook.run(1).inner_text())
    assert shape["type"] == "Polygon"
    assert shape["axes"] == ["lat", "lon"]
    assert len(shape["points"]) == 4
    assert all(
        30 < latitude < 72 and -15 < longitude < 40 for latitude, longitude in shape["points"]
    )
    assert points == size > 0
    shown = page.locator(".bh-figures").inner_text()
    assert f"{points:,} points" in shown

    notebook.run(2)
    page.wait_for_function("document.querySelectorAll('.bh-corner').length === 4")
    path = page.locator(".bh-shape").get_attribute("d")
    columns = {part.split()[0] for part in path.strip("MZ").split("L")}
    assert len(columns) == 2, f"no box: {path}"
    stage.scroll_into_view_if_needed()
    snapshot(page, "map-jupyter-set")
    assert page.hosts == {page.url.split("/")[2]}, "the page asked another host"


def test_every_tool_works_in_a_dark_jupyterlab(
    chromium_page: Any, jupyter_lab: Any, snapshot: Any
) -> None:
    page = chromium_page
    page.set_viewport_size({"width": 1920, "height": 1080})
    address = jupyter_lab("dark", [CUBE.strip(), "print(pick.shape.to_json())", LONG_TRACK])
    page.goto(f"{address}&reset")  # else the notebook of the test before is open too
    notebook = Notebook(page)
    page.locator(".lm-MenuBar-item", has_text="Settings").click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Theme$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^JupyterLab Dark$")).click()
    notebook.run(0)
    page.locator(".bh-map.bh-dark .bh-scale").wait_for(timeout=60_000)
    page.wait_for_timeout(1500)  # the finer coastlines
    stage = page.locator(".bh-stage")
    stage.scroll_into_view_if_needed()
    frame = stage.bounding_box()
    middle = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    page.locator(".bh-button[data-name=disk]").click()
    page.mouse.move(middle[0] - 60, middle[1] - 60)
    page.mouse.down()
    page.mouse.move(middle[0], middle[1] - 60, steps=4)
    page.mouse.up()
    page.locator(".bh-figure").first.wait_for()
    page.locator(".bh-button[data-name=country]").click()
    # What is typed goes to the list of names, not to the notebook.
    page.keyboard.type("ital")
    page.locator("[role=option]", has_text="Italy").wait_for()
    snapshot(page, "map-jupyter-dark-list")
    page.keyboard.press("Enter")
    page.locator(".bh-chip", has_text="Italy").wait_for()
    page.keyboard.press("Escape")
    page.locator(".bh-waiting").wait_for(state="detached")
    snapshot(page, "map-jupyter-dark")
    shape = json.loads(notebook.run(1).inner_text())
    assert shape["type"] == "Union"
    assert shape["tags"] == ["Disk", "Italy"]
    disk, italy = shape["shapes"]
    assert (disk["type"], disk["unit"]) == ("Disk", "km")
    assert italy["type"] == "Polygon"
    assert all(6 < longitude < 19 for ring in italy["points"] for _, longitude in ring)
    notebook.run(2)
    page.wait_for_function("document.querySelectorAll('.bh-corner').length === 3")
    stage.scroll_into_view_if_needed()
    snapshot(page, "map-jupyter-dark-path")
