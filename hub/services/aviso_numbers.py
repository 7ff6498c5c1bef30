"""The numbers that Aviso's clients count by: each event type has its own, without gaps.

The log numbers all events together, but a client that listens without a filter takes a number
that was left out for lost history and ends.  So the n-th event of a type that all readers of
the stream may see has the number n there, whatever else the log holds; one that only some may
see has the number of the one before it, which a client takes for a repetition.
"""

import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ...catalogs.access import PUBLIC
from ...catalogs.events.event import EventFilter
from ...catalogs.events.log import LogEngine, Stored

PAGE = 5000
_WIDTH = 8


class StreamNumbers:
    """The numbers of one event type's stream.

    Parameters
    ----------
    log : LogEngine
        Where the events are.
    type_ : str
        Their CloudEvents type.
    access : str
        The level of the stream's own events; they and public ones are counted.
    path : path, optional
        Where the numbers are kept, 8 bytes an event, so that a new start needs no counting and
        numbers stay the same when old events are deleted.
    """

    def __init__(
        self, log: LogEngine, type_: str, *, access: str = PUBLIC, path: Path | None = None
    ) -> None:
        self.log = log
        self.type = type_
        self.counted = frozenset({PUBLIC, access})
        self._path = path
        self._lock = threading.Lock()
        self._sequences = self._load()
        # Every event up to this number of the log has been counted.
        self._seen = self._sequences[-1] if self._sequences else 0

    def __len__(self) -> int:
        return len(self._sequences)

    def number(self, sequence: int) -> int:
        """The stream's number of the event with this number in the log."""
        return bisect_right(self._sequences, sequence)

    def before(self, number: int) -> int:
        """The log's number after which the event with this number of the stream comes."""
        return self._sequences[number - 2] if number > 1 else 0

    def after(self, sequence: int) -> int:
        """The stream's number of the first counted event at or above a number of the log."""
        return bisect_left(self._sequences, sequence) + 1

    def count(self, upto: int) -> None:
        """Count all events up to a number of the log; reads them."""
        while self._seen < upto:
            with self._lock:
                self._count_page(upto)

    def add(self, rows: list[Stored]) -> None:
        """Count events that came just now, of all types, in order and without a hole."""
        with self._lock:
            while self._seen < rows[0].sequence - 1:
                self._count_page(rows[0].sequence - 1)
            self._append(row for row in rows if row.type == self.type)
            self._seen = max(self._seen, rows[-1].sequence)

    def _count_page(self, upto: int) -> None:
        rows = self.log.stored(after=self._seen, limit=PAGE, where=EventFilter(type=self.type))
        self._append(row for row in rows if row.sequence <= upto)
        if len(rows) < PAGE or rows[-1].sequence >= upto:
            self._seen = upto
        else:
            self._seen = rows[-1].sequence

    def _append(self, rows: Iterable[Stored]) -> None:
        fresh = array(
            "q",
            [
                row.sequence
                for row in rows
                if row.sequence > self._seen and row.access in self.counted
            ],
        )
        if fresh:
            self._sequences.extend(fresh)
            if self._path is not None:
                with self._path.open("ab") as file:
                    fresh.tofile(file)

    def _load(self) -> "array[int]":
        sequences = array("q")
        if self._path is None:
            return sequences
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._path.exists():
            size = self._path.stat().st_size // _WIDTH
            with self._path.open("r+b") as file:
                file.truncate(size * _WIDTH)  # a crash may have cut the last one
                sequences.fromfile(file, size)
        if sequences and (sequences[-1] > self.log.last() or not _rises(sequences)):
            # Those of another log; this one's are counted anew.
            self._path.unlink()
            return array("q")
        return sequences


def _rises(sequences: "array[int]") -> bool:
    return bool((np.diff(np.asarray(sequences)) > 0).all())
