"""A webhook and a real receiver: what is sent, what answers mean, where nothing ever goes."""

import base64
import datetime
import email.utils
import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from boathouse.catalogs.errors import BadRequest, Unavailable
from boathouse.catalogs.events import webhook_addresses, webhooks
from boathouse.catalogs.events.event import Event
from boathouse.catalogs.events.webhooks import Webhook, check_url

from .web_receiver import Receiver

EVENT = Event(type="org.example.ping", source="/me", id="1", data={"n": 1}, sequence=7)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def hook_of(receiver: Receiver, secret: str = "") -> Webhook:
    return Webhook(receiver.url, secret, allow=["127.0.0.1"])


class TestHandshake:
    @pytest.mark.parametrize(
        ("rate", "seconds"), [("*", 0), ("120", 0.5), ("0", 0), ("many", 0), (None, 0)]
    )
    def test_a_receiver_agrees_and_may_set_a_rate(
        self, receiver: Receiver, rate: str | None, seconds: float
    ):
        receiver.headers = {"WebHook-Allowed-Origin": "boathouse"}
        if rate is not None:
            receiver.headers["WebHook-Allowed-Rate"] = rate
        assert hook_of(receiver).handshake() == seconds
        ((method, path, headers, _),) = receiver.got
        assert (method, path) == ("OPTIONS", "/hook?x=1")
        assert headers["webhook-request-origin"] == "boathouse"

    @pytest.mark.parametrize(
        ("status", "origin"),
        [(204, None), (204, "somebody-else"), (405, "*"), (301, "*"), (500, "*")],
    )
    def test_without_a_clear_yes_nothing_is_sent(
        self, receiver: Receiver, status: int, origin: str | None
    ):
        receiver.status = status
        receiver.headers = {"WebHook-Allowed-Origin": origin} if origin else {}
        with pytest.raises(BadRequest, match="did not agree") as caught:
            hook_of(receiver).handshake()
        assert caught.value.field == "url"

    def test_nobody_there(self, receiver: Receiver):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            with pytest.raises(Unavailable, match="cannot be reached"):
                Webhook(f"http://127.0.0.1:{port}/", allow=["127.0.0.1"]).handshake()


