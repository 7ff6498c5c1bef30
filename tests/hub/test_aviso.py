"""The unmodified pyaviso works on the lake's log: notify, listen, replay, filter, resume."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyaviso
import pytest

from boathouse.catalogs.events.event import Event
from boathouse.catalogs.events.log import Retention
from boathouse.hub.services.aviso_streams import Stream

from .aviso_service import AvisoService, until

RING = "46,8,46,9,47,9,47,8,46,8"
FAR = "-10,100,-10,110,0,110,0,100,-10,100"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AvisoService]:
    service = AvisoService(tmp_path_factory.mktemp("aviso"))
    service.start()
    yield service
    service.stop()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[AvisoService]:
    service = AvisoService(tmp_path)
    service.start()
    yield service
    service.stop()


def flight(number: int, country: str = "it", **more: Any) -> dict[str, Any]:
    identifier = {"country": country, "number": number, "date": "2026-07-06"}
    return {"event_type": "flight", "identifier": identifier, **more}


def replay(service: AvisoService, event_type: str, user: str = "ann", **more: Any) -> list[Any]:
    more = {"start_from": 0, "mode": "replay_only", **more}
    with service.client(user).listen(event_type, **more) as notifications:
        return list(notifications)


class Listening:
    """A client that listens in a thread and calls a function, as pyaviso's triggers do."""

    def __init__(self, client: pyaviso.AvisoClient, event_type: str, **more: Any) -> None:
        self.got: list[pyaviso.Notification] = []
        self.iterator = client.listen(
            event_type, triggers=[pyaviso.Trigger.function(self.got.append)], **more
        )
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.iterator.run()
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            self.error = error

    def stop(self) -> None:
        self.iterator.close()
        self.thread.join(10)
        assert not self.thread.is_alive()


def test_schemas_are_shown_to_whoever_may_use_them(service: AvisoService):
    catalog = service.client("ann").schema()
    assert catalog.event_types == ["crewed", "flight", "storm"]
    assert catalog.schema["storm"]["payload"] == {"required": True}
    number = service.client("bob").schema_for("flight").schema["identifier"]["number"]
    assert number == {"type": "IntHandler", "required": False, "range": [0, 100000]}
    assert service.client("bob").schema().event_types == ["flight", "storm"]
    with pytest.raises(pyaviso.HttpError, match="NOT_FOUND"):
        service.client("bob").schema_for("crewed")


def test_a_notification_comes_back_in_its_canonical_form(fresh: AvisoService):
    answer = fresh.client().notify(**flight(7, "UK", payload={"path": "/a", "n": [1, None]}))
    assert answer.status == "success"
    [got] = replay(fresh, "flight")
    assert (got.event_type, got.sequence) == ("flight", 1)
    assert got.identifier == {"country": "uk", "number": "7", "date": "20260706"}
    assert got.payload == {"path": "/a", "n": [1, None]}
    [event] = fresh.log.read()
    assert event.type == "int.ecmwf.aviso.flight"
    assert event.subject == "flight.uk.7.20260706"
    assert event.owner == "ann"
    # In the log a number is a number, for rules.
    assert event.data["identifier"]["number"] == 7


def test_numbers_have_no_gaps_whatever_else_the_log_holds(fresh: AvisoService):
    client = fresh.client()
    fresh.log.append([Event(type="org.example.other", source="/me")])
    for n in range(3):
        client.notify(**flight(n))
        client.notify(
            event_type="storm", identifier={"severity": n, "polygon": RING}, payload="wind"
        )
        private = Event(
            type="int.ecmwf.aviso.flight",
            source="/me",
            owner="bob",
            access="private",
            data={"identifier": {"country": "it", "number": 100 + n, "date": "20260706"}},
        )
        fresh.log.append([private])
    listening = Listening(client, "flight", start_from=0)
    until(lambda: len(listening.got) == 3 or listening.error)
    client.notify(event_type="storm", identifier={"severity": 1, "polygon": RING}, payload=1)
    client.notify(**flight(3))
    until(lambda: len(listening.got) == 4 or listening.error)
    listening.stop()
    assert listening.error is None
    assert [each.sequence for each in listening.got] == [1, 2, 3, 4]
    assert [each.identifier["number"] for each in listening.got] == ["0", "1", "2", "3"]
    # Whose events they are sees the private ones too, with the number of the one before.
    seen = replay(fresh, "flight", "bob")
    assert [each.sequence for each in seen] == [1, 1, 2, 2, 3, 3, 4]


def test_live_notifications_come_at_once_and_in_order(fresh: AvisoService):
    listening = Listening(fresh.client("bob"), "flight")
    until(lambda: fresh.listeners() == 1)
    client = fresh.client()
    for n in range(50):
        client.notify(**flight(n))
    until(lambda: len(listening.got) == 50)
    time.sleep(0.5)  # heartbeats do not disturb it
    client.notify(**flight(50))
    until(lambda: len(listening.got) == 51)
    listening.stop()
    assert listening.error is None
    assert [each.identifier["number"] for each in listening.got] == [str(n) for n in range(51)]


