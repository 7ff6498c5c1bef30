"""Appends to a NATS stream: what comes at once is stored at once, each event once for ever."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from ..errors import BadEvent, Busy, Unavailable
from .nats_connection import NatsConnection, Refused, explain
from .nats_stream import (
    LARGEST_BATCH,
    NOT_STORED,
    WRONG_LAST,
    NatsStream,
    Outgoing,
    key_of,
    subject_of,
)
from .table import Entry

# At most so many events and bytes share one batch.
GROUP = 500
GROUP_BYTES = 8_000_000
# A batch costs the server some five syncs, a single message one: fewer than this go singly.
SMALLEST_BATCH = 8
# So many microseconds the clocks of producers and servers may differ without further ado.
SLACK = 600_000_000
# When so much waits, no more is taken.
MOST_WAITING = 20_000
MOST_WAITING_BYTES = 64_000_000
# What a message has beside an event, in bytes, at most: its headers, or why it is a dead letter.
_MARGIN = 16_384


class _Keyed(NamedTuple):
    key: str
    message: Outgoing


class _Append(NamedTuple):
    entries: list[_Keyed]
    size: int
    lead: int
    answer: "Future[list[int]]"


class NatsWriter:
    """The one writer of a process to the stream of a log.

    Parameters
    ----------
    stream, states : NatsStream
        The stream of the events, and the one of what is known about them.
    name : str
        The log's.
    """

    def __init__(self, stream: NatsStream, states: NatsStream, name: str) -> None:
        self._stream = stream
        self._states = states
        self._connection: NatsConnection = stream.connection
        self._name = name
        self._clock = f"{name}.state.clock"
        self._lead = 0
        self._lock = threading.Lock()
        self._waiting: deque[_Append] = deque()
        self._events = 0
        self._bytes = 0
        self._closed = False
        self._given_up = False
        self._writing = False
        self._idle = threading.Event()
        self._idle.set()

    def submit(self, checked: Sequence[Entry]) -> "Future[list[int]]":
        """Append checked events; the answer is their numbers.

        Raises
        ------
        Busy
            When too much waits already.
        BadEvent
            When one is larger than the servers take.
        Unavailable
            When the log is closed.
        """
        entries: list[_Keyed] = []
        now = time.time_ns() // 1000
        lead = 0
        for entry in checked:
            event, body = entry.event, entry.body
            lead = max(lead, entry.moment - now)
            if len(body) + _MARGIN > self._connection.largest:
                raise BadEvent(
                    f"The event has {len(body):,} bytes; the NATS servers take "
                    f"{self._connection.largest - _MARGIN:,}. Store the data in the lake and send "
                    "its address.",
                    field="data",
                )
            key = key_of(event)
            subject = subject_of(self._name, event, key)
            entries.append(_Keyed(key, Outgoing(subject, body, 0, self._anywhere(key))))
        append = _Append(entries, sum(len(each.body) for each in checked), lead, Future())
        if not entries:
            append.answer.set_result([])
            return append.answer
        with self._lock:
            self._admit(append)
            if not self._writing:
                self._writing = True
                self._idle.clear()
                self._connection.submit(self._write())
        return append.answer

    def clock(self) -> int:
        """How far producers' clocks went ahead of the log's, in microseconds beyond the slack."""
        found = self._states.latest(self._clock)
        return int(found.body) if found else 0

    def close(self) -> None:
        """Take no more, and finish what waits."""
        with self._lock:
            self._closed = True
        self._idle.wait()

    def _admit(self, append: _Append) -> None:
        if self._closed:
            raise Unavailable("The event log is closed.")
        if self._waiting and (
            self._events + len(append.entries) > MOST_WAITING
            or self._bytes + append.size > MOST_WAITING_BYTES
        ):
            raise Busy(
                f"{self._events:,} events wait to be stored, and no more are taken; try again in "
                "a moment."
            )
        self._waiting.append(append)
        self._events += len(append.entries)
        self._bytes += append.size

    async def _allow_for(self, lead: int) -> None:
        """Write down how far producers' clocks go ahead, before an event of one is stored."""
        beyond = lead - SLACK
        while beyond > self._lead:
            found = await self._states.get({"last_by_subj": self._clock})
            known = int(found.body) if found else 0
            if known < beyond:
                # Twice as far, so that a drifting clock is not written down with each event.
                known = 2 * beyond
                message = Outgoing(self._clock, b"%d" % known, found.sequence if found else 0)
                try:
                    await self._connection.patiently(
                        lambda seconds, message=message: self._states.store(message, seconds)
                    )
                except Refused as error:
                    if error.code != WRONG_LAST:
                        raise
                    continue  # another was faster: look again
            self._lead = known

    def _anywhere(self, key: str) -> str:
        # The same key counts under any type and collection.
        return f"{self._name}.events.*.*.{key}"

    async def _write(self) -> None:
        while group := self._next_group():
            if len(group) < SMALLEST_BATCH and all(len(each.entries) == 1 for each in group):
                await asyncio.gather(*(self._answer([append]) for append in group))
            else:
                await self._answer(group)

    async def _answer(self, group: Sequence[_Append]) -> None:
        try:
            if self._given_up:
                raise Unavailable("The event log is closed, and no server took what waited.")
            await self._allow_for(max(append.lead for append in group))
            numbers = await self._store([entry for each in group for entry in each.entries])
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits is told
            # Whoever closes the log is not to wait for each group in turn.
            self._given_up = self._closed and isinstance(error, Unavailable)
            for append in group:
                append.answer.set_exception(_told(error))
            return
        for append in group:
            append.answer.set_result([numbers[entry.key] for entry in append.entries])

    def _next_group(self) -> list[_Append]:
        group: list[_Append] = []
        events = size = 0
        with self._lock:
            while self._waiting:
                first = self._waiting[0]
                count = len(first.entries)
                if group and (events + count > GROUP or size + first.size > GROUP_BYTES):
                    break
                self._waiting.popleft()
                self._events -= count
                self._bytes -= first.size
                if first.answer.set_running_or_notify_cancel():
                    group.append(first)
                    events += count
                    size += first.size
            if not group:
                self._writing = False
                self._idle.set()
        return group

    async def _store(self, entries: Sequence[_Keyed]) -> dict[str, int]:
        """Store what is new; return the numbers of all by their keys."""
        # The same key twice in one group is one event.
        first: dict[str, Outgoing] = {}
        for entry in entries:
            first.setdefault(entry.key, entry.message)
        numbers: dict[str, int] = {}
        while left := [key for key in first if key not in numbers]:
            part = left[:LARGEST_BATCH]
            numbers |= await self._store_part({key: first[key] for key in part})
        return numbers

    async def _store_part(self, part: dict[str, Outgoing]) -> dict[str, int]:
        try:
            return await self._store_new(part)
        except Refused as error:
            if error.code not in (WRONG_LAST, NOT_STORED) or "bytes" in error.text:
                raise
        # Some are known already.  A replica that is behind may not say so yet: then it comes
        # here again.
        known = await self._stream.known([self._anywhere(key) for key in part])
        if not known:
            await asyncio.sleep(0.01)
        return known

    async def _store_new(self, part: dict[str, Outgoing]) -> dict[str, int]:
        messages = list(part.values())

        async def attempt(seconds: float) -> int:
            return await self._stream.store_batch(messages, seconds)

        last = await self._connection.patiently(attempt)
        first = last - len(messages) + 1
        return {key: first + place for place, key in enumerate(part)}


def _told(error: Exception) -> Exception:
    if isinstance(error, Refused):
        return explain(error) or error
    return error
