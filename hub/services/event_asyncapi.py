"""The AsyncAPI description of the event service: channels, and one message for each known type."""

import re
from typing import Any, Protocol

from ...catalogs.events.event import (
    ITEM_CREATED,
    ITEM_DELETED,
    ITEM_UPDATED,
    JOB_CHANGED,
    LONGEST,
)
from ...catalogs.events.wire import EVENT_STREAM, STRUCTURED

_OWN = {
    ITEM_CREATED: "Data was added to a collection.",
    ITEM_UPDATED: "Data of a collection was replaced.",
    ITEM_DELETED: "Data was taken out of a collection.",
    JOB_CHANGED: "A job was queued, started, ended or failed.",
}
_TIMES = {"time", "datatime"}


class Registry(Protocol):
    """What is needed of a schema registry."""

    def types(self) -> list[str]:
        """The event types that have a schema."""
        ...

    def document(self, type: str) -> dict[str, Any]:
        """The schema of one."""
        ...


def asyncapi(address: str, registry: Registry | None) -> dict[str, Any]:
    """The AsyncAPI 3 document.

    Parameters
    ----------
    address : str
        Base URL of the service, such as ``http://127.0.0.1:8000/services/events/``.
    registry : Registry, optional
        Which types have schemas; only our own types are described without one.

    Examples
    --------
    >>> asyncapi("http://127.0.0.1:8000/services/events/", None)["asyncapi"]
    '3.0.0'
    """
    scheme, _, rest = address.partition("://")
    host, _, path = rest.partition("/")
    messages = {_key(type_): _message(type_, text, None) for type_, text in _OWN.items()}
    if registry:
        for type_ in registry.types():
            messages[_key(type_)] = _message(type_, "", registry.document(type_))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Boathouse events",
            "version": "1.0",
            "description": "What happened on the lake, as CloudEvents 1.0; kept and replayable.",
        },
        "defaultContentType": STRUCTURED,
        "servers": {
            "hub": {
                "host": host,
                "protocol": scheme,
                "pathname": f"/{path}",
                "security": [{"$ref": "#/components/securitySchemes/token"}],
            }
        },
        "channels": {
            "events": _channel("events", "The log: POST adds, GET reads pages.", messages),
            "stream": _channel(
                "events/stream", f"Events as they come, as {EVENT_STREAM}.", messages
            ),
        },
        "operations": {
            "publish": {"action": "receive", "channel": {"$ref": "#/channels/events"}},
            "listen": {"action": "send", "channel": {"$ref": "#/channels/stream"}},
        },
        "components": {
            "messages": messages,
            "schemas": {"cloudevent": _envelope()},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of the hub; publishing needs custom:events:publish.",
                }
            },
        },
    }


def _channel(path: str, text: str, messages: dict[str, Any]) -> dict[str, Any]:
    return {
        "address": path,
        "description": text,
        "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in messages},
    }


def _message(type_: str, text: str, schema: dict[str, Any] | None) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "allOf": [
            {"$ref": "#/components/schemas/cloudevent"},
            {"properties": {"type": {"const": type_}}},
        ]
    }
    message: dict[str, Any] = {
        "name": type_,
        "title": type_,
        "contentType": STRUCTURED,
        "payload": payload,
    }
    if text:
        message["summary"] = text
    if schema and "identifier" in schema:
        # Aviso's own kind of schema says more than a JSON Schema can.
        message["x-notification-schema"] = schema
        required = sorted(n for n, key in schema["identifier"].items() if _is_required(key))
        keys = {"type": "object", "properties": {name: {} for name in schema["identifier"]}}
        identifier = {**keys, "required": required} if required else keys
        schema = {"type": "object", "properties": {"identifier": identifier}}
    if schema:
        payload["allOf"][1]["properties"]["data"] = schema
    return message


def _is_required(key: Any) -> bool:
    return isinstance(key, dict) and key.get("required") is True


def _envelope() -> dict[str, Any]:
    properties: dict[str, Any] = {
        name: {"type": "string", "maxLength": longest} for name, longest in LONGEST.items()
    }
    for name in _TIMES:
        properties[name] = {"type": "string", "format": "date-time"}
    return {
        "type": "object",
        "required": ["specversion", "type", "source", "id"],
        "properties": {
            "specversion": {"const": "1.0"},
            **properties,
            "sequence": {"type": "integer", "description": "The log's number; not to be sent."},
            "data": {},
        },
    }


def _key(type_: str) -> str:
    """A component's name may hold letters, digits, dots, dashes and underlines."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", type_)
