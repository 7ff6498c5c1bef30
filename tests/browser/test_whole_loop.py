"""The product, as a newcomer meets it: a real hub, a real browser, the whole loop."""

import time
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.hub, pytest.mark.timeout(600)]

POOL = "sst-fresh"
RULE = "my-piece-of-the-sea"


def log_in(page: Any, hub: Any) -> None:
    page.goto(hub.address)
    page.fill("input[name=username]", hub.name)
    page.fill("input[name=password]", hub.password)
    page.click("[type=submit]")
    page.wait_for_url("**/lab**", timeout=90_000)


def open_notebook(page: Any, hub: Any, path: str) -> None:
    page.goto(f"{hub.address}user/{hub.name}/lab/tree/{path}")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=60_000)
    # Cells that are run before the kernel is idle are dropped by Lab.
    page.locator("text=Boathouse | Idle").wait_for(timeout=90_000)


def run_cells(page: Any, number: int) -> None:
    page.locator(".jp-Notebook .jp-Cell").first.click()
    for _ in range(number):
        page.keyboard.press("Shift+Enter")


def draw_polygon(page: Any) -> None:
    stage = page.locator(".bh-stage")
    stage.scroll_into_view_if_needed()
    page.locator(".bh-button[data-name=polygon]").click()
    frame = stage.bounding_box()
    for x, y in ((0.42, 0.40), (0.55, 0.38), (0.60, 0.62), (0.45, 0.66)):
        page.mouse.click(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"])
    page.keyboard.press("Enter")
    page.locator(".bh-figure").first.wait_for()


def until(what: Callable[[], Any], *, seconds: float, why: str) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds} s: {why}")


def get(visitor: Any, path: str) -> Any:
    answer = visitor.client.get(f"services/{path}", headers=visitor.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_arrival_event_run_result_dashboard(
    lively_hub: Any, chromium_page: Any, chromium: Any, snapshot: Any
) -> None:
    hub = lively_hub
    page = chromium_page
    log_in(page, hub)
    open_notebook(page, hub, "tutorials/02-cut-a-shape.ipynb")
    snapshot(page, "loop-1-lab")

    run_cells(page, 5)
    page.locator(".bh-map .bh-scale").wait_for(timeout=120_000)
    draw_polygon(page)
    snapshot(page, "loop-2-drawn")
    page.locator(".jp-Notebook .jp-CodeCell").nth(2).locator(".cm-content").click()
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
    page.locator(".lm-Menu-itemLabel", has_text="Run Selected Cell and All Below").click()

    visitor = hub.visit(hub.name, hub.password)
    (rule,) = until(
        lambda: get(visitor, "automation/rules"), seconds=120, why="the last cell saves the rule"
    )
    assert rule["name"] == RULE
    drawn = rule["action"]["parameters"]["shape"]
    snapshot(page, "loop-3-rule")
    # What was drawn is what was saved, not the tutorial's own proposal.
    assert "polygon" in str(drawn).lower()
    assert -30.0 not in [value for point in drawn["points"] for value in point]

    job = until(
        lambda: next((j for j in get(visitor, "automation/jobs") if j["rule"] == RULE), None),
        seconds=60,
        why="the replay clock puts a step and the rule makes a job",
    )
    assert job["owner"] == hub.name

    board = chromium.new_context(viewport={"width": 1920, "height": 1080}).new_page()
    log_in(board, hub)
    board.goto(f"{hub.address}services/dashboard/")
    board.get_by_text(RULE).first.wait_for(timeout=60_000)
    snapshot(board, "loop-4-dashboard-running")

    def ended() -> Any:
        now = get(visitor, f"automation/jobs/{job['id']}")
        assert now["state"] not in ("failed", "dismissed"), now["message"]
        return now if now["state"] == "successful" else None

    done = until(ended, seconds=180, why="the run succeeds")
    assert done["results"]
    assert done["cells_done"] == done["cells_total"] > 0

    (result, *_) = done["results"]
    links = get(visitor, f"catalog/collections/{result}")["links"]
    items = get(visitor, f"catalog/collections/{result}/items")
    hrefs = [link["href"] for item in items for link in item["links"]] + [
        link["href"] for link in links
    ]
    assert any(POOL in href for href in hrefs)
    assert any(job["id"] in href for href in hrefs)

    board.get_by_text(result).first.wait_for(timeout=30_000)
    snapshot(board, "loop-5-dashboard-result")
    board.set_viewport_size({"width": 1280, "height": 800})
    board.wait_for_timeout(500)
    snapshot(board, "loop-6-dashboard-1280", full_page=True)
    board.goto(f"{hub.address}services/dashboard/runs/{job['id']}")
    board.get_by_text("Mean over a shape").first.wait_for(timeout=30_000)
    snapshot(board, "loop-7-executed-notebook")
    board.context.close()

    # The hub is shared: what was set in motion stops here.
    visitor.client.delete(f"services/automation/rules/{RULE}", headers=visitor.headers)
    for job in get(visitor, "automation/jobs"):
        if job["state"] in ("accepted", "running"):
            visitor.client.delete(f"services/automation/jobs/{job['id']}", headers=visitor.headers)
