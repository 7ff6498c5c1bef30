"""The rules on the dashboard: what they did, the switch, the drawer, dead letters."""

from typing import Any

import pytest

from boathouse.catalogs.errors import Unavailable
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.workflows.delivery_book import Looked
from boathouse.workflows.rules.model import (
    Action,
    CommandAction,
    NotebookAction,
    OperateAction,
    PostAction,
    Rule,
)
from boathouse.workflows.rules.owing import owed_for

pytestmark = pytest.mark.browser

WHERE = EventFilter(type="org.example.storm", collection="storms", where={"gust": {"gt": 25}})


def keep(desk: Any, name: str, action: Action, owner: str = "ann", **more: Any) -> Rule:
    """A rule in the ledger; the engine does not run, so nobody performs what it owes."""
    rule = Rule(name=name, owner=owner, where=WHERE, action=action, **more)
    return desk.ledger.keep_version(rule, anew=True)


def owe(desk: Any, rule: Rule, number: int, state: str = "", **end: Any) -> str:
    """A delivery of a rule, which ends in a state."""
    event = Event(type="org.example.storm", source="/s", id=f"{rule.name}{number}", sequence=number)
    owed = owed_for(rule, [event])
    desk.ledger.look_at(Looked(owed=(owed,)))
    if state:
        until = desk.ledger.now() + 60
        (leased,) = desk.ledger.lease(rule.owner, rule.name, limit=1, holder="t", until=until)
        desk.ledger.end_delivery(leased.delivery, state, holder="t", **end)
    return owed.delivery.id


def test_rules_show_what_they_did_and_can_be_paused(
    desk: Any, chromium_page: Any, snapshot: Any
) -> None:
    page = chromium_page
    stop = keep(desk, "stop turbines", OperateAction(station="turbine-7", command="stop"))
    post = keep(desk, "tell the crew", PostAction(url="https://example.org/hook?token=t0ps3cret"))
    cut = keep(desk, "cut the farm out", NotebookAction(recipe="mean-over-shape"), paused=True)
    keep(desk, "of bob", CommandAction(words=("true",)), owner="bob")
    for number in range(1, 4):
        owe(desk, stop, number, "done", result={"command": f"c{number}"})
        owe(desk, cut, number, "done", result={"job": f"job{number}"})
    letter = owe(desk, post, 4, "dead", error="it answered 404\nand no more")
    owe(desk, post, 5, "done", result={"status": 200, "sent": 1})
    due = desk.ledger.now() + 3600
    owe(desk, post, 6, "waiting", error="it answered 503", due=due)

    desk.enter(page)
    rules = page.get_by_role("list", name="Rules", exact=True)
    rules.get_by_text("tell the crew").wait_for()
    shown = rules.locator("> li").all_inner_texts()
    assert [text.split("\n")[0] for text in shown] == [
        "cut the farm out",
        "stop turbines",
        "tell the crew",
    ]
    assert "sends stop to turbine-7" in shown[1]
    assert "3 done" in shown[1]
    for part in ("1 done", "1 waiting", "1 dead letter", "gust > 25"):
        assert part in shown[2]
    assert "t0ps3cret" not in page.content()
    switch = page.get_by_role("switch", name="tell the crew is on")
    assert switch.get_attribute("aria-checked") == "true"
    paused = page.get_by_role("switch", name="cut the farm out is on")
    assert paused.get_attribute("aria-checked") == "false"

    page.get_by_role("button", name="History of tell the crew").click()
    history = page.get_by_role("list", name="History of tell the crew")
    history.wait_for()
    assert history.get_by_role("listitem").count() == 3
    assert "it answered 404" in history.inner_text()
    page.get_by_role("heading", name="Rules").scroll_into_view_if_needed()
    snapshot(page, "dashboard-rules", full_page=True)

    # A paused rule starts nothing, so what is tried again stays as it is.
    switch.click()
    page.locator('[aria-label="tell the crew is on"][aria-checked="false"]').wait_for()
    assert {rule.name for rule in desk.automation.rules() if rule.paused} == {
        "cut the farm out",
        "tell the crew",
    }
    history.get_by_role("button", name="Try again").click()
    history.get_by_text("dead letter").wait_for(state="detached")
    assert desk.ledger.delivery(letter).state == "waiting"
    rules.get_by_text("2 waiting").wait_for()
    page.get_by_role("button", name="History of tell the crew").click()
    history.wait_for(state="detached")

    page.get_by_role("button", name="History of cut the farm out").click()
    link = page.get_by_role("list", name="History of cut the farm out").get_by_role("link").first
    assert link.get_attribute("href") == "/services/dashboard/runs/job3"


def test_without_rules_it_says_how_to_make_one_and_trouble_is_said(
    desk: Any, chromium_page: Any, snapshot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = chromium_page
    desk.enter(page)
    page.get_by_text("You have no rules yet.").wait_for()

    rule = keep(desk, "tell the crew", PostAction(url="https://example.org/hook"))
    desk.lake.log.append([Event(type="org.example.storm", source="/s", owner="ann")])
    page.reload()
    page.get_by_role("button", name="History of tell the crew").click()
    page.get_by_text("No event has set it off yet.").wait_for()
    page.get_by_role("button", name="History of tell the crew").click()
    page.get_by_text("No event has set it off yet.").wait_for(state="detached")

    def away(*_: Any, **__: Any) -> Any:
        raise Unavailable("The automation service does not answer.")

    monkeypatch.setattr(desk.automation, "deliveries", away)
    page.get_by_role("button", name="History of tell the crew").click()
    page.get_by_text("Its history cannot be loaded: The automation service").wait_for()
    desk.ledger.drop(rule)
    page.get_by_role("switch", name="tell the crew is on").click()
    page.get_by_text("That could not be done.").wait_for()
    snapshot(page, "dashboard-rules-trouble", full_page=True)
    monkeypatch.undo()
    page.get_by_text("You have no rules yet.").wait_for()
