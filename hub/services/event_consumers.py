"""Consumers over HTTP: a named place in the log that moves with the work, on the server."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...catalogs.access import Reader
from ...catalogs.errors import BadRequest, NotFound
from ...catalogs.events.event import Event, EventFilter
from ...catalogs.events.log import Consumer, ConsumerState, LogEngine, Taken
from ...catalogs.events.wire import encode_batch, encode_numbered
from .application import body_as, json_response, number_of, reader_of, stopping_of
from .event_arrivals import Arrivals
from .streams import Broadcast

# The most events that one request takes, and the longest that it waits, in seconds.
LARGEST_TAKE = 1000
LONGEST_WAIT = 30.0
# A lease or a delay that ends is seen within this time, in seconds.
LOOK_SECONDS = 0.5
# Consumers of this name belong to webhooks.
RESERVED = "webhook-"
_DEAD_LETTERS = 1000
# So many answers are kept for clients that lost their connection while they took.
_ANSWERS = 100

T = TypeVar("T")


class Opening(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``PUT consumers/NAME`` takes; see :meth:`.EventLog.consume`."""

    where: EventFilter | None = None
    after: int | None = None
    lease: float | None = None
    attempts: int | None = None


class Taking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``take`` takes; the same ``request`` again gets the same answer, while leased."""

    limit: int = 1
    wait: float = 0.0
    request: str = ""


class Lease(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which taken event is meant."""

    sequence: int
    token: str


