"""The dashboard behind a real hub: who gets in, and what becomes of a withdrawn login."""

import time
from typing import Any

import httpx
import pytest

from boathouse.hub.dashboard.identity import BELIEVE_SECONDS, RECHECK_SECONDS

pytestmark = pytest.mark.hub

PAGE = "services/dashboard/"


def test_a_stranger_ends_at_the_login(running_hub: Any) -> None:
    with httpx.Client(
        base_url=running_hub.address, follow_redirects=True, trust_env=False
    ) as stranger:
        for path in (PAGE, f"{PAGE}runs/x", f"{PAGE}metadata"):
            answer = stranger.get(path)
            assert answer.url.path == "/hub/login", path


def test_a_user_sees_the_page_and_the_hub_keeps_the_token(running_hub: Any) -> None:
    visitor = running_hub.visit(running_hub.name, running_hub.password)
    page = visitor.client.get(PAGE)
    assert page.status_code == 200
    assert page.url.path == f"/{PAGE}"
    assert f"You are logged in as {running_hub.name}" in page.text
    cookies = {
        cookie.name: cookie for cookie in visitor.client.cookies.jar if cookie.path == f"/{PAGE}"
    }
    login = cookies["service-dashboard"]
    assert login.has_nonstandard_attr("HttpOnly")
    for cookie in visitor.client.cookies.jar:
        assert cookie.name == "_xsrf" or str(cookie.value) not in page.text
    missing = visitor.client.get(f"{PAGE}runs/no-such-run")
    assert missing.status_code == 404
    assert "No such run" in missing.text


def test_a_token_without_the_scope_is_a_stranger(running_hub: Any) -> None:
    visitor = running_hub.visit(running_hub.name, running_hub.password)
    narrow = visitor.token(scopes=["read:users:name!user"])
    answer = httpx.get(
        f"{running_hub.address}{PAGE}",
        headers={"Authorization": f"token {narrow}"},
        trust_env=False,
    )
    assert answer.status_code == 302


def test_who_logs_out_of_the_hub_is_out_of_the_dashboard(running_hub: Any) -> None:
    visitor = running_hub.visit(running_hub.name, running_hub.password)
    assert visitor.client.get(PAGE).status_code == 200
    visitor.client.get("hub/logout")
    assert visitor.client.get(PAGE).url.path == "/hub/login"


@pytest.mark.slow
def test_a_withdrawn_login_is_noticed_in_time(running_hub: Any) -> None:
    visitor = running_hub.visit(running_hub.name, running_hub.password)
    assert visitor.client.get(PAGE).status_code == 200
    tokens = visitor.client.get(
        f"hub/api/users/{visitor.name}/tokens", headers=visitor.headers
    ).json()["api_tokens"]
    ours = [token for token in tokens if "dashboard" in str(token.get("oauth_client", "")).lower()]
    assert ours
    for token in ours:
        visitor.client.delete(
            f"hub/api/users/{visitor.name}/tokens/{token['id']}", headers=visitor.headers
        )
    end = time.monotonic() + BELIEVE_SECONDS + RECHECK_SECONDS + 10
    while visitor.client.get(PAGE, follow_redirects=False).status_code == 200:
        assert time.monotonic() < end
        time.sleep(2)
