"""Threads that perform deliveries: one pool for each kind, so that none waits for another."""

import queue
import threading
from collections.abc import Callable
from typing import get_args

import msgspec

from .rules.model import Kind

KINDS: tuple[Kind, ...] = get_args(Kind)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is done at once.

    Attributes
    ----------
    compute, service, operate : int
        Deliveries of each kind.
    user : int
        Of these, those of one user.
    """

    compute: int = 8
    service: int = 16
    operate: int = 4
    user: int = 8

    def of(self, kind: Kind) -> int:
        """How many deliveries of a kind are done at once."""
        return {"compute": self.compute, "service": self.service, "operate": self.operate}[kind]


class Pool:
    """A few threads that are started when they are needed.

    Parameters
    ----------
    kind : str
        Names the threads.
    size : int
        How many there are at most.
    """

    def __init__(self, kind: str, size: int) -> None:
        self._kind = kind
        self._size = size
        self._idle = 0
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def put(self, work: Callable[[], None]) -> None:
        """Have something done, which raises nothing."""
        with self._lock:
            self._idle -= 1
            if self._idle < 0 and len(self._threads) < self._size:
                name = f"boathouse-{self._kind}-{len(self._threads)}"
                # Daemons: a receiver that hangs must not hold up the end of the process, and
                # what it was doing is delivered again.
                thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._threads.append(thread)
                self._idle += 1
                thread.start()
            self._work.put(work)

    def close(self, *, wait: float) -> None:
        """Let the threads end after what they do now; wait for each up to some seconds."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join(timeout=wait)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            with self._lock:
                self._idle += 1
