"""Aviso's own paths on the lake's log, such that ``pyaviso`` works as it is.

Events are CloudEvents of type ``int.ecmwf.aviso.<event_type>`` like any other of the log.
"""

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ...catalogs.access import PUBLIC, Reader
from ...catalogs.errors import (
    BadRequest,
    BoathouseError,
    Busy,
    Forbidden,
    NotFound,
    StorageFull,
    Unavailable,
)
from ...catalogs.events.event import Event, EventFilter, new_id
from ...catalogs.events.log import LogEngine
from ...catalogs.events.schema import SchemaRegistry
from ...catalogs.events.schema_aviso import PREFIX
from .application import reader_of, still_reader, stopping_of
from .aviso_numbers import StreamNumbers
from .aviso_requests import (
    InvalidJson,
    InvalidShape,
    NotificationRequest,
    StreamRequest,
    UnknownField,
    Wanted,
    read_body,
    read_date,
    read_number,
)
from .aviso_schemas import SchemaRoutes
from .aviso_streams import AvisoSubscriber, Counter, Stream, timestamp
from .connection import Connection
from .event_rights import signed
from .streams import Broadcast, EventStream

Handler = Callable[[Request], Awaitable[Any]]

# A name that is a part of a type, of a subject and of a file's name.
_EVENT_TYPE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}")
_MOST_STREAMS = 1000


class UnknownEventType(BadRequest):
    """The registry has no such event type, and takes only those that it has.

    Parameters
    ----------
    event_type : str
        The one that was asked.
    known : list of str
        Those that there are.
    """

    def __init__(self, event_type: str, known: list[str]) -> None:
        super().__init__(f"There is no event type {event_type[:60]!r}.", field="event_type")
        self.known = known


class NotSupported(BoathouseError):
    """What Aviso's server can do and this log must not."""

    status = 405


