"""Events to an address on the web: asked first, signed, never to a machine that is private."""

import base64
import binascii
import datetime
import email.utils
import hashlib
import hmac
import ssl
import time
from collections.abc import Collection, Mapping
from functools import cache
from typing import Literal

import httpcore
import msgspec

from ..errors import BadRequest, Unavailable
from .event import Event
from .webhook_addresses import CheckedBackend, check_url, is_allowed, parsed_url, port_of
from .wire import STRUCTURED, encode_numbered

__all__ = ["LONGEST_PAUSE", "TIMEOUT", "Outcome", "Webhook", "check_url"]

# The whole exchange, whatever the other side does, in seconds.
TIMEOUT = 10.0
# What is read of an answer, in bytes; what it says does not matter.
_ANSWER = 64_000
# Nobody may ask us to wait for longer, in seconds.
LONGEST_PAUSE = 86_400.0
# Answers that mean "not now"; every other 4xx and every redirect means "never".
_LATER = frozenset({408, 425, 429})


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one delivery.

    Attributes
    ----------
    kind : str
        ``"done"``: taken.  ``"again"``: try later.  ``"refused"``: the same would be refused
        again.  ``"gone"``: nobody is there any more; end the subscription.
    after : float
        With ``"again"``: the seconds that the other side asked to wait, else 0.
    status : int
        The HTTP status; 0 when there was no answer.
    detail : str
        What happened, in a few words and without secrets.
    """

    kind: Literal["done", "again", "refused", "gone"]
    after: float = 0.0
    status: int = 0
    detail: str = ""


class Webhook:
    """One address that gets events, by CloudEvents' HTTP webhook rules.

    As a context manager it keeps its connection open from event to event; otherwise each
    exchange has its own.  May be used by several threads.

    Parameters
    ----------
    url : str
        Where events are posted to.
    secret : str, optional
        Signs each delivery (HMAC-SHA256); a text, or ``whsec_`` and base64.
    allow : collection of str, optional
        Hosts that may be private, as in :func:`check_url`.
    origin : str, optional
        Who asks to send, in the handshake.

    Examples
    --------
    >>> hook = Webhook("https://example.org/hook", secret="s3cret")
    >>> hook
    Webhook('https://example.org/hook')
    """

    def __init__(
        self,
        url: str,
        secret: str = "",
        allow: Collection[str] = (),
        *,
        origin: str = "boathouse",
    ) -> None:
        self.url = url
        self.origin = origin
        self._key = _key_of(secret)
        self._place = parsed_url(url)
        self._backend = CheckedBackend(allow)
        self._plain_allowed = is_allowed(self._place.host, port_of(self._place), allow)
        self._pool: httpcore.ConnectionPool | None = None

    def __repr__(self) -> str:
        return f"Webhook({str(self._place.copy_with(query=None))!r})"

    def __enter__(self) -> "Webhook":
        self._pool = self._new_pool()
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def handshake(self) -> float:
        """Ask whether events may be sent there.

        Returns
        -------
        float
            The least seconds between two deliveries; 0 when it takes any rate.

        Raises
        ------
        BadRequest
            When it does not allow us; ``field`` is ``"url"``.
        Unavailable
            When it does not answer.
        """
        ask = {"WebHook-Request-Origin": self.origin, "WebHook-Request-Rate": "*"}
        try:
            status, headers = self._exchange("OPTIONS", ask, b"")
        except httpcore.TimeoutException as error:
            raise Unavailable(f"{self._place.host} did not answer in {TIMEOUT:g} s.") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise Unavailable(f"{self._place.host} cannot be reached: {_why(error)}.") from error
        allowed = headers.get("webhook-allowed-origin", "")
        if not 200 <= status < 300 or allowed not in ("*", self.origin):
            raise BadRequest(
                f"{self._place.host} did not agree to get events: it answered OPTIONS with {status}"
                f" and must send 'WebHook-Allowed-Origin: {self.origin}' (or '*').",
                field="url",
            )
        rate = headers.get("webhook-allowed-rate", "*").strip()
        return 60.0 / int(rate) if rate.isdecimal() and rate.isascii() and int(rate) else 0.0

    def send(self, event: Event, key: str = "") -> Outcome:
        """Post one event; never raises for what the other side does.

        Parameters
        ----------
        event : Event
            What to send, as CloudEvents JSON.
        key : str, optional
            The idempotency key; the same for each attempt at the same delivery.
        """
        body = encode_numbered(event)
        name = hashlib.sha256(f"{event.source}\n{event.id}".encode()).hexdigest()[:32]
        headers = {
            "Content-Type": STRUCTURED,
            "Webhook-Id": name,
            "Idempotency-Key": _header(key) or name,
        }
        if self._key:
            moment = str(int(time.time()))
            headers["Webhook-Timestamp"] = moment
            headers["Webhook-Signature"] = _signature(self._key, name, moment, body)
        try:
            status, answer = self._exchange("POST", headers, body)
        except BadRequest as error:
            return Outcome(kind="refused", detail=error.detail)
        except (
            httpcore.TimeoutException,
            httpcore.NetworkError,
            httpcore.ProtocolError,
            OSError,
        ) as error:
            return Outcome(kind="again", detail=_why(error))
        return _outcome(status, answer)

    # One exchange

    def _new_pool(self) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            ssl_context=_tls(), network_backend=self._backend, keepalive_expiry=30.0
        )

    def _exchange(
        self, method: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str]]:
        if self._place.scheme != "https" and not self._plain_allowed:
            raise BadRequest("url must start with https://.", field="url")
        fields: list[tuple[bytes | str, bytes | str]] = [*headers.items()]
        fields += [("Host", self._place.netloc), ("User-Agent", "boathouse")]
        if body:
            fields.append(("Content-Length", str(len(body))))
        pool = self._pool or self._new_pool()
        try:
            with (
                self._backend.within(TIMEOUT),
                pool.stream(
                    method,
                    str(self._place),
                    headers=fields,
                    content=body,
                    extensions={"timeout": dict.fromkeys(_PHASES, TIMEOUT)},
                ) as response,
            ):
                read = 0
                for piece in response.iter_stream():
                    read += len(piece)
                    if read > _ANSWER:
                        break
                names = [(n.decode("latin-1").lower(), v) for n, v in response.headers]
                return response.status, {name: value.decode("latin-1") for name, value in names}
        finally:
            if pool is not self._pool:
                pool.close()


_PHASES = ("connect", "read", "write", "pool")


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _key_of(secret: str) -> bytes:
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error as error:
            raise BadRequest("secret must be base64 after whsec_.", field="secret") from error
    return secret.encode()


def _signature(key: bytes, name: str, moment: str, body: bytes) -> str:
    digest = hmac.digest(key, b"%b.%b.%b" % (name.encode(), moment.encode(), body), "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def _header(text: str) -> str:
    """A text as a header may carry it; a long or foreign one by its hash."""
    if len(text) <= 255 and text.isascii() and text.isprintable():
        return text
    return hashlib.sha256(text.encode()).hexdigest()


def _outcome(status: int, headers: Mapping[str, str]) -> Outcome:
    if 200 <= status < 300:
        return Outcome(kind="done", status=status)
    if status == 410:
        return Outcome(kind="gone", status=status, detail="it answered 410: gone")
    detail = f"it answered {status}"
    if status >= 500 or status in _LATER:
        after = _pause(headers.get("retry-after", ""))
        return Outcome(kind="again", after=after, status=status, detail=detail)
    if 300 <= status < 400:
        detail += ", and redirects are not followed"
    return Outcome(kind="refused", status=status, detail=detail)


def _pause(text: str) -> float:
    """Seconds that a Retry-After header asks for; 0 when it says nothing that we understand."""
    text = text.strip()
    if text.isdecimal() and text.isascii():
        return min(float(text), LONGEST_PAUSE)
    try:
        then = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if then.tzinfo is None:
        then = then.replace(tzinfo=datetime.UTC)
    left = (then - datetime.datetime.now(datetime.UTC)).total_seconds()
    return min(max(left, 0.0), LONGEST_PAUSE)


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
