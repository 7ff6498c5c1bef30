"""The event log as the hub's service gives it: over HTTP, with a stream that resumes."""

import contextlib
import time
from collections.abc import Generator, Iterator, Sequence
from urllib.parse import quote

import httpx
import msgspec

from ..access import Reader
from ..errors import Forbidden, Unavailable
from ..http import PATIENCE, authorization, backoff, call, client, error_of
from ..lake import Connection
from .event import Event, EventFilter
from .log import ConsumerState, DeadLetter, EventLog
from .remote_consumers import HttpConsumer, decode_letters
from .wire import (
    BATCH,
    EVENT_STREAM,
    StreamParser,
    decode_batch,
    decode_event,
    encode_batch,
    encode_event,
)

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
            query = {"after": after, "limit": wanted, "filter": where or EventFilter()}
            response = call(self.connection, "events", "POST", "events/search", json=query)
            page = decode_batch(response.content)
            found += [event for event in page if _visible(event, reader)]
            # A page may also be short because its events are large.
            if "Boathouse-Next" not in response.headers:
                break
            after = int(response.headers["Boathouse-Next"])
        return found

    def last(self) -> int:
        """The highest sequence number in the log; 0 when it is empty."""
        response = call(self.connection, "events", "GET", "events", params={"limit": 0})
        return int(response.headers["Boathouse-Last"])

    def first(self) -> int:
        """The lowest sequence number that is kept; 0 when the log is empty."""
        response = call(self.connection, "events", "GET", "events", params={"limit": 0})
        return int(response.headers["Boathouse-First"])

    def consume(
        self,
        name: str,
        *,
        where: EventFilter | None = None,
        after: int | None = None,
        reader: Reader | None = None,
        lease: float | None = None,
        attempts: int | None = None,
    ) -> HttpConsumer:
        """Open a consumer, or make it; it belongs to the token's user.  See :class:`EventLog`."""
        self._check_reader(reader)
        body = {"where": where, "after": after, "lease": lease, "attempts": attempts}
        call(self.connection, "events", "PUT", f"consumers/{quote(name, safe='')}", json=body)
        return HttpConsumer(self.connection, name)

    def consumers(self, *, reader: Reader | None = None) -> list[ConsumerState]:
        """The token's user's consumers by name."""
        self._check_reader(reader)
        response = call(self.connection, "events", "GET", "consumers")
        return msgspec.json.decode(response.content, type=list[ConsumerState])

    def forget(self, name: str, *, reader: Reader | None = None) -> None:
        """Remove a consumer with its dead letters; raises ``NotFound``."""
        self._check_reader(reader)
        call(self.connection, "events", "DELETE", f"consumers/{quote(name, safe='')}")

    def dead_letters(
        self, consumer: str = "", *, reader: Reader | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """What the token's user's consumers gave up on, the oldest event first."""
        self._check_reader(reader)
        params = {"consumer": consumer, "limit": limit}
        response = call(self.connection, "events", "GET", "dead-letters", params=params)
        return decode_letters(response.content)

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
        where = (where or EventFilter()).validated()
        start = self.last() if after is None else after
        if after:
            # Said here and not at the first event: there may be none for long.
            params = {"after": after, "limit": 0}
            call(self.connection, "events", "GET", "events", params=params)
        return self._follow(start, where, reader, timeout)

    def close(self) -> None:
        """Nothing is held: the process's HTTP client stays for others."""

    def _check_reader(self, reader: Reader | None) -> None:
        if reader is not None and reader.name != self.connection.user:
            raise Forbidden(
                f"A consumer belongs to the token's user, {self.connection.user!r}; "
                f"{reader.name!r} is another.",
                field="reader",
            )

    def _follow(
        self,
        after: int,
        where: EventFilter,
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
                            event = decode_event(message.data)
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
    def _stream(self, after: int, where: EventFilter, wait: float) -> Generator[httpx.Response]:
        with client().stream(
            "POST",
            self.connection.service("events") + "events/stream",
            content=msgspec.json.encode({"filter": where, "after": after}),
            headers={**authorization(self.connection), "Accept": EVENT_STREAM},
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
