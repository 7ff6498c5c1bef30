"""The schema registry takes what fits, mends its form, and refuses the rest by field and reason."""

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from boathouse.catalogs.access import Reader
from boathouse.catalogs.errors import BadEvent, BadRequest, Conflict, Forbidden, NotFound
from boathouse.catalogs.events.event import Event
from boathouse.catalogs.events.schema import PREFIX, Policy, SchemaRegistry

CONFIGURATION = """
application: {host: 127.0.0.1, port: 8000}
notification_schema:
  mars:
    payload: {required: false}
    topic: {base: mars, key_order: [class, expver, domain, date, time, step]}
    identifier:
      class: {type: StringHandler, max_length: 2, required: true}
      expver: {type: ExpverHandler, default: "0001", required: false}
      domain: {type: EnumHandler, values: [g, Europe, NO], required: false}
      date: {type: DateHandler, canonical_format: "%Y%m%d", required: false}
      time: {type: TimeHandler, required: false}
      step: {type: IntHandler, range: [0, 100000], required: false, description: hours}
    auth:
      required: true
      read_roles: {hub: [readers, others]}
      write_roles: {hub: [producers]}
    storage_policy: {retention_time: 7d, max_messages: 10}
  storm:
    topic: {base: alert, key_order: [severity]}
    identifier:
      severity: {type: FloatHandler, range: [0.0, 10.0], required: true}
      polygon: {type: PolygonHandler, required: false}
    payload: {required: true}
  operators:
    identifier: {}
    auth: {required: true}
"""
MARS = {
    "class": "od",
    "expver": 1,
    "domain": "EUROPE",
    "date": "2026-07-06",
    "time": "9:05",
    "step": "007",
}
RING = "46,8,46,9,47,9,46,8"


@pytest.fixture
def registry(tmp_path: Path) -> SchemaRegistry:
    folder = tmp_path / "schemas"
    folder.mkdir()
    (folder / "aviso.yaml").write_text(CONFIGURATION)
    return SchemaRegistry(folder)


def mars(**changes: Any) -> Event:
    identifier = {key: value for key, value in {**MARS, **changes}.items() if value is not ...}
    return Event(type=f"{PREFIX}mars", source="/me", data={"identifier": identifier})


def storm(identifier: Any, **data: Any) -> Event:
    return Event(type=f"{PREFIX}storm", source="/me", data={"identifier": identifier, **data})


def test_keys_get_their_canonical_form_and_the_event_its_subject(registry: SchemaRegistry):
    event = registry.check(mars())
    assert event.data["identifier"] == {
        "class": "od",
        "expver": "0001",
        "domain": "europe",
        "date": "20260706",
        "time": "0905",
        "step": 7,
    }
    assert event.subject == "mars.od.0001.europe.20260706.0905.7"
    assert event.data["payload"] is None
    assert event.datatime == "2026-07-06T09:05:00Z"
    assert registry.check(event) == event


def test_a_polygon_gives_the_bounding_box_and_dots_are_encoded(registry: SchemaRegistry):
    event = registry.check(storm({"severity": "4.50", "polygon": f"({RING})"}, payload=[1]))
    assert event.bbox == "8,46,9,47"
    assert event.subject == "alert.4%2E5"
    assert event.data == {"identifier": {"severity": 4.5, "polygon": RING}, "payload": [1]}
    pairs = [[46, 8], [46, 9], [47, 9], [46, 8]]
    assert (
        registry.check(storm({"severity": 4.5, "polygon": pairs}, payload=[1])).data == event.data
    )


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"class": "oper"}, "class", "at most 2 characters"),
        ({"class": ""}, "class", "must not be empty"),
        ({"class": ...}, "class", "is missing"),
        ({"class": None}, "class", "not null"),
        ({"class": ["od"]}, "class", "not a list"),
        ({"domain": "x"}, "domain", "one of g, Europe, NO"),
        ({"date": "2026-02-30"}, "date", "must be a day"),
        ({"date": "202607 6"}, "date", "must be a day"),
        ({"time": "2460"}, "time", "from 00:00 to 23:59"),
        ({"time": "1:5"}, "time", "from 00:00 to 23:59"),
        ({"step": 100001}, "step", "from 0 to 100000"),
        ({"step": "1.5"}, "step", "whole number"),
        ({"step": {"gt": 1}}, "step", "not an object"),
        ({"level": "500"}, "level", "no key of this event type"),
    ],
)
def test_a_bad_key_is_refused_with_its_place_and_the_reason(
    registry: SchemaRegistry, changes: dict[str, Any], field: str, reason: str
):
    with pytest.raises(BadEvent, match=reason) as refused:
        registry.check(mars(**changes))
    assert refused.value.field == f"data.identifier.{field}"


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (None, "data.identifier"),
        ({"identifier": []}, "data.identifier"),
        ({"identifier": {"severity": 1, "polygon": RING}}, "data.payload"),
        ({"identifier": {"severity": "nan", "polygon": RING}}, "data.identifier.severity"),
        ({"identifier": {"severity": True, "polygon": RING}}, "data.identifier.severity"),
        ({"identifier": {"severity": 1, "polygon": "1,2,3"}}, "data.identifier.polygon"),
        ({"identifier": {"severity": 1, "polygon": "0,0,0,1,91,1,0,0"}}, "data.identifier.polygon"),
        ({"identifier": {"severity": 1, "polygon": "0,0,0,1,1,1,1,0"}}, "data.identifier.polygon"),
        ({"identifier": {"severity": 1, "polygon": "(0,0,0,1,1,1,0,0"}}, "data.identifier.polygon"),
    ],
)
def test_bad_data_is_refused(registry: SchemaRegistry, data: Any, field: str):
    with pytest.raises(BadEvent) as refused:
        registry.check(Event(type=f"{PREFIX}storm", source="/me", data=data))
    assert refused.value.field == field


