"""The dashboard in a browser: what arrives, what runs, what is empty and what is broken."""

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from boathouse.catalogs.errors import Unavailable
from boathouse.catalogs.events.event import ITEM_CREATED, Event
from boathouse.catalogs.lake import open_lake
from boathouse.catalogs.publish import publish

pytestmark = pytest.mark.browser


def plume() -> xr.Dataset:
    """Two months of noise on a coarse globe."""
    return xr.Dataset(
        {"t": (("time", "level", "lat", "lon"), np.random.rand(2, 2, 9, 18), {"units": "K"})},
        {
            "time": pd.date_range("2011-08-16", periods=2, freq="MS"),
            "lat": ("lat", np.linspace(80, -80, 9), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(0, 360, 20), {"units": "degrees_east"}),
        },
    )


def field_of(page: Any) -> dict[str, Any]:
    """The field that the map shows, without its bytes."""
    return page.evaluate(
        """() => {
          const map = Bokeh.index.roots.map((view) => view.model).find((m) => m.name === "map");
          const { data, colors, ...rest } = map.data.field;
          return { ...rest, length: (data || "").length };
        }"""
    )


def series_of(page: Any) -> list[float]:
    """The values of the line in the series card."""
    return page.evaluate(
        """() => {
          const sources = Bokeh.documents[0]._all_models.values();
          for (const model of sources) {
            if (model.type === "ColumnDataSource" && model.columns().includes("text")) {
              return Array.from(model.get_column("y"));
            }
          }
          return [];
        }"""
    )


def click_map(page: Any, x: float = 0.5, y: float = 0.45) -> None:
    box = page.locator(".bh-stage").bounding_box()
    page.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * y)


def wait_until(page: Any, condition: Any, seconds: float = 20) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        page.wait_for_timeout(100)
    raise AssertionError("it did not come about")


def test_an_arrival_shows_and_moves_the_map(desk: Any, chromium_page: Any, snapshot: Any) -> None:
    page = chromium_page
    desk.enter(page)
    arrivals = page.get_by_role("list", name="Arrivals").get_by_role("listitem")
    page.get_by_text("data of 2024-01-01 12:00").wait_for()
    before = wait_until(page, lambda: field_of(page).get("caption"))
    assert "2024-01-01 12:00" in before
    seen = arrivals.count()

    desk.put(3)
    page.get_by_text("data of 2024-01-01 18:00").wait_for(timeout=10_000)
    assert arrivals.count() == seen + 1
    assert "2024-01-01 18:00" in arrivals.first.inner_text()
    # The map was at the newest step, so it goes on to the new one by itself.
    wait_until(page, lambda: "2024-01-01 18:00" in field_of(page)["caption"])
    assert page.get_by_role("slider", name="time").get_attribute("aria-valuetext") == (
        "2024-01-01 18:00"
    )

    # Whoever looks at an older step is left there.
    page.get_by_role("button", name="One step back").click()
    wait_until(page, lambda: "2024-01-01 12:00" in field_of(page)["caption"])
    desk.put(4)
    page.get_by_text("data of 2024-01-02 00:00").wait_for(timeout=10_000)
    page.wait_for_timeout(500)
    assert "2024-01-01 12:00" in field_of(page)["caption"]

    # The first item of a collection that nobody has seen yet is an arrival too.
    publish(plume().isel(level=0), "cut", licence="CC0-1.0", title="A new cut", lake=desk.lake)
    page.get_by_role("list", name="Arrivals").get_by_text("A new cut").wait_for(timeout=10_000)
    page.get_by_role("list", name="Catalog").get_by_text("A new cut").wait_for()
    page.get_by_role("list", name="Results").get_by_text("A new cut").wait_for()
    snapshot(page, "dashboard-arrival")