class TestSend:
    def test_the_event_comes_whole_and_signed(self, receiver: Receiver):
        assert hook_of(receiver, "s3cret").send(EVENT, key="ann/r/1").kind == "done"
        ((method, _, headers, body),) = receiver.got
        assert (method, headers["content-type"]) == ("POST", "application/cloudevents+json")
        assert msgspec.json.decode(body, type=Event) == EVENT
        assert headers["idempotency-key"] == "ann/r/1"
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 5
        text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(b"s3cret", text, hashlib.sha256).digest()
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"

    def test_the_id_is_the_events_and_stays(self, receiver: Receiver):
        hook = hook_of(receiver)
        for event in (EVENT, EVENT, msgspec.structs.replace(EVENT, id="2")):
            hook.send(event, key="ü" * 3)
        one, again, other = (headers["webhook-id"] for _, _, headers, _ in receiver.got)
        assert one == again != other
        assert "webhook-signature" not in receiver.got[0][2]
        assert receiver.got[0][2]["idempotency-key"].isascii()

    def test_a_secret_in_the_usual_form_is_base64(self, receiver: Receiver):
        hook_of(receiver, "whsec_" + base64.b64encode(b"raw").decode()).send(EVENT)
        (_, _, headers, body) = receiver.got[0]
        text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(b"raw", text, hashlib.sha256).digest()
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
        with pytest.raises(BadRequest) as caught:
            hook_of(receiver, "whsec_!")
        assert caught.value.field == "secret"

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (200, "done"),
            (202, "done"),
            (301, "refused"),
            (307, "refused"),
            (400, "refused"),
            (404, "refused"),
            (408, "again"),
            (410, "gone"),
            (415, "refused"),
            (429, "again"),
            (500, "again"),
            (503, "again"),
        ],
    )
    def test_what_an_answer_means(self, receiver: Receiver, status: int, kind: str):
        receiver.status = status
        receiver.headers = {"Location": receiver.url}
        outcome = hook_of(receiver).send(EVENT)
        assert (outcome.kind, outcome.status) == (kind, status)
        assert len(receiver.got) == 1  # no redirect was followed

    def test_obeys_retry_after(self, receiver: Receiver):
        receiver.status = 429
        then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=100)
        texts: dict[str, Callable[[float], bool]] = {
            "30": lambda s: s == 30,
            email.utils.format_datetime(then, usegmt=True): lambda s: 95 < s <= 100,
            "Mon, 01 Jan 2001 00:00:00 GMT": lambda s: s == 0,
            "99999999999": lambda s: s == webhooks.LONGEST_PAUSE,
            "soon": lambda s: s == 0,
        }
        for text, right in texts.items():
            receiver.headers = {"Retry-After": text}
            assert right(hook_of(receiver).send(EVENT).after), text

    def test_an_open_one_keeps_its_connection(self, receiver: Receiver):
        with hook_of(receiver) as hook:
            assert [hook.send(EVENT).kind for _ in range(5)] == ["done"] * 5
        assert len(receiver.connections) == 1

    def test_an_endless_answer_is_not_read(self, receiver: Receiver):
        receiver.status, receiver.answer = 200, b"x" * 5_000_000
        assert hook_of(receiver).send(EVENT).kind == "done"

    def test_nobody_there_means_later(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            outcome = Webhook(f"http://127.0.0.1:{port}/", allow=["127.0.0.1"]).send(EVENT)
        assert (outcome.kind, outcome.status) == ("again", 0)

    def test_byte_after_byte_does_not_hold_it(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(webhooks, "TIMEOUT", 0.4)
        ended = threading.Event()

        def trickle(listener: socket.socket) -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not ended.wait(0.1):
                    try:
                        peer.sendall(b"x")
                    except OSError:
                        return

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=trickle, args=(listener,))
            thread.start()
            began = time.monotonic()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            outcome = Webhook(url, allow=["127.0.0.1"]).send(EVENT)
            took = time.monotonic() - began
            ended.set()
            thread.join()
        assert outcome.kind == "again"
        assert took < 2

    def test_neither_secret_nor_query_is_shown(self, receiver: Receiver):
        text = repr(hook_of(receiver, "s3cret"))
        assert "s3cret" not in text
        assert "x=1" not in text


PRIVATE = [
    "https://127.0.0.1/",
    "https://10.1.2.3/",
    "https://192.168.0.1:8443/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://224.0.0.1/",
    "https://[::1]/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://localhost/",
]


class TestWhere:
    @pytest.mark.parametrize("url", PRIVATE)
    def test_private_machines_are_never_reached(self, url: str):
        with pytest.raises(BadRequest) as caught:
            check_url(url)
        assert caught.value.field == "url"
        assert Webhook(url).send(EVENT).kind == "refused"

    @pytest.mark.parametrize(
        "url", ["", "ftp://example.org/", "https://", "example.org", "https://a:b@c/", "http://[/"]
    )
    def test_what_is_no_address(self, url: str):
        for refused in (check_url, Webhook):
            with pytest.raises(BadRequest) as caught:
                refused(url)
            assert caught.value.field == "url"

    def test_plain_http_only_to_hosts_that_are_allowed(self):
        check_url("https://93.184.215.14/")
        check_url("http://Lab.internal:81/", allow=["lab.internal:81"])
        for allow in ([], ["lab.internal:82"], ["internal"]):
            with pytest.raises(BadRequest, match="https"):
                check_url("http://lab.internal:81/", allow=allow)

    def test_a_name_that_changes_its_address_is_caught_at_the_connection(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        """The name is public when it is checked and private when it is connected to."""
        port = receiver.server.server_address[1]
        answers = ["93.184.215.14", "127.0.0.1"]

        def resolve(host: str, port: int, **_: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), port))]

        monkeypatch.setattr(webhook_addresses.socket, "getaddrinfo", resolve)
        check_url(f"https://rebind.example:{port}/")
        outcome = Webhook(f"https://rebind.example:{port}/").send(EVENT)
        assert (outcome.kind, answers) == ("refused", [])
        assert not receiver.got

    def test_connects_to_the_address_that_was_checked(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        """One look-up a connection: the system is not asked a second time."""
        real, asked = socket.getaddrinfo, []

        def resolve(host: str, *rest: Any, **more: Any) -> list[Any]:
            asked.append(host)
            return real("127.0.0.1" if host == "lab.example" else host, *rest, **more)

        monkeypatch.setattr(webhook_addresses.socket, "getaddrinfo", resolve)
        port = receiver.server.server_address[1]
        hook = Webhook(f"http://lab.example:{port}/", allow=["lab.example"])
        assert hook.send(EVENT).kind == "done"
        assert asked.count("lab.example") == 1
        assert receiver.got[0][2]["host"] == f"lab.example:{port}"
