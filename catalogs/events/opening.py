"""Opens the event log of a place: a file, a NATS cluster, or a folder with a server of ours."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import BadRequest
from .log import LogEngine
from .sqlite import SqliteEventLog

if TYPE_CHECKING:
    from .nats import NatsEventLog

_OPTIONS = {"name", "replicas", "credentials"}


def open_event_log(place: str | Path) -> LogEngine:
    """The event log of a place.

    Parameters
    ----------
    place : str or Path
        - a path, or ``sqlite:///path``: a SQLite file (in a folder its ``events.sqlite``);
        - ``nats://host:port,host:port``: a NATS cluster (``tls://`` where it wants that), with
          ``user:password@`` before the hosts, and ``?name=...&replicas=...&credentials=...``
          behind them as in :class:`.NatsEventLog`;
        - ``nats:///path``: a NATS server on this machine whose data lie in that folder; it is
          started when nobody runs it yet, and ends with the process that started it.

    Raises
    ------
    BadRequest
        When it is no such place; ``field`` is ``"place"``.
    Unavailable
        When no server answers.

    Examples
    --------
    >>> import tempfile
    >>> log = open_event_log(tempfile.mkdtemp())
    >>> log.last()
    0
    >>> log.close()
    """
    text = str(place)
    scheme, separator, rest = text.partition("://")
    if isinstance(place, Path) or not separator:
        return _sqlite(Path(text))
    if scheme == "sqlite":
        if not rest.startswith("/") or len(rest) < 2:
            raise _bad(text)
        return _sqlite(Path(unquote(rest.removeprefix("/") if rest.startswith("//") else rest)))
    if scheme in ("nats", "tls"):
        return _nats(text)
    raise _bad(text)


def _sqlite(path: Path) -> SqliteEventLog:
    return SqliteEventLog(path / "events.sqlite" if path.is_dir() else path)


def _nats(text: str) -> "NatsEventLog":
    from .nats import NAME, NatsEventLog
    from .nats_server import LocalServer

    parts = urlsplit(text)
    options = dict(parse_qsl(parts.query))
    if unknown := options.keys() - _OPTIONS:
        raise BadRequest(
            f"An event log on NATS has no option {min(unknown)!r}; there are "
            f"{', '.join(sorted(_OPTIONS))}.",
            field="place",
        )
    name = options.get("name", NAME)
    replicas = options.get("replicas", "")
    if replicas not in ("", "1", "3", "5"):
        raise BadRequest(f"replicas must be 1, 3 or 5, not {replicas!r}.", field="place")
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        raise BadRequest(
            f"The name of a log has letters, digits, - and _; {name!r} has not.", field="place"
        )
    if not parts.netloc and len(parts.path) > 1 and parts.scheme == "nats":
        server = LocalServer(unquote(parts.path))
        address = server.address
        try:
            return NatsEventLog(
                [address.url],
                name=name,
                user=address.user,
                password=address.password,
                server=server,
            )
        except BaseException:
            server.close()
            raise
    users, _, hosts = parts.netloc.rpartition("@")
    user, _, password = users.partition(":")
    if parts.path not in ("", "/") or not all(hosts.split(",")):
        raise _bad(text)
    credentials = options.get("credentials")
    return NatsEventLog(
        [f"{parts.scheme}://{host}" for host in hosts.split(",")],
        name=name,
        replicas=int(replicas) if replicas else None,
        user=unquote(user),
        password=unquote(password),
        credentials=Path(credentials) if credentials else None,
    )


def _bad(place: str) -> BadRequest:
    return BadRequest(
        f"{place!r} is no place of an event log: give a path, sqlite:///path, "
        "nats://host:port,host:port or nats:///folder.",
        field="place",
    )