def test_aviso_types_without_a_schema_are_refused_once_there_is_one(registry: SchemaRegistry):
    unknown = Event(type=f"{PREFIX}flight", source="/me", data={"identifier": {}})
    with pytest.raises(BadEvent, match="have no schema") as refused:
        registry.check(unknown)
    assert refused.value.field == "type"
    assert SchemaRegistry().check(unknown) is unknown
    registry.set_policy(Policy(types={f"{PREFIX}*": "open"}))
    assert registry.check(unknown) is unknown


def test_notification_schema_strict_of_the_file_counts(tmp_path: Path):
    (tmp_path / "a.yaml").write_text(CONFIGURATION + "\nnotification_schema_strict: false\n")
    registry = SchemaRegistry(tmp_path)
    assert registry.takes_unknown(f"{PREFIX}flight")
    assert "mars" in registry.aviso()


def test_strict_and_open_by_type_and_as_a_whole(registry: SchemaRegistry):
    other, own = (
        Event(type="org.example.other", source="/me"),
        Event(type="org.boathouse.job.update", source="/jobs/1"),
    )
    assert registry.check(other) is other
    registry.set_policy(Policy(strict=True, types={"org.example.free.*": "open"}))
    assert registry.check(own) is own
    free = Event(type="org.example.free.one", source="/me")
    assert registry.check(free) is free
    with pytest.raises(BadEvent) as refused:
        registry.check(other)
    assert refused.value.field == "type"
    registry.set_policy(Policy(types={f"{PREFIX}mars": "open", "org.example.*": "strict"}))
    loose = mars(domain="nowhere")
    assert registry.check(loose) is loose
    assert registry.check(mars()).subject.startswith("mars.od")
    with pytest.raises(BadEvent):
        registry.check(other)


def test_a_json_schema_checks_the_data_and_names_the_place(tmp_path: Path):
    kind = "org.example.reading"
    registry = SchemaRegistry(tmp_path / "schemas")
    registry.put(
        kind,
        {
            "$id": "/schemas/reading-1",
            "type": "object",
            "properties": {"values": {"type": "array", "items": {"type": "number"}}},
            "required": ["values"],
        },
    )
    again = SchemaRegistry(tmp_path / "schemas")
    event = again.check(Event(type=kind, source="/me", data={"values": [1, 2.5]}))
    assert event.dataschema == "/schemas/reading-1"
    with pytest.raises(BadEvent, match="is not of type 'number'") as refused:
        again.check(Event(type=kind, source="/me", data={"values": [1, "x"]}))
    assert refused.value.field == "data.values.1"
    with pytest.raises(BadEvent) as refused:
        again.check(Event(type=kind, source="/me", data={"values": []}, dataschema="/other"))
    assert refused.value.field == "dataschema"
    with pytest.raises(BadRequest, match="no JSON Schema"):
        registry.put("org.example.x", {"type": "nothing"})
    again.remove(kind)
    assert SchemaRegistry(tmp_path / "schemas").types() == []


def test_a_schema_that_refers_elsewhere_fetches_nothing(tmp_path: Path):
    registry = SchemaRegistry()
    registry.put("org.example.far", {"$ref": "http://127.0.0.1:9/schema.json"})
    with pytest.raises(BadEvent, match=r"127\.0\.0\.1:9") as refused:
        registry.check(Event(type="org.example.far", source="/me", data={}))
    assert refused.value.field == "dataschema"


