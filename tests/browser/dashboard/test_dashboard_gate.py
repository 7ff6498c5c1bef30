"""Who gets into the dashboard, and how the door closes behind those who may not stay."""

import re
import time
from typing import Any

import httpx
import pytest
from bokeh.util.token import generate_jwt_token, generate_session_id
from jupyterhub.services.auth import HubOAuth
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.web import HTTPError
from tornado.websocket import websocket_connect

from boathouse.hub.dashboard import identity
from boathouse.hub.dashboard.identity import TICKET, HubGate

ANN, BOB = {"Cookie": "who=ann"}, {"Cookie": "who=bob"}


def page_token(desk: Any, headers: dict[str, str]) -> str:
    """The session token that a page of the dashboard carries."""
    page = httpx.get(desk.url, headers=headers)
    assert page.status_code == 200
    found = re.search(r'"token":"([^"]+)"', page.text)
    assert found, page.text[-2000:]
    return found[1]


async def connect(desk: Any, token: str, headers: dict[str, str]) -> Any:
    url = desk.url.replace("http", "ws", 1) + "ws"
    request = HTTPRequest(url, headers=headers)
    return await websocket_connect(request, subprotocols=["bokeh", token])


async def message(socket: Any) -> Any:
    """The next one; asked for on the socket's own loop, as tornado's futures need."""
    return await socket.read_message()


async def hang_up(socket: Any) -> None:
    socket.close()
    while await socket.read_message() is not None:
        pass


def refused(desk: Any, token: str, headers: dict[str, str]) -> bool:
    try:
        desk.run(hang_up(desk.run(connect(desk, token, headers))))
    except HTTPClientError as error:
        return error.code == 403
    return False


def until(condition: Any, seconds: float = 15) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    "path",
    [
        "",
        "?collection=air-fresh",
        "runs/job-1",
        "runs/job-1/notebook.ipynb",
        "autoload.js?bokeh-autoload-element=x",
        "metadata",
    ],
)
def test_strangers_are_sent_to_the_login(desk: Any, path: str) -> None:
    desk.job("job-1")
    answer = httpx.get(desk.url + path)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/services/dashboard/login?next=")
    assert "air-fresh" not in answer.text


def test_what_is_public_tells_nothing(desk: Any) -> None:
    assert httpx.get(desk.url + "health").json() == {"status": "ok"}
    font = httpx.get(desk.url + "assets/inter-latin-400-normal.woff2")
    assert font.content[:4] == b"wOF2"
    assert httpx.get(desk.url + "assets/../server.py").status_code == 404
    assert httpx.get(desk.url + "assets/%2e%2e/server.py").status_code in (403, 404)


def test_the_page_keeps_itself_to_itself(desk: Any) -> None:
    page = httpx.get(desk.url, headers={"Cookie": "who=ann; other=hush-hush"})
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-eval" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"
    assert "hush-hush" not in page.text


def test_a_session_is_never_chosen_by_the_browser(desk: Any) -> None:
    for query in ("?bokeh-session-id=x", "?bokeh-token=x"):
        assert httpx.get(desk.url + query, headers=ANN).status_code == 403
    answer = httpx.get(desk.url, headers={**ANN, "Bokeh-Session-Id": "x"})
    assert answer.status_code == 403


def test_a_page_belongs_to_whom_it_was_sent(desk: Any) -> None:
    token = page_token(desk, ANN)
    assert refused(desk, token, {})
    assert refused(desk, token, BOB)
    assert refused(desk, token, {**ANN, "Origin": "http://evil.invalid"})
    host = desk.url.split("/")[2]
    socket = desk.run(connect(desk, token, {**ANN, "Origin": f"http://{host}"}))
    assert "ACK" in desk.run(message(socket))
    desk.run(hang_up(socket))


def test_a_made_up_session_token_is_refused(desk: Any) -> None:
    page_token(desk, ANN)
    (ticket,) = desk.gate._pages
    payload: Any = {"cookies": {TICKET: ticket}, "headers": {}, "arguments": {}}
    for key in (None, b"guessed"):
        session = generate_session_id(secret_key=key, signed=key is not None)
        token = generate_jwt_token(
            session, secret_key=key, signed=key is not None, extra_payload=payload
        )
        assert refused(desk, token, ANN)


