"""Who gets in: login, routes without login, tokens, and two users of one hub."""

import re
from typing import Any

import httpx
import msgspec
import pytest

from boathouse.catalogs.events.wire import STRUCTURED
from boathouse.hub.services.clusters import TOKEN_SCOPES

pytestmark = pytest.mark.hub

SERVICES = ("events", "catalog", "automation", "dashboard", "dask-gateway")


def ask(hub: Any, path: str, token: str = "", **more: Any) -> int:
    headers = {"Authorization": f"token {token}"} if token else {}
    with httpx.Client(trust_env=False, timeout=30) as client:
        method = more.pop("method", "GET")
        return client.request(method, hub.address + path, headers=headers, **more).status_code


@pytest.fixture(scope="module")
def ann(running_hub: Any) -> Any:
    return running_hub.add_user("ann", "scaler")


@pytest.fixture(scope="module")
def bob(running_hub: Any) -> Any:
    return running_hub.add_user("bob")


def test_a_wrong_password_is_said_on_the_page_and_logged_once_without_it(running_hub: Any) -> None:
    guess = "open-sesame-1234"
    visitor = running_hub.visit(running_hub.name, guess)
    assert visitor.answer.status_code == 403
    said = re.search(r'class="login_error">([^<]+)<', visitor.answer.text)
    assert said is not None
    assert "Invalid username or password" in said[1]
    assert running_hub.log().count(f"Failed login for '{running_hub.name}'") == 1
    assert guess not in running_hub.log()


def test_the_printed_password_opens_the_home_page(running_hub: Any) -> None:
    visitor = running_hub.visit(running_hub.name, running_hub.password)
    assert visitor.answer.url.path == "/hub/home"
    assert "/services/dashboard/" in visitor.answer.text
    assert "JupyterLab" in visitor.answer.text
    assert running_hub.password not in running_hub.log()


def test_the_pages_ask_nobody_else(running_hub: Any) -> None:
    visitor = running_hub.visit(running_hub.name, running_hub.password)
    pages = httpx.get(f"{running_hub.address}hub/login", trust_env=False).text + visitor.answer.text
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]+"', pages) == []


@pytest.mark.parametrize(
    "path",
    [
        "",
        "hub/home",
        "hub/token",
        "hub/admin",
        "hub/api/users",
        "hub/api/user",
        "hub/api/services",
        "hub/api/proxy",
        "hub/metrics",
        "user/ann/",
        "user/ann/lab",
        "user/ann/api/contents",
        "services/events/events",
        "services/events/events/stream",
        "services/catalog/collections",
        "services/catalog/items",
        "services/extract/",
        "services/extract/collections",
        "services/extract/collections/ostia-sst/position",
        "services/observations/stations",
        "services/observations/commands",
        "services/events/consumers",
        "services/events/webhooks",
        "services/events/metrics",
        "services/automation/deliveries",
        "services/automation/jobs",
        "services/automation/rules",
        "services/automation/schedules",
        "services/automation/recipes",
        "services/dashboard/",
        "services/dask-gateway/api/v1/clusters/",
        "services/dask-gateway/clusters/any/status",
    ],
)
def test_nobody_without_login_sees_anything(running_hub: Any, ann: Any, path: str) -> None:
    ann.start_server()
    with httpx.Client(trust_env=False, follow_redirects=True) as client:
        for headers in ({}, {"Authorization": "token " + "0" * 32}):
            answer = client.get(running_hub.address + path, headers=headers)
            refused = answer.status_code in (401, 403, 404)
            assert refused or answer.url.path == "/hub/login", answer.url


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "services/events/events"),
        ("POST", "services/catalog/records"),
        ("POST", "services/extract/collections/ostia-sst/retrieve"),
        ("POST", "services/observations/observations"),
        ("POST", "services/events/api/v1/notification"),
        ("POST", "services/automation/jobs"),
        ("POST", "services/automation/rules"),
        ("DELETE", "services/automation/rules/any"),
        ("POST", "services/dask-gateway/api/v1/clusters/"),
        ("POST", "hub/api/users/ann/server"),
        ("POST", "hub/api/users/ann/tokens"),
    ],
)
def test_nobody_without_login_changes_anything(running_hub: Any, method: str, path: str) -> None:
    assert ask(running_hub, path, method=method, json={}) in (401, 403)


def test_a_user_reaches_every_service_with_a_token(running_hub: Any, ann: Any) -> None:
    token = ann.token()
    assert ask(running_hub, "services/events/events", token) == 200
    assert ask(running_hub, "services/catalog/collections", token) == 200
    assert ask(running_hub, "services/automation/jobs", token) == 200
    clusters = "services/dask-gateway/api/v1/clusters/"
    assert ask(running_hub, clusters, token) == 200


