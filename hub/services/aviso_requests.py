"""What Aviso's clients send: a notification, or which ones they want from where."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
import shapely
from shapely.geometry.base import BaseGeometry

from ...catalogs.errors import BadEvent, BadRequest, from_decoding
from ...catalogs.events.event import EventFilter
from ...catalogs.events.handlers_shapes import parse_point, parse_polygon
from ...catalogs.events.operators import holds
from ...catalogs.events.schema_aviso import PREFIX, AvisoSchema

T = TypeVar("T", bound=msgspec.Struct)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"\+?([0-9]{1,18})")


class InvalidJson(BadRequest):
    """The body is no JSON."""


class UnknownField(BadRequest):
    """The body has a field that is not in the contract."""


class InvalidShape(BadRequest):
    """A field of the body has the wrong type."""


class NotificationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of ``POST notification``.

    Attributes
    ----------
    event_type : str
        Aviso's name of it.
    identifier : dict
        Key to value.
    payload : Any
        Any JSON; unset when it was not sent.
    id : str
        Ours beyond Aviso: the producer's own id; a repetition with it changes nothing.
    """

    event_type: str
    identifier: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    payload: Any = msgspec.UNSET
    id: str = ""


class StreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of ``POST watch`` and ``POST replay``.

    Attributes
    ----------
    event_type : str
        Aviso's name of it.
    identifier : dict
        Key to a value or to one operator with its value.
    from_id, to_id : str or int, optional
        The first and the last number of the stream.
    from_date, to_date : str, optional
        The same by time of publishing.
    """

    event_type: str
    identifier: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    from_id: str | int | None = None
    from_date: str | int | None = None
    to_id: str | int | None = None
    to_date: str | int | None = None
    payload: Any = None


def read_body(body: bytes, kind: type[T]) -> T:
    """Decode a body; raises ``InvalidJson``, ``UnknownField`` or ``InvalidShape``."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidJson(f"The body is no JSON: {error}.") from error
    known = [field.encode_name for field in msgspec.structs.fields(kind)]
    if isinstance(document, dict):
        for name in document:
            if name not in known:
                raise UnknownField(
                    f"{name[:60]!r} is no field of this request; it has {', '.join(known)}.",
                    field=name,
                )
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise from_decoding(error, InvalidShape) from error


def read_number(value: str | int, field: str) -> int:
    """A number of a stream; raises ``BadRequest``."""
    found = _NUMBER.fullmatch(str(value).strip())
    if not found:
        raise BadRequest(
            f"{field} must be a whole number from 0; {str(value)[:40]!r} is not.", field=field
        )
    return int(found[1])


def read_date(value: str | int, field: str) -> datetime:
    """A time of publishing: RFC 3339 (without an offset it is UTC), seconds or milliseconds.

    Examples
    --------
    >>> read_date("2026-01-31 06:00:00", "from_date").isoformat()
    '2026-01-31T06:00:00+00:00'
    >>> read_date("1769839200000", "from_date").isoformat()
    '2026-01-31T06:00:00+00:00'
    """
    text = str(value).strip()
    number = _NUMBER.fullmatch(text)
    try:
        if number:
            # As Aviso's server: up to eleven digits are seconds.
            long = len(number[1].lstrip("0")) > 11
            return _EPOCH + timedelta(milliseconds=int(number[1]) * (1 if long else 1000))
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest(
            f"{field} must be a time such as '2026-01-31T06:00:00Z', or seconds or milliseconds "
            f"since 1970; {text[:40]!r} is not.",
            field=field,
        ) from error


