"""An event as CloudEvents 1.0 describes it, and the filter that picks events."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from ..access import PUBLIC
from ..errors import BadEvent

ITEM_CREATED = "org.ogc.api.collection.item.create"
ITEM_UPDATED = "org.ogc.api.collection.item.update"
ITEM_DELETED = "org.ogc.api.collection.item.delete"
JOB_CHANGED = "org.boathouse.job.update"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _new_id() -> str:
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
    data : Any
        The JSON payload.
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
    id: str = msgspec.field(default_factory=_new_id)
    specversion: str = "1.0"
    subject: str = ""
    time: str = msgspec.field(default_factory=_now)
    datacontenttype: str = "application/json"
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
        return self


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
            and (not self.since or event.time >= self.since)
        )
