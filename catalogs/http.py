"""How a kernel, a worker or a job calls the hub's services: one client, patient with restarts."""

import itertools
import os
import random
import time
from typing import Any

import httpx
import msgspec

from .errors import (
    BadRequest,
    BoathouseError,
    Busy,
    Forbidden,
    NotFound,
    Unauthenticated,
    Unavailable,
    from_problem,
)
from .lake import Connection

# A service that restarts is back within this time; then we give up, in seconds.
PATIENCE = 20.0
TIMEOUT_SECONDS = 30.0
TIMEOUT = httpx.Timeout(TIMEOUT_SECONDS, connect=5.0)
_RESTARTING = frozenset({502, 503, 504})
# The request did not reach the service, so that repeating it can never do harm.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_LOOPBACK = ("all://127.0.0.1", "all://localhost", "all://[::1]")

_clients: dict[int, httpx.Client] = {}


def client() -> httpx.Client:
    """This process's HTTP client; it keeps connections open and may be used by any thread."""
    # A forked child must not share its parent's sockets.
    if os.getpid() not in _clients:
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=10)
        _clients[os.getpid()] = httpx.Client(
            timeout=TIMEOUT, limits=limits, mounts=dict.fromkeys(_LOOPBACK)
        )
    return _clients[os.getpid()]


def call(
    connection: Connection,
    service: str,
    method: str,
    path: str,
    *,
    json: Any = None,
    params: dict[str, Any] | None = None,
    content: bytes | None = None,
    headers: dict[str, str] | None = None,
    repeatable: bool = True,
    patience: float = PATIENCE,
    timeout: float = TIMEOUT_SECONDS,
) -> httpx.Response:
    """Call a service of the hub and return its successful answer.

    Parameters
    ----------
    connection : Connection
        The hub's address and a token.
    service, path : str
        ``"events"`` and a path below it without a leading slash.
    method : str
        The HTTP method.
    json : Any, optional
        A body to encode with msgspec.
    params : dict, optional
        The query; values that are None are left out.
    content : bytes, optional
        A body as it is.
    headers : dict, optional
        More headers.
    repeatable : bool
        False when the service may not get the same request twice: then only a request
        that surely did not reach it is tried again.
    patience : float
        For how long a service that does not answer, or is busy, is tried again, in seconds.
    timeout : float
        For how long one answer is waited for, in seconds.

    Raises
    ------
    BoathouseError
        The one that the service sent as a problem.
    Unavailable
        When it did not answer in time.

    Examples
    --------
    >>> call(connection, "events", "GET", "events", params={"limit": 1})  # doctest: +SKIP
    <Response [200 OK]>
    """
    request = client().build_request(
        method,
        connection.service(service) + path,
        params={name: value for name, value in (params or {}).items() if value is not None},
        content=msgspec.json.encode(json) if json is not None else content,
        headers=_headers(connection, headers, is_json=json is not None),
        timeout=httpx.Timeout(timeout, connect=5.0),
    )
    give_up = time.monotonic() + patience
    for attempt in itertools.count():
        try:
            response, failure = client().send(request), None
        except httpx.TransportError as error:
            response, failure = None, error
        if response is not None and response.status_code not in _RESTARTING:
            if response.is_success:
                return response
            error = error_of(response, service)
            # A busy service has taken nothing, so that repeating does no harm.
            if not isinstance(error, Busy) or time.monotonic() + error.retry_after > give_up:
                raise error
            time.sleep(error.retry_after * random.uniform(1.0, 1.5))  # noqa: S311
            continue
        wait = backoff(attempt)
        safe = repeatable or isinstance(failure, _NOT_SENT)
        if not safe or time.monotonic() + wait > give_up:
            raise _silence(connection, service, response, failure) from failure
        time.sleep(wait)
    raise AssertionError("counting does not end")


def authorization(connection: Connection) -> dict[str, str]:
    """The header that says who calls."""
    return {"Authorization": f"token {connection.token}"}


def backoff(attempt: int) -> float:
    """Seconds to wait before the next attempt: doubling from 0.1 to 3, with jitter."""
    return min(0.1 * 2 ** min(attempt, 10), 3.0) * random.uniform(0.75, 1.25)  # noqa: S311


def error_of(response: httpx.Response, service: str) -> BoathouseError:
    """The error that an unsuccessful answer stands for; its body must have been read."""
    try:
        document = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.DecodeError:
        document = {}
    if "detail" in document and "type" in document:
        error = from_problem(document)
        after = response.headers.get("retry-after", "")
        if isinstance(error, Busy) and after.isdecimal():
            error.retry_after = float(after)
        return error
    # Not from the service itself but from the hub or its proxy.
    match response.status_code:
        case 301 | 302 | 303 | 307 | 308 | 401:
            return Unauthenticated("The hub does not accept this session's token; log in again.")
        case 403:
            return Forbidden(f"The hub does not let you use its service {service!r}.")
        case 404:
            return NotFound(f"The hub has no service {service!r} there: {response.url.path}.")
        case 413:
            return BadRequest("The request is larger than the service takes; send less at once.")
        case status:
            return Unavailable(f"The hub's service {service!r} answered {status}.")


def _headers(
    connection: Connection, headers: dict[str, str] | None, *, is_json: bool
) -> dict[str, str]:
    kind = {"Content-Type": "application/json"} if is_json else {}
    return {**kind, **(headers or {}), **authorization(connection)}


def _silence(
    connection: Connection,
    service: str,
    response: httpx.Response | None,
    failure: httpx.TransportError | None,
) -> BoathouseError:
    if response is not None and response.headers.get("content-type", "").startswith(
        "application/problem+json"
    ):
        return error_of(response, service)
    reason = f"it answered {response.status_code}" if response is not None else repr(failure)
    return Unavailable(
        f"The hub's service {service!r} at {connection.address} does not answer ({reason}). "
        "It may be restarting; try again in a moment."
    )