class Wanted:
    """Which notifications of a type a client wants.

    Parameters
    ----------
    event_type : str
        Aviso's name of it.
    identifier : mapping
        As in the request.
    schema : AvisoSchema or None
        That of the type; without one, keys are compared as texts.

    Attributes
    ----------
    key : bytes
        Is the same for all who want the same.
    topic : str
        What is shown of it in control events.

    Raises
    ------
    BadEvent
        ``field`` names the key.
    """

    def __init__(
        self, event_type: str, identifier: Mapping[str, Any], schema: AvisoSchema | None
    ) -> None:
        self.event_type = event_type
        self.schema = schema
        self.key = json.dumps([event_type, identifier], sort_keys=True, default=str).encode()
        self._conditions: dict[str, dict[str, Any]] = {}
        self._area: BaseGeometry | None = None
        self._polygon_key = schema.polygon_key if schema else "polygon"
        rest = dict(identifier)
        self._take_area(rest)
        for name, asked in rest.items():
            self._conditions[name] = self._condition(name, asked)
        if schema is not None:
            self._check_required(schema, identifier)
        order = schema.topic.key_order if schema and schema.topic else ()
        base = schema.topic.base if schema and schema.topic else ""
        parts = (str(rest[key]) if isinstance(rest.get(key), str) else "*" for key in order)
        self.topic = ".".join((base or event_type, *parts))

    def filter(self) -> EventFilter:
        """What the log can look up; :meth:`matches` has the last word."""
        where = {f"data.identifier.{name}": asked for name, asked in self._conditions.items()}
        area = {} if self._area is None else shapely.geometry.mapping(self._area)
        return EventFilter(
            type=f"{PREFIX}{self.event_type}", where=where if self.schema else {}, area=area
        )

    def matches(self, identifier: Mapping[str, Any]) -> bool:
        """Whether a stored notification with these keys is wanted."""
        value_of = identifier.get if self.schema else lambda name: _as_text(identifier.get(name))
        if not holds(self._conditions, value_of):
            return False
        if self._area is None:
            return True
        ring = identifier.get(self._polygon_key)
        if not isinstance(ring, str):
            return False
        try:
            return bool(shapely.intersects(_shape(ring), self._area))
        except BadEvent:
            return False  # from before there was a schema

    def _take_area(self, rest: dict[str, Any]) -> None:
        point = rest.pop("point", None)
        ring = rest.pop(self._polygon_key, None) if self._polygon_key else None
        if point is None and ring is None:
            return
        if not self._polygon_key:
            raise BadEvent(
                f"'{self.event_type}' has no polygon; 'point' cannot be asked.",
                field="identifier.point",
            )
        if point is not None and ring is not None:
            raise BadEvent("Give 'polygon' or 'point', not both.", field="identifier.point")
        field = f"identifier.{'point' if ring is None else self._polygon_key}"
        given = _tuples(point if ring is None else ring)
        if isinstance(given, dict):
            raise BadEvent(f"{field} must be a single value, not an object.", field=field)
        if ring is None:
            latitude, longitude = parse_point(given, field)
            self._area = shapely.Point(longitude, latitude)
        else:
            self._area = _shape(parse_polygon(given, field).text)
        shapely.prepare(self._area)

    def _condition(self, name: str, asked: Any) -> dict[str, Any]:
        field = f"identifier.{name}"
        if self.schema is None:
            if asked is not None and not isinstance(asked, dict | list):
                return {"eq": _as_text(asked)}
            raise BadEvent(
                f"{field} must be a single value: '{self.event_type}' has no schema.", field=field
            )
        handler = self.schema.identifier.get(name)
        if handler is None:
            raise BadEvent(
                f"{name[:60]!r} is no key of '{self.event_type}'; it has "
                f"{', '.join(self.schema.identifier) or 'none'}.",
                field=field,
            )
        return handler.constraint(asked, field)

    def _check_required(self, schema: AvisoSchema, identifier: Mapping[str, Any]) -> None:
        for name, handler in schema.identifier.items():
            by_point = name == self._polygon_key and "point" in identifier
            if handler.required and name not in identifier and not by_point:
                raise BadEvent(
                    f"{name!r} is missing: who listens to '{self.event_type}' gives it.",
                    field=f"identifier.{name}",
                )


def _as_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _shape(ring: str) -> BaseGeometry:
    coordinates = parse_polygon(ring, "polygon").geometry["coordinates"][0]
    shape = shapely.Polygon(coordinates)
    return shape if shape.is_valid else shapely.make_valid(shape)


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_tuples(one) for one in value)
    return value