class AvisoRoutes:
    """Aviso's paths over one log.

    Parameters
    ----------
    log : LogEngine
        The lake's log.
    registry : SchemaRegistry
        The schemas of its event types.
    broadcast : Broadcast
        The event service's own.
    state : path, optional
        A folder for the numbers of the streams.
    """

    def __init__(
        self,
        log: LogEngine,
        registry: SchemaRegistry,
        broadcast: Broadcast,
        *,
        state: Path | None = None,
    ) -> None:
        self.log = log
        self.registry = registry
        self.broadcast = broadcast
        self.state = state
        self._lock = threading.Lock()
        self._streams: dict[tuple[str, str], Stream] = {}
        for event_type, schema in registry.aviso().items():
            path = self._path_of(event_type, schema.access)
            if path and path.exists():
                self._stream_of(event_type).numbers.count(log.last())
        broadcast.subscribers.add(Counter(lambda: list(self._streams.values())))

    def routes(self) -> list[Route]:
        """The paths, below the service's prefix, with those of the registry."""
        admin = ("admin/notification/{id}", "admin/wipe/stream", "admin/wipe/all")
        return [
            Route("/api/v1/notification", _told(self.notify, "NOTIFICATION"), methods=["POST"]),
            Route("/api/v1/watch", _told(self.watch, "WATCH"), methods=["POST"]),
            Route("/api/v1/replay", _told(self.replay, "REPLAY"), methods=["POST"]),
            Route("/api/v1/schema", _told(self.schemas, "SCHEMA")),
            Route("/api/v1/schema/{event_type}", _told(self.schema, "SCHEMA")),
            *(
                Route(f"/api/v1/{path}", _told(self.keep, "ADMIN"), methods=["DELETE"])
                for path in admin
            ),
            *SchemaRoutes(self.registry).routes(),
        ]

    async def notify(self, request: Request) -> dict[str, Any]:
        """Append one notification; answers when it is on disk."""
        reader = await reader_of(request)
        asked = read_body(await request.body(), NotificationRequest)
        self._check_known(asked.event_type)
        if "point" in asked.identifier:
            raise BadRequest("'point' is for listeners; notify with a polygon.", field="point")
        data: dict[str, Any] = {"identifier": asked.identifier}
        if asked.payload is not msgspec.UNSET:
            data["payload"] = asked.payload
        event = Event(
            type=f"{PREFIX}{asked.event_type}",
            # Under the user's own source nobody else can take an id.
            source=f"/users/{reader.name}/aviso",
            id=asked.id or request.headers.get("idempotency-key") or new_id(),
            data=data,
        )
        event = signed(event, reader)
        self.registry.check_writer(event, reader)
        await self.log.append_async([self.registry.check(event)])
        return {
            "status": "success",
            "request_id": request.state.request_id,
            "processed_at": timestamp(),
        }

    async def watch(self, request: Request) -> ASGIApp:
        """New notifications, after those of the past when that is asked."""
        asked = read_body(await request.body(), StreamRequest)
        if asked.to_id is not None or asked.to_date is not None:
            raise BadRequest("A watch has no end; replay has.", field="to_id")
        return await self._stream(request, asked, ends=False)

    async def replay(self, request: Request) -> ASGIApp:
        """Notifications of the past, all of them."""
        asked = read_body(await request.body(), StreamRequest)
        if asked.from_id is None and asked.from_date is None:
            raise BadRequest("A replay needs from_id or from_date.", field="from_id")
        return await self._stream(request, asked, ends=True)

    async def schemas(self, request: Request) -> dict[str, Any]:
        """The schemas that the asker may read."""
        reader = await reader_of(request)
        schemas = {
            name: schema.shown()
            for name, schema in self.registry.aviso().items()
            if schema.may_read(reader) or _may_write(self.registry, name, reader)
        }
        return {
            "status": "success",
            "schema": schemas,
            "event_types": list(schemas),
            "total_schemas": len(schemas),
        }

    async def schema(self, request: Request) -> dict[str, Any]:
        """The schema of one event type."""
        name = request.path_params["event_type"]
        known = (await self.schemas(request))["schema"]
        if name not in known:
            raise NotFound(
                f"There is no event type {name[:60]!r}; there are {', '.join(known) or 'none'}.",
                field="event_type",
            )
        return {"status": "success", "event_type": name, "schema": known[name]}

    async def keep(self, request: Request) -> None:
        """Refuse to delete: what was acknowledged is kept until the log's retention."""
        if not (await reader_of(request)).admin:
            raise Forbidden("This is for administrators.")
        raise NotSupported("This log deletes no single events; its retention removes old ones.")

    async def _stream(self, request: Request, asked: StreamRequest, *, ends: bool) -> ASGIApp:
        reader = await reader_of(request)
        self._check_known(asked.event_type)
        type_ = f"{PREFIX}{asked.event_type}"
        if not self.registry.may_read(type_, reader):
            raise Forbidden(
                f"Listening to '{asked.event_type}' needs a group that you are not in.",
                field="event_type",
            )
        schema = self.registry.aviso_schema(asked.event_type)
        wanted = Wanted(asked.event_type, asked.identifier, schema)
        stream = await asyncio.to_thread(self._stream_of, asked.event_type)
        last = self.broadcast.position if not ends else self.log.last()
        historical = asked.from_id is not None or asked.from_date is not None
        after, until = await asyncio.to_thread(self._range, stream.numbers, asked, last)

        def subscribe(connection: Connection) -> AvisoSubscriber:
            return AvisoSubscriber(
                self.broadcast,
                connection,
                stream=stream,
                wanted=wanted,
                after=after,
                historical=historical,
                until=until if ends else None,
                reader=reader,
                request_id=request.state.request_id,
            )

        async def right() -> Reader | None:
            now = await still_reader(request)
            return now if now and self.registry.may_read(type_, now) else None

        return EventStream(subscribe, stopping=stopping_of(request), still_reader=right)

    def _stream_of(self, event_type: str) -> Stream:
        schema = self.registry.aviso_schema(event_type)
        access = schema.access if schema else PUBLIC
        # One at a time: two that count into one file would count twice.
        with self._lock:
            stream = self._streams.get((event_type, access))
            if stream is None:
                if len(self._streams) >= _MOST_STREAMS:
                    self._streams.clear()  # those in use live on with their listeners
                path = self._path_of(event_type, access) if schema else None
                numbers = StreamNumbers(self.log, f"{PREFIX}{event_type}", access=access, path=path)
                stream = Stream(event_type, numbers, lambda keys: self._written(event_type, keys))
                self._streams[event_type, access] = stream
        return stream

    def _path_of(self, event_type: str, access: str) -> Path | None:
        # Who may see what is counted: with other readers they are other numbers.
        mark = "" if access == PUBLIC else f"@{quote(access, safe='')}"
        return self.state and self.state / f"{event_type}{mark}.numbers"

    def _written(self, event_type: str, identifier: Mapping[str, Any]) -> dict[str, Any]:
        schema = self.registry.aviso_schema(event_type)
        return schema.written(identifier) if schema else dict(identifier)

    def _range(self, numbers: StreamNumbers, asked: StreamRequest, last: int) -> tuple[int, int]:
        """After which number of the log the stream begins and with which a replay ends."""
        numbers.count(last)
        if asked.from_id is not None and asked.from_date is not None:
            raise BadRequest("Give from_id or from_date, not both.", field="from_date")
        if asked.to_id is not None and asked.to_date is not None:
            raise BadRequest("Give to_id or to_date, not both.", field="to_date")
        after, until = last, last
        if asked.from_id is not None:
            first = read_number(asked.from_id, "from_id")
            if first > len(numbers) + 1:
                raise BadRequest(
                    f"from_id is {first}, but the stream ends with {len(numbers)}.",
                    field="from_id",
                )
            after = numbers.before(first)
        elif asked.from_date is not None:
            after = self._before(read_date(asked.from_date, "from_date"), last)
        if asked.to_id is not None:
            end = read_number(asked.to_id, "to_id")
            if asked.from_id is not None and end < read_number(asked.from_id, "from_id"):
                raise BadRequest("to_id lies before from_id.", field="to_id")
            # With what only some may see and has the same number.
            until = numbers.before(end + 2) - 1 if end < len(numbers) else last
        elif asked.to_date is not None:
            end_date = read_date(asked.to_date, "to_date")
            if asked.from_date is not None and end_date < read_date(asked.from_date, "from_date"):
                raise BadRequest("to_date lies before from_date.", field="to_date")
            until = self._upto(end_date, last)
        return min(after, last), until

    def _before(self, date: datetime, last: int) -> int:
        """The log's number after which the first event at or after a time comes."""
        where = EventFilter(since=date.isoformat())
        rows = self.log.stored(after=0, limit=1, where=where)
        return rows[0].sequence - 1 if rows else last

    def _upto(self, date: datetime, last: int) -> int:
        """The log's number of the last event published at or before a time."""
        tick = timedelta(microseconds=1)
        if date > datetime.max.replace(tzinfo=UTC) - tick:
            return last
        where = EventFilter(since=(date + tick).isoformat())
        rows = self.log.stored(after=0, limit=1, where=where)
        return rows[0].sequence - 1 if rows else last

    def _check_known(self, event_type: str) -> None:
        known = self.registry.aviso_schema(event_type) is not None
        taken = known or self.registry.takes_unknown(f"{PREFIX}{event_type}")
        if not taken or not _EVENT_TYPE.fullmatch(event_type):
            raise UnknownEventType(event_type, list(self.registry.aviso()))


