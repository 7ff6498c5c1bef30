"""What the tests of the map have in common: a cube, a map in a page, and a hand on it."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from boathouse.kernels.polytope.shapes import Polygon
from boathouse.kernels.selector.widget import PolytopeSelector


def make_cube() -> xr.Dataset:
    latitude = np.arange(90, -90.1, -2.5)
    longitude = np.arange(0, 360, 2.5)
    times = np.datetime64("2026-01-01", "ns") + np.arange(8) * np.timedelta64(6, "h")
    levels = np.array([1000.0, 850.0, 500.0])
    north, east = np.meshgrid(np.radians(latitude), np.radians(longitude), indexing="ij")
    ground = 300 - 45 * np.sin(north) ** 2 + 7 * np.cos(3 * east) * np.cos(north)
    values = [
        [ground - 17 * level + 4 * np.sin(4 * east + 2 * north + step) for level in range(3)]
        for step in range(8)
    ]
    return xr.Dataset(
        {
            "t": (
                ("time", "level", "lat", "lon"),
                np.asarray(values, dtype="f4"),
                {"units": "K", "long_name": "air temperature"},
            )
        },
        {
            "time": times,
            "level": ("level", levels, {"units": "hPa", "long_name": "pressure"}),
            "lat": ("lat", latitude, {"units": "degrees_north"}),
            "lon": ("lon", longitude, {"units": "degrees_east"}),
        },
    )


class Opened:
    """A selector in a page, and what a hand does with it."""

    def __init__(self, page: Any, pick: PolytopeSelector) -> None:
        self.page = page
        self.pick = pick
        self.stage = page.locator(".bh-stage")
        page.locator(".bh-scale").wait_for()
        # The picture is there when the first size is known: the graticule then has its labels.
        page.wait_for_timeout(300)

    def tool(self, name: str) -> Any:
        return self.page.locator(f".bh-button[data-name={name}]")

    def at(self, x: float, y: float) -> tuple[float, float]:
        frame = self.stage.bounding_box()
        return frame["x"] + x, frame["y"] + y

    def click(self, *places: tuple[float, float]) -> None:
        for place in places:
            self.page.mouse.click(*self.at(*place))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*self.at(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.at(*end), steps=4)
        self.page.mouse.up()

    def until(self, true: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + 15
        while not true():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            self.page.wait_for_timeout(40)

    def settle(self) -> None:
        """Wait until Python has counted all that was drawn."""
        self.until(lambda: 0 < self.pick.asked == self.pick.answer.get("asked"), "an answer")

    def draw_polygon(self, *places: tuple[float, float]) -> Polygon:
        self.tool("polygon").click()
        self.click(*places)
        before = self.pick.shape
        self.page.keyboard.press("Enter")
        self.until(lambda: self.pick.shape != before, "the polygon in Python")
        return area_of(self.pick)


def area_of(pick: PolytopeSelector) -> Any:
    assert pick.shape is not None
    parts = getattr(pick.shape, "shapes", (pick.shape,))
    return next(part for part in parts if part.axes[0] == "lat")


def degrees(opened: Opened, x: float, y: float) -> tuple[float, float]:
    """What the map shows at a place on the stage when it shows the whole world, 420 pixels high."""
    frame = opened.stage.bounding_box()
    scale = 420 / 180
    return 90 - y / scale, (x - frame["width"] / 2) / scale