def test_a_token_for_one_service_opens_no_other(running_hub: Any, ann: Any) -> None:
    token = ann.token(["read:users:name!user", "access:services!service=events"])
    assert ask(running_hub, "services/events/events", token) == 200
    assert ask(running_hub, "services/catalog/collections", token) == 401
    clusters = "services/dask-gateway/api/v1/clusters/"
    assert ask(running_hub, clusters, token) == 401
    assert ask(running_hub, "user/ann/api/contents", token) == 403


def test_a_token_publishes_only_with_the_scope(running_hub: Any, ann: Any) -> None:
    listener = ann.token(["read:users:name!user", "access:services!service=events"])
    kernel = ann.kernel_environment()["JUPYTERHUB_API_TOKEN"]
    url = f"{running_hub.address}services/events/events"
    event = {"specversion": "1.0", "type": "org.example.ping", "source": "/me", "id": "doors"}

    def publish(token: str) -> httpx.Response:
        headers = {"Authorization": f"token {token}", "Content-Type": STRUCTURED}
        content = msgspec.json.encode(event)
        return httpx.post(url, headers=headers, content=content, trust_env=False)

    refused = publish(listener)
    assert refused.status_code == 403
    assert "custom:events:publish" in refused.json()["detail"]
    assert publish(kernel).status_code == 200
    assert ask(running_hub, "services/events/events", listener) == 200


def test_a_kernels_token_reaches_the_services_and_nothing_of_the_hub(
    running_hub: Any, ann: Any
) -> None:
    environment = ann.kernel_environment()
    token = environment["JUPYTERHUB_API_TOKEN"]
    assert environment["DASK_BOATHOUSE__ADDRESS"] == running_hub.address
    assert environment["DASK_BOATHOUSE__LAKE"] == str(running_hub.lake)
    assert ask(running_hub, "services/catalog/collections", token) == 200
    for path in ("hub/api/users", "hub/api/users/ann/tokens", "hub/api/services", "hub/api/groups"):
        assert ask(running_hub, path, token) in (403, 404)
    assert ask(running_hub, "hub/api/users/ann/server", token, method="DELETE") in (403, 404)


def test_neither_user_reaches_the_others_server_or_cluster(
    running_hub: Any, ann: Any, bob: Any
) -> None:
    ann.start_server()
    mine, his = ann.token(), bob.token()
    assert ask(running_hub, "user/ann/api/contents", mine) == 200
    assert ask(running_hub, "user/ann/api/contents", his) == 403
    assert ask(running_hub, "hub/api/users/ann/server", his, method="DELETE") == 404
    assert bob.client.get("user/ann/lab").status_code in (403, 404)

    clusters = "services/dask-gateway/api/v1/clusters/"
    ann.run("client = bh.attach(); client.submit(sum, [1, 2]).result()")
    headers = {"Authorization": f"token {mine}"}
    names = list(httpx.get(running_hub.address + clusters, headers=headers, trust_env=False).json())
    assert len(names) == 1
    assert ask(running_hub, clusters + names[0], his) == 403
    assert ask(running_hub, clusters + names[0], his, method="DELETE") == 403
    # Dask's own dashboard would be open to everybody.
    for page in ("status", "health", "json/counts.json", "info/main/workers.html"):
        assert ask(running_hub, f"services/dask-gateway/clusters/{names[0]}/{page}", mine) == 404


def test_automation_makes_a_users_token_no_wider_than_the_user(running_hub: Any, bob: Any) -> None:
    (service,) = running_hub.processes("services.automation")
    own = service.environ()["JUPYTERHUB_API_TOKEN"]
    headers = {"Authorization": f"token {own}"}

    def lend(scopes: list[str]) -> httpx.Response:
        body = {"scopes": scopes, "expires_in": 60, "note": "test"}
        url = f"{running_hub.address}hub/api/users/bob/tokens"
        return httpx.post(url, headers=headers, json=body, trust_env=False)

    lent = lend(["access:services!service=events", "read:users:name!user"])
    assert lent.status_code == 201
    token = lent.json()["token"]
    assert ask(running_hub, "services/events/events", token) == 200
    assert ask(running_hub, "services/automation/jobs", token) == 401
    assert lend(TOKEN_SCOPES).json()["scopes"].count("custom:events:publish") == 1
    refused = lend(["admin:users"])
    assert refused.status_code == 400 or "admin:users" not in refused.json()["scopes"]


def test_secrets_are_for_one_account_only(running_hub: Any) -> None:
    state = running_hub.lake / ".boathouse"
    assert state.stat().st_mode & 0o777 == 0o700
    for path in [*state.iterdir(), *(state / "logs").iterdir()]:
        assert path.stat().st_mode & 0o077 == 0, path
