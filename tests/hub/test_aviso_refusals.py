"""What Aviso's paths refuse, in words that its client understands; and its command line."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyaviso
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .aviso_service import READERS, AvisoService, until

RING = "46,8,46,9,47,9,47,8,46,8"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AvisoService]:
    service = AvisoService(tmp_path_factory.mktemp("refusing"))
    service.start()
    yield service
    service.stop()


def flight(**changes: Any) -> dict[str, Any]:
    return {"country": "it", "number": 1, "date": "20260706", **changes}


@pytest.mark.parametrize(
    ("path", "body", "code", "field"),
    [
        ("notification", b"{", "INVALID_JSON", None),
        ("notification", b"\xff", "INVALID_JSON", None),
        ("notification", {"event_type": "flight", "idd": 1}, "UNKNOWN_FIELD", "idd"),
        ("notification", {"event_type": 1}, "INVALID_REQUEST_SHAPE", "event_type"),
        ("notification", [], "INVALID_REQUEST_SHAPE", None),
        ("notification", {"identifier": {}}, "INVALID_REQUEST_SHAPE", "event_type"),
        ("notification", {"event_type": "x"}, "UNKNOWN_EVENT_TYPE", "event_type"),
        ("notification", {"event_type": ""}, "UNKNOWN_EVENT_TYPE", "event_type"),
        (
            "notification",
            {"event_type": "flight", "identifier": flight(number="x")},
            "INVALID_NOTIFICATION_REQUEST",
            "data.identifier.number",
        ),
        (
            "notification",
            {"event_type": "storm", "identifier": {"severity": 1, "polygon": RING}},
            "INVALID_NOTIFICATION_REQUEST",
            "data.payload",
        ),
        (
            "notification",
            {"event_type": "flight", "identifier": flight(point="1,2")},
            "INVALID_NOTIFICATION_REQUEST",
            "point",
        ),
        ("watch", {"event_type": "x"}, "UNKNOWN_EVENT_TYPE", "event_type"),
        (
            "watch",
            {"event_type": "flight", "identifier": {"numbr": 1}},
            "INVALID_WATCH_REQUEST",
            "identifier.numbr",
        ),
        (
            "watch",
            {"event_type": "flight", "identifier": {"number": {"gt": 1, "lt": 3}}},
            "INVALID_WATCH_REQUEST",
            "identifier.number",
        ),
        ("watch", {"event_type": "storm"}, "INVALID_WATCH_REQUEST", "identifier.severity"),
        (
            "watch",
            {"event_type": "storm", "identifier": {"severity": 1, "point": "1,2", "polygon": RING}},
            "INVALID_WATCH_REQUEST",
            "identifier.point",
        ),
        (
            "watch",
            {"event_type": "storm", "identifier": {"severity": 1, "point": "91,2"}},
            "INVALID_WATCH_REQUEST",
            "identifier.point",
        ),
        (
            "watch",
            {"event_type": "flight", "identifier": {"point": "1,2"}},
            "INVALID_WATCH_REQUEST",
            "identifier.point",
        ),
        (
            "watch",
            {"event_type": "flight", "from_id": "1", "from_date": "2026-01-01"},
            "INVALID_WATCH_REQUEST",
            "from_date",
        ),
        (
            "watch",
            {"event_type": "flight", "from_id": "9999"},
            "INVALID_WATCH_REQUEST",
            "from_id",
        ),
        ("watch", {"event_type": "flight", "to_id": "1"}, "INVALID_WATCH_REQUEST", "to_id"),
        ("replay", {"event_type": "flight"}, "INVALID_REPLAY_REQUEST", "from_id"),
        (
            "replay",
            {"event_type": "flight", "from_id": "-1"},
            "INVALID_REPLAY_REQUEST",
            "from_id",
        ),
        (
            "replay",
            {"event_type": "flight", "from_date": "yesterday"},
            "INVALID_REPLAY_REQUEST",
            "from_date",
        ),
    ],
)
def test_a_bad_request_is_answered_with_code_reason_and_field(
    service: AvisoService, path: str, body: Any, code: str, field: str | None
):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = service.ask("POST", f"api/v1/{path}", content=content)
    document = answer.json()
    assert (answer.status_code, document["code"], document.get("field")) == (400, code, field)
    assert document["message"] == document["details"]
    assert document["request_id"] == answer.headers["x-request-id"]
    if code == "UNKNOWN_EVENT_TYPE":
        assert document["configured_event_types"] == ["crewed", "flight", "storm"]


def test_the_client_tells_its_user_what_is_wrong(service: AvisoService):
    with pytest.raises(pyaviso.HttpError) as refused:
        service.client().notify(event_type="flight", identifier={"country": "it"})
    assert refused.value.status == 400
    assert json.loads(refused.value.body)["field"] == "data.identifier.number"
    with (
        pytest.raises(pyaviso.HttpError, match="UNKNOWN_EVENT_TYPE"),
        service.client().listen("nowhere") as notifications,
    ):
        next(notifications)
    with pytest.raises(pyaviso.HttpError) as refused:
        service.client("nobody").notify(event_type="flight", identifier=flight())
    assert refused.value.status == 401


def test_roles_decide_who_reads_and_writes(service: AvisoService):
    def heard(user: str) -> int:
        client = service.client(user)
        with client.listen("crewed", start_from=0, mode="replay_only") as notifications:
            return len(list(notifications))

    service.client("ann").notify(event_type="crewed", identifier={"n": 1})
    assert heard("ann") == heard("rob") == heard("root") == 1
    for user, act in [
        ("bob", heard),
        ("rob", lambda user: service.client(user).notify(event_type="crewed", identifier={"n": 2})),
        (
            "deaf",
            lambda user: service.client(user).notify(event_type="flight", identifier=flight()),
        ),
    ]:
        with pytest.raises(pyaviso.HttpError, match="FORBIDDEN") as refused:
            act(user)
        assert refused.value.status == 403

    # Nor do they lie open on the log's own paths.
    def types(user: str) -> list[str]:
        return [event.type for event in service.log.read(reader=READERS[f"{user}-token"])]

    assert "int.ecmwf.aviso.crewed" not in types("bob")
    assert "int.ecmwf.aviso.crewed" in types("ann")


def test_a_repeated_notification_with_an_id_is_one(service: AvisoService):
    body = {"event_type": "flight", "identifier": flight(number=77), "id": "mine-1"}
    before = service.log.last()
    for _ in range(3):
        assert service.ask("POST", "api/v1/notification", json=body).status_code == 200
    del body["id"]
    for _ in range(2):
        headers = {"Idempotency-Key": "mine-2"}
        answer = service.ask("POST", "api/v1/notification", json=body, headers=headers)
        assert answer.status_code == 200
    assert service.log.last() == before + 2
    # Another user's id is another one.
    service.ask("POST", "api/v1/notification", "bob", json={**body, "id": "mine-1"})
    assert service.log.last() == before + 3


def test_nothing_is_deleted(service: AvisoService):
    with pytest.raises(pyaviso.HttpError, match="NOT_SUPPORTED"):
        service.client("root").delete_notification("flight@1")
    with pytest.raises(pyaviso.HttpError, match="FORBIDDEN"):
        service.client("ann").wipe_all()


def test_administrators_set_schemas_and_clients_see_them_at_once(service: AvisoService):
    kind = "int.ecmwf.aviso.ships"
    text = "topic: {base: ships, key_order: [flag]}\nidentifier:\n"
    text += "  flag: {type: EnumHandler, values: [NO, dk], required: false}\n"
    yaml = {"Content-Type": "application/yaml"}
    refused = service.ask("PUT", f"schemas/{kind}", "ann", content=text, headers=yaml)
    assert refused.status_code == 403
    done = service.ask("PUT", f"schemas/{kind}", "root", content=text, headers=yaml)
    assert done.status_code == 204
    service.client().notify(event_type="ships", identifier={"flag": "no"})
    assert service.ask("GET", f"schemas/{kind}").json()["topic"]["base"] == "ships"
    for content, field in [(b"{", "schema"), (b"[]", "schema"), (b'{"identifier": 1}', None)]:
        bad = service.ask("PUT", f"schemas/{kind}", "root", content=content)
        assert bad.status_code == 400
        assert field is None or bad.json()["field"] == field
    assert service.ask("PUT", "schemas/..%2Fx", "root", json={}).status_code in (400, 404)
    assert service.ask("DELETE", f"schemas/{kind}", "bob").status_code == 403
    assert service.ask("DELETE", f"schemas/{kind}", "root").status_code == 204
    assert service.ask("DELETE", f"schemas/{kind}", "root").status_code == 404
    policy = {"strict": False, "types": {"org.example.*": "strict"}}
    assert service.ask("PUT", "schemas", "ann", json=policy).status_code == 403
    assert service.ask("PUT", "schemas", "root", json={"strict": 1}).json()["field"] == "strict"
    assert service.ask("PUT", "schemas", "root", json=policy).json()["policy"] == policy
    assert "int.ecmwf.aviso.flight" in service.ask("GET", "schemas").json()["types"]


KEYS = st.sampled_from(["country", "number", "date", "severity", "polygon", "point", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["eq", "in", "gt", "between", "a"]), inner, max_size=2)
    ),
    max_leaves=4,
)
BODIES = st.fixed_dictionaries(
    {"event_type": st.sampled_from(["flight", "storm", "crewed", "x", ""]) | VALUES},
    optional={
        "identifier": st.dictionaries(KEYS, VALUES, max_size=4) | VALUES,
        "from_id": st.integers(-1, 9) | VALUES,
        "from_date": st.sampled_from(["2026-01-01", "1e9", "99999999999999999"]) | VALUES,
        "to_id": VALUES,
        "payload": VALUES,
    },
)


@given(path=st.sampled_from(["notification", "watch", "replay"]), body=BODIES)
@settings(max_examples=250, deadline=None)
def test_whatever_is_sent_is_answered_and_never_with_a_defect(
    service: AvisoService, path: str, body: Any
):
    url = f"{service.url}api/v1/{path}"
    with service.session.stream("POST", url, content=json.dumps(body)) as answer:
        assert answer.status_code in (200, 400, 403)
        if answer.status_code != 200:
            assert json.loads(answer.read())["code"]


def test_health_needs_no_token(service: AvisoService):
    assert httpx.get(service.url + "health", trust_env=False).json() == {"status": "ok"}


def test_without_any_schema_everything_is_taken(tmp_path: Path):
    service = AvisoService(tmp_path, schemas="")
    service.start()
    client = service.client()
    assert client.schema().event_types == []
    for n in range(2):
        client.notify(event_type="free", identifier={"n": str(n), "k": "v"}, payload=n)
    with client.listen("free", filter={"n": "1"}, start_from=0, mode="replay_only") as got:
        assert [(each.sequence, each.payload) for each in got] == [(2, 1)]
    answer = service.ask(
        "POST", "api/v1/watch", json={"event_type": "free", "identifier": {"n": {"gt": 0}}}
    )
    assert answer.json()["field"] == "identifier.n"
    for name in ("../x", "fre.*", "a b", "n" * 300):
        for path in ("watch", "notification"):
            answer = service.ask("POST", f"api/v1/{path}", json={"event_type": name})
            assert answer.json()["code"] == "UNKNOWN_EVENT_TYPE"
    service.stop()


def test_the_command_line(service: AvisoService, tmp_path: Path):
    def run(*words: str) -> str:
        done = service.command(*words, home=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "crewed" in run("schema", "list")
    assert "PolygonHandler" in run("--json", "schema", "get", "storm")
    keys = ("--identifier", "severity=3", "--identifier", f"polygon={RING}")
    listening = subprocess.Popen(
        service.words("listen", "--event", "storm", "--identifiers", '{"severity":{"gt":2}}'),
        env=service.environment("ann", tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: service.listeners() == 1)
        run("notify", 'event=storm,data={"gust": 40}', *keys)
        assert listening.stdout is not None
        assert json.loads(listening.stdout.readline())["payload"] == {"gust": 40}
    finally:
        listening.terminate()
        listening.wait(10)
        listening.stdout.close()
    words = ("--event", "storm", "--identifiers", '{"severity":{"lte":3}}', "--from", "0")
    assert json.loads(run("replay", *words))["identifier"] == {"severity": "3", "polygon": RING}
    refused = service.command("schema", "get", "nowhere", home=tmp_path)
    assert refused.returncode != 0
    assert "nowhere" in refused.stderr + refused.stdout
