"""The event log as the hub's service gives it: over HTTP, with a stream that resumes."""

import contextlib
import time
from collections.abc import Generator, Iterator, Sequence

import httpx
import msgspec

from ..access import Reader
from ..errors import Unavailable
from ..http import PATIENCE, authorization, backoff, call, client, error_of
from ..lake import Connection
from .event import Event, EventFilter, moment
from .log import EventLog
from .wire import BATCH, EVENT_STREAM, StreamParser, decode_batch, encode_batch, encode_event

# One request carries at most this; the service takes more (see its LARGEST_BODY).
LARGEST_BATCH = 4_000_000
LARGEST_COUNT = 1000
# The service says at least every 15 s that it lives; after this silence it does not.
DEAD_SECONDS = 45.0
# Silence counts from the first answer, for which at least this is waited.
FIRST_SECONDS = 5.0


class HttpEventLog(EventLog):
    """The event log behind the hub.

    Parameters
    ----------
    connection : Connection
        The hub's address and a token; what the token's user may see is all there is.

    Examples
    --------
    >>> log = HttpEventLog(connection)  # doctest: +SKIP
    >>> log.last()  # doctest: +SKIP
    42
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def append(self, events: Sequence[Event]) -> list[int]:
        """Store events durably; a large number of them in several steps, in order.

        May be repeated after an error: what is stored already keeps its number.
        """
        bodies = [encode_event(event) for event in events]
        numbers: list[int] = []
        for batch in _batches(bodies):
            response = call(
                self.connection,
                "events",
                "POST",
                "events",
                content=encode_batch(batch),
                headers={"Content-Type": BATCH},
            )
            numbers += msgspec.json.decode(response.content, type=dict[str, list[int]])["sequences"]
        return numbers

    def read(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        where: EventFilter | None = None,
        reader: Reader | None = None,
    ) -> list[Event]:
        """Events with a sequence above ``after``, oldest first; see :class:`EventLog`."""
        found: list[Event] = []
        while len(found) < limit:
            wanted = min(limit - len(found), 10_000)
            params = {"after": after, "limit": wanted, **_query(where)}
            response = call(self.connection, "events", "GET", "events", params=params)
            page = decode_batch(response.content)
            found += [event for event in page if _visible(event, reader)]
            # A page may also be short because its events are large.
            if "next" not in response.links:
                break
            after = page[-1].sequence
        return found

    def last(self) -> int:
        """The highest sequence number in the log; 0 when it is empty."""
        response = call(self.connection, "events", "GET", "events", params={"limit": 0})
        return int(response.headers["Boathouse-Last"])

    def follow(
        self,
        *,
        after: int | None = None,
        where: EventFilter | None = None,
        reader: Reader | None = None,
        timeout: float | None = None,
    ) -> Iterator[Event]:
        """Yield events as they come; see :class:`EventLog`.

        Once it was connected it outlasts any restart of the service; raises ``Unavailable``
        when it never was.
        """
        if where and where.since:
            moment(where.since, "since")
        start = self.last() if after is None else after
        return self._follow(start, where, reader, timeout)

    def close(self) -> None:
        """Nothing is held: the process's HTTP client stays for others."""

    def _follow(
        self,
        after: int,
        where: EventFilter | None,
        reader: Reader | None,
        timeout: float | None,
    ) -> Iterator[Event]:
        silent_since = began = time.monotonic()
        connected, failures = False, 0
        while True:
            wait = min(_left(silent_since, timeout), DEAD_SECONDS)
            if connected and wait <= 0:
                return
            if not connected:
                wait = max(wait, FIRST_SECONDS)
            try:
                with self._stream(after, where, wait) as response:
                    failures = 0
                    parser = StreamParser()
                    for piece in response.iter_raw():
                        if not connected:
                            connected, silent_since = True, time.monotonic()
                        for message in parser.feed(piece):
                            event = msgspec.json.decode(message.data, type=Event)
                            if event.sequence > after and _visible(event, reader):
                                yield event
                                silent_since = time.monotonic()
                        after = max(after, int(parser.last_id or 0))
                        if parser.pending:
                            silent_since = time.monotonic()
                        # The transport cannot shorten its wait: a new connection can.
                        elif _left(silent_since, timeout) < 0.9 * wait:
                            break
            except (httpx.TransportError, _Restarting) as error:
                if not connected and time.monotonic() - began > PATIENCE:
                    raise Unavailable(
                        f"The event service at {self.connection.address} does not answer. "
                        "It may be restarting; try again in a moment."
                    ) from error
                if not isinstance(error, httpx.ReadTimeout):
                    pause = backoff(failures)
                    left = max(_left(silent_since, timeout), 0)
                    time.sleep(min(pause, left) if connected else pause)
                    failures += 1

    @contextlib.contextmanager
    def _stream(
        self, after: int, where: EventFilter | None, wait: float
    ) -> Generator[httpx.Response]:
        with client().stream(
            "GET",
            self.connection.service("events") + "events/stream",
            params=_query(where),
            headers={
                **authorization(self.connection),
                "Accept": EVENT_STREAM,
                "Last-Event-ID": str(after),
            },
            timeout=httpx.Timeout(5.0, read=max(wait, 0.05)),
        ) as response:
            if response.status_code in (502, 503, 504):
                raise _Restarting
            if not response.is_success:
                response.read()
                raise error_of(response, "events")
            yield response


class _Restarting(Exception):
    """The hub's proxy says that the service is away for the moment."""


def _left(silent_since: float, timeout: float | None) -> float:
    return float("inf") if timeout is None else silent_since + timeout - time.monotonic()


def _query(where: EventFilter | None) -> dict[str, str]:
    return msgspec.to_builtins(where) if where else {}


def _visible(event: Event, reader: Reader | None) -> bool:
    return reader is None or reader.may_see(event.owner, event.access)


def _batches(bodies: Sequence[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for body in bodies:
        if batch and (size + len(body) > LARGEST_BATCH or len(batch) == LARGEST_COUNT):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += len(body)
    if batch:
        yield batch
