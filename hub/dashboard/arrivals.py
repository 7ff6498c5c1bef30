"""The latest arrivals, as they come."""

import re
from collections.abc import Callable, Iterable, Mapping

from ...catalogs.events.event import ITEM_CREATED, ITEM_DELETED, ITEM_UPDATED, JOB_CHANGED, Event
from ...catalogs.records import Collection, Item
from .cards import Cards, Row

MOST = 60
EMPTY = "No arrivals yet.\nThey appear here the moment a pool gets a step or a result is published."
_WORDS = {ITEM_UPDATED: "updated", ITEM_DELETED: "removed"}
ITEM_EVENTS = frozenset({ITEM_CREATED, ITEM_UPDATED, ITEM_DELETED})


class ArrivalsView:
    """Items from the catalog first, then events, newest on top.

    Parameters
    ----------
    open : callable
        Told the collection and the RFC 3339 data time of the arrival that was clicked.
    """

    def __init__(self, open: Callable[[str, str], None]) -> None:
        self.view = Cards(
            self._clicked, layout="list", label="Arrivals", empty=EMPTY, sizing_mode="stretch_width"
        )
        self._open = open
        self._rows: dict[str, Row] = {}
        self._places: dict[str, tuple[str, str]] = {}
        self._loaded = False

    def load(self, items: Iterable[Item] | None, collections: Mapping[str, Collection]) -> None:
        """Put the catalog's items below what has come; ``items`` None while they load."""
        self._loaded = items is not None
        for item in items or ():
            collection = collections.get(item.collection)
            key = f"{item.collection}/{item.id}"
            if collection is None or key in self._rows:
                continue
            self._places[key] = (item.collection, item.datetime)
            self._rows[key] = Row(
                key=key,
                title=collection.title or collection.id,
                details=_details(item.datetime, item.id),
                time=item.created,
                mark="arrival",
                action=True,
            )
        self._draw()

    def add(self, events: Iterable[Event], collections: Mapping[str, Collection]) -> None:
        """Put new events on top, oldest first."""
        for event in events:
            row = self._row(event, collections)
            if row is not None:
                self._rows.pop(row.key, None)
                self._rows = {row.key: row, **self._rows}
        self._draw()

    def _row(self, event: Event, collections: Mapping[str, Collection]) -> Row | None:
        if event.type == JOB_CHANGED:
            return None  # they have a place of their own
        collection = collections.get(event.collection)
        # Anybody may send an event; only the owner's tells of an arrival in a collection.
        real = collection is not None and event.owner == collection.owner
        if event.type in ITEM_EVENTS:
            if collection is None or not real:
                return None
            item = event.subject.rpartition("/")[2]
            key = f"{collection.id}/{item}"
            self._places[key] = (collection.id, event.datatime)
            return Row(
                key=key,
                title=collection.title or collection.id,
                details=_details(event.datatime, item),
                badge=_WORDS.get(event.type, ""),
                time=event.time,
                mark="arrival",
                action=event.type != ITEM_DELETED,
                live=True,
            )
        return Row(
            key=f"event {event.sequence or event.id}",
            title=event.type,
            details=tuple(part for part in (event.subject or event.source, event.owner) if part),
            time=event.time,
            mark="notice",
            live=True,
        )

    def _draw(self) -> None:
        # What came live stands above what the catalog knew, and each in order of time.
        ordered = sorted(self._rows.values(), key=lambda row: row.time, reverse=True)[:MOST]
        self._rows = {row.key: row for row in ordered}
        self._places = {key: place for key, place in self._places.items() if key in self._rows}
        self.view.put(ordered, loaded=self._loaded or bool(ordered))

    def _clicked(self, key: str) -> None:
        place = self._places.get(key)
        if place is not None:
            self._open(*place)


def _details(datatime: str, item: str) -> tuple[str, ...]:
    return (f"data of {readable(datatime)}",) if datatime else (item,)


def readable(moment: str) -> str:
    """An RFC 3339 time without its letters: to the minute, and in UTC as it was.

    Examples
    --------
    >>> readable("2019-03-01T06:00:00Z")
    '2019-03-01 06:00'
    """
    found = re.match(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)", moment)
    return f"{found[1]} {found[2]}" if found else moment
