"""The nouns of the catalog: collections, their items, and the record that makes them visible."""

import re
from typing import Any, Literal

import msgspec

from .access import PUBLIC, is_access
from .errors import BadRequest
from .events.event import Event

Kind = Literal["cube", "pool", "result"]


_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_OWNER = re.compile(r"[\w@+-][\w@.+-]*")


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link to another thing, with an IANA or STAC relation type.

    ``snapshot`` pins a collection to the version that was meant.
    """

    rel: str
    href: str
    title: str = ""
    snapshot: str = ""


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """A cube, a pool or a result: something that opens as one xarray Dataset.

    Attributes
    ----------
    id : str
        Its name in the catalog: lower-case letters, digits and hyphens.
    kind : {"cube", "pool", "result"}
        How it is filled.
    location : str
        The icechunk repository's path below the lake, such as ``cubes/ostia``.
    snapshot : str
        The icechunk snapshot that readers open (the last one announced).
    bbox : tuple of float
        West, south, east, north in degrees; empty when it has no geography.
    interval : tuple of str
        First and last time, RFC 3339; empty when it has no time.
    variables : dict
        Name to ``{"dims", "shape", "dtype", "units", "long_name"}``.
    dimensions : dict
        Name to ``{"size", "units", "first", "last"}``.
    properties : dict
        What only this kind has, such as a pool's ``window`` and ``step_seconds``.
    """

    id: str
    title: str
    kind: Kind
    location: str
    owner: str
    access: str = PUBLIC
    snapshot: str = ""
    description: str = ""
    licence: str = ""
    keywords: tuple[str, ...] = ()
    bbox: tuple[float, ...] = ()
    interval: tuple[str, ...] = ()
    variables: dict[str, dict[str, Any]] = {}
    dimensions: dict[str, dict[str, Any]] = {}
    properties: dict[str, Any] = {}
    links: tuple[Link, ...] = ()
    created: str = ""
    updated: str = ""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One arrival in a collection: a pool's step, a cube's version, a result.

    Attributes
    ----------
    id : str
        Unique in its collection.
    datetime : str
        RFC 3339 time of the data; empty when it has none.
    snapshot : str
        The icechunk snapshot that holds it.
    links : tuple of Link
        ``derived_from`` inputs, ``via`` the executed notebook, and so on.
    """

    id: str
    collection: str
    datetime: str = ""
    snapshot: str = ""
    properties: dict[str, Any] = {}
    links: tuple[Link, ...] = ()
    created: str = ""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What one commit makes visible: the collection's new face, its items and its events.

    Recording is one transaction and idempotent on ``collection.snapshot``.

    Attributes
    ----------
    collection : Collection
        Its face after the commit.
    items : tuple of Item
        Items that the commit wrote; one of the same id is replaced.
    removed : tuple of str
        Ids of items whose data the commit took away, such as a pool's oldest steps.
    events : tuple of Event
        What to tell the world, about this collection only.
    """

    collection: Collection
    items: tuple[Item, ...] = ()
    removed: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()

    def validated(self) -> "Record":
        """Return the record with its events bound to the collection's owner and access.

        Raises
        ------
        BadRequest
            Naming the field that is wrong: an id that is no name, a location that is not
            the collection's own, an item or an event of another collection.
        """
        face = self.collection
        check_name(face.id)
        if not is_access(face.access):
            raise BadRequest(
                f"access {face.access!r} is not 'public', 'private' or 'group:NAME'.",
                field="access",
            )
        if face.location != location_of(face.kind, face.id, face.owner):
            raise BadRequest(
                f"location {face.location!r} is not this collection's place in the lake, "
                f"{location_of(face.kind, face.id, face.owner)!r}.",
                field="location",
            )
        for item in self.items:
            if item.collection != face.id or not item.id:
                raise BadRequest(
                    f"Item {item.id!r} belongs to collection {item.collection!r}, "
                    f"not to {face.id!r}.",
                    field="items",
                )
        source = f"/collections/{face.id}"
        for event in self.events:
            if event.validated().source != source:
                raise BadRequest(
                    f"Event source {event.source!r} must be {source!r}.", field="source"
                )
        bound = tuple(
            msgspec.structs.replace(
                event, owner=face.owner, access=face.access, collection=face.id, sequence=0
            )
            for event in self.events
        )
        return msgspec.structs.replace(self, events=bound)


def check_name(name: str, field: str = "name") -> str:
    """Return ``name`` when it can name a collection, else raise ``BadRequest``."""
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"{name!r} cannot name a collection: use up to 63 lower-case letters, digits and "
            "hyphens, beginning and ending with a letter or digit, such as 'my-cut'.",
            field=field,
        )
    return name


def location_of(kind: Kind, name: str, owner: str) -> str:
    """The only place below the lake where a collection of this kind, name and owner lives.

    Examples
    --------
    >>> location_of("result", "my-cut", "ann")
    'results/ann/my-cut'
    """
    if kind != "result":
        return f"{kind}s/{name}"
    if not _OWNER.fullmatch(owner):
        raise BadRequest(f"{owner!r} cannot own results: it does not name a folder.", field="owner")
    return f"results/{owner}/{name}"
