"""Odd requests of every path: none is a defect, and what was acknowledged is in the log.

``BOATHOUSE_FUZZ=10000 pytest tests/hub/test_event_fuzz.py`` sends more of them.
"""

import http.client
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boathouse.catalogs.events.schema import SchemaRegistry
from boathouse.catalogs.events.wire import BATCH, STRUCTURED

from .event_service import PREFIX, Service

NUMBER = int(os.environ.get("BOATHOUSE_FUZZ", "1000"))
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")
VERBS = ("take", "done", "again", "extend", "give-up", "revive", "dead-letters", "x")
AVISO = ("notification", "watch", "replay", "schema", "schema/mars", "schema/x", "admin/wipe")

odd_text = st.text(max_size=12) | st.sampled_from(
    ["", " ", "\0", "a b", "ü", "😀", "..", "/", "%", "webhook-a", "org.x", "*", "a.*", "long"]
).map(lambda text: text * 900 if text == "long" else text)
names = st.sampled_from(["a", "b"]) | odd_text
paths = st.one_of(
    st.sampled_from(
        ["", "events", "events/search", "events/stream", "health", "metrics", "asyncapi.json"]
    ),
    st.builds(lambda name: f"consumers/{quote(name, safe='')}", names),
    st.builds(
        lambda name, verb: f"consumers/{quote(name, safe='')}/{verb}", names, st.sampled_from(VERBS)
    ),
    st.sampled_from(["consumers", "webhooks", "dead-letters", "schemas"]),
    st.builds(lambda name: f"webhooks/{quote(name, safe='')}", names),
    st.sampled_from([f"api/v1/{path}" for path in AVISO]),
    st.builds(lambda text: quote(text, safe="/"), odd_text),
)
numbers = st.one_of(
    st.integers(-2, 30),
    st.sampled_from([2**31, 2**63, 2**64, -(2**70), 1e308, -0.0, 0.5]),
)
times = st.sampled_from(
    ["2026-01-01T00:00:00Z", "2026-01-01", "noon", "9999-12-31T23:59:59.999999-23:59", ""]
)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | odd_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_text, inner, max_size=3),
    max_leaves=6,
)
positions = st.lists(st.lists(st.floats(-400, 400), min_size=1, max_size=3), max_size=5)
areas = st.fixed_dictionaries(
    {"type": st.sampled_from(["Point", "Polygon", "MultiPolygon", "LineString", "x"])},
    optional={"coordinates": positions | st.lists(positions, max_size=2) | json_values},
)
operators = st.dictionaries(
    st.sampled_from(["eq", "ne", "in", "gt", "lte", "between", "prefix", "suffix", "exists", "x"]),
    json_values,
    max_size=2,
)
filters = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": odd_text,
            "types": st.lists(odd_text, max_size=2) | json_values,
            "collection": odd_text,
            "source": odd_text,
            "subject": odd_text,
            "since": times,
            "data_until": times,
            "bbox": st.lists(st.floats(-400, 400), max_size=5) | json_values,
            "area": areas | json_values,
            "where": st.dictionaries(odd_text, operators | json_values, max_size=2),
            "unknown": json_values,
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {}, optional={"not": inner, "any": st.lists(inner, max_size=2), "all": st.lists(inner)}
    ),
    max_leaves=3,
)
events = st.fixed_dictionaries(
    {
        "specversion": st.just("1.0") | odd_text,
        "type": st.sampled_from(["org.example.ping", "a.b"]) | odd_text,
        "source": st.sampled_from(["/me", "/collections/x"]) | odd_text,
        "id": st.uuids().map(str) | odd_text,
    },
    optional={
        "time": times,
        "datatime": times,
        "subject": odd_text,
        "data": json_values | st.fixed_dictionaries({"geometry": areas}),
        "access": st.sampled_from(["public", "private", "group:", "group:x", "all"]),
        "sequence": json_values,
        "bbox": odd_text | st.just("170,-10,-170,10"),
        "expirytime": times,
        "extension1": json_values,
        "data_base64": st.just("AAAA"),
        "UPPER": odd_text,
    },
)
leases = st.fixed_dictionaries(
    {"sequence": numbers, "token": odd_text},
    optional={"delay": numbers, "seconds": numbers, "reason": odd_text},
)
wishes = st.fixed_dictionaries(
    {},
    optional={
        "where": filters,
        "filter": filters,
        "after": numbers,
        "limit": numbers,
        "lease": numbers,
        "attempts": numbers,
        "wait": st.sampled_from([0, 0.01, -1, 31, 1e9]),
        "taken": st.lists(leases, max_size=2),
        "sequence": numbers,
        "url": st.sampled_from(["https://10.0.0.1/", "x", "http://[", "https://127.0.0.1:1/"]),
        "secret": odd_text,
    },
)
notifications = st.fixed_dictionaries(
    {},
    optional={
        "event_type": names,
        "identifier": st.dictionaries(odd_text, json_values, max_size=2),
        "payload": json_values,
        "from_id": json_values,
        "from_date": times,
    },
)
documents = st.one_of(
    events, st.lists(events, max_size=3), wishes, leases, filters, notifications, json_values
)
bodies = st.one_of(
    documents.map(msgspec.json.encode),
    st.binary(max_size=60),
    st.sampled_from([b"[", b'{"a":']).map(lambda opening: opening * 2000),
    st.sampled_from([b"", b"1e999", b'"\\ud800"', b"\xff\xfe"]),
)
header_texts = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=12)
headers = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(
            [STRUCTURED, BATCH, "application/json", "application/cloudevents+avro", "text/plain"]
        ),
        "Last-Event-ID": st.sampled_from(["0", "1", "99999999", "-1", "x"]),
        "ce-specversion": st.just("1.0"),
        "ce-type": header_texts,
        "ce-source": header_texts,
        "ce-id": header_texts,
        "ce-time": header_texts,
        "ce-extension": header_texts,
        "Accept": header_texts,
    },
)
queries = st.dictionaries(
    st.sampled_from(["after", "limit", "type", "since", "bbox", "filter", "subject", "consumer"])
    | odd_text,
    numbers.map(str) | times | odd_text | filters.map(lambda f: msgspec.json.encode(f).decode()),
    max_size=3,
)


