"""An event as CloudEvents 1.0 describes it, and the filter that picks events."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import msgspec

from ..access import PUBLIC, is_access
from ..errors import BadEvent

ITEM_CREATED = "org.ogc.api.collection.item.create"
ITEM_UPDATED = "org.ogc.api.collection.item.update"
ITEM_DELETED = "org.ogc.api.collection.item.delete"
JOB_CHANGED = "org.boathouse.job.update"

# The longest text of each attribute, in characters, and of the payload, in bytes of JSON.
LONGEST = {
    "type": 255,
    "source": 2048,
    "id": 512,
    "subject": 2048,
    "datacontenttype": 255,
    "dataschema": 2048,
    "collection": 255,
    "owner": 255,
    "access": 255,
}
LARGEST_DATA = 1_000_000

# CloudEvents forbids these characters in every attribute ...
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# ... and these cannot stand in a URI reference, a type or an id that is used as a key.
_NOT_IN_URI = re.compile(r"[\s<>\"{}|\\^`]")

_Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(text: str, field: str = "time") -> int:
    """An RFC 3339 time as microseconds since 1970, so that times of any offset compare.

    Parameters
    ----------
    text : str
        Such as ``2026-01-31T06:00:00Z``; the offset is required.
    field : str, optional
        The attribute to name when the text is no such time.

    Raises
    ------
    BadEvent
        When the text is not an RFC 3339 time.

    Examples
    --------
    >>> moment("1970-01-01T01:00:00+01:00")
    0
    """
    try:
        since = msgspec.convert(text, type=_Instant) - _EPOCH
    except (msgspec.ValidationError, OverflowError) as error:
        raise BadEvent(
            f"{field} must be an RFC 3339 time with an offset, such as "
            f"'2026-01-31T06:00:00Z'; {str(text)[:60]!r} is not.",
            field=field,
        ) from error
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id() -> str:
    """An id that no other event has."""
    return uuid4().hex


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One CloudEvent; unknown extension attributes are kept out, ours are fields.

    Attributes
    ----------
    type : str
        Reverse-DNS event type, such as ``org.ogc.api.collection.item.create``.
    source : str
        Where it happened, a URI reference, such as ``/collections/ostia``.
    id : str
        The producer's id; ``(source, id)`` names the event for ever.
    subject : str
        The thing it is about, such as ``/collections/ostia/items/20190301T00``.
    time : str
        RFC 3339 time of publishing.
    datacontenttype, dataschema : str
        What the payload is; JSON unless said otherwise.
    data : Any
        The JSON payload; for a ``text/...`` content type its text.
    collection : str
        Extension: the collection that the event concerns.
    datatime : str
        Extension: the RFC 3339 time of the data (not of the event).
    owner, access : str
        Extensions: who sees the event, as in :mod:`boathouse.catalogs.access`.
    sequence : int
        Extension: the log's number for the event; 0 until it is in a log.

    Examples
    --------
    >>> Event(type="org.example.ping", source="/me").specversion
    '1.0'
    """

    type: str
    source: str
    id: str = msgspec.field(default_factory=new_id)
    # A factory, because a plain default would be left out of the JSON, and CloudEvents needs it.
    specversion: str = msgspec.field(default_factory=lambda: "1.0")
    subject: str = ""
    time: str = msgspec.field(default_factory=_now)
    datacontenttype: str = "application/json"
    dataschema: str = ""
    data: Any = None
    collection: str = ""
    datatime: str = ""
    owner: str = ""
    access: str = PUBLIC
    sequence: int = 0

    def validated(self) -> "Event":
        """Return the event itself, or raise :class:`BadEvent` naming the wrong attribute."""
        for name in ("type", "source", "id"):
            if not getattr(self, name):
                raise BadEvent(f"An event needs a {name}; this one has none.", field=name)
        if self.specversion != "1.0":
            raise BadEvent("specversion must be '1.0'.", field="specversion")
        if not self._looks_plain():
            for name, longest in LONGEST.items():
                _check_text(name, getattr(self, name), longest)
        if not is_access(self.access):
            raise BadEvent(
                f"access must be 'public', 'private' or 'group:NAME', not {self.access!r}.",
                field="access",
            )
        moment(self.time)
        if self.datatime:
            moment(self.datatime, "datatime")
        return self

    def _looks_plain(self) -> bool:
        # One look at all attributes together: the usual event passes without nine.
        uris = (self.type, self.source, self.dataschema)
        rest = (self.id, self.subject, self.datacontenttype, self.collection, self.owner)
        try:
            uri, text = "".join(uris), "".join((*rest, self.access))
        except TypeError:
            return False
        short = len(uri) + len(text) <= min(LONGEST.values())
        return short and not _NOT_IN_URI.search(uri) and not _CONTROL.search(uri + text)


class EventFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which events somebody wants: all given conditions must hold.

    Attributes
    ----------
    type : str
        Exact event type; empty means any.
    collection : str
        Exact collection; empty means any.
    since : str
        RFC 3339 time; only events published at or after it.
    """

    type: str = ""
    collection: str = ""
    since: str = ""

    def matches(self, event: Event) -> bool:
        """Whether ``event`` fulfils every condition of this filter (``since`` included)."""
        return (
            (not self.type or event.type == self.type)
            and (not self.collection or event.collection == self.collection)
            and (not self.since or moment(event.time) >= moment(self.since, "since"))
        )


def _check_text(name: str, text: Any, longest: int) -> None:
    if not isinstance(text, str):
        raise BadEvent(f"{name} must be a text, not {type(text).__name__}.", field=name)
    if len(text) > longest:
        raise BadEvent(f"{name} has {len(text)} characters; at most {longest} fit.", field=name)
    if _CONTROL.search(text):
        raise BadEvent(f"{name} must not hold control characters.", field=name)
    if name in ("type", "source", "dataschema") and _NOT_IN_URI.search(text):
        raise BadEvent(
            f"{name} must be a URI reference without blanks, such as '/collections/sst'; "
            f"{text[:60]!r} is not.",
            field=name,
        )
