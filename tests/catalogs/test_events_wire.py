"""Events as bytes, with the CloudEvents SDK as the judge."""

import contextlib
from datetime import datetime
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings import http as sdk
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from boathouse.catalogs.errors import BadEvent
from boathouse.catalogs.events.event import RESERVED, Event, moment
from boathouse.catalogs.events.wire import (
    BATCH,
    STRUCTURED,
    StreamParser,
    decode_batch,
    decode_event,
    decode_request,
    encode_batch,
    encode_event,
    encode_numbered,
    frame,
)

ATTRIBUTES = {
    "type": "org.ogc.api.collection.item.create",
    "source": "/collections/sst",
    "id": "snap-1",
    "subject": "/collections/sst/items/é 1%",
    "collection": "sst",
    "datatime": "2026-01-01T00:00:00Z",
    "access": "group:crew",
}
JSON = {"datacontenttype": "application/json"}
FULL = Event(**ATTRIBUTES, owner="ann", data={"n": [1, None]}, time="2026-01-31T06:00:00Z")


def request_of(message: sdk.HTTPMessage) -> tuple[dict[str, str], bytes]:
    return {name.lower(): value for name, value in message.headers.items()}, message.body


@pytest.mark.parametrize("form", [sdk.to_structured, sdk.to_binary])
@pytest.mark.parametrize("data", [{"n": [1, 2.5, None, "é"]}, None], ids=["data", "no data"])
def test_what_the_sdk_sends_is_understood(form: Any, data: Any):
    sent = CloudEvent(attributes={**ATTRIBUTES, **JSON, "traceparent": "00-1"}, data=data)
    (event,) = decode_request(*request_of(form(sent, JSONFormat())))
    assert event.validated() is event
    for name, value in ATTRIBUTES.items():
        assert getattr(event, name) == value, name
    assert event.data == data
    assert datetime.fromisoformat(event.time) == sent.get_time()


@pytest.mark.parametrize("minimal", [True, False])
def test_what_we_send_the_sdk_understands(minimal: bool):
    event = Event(type="org.example.ping", source="/me") if minimal else FULL
    message = sdk.HTTPMessage({"content-type": STRUCTURED}, encode_event(event))
    got = sdk.from_structured(message, JSONFormat(), CloudEvent)
    assert got.get_specversion() == "1.0"
    assert (got.get_type(), got.get_source(), got.get_id()) == (event.type, event.source, event.id)
    assert got.get_data() == event.data
    assert got.get_time() == datetime.fromisoformat(event.time)
    if not minimal:
        for name in ("collection", "datatime", "access", "owner"):
            assert got.get_extension(name) == getattr(event, name)


NAMES = st.from_regex(r"[a-z][a-z0-9]{0,19}", fullmatch=True).filter(
    lambda name: name not in RESERVED
)
VALUES = (
    st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=30)
    | st.integers(-(2**31), 2**31 - 1)
    | st.booleans()
)


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_other_extensions_are_kept_in_every_form(extensions: dict[str, Any]):
    sent = CloudEvent(attributes={**ATTRIBUTES, **JSON, **extensions}, data={"n": 1})
    structured = request_of(sdk.to_structured(sent, JSONFormat()))
    (event,) = decode_request(*structured)
    assert event.validated().extensions == extensions
    assert decode_request({"content-type": BATCH}, b"[%b]" % structured[1]) == [event]
    (binary,) = decode_request(*request_of(sdk.to_binary(sent, JSONFormat())))
    # A header has no types, and the SDK writes booleans as Python does.
    assert binary.extensions == {name: str(value) for name, value in extensions.items()}

    body = encode_event(event)
    message = sdk.HTTPMessage({"content-type": STRUCTURED}, body)
    got = sdk.from_structured(message, JSONFormat(), CloudEvent)
    assert {name: got.get_extension(name) for name in extensions} == extensions
    numbered = msgspec.structs.replace(event, sequence=5)
    assert decode_event(encode_numbered(numbered)) == numbered
    assert decode_batch(encode_batch([body, encode_event(FULL)])) == [event, FULL]


def test_our_own_extensions_pass_through_the_sdk():
    own = {
        "bbox": "170,-10,-170,10",
        "dataref": "https://example.org/data.zarr",
        "expirytime": "2030-01-01T00:00:00Z",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "partitionkey": "sst",
    }
    sent = CloudEvent(attributes={**ATTRIBUTES, **JSON, **own}, data={})
    for form in (sdk.to_structured, sdk.to_binary):
        (event,) = decode_request(*request_of(form(sent, JSONFormat())))
        assert {name: getattr(event.validated(), name) for name in own} == own
        assert event.extensions == {}


