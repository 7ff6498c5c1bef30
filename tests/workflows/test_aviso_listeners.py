"""Aviso's listeners: files of both generations become rules, or are refused by name."""

from pathlib import Path
from typing import Any

import pytest

from boathouse.catalogs.errors import BadRequest
from boathouse.catalogs.events.event import Event
from boathouse.workflows.aviso_listeners import rules_of_listeners
from boathouse.workflows.rule_files import read_rule_file
from boathouse.workflows.rules.model import CommandAction, FunctionAction, PostAction

FIRST = """
username: ann@example.org
listeners:
  - event: dissemination
    request:
      destination: FOO
      stream: [oper, enfo]
      step: 1
    triggers:
      - type: echo
      - type: log
        path: testLog.log
      - type: command
        working_dir: $HOME/aviso/examples
        command: ./script.sh --date ${request.date} -s "${request.stream}" ${location}
        environment:
          STEP: ${request.step}
          TIME: "The time is ${request.time}"
      - type: post
        protocol:
          type: cloudevents_http
          url: https://my.notification.system/api
"""
SECOND = """
listeners:
  - name: alpine
    event: observations
    identifiers:
      date: "20260601"
      severity: {gte: 5}
      anomaly: {between: [40, 50]}
      polygon: [[46, 8], [46, 9], [47, 9], [47, 8], [46, 8]]
    triggers:
      - type: command
        command: "ingest {{ notification.event_type }} {{ notification.identifier.date }} --n {{ notification.sequence }}"
        retries: 2
        timeout: 30s
        required: false
"""  # noqa: E501


def read(tmp_path: Path, text: str) -> list[Any]:
    path = tmp_path / "listeners.yaml"
    path.write_text(text)
    rules, dialect = read_rule_file(path)
    assert dialect == "listeners"
    return rules


def notice(event: str = "dissemination", **identifier: Any) -> Event:
    return Event(
        type=f"int.ecmwf.aviso.{event}",
        source="https://aviso",
        data={"identifier": identifier, "payload": "s3://x"},
    )


def test_a_file_of_the_first_generation(tmp_path: Path) -> None:
    echo, log, command, post = read(tmp_path, FIRST)
    assert [rule.name for rule in (echo, log, command, post)] == [
        "dissemination 1: echo 1",
        "dissemination 1: log 2",
        "dissemination 1: command 3",
        "dissemination 1: post 4",
    ]
    assert echo.action.words == ("cat",)
    assert log.action.words == ("tee", "-a", "testLog.log")
    assert command.action.words == (
        "env", "-C", "aviso/examples",
        "STEP={data.identifier.step}", "TIME=The time is {data.identifier.time}",
        "./script.sh", "--date", "{data.identifier.date}", "-s", "{data.identifier.stream}",
        "{data.payload}",
    )  # fmt: skip
    assert post.action == PostAction(url="https://my.notification.system/api")
    where = echo.where
    assert where.matches(notice(destination="FOO", stream="enfo", step="1"))
    assert where.matches(notice(destination="FOO", stream="oper", step=1))
    assert not where.matches(notice(destination="FOO", stream="wave", step=1))
    assert not where.matches(notice(destination="BAR", stream="oper", step=1))
    assert not where.matches(notice("mars", destination="FOO", stream="oper", step=1))


def test_a_file_of_the_second_generation(tmp_path: Path) -> None:
    (rule,) = read(tmp_path, SECOND)
    assert rule.name == "alpine"
    assert rule.action == CommandAction(
        words=("ingest", "observations", "{data.identifier.date}", "--n", "{sequence}"), timeout=30
    )
    assert rule.retry.attempts == 3
    west, south, east, north = (8, 46, 9, 47)
    ring = rule.where.area["coordinates"][0]
    assert {tuple(point) for point in ring} == {
        (west, south), (east, south), (east, north), (west, north),
    }  # fmt: skip
    assert rule.where.where["severity"] == {"gte": 5}
    assert rule.where.where["anomaly"] == {"between": [40, 50]}


def one(trigger: dict[str, Any], **more: Any) -> Any:
    listener = {"event": "mars", "triggers": [{"type": "command", **trigger}], **more}
    (rule,) = rules_of_listeners({"listeners": [listener]})
    return rule


def test_points_functions_and_polygons_as_texts() -> None:
    rule = one({"type": "function", "function": "react"}, request={"point": [46.5, 8.5]})
    assert rule.action == FunctionAction(name="react", digest="")
    assert rule.where.area == {"type": "Point", "coordinates": [8.5, 46.5]}
    text = one({"command": "a"}, request={"polygon": "(46,8,46,9,47,9,47,8,46,8)"}).where.area
    assert text["type"] == "Polygon"
    assert len(text["coordinates"][0]) == 5


@pytest.mark.parametrize(
    ("trigger", "more", "place"),
    [
        ({"type": "teams", "url": "x"}, {}, "triggers[0].type"),
        ({"type": "webhook", "url": "x"}, {}, "triggers[0].type"),
        (
            {"type": "post", "protocol": {"type": "cloudevents_aws"}},
            {},
            "triggers[0].protocol.type",
        ),
        ({"type": "post", "url": "x", "headers": {}}, {}, "triggers[0].headers"),
        ({"type": "log"}, {}, "triggers[0].path"),
        ({"command": "a | b"}, {}, "triggers[0].command"),
        ({"command": "a > $OUT"}, {}, "triggers[0].command"),
        ({"command": "a $(date)"}, {}, "triggers[0].command"),
        ({"command": "a 'b"}, {}, "triggers[0].command"),
        ({"command": "a ${json}"}, {}, "triggers[0].command"),
        ({"command": "a {{ env.TOKEN }}"}, {}, "triggers[0].command"),
        ({"command": "a {{ notification.x }}"}, {}, "triggers[0].command"),
        ({"command": "~/a", "working_dir": "~/b"}, {}, "triggers[0].command"),
        ({"command": "a", "shell": True}, {}, "triggers[0].shell"),
        ({"command": "a", "environment": {"A B": 1}}, {}, "triggers[0].environment.A B"),
        ({"command": "a", "retries": -1}, {}, "triggers[0].retries"),
        ({"command": "a", "timeout": "soon"}, {}, "triggers[0].timeout"),
        ({"command": "a"}, {"from_id": 3}, "from_id"),
        ({"command": "a"}, {"request": {"step": {"near": 3}}}, "request.step.near"),
        ({"command": "a"}, {"request": {"step": []}}, "request.step"),
        ({"command": "a"}, {"request": {"point": [1]}}, "request.point"),
        ({"command": "a"}, {"request": {}, "identifiers": {}}, "identifiers"),
        ({"command": "a"}, {"triggers": []}, "triggers"),
        ({"command": "a"}, {"event": ""}, "event"),
        ({"command": "a"}, {"where": {}}, "where"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(
    trigger: dict[str, Any], more: dict[str, Any], place: str
) -> None:
    with pytest.raises(BadRequest) as wrong:
        one(trigger, **more)
    assert wrong.value.field == f"listeners[0].{place}"
