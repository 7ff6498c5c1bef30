"""Rules: which events set off which jobs, and which never do."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from boathouse.catalogs.access import Reader
from boathouse.catalogs.errors import BadEvent, BadParameter, BadRequest, NotFound
from boathouse.catalogs.events.event import ITEM_CREATED, JOB_CHANGED, Event, EventFilter
from boathouse.catalogs.lake import Lake
from boathouse.workflows.follower import Follower
from boathouse.workflows.jobs import Job
from boathouse.workflows.ledger import Ledger
from boathouse.workflows.local import LocalAutomation
from boathouse.workflows.rules.checks import check_rule
from boathouse.workflows.rules.matching import comes_from, matches
from boathouse.workflows.rules.model import NotebookAction, Rule
from boathouse.workflows.rules.owing import job_for, owed_for
from boathouse.workflows.rules.templates import fill

from .conftest import until

ANN = Reader(name="ann")


def rule(**changes: Any) -> Rule:
    usual: dict[str, Any] = {
        "name": "r",
        "owner": "ann",
        "where": EventFilter(collection="sst"),
        "recipe": "note",
        "parameters": {"path": "{subject}"},
    }
    said = {**usual, **changes}
    recipe, parameters = said.pop("recipe"), said.pop("parameters")
    return Rule(action=NotebookAction(recipe=recipe, parameters=parameters), **said)


def event(**changes: Any) -> Event:
    usual: dict[str, Any] = {
        "type": ITEM_CREATED,
        "source": "/collections/sst",
        "id": "s1-i1",
        "collection": "sst",
        "subject": "/collections/sst/items/i1",
        "datatime": "2019-03-01T00:00:00Z",
        "sequence": 5,
    }
    return Event(**{**usual, **changes})


@pytest.mark.parametrize(
    ("of_rule", "of_event", "fires"),
    [
        ({}, {}, True),
        ({"where": EventFilter(type=ITEM_CREATED)}, {}, True),
        ({"where": EventFilter(type="other", collection="sst")}, {}, False),
        ({}, {"collection": "air"}, False),
        ({"cursor": 5}, {}, False),
        ({"cursor": 4}, {}, True),
        ({"paused": True}, {}, False),
        ({}, {"access": "private", "owner": "bob"}, False),
        ({}, {"access": "private", "owner": "ann"}, True),
        ({}, {"access": "group:crew", "owner": "bob"}, False),
        ({}, {"type": JOB_CHANGED}, False),
        ({"where": EventFilter(type=JOB_CHANGED)}, {"type": JOB_CHANGED, "owner": "ann"}, True),
        ({"where": EventFilter(collection="sst", since="2999-01-01T00:00:00Z")}, {}, False),
    ],
)
def test_which_events_set_off_a_rule(
    of_rule: dict[str, Any], of_event: dict[str, Any], fires: bool
) -> None:
    assert matches(rule(**of_rule), event(**of_event), ANN) is fires


def test_members_of_a_group_have_rules_on_its_events() -> None:
    crew = Reader(name="ann", groups=("crew",))
    assert matches(rule(), event(access="group:crew", owner="bob"), crew)


def test_one_event_has_one_job_for_ever() -> None:
    first = job_for(owed_for(rule(), [event()]).delivery)
    assert first.id == job_for(owed_for(rule(), [event(sequence=99)]).delivery).id
    others = [
        job_for(owed_for(rule(), [event(id="s1-i2")]).delivery),
        job_for(owed_for(rule(), [event(source="/collections/air")]).delivery),
        job_for(owed_for(rule(name="other"), [event()]).delivery),
        job_for(owed_for(rule(owner="bob"), [event()]).delivery),
    ]
    assert len({first.id, *(each.id for each in others)}) == 5
    assert (first.owner, first.rule, first.event) == ("ann", "r", 5)
    assert first.parameters == {"path": "/collections/sst/items/i1"}


def test_places_are_filled_and_nothing_is_evaluated() -> None:
    text = "{collection} {datatime} {id} {sequence} {collection.__class__} {{id}} {0}"
    filled = fill({"a": [text], "n": 3}, event())
    said = "sst 2019-03-01T00:00:00Z s1-i1 5 {collection.__class__} {s1-i1} {0}"
    assert filled == {"a": [said], "n": 3}


@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"where": EventFilter()}, BadRequest, "where"),
        ({"where": EventFilter(since="2019-01-01T00:00:00Z")}, BadRequest, "where"),
        ({"where": EventFilter(collection="a", since="yesterday")}, BadEvent, "since"),
        ({"name": ""}, BadRequest, "name"),
        ({"name": "../up"}, BadRequest, "name"),
        ({"parameters": {"path": "{subjekt}"}}, BadParameter, "path"),
        ({"parameters": {"path": {"deep": ["{nothing}"]}}}, BadParameter, "path"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(
    changes: dict[str, Any], error: type[BadRequest], field: str
) -> None:
    with pytest.raises(error) as caught:
        check_rule(rule(**changes))
    assert caught.value.field == field


def test_a_rule_never_runs_on_what_it_led_to() -> None:
    jobs = {
        "first": Job(id="first", recipe="note", parameters={}, owner="ann", rule="r"),
        "then": Job(id="then", recipe="x", parameters={}, owner="ann", rule="s", parent="first"),
        "bobs": Job(id="bobs", recipe="x", parameters={}, owner="bob", rule="r"),
        "round": Job(id="round", recipe="x", parameters={}, owner="ann", parent="round"),
    }
    assert comes_from(rule(), jobs["first"], jobs.get)
    assert comes_from(rule(), jobs["then"], jobs.get)
    assert not comes_from(rule(), jobs["bobs"], jobs.get)
    assert not comes_from(rule(), jobs["round"], jobs.get)
    assert not comes_from(rule(), None, jobs.get)


@pytest.mark.parametrize("says", [{"item": "x", "job": "made"}, {"job": "made"}])
def test_the_follower_knows_what_a_rules_job_has_made(
    lake: Lake, ledger: Ledger, says: dict[str, str]
) -> None:
    ledger.keep(rule(where=EventFilter(type=ITEM_CREATED)))
    ledger.keep(rule(name="other"))
    ledger.insert(Job(id="made", recipe="note", parameters={}, owner="ann", rule="r"))
    ledger.dispatch(0, ())
    lake.log.append([event(data=says, sequence=0)])
    follower = Follower(ledger, lake.log, groups=lambda _user: (), silence=0.1)
    follower.start()
    until(lambda: ledger.count_open("ann") > 1)
    follower.stop()
    made = [job for _number, job in ledger.open_jobs() if job.id != "made"]
    assert [(job.rule, job.parent) for job in made] == [("other", "made")]


def test_a_follower_goes_on_where_the_last_one_ended(lake: Lake, ledger: Ledger) -> None:
    lake.log.append([event(id="before", sequence=0)])
    follower = Follower(ledger, lake.log, groups=lambda _user: (), silence=0.1)
    follower.start()
    until(lambda: ledger.cursor() == 1)
    follower.stop()
    ledger.keep(rule(cursor=1))
    lake.log.append([event(id=f"e{number}", sequence=0) for number in range(40)])
    for _restart in range(2):
        follower = Follower(ledger, lake.log, groups=lambda _user: (), silence=0.1)
        follower.start()
        until(lambda: ledger.count_open("ann") == 40)
        follower.stop()
    assert ledger.count_open("ann") == 40
    assert ledger.cursor() == 41


def test_a_rule_is_checked_when_it_is_saved(automation: LocalAutomation, lake: Lake) -> None:
    with pytest.raises(NotFound, match="there are: fail"):
        automation.save_rule(rule(recipe="nothing"))
    with pytest.raises(BadParameter, match="must be int") as caught:
        automation.save_rule(rule(parameters={"path": "p", "times": "{sequence}"}))
    assert caught.value.field == "times"
    assert automation.rules() == []
    assert not (Path(lake.state) / "dbos.sqlite").exists(), "nothing was started for it"


def test_rules_belong_to_who_saves_them(automation: LocalAutomation) -> None:
    bob = Reader(name="bob")
    automation.save_rule(rule(owner="mallory"), reader=ANN)
    automation.save_rule(rule(), reader=bob)
    assert [(each.owner, each.name) for each in automation.rules(reader=bob)] == [("bob", "r")]
    automation.delete_rule("r", reader=bob)
    with pytest.raises(NotFound):
        automation.delete_rule("r", reader=bob)
    (left,) = automation.rules()
    assert left.owner == "ann"
    assert left == msgspec.structs.replace(
        rule(), created=left.created, cursor=left.cursor, version=1
    )
