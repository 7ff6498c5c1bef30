"""The nouns of the catalog: collections, their items, and a record that makes both visible at once."""

from typing import Any, Literal

import msgspec

from .access import PUBLIC
from .events.event import Event

Kind = Literal["cube", "pool", "result"]


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link to another thing, with an IANA or STAC relation type."""

    rel: str
    href: str
    title: str = ""


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
    """

    collection: Collection
    items: tuple[Item, ...] = ()
    events: tuple[Event, ...] = ()
