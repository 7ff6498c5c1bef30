"""``boathouse notify | listen | replay | consumers | dead-letters`` on a real lake."""

import importlib
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from boathouse.catalogs import lake as lakes
from boathouse.catalogs.events.notices import listen, notify, notify_many
from boathouse.catalogs.lake import Lake, open_lake
from boathouse.hub.cli import main
from boathouse.hub.cli_events import when

BOATHOUSE = [sys.executable, "-m", "boathouse.hub"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if "DASK" not in name}


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = open_lake(tmp_path / "lake", user="ann")
    yield opened
    opened.close()


@pytest.fixture
def lines(
    lake: Lake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[Any]]:
    """Run a command in this process, on the lake; what it printed, or its error."""
    importlib.import_module("boathouse.kernels.session")  # has a default lake of its own
    monkeypatch.setattr(lakes, "_default", lambda: lake)

    def run(*words: str, fails: bool = False) -> Any:
        assert main(words) == fails
        shown = capsys.readouterr()
        return shown if fails else [json.loads(line) for line in shown.out.splitlines()]

    return run


def boathouse(lake: Lake, *words: str, given: str = "") -> list[Any]:
    """Run a command as a program."""
    ended = subprocess.run(
        [*BOATHOUSE, *words, "--lake", str(lake.root)],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        env=ENVIRONMENT,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def in_a_terminal(lake: Lake, *words: str, columns: int = 90) -> str:
    """What a person sees."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*BOATHOUSE, *words, "--lake", str(lake.root)],
        stdout=theirs,
        stderr=theirs,
        env={**ENVIRONMENT, "COLUMNS": str(columns)},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # Linux says so when the other end has closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(30) == 0, shown
    return shown.decode().replace("\r\n", "\n")


def test_all_attributes_of_an_event_can_be_given(lines: Any) -> None:
    given = {
        "--collection": "sst",
        "--subject": "/items/1",
        "--datatime": "2026-01-01T00:00:00Z",
        "--bbox": "170,-10,-170,10",
        "--dataref": "s3://b/k",
        "--id": "one",
        "--access": "public",
        "--data": '{"properties": {"cloud_cover": 7}}',
    }
    words = [f"{name}={value}" for name, value in given.items()]
    (event,) = lines("notify", "a.b", *words, "-x", "severity=3", "-x", "region=alps")
    assert (event["sequence"], event["severity"], event["region"]) == (1, 3, "alps")
    for name in ("collection", "subject", "datatime", "bbox", "dataref", "id"):
        assert event[name] == given[f"--{name}"]
    (again,) = lines("notify", "a.b", "--id=one")
    assert again["sequence"] == 1


def test_many_events_come_from_a_file_or_the_input(lake: Lake, lines: Any, tmp_path: Path) -> None:
    text = "".join(json.dumps({"type": "n", "data": n}) + "\n\n" for n in range(3))
    (tmp_path / "events").write_text(text)
    stored = lines("notify", "--file", str(tmp_path / "events"))
    assert [event["data"] for event in stored] == [0, 1, 2]
    # What replay prints can be given to notify: of the same source and id nothing is added.
    printed = "\n".join(map(json.dumps, lines("replay")))
    more = boathouse(lake, "notify", "--file=-", given=printed)
    assert [event["sequence"] for event in more] == [1, 2, 3]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["notify"], "An event needs a type"),
        (["notify", "a b"], "type must be a URI reference"),
        (["notify", "a", "--bbox", "1,2"], "bbox must be"),
        (["notify", "a", "-x", "Bad=1"], "Bad"),
        (["notify", "--file", "gone"], "No such file"),
        (["replay", "--since", "soon"], "since must be a time"),
        (["replay", "--where", "cloud"], "'cloud' is no condition"),
        (["replay", "--where", "a>1", "--filter", "{}"], "Give --where or --filter"),
        (["replay", "--filter", "{"], "The JSON is not valid"),
        (["replay", "--filter", '{"kind": 1, "type": 7}'], "type"),
        (["replay", "--area", "{"], "area is no GeoJSON"),
        (["listen", "--after", "99"], "after"),
        (["consumers", "forget", "nobody"], "There is no consumer 'nobody'"),
        (["rules", "load", "gone.yaml"], "gone.yaml"),
        (["dead-letters", "retry"], "Name dead letters"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_mend(
    lines: Any, words: list[str], said: str
) -> None:
    shown = lines(*words, fails=True)
    assert shown.out == ""
    assert shown.err.startswith("boathouse: ")
    assert said in shown.err
    assert shown.err.count("\n") == 1


def scenes(lake: Lake) -> None:
    notify_many(
        [
            {
                "type": "org.example.scene",
                "collection": "s2",
                "subject": f"/tiles/{n}",
                "datatime": f"2026-01-0{n + 1}T00:00:00Z",
                "bbox": (n, 0, n + 0.5, 1),
                "data": {"properties": {"cloud_cover": 10 * n}},
            }
            for n in range(6)
        ],
        lake=lake,
    )
    notify("org.other.thing", lake=lake)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], [1, 2, 3, 4, 5, 6, 7]),
        (["--type=org.example.*", "--where=cloud_cover>=20", "--where=cloud_cover<50"], [3, 4, 5]),
        (["--type=org.other.thing", "--type=org.nothing"], [7]),
        (["--since=2", "--until=4"], [3, 4]),
        (["--since=1h", "--collection=s2", "--subject=/tiles/3"], [4]),
        (["--until=1h"], []),
        (["--data-since=2026-01-05"], [5, 6]),
        (["--bbox=1.2,0,3.1,1"], [2, 3, 4]),
        (["--area", '{"type": "Point", "coordinates": [5.2, 0.5]}'], [6]),
        (["--filter", '{"not": {"type": "org.example.*"}}'], [7]),
    ],
)  # fmt: skip
def test_replay_has_all_filters(
    lake: Lake, lines: Any, words: list[str], expected: list[int]
) -> None:
    scenes(lake)
    assert [event["sequence"] for event in lines("replay", *words)] == expected


def test_a_person_sees_a_line_for_each_event(lake: Lake) -> None:
    scenes(lake)
    shown = in_a_terminal(lake, "replay", "--type=org.example.scene").splitlines()
    assert len(shown) == 6
    assert "org.example.scene" in shown[0]
    assert all(len(line) <= 90 for line in shown)
    assert json.loads(in_a_terminal(lake, "replay", "--since=6", "--json"))["sequence"] == 7


def until(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


def test_listen_prints_what_comes_and_ends_when_told(lake: Lake) -> None:
    notify("n", data="old", lake=lake)
    words = ["listen", "--type=n", "--count=2", "--after=1", "--lake", str(lake.root)]
    with subprocess.Popen(
        [*BOATHOUSE, *words], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        notify_many([{"type": "n", "data": 1}, {"type": "m"}, {"type": "n", "data": 2}], lake=lake)
        assert process.stdout is not None
        shown = [json.loads(line)["data"] for line in process.stdout]
        assert process.wait(20) == 0
    assert shown == [1, 2]


def test_a_consumer_goes_on_where_it_stopped(lake: Lake, lines: Any) -> None:
    consumer = ["listen", "--consumer=cli", "--timeout=0.1"]
    assert lines(*consumer, "--after=0", "--type=n") == []
    notify_many([{"type": "n", "data": n} for n in range(5)], lake=lake)
    first = boathouse(lake, *consumer, "--count=2")
    assert [event["data"] for event in first] == [0, 1]
    assert [event["data"] for event in lines(*consumer)] == [2, 3, 4]
    (state,) = lines("consumers")
    assert (state["name"], state["behind"], state["dead"]) == ("cli", 0, 0)
    table = in_a_terminal(lake, "consumers", "list").splitlines()
    assert table[0].split() == ["CONSUMER", "OWNER", "CURSOR", "LEASED", "BEHIND", "DEAD"]
    assert table[1].split()[0] == "cli"
    assert lines("consumers", "forget", "cli") == []
    assert lake.log.consumers() == []


def test_what_could_not_be_written_is_not_done(lake: Lake) -> None:
    """As when the output goes to `head`, which reads one line and goes away."""
    notify_many([{"type": "n", "data": "x" * 100_000}] * 3, lake=lake)
    words = ["listen", "--consumer=cli", "--after=0", "--lake", str(lake.root)]
    with subprocess.Popen(
        [*BOATHOUSE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 0
    rest = [event.sequence for event in listen(consumer="cli", timeout=0.2, lake=lake)]
    assert rest[-1] == 3
    assert rest in ([2, 3], [3]), "the first was written and done, the last was not"


def test_dead_letters_of_a_consumer_are_listed_and_tried_again(lake: Lake, lines: Any) -> None:
    def refuse(_event: Any) -> None:
        raise ValueError("not to my taste")

    notify_many([{"type": "n"}] * 2, lake=lake)
    with listen(consumer="picky", callback=refuse, after=0, attempts=1, lake=lake):
        until(lambda: len(lake.log.dead_letters("picky")) == 2, "two dead letters")
    letters = lines("dead-letters")
    assert {letter["id"] for letter in letters} == {"picky/1", "picky/2"}
    assert letters[0]["reason"] == "ValueError: not to my taste"
    shown = lines("dead-letters", "retry", "picky/1", "picky/7", fails=True)
    assert "picky/7" in shown.err
    assert json.loads(shown.out) == {"id": "picky/1", "retried": True}
    assert [event.sequence for event in listen(consumer="picky", timeout=0.1, lake=lake)] == [1]
    assert [letter.event.sequence for letter in lake.log.dead_letters("picky")] == [2]


@pytest.mark.parametrize("text", ["2026-01-31", "17", "2026-01-31T06:00:00Z", "soon"])
def test_other_times_are_left_as_they_are(text: str) -> None:
    assert when(text) == text
