"""Filters, places, metrics, retention and the description of the event service over HTTP."""

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boathouse.catalogs.errors import Busy
from boathouse.catalogs.events.event import EventFilter
from boathouse.catalogs.events.log import Retention
from boathouse.catalogs.events.schema import SchemaRegistry
from boathouse.catalogs.events.wire import decode_batch
from boathouse.hub.services import event_retention
from boathouse.hub.services.event_retention import retention_of

from .event_service import PREFIX, Service, ping, until

ALPS = {"type": "Polygon", "coordinates": [[[5, 44], [16, 44], [16, 48], [5, 48], [5, 44]]]}


def made(folder: Path) -> Iterator[Service]:
    registry = SchemaRegistry()
    registry.put("org.example.reading", {"required": ["value"]})
    service = Service(folder / "events.sqlite", state=folder, registry=registry)
    service.start()
    yield service
    service.stop()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    yield from made(tmp_path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    for service in made(tmp_path_factory.mktemp("filters")):
        service.log.append(
            [
                ping("alps", bbox="10,46,11,47", data={"cloud_cover": 10}),
                ping("sea", bbox="-30,40,-20,45", data={"cloud_cover": 10}),
                ping("cloudy", bbox="10,46,11,47", data={"cloud_cover": 90}),
                ping("other", type="net.example", subject="/a/b"),
            ]
        )
        yield service


class TestFilters:
    @pytest.fixture
    def service(self, filled: Service) -> Service:
        return filled

    @pytest.mark.parametrize("path", ["events", "events/search"])
    @pytest.mark.parametrize(
        ("params", "wanted"),
        [
            ({"type": "org.example.*"}, "alps sea cloudy"),
            ({"subject": "/a/*"}, "other"),
            ({"source": "/me", "limit": "2"}, "alps sea"),
            ({"filter": {"area": ALPS}}, "alps cloudy"),
            ({"filter": {"area": ALPS, "where": {"cloud_cover": {"lt": 20}}}}, "alps"),
            ({"filter": {"not": {"bbox": [0, 40, 20, 50]}}, "type": "org.example.*"}, "sea"),
        ],
    )
    def test_as_parameters(self, service: Service, path: str, params: dict[str, Any], wanted: str):
        query = {n: json.dumps(v) if n == "filter" else v for n, v in params.items()}
        answer = service.ask("GET", path, params=query)
        assert [event.id for event in decode_batch(answer.content)] == wanted.split()

    def test_as_json(self, service: Service):
        body = {"filter": {"area": ALPS}, "after": 1, "limit": 1}
        answer = service.ask("POST", "events/search", json=body)
        assert [event.id for event in decode_batch(answer.content)] == ["cloudy"]
        assert answer.headers["boathouse-next"] == "3"
        where = EventFilter(area=ALPS, where={"cloud_cover": {"lt": 20}})
        assert [event.id for event in service.log_of("ann").read(where=where)] == ["alps"]

    @pytest.mark.parametrize(
        ("params", "field"),
        [
            ({"tpye": "a"}, "tpye"),
            ({"filter": '{"colection": "a"}'}, "colection"),
            ({"filter": '{"any": [{"not": {"colour": 1}}]}'}, "colour"),
            ({"filter": '{"type": 1}'}, "type"),
            ({"filter": '{"bbox": [1, 2]}'}, "bbox"),
            ({"filter": '{"type": "a"}', "type": "b"}, "type"),
            ({"filter": '{"until": "noon"}'}, "until"),
            ({"after": "99"}, "after"),
        ],
    )
    @pytest.mark.parametrize("path", ["events", "events/stream"])
    def test_what_is_wrong_is_named(
        self, service: Service, path: str, params: dict[str, str], field: str
    ):
        answer = service.ask("GET", path, params=params)
        assert (answer.status_code, answer.json()["field"]) == (400, field)

    def test_what_is_no_object_is_no_filter(self, service: Service):
        for text in ("[]", "1", "x", "[" * 3000):
            assert service.ask("GET", "events", params={"filter": text}).status_code == 400
            assert service.ask("POST", "events/search", content=text).status_code == 400

    def test_a_stream_takes_them_too(self, service: Service):
        where = EventFilter(area=ALPS)
        following = service.log_of("ann").follow(after=0, where=where, timeout=3)
        assert [next(following).id, next(following).id] == ["alps", "cloudy"]
        service.log.append([ping("far", bbox="50,0,51,1"), ping("near", bbox="6,45,7,46")])
        assert next(following).id == "near"
        following.close()


class TestPlaces:
    def test_below_the_first_is_gone_and_says_where_to_go_on(self, service: Service):
        service.log.append([ping(str(n)) for n in range(20)])
        first = service.log.trim(Retention(events=5)).first
        for path in ("events", "events/search", "events/stream"):
            answer = service.ask("GET", path, params={"after": "3"})
            assert answer.status_code == 410
            assert str(first) in answer.json()["detail"]
        answer = service.ask("GET", "events/stream", headers={"Last-Event-ID": "3"})
        assert answer.status_code == 410
        answer = service.ask("GET", "events")
        assert answer.headers["boathouse-first"] == str(first)
        assert next(event.sequence for event in decode_batch(answer.content)) == first


def test_a_busy_log_answers_429_and_the_client_waits(
    service: Service, monkeypatch: pytest.MonkeyPatch
):
    append, refusals = service.log.append_async, [0.2, 0.2]

    async def busy(events: Any) -> list[int]:
        if refusals:
            error = Busy("Too much at once.")
            error.retry_after = refusals.pop()
            raise error
        return await append(events)

    monkeypatch.setattr(service.log, "append_async", busy)
    event = {"specversion": "1.0", "type": "a.b", "source": "/me", "id": "1"}
    headers = {"Content-Type": "application/cloudevents+json"}
    answer = service.ask("POST", "events", json=event, headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert answer.json()["type"] == "busy"
    assert service.log_of("ann").append([ping("2")]) == [1]
    assert refusals == []


class TestMetrics:
    def test_they_tell_what_happens(self, service: Service):
        log = service.log_of("ann")
        log.append([ping(str(n)) for n in range(3)])
        log.consume("worker", after=1)
        service.ask("GET", "no-such-path")
        following = log.follow(after=0)
        next(following)
        text = service.ask("GET", "metrics").text
        following.close()
        figures = dict(re.findall(r"^(boathouse_events_\S+) (\S+)$", text, re.MULTILINE))
        assert figures["boathouse_events_appended_total"] == "3.0"
        assert figures["boathouse_events_last_sequence"] == "3.0"
        assert figures["boathouse_events_subscribers"] == "1.0"
        labels = '{consumer="worker",owner="ann"}'
        assert figures[f"boathouse_events_consumer_lag{labels}"] == "2.0"
        requests = {name for name in figures if name.startswith("boathouse_events_requests_total")}
        assert 'boathouse_events_requests_total{handler="post",status="200"}' in requests
        assert any('status="404"' in name for name in requests)

    def test_they_need_the_scope(self, service: Service):
        answer = service.ask("GET", "metrics", "listener")
        assert answer.status_code == 403
        assert "custom:events:metrics" in answer.json()["detail"]


class TestDescription:
    def test_asyncapi_knows_the_registrys_types(self, service: Service):
        links = {link["rel"]: link["href"] for link in service.ask("GET").json()["links"]}
        assert links["service-desc"] == f"{PREFIX}asyncapi.json"
        document = service.ask("GET", "asyncapi.json").json()
        assert document["asyncapi"] == "3.0.0"
        assert document["servers"]["hub"]["pathname"] == PREFIX
        names = {message["name"] for message in document["components"]["messages"].values()}
        assert {"org.example.reading", "org.ogc.api.collection.item.create"} <= names
        reading = document["components"]["messages"]["org.example.reading"]
        assert reading["payload"]["allOf"][1]["properties"]["data"]["required"] == ["value"]

    def test_each_reference_leads_somewhere(self, service: Service):
        document = service.ask("GET", "asyncapi.json").json()
        references = re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))
        assert references
        for reference in references:
            place = document
            for step in reference.split("/"):
                place = place[step]

    def test_the_registry_is_asked_before_an_event_is_stored(self, service: Service):
        event = {"specversion": "1.0", "type": "org.example.reading", "source": "/me", "id": "1"}
        headers = {"Content-Type": "application/cloudevents+json"}
        answer = service.ask("POST", "events", json={**event, "data": {}}, headers=headers)
        assert (answer.status_code, answer.json()["field"]) == (400, "data")
        good = {**event, "data": {"value": 1}}
        assert service.ask("POST", "events", json=good, headers=headers).status_code == 200