def test_a_click_draws_the_series_there(desk: Any, chromium_page: Any) -> None:
    page = chromium_page
    desk.enter(page, query="?collection=air-fresh")
    page.get_by_text("Click the map to draw the line").wait_for()
    wait_until(page, lambda: field_of(page).get("width"))
    click_map(page)
    title = page.locator("section.series").get_by_role("heading")
    wait_until(page, lambda: "° N" in title.inner_text())
    # The grid has a point every 2.5 degrees; the nearest one is said.
    north = float(title.inner_text().split(" at ")[1].split("°")[0])
    assert north % 2.5 == 0
    assert 20 <= north <= 70
    wait_until(page, lambda: len(series_of(page)) == 3)
    assert page.get_by_text("nearest grid point to the click").is_visible()

    desk.put(3)
    wait_until(page, lambda: len(series_of(page)) == 4)

    click_map(page, 0.02, 0.5)
    page.get_by_text("This place is outside of the cube").wait_for()


def test_other_dimensions_are_chosen(desk: Any, chromium_page: Any) -> None:
    page = chromium_page
    desk.enter(page)
    page.get_by_role("list", name="Results").get_by_role("button", name="A plume").click()
    page.get_by_label("level").wait_for()
    wait_until(page, lambda: field_of(page).get("width") == 18)
    low = field_of(page)
    page.get_by_label("level").select_option(label="850 hPa")
    wait_until(page, lambda: field_of(page) != low)
    assert "collection=plume" in page.url
    assert page.locator("select").count() == 2  # no list for latitude, longitude or time
    click_map(page)
    page.get_by_text("chosen member, and the other 4").wait_for()

    page.reload()
    page.locator("section.map").get_by_text("A plume").wait_for()


def test_a_run_is_followed_to_its_end(desk: Any, chromium_page: Any) -> None:
    page = chromium_page
    desk.enter(page)
    page.get_by_text("Try tutorial 03").wait_for()
    runs = page.get_by_role("list", name="Runs").get_by_role("listitem")

    desk.job("job-1")
    desk.progress("job-1", 3, 9, "cutting the shape")
    page.get_by_text("3/9 cells").wait_for(timeout=10_000)
    bar = page.get_by_role("progressbar")
    assert bar.get_attribute("aria-valuenow") == "3"
    assert "cutting the shape" in runs.first.inner_text()
    desk.progress("job-1", 8, 9)
    page.get_by_text("8/9 cells").wait_for(timeout=10_000)
    desk.finish("job-1", results=("plume",))
    page.get_by_text("done", exact=True).wait_for(timeout=10_000)
    assert bar.count() == 0
    runs.first.get_by_role("button", name="Result: plume").click()
    page.locator("section.map").get_by_text("A plume").wait_for()

    desk.job("job-2")
    desk.progress("job-2", 2, 9)
    desk.finish("job-2", error="BadShape: <b>the box</b> lies outside")
    page.get_by_text("BadShape: <b>the box</b> lies outside").wait_for(timeout=10_000)
    assert "failed" in runs.first.inner_text()
    desk.job("job-3", owner="bob")
    desk.put(3)
    page.get_by_text("data of 2024-01-01 18:00").wait_for(timeout=10_000)
    assert runs.count() == 2  # Bob's run is none of Ann's business


def test_two_visitors_see_their_own(desk: Any, chromium: Any) -> None:
    pages = {name: chromium.new_context().new_page() for name in ("ann", "bob")}
    for name, page in pages.items():
        desk.enter(page, name)
        page.get_by_text("Try tutorial 03").wait_for()
        page.get_by_text("data of 2024-01-01 12:00").wait_for()
    secret = Event(type="org.example.secret", source="/ann", owner="ann", access="private", data={})
    crew = Event(type="org.example.crew", source="/ann", owner="ann", access="group:crew", data={})
    # Bob pretends that something arrived in Ann's pool, and that Ann has a run.
    forged = Event(
        type=ITEM_CREATED,
        source="/collections/air-fresh",
        subject="/collections/air-fresh/items/forged",
        collection="air-fresh",
        owner="bob",
        data={},
    )
    desk.lake.log.append([secret, forged, crew])
    for page in pages.values():
        page.get_by_text("org.example.crew").wait_for(timeout=10_000)
        assert page.get_by_text("forged").count() == 0
    assert pages["ann"].get_by_text("org.example.secret").is_visible()
    assert pages["bob"].get_by_text("org.example.secret").count() == 0
    for page in pages.values():
        page.context.close()


