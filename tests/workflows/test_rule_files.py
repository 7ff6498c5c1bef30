"""Rules as YAML: Knative's filters and ours, and errors that say where in the file."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from boathouse.catalogs.errors import BadRequest
from boathouse.catalogs.events.event import Event
from boathouse.workflows.rule_files import read_rule_file, rules_of, seconds_of
from boathouse.workflows.rules.model import (
    CommandAction,
    Fan,
    NotebookAction,
    NotifyAction,
    OperateAction,
    PostAction,
    Retry,
)

EXAMPLE = """
areas:
  alps: [5, 44, 17, 48]
rules:
  - name: ndvi
    when: {all: [{exact: {type: org.ogc.api.collection.item.create}}, {prefix: {subject: s2-l2a/}},
                 {lt: {cloud_cover: 20}}, {intersects: {area: alps}}]}
    do: {notebook: workflows/ndvi.ipynb, parameters: {item: "{dataref}"}}
    retry: {attempts: 5, backoff: exponential, max: 10m}
    concurrency: 4
    dedup: "{source}/{id}"
    on_dead: {post: "https://example.org/dead"}
"""
PING: dict[str, Any] = {"exact": {"type": "org.example.ping"}}
DO: dict[str, Any] = {"notify": "org.example.pong"}


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def one(**more: Any) -> Any:
    (rule,) = rules_of({"rules": [{"name": "r", "when": PING, "do": DO, **more}]})
    return rule


def item(**more: Any) -> Event:
    about: dict[str, Any] = {
        "type": "org.ogc.api.collection.item.create",
        "source": "/collections/s2-l2a",
        "subject": "s2-l2a/1",
        "bbox": "6,45,7,46",
        "data": {"properties": {"cloud_cover": 10}},
    }
    return Event(**{**about, **more})


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    (rule, dead), dialect = read_rule_file(written(tmp_path / "rules.yaml", EXAMPLE))
    assert dialect == "rules"
    assert rule.where.type == "org.ogc.api.collection.item.create", "flat, so that it is indexed"
    assert rule.where.subject == "s2-l2a/*"
    assert rule.action == NotebookAction(recipe="ndvi", parameters={"item": "{dataref}"})
    assert rule.retry == Retry(attempts=5, longest=600)
    assert (rule.concurrency, rule.key) == (4, "")
    assert rule.where.matches(item())
    assert not rule.where.matches(item(data={"properties": {"cloud_cover": 30}}))
    assert not rule.where.matches(item(bbox="-6,45,-5,46"))
    assert not rule.where.matches(item(subject="s1/1"))

    assert dead.action == PostAction(url="https://example.org/dead")
    letter = Event(type="org.boathouse.rule.dead", source="/rules", data={"rule": "ndvi"})
    assert dead.where.matches(letter)
    assert not dead.where.matches(Event(type=letter.type, source="/", data={"rule": "other"}))


@pytest.mark.parametrize(
    ("when", "event", "fits"),
    [
        ({"exact": {"type": "a"}}, {"type": "a"}, True),
        ({"exact": {"type": "a"}}, {"type": "ab"}, False),
        ({"exact": {"subject": "s*"}}, {"subject": "star"}, False),
        ({"exact": {"subject": "s*"}}, {"subject": "s*"}, True),
        ({"prefix": {"type": "org.example."}}, {"type": "org.example.a.b"}, True),
        ({"prefix": {"type": "org.exa"}}, {"type": "org.example"}, True),
        ({"prefix": {"type": "org.exa"}}, {"type": "com.exa"}, False),
        ({"suffix": {"subject": ".nc"}}, {"subject": "a.nc"}, True),
        ({"suffix": {"subject": ".nc"}}, {"subject": "a.grib"}, False),
        ({"in": {"type": ["a", "t"]}}, {}, True),
        ({"in": {"n": [1, 2]}}, {"data": {"n": 3}}, False),
        ({"eq": {"n": 3}}, {"data": {"n": 3}}, True),
        ({"ne": {"n": 3}}, {"data": {"n": 3}}, False),
        ({"between": {"n": [1, 3]}}, {"data": {"n": 3}}, True),
        ({"gt": {"n": 1}, "lte": {"n": 2}}, {"data": {"n": 2}}, True),
        ({"gt": {"n": 1}, "lte": {"n": 2}}, {"data": {"n": 3}}, False),
        ({"all": [{"gt": {"n": 1}}, {"gt": {"n": 5}}]}, {"data": {"n": 3}}, False),
        ({"all": [{"gt": {"n": 1}}, {"gt": {"n": 2}}]}, {"data": {"n": 3}}, True),
        ({"any": [{"exact": {"type": "x"}}, {"eq": {"n": 3}}]}, {"data": {"n": 3}}, True),
        ({"any": [{"exact": {"type": "x"}}, {"eq": {"n": 4}}]}, {"data": {"n": 3}}, False),
        ({"not": {"eq": {"n": 3}}}, {"data": {"n": 3}}, False),
        ({"not": {"any": [{"eq": {"n": 4}}, {"eq": {"n": 5}}]}}, {"data": {"n": 3}}, True),
        ({"exists": {"n": True}}, {"data": {"n": 3}}, True),
        ({"exists": {"n": False}}, {"data": {"n": 3}}, False),
        ({"eq": {"data.a.b": 1}}, {"data": {"a": {"b": 1}}}, True),
        ({"type": "t", "collection": "sst"}, {"collection": "sst"}, True),
        ({"type": "t", "collection": "sst"}, {"collection": "air"}, False),
        ({"intersects": [5, 44, 17, 48]}, {"bbox": "6,45,7,46"}, True),
        ({"intersects": {"type": "Point", "coordinates": [0, 0]}}, {"bbox": "6,45,7,46"}, False),
    ],
)
def test_filters_mean_what_they_say(when: Any, event: dict[str, Any], fits: bool) -> None:
    # As a file has it, so that YAML's own ideas of texts and numbers are in.
    rule = one(when=yaml.safe_load(yaml.safe_dump({"any": [when]})))
    assert rule.where.matches(Event(**{"type": "t", "source": "/s", **event})) is fits


def test_what_else_a_rule_can_say() -> None:
    rule = one(
        when={"absent": {"collection": "s2", "within": "2h"}},
        do={"command": ["./look", 3, "{subject}"], "timeout": "5m"},
        retry=3,
        concurrency=2,
        key="{subject}",
        paused=True,
        tell=True,
        kind="service",
    )
    assert (rule.where.collection, rule.within) == ("s2", 7200)
    assert rule.action == CommandAction(words=("./look", "3", "{subject}"), timeout=300)
    assert (rule.retry.attempts, rule.concurrency, rule.key) == (3, 2, "{subject}")
    assert (rule.paused, rule.tell, rule.kind) == (True, True, "service")
    parts = [{"exact": {"type": "a"}}, {"exact": {"type": "b"}}]
    gathered = one(batch={"all_of": parts, "by": "{collection}"}).fan
    assert [part.type for part in gathered.all_of] == ["a", "b"]
    assert gathered.by == "{collection}"
    assert one(batch=10).fan == Fan(count=10)
    assert one(batch={"count": 10, "window": "1m"}).fan == Fan(count=10, window=60)
    stop = {"operate": "stop", "station": "t7", "parameters": {"n": 1}, "expires": "10m"}
    assert one(do=stop).action == OperateAction(
        station="t7", command="stop", parameters={"n": 1}, expires=600
    )
    assert one(do={"notify": "a.b", "data": {"n": 1}}).action == NotifyAction(
        type="a.b", data={"n": 1}
    )


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"when": {"all": [PING, {"lt": {"n": [1]}}]}}, "rules[0].when.all[1].lt.n"),
        ({"when": {"all": [PING, {"like": {"n": 1}}]}}, "rules[0].when.all[1].like"),
        ({"when": {"all": []}}, "rules[0].when.all"),
        ({"when": {"any": PING}}, "rules[0].when.any"),
        ({"when": {"not": {"between": {"n": [1]}}}}, "rules[0].when.not.between.n"),
        ({"when": {"exact": {"a b": 1}}}, "rules[0].when.exact.a b"),
        ({"when": {"exact": {3: 1}}}, "rules[0].when.exact.3"),
        ({"when": {"intersects": "andes"}}, "rules[0].when.intersects"),
        ({"when": {"intersects": {"area": "andes"}}}, "rules[0].when.intersects.area"),
        ({"when": {"intersects": [1, 2]}}, "rules[0].when.intersects"),
        ({"when": {"absent": {"type": "a"}}}, "rules[0].when.absent.within"),
        ({"when": {"since": "yesterday"}}, "rules[0].when"),
        ({"when": "always"}, "rules[0].when"),
        ({"do": {}}, "rules[0].do"),
        ({"do": {"notify": "a", "post": "b"}}, "rules[0].do"),
        ({"do": {"shell": "rm"}}, "rules[0].do"),
        ({"do": {"command": "rm -r /"}}, "rules[0].do.command"),
        ({"do": {"notebook": "n", "paramters": {}}}, "rules[0].do.paramters"),
        ({"do": {"notebook": "n", "parameters": [1]}}, "rules[0].do"),
        ({"do": {"notebook": 3}}, "rules[0].do.notebook"),
        ({"retry": {"attempts": 0}}, "rules[0].retry.attempts"),
        ({"retry": {"backoff": "linear"}}, "rules[0].retry.backoff"),
        ({"retry": {"max": "soon"}}, "rules[0].retry.max"),
        ({"concurrency": True}, "rules[0].concurrency"),
        ({"batch": {"window": "-1s"}}, "rules[0].batch.window"),
        ({"batch": {"all_of": [{"lt": {}}]}}, "rules[0].batch.all_of[0].lt"),
        ({"paused": "no"}, "rules[0].paused"),
        ({"kind": "fast"}, "rules[0].kind"),
        ({"key": "a", "dedup": "b"}, "rules[0].dedup"),
        ({"on_dead": {"mail": "x"}}, "rules[0].on_dead"),
        ({"then": {}}, "rules[0].then"),
        ({"name": ""}, "rules[0].name"),
    ],
)
def test_errors_say_where(more: dict[str, Any], place: str) -> None:
    with pytest.raises(BadRequest) as wrong:
        one(**more)
    assert wrong.value.field == place
    assert place in str(wrong.value)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    with pytest.raises(BadRequest, match="cannot be read"):
        read_rule_file(path)
    for text, said in (
        ("rules: [", "no YAML in line 1"),
        ("- a", "mapping with 'rules:'"),
        ("rules: {}", "rules: this is a list"),
        ("rule: []", "the file.rule"),
        ("rules: !!python/object/apply:os.system ['true']", "no YAML"),
        ("areas: {a: [1]}\nrules: []", "areas.a"),
    ):
        with pytest.raises(BadRequest, match=said):
            read_rule_file(written(path, text))
    twice = yaml.safe_dump({"rules": [{"name": "r", "when": PING, "do": DO}] * 2})
    with pytest.raises(BadRequest, match="two are called 'r'"):
        read_rule_file(written(path, twice))


def test_a_file_that_grows_when_it_is_read_is_refused(tmp_path: Path) -> None:
    laughs = "a: &a [x, x]\n" + "".join(
        f"{after}: &{after} [*{before}, *{before}, *{before}, *{before}]\n"
        for before, after in zip("abcdefghijkl", "bcdefghijklm", strict=True)
    )
    with pytest.raises(BadRequest, match="more than"):
        read_rule_file(written(tmp_path / "laughs.yaml", laughs + "rules: *m\n"))
    endless = "rules: &a\n  - *a\n"
    with pytest.raises(BadRequest, match="more than"):
        read_rule_file(written(tmp_path / "endless.yaml", endless))


def test_durations() -> None:
    assert [seconds_of(text, "x") for text in (3, 0.5, "30s", "10m", "2h", "1d", "500ms")] == [
        3, 0.5, 30, 600, 7200, 86400, 0.5,
    ]  # fmt: skip
    assert seconds_of("1h 30m", "x") == seconds_of("1h30min", "x") == 5400
    for text in ("", "1", "h", "1x", "1h-", True, None, -1, float("nan"), "1 h 2"):
        with pytest.raises(BadRequest, match="duration"):
            seconds_of(text, "x")