def test_setting_and_dropping_an_aviso_schema(registry: SchemaRegistry):
    kind = f"{PREFIX}flight"
    registry.put(kind, {"identifier": {"number": {"type": "IntHandler", "required": True}}})
    assert registry.folder is not None
    again = SchemaRegistry(registry.folder)
    assert again.document(kind)["identifier"]["number"]["type"] == "IntHandler"
    assert set(again.aviso()) == {"flight", "mars", "operators", "storm"}
    again.remove(kind)
    with pytest.raises(NotFound):
        again.document(kind)
    with pytest.raises(Conflict, match=r"aviso\.yaml"):
        again.remove(f"{PREFIX}mars")
    # A type's own file goes before the larger one, and shows it again when it is removed.
    again.put(f"{PREFIX}mars", {"identifier": {}})
    assert SchemaRegistry(registry.folder).document(f"{PREFIX}mars").get("topic") is None
    again.remove(f"{PREFIX}mars")
    assert again.document(f"{PREFIX}mars")["topic"]["base"] == "mars"


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ("{identifier: {a: {type: DatHandler}}}", "notification_schema.x.identifier"),
        ("{identifier: {a: {type: IntHandler, rang: [1, 2]}}}", "notification_schema.x.identifier"),
        (
            "{identifier: {a: {type: IntHandler, range: [2, 1]}}}",
            "notification_schema.x.identifier.a.range",
        ),
        ("{topic: {base: x, key_order: [a]}}", "notification_schema.x.topic.key_order"),
        ("{auth: {required: true, plugins: [ecpds]}}", "notification_schema.x.auth"),
        ("7", "schema"),
    ],
)
def test_a_bad_schema_is_refused_with_its_file_and_field(tmp_path: Path, entry: str, field: str):
    (tmp_path / "bad.yaml").write_text(f"notification_schema: {{x: {entry}}}")
    with pytest.raises(BadRequest, match=r"^bad\.yaml: ") as refused:
        SchemaRegistry(tmp_path)
    assert (refused.value.field or "").startswith(field)


def test_roles_are_groups_of_the_hub(registry: SchemaRegistry):
    schema = registry.aviso()["mars"]
    reader, producer = Reader(name="r", groups=("others",)), Reader(name="p", groups=("producers",))
    assert schema.may_read(reader)
    assert not schema.may_read(producer)
    registry.check_writer(mars(), producer)
    with pytest.raises(Forbidden, match="producers"):
        registry.check_writer(mars(), reader)
    # What restricted readers are sent must not lie open on other paths.
    assert registry.check(mars()).access == "group:readers"
    operators = Event(type=f"{PREFIX}operators", source="/me", data={"identifier": {}})
    assert registry.may_read(operators.type, reader)
    assert registry.check(operators).access == "public"
    with pytest.raises(Forbidden, match="administrators"):
        registry.check_writer(operators, producer)
    registry.check_writer(operators, Reader(name="root", admin=True))
    registry.check_writer(storm({}), reader)


def test_a_check_costs_next_to_nothing(registry: SchemaRegistry):
    free, known = Event(type="org.example.other", source="/me"), mars()

    def fastest(event: Event) -> float:
        runs = []
        for _ in range(20):
            start = time.perf_counter()
            for _ in range(200):
                registry.check(event)
            runs.append((time.perf_counter() - start) / 200)
        return min(runs)

    assert fastest(free) < 1e-6
    assert fastest(known) < 30e-6


def test_what_is_shown_is_what_avisos_server_shows(registry: SchemaRegistry):
    shown = msgspec.json.decode(msgspec.json.encode(registry.aviso()["mars"].shown()))
    assert shown["payload"] == {"required": False}
    assert shown["identifier"]["step"] == {
        "type": "IntHandler",
        "required": False,
        "description": "hours",
        "range": [0, 100000],
    }


def test_a_whole_file_of_avisos_is_as_good_as_its_entry(tmp_path: Path) -> None:
    entry = {"identifier": {"country": {"type": "StringHandler", "required": True}}}
    registry = SchemaRegistry(tmp_path)
    registry.put("int.ecmwf.aviso.flight", {"notification_schema": {"flight": entry}})
    assert registry.document("int.ecmwf.aviso.flight")["identifier"].keys() == {"country"}
    with pytest.raises(BadRequest, match="has no schema 'mars'; it has flight"):
        registry.put("int.ecmwf.aviso.mars", {"notification_schema": {"flight": entry}})
    with pytest.raises(BadRequest, match="says nothing"):
        registry.put("int.ecmwf.aviso.mars", {"keys": {}})