def test_an_outage_is_said_and_ends(desk: Any, chromium_page: Any, monkeypatch: Any) -> None:
    page = chromium_page

    def silent(**_: Any) -> Any:
        raise Unavailable("The catalog service does not answer.")

    with monkeypatch.context() as broken:
        broken.setattr(desk.lake.store, "collections", silent)
        desk.enter(page)
        page.get_by_text("The catalog cannot be loaded at the moment.").wait_for()
        page.get_by_text("The catalog service does not answer.").wait_for()
    page.get_by_role("list", name="Catalog").get_by_text("Fresh air").wait_for(timeout=15_000)
    assert page.get_by_text("cannot be loaded").count() == 0

    with monkeypatch.context() as broken:
        broken.setattr(desk.lake.log, "follow", silent)
        broken.setattr(desk.lake.log, "last", silent)
        page.get_by_text("Live updates are paused.").wait_for()
        desk.put(3)
    page.get_by_text("data of 2024-01-01 18:00").wait_for(timeout=10_000)  # nothing was missed
    assert page.get_by_text("Live updates are paused.").count() == 0


def test_an_empty_lake_says_what_to_do(tmp_path: Any, desk: Any, chromium_page: Any) -> None:
    empty = open_lake(tmp_path / "empty", user="ann")
    desk.lake, held = empty, desk.lake
    desk.enter(chromium_page)
    for text in ("There is no data in this lake yet.", "No arrivals yet.", "No results yet."):
        chromium_page.get_by_text(text).wait_for()
    desk.lake = held
    empty.close()


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1920, 1080)])
def test_it_looks_right(
    desk: Any, chromium_page: Any, snapshot: Any, width: int, height: int
) -> None:
    page = chromium_page
    page.set_viewport_size({"width": width, "height": height})
    desk.job("job-1")
    desk.progress("job-1", 4, 9, "cutting the shape")
    desk.enter(page)
    wait_until(page, lambda: field_of(page).get("width"))
    click_map(page)
    page.get_by_text("nearest grid point").wait_for()
    wait_until(page, lambda: len(series_of(page)) == 3)
    page.locator("section.series canvas").first.wait_for()
    page.get_by_role("list", name="Results").locator("img").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    map_box = page.locator(".bh-stage").bounding_box()
    assert map_box["width"] > 0.45 * width
    time_box = page.get_by_role("slider", name="time").bounding_box()
    assert time_box["y"] + time_box["height"] < height  # seen without scrolling
    fonts = page.evaluate(
        "document.fonts.ready.then(() => [...document.fonts].filter((f) => f.status === 'loaded')"
        ".map((f) => f.family))"
    )
    assert "Inter" in fonts
    snapshot(page, f"dashboard-{width}x{height}")
    snapshot(page, f"dashboard-{width}x{height}-whole", full_page=True)
    # Everything came from the dashboard itself.
    assert page.hosts == {desk.url.split("/")[2]}


def test_a_notebook_is_shown_and_runs_nothing(desk: Any, chromium_page: Any) -> None:
    page = chromium_page
    evil = (
        "<p>harmless table</p><script>document.title = 'taken over'</script>"
        "<img src='http://tracker.invalid/pixel.png' onerror=\"document.title='taken over'\">"
    )
    output = {"output_type": "display_data", "data": {"text/html": evil}, "metadata": {}}
    cell = {
        "cell_type": "code",
        "id": "a",
        "source": "1 + 1",
        "metadata": {},
        "execution_count": 1,
        "outputs": [output],
    }
    desk.job("job-1")
    desk.notebook("job-1", {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    desk.enter(page)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Notebook").click()
    notebook = opened.value
    # A reload would come into the way of a page that is still loading.
    notebook.get_by_text("harmless table").wait_for()
    answers = []
    notebook.on("response", lambda answer: answers.append(answer.url))
    notebook.reload()
    notebook.get_by_text("harmless table").wait_for()
    notebook.wait_for_timeout(300)
    assert notebook.title() == "mean-over-shape – Boathouse"
    assert notebook.evaluate("window.origin") == "null"
    assert {url.split("/")[2] for url in answers} == {desk.url.split("/")[2]}
    notebook.get_by_role("link", name="Back to the dashboard").click()
    notebook.get_by_role("list", name="Catalog").wait_for()
