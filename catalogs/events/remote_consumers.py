"""Consumers behind the hub: the place in the log is kept there, the work is done here."""

import secrets
import time
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from ..http import call
from ..lake import Connection
from .event import Event
from .log import Consumer, ConsumerState, DeadLetter, Taken
from .wire import decode_batch, decode_event

# The service waits for at most this long in one request, in seconds.
LONGEST_WAIT = 30.0
# What an answer may take beyond the waiting, in seconds.
_MARGIN = 15.0


class _Lease(msgspec.Struct):
    attempt: int
    token: str
    until: float


class _Answer(msgspec.Struct):
    events: msgspec.Raw
    leases: list[_Lease]


class HttpConsumer(Consumer):
    """A consumer of the event service.

    Each call may be repeated after a broken connection: events that were leased to a lost
    answer are given again to the same request, or fall due again after the lease.

    Parameters
    ----------
    connection : Connection
        The hub's address and a token.
    name : str
        The consumer's.

    Examples
    --------
    >>> consumer = log.consume("mean", where=EventFilter(collection="sst"))  # doctest: +SKIP
    >>> for taken in consumer.take(10, wait=30):  # doctest: +SKIP
    ...     consumer.done(taken)
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self.connection = connection
        self.name = name

    def take(self, limit: int = 1, *, wait: float = 0.0) -> list[Taken]:
        """Lease events in order, waiting up to ``wait`` seconds for the first."""
        end = time.monotonic() + wait
        while True:
            left = min(max(end - time.monotonic(), 0.0), LONGEST_WAIT)
            body = {"limit": limit, "wait": left, "request": secrets.token_hex(8)}
            response = self._post("take", body, timeout=left + _MARGIN)
            answer = msgspec.json.decode(response.content, type=_Answer)
            events = decode_batch(bytes(answer.events))
            if events or time.monotonic() >= end:
                pairs = zip(events, answer.leases, strict=True)
                return [_taken(event, lease) for event, lease in pairs]

    def done(self, *taken: Taken) -> None:
        """Say that the work is done; on disk when it returns."""
        if taken:
            self._post("done", {"taken": [_lease(each) for each in taken]})

    def again(self, taken: Taken, *, delay: float = 0.0, reason: str = "") -> None:
        """Have it delivered once more, later."""
        self._post("again", {**_lease(taken), "delay": delay, "reason": reason})

    def extend(self, taken: Taken, seconds: float) -> None:
        """Keep it for so much longer."""
        self._post("extend", {**_lease(taken), "seconds": seconds})

    def give_up(self, taken: Taken, reason: str) -> None:
        """Make it a dead letter."""
        self._post("give-up", {**_lease(taken), "reason": reason})

    def revive(self, sequence: int) -> None:
        """Have a dead letter delivered again."""
        self._post("revive", {"sequence": sequence})

    def state(self) -> ConsumerState:
        """How far it is."""
        response = call(self.connection, "events", "GET", f"consumers/{quote(self.name, safe='')}")
        return msgspec.json.decode(response.content, type=ConsumerState)

    def _post(self, verb: str, body: dict[str, Any], *, timeout: float = 30.0) -> httpx.Response:
        path = f"consumers/{quote(self.name, safe='')}/{verb}"
        return call(self.connection, "events", "POST", path, json=body, timeout=timeout)


def decode_letters(body: bytes) -> list[DeadLetter]:
    """The dead letters of an answer of the service."""
    letters: list[DeadLetter] = []
    for text in msgspec.json.decode(body, type=list[dict[str, msgspec.Raw]]):
        event = decode_event(bytes(text.pop("event")))
        plain = {name: msgspec.json.decode(value) for name, value in text.items()}
        letters.append(DeadLetter(event=event, **plain))
    return letters


def _taken(event: Event, lease: _Lease) -> Taken:
    return Taken(event=event, attempt=lease.attempt, token=lease.token, until=lease.until)


def _lease(taken: Taken) -> dict[str, Any]:
    return {"sequence": taken.event.sequence, "token": taken.token}