class Leases(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``done`` takes."""

    taken: tuple[Lease, ...]


class Again(Lease, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``again`` and ``give-up`` take."""

    delay: float = 0.0
    reason: str = ""


class Extension(Lease, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``extend`` takes."""

    seconds: float


class Revival(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``revive`` takes."""

    sequence: int


class ConsumerRoutes:
    """The handlers of consumers over one log.

    Parameters
    ----------
    log : LogEngine
        The lake's log.
    broadcast : Broadcast
        Tells when something came.
    """

    def __init__(self, log: LogEngine, broadcast: Broadcast) -> None:
        self._log = log
        self._broadcast = broadcast
        self._open: dict[tuple[str, str], tuple[Reader, Consumer]] = {}
        self._answers: dict[tuple[str, str, str], tuple[float, bytes]] = {}
        self._waiting: dict[tuple[str, str], set[Arrivals]] = {}

    def routes(self) -> list[Route]:
        """The paths, relative to the service's prefix."""
        one = "/consumers/{name}"
        return [
            Route("/consumers", self.list),
            Route(one, self.open, methods=["PUT"]),
            Route(one, self.state),
            Route(one, self.forget, methods=["DELETE"]),
            Route(f"{one}/take", self.take, methods=["POST"]),
            Route(f"{one}/done", self.done, methods=["POST"]),
            Route(f"{one}/again", self.again, methods=["POST"]),
            Route(f"{one}/extend", self.extend, methods=["POST"]),
            Route(f"{one}/give-up", self.give_up, methods=["POST"]),
            Route(f"{one}/revive", self.revive, methods=["POST"]),
            Route(f"{one}/dead-letters", self.dead_letters),
            Route("/dead-letters", self.dead_letters),
        ]

    async def list(self, request: Request) -> Response:
        """``GET consumers``: the asker's, and everybody's for an administrator."""
        reader = await reader_of(request)
        states = await asyncio.to_thread(lambda: self._log.consumers(reader=reader))
        return json_response(states)

    async def open(self, request: Request) -> Response:
        """``PUT consumers/NAME``: open or make one."""
        reader, name = await reader_of(request), _name(request)
        if name.startswith(RESERVED):
            raise BadRequest(f"name must not start with {RESERVED!r}.", field="name")
        body = await body_as(request, Opening)
        consumer = await asyncio.to_thread(
            lambda: self._log.consume(
                name,
                where=body.where and body.where.validated(),
                after=body.after,
                reader=reader,
                lease=body.lease,
                attempts=body.attempts,
            )
        )
        self._open[reader.name, name] = (reader, consumer)
        self._wake(reader, name)
        return json_response(await asyncio.to_thread(consumer.state))

    async def state(self, request: Request) -> Response:
        """``GET consumers/NAME``."""
        return json_response(await self._ask(request, lambda consumer: consumer.state()))

    async def forget(self, request: Request) -> Response:
        """``DELETE consumers/NAME``."""
        reader, name = await reader_of(request), _name(request)
        await self._consumer(reader, name)
        self._open.pop((reader.name, name), None)
        await asyncio.to_thread(lambda: self._log.forget(name, reader=reader))
        return Response(status_code=204)

    async def take(self, request: Request) -> Response:
        """``POST consumers/NAME/take``: lease events, waiting for the first."""
        reader, name = await reader_of(request), _name(request)
        body = await body_as(request, Taking)
        if not 1 <= body.limit <= LARGEST_TAKE:
            raise BadRequest(f"limit must be from 1 to {LARGEST_TAKE}.", field="limit")
        if not 0 <= body.wait <= LONGEST_WAIT:
            raise BadRequest(f"wait must be from 0 to {LONGEST_WAIT:g} seconds.", field="wait")
        consumer = await self._consumer(reader, name)
        key = (reader.name, name, body.request)
        if body.request and key in self._answers:
            until, answer = self._answers[key]
            if until > time.time():
                return Response(answer, media_type="application/json")
        where = (await asyncio.to_thread(consumer.state)).where if body.wait else EventFilter()
        arrivals = Arrivals(self._broadcast, where, reader)
        self._waiting.setdefault((reader.name, name), set()).add(arrivals)
        try:
            with arrivals:
                taken = await self._wait(request, consumer, body, arrivals)
        finally:
            self._waiting[reader.name, name].discard(arrivals)
        answer = _encoded(taken)
        if body.request and taken:
            self._remember(key, min(each.until for each in taken), answer)
        return Response(answer, media_type="application/json")

    async def done(self, request: Request) -> Response:
        """``POST consumers/NAME/done``: the work is done, for ever."""
        body = await body_as(request, Leases)
        taken = [_taken(lease) for lease in body.taken]
        await self._ask(request, lambda consumer: consumer.done(*taken))
        return Response(status_code=204)

    async def again(self, request: Request) -> Response:
        """``POST consumers/NAME/again``: deliver it once more, later."""
        body = await body_as(request, Again)
        return await self._move(
            request,
            lambda consumer: consumer.again(_taken(body), delay=body.delay, reason=body.reason),
        )

    async def extend(self, request: Request) -> Response:
        """``POST consumers/NAME/extend``: keep it for longer."""
        body = await body_as(request, Extension)
        return await self._move(
            request, lambda consumer: consumer.extend(_taken(body), body.seconds)
        )

    async def give_up(self, request: Request) -> Response:
        """``POST consumers/NAME/give-up``: a dead letter at once."""
        body = await body_as(request, Again)
        return await self._move(
            request, lambda consumer: consumer.give_up(_taken(body), body.reason)
        )

    async def revive(self, request: Request) -> Response:
        """``POST consumers/NAME/revive``: deliver a dead letter again."""
        body = await body_as(request, Revival)
        return await self._move(request, lambda consumer: consumer.revive(body.sequence))

    async def dead_letters(self, request: Request) -> Response:
        """``GET dead-letters?consumer=NAME``, or those of one consumer."""
        reader = await reader_of(request)
        name = request.path_params.get("name", request.query_params.get("consumer", ""))
        limit = number_of(request, "limit", 100, _DEAD_LETTERS)
        letters = await asyncio.to_thread(
            lambda: self._log.dead_letters(name, reader=reader, limit=limit)
        )
        plain = [
            {
                **{
                    field: getattr(letter, field)
                    for field in letter.__struct_fields__
                    if field != "event"
                },
                "event": msgspec.Raw(encode_numbered(letter.event)),
            }
            for letter in letters
        ]
        return json_response(plain)

    # What they share

    async def _wait(
        self, request: Request, consumer: Consumer, body: Taking, arrivals: Arrivals
    ) -> "list[Taken]":
        stopping = stopping_of(request)
        gone = asyncio.ensure_future(_client_gone(request))
        end = time.monotonic() + body.wait
        try:
            while True:
                arrivals.clear()
                # Whoever has gone takes nothing more.
                if gone.done():
                    return []
                taken = await asyncio.to_thread(lambda: consumer.take(body.limit))
                if taken and gone.done():
                    await asyncio.to_thread(_give_back, consumer, taken)
                    return []
                left = end - time.monotonic()
                if taken or left <= 0 or stopping.is_set():
                    return taken
                await arrivals.wait(min(left, LOOK_SECONDS))
        finally:
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone

    async def _move(self, request: Request, work: Callable[[Consumer], None]) -> Response:
        await self._ask(request, work)
        self._wake(await reader_of(request), _name(request))
        return Response(status_code=204)

    async def _ask(self, request: Request, work: Callable[[Consumer], T]) -> T:
        consumer = await self._consumer(await reader_of(request), _name(request))
        return await asyncio.to_thread(work, consumer)

    async def _consumer(self, reader: Reader, name: str) -> Consumer:
        known = self._open.get((reader.name, name))
        if known and known[0] == reader:
            return known[1]
        states = await asyncio.to_thread(self._states, reader)
        if all(state.name != name for state in states):
            raise NotFound(f"You have no consumer {name!r}; open it with PUT.", field="name")
        consumer = await asyncio.to_thread(lambda: self._log.consume(name, reader=reader))
        self._open[reader.name, name] = (reader, consumer)
        return consumer

    def _states(self, reader: Reader) -> "list[ConsumerState]":
        states = self._log.consumers(reader=reader)
        return [state for state in states if state.owner == reader.name]

    def _wake(self, reader: Reader, name: str) -> None:
        for arrivals in self._waiting.get((reader.name, name), ()):
            arrivals.set()

    def _remember(self, key: tuple[str, str, str], until: float, answer: bytes) -> None:
        now = time.time()
        alive = [(k, v) for k, v in self._answers.items() if v[0] > now]
        self._answers = dict(alive[1 - _ANSWERS :])
        self._answers[key] = (until, answer)


def _give_back(consumer: Consumer, taken: list[Taken]) -> None:
    for each in taken:
        consumer.extend(each, 0.0)


async def _client_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _name(request: Request) -> str:
    return request.path_params["name"]


def _taken(lease: Lease) -> Taken:
    # The engine looks at the number and the token alone.
    event = Event(type="leased", source="/", id="", time="", sequence=lease.sequence)
    return Taken(event=event, attempt=0, token=lease.token, until=0.0)


def _encoded(taken: list[Taken]) -> bytes:
    leases: list[dict[str, Any]] = [
        {"attempt": each.attempt, "token": each.token, "until": each.until} for each in taken
    ]
    events = msgspec.Raw(encode_batch(encode_numbered(each.event) for each in taken))
    return msgspec.json.encode({"events": events, "leases": leases})