class TestRetention:
    def test_settings(self):
        assert retention_of("", "") is None
        assert retention_of("0.5", "2") == Retention(age=43_200, bytes=2_000_000)
        for days, megabytes in (("-1", ""), ("", "x"), ("nan", ""), ("inf", "")):
            with pytest.raises(ValueError, match=r"positive|convert"):
                retention_of(days, megabytes)

    def test_it_is_done_in_the_background_and_says_who_holds_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ):
        monkeypatch.setattr(event_retention, "EVERY_SECONDS", 0.05)
        service = Service(tmp_path / "events.sqlite", retention=Retention(events=10))
        service.start()
        try:
            log = service.log_of("ann")
            log.append([ping(str(n)) for n in range(30)])
            until(lambda: service.log.first() > 15)
            consumer = log.consume("slow", after=service.log.first())
            log.append([ping(f"more-{n}") for n in range(30)])
            until(lambda: "ann/slow" in caplog.text)
            behind = consumer.take(1000)
            assert behind[-1].event.id == "more-29"
            consumer.done(*behind)
            until(lambda: service.log.first() > 45)
        finally:
            service.stop()

    def test_trouble_does_not_end_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(event_retention, "EVERY_SECONDS", 0.02)
        service = Service(tmp_path / "events.sqlite", retention=Retention(events=1))
        calls: list[int] = []
        service.start()
        try:
            trim = service.log.trim

            def fails_once(retention: Retention, **more: Any) -> Any:
                calls.append(1)
                if len(calls) == 1:
                    raise sqlite3.OperationalError("disk I/O error")
                return trim(retention, **more)

            monkeypatch.setattr(service.log, "trim", fails_once)
            service.log.append([ping("1"), ping("2")])
            until(lambda: service.log.first() == 2)
        finally:
            service.stop()