@pytest.mark.parametrize(
    ("extensions", "field"),
    [
        ('"Colour":"red"', "Colour"),
        ('"my-name":"x"', "my-name"),
        ('"level":1.5', "level"),
        ('"level":{"a":1}', "level"),
        ('"level":4294967296', "level"),
        ('"colour":"' + "x" * 2049 + '"', "colour"),
        ('"bbox":"1,2,3"', "bbox"),
        ('"expirytime":"soon"', "expirytime"),
    ],
)
def test_extensions_that_are_none_are_refused_by_name(extensions: str, field: str):
    text = '{"specversion":"1.0","type":"a","source":"/me","id":"1",' + extensions + "}"
    with pytest.raises(BadEvent) as caught:
        decode_request({"content-type": STRUCTURED}, text.encode())[0].validated()
    assert caught.value.field == field


def test_a_batch_keeps_its_order():
    events = [Event(type="a", source="/me", id=str(n)) for n in range(5)]
    body = encode_batch(encode_event(event) for event in events)
    assert decode_request({"content-type": f"{BATCH}; charset=utf-8"}, body) == events
    assert decode_request({"content-type": BATCH}, b"[]") == []


def test_text_is_taken_in_binary_form():
    headers = {"ce-specversion": "1.0", "ce-type": "a", "ce-source": "/me", "ce-id": "1"}
    (event,) = decode_request({**headers, "content-type": "text/csv"}, "a,ü".encode())
    assert (event.data, event.datacontenttype) == ("a,ü", "text/csv")


def test_null_is_as_good_as_absent_and_foreign_sequences_do_not_count():
    text = (
        b'{"specversion":"1.0","type":"a","source":"/me","id":"1","subject":null,"sequence":"07"}'
    )
    (event,) = decode_request({"content-type": STRUCTURED}, text)
    assert (event.subject, event.sequence) == ("", 0)


BINARY = {"ce-specversion": "1.0", "ce-type": "a", "ce-source": "/me", "ce-id": "1"}


@pytest.mark.parametrize(
    ("headers", "body", "field"),
    [
        ({"content-type": STRUCTURED}, b"{", None),
        ({"content-type": STRUCTURED}, b"\xff", None),
        ({"content-type": STRUCTURED}, b"[]", None),
        ({"content-type": STRUCTURED}, b'{"source":"/me"}', "type"),
        ({"content-type": STRUCTURED}, b'{"type":"a","source":4}', "source"),
        (
            {"content-type": STRUCTURED},
            b'{"type":"a","source":"/","data_base64":"YQ=="}',
            "data_base64",
        ),
        ({"content-type": BATCH}, b'[{"type":"a","source":"/me"},{"source":"/me"}]', "type"),
        ({"content-type": BATCH}, b'{"type":"a"}', None),
        ({"content-type": "application/cloudevents+avro"}, b"", "content-type"),
        ({"content-type": "application/json"}, b'{"hello":1}', "specversion"),
        ({k: v for k, v in BINARY.items() if k != "ce-type"}, b"", "type"),
        ({k: v for k, v in BINARY.items() if k != "ce-specversion"}, b"", "specversion"),
        ({**BINARY, "content-type": "application/json"}, b"{", "data"),
        ({**BINARY, "content-type": "image/png"}, b"\x89PNG", "datacontenttype"),
    ],
)
def test_what_is_no_event_is_refused_by_name(headers: dict[str, str], body: bytes, field: str):
    with pytest.raises(BadEvent) as caught:
        decode_request(headers, body)
    assert caught.value.field == field


@given(st.binary(max_size=60), st.sampled_from([STRUCTURED, BATCH, "application/json"]))
def test_any_bytes_are_refused_and_never_break(body: bytes, kind: str):
    with contextlib.suppress(BadEvent):
        decode_request({"content-type": kind, **BINARY}, body)


TEXTS = st.text(max_size=8) | st.sampled_from(["\u2028", "\r", "\n", "\x0b", "data: x"])


@given(st.lists(TEXTS, max_size=6), st.lists(st.integers(1, 30)), st.sampled_from(["\n", "\r\n"]))
def test_a_stream_in_pieces_of_any_size_is_the_same_stream(
    texts: list[str], sizes: list[int], newline: str
):
    stream = b": hello\n\n" + b"".join(
        frame(n, msgspec.json.encode(text)) + b": beat\nid: %d\n\n" % n
        for n, text in enumerate(texts, 1)
    )
    stream = stream.replace(b"\n", newline.encode())
    parser, messages, at = StreamParser(), [], 0
    for size in [*sizes, len(stream)]:
        messages += parser.feed(stream[at : at + size])
        at += size
    # A last "\r" of a piece waits for its "\n", as a browser's parser does.
    assert [msgspec.json.decode(message.data) for message in messages] == texts
    assert {message.event for message in messages} <= {"event"}
    assert parser.last_id == (str(len(texts)) if texts else "")


@given(st.datetimes(timezones=st.timezones()))
def test_moments_are_ordered_as_their_instants(when: datetime):
    text = when.isoformat()
    if when.utcoffset().total_seconds() % 60:  # pyright: ignore[reportOptionalMemberAccess]
        return  # RFC 3339 knows no offsets with seconds
    assert moment(text) / 1e6 == pytest.approx(when.timestamp(), abs=1e-3)
