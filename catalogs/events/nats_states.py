"""The records of a NATS log's consumers, and their dead letters, in its second stream."""

import random
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from ..access import Reader
from ..errors import Busy, NotFound
from .nats_connection import Found, Refused
from .nats_records import Letter, Record
from .nats_stream import WRONG_LAST, NatsStream, Outgoing, digest

T = TypeVar("T")


class Step(NamedTuple, Generic[T]):
    """What to tell the caller, the record to store (None: nothing), and messages with it."""

    result: T
    record: Record | None
    messages: Sequence[Outgoing] = ()


class Records:
    """The records of all consumers of a log, in its second stream.

    Parameters
    ----------
    stream : NatsStream
        The stream of states.
    name : str
        The log's.
    """

    def __init__(self, stream: NatsStream, name: str) -> None:
        self._stream = stream
        self._name = name
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def all(self, reader: Reader | None = None) -> list[Record]:
        """The reader's, by owner and name; all for None and administrators."""
        found = [
            msgspec.json.decode(each.body, type=Record)
            for each in self._pages(f"{self._name}.state.consumer.*")
        ]
        if reader is not None and not reader.admin:
            found = [record for record in found if record.owner == reader.name]
        return sorted(found, key=lambda record: (record.owner, record.name))

    def get(self, owner: str, name: str) -> tuple[Record | None, int]:
        """A record, and its number; None and 0 when there is none."""
        found = self._stream.latest(self._subject(owner, name))
        if found is None:
            return None, 0
        return msgspec.json.decode(found.body, type=Record), found.sequence

    def known(self, owner: str, name: str) -> Record:
        """A record; raises ``NotFound``."""
        record, _ = self.get(owner, name)
        if record is None:
            raise unknown(name)
        return record

    def change(self, owner: str, name: str, step: Callable[[Record | None], Step[T]]) -> T:
        """Change a record; ``step`` is repeated when somebody else was faster."""
        subject = self._subject(owner, name)
        with self._lock:
            lock = self._locks.setdefault(subject, threading.Lock())
        end = time.monotonic() + self._stream.connection.patience
        with lock:
            while time.monotonic() < end:
                record, number = self.get(owner, name)
                outcome = step(record)
                changed = outcome.record
                if changed is None:
                    return outcome.result
                changed.change = secrets.token_hex(8)
                message = Outgoing(subject, msgspec.json.encode(changed), number)
                if self._store([*outcome.messages, message], owner, name, changed.change):
                    return outcome.result
                time.sleep(random.uniform(0, 0.003))  # noqa: S311 - only so that one is first
        raise Busy(f"Too many change the consumer {name!r} at once; try again in a moment.")

    def remove(self, owner: str, name: str) -> None:
        """Remove a record and all that is its own; raises ``NotFound``."""
        self.known(owner, name)
        self._stream.purge(subject=self._subject(owner, name))
        self._stream.purge(subject=f"{self._name}.state.dead.{digest(owner, name)}.*")

    def letters(self, record: Record) -> Iterable[tuple[int, Letter]]:
        """A consumer's dead letters, in the order of their events."""
        pattern = f"{self._name}.state.dead.{digest(record.owner, record.name)}.*"
        found = [
            (int(each.subject.rpartition(".")[2]), msgspec.json.decode(each.body, type=Letter))
            for each in self._pages(pattern)
            if each.body
        ]
        return sorted(((n, each) for n, each in found if not each.revived), key=lambda x: x[0])

    def letter(self, record: Record, sequence: int) -> Letter | None:
        """One dead letter, also one that was revived."""
        found = self._stream.latest(self._letter_subject(record, sequence))
        return msgspec.json.decode(found.body, type=Letter) if found and found.body else None

    def letter_message(self, record: Record, sequence: int, letter: Letter | None) -> Outgoing:
        """The message that stores a dead letter, or removes it."""
        body = msgspec.json.encode(letter) if letter else b""
        return Outgoing(self._letter_subject(record, sequence), body)

    def drop_letters(self, record: Record, sequences: Iterable[int]) -> None:
        """Give back the room of letters that were removed."""
        for sequence in sequences:
            self._stream.purge(subject=self._letter_subject(record, sequence))

    def _store(self, messages: list[Outgoing], owner: str, name: str, change: str) -> bool:
        async def attempt(seconds: float) -> int:
            return await self._stream.store_batch(messages, seconds)

        try:
            self._stream.connection.run(self._stream.connection.patiently(attempt))
        except Refused as error:
            if error.code != WRONG_LAST:
                raise
            # Perhaps it was stored at once, and only the answer was lost.
            record, _ = self.get(owner, name)
            return record is not None and record.change == change
        return True

    def _pages(self, subject: str) -> Iterable[Found]:
        after, complete = 0, False
        while not complete:
            found, complete = self._stream.page(after, subject)
            yield from found
            after = found[-1].sequence if found else after

    def _subject(self, owner: str, name: str) -> str:
        return f"{self._name}.state.consumer.{digest(owner, name)}"

    def _letter_subject(self, record: Record, sequence: int) -> str:
        return f"{self._name}.state.dead.{digest(record.owner, record.name)}.{sequence}"


def unknown(name: str) -> NotFound:
    """The error for a consumer that is not there."""
    return NotFound(f"There is no consumer {name!r}; it was forgotten.", field="name")
