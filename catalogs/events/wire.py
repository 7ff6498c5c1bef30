"""Events as bytes: CloudEvents JSON, the CloudEvents HTTP bindings, and server-sent events."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from ..errors import BadEvent, from_decoding
from .event import LARGEST_DATA, RESERVED, Event

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
EVENT_STREAM = "text/event-stream"

# What a binary-mode header may set; the content type and the body give the rest.
_NOT_IN_HEADERS = frozenset({"data", "data_base64", "datacontenttype", "sequence", "extensions"})
_ATTRIBUTES = RESERVED - {"extensions"}


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Event)


def encode_event(event: Event) -> bytes:
    """A checked event as CloudEvents JSON, without a sequence number.

    Raises
    ------
    BadEvent
        When the event is not valid, or its data is no JSON or too large.
    """
    event.validated()
    extensions = event.extensions
    if event.sequence or event.extensions:
        event = msgspec.structs.replace(event, sequence=0, extensions={})
    try:
        body = _ENCODER.encode(event)
        if extensions:
            body = b"%b,%b" % (body[:-1], _ENCODER.encode(extensions)[1:])
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise BadEvent(f"data cannot be written as JSON: {error}.", field="data") from error
    if len(body) > LARGEST_DATA and len(msgspec.json.encode(event.data)) > LARGEST_DATA:
        raise BadEvent(
            f"data is larger than {LARGEST_DATA:,} bytes of JSON; store it in the lake and "
            "send its address.",
            field="data",
        )
    return body


def encode_numbered(event: Event) -> bytes:
    """An event of a log as CloudEvents JSON, with its sequence number."""
    return b'%b,"sequence":%d}' % (encode_event(event)[:-1], event.sequence)


def decode_event(body: bytes) -> Event:
    """An event that was written as CloudEvents JSON, other extensions kept.

    Raises
    ------
    BadEvent
        When it is none; ``field`` names the attribute.

    Examples
    --------
    >>> decode_event(b'{"type":"a","source":"/","id":"1","colour":"red"}').extensions
    {'colour': 'red'}
    """
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _from_json(body, numbered=True)  # it has extensions: more slowly


def encode_batch(events: Iterable[bytes]) -> bytes:
    """Encoded events as one CloudEvents batch."""
    return b"[%b]" % b",".join(events)


def decode_batch(body: bytes) -> list[Event]:
    """The events of a CloudEvents batch that a log sent."""
    try:
        return msgspec.json.decode(body, type=list[Event])
    except msgspec.ValidationError:
        return [decode_event(bytes(text)) for text in _texts(body)]


def decode_request(headers: Mapping[str, str], body: bytes) -> list[Event]:
    """The events of an HTTP request in structured, batch or binary form.

    Parameters
    ----------
    headers : mapping
        The request's headers by lower-case name.
    body : bytes
        The request's body.

    Returns
    -------
    list of Event
        Not yet validated.

    Raises
    ------
    BadEvent
        When it is no CloudEvent; ``field`` names the attribute.

    Examples
    --------
    >>> headers = {"ce-specversion": "1.0", "ce-type": "org.x", "ce-source": "/me", "ce-id": "1"}
    >>> decode_request(headers, b"")[0].type
    'org.x'
    """
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == STRUCTURED:
        return [_from_json(body)]
    if media == BATCH:
        texts = _texts(body)
        return [
            _from_json(bytes(text), f"Event {n} of the batch: ") for n, text in enumerate(texts)
        ]
    if media.startswith("application/cloudevents"):
        raise BadEvent(
            f"Events are taken as {STRUCTURED} or {BATCH}, not as {media}.", field="content-type"
        )
    if not any(name.startswith("ce-") for name in headers):
        raise BadEvent(
            f"This is no CloudEvent: send it as {STRUCTURED}, or give ce-specversion, ce-type, "
            "ce-source and ce-id as headers.",
            field="specversion",
        )
    return [_from_headers(headers, media, body)]


def frame(sequence: int, json: bytes) -> bytes:
    """An encoded event as one server-sent event."""
    return b"id: %d\nevent: event\ndata: %b\n\n" % (sequence, json)


class Message(NamedTuple):
    """One server-sent event."""

    event: str
    data: bytes


class StreamParser:
    """Takes a text/event-stream in pieces of any size and gives its messages.

    Attributes
    ----------
    last_id : str
        The id to resume from.

    Examples
    --------
    >>> parser = StreamParser()
    >>> parser.feed(b"id: 7\\nda"), parser.feed(b"ta: {}\\n\\n"), parser.last_id
    ([], [Message(event='message', data=b'{}')], '7')
    """

    def __init__(self) -> None:
        self.last_id = ""
        self._line: list[bytes] = []
        self._half_end = False
        self._id: str | None = None
        self._event = ""
        self._data: list[bytes] = []

    @property
    def pending(self) -> bool:
        """Whether part of a message has come."""
        return bool(self._line or self._data)

    def feed(self, piece: bytes) -> list[Message]:
        """Take the next piece; return the messages that it completes."""
        if self._half_end and piece.startswith(b"\n"):
            piece = piece[1:]  # the line ended with the "\r" before
        self._half_end = piece.endswith(b"\r")
        messages: list[Message | None] = []
        for line in piece.splitlines(keepends=True):
            text = line.rstrip(b"\r\n")
            self._line.append(text)
            if len(text) < len(line):
                messages.append(self._take(b"".join(self._line)))
                self._line = []
        return [message for message in messages if message is not None]

    def _take(self, line: bytes) -> Message | None:
        if not line:
            return self._complete()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode()
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode()
        return None

    def _complete(self) -> Message | None:
        if self._id is not None:
            self.last_id = self._id
        message = Message(self._event or "message", b"\n".join(self._data)) if self._data else None
        self._id, self._event, self._data = None, "", []
        return message


def _texts(body: bytes) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise from_decoding(error, BadEvent) from error


def _from_json(body: bytes, place: str = "", *, numbered: bool = False) -> Event:
    try:
        if not numbered and b'"data_base64"' not in body:
            return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass  # look again, more slowly
    try:
        attributes = msgspec.json.decode(body, type=dict[str, Any])
        if attributes.get("data_base64") is not None:
            raise BadEvent(
                f"{place}data_base64 is not taken; store bytes in the lake and send their address.",
                field="data_base64",
            )
        # CloudEvents: null is as good as absent.  The number is the log's own to give.
        given = {
            name: value
            for name, value in attributes.items()
            if (numbered or name != "sequence") and (value is not None or name == "data")
        }
        return _of_attributes(given)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        mended = from_decoding(error, BadEvent)
        raise BadEvent(place + mended.detail, field=mended.field) from error


def _of_attributes(given: dict[str, Any]) -> Event:
    """What stands beside the known attributes are extensions."""
    extensions = {name: given.pop(name) for name in [*given] if name not in _ATTRIBUTES}
    inner = extensions.pop("extensions", None)
    if isinstance(inner, dict):  # an event as msgspec writes it
        extensions.update(inner)
    for name, value in extensions.items():
        if not isinstance(value, str | int):
            raise BadEvent(
                f"The extension {name[:80]!r} must be a text, an integer or a boolean.",
                field=name[:80],
            )
    return msgspec.convert({**given, "extensions": extensions}, type=Event)


def _from_headers(headers: Mapping[str, str], media: str, body: bytes) -> Event:
    attributes: dict[str, Any] = {}
    for header, value in headers.items():
        name = header.removeprefix("ce-")
        if name != header and name not in _NOT_IN_HEADERS:
            attributes[name] = unquote(value)
    for name in ("specversion", "type", "source", "id"):
        if name not in attributes:
            raise BadEvent(f"An event needs a {name}: send the header ce-{name}.", field=name)
    if media:
        attributes["datacontenttype"] = headers["content-type"]
    if body:
        attributes["data"] = _payload(media or "application/json", body)
    return _of_attributes(attributes)


def _payload(media: str, body: bytes) -> Any:
    try:
        if media == "application/json" or media.endswith("+json"):
            return msgspec.json.decode(body)
        if media.startswith("text/"):
            return body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadEvent(f"data is no valid {media}: {error}.", field="data") from error
    raise BadEvent(
        f"data must be JSON or text, not {media}; store bytes in the lake and send their address.",
        field="datacontenttype",
    )
