"""``boathouse rules`` and the dead letters of rules, on a real lake with its engine."""

import importlib
import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from boathouse.catalogs import lake as lakes
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.events.notices import notify
from boathouse.catalogs.lake import Lake, open_lake
from boathouse.hub.cli import main
from boathouse.workflows.local import open_automation
from boathouse.workflows.rules.model import NotifyAction, Rule

RULES = """
rules:
  - name: echo
    when: {exact: {type: org.example.ping}, lt: {level: 5}}
    do: {notify: org.example.pong, collection: "{collection}", access: private}
  - name: alarm
    when: {exact: {type: org.example.alarm}}
    do: {notify: org.example.siren, access: private}
    batch: {count: 2}
"""


class _Terminal(io.StringIO):
    """A wide one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = open_lake(tmp_path / "lake", user="ann")
    engine = open_automation(opened)
    engine.start()  # its log goes to the stream of now, not to one that a command's output goes to
    yield opened
    engine.close()
    opened.close()


@pytest.fixture
def lines(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a command on the lake: what it printed in a pipe, in a terminal, or its error."""
    importlib.import_module("boathouse.kernels.session")  # has a default lake of its own
    monkeypatch.setattr(lakes, "_default", lambda: lake)
    monkeypatch.setenv("COLUMNS", "160")

    def run(*words: str, fails: bool = False, terminal: bool = False) -> Any:
        out = _Terminal() if terminal else io.StringIO()
        with redirect_stdout(out), redirect_stderr(io.StringIO()) as errors:
            assert main(words) == fails, errors.getvalue()
        if fails:
            return errors.getvalue()
        shown = out.getvalue().splitlines()
        return shown if terminal else [json.loads(line) for line in shown]

    return run


@pytest.fixture
def loaded(lines: Any, tmp_path: Path) -> Any:
    (tmp_path / "rules.yaml").write_text(RULES)
    assert [rule["name"] for rule in lines("rules", "load", str(tmp_path / "rules.yaml"))] == [
        "echo",
        "alarm",
    ]
    return lines


def test_rules_are_listed_shown_paused_and_withdrawn(loaded: Any) -> None:
    assert [rule["name"] for rule in loaded("rules")] == ["alarm", "echo"]
    table = loaded("rules", "list", terminal=True)
    assert table[0].split() == ["RULE", "WHEN", "DOES", "STATE"]
    assert table[2].startswith("echo   org.example.ping with level < 5  sends org.example.pong")
    (rule,) = loaded("rules", "show", "echo")
    assert rule["where"] == {"type": "org.example.ping", "where": {"level": {"lt": 5}}}
    assert loaded("rules", "pause", "echo") == []
    assert loaded("rules", "show", "echo")[0]["paused"] is True
    assert "paused" in loaded("rules", terminal=True)[2]
    loaded("rules", "resume", "echo")
    assert loaded("rules", "show", "echo")[0]["paused"] is False
    loaded("rules", "delete", "echo")
    assert "You have no rule 'echo'; there are: alarm" in loaded(
        "rules", "show", "echo", fails=True
    )


def test_a_file_is_checked_without_saving(lines: Any, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    assert len(lines("rules", "load", str(tmp_path / "rules.yaml"), "--dry-run")) == 2
    assert lines("rules") == []
    (tmp_path / "rules.yaml").write_text(RULES.replace("lt:", "below:"))
    error = lines("rules", "load", str(tmp_path / "rules.yaml"), fails=True)
    assert "rules[0].when.below" in error
    assert error.count("\n") == 1


def test_a_dry_run_shows_what_the_past_would_have_set_off(loaded: Any, lake: Lake) -> None:
    lake.log.append(
        [
            Event(
                type="org.example.ping",
                source="/s",
                collection="c",
                owner="ann",
                time=f"2026-01-0{level + 1}T00:00:00Z",
                data={"level": 2 * level},
            )
            for level in range(5)
        ]
    )
    runs = loaded("rules", "dry-run", "echo")
    assert [run["events"] for run in runs] == [[1], [2], [3]]
    assert runs[0]["action"]["collection"] == "c"
    assert len(loaded("rules", "dry-run", "echo", "--since=2026-01-02")) == 2
    table = loaded("rules", "dry-run", "echo", "--limit=1", terminal=True)
    assert table[1].split() == ["2026-01-01", "00:00:00", "1", "sends", "org.example.pong"]


def test_the_history_shows_what_was_done(loaded: Any, lake: Lake) -> None:
    notify("org.example.ping", data={"level": 1}, lake=lake)
    end = time.monotonic() + 20
    while not (past := loaded("rules", "history", "echo", "--state=done")):
        assert time.monotonic() < end, loaded("rules", "history")
        time.sleep(0.1)
    assert (past[0]["rule"], past[0]["events"], past[0]["attempts"]) == ("echo", [1], 1)
    table = loaded("rules", "history", terminal=True)
    assert table[0].split()[:4] == ["DELIVERY", "RULE", "EVENTS", "STATE"]
    assert loaded("dead-letters") == []


def test_dead_letters_of_a_rule_are_tried_again(lines: Any, lake: Lake) -> None:
    # Filled from the event, the subject is none: trying again cannot help.
    action = NotifyAction(type="org.example.pong", subject="{data.name}", access="private")
    where = EventFilter(type="org.example.ping")
    open_automation(lake).save_rule(Rule(name="bad", owner="ann", where=where, action=action))
    notify("org.example.ping", data={"name": "two\nlines"}, lake=lake)
    end = time.monotonic() + 20
    while not (letters := lines("dead-letters")):
        assert time.monotonic() < end, lines("rules", "history")
        time.sleep(0.1)
    assert (letters[0]["of"], letters[0]["events"]) == ("rule bad", [1])
    assert lines("dead-letters", "retry", "--all") == [{"id": letters[0]["id"], "retried": True}]
    while not lines("dead-letters"):
        assert time.monotonic() < end
        time.sleep(0.1)