def test_a_withdrawn_right_closes_the_open_page(desk: Any) -> None:
    socket = desk.run(connect(desk, page_token(desk, ANN), ANN))
    assert "ACK" in desk.run(message(socket))
    assert len(desk.gate._pages) == 1
    del desk.gate.visitors["ann"]
    desk.run(desk.gate.recheck())
    while desk.run(message(socket)) is not None:
        pass
    assert socket.close_code == 1008
    # Nothing of the page is left: no ticket, no subscriber, no session.
    assert desk.gate._pages == {}
    assert until(lambda: not desk.dashboard.follower._subscribers)
    assert until(lambda: not desk.server.get_sessions("/"))
    assert httpx.get(desk.url, headers=ANN).status_code == 302
    socket.close()


def test_a_silent_hub_closes_pages_only_after_a_while(desk: Any, monkeypatch: Any) -> None:
    page_token(desk, ANN)

    async def silent(_visitor: Any) -> Any:
        raise HTTPError(502, "no hub")

    monkeypatch.setattr(desk.gate, "still", silent)
    desk.run(desk.gate.recheck())
    assert len(desk.gate._pages) == 1
    monkeypatch.setattr(identity, "GRACE_SECONDS", 0)
    desk.run(desk.gate.recheck())
    assert desk.gate._pages == {}


def test_runs_are_shown_to_their_owner_only(desk: Any) -> None:
    cell = {"cell_type": "markdown", "id": "a", "source": "# What Ann found", "metadata": {}}
    desk.job("job-1")
    url = desk.url + "runs/job-1"
    waiting = httpx.get(url, headers=ANN, timeout=60)
    assert "when its first cell has run" in waiting.text
    desk.notebook("job-1", {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    page = httpx.get(url, headers=ANN, timeout=60)
    assert page.status_code == 200
    assert "What Ann found" in page.text
    assert page.headers["content-security-policy"].startswith("sandbox ")
    assert "allow-scripts" not in page.headers["content-security-policy"]
    assert "allow-same-origin" not in page.headers["content-security-policy"]
    file = httpx.get(f"{url}/notebook.ipynb", headers=ANN)
    assert file.headers["content-disposition"].startswith("attachment")
    assert file.json()["cells"][0]["source"] == "# What Ann found"
    for path in ("runs/job-1", "runs/job-1/notebook.ipynb", "runs/nobody"):
        hidden = httpx.get(desk.url + path, headers=BOB)
        assert hidden.status_code == 404
        assert "What Ann found" not in hidden.text


def test_a_broken_notebook_is_said(desk: Any) -> None:
    desk.job("job-1")
    path = desk.lake.root / "runs" / "job-1" / "notebook.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text("{half")
    page = httpx.get(desk.url + "runs/job-1", headers=ANN, timeout=60)
    assert page.status_code == 200
    assert "cannot be read" in page.text


def test_the_login_leads_nowhere_else(serve_desk: Any) -> None:
    hub = HubOAuth(
        api_token="t",
        api_url="http://127.0.0.1:9/hub/api",
        base_url="/services/dashboard/",
        oauth_client_id="service-dashboard",
        oauth_redirect_uri="/services/dashboard/oauth_callback",
    )
    desk = serve_desk(HubGate(secret="s", hub=hub))
    for asked, kept in (
        ("/services/dashboard/?collection=x", "/services/dashboard/?collection=x"),
        ("https://evil.invalid/", "/services/dashboard/"),
        ("//evil.invalid", "/services/dashboard/"),
        ("/services/dashboard.evil/", "/services/dashboard/"),
        ("", "/services/dashboard/"),
    ):
        answer = httpx.get(desk.url + "login", params={"next": asked})
        location = answer.headers["location"]
        assert location.startswith("/hub/api/oauth2/authorize?")
        assert "code_challenge_method=S256" in location
        state = re.search(r"[?&]state=([^&]+)", location)
        assert state
        assert hub.get_next_url(state[1]) == kept
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "Path=/services/dashboard/" in answer.headers["set-cookie"]
    stranger = httpx.get(desk.url)
    assert stranger.headers["location"].startswith("/services/dashboard/login?")
