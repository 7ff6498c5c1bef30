"""The observations as the hub's service gives them, over HTTP."""

import contextlib
import time
from collections.abc import Generator, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from ..access import Reader
from ..errors import BadRequest
from ..events.wire import StreamParser
from ..http import authorization, backoff, call, client, error_of
from ..lake import Connection
from .commands import EXPIRES, Command, CommandQueue, State
from .observation import Found, Observation, Query, Receipt
from .stations import Network, Station
from .store import Observations

SERVICE = "observations"
# Longer than the service's silence between two signs of life, in seconds.
DEAD_SECONDS = 40.0
LONGEST_POLL = 25.0

T = TypeVar("T")


class HttpObservations(Observations):
    """Observations behind the hub; every question is asked in the name of the token's user.

    Parameters
    ----------
    connection : Connection
        The hub's address and a token.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._commands = HttpCommandQueue(connection)

    @property
    def commands(self) -> "HttpCommandQueue":
        """The queues of commands to the stations."""
        return self._commands

    def save_network(self, network: Network, *, reader: Reader | None = None) -> Network:
        """Store a network, or change what is said about it."""
        return _ask(self.connection, "POST", "networks", Network, reader, json=network)

    def networks(self, *, reader: Reader | None = None) -> list[Network]:
        """Visible networks, by id."""
        return _ask(self.connection, "GET", "networks", list[Network], reader)

    def register(
        self, stations: Sequence[Station], *, reader: Reader | None = None
    ) -> list[Station]:
        """Register stations, or change what is known of them: all or none."""
        kind = list[Station]
        return _ask(self.connection, "POST", "stations", kind, reader, json=list(stations))

    def station(self, id: str, *, reader: Reader | None = None) -> Station:
        """One station; raises ``NotFound``."""
        return _ask(self.connection, "GET", f"stations/{_part(id)}", Station, reader)

    def stations(
        self, *, network: str = "", bbox: Sequence[float] = (), reader: Reader | None = None
    ) -> list[Station]:
        """Visible stations, in the order in which they were registered."""
        params = {"network": network or None, "bbox": _listed(bbox)}
        return _ask(self.connection, "GET", "stations", list[Station], reader, params=params)

    def ingest(
        self, body: bytes, kind: str, *, station: str = "", reader: Reader | None = None
    ) -> Receipt:
        """Store a body; sent again when the answer is lost, since it adds nothing."""
        path = f"stations/{_part(station)}/observations" if station else "observations"
        more = {"content": body, "headers": {"Content-Type": kind}}
        return _ask(self.connection, "POST", path, Receipt, reader, **more)

    def find(self, query: Query, *, reader: Reader | None = None) -> Found:
        """Visible observations that fulfil a query, by station, variable and time."""
        _as_myself(reader)
        params = {
            "stations": _listed(query.stations),
            "variables": _listed(query.variables),
            "network": query.network or None,
            "since": query.since or None,
            "until": query.until or None,
            "bbox": _listed(query.bbox),
            "latest": "true" if query.latest else None,
            "limit": query.limit,
            "after": query.after or None,
        }
        answer = call(self.connection, SERVICE, "GET", "observations", params=params)
        rows = msgspec.json.decode(answer.content, type=list[Observation])
        return Found(rows, answer.headers.get("Boathouse-After", ""))

    def revisions(
        self, station: str, variable: str, time: str, *, reader: Reader | None = None
    ) -> list[Observation]:
        """All values that ever came for a station, variable and time; the last counts."""
        path = f"stations/{_part(station)}/revisions"
        params = {"variable": variable, "time": time}
        return _ask(self.connection, "GET", path, list[Observation], reader, params=params)

    def close(self) -> None:
        """Release nothing: the HTTP client is shared by the process."""


class HttpCommandQueue(CommandQueue):
    """The command queues behind the hub.

    Parameters
    ----------
    connection : Connection
        The hub's address and a token.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def enqueue(
        self,
        station: str,
        command: str,
        parameters: dict[str, Any] | None = None,
        *,
        expires: float = EXPIRES,
        key: str = "",
        owner: str = "",
        reader: Reader | None = None,
    ) -> Command:
        """Queue a command; without a ``key`` it is not sent again when the answer is lost."""
        body = {
            "command": command,
            "parameters": parameters or {},
            "expires": expires,
            "key": key,
            "owner": owner,
        }
        path = f"stations/{_part(station)}/commands"
        return _ask(self.connection, "POST", path, Command, reader, json=body, repeatable=bool(key))

    def poll(
        self, station: str, *, wait: float = 0.0, limit: int = 10, reader: Reader | None = None
    ) -> list[Command]:
        """The commands that wait, oldest first; see :class:`.commands.CommandQueue`."""
        path = f"stations/{_part(station)}/commands"
        end = time.monotonic() + wait
        while True:
            turn = max(min(end - time.monotonic(), LONGEST_POLL), 0.0)
            params = {"wait": round(turn, 3), "limit": limit}
            found = _ask(self.connection, "GET", path, list[Command], reader, params=params)
            if found or time.monotonic() >= end:
                return found

    def follow(
        self, station: str, *, timeout: float | None = None, reader: Reader | None = None
    ) -> Iterator[Command]:
        """Commands as they come; a broken connection is taken up again."""
        _as_myself(reader)
        seen: set[str] = set()
        silent_since, failures = time.monotonic(), 0
        while True:
            left = DEAD_SECONDS
            if timeout is not None:
                left = min(silent_since + timeout - time.monotonic(), left)
            if left <= 0:
                return
            try:
                with self._stream(station, left) as response:
                    failures, parser = 0, StreamParser()
                    for piece in response.iter_raw():
                        for message in parser.feed(piece):
                            command = msgspec.json.decode(message.data, type=Command)
                            if command.id not in seen:
                                seen.add(command.id)
                                yield command
                                silent_since = time.monotonic()
                        if timeout is not None and time.monotonic() - silent_since >= timeout:
                            return
            except httpx.TransportError as error:
                if not isinstance(error, httpx.ReadTimeout):
                    time.sleep(min(backoff(failures), max(left, 0.0)))
                    failures += 1

    def acknowledge(
        self,
        id: str,
        state: State,
        *,
        result: Any = None,
        error: str = "",
        by: str = "",
        reader: Reader | None = None,
    ) -> Command:
        """Say what the instrument has done with it; may be said again."""
        body = {"state": state, "result": result, "error": error, "by": by}
        path = f"commands/{_part(id)}/acknowledgement"
        return _ask(self.connection, "POST", path, Command, reader, json=body)

    def withdraw(self, id: str, *, reader: Reader | None = None) -> Command:
        """Take back a command that waits."""
        return _ask(self.connection, "DELETE", f"commands/{_part(id)}", Command, reader)

    def command(self, id: str, *, reader: Reader | None = None) -> Command:
        """One command; raises ``NotFound``."""
        return _ask(self.connection, "GET", f"commands/{_part(id)}", Command, reader)

    def commands(
        self,
        station: str = "",
        *,
        state: str = "",
        limit: int = 100,
        reader: Reader | None = None,
    ) -> list[Command]:
        """Visible commands, newest first."""
        params = {"station": station or None, "state": state or None, "limit": limit}
        return _ask(self.connection, "GET", "commands", list[Command], reader, params=params)

    @contextlib.contextmanager
    def _stream(self, station: str, wait: float) -> Generator[httpx.Response]:
        with client().stream(
            "GET",
            f"{self.connection.service(SERVICE)}stations/{_part(station)}/commands/stream",
            headers=authorization(self.connection),
            timeout=httpx.Timeout(5.0, read=max(wait, 0.05)),
        ) as response:
            if response.status_code in (502, 503, 504):
                raise httpx.ConnectError("the service restarts")
            if not response.is_success:
                response.read()
                raise error_of(response, SERVICE)
            yield response


def _ask(
    connection: Connection,
    method: str,
    path: str,
    kind: type[T],
    reader: Reader | None,
    **more: Any,
) -> T:
    _as_myself(reader)
    answer = call(connection, SERVICE, method, path, **more)
    return msgspec.json.decode(answer.content, type=kind)


def _part(name: str) -> str:
    return quote(name, safe="")


def _listed(values: Sequence[object]) -> str | None:
    return ",".join(map(str, values)) or None


def _as_myself(reader: Reader | None) -> None:
    if reader is not None:
        raise BadRequest("Over HTTP one asks as the token's user only.", field="reader")
