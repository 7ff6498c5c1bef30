"""Consumers of a NATS log: each is one record, changed by whoever saw its last version."""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

from ..access import Reader
from ..errors import NotFound
from .consumer import Consumer, ConsumerState, DeadLetter, Taken
from .consumer_rows import MOST_BEHIND, lost
from .event import EventFilter
from .log import Stored
from .moments import now_text
from .nats_records import Buried, Letter, Record
from .nats_rows import stored_from
from .nats_states import Records, Step, unknown
from .nats_stream import Outgoing
from .nats_watcher import Watcher
from .wire import decode_event, encode_event

# How soon a waiting taker sees what another process gave back, in seconds.
LOOK_SECONDS = 0.25
# A place that lies so many events behind is moved on although nothing there matched.
LAG = 1000
# What is taken at once ends with the event that brings it to so many bytes.
LARGEST_TAKE = 16_000_000
# At most so many events of a consumer are not done at once: its record is one message.
MOST_OPEN = 5000
# Tokens of work that is done, so that it may be said twice over a bad connection.
_REMEMBERED = 2000

T = TypeVar("T")


class Holder(Protocol):
    """What consumers need of their log."""

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
        ...

    def one(self, sequence: int) -> Stored | None:
        """One event."""
        ...

    def last(self) -> int:
        """The highest number."""
        ...


class NatsConsumer(Consumer):
    """A consumer whose leases are a record on the cluster; made by ``consume``.

    Parameters
    ----------
    log : NatsEventLog
        Where it belongs.
    watcher : Watcher
        Says when something came.
    records : Records
        Where its record is.
    owner, name : str
        Together they name it.
    reader : Reader or None
        Who sees what; None sees everything.
    """

    def __init__(
        self,
        log: Holder,
        watcher: Watcher,
        records: Records,
        owner: str,
        name: str,
        reader: Reader | None,
    ) -> None:
        self.name = name
        self._log = log
        self._watcher = watcher
        self._records = records
        self._owner = owner
        self._reader = reader
        self._done_tokens: dict[str, None] = {}
        # So far nothing matched this filter, beyond the position that is written down.
        self._scanned: tuple[EventFilter, int] = (EventFilter(), 0)

    def take(self, limit: int = 1, *, wait: float = 0.0) -> list[Taken]:
        """Lease up to ``limit`` events, in order; see :class:`.Consumer`."""
        end = time.monotonic() + wait
        if wait > 0:
            self._watcher.start()
        while True:
            turns = self._watcher.turns()
            taken, due = self._change(lambda record: self._take(record, limit))
            left = end - time.monotonic()
            if taken or left <= 0:
                return taken
            self._watcher.wait(turns, min(left, LOOK_SECONDS, max(due - time.time(), 0.001)))

    def done(self, *taken: Taken) -> None:
        """Say that the work is done; see :class:`.Consumer`."""
        removed: list[int] = []

        def step(record: Record) -> Step[list[Taken]]:
            gone, kept = record.finish(taken)
            removed[:] = kept
            messages = tuple(self._records.letter_message(record, n, None) for n in kept)
            return Step(gone, record if len(gone) < len(taken) else None, messages)

        gone = [each for each in self._change(step) if each.token not in self._done_tokens]
        for each in taken:
            if each not in gone:
                self._done_tokens[each.token] = None
        while len(self._done_tokens) > _REMEMBERED:
            del self._done_tokens[next(iter(self._done_tokens))]
        if removed:
            self._records.drop_letters(self._record(), removed)
        if gone:
            raise lost(each.event.sequence for each in gone)

    def again(self, taken: Taken, *, delay: float = 0.0, reason: str = "") -> None:
        """Deliver it once more, after ``delay`` seconds; see :class:`.Consumer`."""
        due = time.time() + max(delay, 0.0)

        def step(record: Record) -> Step[None]:
            buried = record.give_back(taken, due, reason)
            return Step(None, record, self._burial(record, buried, taken))

        self._change(step)
        self._watcher.nudge()

    def extend(self, taken: Taken, seconds: float) -> None:
        """Let the lease end ``seconds`` from now; see :class:`.Consumer`.

        An event that is given back counts as not delivered.
        """

        def step(record: Record) -> Step[None]:
            record.extend(taken, time.time(), seconds)
            return Step(None, record)

        self._change(step)
        if seconds <= 0:
            self._watcher.nudge()

    def give_up(self, taken: Taken, reason: str) -> None:
        """Make it a dead letter at once; see :class:`.Consumer`."""

        def step(record: Record) -> Step[None]:
            buried = record.give_up(taken, reason)
            return Step(None, record, self._burial(record, buried, taken))

        self._change(step)

    def revive(self, sequence: int) -> None:
        """Deliver a dead letter again, with all its attempts; see :class:`.Consumer`."""

        def step(record: Record) -> Step[None]:
            letter = self._records.letter(record, sequence)
            if letter is None or letter.revived:
                raise NotFound(
                    f"{self.name} has no dead letter of number {sequence}.", field="sequence"
                )
            record.revive(sequence)
            revived = msgspec.structs.replace(letter, revived=True)
            return Step(None, record, [self._records.letter_message(record, sequence, revived)])

        self._change(step)
        self._watcher.nudge()

    def state(self) -> ConsumerState:
        """Where it stands."""
        return state_of(self._log, self._record(), self._reader)

    def _record(self) -> Record:
        return self._records.known(self._owner, self.name)

    def _change(self, step: Callable[[Record], Step[T]]) -> T:
        def known(record: Record | None) -> Step[T]:
            if record is None:
                raise unknown(self.name)
            return step(record)

        return self._records.change(self._owner, self.name, known)

    def _take(self, record: Record, limit: int) -> Step[tuple[list[Taken], float]]:
        now = time.time()
        changed = bool(record.due(now))
        messages: list[Outgoing] = []
        taken = self._take_due(record, now, limit, messages)
        limit = min(limit, len(taken) + MOST_OPEN - len(record.open))
        if len(taken) < limit:
            place = record.position
            scanned = self._scanned[1] if self._scanned[0] == record.where else 0
            rows, looked = self._log.scan(
                after=max(place, scanned),
                limit=limit - len(taken),
                where=record.where,
                reader=self._reader,
                largest=LARGEST_TAKE,
                live=True,
            )
            taken += [record.hand_out(row.event(), now) for row in rows]
            if not rows:
                # Only then: what is found here may yet go to another, who is faster.
                self._scanned = (record.where, looked)
            if rows or looked - place > LAG:
                record.position = looked
                changed = True
        due = min((each.due for each in record.open.values()), default=float("inf"))
        return Step((taken, due), record if changed else None, messages)

    def _take_due(
        self, record: Record, now: float, limit: int, messages: list[Outgoing]
    ) -> list[Taken]:
        """What falls due again: leased once more, or a dead letter, or of no use any more."""
        taken: list[Taken] = []
        for sequence in record.due(now):
            if len(taken) >= limit:
                break
            row = self._open_event(record, sequence)
            visible = row is not None and (
                self._reader is None or self._reader.may_see(row.owner, row.access)
            )
            if row is None or row.expired() or not visible:
                if record.open.pop(sequence).kept:
                    messages.append(self._records.letter_message(record, sequence, None))
                continue
            buried = record.spent(sequence)
            if buried is None:
                taken.append(record.hand_out(row.event(), now))
            else:
                messages.append(self._letter(record, buried, row.body))
        return taken

    def _open_event(self, record: Record, sequence: int) -> Stored | None:
        row = self._log.one(sequence)
        if row is not None or not record.open[sequence].kept:
            return row
        letter = self._records.letter(record, sequence)
        return stored_from(sequence, bytes(letter.event)) if letter else None

    def _burial(self, record: Record, buried: Buried | None, taken: Taken) -> tuple[Outgoing, ...]:
        if buried is None:
            return ()
        return (self._letter(record, buried, encode_event(taken.event)),)

    def _letter(self, record: Record, buried: Buried, body: bytes) -> Outgoing:
        letter = Letter(buried.attempts, buried.reason, now_text(), msgspec.Raw(body))
        return self._records.letter_message(record, buried.sequence, letter)


