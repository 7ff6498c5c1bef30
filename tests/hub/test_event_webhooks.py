"""Webhook subscriptions for real: the service posts to a receiver, also after both were away."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from boathouse.catalogs.access import Reader
from boathouse.hub.services import event_posting
from boathouse.hub.services.event_webhooks import Subscription

from ..catalogs.web_receiver import Receiver
from .event_service import Service, ping, until

SECRET = "not-to-be-seen"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.headers = {"WebHook-Allowed-Origin": "*"}
    yield made
    made.close()


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(event_posting, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(event_posting, "LOOK_SECONDS", 0.02)
    made = Service(tmp_path / "events.sqlite", state=tmp_path, webhook_hosts=["127.0.0.1"])
    made.start()
    yield made
    made.stop()


def subscribe(
    service: Service, receiver: Receiver, name: str = "a", user: str = "ann", **wish: Any
) -> httpx.Response:
    wish = {"url": receiver.url, "filter": {"type": "org.example.*"}, "secret": SECRET, **wish}
    return service.ask("PUT", f"webhooks/{name}", user, json=wish)


def ids(receiver: Receiver) -> list[str]:
    return [msgspec.json.decode(body)["id"] for method, *_, body in receiver.got if body]


def shown(service: Service, name: str = "a") -> dict[str, Any]:
    return service.ask("GET", f"webhooks/{name}").json()


class TestDelivery:
    def test_what_was_asked_for_comes_in_order_and_signed(
        self, service: Service, receiver: Receiver
    ):
        service.log.append([ping("before")])
        answer = subscribe(service, receiver)
        assert (answer.status_code, answer.json()["state"]) == (200, "active")
        assert receiver.got[0][0] == "OPTIONS"
        wanted = [ping(str(n)) for n in range(20)]
        service.log.append([ping("other", type="net.example"), *wanted])
        until(lambda: len(ids(receiver)) == 20)
        assert ids(receiver) == [str(n) for n in range(20)]
        method, _, headers, _ = receiver.got[-1]
        assert (method, headers["idempotency-key"]) == ("POST", "ann/a//me/19")
        assert headers["webhook-signature"].startswith("v1,")
        until(lambda: shown(service)["behind"] == 0)
        assert shown(service)["delivered"] == 20

    def test_each_gets_only_what_he_may_see(self, service: Service, receiver: Receiver):
        subscribe(service, receiver, user="bob")
        service.log.append([ping("hers", owner="ann", access="private"), ping("open", owner="ann")])
        until(lambda: ids(receiver))
        assert ids(receiver) == ["open"]

    def test_the_place_outlives_the_service(self, service: Service, receiver: Receiver):
        subscribe(service, receiver)
        service.log.append([ping("1")])
        until(lambda: shown(service)["delivered"] == 1)
        service.stop()
        service.start()
        service.log.append([ping("2")])
        until(lambda: len(ids(receiver)) == 2)
        assert ids(receiver) == ["1", "2"]

    def test_history_comes_when_it_is_asked_for(self, service: Service, receiver: Receiver):
        service.log.append([ping("1"), ping("2"), ping("3")])
        subscribe(service, receiver, after=1)
        until(lambda: len(ids(receiver)) == 2)
        assert ids(receiver) == ["2", "3"]


class TestTrouble:
    def test_a_receiver_that_is_away_gets_all_later(self, service: Service, receiver: Receiver):
        subscribe(service, receiver, attempts=100)
        receiver.status = 503
        service.log.append([ping("1"), ping("2")])
        until(lambda: shown(service)["failed"] >= 3)
        assert shown(service)["error"] == "it answered 503"
        receiver.status = 204
        until(lambda: shown(service)["delivered"] == 2)
        assert shown(service)["dead"] == 0

    def test_an_event_that_it_cannot_take_is_a_dead_letter_and_revived(
        self, service: Service, receiver: Receiver
    ):
        subscribe(service, receiver)
        receiver.status = 422
        service.log.append([ping("poison")])
        until(lambda: shown(service)["dead"] == 1)
        receiver.status = 204
        service.log.append([ping("good")])
        until(lambda: ids(receiver)[-1] == "good")
        (letter,) = service.ask("GET", "dead-letters", params={"consumer": "webhook-a"}).json()
        assert (letter["event"]["id"], letter["reason"]) == ("poison", "it answered 422")
        revival = {"sequence": letter["event"]["sequence"]}
        assert service.ask("POST", "consumers/webhook-a/revive", json=revival).is_success
        until(lambda: shown(service)["delivered"] == 2)
        assert ids(receiver)[-1] == "poison"

    def test_after_too_many_attempts_it_is_a_dead_letter(
        self, service: Service, receiver: Receiver
    ):
        subscribe(service, receiver, attempts=3)
        receiver.status = 500
        service.log.append([ping("1")])
        until(lambda: shown(service)["dead"] == 1)
        assert ids(receiver) == ["1"] * 3
        assert (
            len({headers["idempotency-key"] for _, _, headers, body in receiver.got if body}) == 1
        )

    def test_retry_after_is_obeyed(self, service: Service, receiver: Receiver):
        subscribe(service, receiver)
        receiver.status = 429
        receiver.headers["Retry-After"] = "1"
        service.log.append([ping("1"), ping("2")])
        until(lambda: shown(service)["failed"] == 1)
        receiver.status = 204
        assert shown(service)["delivered"] == 0
        until(lambda: shown(service)["delivered"] == 2)
        moments = [int(headers["webhook-timestamp"]) for *_, headers, body in receiver.got if body]
        assert moments[1] - moments[0] >= 1

    def test_410_ends_it(self, service: Service, receiver: Receiver):
        subscribe(service, receiver)
        receiver.status = 410
        service.log.append([ping("1"), ping("2")])
        until(lambda: shown(service)["state"] == "gone")
        assert ids(receiver) == ["1"]
        assert service.ask("GET", "consumers").json() == []
        receiver.status = 204
        subscribe(service, receiver)
        assert shown(service)["state"] == "active"


class TestSaving:
    def test_a_receiver_that_does_not_agree_gets_nothing(
        self, service: Service, receiver: Receiver
    ):
        receiver.headers = {}
        answer = subscribe(service, receiver)
        assert (answer.status_code, answer.json()["field"]) == (400, "url")
        assert service.ask("GET", "webhooks").json() == []
        assert service.ask("GET", "consumers").json() == []

    @pytest.mark.parametrize(
        ("wish", "field"),
        [
            ({"url": "https://10.0.0.1/"}, "url"),
            ({"url": "http://127.0.0.1:1/"}, "url"),
            ({"filter": {"bbox": [1]}}, "bbox"),
            ({"after": 99}, "after"),
            ({"attempts": 0}, "attempts"),
            ({"secret": "x" * 2000}, "secret"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, service: Service, receiver: Receiver, wish: dict[str, Any], field: str
    ):
        answer = subscribe(service, receiver, **wish)
        assert (answer.status_code, answer.json()["field"]) == (400, field)
        assert not service.ask("GET", "webhooks").json()

    def test_the_secret_is_neither_shown_nor_logged_and_stays(
        self,
        service: Service,
        receiver: Receiver,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ):
        caplog.set_level(logging.DEBUG)
        texts = [subscribe(service, receiver).text, subscribe(service, receiver, secret=None).text]
        texts += [service.ask("GET", path).text for path in ("webhooks", "webhooks/a")]
        assert all(SECRET not in text for text in texts)
        assert msgspec.json.decode(texts[1])["signed"] is True
        receiver.status = 410
        service.log.append([ping("1")])
        until(lambda: shown(service)["state"] == "gone")
        assert all(SECRET not in record.getMessage() for record in caplog.records)
        assert SECRET not in repr(Subscription(name="a", owner="b", url="c", secret=SECRET))
        assert (tmp_path / "webhooks.json").stat().st_mode & 0o777 == 0o600

    def test_it_is_its_owners_alone(self, service: Service, receiver: Receiver):
        subscribe(service, receiver)
        assert service.ask("GET", "webhooks/a", "bob").status_code == 404
        assert service.ask("DELETE", "webhooks/a", "bob").status_code == 404
        assert service.ask("DELETE", "webhooks/a").status_code == 204
        service.log.append([ping("1")])
        assert service.ask("GET", "webhooks/a").status_code == 404
        assert not ids(receiver)


def test_an_owner_who_has_gone_gets_nothing_more(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(event_posting, "RIGHT_SECONDS", 0.05)
    monkeypatch.setattr(event_posting, "IDLE_SECONDS", 0.05)
    users = {"ann": Reader(name="ann", groups=("crew",)), "bob": Reader(name="bob")}

    async def look_up(name: str) -> Reader | None:
        return users.get(name)

    service = Service(
        tmp_path / "events.sqlite", state=tmp_path, webhook_hosts=["127.0.0.1"], look_up=look_up
    )
    service.start()
    try:
        subscribe(service, receiver)
        service.log.append([ping("crews", owner="bob", access="group:crew")])
        until(lambda: ids(receiver) == ["crews"])
        users["ann"] = Reader(name="ann")
        until(lambda: "crew" not in (tmp_path / "webhooks.json").read_text())
        service.log.append([ping("hidden", owner="bob", access="group:crew"), ping("open")])
        until(lambda: ids(receiver) == ["crews", "open"])
        del users["ann"]
        until(lambda: shown(service)["state"] == "withdrawn")
    finally:
        service.stop()
