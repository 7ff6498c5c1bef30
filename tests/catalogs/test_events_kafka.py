"""The bridge to Kafka, on its client's mock cluster; the CloudEvents SDK is the oracle."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings import kafka as sdk
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka import Consumer, Message, Producer
from hypothesis import given, settings
from hypothesis import strategies as st

from boathouse.catalogs.access import PRIVATE, Reader
from boathouse.catalogs.errors import BadEvent, Unavailable
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.events.kafka import Mode, decode_message, encode_message
from boathouse.catalogs.events.kafka_bridge import REFUSED, KafkaSink, KafkaSource
from boathouse.catalogs.events.sqlite import SqliteEventLog

_topics = count()
MODES: tuple[Mode, ...] = ("binary", "structured")


def ping(id: str = "1", **attributes: Any) -> Event:
    return Event(**{"type": "org.example.ping", "source": "/me", "id": id} | attributes)


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    """The address of a mock cluster, which lives as long as the producer that holds it."""
    holder = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    found = holder.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{each.host}:{each.port}" for each in found)
    holder.flush()


@pytest.fixture
def topic() -> str:
    return f"topic-{next(_topics)}"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteEventLog]:
    opened = SqliteEventLog(tmp_path / "events.sqlite")
    yield opened
    opened.close()


def client(brokers: str) -> dict[str, Any]:
    return {"bootstrap.servers": brokers, "log_level": 0}


def reader(brokers: str) -> dict[str, Any]:
    """Settings of a consumer, whose group is quick to form."""
    return client(brokers) | {"group.protocol": "consumer"}


def read_topic(brokers: str, topic: str, number: int) -> list[Message]:
    """The messages of a topic, at least so many."""
    consumer = Consumer(
        {**reader(brokers), "group.id": f"test-{topic}", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    found: list[Message] = []
    end = time.monotonic() + 20
    while len(found) < number and time.monotonic() < end:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            found.append(message)
    while (message := consumer.poll(0.2)) is not None:
        if message.error() is None:
            found.append(message)
    consumer.close()
    return found


def decoded(message: Message) -> Event:
    return decode_message(message.key(), message.value(), message.headers() or [])  # pyright: ignore[reportArgumentType]


def drain(bridge: KafkaSource | KafkaSink, number: int) -> None:
    """Step until so many were carried."""
    end = time.monotonic() + 20
    while number > 0:
        assert time.monotonic() < end, f"{number} are missing"
        number -= bridge.step(0.2)


# The binding

TEXTS = st.text(
    st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters="\u00ad"),
    min_size=1,
    max_size=20,
)
NAMES = st.sampled_from(["colour", "level2", "xstage"])


@st.composite
def some_events(draw: Any) -> Event:
    data = draw(st.none() | TEXTS | st.integers(-5, 5) | st.lists(st.booleans(), max_size=3)
                | st.dictionaries(TEXTS, st.floats(0, 1), max_size=3))  # fmt: skip
    return ping(
        id=draw(TEXTS),
        subject=draw(st.just("") | TEXTS),
        datatime=draw(st.sampled_from(["", "2026-01-01T00:00:00+01:00"])),
        partitionkey=draw(st.just("") | TEXTS),
        extensions=draw(st.dictionaries(NAMES, TEXTS, max_size=2)),
        data=data,
    )


@settings(deadline=None, max_examples=60)
@given(some_events(), st.sampled_from(MODES))
def test_an_event_comes_back_whole_and_the_sdk_reads_it(event: Event, mode: Mode):
    message = encode_message(event, mode)
    assert decode_message(*message) == event
    assert message.key == (event.partitionkey.encode() or None)

    theirs = sdk.from_kafka_event(
        sdk.KafkaMessage(dict(message.headers), message.key, message.value or b"")
    )
    found = theirs.get_attributes()
    for name in ("id", "source", "type", "subject", "datatime", "partitionkey"):
        assert found.get(name, "") == getattr(event, name)
    for name, value in event.extensions.items():
        assert found[name] == value
    if message.value is not None:
        assert theirs.get_data() == event.data

    # And back: what the SDK writes is the same event for us; of binary data it writes
    # only objects as JSON.
    if mode == "binary" and not isinstance(event.data, dict | None):
        return
    write = sdk.to_structured if mode == "structured" else sdk.to_binary
    again = write(theirs, JSONFormat())
    key = again.key.encode() if isinstance(again.key, str) else again.key
    read = decode_message(key, again.value, list(again.headers.items()))
    if message.value is None:
        read = msgspec.structs.replace(read, data=None)
    assert msgspec.structs.replace(read, time=event.time) == event


@pytest.mark.parametrize(
    ("headers", "value", "field"),
    [
        ([], b"{}", "specversion"),
        ([("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/x")], b"", "type"),
        ([("ce_id", b"\xff")], b"", "ce_id"),
        ([("content-type", b"application/cloudevents+json")], b"[", None),
        ([("content-type", b"application/cloudevents-batch+json")], b"[]", "content-type"),
        ([("content-type", b"application/cloudevents+avro")], b"", "content-type"),
    ],
)
def test_what_is_no_event_is_refused(
    headers: list[tuple[str, bytes]], value: bytes, field: str | None
):
    with pytest.raises(BadEvent) as caught:
        decode_message(None, value, headers)
    assert caught.value.field == field


def test_a_key_becomes_the_partition_key_where_it_can():
    body = encode_message(ping())
    assert decode_message(b"k", body.value, body.headers).partitionkey == "k"
    assert decode_message(b"\xff", body.value, body.headers).partitionkey == ""
    assert decode_message(b"a\nb", body.value, body.headers).partitionkey == ""
    own = encode_message(ping(partitionkey="own"))
    assert decode_message(b"k", own.value, own.headers).partitionkey == "own"


# Into the log


def put(brokers: str, topic: str, *messages: tuple[Any, Any, list[tuple[str, bytes]]]) -> None:
    producer = Producer(client(brokers))
    for key, value, headers in messages:
        producer.produce(topic, value, key, headers=[*headers])
    assert producer.flush(10) == 0


@pytest.mark.parametrize("mode", MODES)
def test_a_topic_comes_into_the_log_once(brokers: str, topic: str, log: SqliteEventLog, mode: Mode):
    events = [ping(f"{n}", partitionkey="k", data={"n": n}) for n in range(20)]
    messages = [encode_message(event, mode) for event in events]
    put(brokers, topic, *messages, *messages[:5])
    source = KafkaSource(log, reader(brokers), [topic], group=topic, owner="ann")
    drain(source, 25)
    source.close()
    found = log.read()
    assert [event.id for event in found] == [f"{n}" for n in range(20)]
    assert {event.owner for event in found} == {"ann"}
    assert [event.data["n"] for event in found] == list(range(20))

    # Another member of the group goes on where the first was.
    put(brokers, topic, encode_message(ping("next"), mode))
    again = KafkaSource(log, reader(brokers), [topic], group=topic)
    drain(again, 1)
    again.close()
    assert log.read()[-1].id == "next"


def test_nobody_owns_what_he_says_he_owns(brokers: str, topic: str, log: SqliteEventLog):
    put(brokers, topic, encode_message(ping("1", owner="root", access=PRIVATE)))
    source = KafkaSource(log, reader(brokers), [topic], group=topic, owner="ann", access="group:x")
    put(brokers, topic, encode_message(ping("2")))
    drain(source, 2)
    source.close()
    assert {(e.id, e.owner, e.access) for e in log.read()} == {
        ("1", "ann", PRIVATE),
        ("2", "ann", "group:x"),
    }


def test_a_message_that_is_no_event_is_recorded_and_stops_nothing(
    brokers: str, topic: str, log: SqliteEventLog
):
    class Schemas:
        def check(self, event: Event) -> Event:
            if event.data == "bad":
                raise BadEvent("data is bad.", field="data")
            return event

    log.schemas = Schemas()
    key = b"one partition"
    good, bad = encode_message(ping("good")), encode_message(ping("bad", data="bad"))
    put(brokers, topic, (key, b"nonsense", []), (key, *bad[1:]), (key, *good[1:]))
    source = KafkaSource(log, reader(brokers), [topic], group=topic, owner="ann")
    drain(source, 3)
    source.close()
    complaints = log.read(where=EventFilter(type=REFUSED))
    assert [each.data["field"] for each in complaints] == ["specversion", "data"]
    assert [each.data["offset"] for each in complaints] == [0, 1]
    assert {(each.owner, each.access) for each in complaints} == {("ann", PRIVATE)}
    assert [event.id for event in log.read(where=EventFilter(type="org.example.ping"))] == ["good"]


class Reluctant(SqliteEventLog):
    """A log that is away until it is told to come back."""

    away = True

    def append(self, events: Any) -> list[int]:
        if self.away:
            raise Unavailable("The disk is being changed.")
        return super().append(events)


def test_offsets_wait_for_the_log(brokers: str, topic: str, tmp_path: Path):
    put(brokers, topic, encode_message(ping("1")), encode_message(ping("2")))
    log = Reluctant(tmp_path / "events.sqlite")
    source = KafkaSource(log, reader(brokers), [topic], group=topic)
    with pytest.raises(Unavailable):
        drain(source, 1)
    source.close()  # as if it had died: nothing was committed
    log.away = False
    again = KafkaSource(log, reader(brokers), [topic], group=topic)
    drain(again, 2)
    again.close()
    assert {event.id for event in log.read()} == {"1", "2"}
    log.close()


def test_the_loop_outlives_a_log_that_is_away(brokers: str, topic: str, tmp_path: Path):
    put(brokers, topic, encode_message(ping("1")))
    log = Reluctant(tmp_path / "events.sqlite")
    source = KafkaSource(log, reader(brokers), [topic], group=topic)
    stop = threading.Event()
    thread = threading.Thread(target=source.run, args=(stop,))
    thread.start()
    follower = log.follow(timeout=15)
    time.sleep(0.5)
    assert log.last() == 0
    log.away = False
    assert next(follower).id == "1"
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    source.close()
    log.close()


# Out of the log


@pytest.mark.parametrize("mode", MODES)
def test_the_log_goes_out_to_a_topic(brokers: str, topic: str, log: SqliteEventLog, mode: Mode):
    log.append(
        [
            ping("old", type="org.example.other"),
            *(ping(f"{n}", partitionkey=f"k{n % 3}", data=n) for n in range(30)),
            ping("secret", owner="ann", access=PRIVATE),
        ]
    )
    where = EventFilter(type="org.example.ping")
    sink = KafkaSink(log, client(brokers), topic, where=where, after=0, mode=mode)
    drain(sink, 30)
    sink.close()
    found = read_topic(brokers, topic, 30)
    assert sorted(decoded(each).data for each in found) == list(range(30))
    for key in (b"k0", b"k1", b"k2"):
        mine = [each for each in found if each.key() == key]
        assert len({each.partition() for each in mine}) == 1
        assert [decoded(each).data for each in mine] == sorted(decoded(each).data for each in mine)
    state = log.consume("kafka", reader=Reader(name="")).state()
    assert (state.behind, state.leased, state.dead) == (0, 0, 0)


def test_what_kafka_never_takes_is_a_dead_letter(brokers: str, topic: str, log: SqliteEventLog):
    log.append([ping("small"), ping("large", data="x" * 5000), ping("last")])
    sink = KafkaSink(log, client(brokers) | {"message.max.bytes": 2000}, topic, after=0)
    drain(sink, 2)
    sink.close()
    assert {decoded(each).id for each in read_topic(brokers, topic, 2)} == {"small", "last"}
    (letter,) = log.dead_letters()
    assert letter.event.id == "large"
    assert "size" in letter.reason.lower()


def test_a_cluster_that_is_away_costs_no_attempt(topic: str, log: SqliteEventLog):
    log.append([ping("1")])
    away = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0, "message.timeout.ms": 300}
    sink = KafkaSink(log, away, topic, after=0)
    with pytest.raises(Unavailable, match="did not take 1"):
        sink.step(1)
    (taken,) = log.consume("kafka", reader=Reader(name="")).take(wait=2)
    assert (taken.event.id, taken.attempt) == ("1", 1)


BRIDGE = """
import sys, threading
from boathouse.catalogs.events.kafka_bridge import KafkaSink
from boathouse.catalogs.events.sqlite import SqliteEventLog
path, brokers, topic = sys.argv[1:]
settings = {"bootstrap.servers": brokers, "log_level": 0}
sink = KafkaSink(SqliteEventLog(path), settings, topic, after=0, lease=0.5)
print("ready", flush=True)
sink.run(threading.Event())
"""


def test_a_killed_bridge_loses_nothing(brokers: str, topic: str, log: SqliteEventLog):
    ids = [f"{n}" for n in range(600)]
    for start in range(0, 600, 200):
        log.append([ping(each) for each in ids[start : start + 200]])
        process = subprocess.Popen(
            [sys.executable, "-c", BRIDGE, str(log.path), brokers, topic],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.01 + 0.05 * (start // 200))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    sink = KafkaSink(log, client(brokers), topic, lease=0.5)
    state = log.consume("kafka", reader=Reader(name="")).state()
    end = time.monotonic() + 20
    while state.behind and time.monotonic() < end:
        sink.step(0.3)
        state = log.consume("kafka", reader=Reader(name="")).state()
    sink.close()
    found = [decoded(each).id for each in read_topic(brokers, topic, 600)]
    assert set(found) == set(ids)
    assert (state.behind, state.dead) == (0, 0)
