"""Rules from saving to history: checked, versioned, paused, tried on the past, replayed."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from boathouse.catalogs.access import Reader
from boathouse.catalogs.errors import BadEvent, BadParameter, BadRequest, Conflict, NotFound
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.events.log import LogEngine, Retention
from boathouse.catalogs.lake import Lake, open_lake
from boathouse.workflows.deliveries import RULE_DEAD, Delivery, Performed, Performer
from boathouse.workflows.delivery_book import Looked
from boathouse.workflows.engine import Engine
from boathouse.workflows.executor import LocalExecutor
from boathouse.workflows.follower import Follower
from boathouse.workflows.functions import pack_function
from boathouse.workflows.ledger import Ledger
from boathouse.workflows.local import LocalAutomation
from boathouse.workflows.recipes import Shelf
from boathouse.workflows.rules.checks import check_rule
from boathouse.workflows.rules.model import (
    Action,
    CommandAction,
    Fan,
    FunctionAction,
    NotebookAction,
    NotifyAction,
    OperateAction,
    PostAction,
    Retry,
    Rule,
)

from .conftest import until

TICK = "org.example.tick"
# A blank, as the names have that rules get by themselves.
NAME = "tock on tick"
ANN, BOB = Reader(name="ann"), Reader(name="bob")


def rule(**changes: Any) -> Rule:
    usual: dict[str, Any] = {
        "name": NAME,
        "owner": "",
        "where": EventFilter(type=TICK),
        "action": NotifyAction(type="org.example.tock", subject="{subject}"),
        "retry": Retry(attempts=2, first=0.01),
    }
    return Rule(**{**usual, **changes})


class Echo(Performer):
    """Answers each delivery with its action as an event; some stations are broken."""

    def __init__(self) -> None:
        self.broken = True

    def perform(self, delivery: Delivery, events: Sequence[Event]) -> Performed:
        action = delivery.action
        assert isinstance(action, NotifyAction)
        if action.subject == "broken" and self.broken:
            raise OSError("no answer")
        tock = Event(
            type=action.type,
            source=f"/rules/{delivery.owner}",
            subject=action.subject,
            owner=delivery.owner,
        )
        return Performed(events=(tock,), result={"of": [event.id for event in events]})

    def check(self, action: Action, *, owner: str) -> None:
        if isinstance(action, PostAction) and not action.url.startswith("https://"):
            raise BadRequest("The address must begin with https://.", field="url")


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def automation(lake: Lake, shelf: Shelf, echo: Echo) -> Iterator[LocalAutomation]:
    ledger = Ledger(lake.state / "automation.sqlite")
    engine = Engine(
        ledger,
        log=lake.log,
        shelf=shelf,
        executor=LocalExecutor(lake.root, ledger=ledger.path),
        state=lake.state,
        silence=0.1,
        performer=echo,
    )
    opened = LocalAutomation(
        ledger,
        engine,
        shelf=shelf,
        log=lake.log,
        root=lake.root,
        user="ann",
        performer=echo,
        fields=lambda type: ("station", "level") if type == TICK else None,
    )
    yield opened
    opened.close()


def ticks(lake: Lake, *names: str, **more: Any) -> None:
    lake.log.append(
        [Event(type=TICK, source="/clock", id=each, subject=each, **more) for each in names]
    )


def done(automation: LocalAutomation, count: int, state: Any = "done") -> list[Delivery]:
    def enough() -> list[Delivery]:
        found = automation.deliveries(state=state, limit=99)
        return found if len(found) >= count else []

    return until(enough, seconds=10)


def test_from_saving_to_history(automation: LocalAutomation, lake: Lake, echo: Echo) -> None:
    ticks(lake, "before")
    first = automation.save_rule(rule(), reader=ANN)
    assert (first.owner, first.version, first.kind) == ("ann", 1, "service")
    ticks(lake, "one", "broken")
    (one,) = done(automation, 1)
    (dead,) = done(automation, 1, "dead")
    assert one.result == {"of": ["one"]}
    assert (dead.error, dead.attempts) == ("OSError: no answer", 2)
    tocks = EventFilter(type="org.example.tock")
    until(lambda: lake.log.read(where=EventFilter(type=RULE_DEAD)), seconds=10)
    assert [event.subject for event in lake.log.read(where=tocks)] == ["one"]

    assert automation.deliveries(reader=BOB) == []
    with pytest.raises(NotFound):
        automation.retry_delivery(dead.id, reader=BOB)
    with pytest.raises(Conflict):
        automation.retry_delivery(one.id, reader=ANN)
    echo.broken = False
    assert automation.retry_delivery(dead.id, reader=ANN).id == dead.id
    done(automation, 2)

    automation.pause_rule(NAME, reader=ANN)
    ticks(lake, "passed over")
    with pytest.raises(Conflict, match="paused"):
        automation.replay_rule(NAME, reader=ANN)
    tried = automation.dry_run(rule(), reader=ANN)
    assert [each.action for each in tried] == [
        NotifyAction(type="org.example.tock", subject=name)
        for name in ("before", "one", "broken", "passed over")
    ]
    assert len(automation.dry_run(rule(), limit=2)) == 2
    assert automation.pause_rule(NAME, False, reader=ANN).paused is False
    assert automation.replay_rule(NAME, reader=ANN) == 2, "those that it has not had"
    assert automation.replay_rule(NAME, reader=ANN) == 0
    done(automation, 4)
    assert automation.replay_rule(NAME, again=True, reader=ANN) == 4
    assert len({each.idempotency for each in done(automation, 8)}) == 8

    second = automation.save_rule(rule(concurrency=1), reader=ANN)
    assert second.version == 2
    versions = automation.rule_versions(NAME, reader=ANN)
    assert [each.concurrency for each in versions] == [1, 4]
    with pytest.raises(NotFound):
        automation.rule_versions(NAME, reader=BOB)
    automation.delete_rule(NAME, reader=ANN)
    assert [each.version for each in automation.rule_versions(NAME, reader=ANN)] == [2, 1]


def test_a_rule_that_notifies_what_it_listens_for_does_not_run_for_ever(
    automation: LocalAutomation, lake: Lake
) -> None:
    automation.save_rule(rule(name="ping", action=NotifyAction(type=TICK, subject="{subject}")))
    automation.save_rule(rule(name="pong", action=NotifyAction(type=TICK)))
    automation.save_rule(
        rule(
            name="dead",
            where=EventFilter(type=RULE_DEAD),
            action=NotifyAction(type="org.example.alarm", subject="broken"),
        )
    )
    ticks(lake, "one", "broken")
    # Each hears the two ticks and what the other made of them, and nothing that it led to.
    done(automation, 6)
    done(automation, 2, "dead")
    lake.log.append([Event(type="org.example.last", source="/s")])
    ledger = automation._ledger
    until(lambda: not ledger.pending(1) and not automation.deliveries(state="waiting"))
    time.sleep(0.3)
    found = Counter((each.rule, each.state) for each in automation.deliveries(limit=99))
    assert found == {
        ("ping", "done"): 3,
        ("ping", "dead"): 1,
        ("pong", "done"): 3,
        ("dead", "dead"): 1,
    }


def test_sets_and_batches_reach_the_performer_whole(
    automation: LocalAutomation, lake: Lake
) -> None:
    parts = tuple(EventFilter(type=f"org.example.{kind}") for kind in "ab")
    automation.save_rule(
        rule(
            name="set",
            where=EventFilter(),
            fan=Fan(all_of=parts, by="{subject}"),
            action=NotifyAction(type="org.example.both", subject="{subject}", data=["{id}"]),
        )
    )
    automation.save_rule(rule(name="window", fan=Fan(window=0.05)))
    for kind, subject in (("a", "x"), ("a", "y"), ("a", "x"), ("b", "y"), ("b", "x"), ("b", "x")):
        lake.log.append([Event(type=f"org.example.{kind}", source="/s", subject=subject)])
    ticks(lake, "one", "two")
    found = done(automation, 4)
    sets = sorted(each.events for each in found if each.rule == "set")
    assert sets == [(1, 5), (2, 4), (3, 6)]
    (window,) = [each for each in found if each.rule == "window"]
    assert window.result == {"of": ["one", "two"]}


def test_silence_sets_a_rule_off(automation: LocalAutomation) -> None:
    silent = rule(within=0.2, action=NotifyAction(type="org.example.alarm", subject="{rule}"))
    with pytest.raises(BadParameter):
        automation.save_rule(silent)
    said = msgspec.structs.replace(
        silent, action=NotifyAction(type="org.example.alarm", subject="{data.rule}")
    )
    automation.save_rule(said)
    (alarm,) = done(automation, 1)
    assert alarm.events == ()
    assert alarm.action == NotifyAction(type="org.example.alarm", subject=NAME)


@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"action": NotebookAction(recipe="nothing")}, NotFound, "recipe"),
        ({"action": NotebookAction(recipe="note", parameters={"pfad": "p"})}, BadParameter, "pfad"),
        ({"action": PostAction(url="http://10.0.0.1/")}, BadRequest, "url"),
        ({"action": FunctionAction(name="f", digest="0" * 64)}, NotFound, "function"),
        ({"action": CommandAction(words=())}, BadRequest, "words"),
        ({"action": CommandAction(words=("echo", "{nothing}"))}, BadParameter, "words"),
        ({"action": NotifyAction(type="")}, BadRequest, "type"),
        ({"action": NotifyAction(type="t", data={"a": ["{b}"]})}, BadParameter, "data"),
        ({"action": OperateAction(station="{who}", command="c")}, BadParameter, "station"),
        ({"action": OperateAction(station="s", command="c", expires=0)}, BadRequest, "expires"),
        ({"key": "{what}"}, BadParameter, "key"),
        ({"fan": Fan(by="{subject}")}, BadRequest, "by"),
        ({"fan": Fan(count=0)}, BadRequest, "fan.count"),
        ({"fan": Fan(count=2, all_of=(EventFilter(type="a"),))}, BadRequest, "fan"),
        ({"where": EventFilter(), "fan": Fan(all_of=(EventFilter(),))}, BadRequest, "where"),
        ({"within": 5.0, "fan": Fan(count=2)}, BadRequest, "within"),
        ({"concurrency": 0}, BadRequest, "concurrency"),
        ({"retry": Retry(attempts=0)}, BadRequest, "retry.attempts"),
        ({"where": EventFilter(type=TICK, where={"a": {"near": 3}})}, BadEvent, None),
        (
            {
                "fan": Fan(count=2),
                "action": NotebookAction(recipe="note", parameters={"path": "{subject}"}),
            },
            BadParameter,
            "path",
        ),
    ],
)
def test_what_is_wrong_is_found_when_a_rule_is_saved(
    automation: LocalAutomation, changes: dict[str, Any], error: type[Exception], field: str | None
) -> None:
    with pytest.raises(error) as caught:
        automation.save_rule(rule(**changes))
    assert field is None or getattr(caught.value, "field", None) == field
    assert automation.rules() == []


def test_fields_that_somebody_promises_may_be_put_in() -> None:
    check_rule(rule(where=EventFilter(type=TICK, where={"cloud": {"lt": 5}}), key="{cloud}"))
    check_rule(rule(key="{station}"), lambda _type: ("station",))
    nested = EventFilter(all=(EventFilter(type=TICK), EventFilter(where={"step": 3})))
    check_rule(rule(where=nested, key="{step}"))
    with pytest.raises(BadParameter, match=r"data\.NAME"):
        check_rule(rule(key="{station}"))


def test_a_rule_names_a_deployed_function_of_its_owner(automation: LocalAutomation) -> None:
    digest = automation.save_function(pack_function(len, name="size"), reader=ANN)
    action = FunctionAction(name="size", digest=digest)
    assert automation._checked(rule(action=action), ANN).action == action
    with pytest.raises(NotFound):
        automation._checked(rule(action=action), BOB)
    assert [each.name for each in automation.functions(reader=ANN)] == ["size"]
    assert automation.functions(reader=BOB) == []
    automation.delete_function("size", reader=ANN)
    with pytest.raises(NotFound):
        automation.save_rule(rule(action=action), reader=ANN)


def test_rules_go_on_where_the_log_was_trimmed_below_their_place(tmp_path: Path) -> None:
    lake = open_lake(tmp_path, user="ann")
    ledger = Ledger(tmp_path / "rules.sqlite")
    ticks(lake, *"abcdefgh")
    ledger.look_at(Looked(cursor=2))
    assert isinstance(lake.log, LogEngine)
    assert lake.log.trim(Retention(events=3), force=True).first == 6
    heard: list[int | None] = []
    follower = Follower(
        ledger,
        lake.log,
        groups=lambda _user: (),
        silence=0.1,
        hand=lambda looked: heard.append(looked.cursor),
    )
    ledger.keep(rule(owner="ann", cursor=1))
    follower.start()
    until(lambda: heard and heard[-1] == 8, seconds=10)
    follower.stop()
    ledger.close()
    lake.close()
