"""The table of events in a Panel page: what comes, what is filtered, what a hand does."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from boathouse.catalogs.events.notices import notify, notify_many
from boathouse.catalogs.lake import Lake, open_lake
from boathouse.kernels.event_table.widget import EventTable

pytestmark = pytest.mark.browser

CREATED = "org.ogc.api.collection.item.create"
ALPS = (5, 44, 17, 48)


class Opened:
    """A table in a page, and what a hand does with it."""

    def __init__(self, page: Any, table: EventTable, lake: Lake) -> None:
        self.page = page
        self.table = table
        self.lake = lake
        self.rows = page.locator(".ev-table tbody tr")
        page.locator(".ev-bar").wait_for()

    def until(self, true: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + 10
        while not true():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            self.page.wait_for_timeout(25)

    def until_rows(self, count: int) -> None:
        self.until(lambda: self.rows.count() == count, f"{count} rows, not {self.rows.count()}")

    def row(self, number: int) -> Any:
        return self.page.locator(f"tr[data-n='{number}']")

    def input(self, label: str) -> Any:
        return self.page.get_by_label(label, exact=True)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = open_lake(tmp_path / "lake", user="ann")
    yield opened
    opened.close()


@pytest.fixture
def show(chromium_page: Any, serve_panel: Any, lake: Lake) -> Iterator[Callable[..., Opened]]:
    tables: list[EventTable] = []

    def show(**options: Any) -> Opened:
        table = EventTable(lake=lake, **options)
        tables.append(table)
        chromium_page.goto(serve_panel(lambda: table.panel(sizing_mode="stretch_width")))
        return Opened(chromium_page, table, lake)

    yield show
    for table in tables:
        table.close()


def fill(lake: Lake) -> None:
    """Twelve events of four types."""
    item = {"type": CREATED, "access": "public"}
    notify_many(
        [
            *(
                {
                    **item,
                    "collection": "s2-l2a",
                    "subject": f"/collections/s2-l2a/items/S2B_32TPT_{day:02}",
                    "bbox": ALPS,
                    "datatime": f"2026-01-{day:02}T10:20:00Z",
                    "data": {"properties": {"cloud_cover": 10 * day, "platform": "sentinel-2b"}},
                }
                for day in range(1, 7)
            ),
            *(
                {
                    "type": "org.example.station.reading",
                    "collection": "gauges",
                    "subject": f"/stations/{name}",
                    "data": {"geometry": {"type": "Point", "coordinates": [lon, lat]}, "level": n},
                }
                for n, (name, lon, lat) in enumerate(
                    (("cochem", 7.17, 50.14), ("apia", -171.75, -13.83), ("kiel", 10.14, 54.32))
                )
            ),
            {**item, "type": CREATED.replace("create", "update"), "collection": "era5-uk"},
            {**item, "type": CREATED.replace("create", "delete"), "collection": "era5-uk"},
            {"type": "org.boathouse.job.update", "subject": "/jobs/7f3a", "data": {"done": True}},
        ],
        lake=lake,
    )


def test_an_empty_table_says_so_and_fills_as_events_come(show: Any, snapshot: Any) -> None:
    opened = show()
    opened.page.get_by_text("No events yet").wait_for()
    snapshot(opened.page, "events-empty")
    event = notify(
        CREATED,
        collection="sst",
        subject="/items/<b>1",
        bbox=(170, -20, -170, -10),
        lake=opened.lake,
    )
    opened.until_rows(1)
    shown = opened.row(event.sequence).inner_text()
    assert "item.create" in shown
    assert "/items/<b>1" in shown
    assert "10–20° S" in shown
    assert "1 event" in opened.page.locator(".ev-count").inner_text()
    assert not opened.page.get_by_text("No events yet").is_visible()
    opened.page.get_by_text("beginning of the log").wait_for()
    assert opened.page.hosts == {opened.page.url.split("/")[2]}, "the page asked another host"


def test_filters_leave_what_matches(show: Any, snapshot: Any) -> None:
    opened = show()
    fill(opened.lake)
    opened.until_rows(12)
    snapshot(opened.page, "events-light")
    opened.input("Type").fill("org.example.*")
    opened.until_rows(3)
    assert opened.table.filter.type == "org.example.*"
    notify("org.example.late", lake=opened.lake)
    notify("org.other.late", lake=opened.lake)
    opened.until_rows(4)
    opened.input("Search text").fill("STATIONS/K")
    opened.until_rows(1)
    assert "kiel" in opened.rows.first.inner_text()
    opened.page.get_by_role("button", name="Clear all filters").first.click()
    opened.until_rows(14)
    opened.input("Field").fill("cloud_cover")
    opened.input("Comparison").select_option("lt")
    opened.input("Value").fill("30")
    opened.until_rows(2)
    assert [event.data["properties"]["cloud_cover"] for event in opened.table.events] == [20, 10]
    snapshot(opened.page, "events-filtered")
    opened.input("Collection").fill("era5-uk")
    opened.page.get_by_text("No event matches").wait_for()
    snapshot(opened.page, "events-none")
    opened.input("Field").fill("")
    opened.until_rows(2)
    opened.input("Time").select_option("own")
    opened.input("From (UTC)").fill("yesterday")
    opened.page.locator(".ev-trouble", has_text="since must be a time").wait_for()
    assert opened.input("From (UTC)").get_attribute("aria-invalid") == "true"
    snapshot(opened.page, "events-error")
    opened.input("From (UTC)").fill("2020-01-01")
    opened.page.locator(".ev-trouble").wait_for(state="hidden")
    opened.until_rows(2)


def test_a_pause_holds_back_and_counts(show: Any, snapshot: Any) -> None:
    opened = show()
    fill(opened.lake)
    opened.until_rows(12)
    opened.page.get_by_role("button", name="Pause (P)").click()
    opened.until(lambda: opened.table.paused, "the pause in Python")
    notify_many([{"type": "a.b"}] * 3, lake=opened.lake)
    news = opened.page.get_by_role("button", name="3 new events")
    news.wait_for()
    assert opened.rows.count() == 12
    snapshot(opened.page, "events-paused")
    news.click()
    opened.until_rows(15)
    assert not opened.table.paused
    assert [event.type for event in opened.table.events[:3]] == ["a.b"] * 3


def test_a_click_opens_the_whole_event_to_copy(show: Any, snapshot: Any) -> None:
    opened = show(theme="dark")
    fill(opened.lake)
    opened.until_rows(12)
    opened.row(3).click()
    opened.page.locator(".ev-json .ev-name").first.wait_for()
    shown = json.loads(opened.page.locator(".ev-json").inner_text())
    (event,) = opened.table.selection
    assert event.sequence == 3
    assert shown["data"] == event.data
    assert shown["bbox"] == "5,44,17,48"
    snapshot(opened.page, "events-dark-detail")
    opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.page.get_by_role("button", name="Copy the JSON").click()
    opened.page.get_by_text("Copied").wait_for()
    copied = opened.page.evaluate("navigator.clipboard.readText()")
    assert json.loads(copied) == shown
    opened.row(5).click(modifiers=["Control"])
    opened.row(7).click(modifiers=["Shift"])
    opened.until(lambda: len(opened.table.selection) == 3, "three rows")
    assert [event.sequence for event in opened.table.selection] == [7, 6, 5]


def test_it_is_used_with_the_keyboard_alone(show: Any) -> None:
    opened = show()
    fill(opened.lake)
    opened.until_rows(12)
    opened.page.keyboard.press("Tab")
    opened.page.keyboard.press("/")
    opened.page.keyboard.type("s2b")
    opened.until_rows(6)
    press = opened.page.keyboard.press
    press("ArrowDown")
    press("ArrowDown")
    press("Enter")
    opened.until(lambda: opened.table.opened == 5, "the second row opened")
    press("ArrowDown")
    opened.until(lambda: opened.table.opened == 4, "the third row opened")
    press("Escape")
    opened.until(lambda: opened.table.opened == 0, "it closed")
    press("End")
    press("Space")
    opened.until(lambda: 1 in opened.table.chosen, "the last row chosen")
    press("p")
    opened.until(lambda: opened.table.paused, "the pause")


def test_the_past_comes_page_by_page(show: Any, snapshot: Any) -> None:
    notify_many([{"type": "a.b", "data": n} for n in range(230)], lake=(opened := show()).lake)
    opened.table.filter = {}
    opened.until_rows(100)
    box = opened.page.locator(".ev-scroll")
    for rows in (200, 230):
        box.evaluate("node => node.scrollTo(0, node.scrollHeight)")
        opened.until_rows(rows)
    opened.page.get_by_text("beginning of the log").wait_for()
    assert [event.data for event in opened.table.events] == list(range(229, -1, -1))
    box.evaluate("node => node.scrollTo(0, 2000)")
    top = opened.row(150).bounding_box()["y"]
    notify("a.c", lake=opened.lake)
    opened.until_rows(231)
    assert abs(opened.row(150).bounding_box()["y"] - top) < 2, "the reader was moved"


def test_python_sets_filter_and_selection(show: Any, snapshot: Any) -> None:
    opened = show(type=CREATED, bbox=(6, 45, 7, 46), cloud_cover={"lte": 40}, theme="dark")
    fill(opened.lake)
    opened.until_rows(4)
    assert opened.input("Type").input_value() == CREATED
    assert opened.input("Comparison").input_value() == "lte"
    opened.page.get_by_text("No older event matches").wait_for()
    opened.page.get_by_text("Also required: bbox 6, 45, 7, 46").wait_for()
    opened.table.selection = opened.table.events[1:3]
    selected = opened.page.locator("tr[aria-selected='true']")
    opened.until(lambda: selected.count() == 2, "two rows chosen")
    opened.page.set_viewport_size({"width": 560, "height": 900})
    opened.row(2).click()
    opened.page.locator(".ev-json .ev-name").first.wait_for()
    snapshot(opened.page, "events-narrow-dark")
    opened.table.filter = {"subject": "/stations/*"}
    opened.until_rows(3)
    assert opened.input("Type").input_value() == ""


def test_it_lives_in_a_notebook_while_the_kernel_works(
    chromium_page: Any, jupyter_lab: Any, lake: Lake, snapshot: Any
) -> None:
    fill(lake)
    page = chromium_page
    cells = [
        f"import boathouse as bh\ntable = bh.events(lake={str(lake.root)!r}, theme='dark')\ntable",
        "print([event.sequence for event in table.selection])",
    ]
    page.goto(jupyter_lab("events", cells))
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)
    code = page.locator(".jp-Notebook .jp-CodeCell .cm-content")
    code.first.click()
    page.keyboard.press("Control+Enter")
    rows = page.locator(".ev-table tbody tr")
    rows.nth(11).wait_for(timeout=60_000)
    # A thread of the kernel says what comes; the cell has long ended.
    late = notify("org.example.late", lake=lake)
    row = page.locator(f"tr[data-n='{late.sequence}']")
    row.wait_for()
    row.click()
    page.locator(".ev-json .ev-name").first.wait_for()
    # These keys are the table's, not the notebook's.
    page.keyboard.press("ArrowDown")
    page.locator("tr.ev-opened[data-n='12']").wait_for()
    snapshot(page, "events-jupyter")
    code.nth(1).click()
    page.keyboard.press("Control+Enter")
    page.locator(".jp-OutputArea-output", has_text="[12]").wait_for(timeout=20_000)
    assert page.hosts == {page.url.split("/")[2]}, "the page asked another host"
