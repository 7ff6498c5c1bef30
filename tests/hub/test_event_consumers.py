"""Consumers over HTTP: long polls, lost connections, and what a wrong request hears."""

import http.client
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from boathouse.catalogs.access import Reader
from boathouse.catalogs.errors import BadRequest, Conflict, Forbidden, NotFound
from boathouse.catalogs.events.event import EventFilter

from .event_service import PREFIX, Service, ping, until


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "events.sqlite", state=tmp_path)
    made.start()
    yield made
    made.stop()


def test_a_long_poll_ends_with_what_comes(service: Service):
    consumer = service.log_of("ann").consume("a", where=EventFilter(type="org.example.*"))
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.extend(consumer.take(5, wait=10)))
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    service.log.append([ping("no", type="other"), ping("yes", extensions={"colour": "red"})])
    thread.join()
    assert time.monotonic() - began < 0.4  # it was woken, not only looked at now and then
    assert [taken.event.id for taken in got] == ["yes"]
    assert got[0].event.extensions == {"colour": "red"}
    assert (got[0].attempt, got[0].until > time.time()) == (1, True)
    consumer.done(*got)
    assert consumer.state().behind == 0


def test_silence_ends_it_in_time_and_a_stopping_service_at_once(service: Service):
    consumer = service.log_of("ann").consume("a")
    began = time.monotonic()
    assert consumer.take(wait=0.3) == []
    assert 0.3 <= time.monotonic() - began < 1.5
    body = {"limit": 1, "wait": 30}
    thread = threading.Thread(
        target=lambda: service.ask("POST", "consumers/a/take", json=body, timeout=40)
    )
    thread.start()
    time.sleep(0.2)
    assert service.stop() < 1.9
    thread.join()
    service.start()


def test_a_connection_that_breaks_while_it_takes_loses_nothing(service: Service):
    log = service.log_of("ann")
    consumer = log.consume("a", lease=30)
    connection = http.client.HTTPConnection("127.0.0.1", service.port)
    body = msgspec.json.encode({"limit": 5, "wait": 30})
    headers = {"Authorization": "token ann-token", "Content-Type": "application/json"}
    connection.request("POST", f"{PREFIX}consumers/a/take", body, headers)
    time.sleep(0.2)
    connection.close()
    time.sleep(0.2)
    log.append([ping("1"), ping("2")])
    # Nobody holds them: who had gone did not take them.
    assert [taken.event.id for taken in consumer.take(5, wait=1)] == ["1", "2"]


def test_the_same_request_gets_the_same_events(service: Service):
    log = service.log_of("ann")
    consumer = log.consume("a")
    log.append([ping("1"), ping("2")])
    body = {"limit": 1, "request": "r1"}
    first, again = (service.ask("POST", "consumers/a/take", json=body) for _ in range(2))
    assert first.content == again.content
    assert first.json()["events"][0]["id"] == "1"
    other = service.ask("POST", "consumers/a/take", json={**body, "request": "r2"})
    assert other.json()["events"][0]["id"] == "2"
    assert consumer.take() == []


def test_leases_move_over_http(service: Service):
    log = service.log_of("ann")
    consumer = log.consume("a", attempts=2, lease=20)
    log.append([ping("1"), ping("2"), ping("3")])
    one, two, three = consumer.take(3)
    consumer.extend(one, 60)
    consumer.again(one, reason="busy")
    (one_again,) = consumer.take(3)
    assert (one_again.event.id, one_again.attempt) == ("1", 2)
    with pytest.raises(Conflict):
        consumer.done(one)
    consumer.done(one_again, two)
    consumer.give_up(three, "poison ☠")
    (letter,) = log.dead_letters("a")
    assert (letter.event.id, letter.reason, letter.consumer) == ("3", "poison ☠", "a")
    assert consumer.state().dead == 1
    consumer.revive(letter.event.sequence)
    assert [taken.event.id for taken in consumer.take(3, wait=1)] == ["3"]


def test_it_belongs_to_one_user(service: Service):
    ann, bob = service.log_of("ann"), service.log_of("bob")
    hers = ann.consume("a")
    his = bob.consume("a", after=0)
    service.log.append([ping("1", owner="ann", access="private")])
    assert len(hers.take(wait=1)) == 1
    assert his.take() == []
    assert [state.owner for state in bob.consumers()] == ["bob"]
    bob.forget("a")
    assert [state.name for state in ann.consumers()] == ["a"]
    with pytest.raises(NotFound):
        his.take()
    with pytest.raises(Forbidden):
        ann.consume("a", reader=Reader(name="bob"))


def test_a_service_sees_all_of_them_and_works_on_its_own(service: Service):
    service.log_of("ann").consume("a")
    catalog = service.log_of("catalog")
    assert [(state.owner, state.name) for state in catalog.consumers()] == [("ann", "a")]
    with pytest.raises(NotFound):
        catalog.forget("a")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("take", {"limit": 0}, "limit"),
        ("take", {"limit": 1001}, "limit"),
        ("take", {"wait": 31}, "wait"),
        ("take", {"wait": -1}, "wait"),
        ("done", {"taken": [{"sequence": "x", "token": ""}]}, "taken[0].sequence"),
        ("extend", {"sequence": 1, "token": "x"}, "seconds"),
    ],
)
def test_what_is_wrong_is_named(service: Service, path: str, body: dict[str, Any], field: str):
    service.log_of("ann").consume("a")
    answer = service.ask("POST", f"consumers/a/{path}", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_unknown_and_reserved_names(service: Service):
    assert service.ask("POST", "consumers/none/take", json={}).status_code == 404
    assert service.ask("GET", "consumers/none").status_code == 404
    with pytest.raises(BadRequest) as caught:
        service.log_of("ann").consume("webhook-a")
    assert caught.value.field == "name"
    until(lambda: service.ask("GET", "consumers").json() == [])
