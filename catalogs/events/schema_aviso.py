"""One entry of Aviso's ``notification_schema``: its topic, keys, payload and who may use it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ..access import PRIVATE, PUBLIC, Reader
from ..errors import BadEvent, BadRequest, Forbidden
from .event import Event
from .handlers import AnyHandler, DateHandler, ExpverHandler, PolygonHandler, TimeHandler

PREFIX = "int.ecmwf.aviso."

# Aviso's own four: they have a meaning in NATS subjects.
_ENCODED = str.maketrans({"%": "%25", ".": "%2E", "*": "%2A", ">": "%3E"})


class Topic(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the keys become the path that is the event's subject.

    Attributes
    ----------
    base : str
        The first part; the schema's own name when empty.
    key_order : tuple of str
        The keys that follow.
    """

    base: str = ""
    key_order: tuple[str, ...] = ()


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a notification must carry a payload."""

    required: bool = False


class Roles(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Who may read and write the stream, with Aviso's rules; a role is a group of the hub.

    Attributes
    ----------
    required : bool
        False leaves the stream to everybody with a token.
    read_roles : dict, optional
        Realm to roles; ``"*"`` is everybody.  Realms are the hub's affair and are not compared.
        None means everybody.
    write_roles : dict, optional
        The same for writing; None means administrators and services only.
    """

    required: bool
    read_roles: dict[str, tuple[str, ...]] | None = None
    write_roles: dict[str, tuple[str, ...]] | None = None


