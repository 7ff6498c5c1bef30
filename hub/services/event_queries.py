"""Which events a request asks for: from its query, its body, or the id that a stream resumes."""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec
from starlette.requests import Request

from ...catalogs.errors import BadEvent, BadRequest, from_decoding
from ...catalogs.events.event import EventFilter
from ...catalogs.events.log import LogEngine, check_place

# The most events in a request or an answer, and the size at which an answer ends, in bytes.
LARGEST_COUNT = 10_000
LARGEST_PAGE = 8_000_000
_LARGEST_SEQUENCE = 2**62

# What a query may say by name; the rest of a filter goes as JSON into ``filter``.
_TEXTS = frozenset(
    field.encode_name for field in msgspec.structs.fields(EventFilter) if field.type is str
)

_FILTER = frozenset(field.encode_name for field in msgspec.structs.fields(EventFilter))

T = TypeVar("T")


class EventQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``POST events/search`` and ``POST events/stream`` take.

    Attributes
    ----------
    filter : EventFilter
        Which events; all when it is not given.
    after : int, optional
        The last sequence number that the asker has: 0 means from the beginning.  A search
        begins there when nothing is said, a stream with what comes now.
    limit : int
        The most events in one answer; a stream has no end.
    """

    filter: EventFilter = EventFilter()
    after: int | None = None
    limit: int = 1000


async def query_of(request: Request, log: LogEngine) -> EventQuery:
    """The query of a GET (parameters) or a POST (JSON), checked against the log.

    Raises
    ------
    BadRequest
        When something in it is wrong; ``field`` names it.
    Gone
        When events after ``after`` are kept no longer; the text names the first that is.
    """
    if request.method == "POST":
        query = _decoded(await request.body() or b"{}", EventQuery)
    else:
        query = _from_parameters(request.query_params)
    resumed = request.headers.get("last-event-id", "")
    if resumed:
        query = msgspec.structs.replace(query, after=_number("Last-Event-ID", resumed))
    if not 0 <= query.limit <= LARGEST_COUNT:
        raise BadRequest(f"limit must be from 0 to {LARGEST_COUNT}.", field="limit")
    if query.after is not None:
        check_place(log, query.after)
    return msgspec.structs.replace(query, filter=query.filter.validated())


def _from_parameters(given: Mapping[str, str]) -> EventQuery:
    texts: dict[str, Any] = {}
    numbers: dict[str, int] = {}
    where = EventFilter()
    for name, text in given.items():
        if name == "filter":
            where = _decoded(text.encode(), EventFilter)
        elif name in ("after", "limit"):
            numbers[name] = _number(name, text)
        elif name in _TEXTS:
            texts[name] = text
        else:
            known = ", ".join(sorted({*_TEXTS, "after", "filter", "limit"}))
            raise BadRequest(f"{name!r} is no parameter here; there are {known}.", field=name)
    for name, text in texts.items():
        if getattr(where, name) not in ("", text):
            raise BadEvent(f"filter and {name} say different things.", field=name)
    return EventQuery(filter=msgspec.structs.replace(where, **texts), **numbers)


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        document = msgspec.json.decode(body)
        _check_names(document.get("filter") if kind is EventQuery else document)
        return msgspec.convert(document, type=kind)
    except AttributeError:
        raise BadEvent("The JSON must be an object.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise from_decoding(error, BadEvent) from error


def _check_names(document: Any) -> None:
    """Refuse a filter with an unknown condition: it would pass more than was meant."""
    if not isinstance(document, dict):
        return
    for name in cast("dict[str, Any]", document):
        if name not in _FILTER:
            raise BadEvent(f"{name!r} is no condition of a filter.", field=name)
    for inner in (document.get("not"), *_several(document, "any"), *_several(document, "all")):
        _check_names(inner)


def _several(document: dict[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    return cast("list[Any]", value) if isinstance(value, list) else []


def _number(name: str, text: str) -> int:
    highest = LARGEST_COUNT if name == "limit" else _LARGEST_SEQUENCE
    if text.isdecimal() and text.isascii() and len(text) < 20 and int(text) <= highest:
        return int(text)
    raise BadRequest(f"{name} must be a whole number from 0 to {highest}.", field=name)
