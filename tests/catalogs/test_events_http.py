"""Calling a service: patience with restarts, and errors as the service meant them."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from boathouse.catalogs.errors import (
    BadRequest,
    BoathouseError,
    Conflict,
    Forbidden,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from boathouse.catalogs.http import call
from boathouse.catalogs.lake import Connection

Answer = tuple[int, dict[str, str], bytes]


class Service:
    """A real HTTP server that answers from a list, then 200 with what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer | None] = []
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                service.asked.append((self.command, self.path, dict(self.headers), body))
                answer = service.answers.pop(0) if service.answers else (200, {}, b"fine")
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, content = answer
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        port = self.server.server_address[1]
        self.connection = Connection(address=f"http://127.0.0.1:{port}/", token="s3cret", user="a")


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_sends_what_it_is_given(service: Service):
    response = call(
        service.connection,
        "events",
        "POST",
        "events",
        json={"a": [1]},
        params={"limit": 5, "type": None},
        headers={"X-Own": "1"},
    )
    assert response.content == b"fine"
    ((method, path, headers, body),) = service.asked
    assert (method, path) == ("POST", "/services/events/events?limit=5")
    assert headers["Authorization"] == "token s3cret"
    assert (headers["Content-Type"], headers["X-Own"]) == ("application/json", "1")
    assert json.loads(body) == {"a": [1]}


def test_a_restart_is_waited_for(service: Service):
    service.answers = [(503, {}, b""), None, (502, {}, b"bad gateway"), (504, {}, b"")]
    assert call(service.connection, "events", "POST", "x", content=b"body").status_code == 200
    assert [body for *_, body in service.asked] == [b"body"] * 5


def test_what_may_not_be_repeated_is_not(service: Service):
    service.answers = [None]
    with pytest.raises(Unavailable):
        call(service.connection, "events", "POST", "x", content=b"body", repeatable=False)
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        ((409, {}, b'{"type":"conflict","detail":"taken","field":"id"}'), Conflict, "taken"),
        ((404, {}, b'{"type":"not-found","detail":"no such"}'), NotFound, "no such"),
        ((500, {}, b'{"type":"defect","detail":"quote 1a2b"}'), BoathouseError, "quote 1a2b"),
        ((404, {}, b"<html>"), NotFound, "events"),
        ((302, {"Location": "/hub/login"}, b""), Unauthenticated, "log in"),
        ((401, {}, b""), Unauthenticated, "log in"),
        ((403, {}, b"<html>"), Forbidden, "events"),
        ((413, {}, b""), BadRequest, "larger"),
        ((500, {}, b"oops"), Unavailable, "500"),
    ],
)
def test_errors_come_as_they_are_meant(
    service: Service, answer: Answer, error: type[BoathouseError], text: str
):
    service.answers = [answer]
    with pytest.raises(error, match=text) as caught:
        call(service.connection, "events", "GET", "x")
    assert type(caught.value) is error
    assert len(service.asked) == 1


def test_gives_up_in_time_and_says_where(service: Service):
    problem = {"Content-Type": "application/problem+json"}
    full = b'{"type":"unavailable","detail":"The hub does not answer."}'
    service.answers = [(503, problem, full)] * 50
    with pytest.raises(Unavailable, match="The hub does not answer"):
        call(service.connection, "events", "GET", "x", patience=0.3)
    assert 1 < len(service.asked) < 6


def test_nobody_there(free_port: Callable[[], int]):
    connection = Connection(address=f"http://127.0.0.1:{free_port()}/", token="s3cret", user="a")
    with pytest.raises(Unavailable, match="does not answer"):
        call(connection, "events", "GET", "x", patience=0.2)


def test_no_token_is_logged(service: Service, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    service.answers = [(404, {}, b"")]
    with pytest.raises(NotFound) as caught:
        call(service.connection, "events", "GET", "x")
    assert "s3cret" not in caplog.text
    assert "s3cret" not in repr(service.connection) + str(caught.value)


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A port on which nobody listens."""
    import socket

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    return find
