"""New events on their way to the streams: matched, decoded and encoded once for all of them."""

import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ...catalogs.access import PUBLIC, Reader
from ...catalogs.events.event import EventFilter
from ...catalogs.events.log import Stored
from ...catalogs.events.wire import frame


class Listener(Protocol):
    """What a broadcast offers events to."""

    key: bytes
    where: EventFilter
    reader: Reader
    after: int

    def offer(self, batch: "Batch") -> None:
        """Take what it wants; must return at once."""
        ...

    def live_on(self, silent_since: float) -> None:
        """Say that it lives when nothing was said since then."""
        ...


class Piece(NamedTuple):
    """Bytes for many streams, also in the form in which HTTP carries them."""

    body: bytes
    chunk: bytes

    @classmethod
    def of(cls, frames: Sequence[bytes]) -> "Piece":
        """Join frames."""
        body = b"".join(frames)
        return cls(body, b"%x\r\n%b\r\n" % (len(body), body))


class Batch:
    """New events on their way to the subscribers: each is decoded and encoded at most once.

    Parameters
    ----------
    rows : sequence of Stored
        In order.
    """

    def __init__(self, rows: Sequence[Stored]) -> None:
        self.rows = rows
        self.last = rows[-1].sequence
        self.size = sum(len(row.body) for row in rows)
        self._frames: dict[int, bytes] = {}
        self._matching: dict[bytes, tuple[list[Stored], Piece | None]] = {}

    def piece(self, listener: Listener) -> Piece | None:
        """What one subscriber gets of it."""
        rows, shared = self._known(listener)
        if not rows or (shared and rows[0].sequence > listener.after):
            return shared
        seen = _seen(rows, listener)
        return Piece.of([self._frame(row) for row in seen]) if seen else None

    def concerns(self, listener: Listener) -> bool:
        """Whether there is something in it for one listener."""
        rows, _ = self._known(listener)
        return bool(_seen(rows, listener))

    def _known(self, listener: Listener) -> tuple[list[Stored], Piece | None]:
        known = self._matching.get(listener.key)
        if known is None:
            known = self._matching[listener.key] = self._match(listener.where)
        return known

    def _match(self, where: EventFilter) -> tuple[list[Stored], Piece | None]:
        rows = fresh(self.rows)
        if where != _EVERYTHING:
            rows = [row for row in rows if where.matches(row.event())]
        # What all may see is the same bytes for all that have this filter.
        shared = bool(rows) and all(row.access == PUBLIC for row in rows)
        return rows, Piece.of([self._frame(row) for row in rows]) if shared else None

    def _frame(self, row: Stored) -> bytes:
        encoded = self._frames.get(row.sequence)
        if encoded is None:
            encoded = self._frames[row.sequence] = frame(row.sequence, row.json())
        return encoded


_EVERYTHING = EventFilter()


def fresh(rows: Sequence[Stored]) -> list[Stored]:
    """Those that have not expired."""
    now = time.time() * 1e6
    return [row for row in rows if not row.expires or row.expires > now]


def _seen(rows: list[Stored], listener: Listener) -> list[Stored]:
    reader, after = listener.reader, listener.after
    return [row for row in rows if row.sequence > after and reader.may_see(row.owner, row.access)]
