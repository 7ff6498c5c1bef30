"""The event log on a NATS JetStream cluster: synced and replicated before it answers."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Reader
from ..errors import Unavailable
from .consumer import ATTEMPTS, LEASE_SECONDS, Consumer, ConsumerState, DeadLetter, check_opening
from .event import Event, EventFilter
from .log import LogEngine, Retention, Stored, Subscription, Trimmed, check_place
from .moments import moment, now_text
from .nats_connection import NatsConnection
from .nats_consumers import NatsConsumer, letters_of, state_of
from .nats_records import Record
from .nats_retention import trim
from .nats_rows import EVERYTHING, Picked, picked, stored_from
from .nats_states import Records, Step
from .nats_stream import event_stream, state_stream, subject_for
from .nats_watcher import PAGE, Watcher
from .nats_writer import SLACK, NatsWriter
from .table import entry_of

if TYPE_CHECKING:
    from .nats_server import LocalServer

NAME = "boathouse"


class NatsEventLog(LogEngine):
    """An event log in two streams of a NATS cluster of version 2.12 or later.

    An event that was acknowledged is on the disks of the majority of its replicas, when the
    servers are configured with ``sync_interval: always`` (those that we start are).  Of the
    filter, type and collection are looked at by the cluster, times of publishing narrow what
    it reads, and the rest is looked at here.

    Parameters
    ----------
    servers : sequence of str
        Addresses of servers of the cluster, such as ``nats://host:4222``.
    name : str, optional
        The log's name, the first part of its streams and subjects.
    replicas : int, optional
        How many servers hold a copy: by default 3 on a cluster, 1 on a single server.
    user, password : str, optional
        As the servers want them.
    credentials : Path, optional
        A credentials file, where the servers want one.
    patience : float, optional
        For so many seconds a call waits for servers that do not answer.
    server : LocalServer, optional
        Ended when the log is closed.

    Raises
    ------
    Unavailable
        When no server answers.
    BadRequest
        When the extra ``nats`` is not installed, or a server is too old.

    Examples
    --------
    >>> log = NatsEventLog(["nats://one:4222", "nats://two:4222"])  # doctest: +SKIP
    >>> log.append([Event(type="org.example.ping", source="/me")])  # doctest: +SKIP
    [1]
    """

    def __init__(
        self,
        servers: Sequence[str],
        *,
        name: str = NAME,
        replicas: int | None = None,
        user: str = "",
        password: str = "",
        credentials: Path | None = None,
        patience: float = 15.0,
        server: "LocalServer | None" = None,
    ) -> None:
        self.name = name
        self._server = server
        self._closed = False
        self._connection = NatsConnection(
            servers, user=user, password=password, credentials=credentials, patience=patience
        )
        try:
            self._events = event_stream(self._connection, name, replicas)
            self._states = state_stream(self._connection, name, replicas)
            self._events.open()
            self._states.open()
        except BaseException:
            self._connection.close()
            raise
        self._records = Records(self._states, name)
        self._writer = NatsWriter(self._events, self._states, name)
        self._watcher = Watcher(self, self._listen)

    def stored(
        self,
        *,
        after: int = 0,
        limit: int = PAGE,
        where: EventFilter | None = None,
        reader: Reader | None = None,
        largest: int | None = None,
    ) -> list[Stored]:
        """As :meth:`read`, but undecoded: what a service passes on needs no decoding.

        A page of ``largest`` bytes ends there, though more events may follow.
        """
        rows, _, _ = self._pick(after, limit, where, picked(where, reader), largest)
        return rows

    def last(self) -> int:
        """The highest sequence number in the log; 0 when it is empty."""
        self._check_open()
        return self._events.state().last

    def first(self) -> int:
        """The lowest sequence number that is kept; 0 when the log is empty."""
        self._check_open()
        state = self._events.state()
        return state.first if state.messages else 0

    def follow(
        self,
        *,
        after: int | None = None,
        where: EventFilter | None = None,
        reader: Reader | None = None,
        timeout: float | None = None,
    ) -> Iterator[Event]:
        """Yield events as they come, of any process; see :class:`EventLog`."""
        if where:
            where.validated()
        start = self.last() if after is None else after
        check_place(self, start)
        self._watcher.start()
        return self._follow(start, where, reader, timeout)

    def subscribe(self, callback: Callable[[list[Stored]], None]) -> Subscription:
        """Call ``callback`` with each run of new events, of any process, in order, once each.

        It is called in the log's own thread and must return at once.  Events up to the
        returned ``after`` are not given.
        """
        self._check_open()
        return self._watcher.subscribe(callback)

    def consume(
        self,
        name: str,
        *,
        where: EventFilter | None = None,
        after: int | None = None,
        reader: Reader | None = None,
        lease: float | None = None,
        attempts: int | None = None,
    ) -> Consumer:
        """Open a consumer, or make it; see :class:`EventLog`."""
        check_opening(name, lease, attempts)
        if where is not None:
            where.validated()
        if after is not None:
            check_place(self, after)
        owner = reader.name if reader else ""

        def step(record: Record | None) -> Step[None]:
            if record is None:
                record = Record(
                    owner=owner,
                    name=name,
                    where=where or EventFilter(),
                    lease=LEASE_SECONDS if lease is None else lease,
                    attempts=ATTEMPTS if attempts is None else attempts,
                    created=now_text(),
                    position=self.last() if after is None else after,
                )
                return Step(None, record)
            before = (record.where, record.lease, record.attempts)
            record.where = record.where if where is None else where
            record.lease = record.lease if lease is None else lease
            record.attempts = record.attempts if attempts is None else attempts
            same = before == (record.where, record.lease, record.attempts)
            return Step(None, None if same else record)

        self._records.change(owner, name, step)
        self._watcher.nudge()
        return NatsConsumer(self, self._watcher, self._records, owner, name, reader)

    def consumers(self, *, reader: Reader | None = None) -> list[ConsumerState]:
        """The reader's consumers; see :class:`EventLog`."""
        return [state_of(self, record, None) for record in self._records.all(reader)]

    def forget(self, name: str, *, reader: Reader | None = None) -> None:
        """Remove a consumer with its dead letters; raises ``NotFound``."""
        self._records.remove(reader.name if reader else "", name)
        self._watcher.nudge()

    def dead_letters(
        self, consumer: str = "", *, reader: Reader | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """What the reader's consumers gave up on; see :class:`EventLog`."""
        return letters_of(self._records, consumer, reader, limit)

    def trim(self, retention: Retention, *, force: bool = False) -> Trimmed:
        """Cut off the oldest events; see :class:`EventLog`.

        A limit of bytes that is passed makes it read the whole log.
        """
        return trim(self, self._events, self._records, retention, force=force)

    def close(self) -> None:
        """End the connection and its threads; appends under way are finished first."""
        if self._closed:
            return
        self._writer.close()
        self._closed = True
        self._watcher.close()
        self._connection.close()
        if self._server is not None:
            self._server.close()

    # What consumers need

    def scan(
        self,
        *,
        after: int,
        limit: int,
        where: EventFilter | None,
        reader: Reader | None,
        largest: int | None = None,
        live: bool = False,
    ) -> tuple[list[Stored], int]:
        """Matching events above a number, and up to which number all were looked at.

        ``live`` leaves out expired ones.
        """
        horizon = self.last()
        rows, looked, complete = self._pick(
            after, limit, where, picked(where, reader, live=live), largest
        )
        return rows, max(looked, horizon) if complete else looked

    def _pick(
        self,
        after: int,
        limit: int,
        where: EventFilter | None,
        wanted: Picked,
        largest: int | None,
    ) -> tuple[list[Stored], int, bool]:
        """Events, the number of the last that was looked at, and whether it was the last."""
        self._check_open()
        if where is not None:
            where.validated()
        subject = subject_for(self.name, where)
        looked = self._start(after, where)
        rows: list[Stored] = []
        size, complete = 0, limit <= 0
        while not complete:
            count = min(PAGE, limit - len(rows)) if wanted == EVERYTHING else PAGE
            found, complete = self._events.page(looked, subject, count)
            for each in found:
                looked = each.sequence
                row = stored_from(each.sequence, each.body)
                if not wanted.takes(row):
                    continue
                rows.append(row)
                size += len(row.body)
                if len(rows) >= limit or (largest is not None and size >= largest):
                    return rows, looked, complete and each is found[-1]
        return rows, looked, True

    def one(self, sequence: int) -> Stored | None:
        """One event; None when it is kept no longer."""
        found = self._events.exactly(sequence)
        return stored_from(sequence, found.body) if found else None

    # Following

    def _follow(
        self,
        after: int,
        where: EventFilter | None,
        reader: Reader | None,
        timeout: float | None,
    ) -> Iterator[Event]:
        silent_since = time.monotonic()
        while not self._closed:
            check_place(self, after)
            page, after_page = self.scan(after=after, limit=PAGE, where=where, reader=reader)
            for row in page:
                if row.expired():
                    continue
                yield row.event()
                silent_since = time.monotonic()
            after = after_page
            if len(page) == PAGE:
                continue
            left = None if timeout is None else silent_since + timeout - time.monotonic()
            if left is not None and left <= 0:
                return
            self._watcher.wait_beyond(after, left)

    def _start(self, after: int, where: EventFilter | None) -> int:
        """Where to begin reading: what was stored well before a time was published before it."""
        since = (
            max((moment(each.since) for each in (where, *where.all) if each.since), default=None)
            if where
            else None
        )
        if since is None:
            return after
        earliest = since - SLACK - self._writer.clock()
        text = datetime.fromtimestamp(max(earliest, 0) / 1_000_000, UTC).isoformat()
        return max(after, self._events.before(text.replace("+00:00", "Z")))

    def _listen(self, callback: Callable[[int], None]) -> None:
        self._connection.run(self._connection.listen(f"{self.name}.stored.>", callback))

    def submit(self, events: Sequence[Event]) -> "Future[list[int]]":
        """See :class:`.LogEngine`; the first events of a batch may stay when the disks are full."""
        return self._writer.submit([entry_of(event, self.schemas) for event in events])

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("The event log is closed.")