def test_many_notifications_at_once_and_a_replay_without_a_cap(fresh: AvisoService):
    results = fresh.client().notify_many([flight(n) for n in range(300)], concurrency=32)
    assert all(result.ok for result in results)
    events = [
        Event(
            type="int.ecmwf.aviso.flight",
            source="/bulk",
            id=str(n),
            data={"identifier": {"country": "uk", "number": n, "date": "20260706"}},
        )
        for n in range(12_000)
    ]
    fresh.log.append(events)
    got = replay(fresh, "flight", "bob")
    assert [each.sequence for each in got] == list(range(1, 12_301))
    assert [int(each.identifier["number"]) for each in got[300:]] == list(range(12_000))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"country": "IT"}, [1, 4]),
        ({"country": {"in": ["uk", "NO"]}}, [2, 3, 5]),
        ({"number": "2"}, [2]),
        ({"number": {"gt": 3}}, [4, 5]),
        ({"number": {"lte": 3}}, [1, 2, 3]),
        ({"number": {"between": [2, 4]}}, [2, 3, 4]),
        ({"date": {"gte": "2026-07-07"}}, []),
        ({"date": "2026-187", "country": "no"}, [5]),
    ],
)
def test_filters(filtered: AvisoService, wanted: dict[str, Any], expected: list[int]):
    assert [each.sequence for each in replay(filtered, "flight", filter=wanted)] == expected


@pytest.fixture(scope="module")
def filtered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AvisoService]:
    service = AvisoService(tmp_path_factory.mktemp("filtered"))
    service.start()
    client = service.client()
    for number, country in enumerate(["it", "uk", "uk", "it", "no"], 1):
        client.notify(**flight(number, country))
    for severity, ring in [(1, RING), (7.5, RING), (7, FAR)]:
        identifier = {"severity": severity, "polygon": ring}
        client.notify(event_type="storm", identifier=identifier, payload="wind")
    yield service
    service.stop()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"polygon": "46.5,8.5,46.5,20,60,20,60,8.5,46.5,8.5"}, [1, 2]),
        ({"polygon": "0,0,0,1,1,1,0,0"}, []),
        ({"point": "-5,105"}, [3]),
        ({"point": "46.5,8.5", "severity": {"gt": 7}}, [2]),
        ({"severity": {"gte": 7}}, [2, 3]),
    ],
)
def test_filters_by_place(filtered: AvisoService, wanted: dict[str, Any], expected: list[int]):
    wanted = {"severity": {"gte": 0}, **wanted}
    assert [each.sequence for each in replay(filtered, "storm", filter=wanted)] == expected


def test_a_live_filter_is_the_same_as_one_of_the_past(filtered: AvisoService):
    wanted = {"polygon": "46.5,8.5,46.5,20,60,20,60,8.5,46.5,8.5", "severity": {"gt": 5}}
    listening = Listening(filtered.client(), "storm", filter=wanted)
    until(lambda: filtered.listeners() == 1)
    for severity, ring in [(6, FAR), (4, RING), (9, RING)]:
        identifier = {"severity": severity, "polygon": ring}
        filtered.client().notify(event_type="storm", identifier=identifier, payload=severity)
    until(lambda: listening.got)
    listening.stop()
    assert [each.payload for each in listening.got] == [9]


def test_replay_from_and_until_a_number_or_a_date(fresh: AvisoService):
    for n in range(5):
        fresh.client().notify(**flight(n))
        time.sleep(0.002)
    times = [each.cloudevent["time"] for each in replay(fresh, "flight")]

    def range_of(start: Any, end: Any = None) -> list[int]:
        return [each.sequence for each in replay(fresh, "flight", start_from=start, until=end)]

    assert range_of(2) == [3, 4, 5]
    assert range_of(5) == []
    assert range_of(1, 3) == [2, 3]
    assert range_of(0, 99) == [1, 2, 3, 4, 5]
    assert range_of(times[2]) == [3, 4, 5]
    assert range_of(times[1], times[3]) == [2, 3, 4]
    assert range_of(times[3], "9999-12-31T23:59:59.999999Z") == [4, 5]
    assert range_of("2020-01-01") == [1, 2, 3, 4, 5]
    assert range_of("2100-01-01T00:00:00") == []