class Sender:
    """One connection, opened anew after an answer without an end."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
        self.acknowledged: dict[int, tuple[str, str]] = {}
        self.statuses: dict[int, int] = {}

    def send(
        self, method: str, path: str, query: dict[str, str], fields: dict[str, str], body: bytes
    ) -> tuple[int, str, bytes]:
        url = PREFIX + path + ("?" + urlencode(query, errors="surrogatepass") if query else "")
        encoded = {name: text.strip().encode("latin-1") for name, text in fields.items()}
        self.connection.request(
            method, url, body=body, headers={"Authorization": "token ann-token", **encoded}
        )
        response = self.connection.getresponse()
        media = response.headers.get("Content-Type", "")
        if response.status == 200 and media.startswith("text/event-stream"):
            self.connection.close()
            return 200, media, b""
        return response.status, media, response.read()

    def note(self, body: bytes, answer: bytes) -> None:
        sent = msgspec.json.decode(body) if body[:1] in (b"{", b"[") else None
        many = sent if isinstance(sent, list) else [sent]
        numbers = msgspec.json.decode(answer)["sequences"]
        for number, event in zip(numbers, many, strict=True):
            if event:
                self.acknowledged[number] = (event["source"], event["id"])


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sender]:
    folder = tmp_path_factory.mktemp("fuzz")
    service = Service(folder / "events.sqlite", state=folder, registry=SchemaRegistry())
    service.start()
    made = Sender(service)
    yield made
    made.connection.close()
    service.stop()


@settings(
    max_examples=NUMBER,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.sampled_from(METHODS), paths, queries, headers, bodies)
def send_one(
    sender: Sender,
    method: str,
    path: str,
    query: dict[str, str],
    fields: dict[str, str],
    body: bytes,
) -> None:
    status, media, answer = sender.send(method, path, query, fields, body)
    sender.statuses[status] = sender.statuses.get(status, 0) + 1
    assert status < 500, (method, path, query, fields, body, answer)
    if status == 400 and answer == b"Invalid HTTP request received.":
        return  # not even HTTP, such as a control character in a header: the server says so
    if status >= 400 and method != "HEAD" and not path.startswith("api/v1"):
        assert media == "application/problem+json"
        problem: dict[str, Any] = msgspec.json.decode(answer)
        assert problem["detail"]
        assert problem["status"] == status
    if (method, path, status) == ("POST", "events", 200) and "ce-type" not in fields:
        sender.note(body, answer)


def test_no_defect_and_nothing_acknowledged_is_lost(sender: Sender):
    send_one(sender)
    # Valid events among the rest, so that something is acknowledged for sure.
    fields = {"Content-Type": STRUCTURED}
    for n in range(20):
        event = {"specversion": "1.0", "type": "a.b", "source": "/sure", "id": str(n)}
        body = msgspec.json.encode(event)
        status, _, answer = sender.send("POST", "events", {}, fields, body)
        assert status == 200
        sender.note(body, answer)
    stored = {event.sequence: (event.source, event.id) for event in sender.service.log.read()}
    while len(stored) < sender.service.log.last():
        page = sender.service.log.read(after=max(stored))
        if not page:
            break
        stored.update({event.sequence: (event.source, event.id) for event in page})
    assert len(sender.acknowledged) >= 20
    assert all(stored.get(number) == key for number, key in sender.acknowledged.items())
    assert {200, 400, 404, 405} <= set(sender.statuses)
