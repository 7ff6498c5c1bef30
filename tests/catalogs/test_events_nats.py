"""The event log on NATS beyond what all engines share: kills, servers, several processes."""

from collections.abc import Iterator

import pytest

from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.events.nats import NatsEventLog
from boathouse.catalogs.events.nats_server import LocalServer


def ping(id: str = "1", **attributes: object) -> Event:
    return Event(**{"type": "org.example.ping", "source": "/me", "id": id, **attributes})  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """One server for all tests of this file; each test has a log of its own on it."""
    started = LocalServer(tmp_path_factory.mktemp("nats"))
    yield started
    started.close()


def connect(server: LocalServer, name: str) -> NatsEventLog:
    address = server.address
    return NatsEventLog([address.url], name=name, user=address.user, password=address.password)


@pytest.fixture
def log(server: LocalServer, request: pytest.FixtureRequest) -> Iterator[NatsEventLog]:
    opened = connect(server, request.node.name.replace("[", "-").replace("]", ""))
    yield opened
    opened.close()


class TestAppend:
    def test_a_known_event_is_known_under_any_type_and_collection(self, log: NatsEventLog):
        assert log.append([ping("a")]) == [1]
        assert log.append([ping("a", type="org.example.other", collection="sst")]) == [1]
        assert [event.type for event in log.read()] == ["org.example.ping"]

    def test_a_batch_may_hold_known_events_and_the_same_event_twice(self, log: NatsEventLog):
        log.append([ping(str(n)) for n in range(10)])
        batch = [ping(str(n)) for n in (3, 20, 5, 21, 20, *range(30, 130))]
        assert log.append(batch) == [4, 11, 6, 12, 11, *range(13, 113)]
        assert log.last() == 112

    def test_more_than_fit_a_batch(self, log: NatsEventLog):
        assert log.append([ping(str(n)) for n in range(2500)]) == list(range(1, 2501))
        assert [event.id for event in log.read(limit=5000)] == [str(n) for n in range(2500)]

    def test_names_with_what_parts_subjects(self, log: NatsEventLog):
        odd = ["a.b", "a*", ">", "-", "~", "%2E", "a b", "é" * 255, "a/b"]
        log.append([ping(text, collection=text) for text in odd])
        for text in odd:
            found = log.read(where=EventFilter(collection=text))
            assert [event.id for event in found] == [text]
        assert [event.id for event in log.read()] == odd