def test_a_listener_resumes_where_it_was_and_after_the_service_restarts(tmp_path: Path):
    service = AvisoService(tmp_path)
    service.start()
    store = tmp_path / "state.json"
    service.client().notify(**flight(0))

    def listener() -> Listening:
        client = service.client(state_store=pyaviso.JsonFileStore(store))
        return Listening(client, "flight", filter={"country": "it"})

    first = listener()
    until(service.listeners)
    for n in range(1, 6):
        service.client().notify(**flight(n))
    until(lambda: len(first.got) == 5)
    service.stop()
    service.start()
    for n in range(6, 9):
        service.client().notify(**flight(n))
    until(lambda: len(first.got) == 8)
    first.stop()
    assert first.error is None
    service.client().notify(**flight(9))
    second = listener()
    until(lambda: second.got and second.got[-1].sequence == 10)
    second.stop()
    service.stop()
    heard = [each.sequence for each in first.got]
    assert heard == list(range(2, 10))
    # The client keeps what it passed on, one behind: nothing is missed.
    assert second.got[0].sequence in (9, 10)


def test_the_numbers_stay_when_the_service_starts_anew(tmp_path: Path):
    service = AvisoService(tmp_path)
    service.start()
    for n in range(3):
        service.client().notify(**flight(n))
    assert len(replay(service, "flight")) == 3
    kept = tmp_path / "aviso" / "flight.numbers"
    assert kept.stat().st_size == 24
    service.stop()
    with kept.open("ab") as file:
        file.write(b"\1\2\3")  # as a crash leaves it
    service.start()
    service.client().notify(**flight(3))
    assert [each.sequence for each in replay(service, "flight")] == [1, 2, 3, 4]
    service.stop()
    # Numbers of another log are not believed.
    (tmp_path / "events.sqlite").rename(tmp_path / "old.sqlite")
    for rest in tmp_path.glob("events.sqlite-*"):
        rest.unlink()
    service.start()
    service.client().notify(**flight(4))
    assert [each.sequence for each in replay(service, "flight")] == [1]
    service.stop()


def numbers_from(service: AvisoService, start: Any) -> list[int]:
    return [each.sequence for each in replay(service, "flight", start_from=start)]


def test_numbers_stay_when_old_events_are_cut_off(tmp_path: Path):
    service = AvisoService(tmp_path)
    service.start()
    for n in range(6):
        service.client().notify(**flight(n))
    assert len(replay(service, "flight")) == 6
    assert service.log.trim(Retention(events=2)).first == 5
    for _ in range(2):
        assert numbers_from(service, "2020-01-01") == [5, 6]
        assert numbers_from(service, 5) == [6]
        service.stop()
        service.start()
    # What came and went while nobody listened was counted too: who wants it is told so.
    for n in range(6, 10):
        service.client().notify(**flight(n))
    until(lambda: (tmp_path / "aviso" / "flight.numbers").stat().st_size == 80)
    service.log.trim(Retention(events=1))
    assert numbers_from(service, 9) == [10]
    with pytest.raises(pyaviso.HistoryGapError):
        numbers_from(service, 6)
    service.stop()


def test_what_was_stored_before_there_was_a_schema_is_still_given(tmp_path: Path):
    service = AvisoService(tmp_path, schemas="")
    service.start()
    old = {"severity": "high", "polygon": "here", "more": [1]}
    service.client().notify(event_type="storm", identifier=old)
    listening = Listening(service.client("bob"), "storm")
    until(service.listeners)
    entry = {
        "identifier": {
            "severity": {"type": "FloatHandler", "required": False},
            "polygon": {"type": "PolygonHandler", "required": False},
        }
    }
    service.ask("PUT", "schemas/int.ecmwf.aviso.storm", "root", json=entry)
    service.client().notify(event_type="storm", identifier={"severity": 5, "polygon": RING})
    until(lambda: listening.got)
    listening.stop()
    assert listening.got[0].identifier == {"severity": "5", "polygon": RING}
    first, second = replay(service, "storm")
    assert (first.sequence, first.identifier) == (1, old)
    assert (second.sequence, second.identifier["severity"]) == (2, "5")
    for wanted in ({"severity": {"gt": 1}}, {"point": "46.5,8.5"}):
        assert [each.sequence for each in replay(service, "storm", filter=wanted)] == [2]
    service.stop()


def test_an_event_is_encoded_once_for_all(fresh: AvisoService, monkeypatch: pytest.MonkeyPatch):
    encoded: list[int] = []
    frame = Stream.frame

    def counting(self: Stream, row: Any) -> Any:
        encoded.append(row.sequence)
        return frame(self, row)

    monkeypatch.setattr(Stream, "frame", counting)
    filters: list[Any] = [None, {"country": "it"}, {"number": {"gte": 0}}]
    client = fresh.client("bob")
    listening = [Listening(client, "flight", filter=filters[n % 3]) for n in range(12)]
    until(lambda: fresh.listeners() == 12)
    for n in range(5):
        fresh.client().notify(**flight(n))
    until(lambda: all(len(each.got) == 5 for each in listening))
    for each in listening:
        each.stop()
    assert encoded == [1, 2, 3, 4, 5]
