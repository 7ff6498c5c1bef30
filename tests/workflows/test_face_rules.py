"""Rules from a notebook, end to end: each action, the table, files, deployed functions."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

import boathouse as bh
from boathouse.catalogs.events.event import Event
from boathouse.catalogs.lake import Lake
from boathouse.workflows.face import load_rules
from boathouse.workflows.local import LocalAutomation

from .conftest import until

QUICK = {"attempts": 2, "first": 0.01, "max": 0.02}


def ping(lake: Lake, *ids: Any, **about: Any) -> None:
    lake.log.append(
        [Event(type="org.example.ping", source="/me", id=str(id), **about) for id in ids]
    )


def ended(rule: Any, count: int = 1) -> list[Any]:
    """The deliveries of a rule, when so many have ended."""

    def look() -> list[Any] | None:
        found = rule.history()
        over = [each for each in found if each.state in ("done", "dead")]
        return list(over) if len(over) >= count else None

    return until(look)


def test_commands_and_events_follow_events(automation: LocalAutomation, lake: Lake) -> None:
    when = bh.on("org.example.ping", lake=lake, retry=QUICK)
    echo = when.command(["printf", "%s", "{id} of {data.n}"])
    assert echo.name == "printf on ping"
    assert "runs printf" in echo._repr_html_()
    fails = when.command(["sh", "-c", "echo no; exit 3"], name="fails")
    pong = when.notify("org.example.pong", data={"of": "{id}", "n": "{data.n}"})
    ping(lake, "one", data={"n": 3})

    (done,) = ended(echo)
    assert (done.state, done.result["output"]) == ("done", "one of 3")
    (dead,) = ended(fails)
    assert (dead.state, dead.attempts) == ("dead", 2)
    assert "exit code 3" in dead.error
    ended(pong)
    answer = until(lambda: next((e for e in bh.replay(type="org.example.pong", lake=lake)), None))
    assert (answer.data, answer.owner, answer.access) == ({"of": "one", "n": 3}, "ann", "private")

    table = bh.rules(lake=lake)
    shown = table._repr_html_()
    for part in ("printf on ping", "dead letter", "sends org.example.pong"):
        assert part in shown
    assert table.history("fails", state="dead")[0].id == dead.id
    assert "exit code 3" in table.history("fails")._repr_html_()
    assert table.retry(dead.id).state in ("waiting", "leased")
    assert table.pause("fails").paused
    assert [rule.paused for rule in table if rule.name == "fails"] == [True]
    assert "paused" in table.resume("fails").pause()._repr_html_()
    runs = table.dry_run("printf on ping")
    assert [run.action.words[-1] for run in runs] == ["one of 3"]
    assert "one of 3" in runs._repr_html_()
    with pytest.raises(bh.NotFound, match="there are: fails, pong on ping, printf on ping"):
        table.dry_run("nothing")
    table.delete("fails")
    assert "fails" not in {rule.name for rule in bh.rules(lake=lake)}


def test_a_deployed_function_outlives_its_listener(automation: LocalAutomation, lake: Lake) -> None:
    @bh.on("org.example.ping", lake=lake, retry=QUICK, name="double")
    def double(event: Event, lake: Lake) -> int:
        return 2 * event.data["n"]

    ping(lake, "zero", data={"n": 0})
    until(lambda: double.handled == 1)
    rule = double.deploy()
    ping(lake, "one", data={"n": 3})
    (done,) = ended(rule)
    assert (done.state, done.result) == ("done", {"value": 6})
    ping(lake, "two", data={"n": 4})
    assert sorted(each.result["value"] for each in ended(rule, 2)) == [6, 8]
    until(lambda: not double.alive)
    assert double.handled == 1, "what came after it was deployed is not done twice"

    again = bh.on("org.example.ping", lake=lake).dask(lambda event: event.id, name="double")
    assert (again.name, again.version) == ("double", 2)
    ping(lake, "three")
    assert "three" in {each.result.get("value") for each in ended(rule, 3)}
    automation.delete_function("double")
    ping(lake, "four")
    letters = until(lambda: again.history(state="dead"))
    assert "withdrawn" in letters[0].error


FILE = """
areas: {{alps: [5, 44, 17, 48]}}
rules:
  - name: post it
    when: {{all: [{{exact: {{type: org.example.ping}}}}, {{gte: {{n: 3}}}},
                  {{intersects: {{area: alps}}}}]}}
    do: {{command: [printf, "%s", "{{data.n}}"]}}
  - name: call it
    when: {{exact: {{type: org.example.ping}}}}
    do: {{function: size}}
    paused: {paused}
"""


def test_loading_a_file_twice_changes_nothing(
    automation: LocalAutomation, lake: Lake, tmp_path: Path
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(FILE.format(paused="true"))
    with pytest.raises(bh.NotFound, match="'call it' calls 'size', which you have not deployed"):
        load_rules(path, lake=lake)
    assert automation.rules() == [], "none is saved when one cannot be"
    bh.on("org.example.other", lake=lake).dask(lambda event: len(event.id), name="size")

    load_rules(path, lake=lake)
    ping(lake, "far", data={"n": 5}, bbox="60,45,61,46")
    ping(lake, "low", data={"n": 2}, bbox="6,45,7,46")
    ping(lake, "good", data={"n": 4}, bbox="6,45,7,46")
    before = [msgspec.json.encode(rule) for rule in automation.rules()]
    again = load_rules(path, lake=lake)
    assert [msgspec.json.encode(rule) for rule in automation.rules()] == before
    (done,) = until(lambda: again.history("post it", state="done"))
    assert done.result["output"] == "4"
    again.resume("call it")
    load_rules(path.rename(tmp_path / "other.yaml"), lake=lake)
    assert [rule.paused for rule in automation.rules() if rule.name == "call it"] == [True]
    path.write_text(FILE.format(paused="false").replace("n: 3", "n: 4"))
    load_rules(path, lake=lake)
    versions = {rule.name: rule.version for rule in automation.rules()}
    assert versions["post it"] == 2, "what says something new is saved anew"


def test_wrong_actions_are_refused_when_they_are_saved(
    automation: LocalAutomation, lake: Lake
) -> None:
    when = bh.on("org.example.ping", lake=lake)
    for save, field in (
        (lambda: when.command("rm -r x"), "words"),
        (lambda: when.command([]), "words"),
        (lambda: when.command(["{subject}"]), "words"),
        (lambda: when.command(["a"], timeout="soon"), "timeout"),
        (lambda: when.post("https://127.0.0.1/x"), "url"),
        (lambda: when.post("ftp://example.org/x"), "url"),
        (lambda: when.notify("a b"), "type"),
        (lambda: when.notify("org.example.pong", data={"n": "{nothing}"}), "data"),
        (lambda: when.notebook("no-such-recipe"), "recipe"),
        (lambda: when.operate("", "stop"), "station"),
        (lambda: bh.on("org.example.ping", key="{nothing}", lake=lake).notify("a"), "key"),
    ):
        with pytest.raises(bh.BoathouseError) as wrong:
            save()
        assert wrong.value.field == field
    assert automation.rules() == []
