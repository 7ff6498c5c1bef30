"""The command queues over HTTP: enqueue, long poll, stream, acknowledge."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ...catalogs.access import Reader
from ...catalogs.errors import BadRequest, BoathouseError, Unavailable
from ...catalogs.observations.commands import EXPIRES, Command, State
from ...catalogs.observations.sql_commands import LONGEST_WAIT, MOST_WAITING, SqlCommandQueue
from .application import (
    body_as,
    json_response,
    number_of,
    reader_of,
    still_reader,
    stopping_of,
)

HEARTBEAT_SECONDS = 15.0
# How often commands of other processes are looked for, in seconds.
LOOK_SECONDS = 1.0
# How often a stream's right is looked at again, in seconds.
RIGHT_SECONDS = 60.0


class _Enqueue(msgspec.Struct, forbid_unknown_fields=True):
    command: str
    parameters: dict[str, Any] = {}
    expires: float = EXPIRES
    key: str = ""
    owner: str = ""


class _Acknowledgement(msgspec.Struct, forbid_unknown_fields=True):
    state: State
    result: Any = None
    error: str = ""
    by: str = ""


class CommandService:
    """The handlers of the command queues.

    Parameters
    ----------
    queue : SqlCommandQueue
        All queues.
    """

    def __init__(self, queue: SqlCommandQueue) -> None:
        self.queue = queue
        # Replaced whenever a command is queued: who waits for it holds the old one.
        self._grown = asyncio.Event()

    def start(self) -> Callable[[], None]:
        """Wake who waits when a command is queued; returns what ends that."""
        loop = asyncio.get_running_loop()
        return self.queue.listen(lambda: _call_in(loop, self._wake))

    def routes(self) -> list[Route]:
        """The paths below the service's prefix."""
        return [
            Route("/stations/{id}/commands", self.enqueue, methods=["POST"]),
            Route("/stations/{id}/commands", self.poll),
            Route("/stations/{id}/commands/stream", self.stream),
            Route("/commands", self.commands),
            Route("/commands/{id}", self.command),
            Route("/commands/{id}", self.withdraw, methods=["DELETE"]),
            Route("/commands/{id}/acknowledgement", self.acknowledge, methods=["POST"]),
        ]

    async def enqueue(self, request: Request) -> Response:
        """Queue a command."""
        reader, given = await reader_of(request), await body_as(request, _Enqueue)
        queued = await run_in_threadpool(
            self.queue.enqueue,
            request.path_params["id"],
            given.command,
            given.parameters,
            expires=given.expires,
            key=given.key,
            owner=given.owner,
            reader=reader,
        )
        return json_response(queued, 201)

    async def poll(self, request: Request) -> Response:
        """The commands that wait; with ``wait`` the answer comes with the first of them."""
        reader, station = await reader_of(request), request.path_params["id"]
        limit = number_of(request, "limit", 10, MOST_WAITING)
        end = time.monotonic() + _wait(request)
        stopping = stopping_of(request)
        while True:
            grown = self._grown
            found = await self._waiting(station, limit, reader)
            left = end - time.monotonic()
            if found or left <= 0 or stopping.is_set():
                return json_response(found)
            if await _rest(min(left, LOOK_SECONDS), grown, stopping, request):
                return json_response([])

    async def stream(self, request: Request) -> Response:
        """The commands that wait, and then each as it comes, as server-sent events."""
        reader, station = await reader_of(request), request.path_params["id"]
        await self._waiting(station, 1, reader)  # refuses before the answer begins
        return StreamingResponse(
            self._messages(request, station, reader),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )

    async def commands(self, request: Request) -> Response:
        """Visible commands, newest first."""
        reader, query = await reader_of(request), request.query_params
        found = await run_in_threadpool(
            self.queue.commands,
            query.get("station", ""),
            state=query.get("state", ""),
            limit=number_of(request, "limit", 100, 10_000),
            reader=reader,
        )
        return json_response(found)

    async def command(self, request: Request) -> Response:
        """One command."""
        reader, id = await reader_of(request), request.path_params["id"]
        return json_response(await run_in_threadpool(self.queue.command, id, reader=reader))

    async def withdraw(self, request: Request) -> Response:
        """Take back a command that waits."""
        reader, id = await reader_of(request), request.path_params["id"]
        return json_response(await run_in_threadpool(self.queue.withdraw, id, reader=reader))

    async def acknowledge(self, request: Request) -> Response:
        """Say what the instrument has done with a command."""
        reader, said = await reader_of(request), await body_as(request, _Acknowledgement)
        moved = await run_in_threadpool(
            self.queue.acknowledge,
            request.path_params["id"],
            said.state,
            result=said.result,
            error=said.error,
            by=said.by,
            reader=reader,
        )
        return json_response(moved)

    async def _waiting(self, station: str, limit: int, reader: Reader) -> list[Command]:
        return await run_in_threadpool(self.queue.poll, station, limit=limit, reader=reader)

    async def _messages(
        self, request: Request, station: str, reader: Reader
    ) -> AsyncGenerator[bytes]:
        stopping, sent = stopping_of(request), set[str]()
        spoken = asked = time.monotonic()
        yield b"retry: 1000\n\n"
        while not stopping.is_set():
            grown = self._grown
            try:
                if time.monotonic() - asked > RIGHT_SECONDS:
                    asked = time.monotonic()
                    fresh = await still_reader(request)
                    if fresh is None:
                        return
                    reader = fresh
                waiting = await self._waiting(station, MOST_WAITING, reader)
            except Unavailable:
                waiting = []  # the hub or the database restarts
            except BoathouseError:
                return  # the right is gone, or the station
            for command in waiting:
                if command.id not in sent:
                    body = msgspec.json.encode(command)
                    yield b"id: %d\nevent: command\ndata: %b\n\n" % (command.number, body)
                    spoken = time.monotonic()
            # What waits no longer cannot come again.
            sent = {command.id for command in waiting}
            if time.monotonic() - spoken > HEARTBEAT_SECONDS:
                yield b": alive\n\n"
                spoken = time.monotonic()
            await _rest(LOOK_SECONDS, grown, stopping)

    def _wake(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()


async def _rest(
    seconds: float,
    grown: asyncio.Event,
    stopping: asyncio.Event,
    request: Request | None = None,
) -> bool:
    """Wait until something may have changed; whether the client is gone meanwhile."""
    tasks = [asyncio.ensure_future(each.wait()) for each in (grown, stopping)]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    return request is not None and await request.is_disconnected()


def _wait(request: Request) -> float:
    text = request.query_params.get("wait", "0")
    try:
        seconds = msgspec.convert(text, float, strict=False)
    except msgspec.ValidationError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_WAIT:
        raise BadRequest(f"wait must be seconds from 0 to {LONGEST_WAIT:g}.", field="wait")
    return seconds


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:
        if not loop.is_closed():
            raise
