"""Events as Kafka messages, as the CloudEvents Kafka binding says, and back."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import msgspec

from ..errors import BadEvent, BadRequest
from .event import LONGEST, Event
from .wire import STRUCTURED, decode_request, encode_event

Mode = Literal["binary", "structured"]

# What of an event is no header of its own.
_NOT_HEADERS = frozenset({"data", "datacontenttype", "sequence", "extensions"})
_NAMES = tuple(name for name in Event.__struct_fields__ if name not in _NOT_HEADERS)


class KafkaMessage(NamedTuple):
    """What of a message carries an event."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def encode_message(event: Event, mode: Mode = "binary") -> KafkaMessage:
    """An event as a Kafka message, keyed by its ``partitionkey``.

    Parameters
    ----------
    event : Event
        Its number in a log is left out.
    mode : {'binary', 'structured'}, optional
        Binary: attributes are headers, the data are the value; structured: all of it is the
        value, as CloudEvents JSON.

    Raises
    ------
    BadEvent
        When the event is not valid.

    Examples
    --------
    >>> message = encode_message(Event(type="org.x", source="/me", id="1", data=5))
    >>> message.value, message.headers[0]
    (b'5', ('content-type', b'application/json'))
    """
    body = encode_event(event)
    key = event.partitionkey.encode() or None
    if mode == "structured":
        return KafkaMessage(key, body, [("content-type", STRUCTURED.encode())])
    headers = [("content-type", event.datacontenttype.encode())]
    attributes = {name: getattr(event, name) for name in _NAMES} | event.extensions
    headers += [(f"ce_{name}", _text(value)) for name, value in attributes.items() if value != ""]
    return KafkaMessage(key, _value(event), headers)


def decode_message(
    key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | str | None]]
) -> Event:
    """The event of a Kafka message of either mode; a key that is a text is its partition key.

    Raises
    ------
    BadEvent
        When it is no CloudEvent; ``field`` names the attribute.

    Examples
    --------
    >>> message = encode_message(Event(type="org.x", source="/me", id="1", partitionkey="k"))
    >>> decode_message(*message).partitionkey
    'k'
    """
    event = decode_request(_as_of_http(headers), value or b"")[0]
    if not key or event.partitionkey:
        return event
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return event
    if not text.isprintable() or len(text) > LONGEST.get("partitionkey", 255):
        return event
    return msgspec.structs.replace(event, partitionkey=text)


def require_kafka() -> None:
    """Say what to install when the client is missing.

    Raises
    ------
    BadRequest
        When it is.
    """
    try:
        import confluent_kafka  # noqa: F401 # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise BadRequest(
            "A bridge to Kafka needs an extra: pip install 'boathouse[kafka]'.", field="kafka"
        ) from error


def _as_of_http(headers: Iterable[tuple[str, bytes | str | None]]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        lowered = name.lower()
        try:
            text = value.decode() if isinstance(value, bytes) else value or ""
        except UnicodeDecodeError as error:
            raise BadEvent(f"The header {name} is no UTF-8 text.", field=name) from error
        if lowered == "content-type":
            found[lowered] = text
        elif lowered.startswith("ce_"):
            # Over HTTP values are percent-encoded, here they are not.
            found[f"ce-{lowered.removeprefix('ce_')}"] = quote(text, safe="")
    if "application/cloudevents-batch" in found.get("content-type", ""):
        raise BadEvent("A Kafka message holds one event, not a batch.", field="content-type")
    return found


def _value(event: Event) -> bytes | None:
    if event.data is None:
        return None
    if event.datacontenttype.startswith("text/") and isinstance(event.data, str):
        return event.data.encode()
    return msgspec.json.encode(event.data)


def _text(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return str(value).encode()
