"""The filter that picks events, and how its conditions on fields hold."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import BadEvent
from .moments import moment
from .operators import check_conditions, check_text, holds
from .places import check_area, check_box, touches

if TYPE_CHECKING:
    from .event import Event

# Filters may stand in filters, but not without end: what reads them recurses.
DEEPEST = 20
MOST_ALTERNATIVES = 100


class EventFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which events somebody wants: all given conditions must hold.

    Attributes
    ----------
    type : str
        Event type; a ``.*`` at the end is every type that begins so; empty means any.
    types : tuple of str
        Any of these, by the same rule.
    collection, source : str
        Exact; empty means any.
    subject : str
        Exact; a ``*`` at the end is every subject that begins so.
    since, until : str
        RFC 3339 times: only events published at or after the one and before the other.
    data_since, data_until : str
        The same for the time of the data.
    bbox : tuple of float
        West, south, east, north in degrees: the event's geometry touches it; west > east
        crosses the antimeridian.
    area : dict
        A GeoJSON geometry that the event's geometry touches.
    where : dict
        Field (as in :meth:`.Event.field`) to the value it has, or to a dict of ``eq``, ``ne``,
        ``in``, ``gt``, ``gte``, ``lt``, ``lte``, ``between``, ``prefix``, ``suffix`` and
        ``exists``, all of which must hold.
    not_ : EventFilter or None
        Must not match; ``not`` in JSON.
    any, all : tuple of EventFilter
        One of these must match, when there are some; each of these must.

    Examples
    --------
    >>> EventFilter(type="org.example.*", where={"cloud_cover": {"lt": 20}}).validated().type
    'org.example.*'
    """

    type: str = ""
    types: tuple[str, ...] = ()
    collection: str = ""
    source: str = ""
    subject: str = ""
    since: str = ""
    until: str = ""
    data_since: str = ""
    data_until: str = ""
    bbox: tuple[float, ...] = ()
    area: dict[str, Any] = {}
    where: dict[str, Any] = {}
    not_: "EventFilter | None" = msgspec.field(default=None, name="not")
    any: tuple["EventFilter", ...] = ()
    all: tuple["EventFilter", ...] = ()

    def matches(self, event: "Event") -> bool:
        """Whether ``event`` fulfils every condition of this filter."""
        return (
            self._names_match(event)
            and self._times_match(event)
            and holds(self.where, event.field)
            and (not self.bbox or touches(event, self.bbox))
            and (not self.area or touches(event, self.area))
            and (self.not_ is None or not self.not_.matches(event))
            and all(each.matches(event) for each in self.all)
            and (not self.any or any(each.matches(event) for each in self.any))
        )

    def validated(self) -> "EventFilter":
        """Return the filter itself, or raise :class:`BadEvent` naming the wrong condition."""
        self._check("", 0)
        return self

    def _names_match(self, event: "Event") -> bool:
        return (
            (not self.type or type_matches(self.type, event.type))
            and (not self.types or any(type_matches(each, event.type) for each in self.types))
            and (not self.collection or event.collection == self.collection)
            and (not self.source or event.source == self.source)
            and (not self.subject or _subject_matches(self.subject, event.subject))
        )

    def _times_match(self, event: "Event") -> bool:
        if (self.since or self.until) and not _within(event.time, self.since, self.until):
            return False
        if not (self.data_since or self.data_until):
            return True
        return bool(event.datatime) and _within(event.datatime, self.data_since, self.data_until)

    def _check(self, place: str, depth: int) -> None:
        if depth > DEEPEST:
            raise BadEvent(f"Filters are nested at most {DEEPEST} deep.", field=place.strip("."))
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if value:
                check(value, place + name)
        if self.not_ is not None:
            self.not_._check(f"{place}not.", depth + 1)
        for name in ("any", "all"):
            _check_number(getattr(self, name), place + name)
            for number, each in enumerate(getattr(self, name)):
                each._check(f"{place}{name}[{number}].", depth + 1)


def type_matches(wanted: str, type: str) -> bool:
    """Whether an event type is the wanted one, or begins as it says."""
    return type.startswith(wanted[:-1]) if wanted.endswith(".*") else type == wanted


def _subject_matches(wanted: str, subject: str) -> bool:
    return subject.startswith(wanted[:-1]) if wanted.endswith("*") else subject == wanted


def _within(time: str, since: str, until: str) -> bool:
    when = moment(time)
    return (not since or when >= moment(since, "since")) and (
        not until or when < moment(until, "until")
    )


def _check_texts(value: Any, field: str) -> None:
    if not isinstance(value, tuple | list):
        raise BadEvent(f"{field} must be a list of texts.", field=field)
    _check_number(value, field)
    for each in value:
        check_text(each, field)


def _check_number(several: Any, field: str) -> None:
    if len(several) > MOST_ALTERNATIVES:
        raise BadEvent(f"{field} holds at most {MOST_ALTERNATIVES} alternatives.", field=field)


_CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "type": check_text,
    "types": _check_texts,
    "collection": check_text,
    "source": check_text,
    "subject": check_text,
    "since": moment,
    "until": moment,
    "data_since": moment,
    "data_until": moment,
    "bbox": check_box,
    "area": check_area,
    "where": check_conditions,
}
