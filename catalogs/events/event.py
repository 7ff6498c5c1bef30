"""An event as CloudEvents 1.0 describes it."""

import re
from typing import Any, cast
from uuid import uuid4

import msgspec

from ..access import PUBLIC, is_access
from ..errors import BadEvent
from .filters import EventFilter as EventFilter
from .moments import moment as moment
from .moments import now_text
from .places import event_geometry, parse_box

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
    "bbox": 255,
    "dataref": 2048,
    "traceparent": 255,
    "partitionkey": 512,
}
_SHORTEST = min(LONGEST.values())
LARGEST_DATA = 1_000_000
# Of other extension attributes: how many, and the longest text of one.
MOST_EXTENSIONS = 64
LONGEST_EXTENSION = 2048

# CloudEvents forbids these characters in every attribute ...
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# ... and these cannot stand in a URI reference, a type or an id that is used as a key.
_NOT_IN_URI = re.compile(r"[\s<>\"{}|\\^`]")
_EXTENSION = re.compile(r"[a-z0-9]{1,64}")
# CloudEvents has integers of 32 bits.
_LARGEST_INTEGER = 2**31 - 1


def new_id() -> str:
    """An id that no other event has."""
    return uuid4().hex


class Event(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One CloudEvent; our extension attributes are fields, others are kept in ``extensions``.

    It is written and read by :mod:`boathouse.catalogs.events.wire`, which puts other
    extensions beside the attributes, as CloudEvents wants them.

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
    bbox : str
        Extension: ``west,south,east,north`` in degrees; west > east crosses the antimeridian.
    dataref : str
        Extension: the address of the data.
    expirytime : str
        Extension: the RFC 3339 time after which nobody is told of the event any more.
    traceparent : str
        Extension: the W3C trace that it belongs to.
    partitionkey : str
        Extension: what must stay in order together.
    extensions : dict
        All other extension attributes: text, integer of 32 bits or boolean by name of
        lower-case letters and digits.
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
    time: str = msgspec.field(default_factory=now_text)
    datacontenttype: str = "application/json"
    dataschema: str = ""
    data: Any = None
    collection: str = ""
    datatime: str = ""
    owner: str = ""
    access: str = PUBLIC
    bbox: str = ""
    dataref: str = ""
    expirytime: str = ""
    traceparent: str = ""
    partitionkey: str = ""
    extensions: dict[str, str | int | bool] = {}
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
        if self.expirytime:
            moment(self.expirytime, "expirytime")
        if self.bbox:
            parse_box(self.bbox)
        if self.extensions:
            _check_extensions(self.extensions)
        return self

    def field(self, name: str) -> Any:
        """The value of a field by its name; None when the event has none.

        Parameters
        ----------
        name : str
            An attribute or an extension; ``data.a.b`` is a path into the data (numbers count
            in lists); any other name is looked for in ``data["identifier"]`` (Aviso), then in
            ``data["properties"]`` (STAC), then in ``data`` itself.

        Examples
        --------
        >>> event = Event(type="t", source="/s", data={"properties": {"cloud_cover": 3}})
        >>> event.field("cloud_cover"), event.field("data.properties.cloud_cover")
        (3, 3)
        """
        if name in _ATTRIBUTES:
            return getattr(self, name) or None
        if name == "data" or name.startswith("data."):
            return _at_path(self.data, name.split(".")[1:])
        if name in self.extensions:
            return self.extensions[name]
        if not isinstance(self.data, dict):
            return None
        data = cast("dict[str, Any]", self.data)
        for part in (data.get("identifier"), data.get("properties"), data):
            if isinstance(part, dict):
                value = cast("dict[str, Any]", part).get(name)
                if value is not None:
                    return value
        return None

    def geometry(self) -> dict[str, Any] | None:
        """Where it happened, as GeoJSON; None when the event does not say.

        The geometry of a STAC item, else the polygon or point of Aviso's identifier, else
        ``bbox``, else the data's.

        Examples
        --------
        >>> Event(type="t", source="/s", bbox="5,44,6,45").geometry()["type"]
        'Polygon'
        """
        return event_geometry(self)

    def expired(self, now: int) -> bool:
        """Whether its time has passed at a moment in microseconds since 1970."""
        return bool(self.expirytime) and moment(self.expirytime, "expirytime") <= now

    def _looks_plain(self) -> bool:
        # One look at all attributes together: the usual event passes without thirteen.
        uris = (self.type, self.source, self.dataschema, self.dataref)
        rest = (self.id, self.subject, self.datacontenttype, self.collection, self.owner)
        more = (self.access, self.bbox, self.traceparent, self.partitionkey)
        try:
            uri, text = "".join(uris), "".join((*rest, *more))
        except TypeError:
            return False
        short = len(uri) + len(text) <= _SHORTEST
        return short and not _NOT_IN_URI.search(uri) and not _CONTROL.search(uri + text)


def _check_text(name: str, text: Any, longest: int) -> None:
    if not isinstance(text, str):
        raise BadEvent(f"{name} must be a text, not {type(text).__name__}.", field=name)
    if len(text) > longest:
        raise BadEvent(f"{name} has {len(text)} characters; at most {longest} fit.", field=name)
    if _CONTROL.search(text):
        raise BadEvent(f"{name} must not hold control characters.", field=name)
    if name in ("type", "source", "dataschema", "dataref") and _NOT_IN_URI.search(text):
        raise BadEvent(
            f"{name} must be a URI reference without blanks, such as '/collections/sst'; "
            f"{text[:60]!r} is not.",
            field=name,
        )


# What ``field`` takes for an attribute.
_ATTRIBUTES = frozenset(Event.__struct_fields__) - {"data", "extensions"}
# Names that an extension cannot have.
RESERVED = frozenset(Event.__struct_fields__) | {"data_base64"}


def _check_extensions(extensions: Any) -> None:
    if not isinstance(extensions, dict):
        raise BadEvent("extensions must be an object.", field="extensions")
    given = cast("dict[Any, Any]", extensions)
    if len(given) > MOST_EXTENSIONS:
        raise BadEvent(
            f"An event has at most {MOST_EXTENSIONS} other extensions, not {len(given)}.",
            field="extensions",
        )
    for name, value in given.items():
        if not isinstance(name, str) or not _EXTENSION.fullmatch(name) or name in RESERVED:
            raise BadEvent(
                f"{str(name)[:80]!r} is no name of an extension attribute: lower-case letters and "
                "digits, and no attribute's name.",
                field=str(name)[:80],
            )
        if isinstance(value, str):
            _check_text(name, value, LONGEST_EXTENSION)
        elif not isinstance(value, int) or not -_LARGEST_INTEGER - 1 <= value <= _LARGEST_INTEGER:
            raise BadEvent(
                f"The extension {name} must be a text, an integer of 32 bits or a boolean.",
                field=name,
            )


def _at_path(value: Any, steps: list[str]) -> Any:
    for step in steps:
        if isinstance(value, dict):
            value = cast("dict[str, Any]", value).get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step[:9]) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