class AvisoSchema(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The schema of one Aviso event type.

    Attributes
    ----------
    identifier : dict
        Key to handler.
    topic, payload, auth : Topic, Payload, Roles
        See there.
    storage_policy : dict
        Kept and shown; how long events stay is the log's retention.

    Examples
    --------
    >>> schema = AvisoSchema(identifier={"step": msgspec.convert(
    ...     {"type": "IntHandler", "required": False}, AnyHandler)})
    >>> schema.identifier["step"].canonical("007", "step")
    7
    """

    identifier: dict[str, AnyHandler] = msgspec.field(default_factory=dict[str, AnyHandler])
    topic: Topic | None = None
    payload: Payload | None = None
    auth: Roles | None = None
    storage_policy: dict[str, Any] | None = None

    @property
    def polygon_key(self) -> str:
        """The key that is a polygon; empty when there is none."""
        for key, handler in self.identifier.items():
            if isinstance(handler, PolygonHandler):
                return key
        return ""

    def validated(self, name: str) -> "AvisoSchema":
        """The schema itself; raises ``BadRequest`` when it contradicts itself."""
        order = self.topic.key_order if self.topic else ()
        for key in order:
            if key not in self.identifier:
                raise BadRequest(
                    f"The schema '{name}' has {key!r} in topic.key_order but not in identifier.",
                    field=f"notification_schema.{name}.topic.key_order",
                )
        for key, handler in self.identifier.items():
            limits = getattr(handler, "range", None)
            if limits is not None and limits[0] > limits[1]:
                raise BadRequest(
                    f"The schema '{name}' has an empty range for {key!r}: {limits}.",
                    field=f"notification_schema.{name}.identifier.{key}.range",
                )
        return self

    def shown(self) -> dict[str, Any]:
        """What clients are shown: keys and payload, as Aviso's server shows them."""
        identifier = {key: msgspec.to_builtins(one) for key, one in self.identifier.items()}
        return {"payload": msgspec.to_builtins(self.payload), "identifier": identifier}

    def subject(self, name: str, identifier: Mapping[str, Any]) -> str:
        """The topic of a notification, such as ``mars.od.0001``."""
        base = (self.topic.base if self.topic else "") or name
        order = self.topic.key_order if self.topic else ()
        parts = (self.identifier[key].text(identifier[key]).translate(_ENCODED) for key in order)
        return ".".join((base, *parts))

    def datatime(self, identifier: Mapping[str, Any]) -> str:
        """The time of the data by the first date and time among the keys; empty without a date.

        Examples
        --------
        >>> schema = AvisoSchema(identifier={"date": DateHandler(), "time": TimeHandler()})
        >>> schema.datatime({"date": "20260706", "time": "0600"})
        '2026-07-06T06:00:00Z'
        """
        day, time = "", "0000"
        for key, handler in reversed(self.identifier.items()):
            if isinstance(handler, DateHandler):
                day = identifier[key].replace("-", "")
            elif isinstance(handler, TimeHandler):
                time = identifier[key]
        if not day:
            return ""
        return f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:]}:00Z"

    def written(self, identifier: Mapping[str, Any]) -> dict[str, Any]:
        """Stored keys as Aviso's wire has them: as texts.

        What was stored in another form, before there was this schema, stays as it is.
        """
        handlers = self.identifier
        return {
            key: handlers[key].text(value)
            if key in handlers and isinstance(value, str | int | float)
            else value
            for key, value in identifier.items()
        }

    @property
    def access(self) -> str:
        """The access level of the stream's events, for readers that do not come by Aviso's paths.

        An event has one level, so that of several groups only the first reads it there.
        """
        roles = _roles(self.auth.read_roles) if self.auth and self.auth.required else ("*",)
        if "*" in roles:
            return PUBLIC
        return f"group:{roles[0]}" if roles else PRIVATE

    def may_read(self, reader: Reader) -> bool:
        """Whether the reader may listen to the stream and replay it."""
        if reader.admin or self.auth is None or not self.auth.required:
            return True
        return _in(reader, _roles(self.auth.read_roles))

    def check_writer(self, name: str, reader: Reader) -> None:
        """Raise ``Forbidden`` when the reader may not notify."""
        if reader.admin or self.auth is None or not self.auth.required:
            return
        roles = self.auth.write_roles
        if roles is None:
            raise Forbidden(f"Only administrators may write to '{name}'.", field="event_type")
        if not _in(reader, _roles(roles)):
            raise Forbidden(
                f"Writing to '{name}' needs one of the groups {', '.join(_roles(roles))}.",
                field="event_type",
            )

    def check(self, event: Event) -> Event:
        """The event with its keys in canonical form; raises ``BadEvent`` naming the key."""
        name = event.type.removeprefix(PREFIX)
        data = event.data
        given = data.get("identifier") if isinstance(data, dict) else None
        if not isinstance(given, dict):
            raise BadEvent(
                f"An event of type {event.type!r} has data {{'identifier': {{...}}, 'payload': "
                "...}.",
                field="data.identifier",
            )
        identifier = self.canonical(given, "data.identifier.")
        payload = data.get("payload")
        if self.payload and self.payload.required and "payload" not in data:
            raise BadEvent(f"'{name}' needs a payload; this event has none.", field="data.payload")
        changes: dict[str, Any] = {"data": {**data, "identifier": identifier, "payload": payload}}
        changes["subject"] = self.subject(name, identifier)
        if event.access == PUBLIC:
            changes["access"] = self.access
        if not event.datatime:
            changes["datatime"] = self.datatime(identifier)
        for key, handler in self.identifier.items():
            if isinstance(handler, PolygonHandler):
                changes["bbox"] = handler.ring(given[key], f"data.identifier.{key}").bbox
                break
        return msgspec.structs.replace(event, **changes)

    def canonical(self, given: Mapping[str, Any], place: str) -> dict[str, Any]:
        """All keys of a notification in canonical form and in the schema's order.

        Parameters
        ----------
        given : mapping
            Key to value, each a single one.
        place : str
            Stands before the key where an error names it.
        """
        handlers = self.identifier
        if len(given) > len(handlers) or not handlers.keys() >= given.keys():
            unknown = min(set(given) - set(handlers), key=str)
            raise BadEvent(
                f"{str(unknown)[:60]!r} is no key of this event type; it has "
                f"{', '.join(handlers) or 'none'}.",
                field=f"{place}{unknown}",
            )
        identifier: dict[str, Any] = {}
        for key, handler in handlers.items():
            value = given.get(key, _ABSENT)
            if value is _ABSENT:
                if not (isinstance(handler, ExpverHandler) and handler.default):
                    raise BadEvent(
                        f"{key!r} is missing: who notifies gives every key of the event type.",
                        field=f"{place}{key}",
                    )
                value = ""
            identifier[key] = handler.canonical(value, place + key)
        return identifier


_ABSENT = object()


def _roles(by_realm: dict[str, tuple[str, ...]] | None) -> tuple[str, ...]:
    if by_realm is None:
        return ("*",)
    return tuple(dict.fromkeys(role for roles in by_realm.values() for role in roles))


def _in(reader: Reader, roles: tuple[str, ...]) -> bool:
    return "*" in roles or any(role in reader.groups for role in roles)
