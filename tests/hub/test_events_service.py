"""The event service for real: uvicorn on a free port, HttpEventLog and httpx as its clients."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from cloudevents.core.bindings import http as sdk
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from boathouse.catalogs.errors import BadEvent, Forbidden, Unauthenticated, Unavailable
from boathouse.catalogs.events import remote
from boathouse.catalogs.events.event import LARGEST_DATA, Event, EventFilter
from boathouse.catalogs.events.notices import listen, notify, replay
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.catalogs.events.wire import BATCH, STRUCTURED, StreamParser, decode_batch
from boathouse.catalogs.lake import Lake
from boathouse.catalogs.sqlite_store import SqliteStore
from boathouse.hub.services import streams

from .event_service import PREFIX, TOKENS, Service, ping, until


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "events.sqlite")
    made.start()
    yield made
    made.stop()


class TestDoor:
    def test_health_is_open(self, service: Service):
        response = httpx.get(f"http://127.0.0.1:{service.port}{PREFIX}health")
        assert (response.status_code, response.json()) == (200, {"status": "ok"})

    @pytest.mark.parametrize("path", ["", "events", "events/stream", "no-such-path", "health/x"])
    @pytest.mark.parametrize(
        "headers", [{}, {"Authorization": "token nobody"}, {"Authorization": "x"}]
    )
    def test_nothing_else_is(self, service: Service, path: str, headers: dict[str, str]):
        response = httpx.get(f"http://127.0.0.1:{service.port}{PREFIX}{path}", headers=headers)
        assert response.status_code == 401
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"] == "unauthenticated"

    def test_the_index_leads_on(self, service: Service):
        links = {link["rel"]: link["href"] for link in service.ask("GET").json()["links"]}
        assert links["events"] == f"{PREFIX}events"
        assert service.ask("GET", "events").status_code == 200
        assert service.ask("GET", "no-such-path").json()["status"] == 404
        assert service.ask("DELETE", "events").status_code == 405

    def test_a_client_with_a_wrong_token_is_told(self, service: Service):
        log = service.log_of("nobody")
        with pytest.raises(Unauthenticated):
            log.append([ping()])
        with pytest.raises(Unauthenticated):
            list(log.follow(after=0, timeout=5))


class TestPost:
    @pytest.mark.parametrize("form", [sdk.to_structured, sdk.to_binary])
    def test_takes_what_the_cloudevents_sdk_sends(self, service: Service, form: Any):
        attributes = {
            "type": "a.b",
            "source": "/sdk",
            "id": "1",
            "datacontenttype": "application/json",
        }
        message = form(CloudEvent(attributes=attributes, data={"n": 1}), JSONFormat())
        for _ in range(2):
            response = service.ask("POST", "events", headers=message.headers, content=message.body)
            assert (response.status_code, response.json()) == (200, {"sequences": [1]})
        (text,) = service.ask("GET", "events").json()
        wire = sdk.HTTPMessage({"content-type": STRUCTURED}, msgspec.json.encode(text))
        got = sdk.from_structured(wire, JSONFormat(), CloudEvent)
        assert (got.get_type(), got.get_id(), got.get_data()) == ("a.b", "1", {"n": 1})
        assert got.get_extension("owner") == "ann"

    def test_a_batch_is_stored_in_order(self, service: Service):
        events = [ping(str(n)) for n in range(50)]
        body = msgspec.json.encode(events)
        response = service.ask("POST", "events", headers={"Content-Type": BATCH}, content=body)
        assert response.json() == {"sequences": list(range(1, 51))}

    def test_a_user_signs_with_his_name_and_a_service_says_whose(self, service: Service):
        service.log_of("ann").append([ping("a", owner="bob", access="private")])
        service.log_of("catalog").append([ping("c", owner="bob", access="private")])
        # Nobody would see a private event without an owner, not even who sent it.
        service.log_of("catalog").append([ping("d", access="private")])
        owners = [(e.id, e.owner) for e in service.log.read()]
        assert owners == [("a", "ann"), ("c", "bob"), ("d", "catalog")]

    @pytest.mark.parametrize(
        "source", ["/collections/sst", "/jobs/1", "/rules/bob/x", "/users/bob", "/users/bob/x"]
    )
    def test_a_user_cannot_speak_for_others(self, service: Service, source: str):
        with pytest.raises(Forbidden) as caught:
            service.log_of("ann").append([ping(source=source)])
        assert caught.value.field == "source"
        assert service.log_of("catalog").append([ping(source=source)]) == [1]
        assert service.log_of("ann").append([ping(source="/users/ann/station")]) == [2]

    @pytest.mark.parametrize(
        ("event", "field"),
        [
            ({"source": "/me", "id": "1"}, "type"),
            ({"type": "", "source": "/me", "id": "1"}, "type"),
            ({"type": "a", "source": "/a b", "id": "1"}, "source"),
            ({"type": "a", "source": "/me", "id": "1", "time": "noon"}, "time"),
            ({"type": "a", "source": "/me", "id": "1", "access": "all"}, "access"),
            ({"type": "a", "source": "/me", "id": "1", "specversion": "2"}, "specversion"),
            ({"type": "a", "source": "/me", "id": "1", "data": "x" * LARGEST_DATA}, "data"),
        ],
    )
    def test_a_bad_event_is_named(self, service: Service, event: dict[str, Any], field: str):
        body = msgspec.json.encode(event)
        response = service.ask("POST", "events", headers={"Content-Type": STRUCTURED}, content=body)
        assert response.status_code == 400
        assert response.headers["content-type"] == "application/problem+json"
        assert (response.json()["type"], response.json()["field"]) == ("bad-event", field)
        assert service.log.last() == 0

    def test_what_is_too_large_is_refused(self, service: Service):
        headers = {"Content-Type": BATCH}
        body = b"[" + b" " * (17 * 2**20) + b"]"
        assert service.ask("POST", "events", headers=headers, content=body).status_code == 413
        many = msgspec.json.encode([{"type": "a", "source": "/", "id": ""}] * 10_001)
        response = service.ask("POST", "events", headers=headers, content=many)
        assert (response.status_code, response.json()["type"]) == (400, "bad-event")

    def test_a_full_disk_is_said_and_survived(self, service: Service):
        log = service.log_of("ann")
        writer = service.log._connection
        pages = writer.execute("PRAGMA page_count").fetchone()[0]
        writer.execute(f"PRAGMA max_page_count = {pages}")
        body = msgspec.json.encode([ping(str(n), data="x" * 1000) for n in range(9)])
        response = service.ask("POST", "events", headers={"Content-Type": BATCH}, content=body)
        assert (response.status_code, response.json()["type"]) == (507, "storage-full")
        writer.execute("PRAGMA max_page_count = 1000000")
        assert log.append([ping()]) == [1]

    def test_the_client_names_the_field_before_it_sends(self, service: Service):
        with pytest.raises(BadEvent) as caught:
            service.log_of("ann").append([ping(), ping("2", time="noon")])
        assert caught.value.field == "time"
        assert service.log.last() == 0


class TestGet:
    def test_pages_and_filters(self, service: Service):
        log = service.log_of("ann")
        log.append([ping(str(n), collection="ab"[n % 2], type=f"t{n % 3}") for n in range(12)])
        assert log.last() == 12
        assert [e.sequence for e in log.read(after=3, limit=4)] == [4, 5, 6, 7]
        where = EventFilter(type="t0", collection="b")
        assert [e.id for e in log.read(where=where)] == ["3", "9"]
        response = service.ask("GET", "events", params={"limit": 5})
        assert response.headers["content-type"] == BATCH
        assert response.headers["boathouse-last"] == "12"
        following = response.links["next"]["url"]
        assert following == f"{PREFIX}events?limit=5&after=5"
        assert [e.sequence for e in decode_batch(response.content)] == [1, 2, 3, 4, 5]

    def test_large_events_come_in_short_pages_and_all(self, service: Service):
        log = service.log_of("ann")
        log.append([ping(str(n), data="x" * 900_000) for n in range(12)])
        assert len(service.ask("GET", "events").content) < 10_000_000
        assert [e.id for e in log.read()] == [str(n) for n in range(12)]
        assert [e.id for e in log.read(limit=11)] == [str(n) for n in range(11)]
        assert [e.id for e in log.follow(after=0, timeout=0.5)] == [str(n) for n in range(12)]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("after", "-1"),
            ("after", "9" * 30),
            ("after", "x"),
            ("limit", "1e3"),
            ("limit", "10001"),
        ],
    )
    def test_a_bad_number_is_named(self, service: Service, name: str, value: str):
        response = service.ask("GET", "events", params={name: value})
        assert (response.status_code, response.json()["field"]) == (400, name)

    @pytest.mark.parametrize("path", ["events", "events/stream"])
    def test_a_bad_time_is_named(self, service: Service, path: str):
        response = service.ask("GET", path, params={"since": "yesterday"})
        assert (response.status_code, response.json()["field"]) == (400, "since")

    def test_each_sees_only_what_he_may(self, service: Service):
        service.log_of("catalog").append(
            [
                ping("public", owner="bob", access="public"),
                ping("anns", owner="ann", access="private"),
                ping("crews", owner="bob", access="group:crew"),
                ping("bobs", owner="bob", access="private"),
            ]
        )
        seen = {
            "ann": "public anns crews",
            "bob": "public crews bobs",
            "catalog": "public anns crews bobs",
        }
        for user, ids in seen.items():
            log = service.log_of(user)
            assert [e.id for e in log.read()] == ids.split(), user
            assert [e.id for e in log.follow(after=0, timeout=0.3)] == ids.split(), user
        as_bob = service.log_of("catalog").read(reader=TOKENS["bob-token"])
        assert [e.id for e in as_bob] == seen["bob"].split()


class TestFollow:
    def test_live_events_reach_only_whom_they_may(self, service: Service):
        followers = {user: service.log_of(user).follow(timeout=0.6) for user in ("ann", "bob")}
        got: dict[str, list[str]] = {}
        threads = [
            threading.Thread(target=lambda u=u, f=f: got.update({u: [e.id for e in f]}))
            for u, f in followers.items()
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        service.log_of("ann").append([ping("secret", access="private"), ping("open")])
        for thread in threads:
            thread.join()
        assert got == {"ann": ["secret", "open"], "bob": ["open"]}

    def test_sees_what_a_script_appends_beside_the_service(self, service: Service):
        following = service.log_of("ann").follow(timeout=5)
        beside = SqliteEventLog(service.path)
        beside.append([ping("beside")])
        assert next(following).id == "beside"
        beside.close()

    def test_a_restart_loses_and_repeats_nothing(self, service: Service):
        total = 120
        got: list[Event] = []
        following = service.log_of("ann").follow(where=EventFilter(type="org.example.ping"))

        def follow() -> None:
            for event in following:
                got.append(event)
                if len(got) == total:
                    return

        def produce() -> None:
            log = service.log_of("ann")
            for n in range(total):
                log.append([ping(str(n)), ping(f"other-{n}", type="other")])
                time.sleep(0.01)

        threads = [threading.Thread(target=target) for target in (follow, produce)]
        for thread in threads:
            thread.start()
        for seen in (20, 60):
            until(lambda seen=seen: len(got) >= seen)
            assert service.stop() < 1.9  # an open stream does not make it wait
            time.sleep(0.2)
            service.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        assert [event.id for event in got] == [str(n) for n in range(total)]
        numbers = [event.sequence for event in got]
        assert numbers == sorted(set(numbers))

    def test_silence_ends_it_in_spite_of_heartbeats(self, service: Service):
        began = time.monotonic()
        assert list(service.log_of("ann").follow(timeout=0.7)) == []
        assert 0.7 <= time.monotonic() - began < 2

    def test_no_silence_at_all_gives_what_is_there(self, service: Service):
        service.log_of("ann").append([ping("1"), ping("2")])
        assert [e.id for e in service.log_of("ann").follow(after=0, timeout=0)] == ["1", "2"]
        assert [e.id for e in service.log.follow(after=0, timeout=0)] == ["1", "2"]

    def test_a_service_that_is_not_there_is_said(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(remote, "PATIENCE", 0.3)
        service.stop()
        with pytest.raises(Unavailable, match="does not answer"):
            next(service.log_of("ann").follow(after=0))
        service.start()

    def test_resumes_where_the_header_says(self, service: Service):
        service.log_of("ann").append([ping(str(n)) for n in range(5)])
        with service.streaming(headers={"Last-Event-ID": "3"}, params={"after": "1"}) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            assert response.headers["x-accel-buffering"] == "no"
            parser, messages = StreamParser(), []
            for piece in response.iter_raw():
                messages += parser.feed(piece)
                if parser.last_id == "5":
                    break
        assert [msgspec.json.decode(m.data)["sequence"] for m in messages] == [4, 5]

    def test_a_heartbeat_moves_the_place_past_what_is_not_wanted(self, service: Service):
        service.log_of("ann").append([ping()])
        with service.streaming(params={"type": "rare"}) as response:
            parser = StreamParser()
            pieces = response.iter_raw()
            parser.feed(next(pieces))
            assert parser.last_id == "1"
            service.log.append([ping(str(n)) for n in range(2, 8)])
            for piece in pieces:
                assert parser.feed(piece) == []
                if parser.last_id == "7":
                    break

    def test_a_slow_client_gets_all_and_costs_little(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(streams, "QUEUE_BYTES", 2_000_000)
        with service.streaming() as response:
            pieces = response.iter_raw()
            next(pieces)
            (subscriber,) = _subscribers(service)
            for n in range(60):  # far more than the sockets' buffers take
                service.log.append([ping(str(n), data="x" * 400_000)])
            until(lambda: not subscriber.live)
            assert subscriber.sink.waiting() < 5_000_000  # of 24 MB
            parser, ids = StreamParser(), []
            for piece in pieces:
                ids += [msgspec.json.decode(m.data)["id"] for m in parser.feed(piece)]
                if len(ids) == 60:
                    break
        assert ids == [str(n) for n in range(60)]

    def test_a_right_that_is_withdrawn_ends_the_stream(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(streams, "RIGHT_SECONDS", 0.1)
        following = service.log_of("ann").follow(timeout=10)
        service.log.append([ping()])
        assert next(following).id == "1"
        del service.tokens["ann-token"]
        with pytest.raises(Unauthenticated):
            next(following)

    def test_a_client_that_goes_leaves_nothing(self, service: Service):
        with service.streaming() as response:
            pieces = response.iter_raw()  # kept, since httpx closes what nobody holds
            next(pieces)
            until(lambda: len(_subscribers(service)) == 1)
        until(lambda: not _subscribers(service))


def _subscribers(service: Service) -> list[streams.Subscriber]:
    (route,) = [
        route
        for route in service.server.config.app.routes[0].routes
        if route.path == "/events/stream"
    ]
    return list(route.endpoint.__self__.broadcast.subscribers)


def test_ends_soon_although_a_client_does_not_read(service: Service):
    with service.streaming() as response:
        pieces = response.iter_raw()  # kept, since httpx closes what nobody holds
        next(pieces)
        for n in range(40):
            service.log.append([ping(str(n), data="x" * 400_000)])
        time.sleep(0.3)
        assert _subscribers(service)
        assert service.stop() < 3.5  # the server waits 2 s for the client
    service.start()


def test_the_notebook_face_is_the_same_over_http(service: Service, tmp_path: Path):
    def lake_of(user: str) -> Lake:
        log = service.log_of(user)
        store = SqliteStore(tmp_path / f"{user}.sqlite", log=log)
        return Lake(tmp_path, store, log, user=user)

    ann, bob = lake_of("ann"), lake_of("bob")
    heard = listen("org.example.ping", timeout=0.5, lake=ann)
    secret = notify("org.example.ping", data={"n": 1}, lake=ann)
    shared = notify("org.example.ping", access="public", collection="c", lake=ann)
    assert (secret.sequence, secret.owner, secret.source) == (1, "ann", "/users/ann")
    assert list(heard) == [secret, shared]
    assert list(replay(lake=bob)) == [shared]
    assert list(replay(secret.time, collection="c", lake=ann)) == [shared]
    for lake in (ann, bob):
        lake.store.close()


def test_a_defect_is_logged_once_with_the_reference_that_the_user_sees(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    def broken(**_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(service.log, "stored", broken)
    response = service.ask("GET", "events")
    assert response.status_code == 500
    ours = [
        r for r in caplog.records if r.name.startswith("boathouse") and r.levelno >= logging.ERROR
    ]
    assert len(ours) == 1
    reference = response.json()["detail"].rstrip(".").rpartition(" ")[2]
    assert reference in ours[0].getMessage()
    assert "token" not in ours[0].getMessage()


MAIN = [sys.executable, "-m", "boathouse.hub.services.events"]


class TestProcess:
    """The service as the hub starts it, with a stand-in for the hub's answer about tokens."""

    @contextmanager
    def running(self, lake: Path, port: int, hub: int) -> Iterator[subprocess.Popen[bytes]]:
        environment = {
            **os.environ,
            "BOATHOUSE_LAKE": str(lake),
            "JUPYTERHUB_SERVICE_NAME": "events",
            "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}",
            "JUPYTERHUB_API_URL": f"http://127.0.0.1:{hub}/hub/api",
            "JUPYTERHUB_API_TOKEN": "own",
        }
        process = subprocess.Popen(MAIN, env=environment)
        try:
            url = f"http://127.0.0.1:{port}{PREFIX}health"
            until(lambda: _answers(url), 60)
            yield process
        finally:
            process.kill()
            process.wait()

    def test_is_killed_and_stopped_without_loss(self, service: Service, tmp_path: Path, hub: int):
        service.stop()
        lake, port = tmp_path / "lake", service.port
        log = service.log_of("ann")
        with self.running(lake, port, hub) as process:
            following = log.follow(after=0)
            log.append([ping("a")])
            assert next(following).id == "a"
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        with self.running(lake, port, hub) as process:
            assert log.append([ping("a"), ping("b")]) == [1, 2]
            assert next(following).id == "b"
            with pytest.raises(Unauthenticated):
                service.log_of("nobody").last()
            with pytest.raises(Unauthenticated):
                service.log_of("scopeless").last()
            began = time.monotonic()
            process.terminate()
            process.wait(10)
            assert time.monotonic() - began < 3
        assert (lake / ".boathouse").stat().st_mode & 0o777 == 0o700
        service.start()

    @pytest.fixture
    def hub(self) -> Iterator[int]:
        """A real HTTP server that answers ``/hub/api/user`` for ann as JupyterHub does."""
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        model = {"name": "ann", "kind": "user", "groups": ["crew"], "admin": False}
        scopes = {
            "ann-token": ["access:services", "custom:events:publish"],
            "reader-token": ["access:services"],
            "scopeless-token": [],
        }

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                token = self.headers.get("Authorization", "").partition(" ")[2]
                known = self.path == "/hub/api/user" and token in scopes
                body = msgspec.json.encode({**model, "scopes": scopes[token]} if known else {})
                self.send_response(200 if known else 403)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
        server.server_close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def test_appending_does_not_hold_up_the_loop(tmp_path: Path):
    log = SqliteEventLog(tmp_path / "events.sqlite")

    async def run() -> list[list[int]]:
        return await asyncio.gather(*(log.append_async([ping(str(n))]) for n in range(50)))

    numbers = asyncio.run(run())
    assert sorted(n for (n,) in numbers) == list(range(1, 51))
    log.close()