def _may_write(registry: SchemaRegistry, name: str, reader: Reader) -> bool:
    try:
        registry.check_writer(Event(type=f"{PREFIX}{name}", source="/"), reader)
    except Forbidden:
        return False
    return True


def _told(handler: Handler, kind: str) -> Callable[[Request], Awaitable[Any]]:
    """The handler, whose errors are answered in Aviso's form."""

    async def answer(request: Request) -> Any:
        request.state.request_id = str(uuid4())
        try:
            content = await handler(request)
        except BoathouseError as error:
            return _refusal(request, error, kind)
        if not isinstance(content, dict):
            return content
        headers = {"X-Request-ID": request.state.request_id}
        return Response(
            msgspec.json.encode(content), headers=headers, media_type="application/json"
        )

    return answer


_CODES: list[tuple[type[BoathouseError], str]] = [
    (InvalidJson, "INVALID_JSON"),
    (UnknownField, "UNKNOWN_FIELD"),
    (InvalidShape, "INVALID_REQUEST_SHAPE"),
    (UnknownEventType, "UNKNOWN_EVENT_TYPE"),
    (NotSupported, "NOT_SUPPORTED"),
    (Forbidden, "FORBIDDEN"),
    (NotFound, "NOT_FOUND"),
    (Busy, "TOO_MANY_REQUESTS"),
    (StorageFull, "NOTIFICATION_STORAGE_FAILED"),
    (Unavailable, "SERVICE_UNAVAILABLE"),
]


def _refusal(request: Request, error: BoathouseError, kind: str) -> Response:
    codes = (code for cls, code in _CODES if isinstance(error, cls))
    code = next(codes, f"INVALID_{kind}_REQUEST")
    document: dict[str, Any] = {
        "code": code,
        "error": code.replace("_", " ").capitalize(),
        "message": error.detail,
        "details": error.detail,
        "request_id": request.state.request_id,
    }
    if error.field is not None:
        document["field"] = error.field
    if isinstance(error, UnknownEventType):
        document["configured_event_types"] = error.known
    headers = {"X-Request-ID": request.state.request_id}
    if isinstance(error, Busy):
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return Response(msgspec.json.encode(document), error.status, headers, "application/json")
