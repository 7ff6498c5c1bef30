"""Addresses on the web to which events may go: public ones, checked again at each connection."""

import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

from ..errors import BadRequest

# IPv6 addresses that a translator turns into the IPv4 address in their last four bytes.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")

# A name after its translation to ASCII, or an address of either kind.
_HOST = re.compile(rb"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def check_url(url: str, *, allow: Collection[str] = ()) -> None:
    """Refuse an address to which this lake sends nothing.

    Parameters
    ----------
    url : str
        Where somebody wants to get events.
    allow : collection of str
        Hosts (``"host"`` or ``"host:port"``) that may be private and may speak plain HTTP.

    Raises
    ------
    BadRequest
        When it is no https address, carries a password, or names a machine that is not on the
        public internet; ``field`` is ``"url"``.

    Notes
    -----
    A name that does not resolve now passes: each connection looks its address up again and
    connects only to an address that it has checked.

    Examples
    --------
    >>> check_url("https://10.0.0.1/hook")
    Traceback (most recent call last):
        ...
    boathouse.catalogs.errors.BadRequest: url leads to 10.0.0.1, which is not a public address.
    """
    place = parsed_url(url)
    if is_allowed(place.host, port_of(place), allow):
        return
    if place.scheme != "https":
        raise BadRequest(
            f"url must start with https://; {place.host} is not among the hosts to which "
            "plain http is allowed.",
            field="url",
        )
    try:
        _public_addresses(place.host, port_of(place))
    except OSError:
        return


class CheckedBackend(httpcore.SyncBackend):
    """Connects only to addresses that it has checked, and ends whatever takes too long."""

    def __init__(self, allow: Collection[str]) -> None:
        super().__init__()
        self._allow = tuple(allow)
        self._own = threading.local()

    @contextmanager
    def within(self, seconds: float) -> Generator[None]:
        """Limit all that this thread does meanwhile."""
        self._own.deadline = time.monotonic() + seconds
        yield

    def left(self, timeout: float | None) -> float:
        """Seconds for the next step: a side that sends byte after byte gains nothing."""
        rest = self._own.deadline - time.monotonic()
        if rest <= 0:
            raise httpcore.ReadTimeout("the exchange took too long")
        return rest if timeout is None else min(rest, timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Look the host up, check what comes, and connect to just that."""
        try:
            if is_allowed(host, port, self._allow):
                addresses = _addresses(host, port)
            else:
                addresses = _public_addresses(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} has no address") from error
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                stream = super().connect_tcp(
                    str(address), port, self.left(timeout), local_address, socket_options
                )
                return _TimedStream(stream, self)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _TimedStream(httpcore.NetworkStream):
    """A stream each of whose steps ends with the whole exchange."""

    def __init__(self, stream: httpcore.NetworkStream, backend: CheckedBackend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read some bytes."""
        return self._stream.read(max_bytes, self._backend.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all bytes."""
        self._stream.write(buffer, self._backend.left(timeout))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Go on encrypted, with whom the certificate names."""
        left = self._backend.left(timeout)
        return _TimedStream(
            self._stream.start_tls(ssl_context, server_hostname, left), self._backend
        )

    def get_extra_info(self, info: str) -> Any:
        """What is known of the connection."""
        return self._stream.get_extra_info(info)


def parsed_url(url: str) -> httpx.URL:
    """The parts of an http or https address; raises ``BadRequest`` for any other text."""
    try:
        place = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise BadRequest(f"url is not valid: {error}.", field="url") from error
    if place.scheme not in ("http", "https") or not place.host:
        raise BadRequest("url must be an https:// address with a host.", field="url")
    if not _HOST.fullmatch(place.raw_host):
        raise BadRequest(f"url has no valid host: {place.host[:60]!r}.", field="url")
    if place.userinfo:
        raise BadRequest("url must not carry a name or password.", field="url")
    return place.copy_with(fragment=None)


def port_of(place: httpx.URL) -> int:
    """The port, given or usual."""
    return place.port or (443 if place.scheme == "https" else 80)


def is_allowed(host: str, port: int, allow: Collection[str]) -> bool:
    """Whether the host is among those that may be private."""
    name = host.lower()
    return any(each.strip().lower() in (name, f"{name}:{port}") for each in allow)


def _addresses(host: str, port: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # A scope ("fe80::1%eth0") says by which cable; such an address is never public anyway.
    texts = dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found)
    return [ipaddress.ip_address(text) for text in texts]


def _public_addresses(host: str, port: int) -> list[Address]:
    addresses = _addresses(host, port)
    for address in addresses:
        # One that is private among several public ones is an attempt to reach it.
        if not all(each.is_global and not each.is_multicast for each in _meant(address)):
            raise BadRequest(
                f"url leads to {address}, which is not a public address.",
                field="url",
            )
    return addresses


def _meant(address: Address) -> list[Address]:
    """The address and those that it carries inside."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    inside = [address.sixtofour, *(address.teredo or ())]
    if address in _TRANSLATED:
        inside.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return [address, *(each for each in inside if each is not None)]