def state_of(log: Holder, record: Record, reader: Reader | None) -> ConsumerState:
    """Where a consumer stands."""
    new, _ = log.scan(after=record.position, limit=MOST_BEHIND, where=record.where, reader=reader)
    return ConsumerState(
        name=record.name,
        owner=record.owner,
        where=record.where,
        cursor=record.cursor,
        leased=record.leased(time.time()),
        behind=min(len(record.open) + len(new), MOST_BEHIND),
        dead=record.dead,
        lease=record.lease,
        attempts=record.attempts,
        created=record.created,
    )


def letters_of(records: Records, name: str, reader: Reader | None, limit: int) -> list[DeadLetter]:
    """Dead letters of the reader's consumers, or of one of them, the oldest event first."""
    found: list[DeadLetter] = []
    for record in records.all(reader):
        if name and record.name != name:
            continue
        for sequence, letter in records.letters(record):
            event = msgspec.structs.replace(decode_event(bytes(letter.event)), sequence=sequence)
            if reader is None or reader.may_see(event.owner, event.access):
                found.append(
                    DeadLetter(
                        consumer=record.name,
                        owner=record.owner,
                        event=event,
                        attempts=letter.attempts,
                        reason=letter.reason,
                        time=letter.time,
                    )
                )
    found.sort(key=lambda letter: (letter.event.sequence, letter.owner, letter.consumer))
    return found[:limit]
