"""Filters of rule files: Knative's dialect, with ranges, areas and existence, as EventFilter."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import msgspec

from ..catalogs.errors import BadRequest
from ..catalogs.events.areas import geojson_of
from ..catalogs.events.event import EventFilter

# These compare one field with a value of the kind that is said.
COMPARISONS = ("eq", "ne", "in", "lt", "lte", "gt", "gte", "between", "prefix", "suffix", "exists")
# What EventFilter has indexes for, so it is written there and not among other fields.
_INDEXED = ("type", "collection", "source", "subject")
_TIMES = ("since", "until", "data_since", "data_until")
_NESTED = ("all", "any", "not")
KNOWN = ("exact", *COMPARISONS, "intersects", *_NESTED, *_INDEXED, *_TIMES)
DEEPEST = 20
_FIELD = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")


class FilterReader:
    """Reads filters of one file, whose named areas it knows.

    Parameters
    ----------
    areas : mapping
        GeoJSON geometries by name.

    Examples
    --------
    >>> reader = FilterReader({})
    >>> reader.read({"exact": {"type": "a.b"}, "lt": {"cloud_cover": 20}}, "when").type
    'a.b'
    """

    def __init__(self, areas: Mapping[str, dict[str, Any]]) -> None:
        self._areas = areas

    def read(self, document: Any, place: str, depth: int = 0) -> EventFilter:
        """One filter; several operators in one mapping must all hold.

        Parameters
        ----------
        document : mapping
            As it stands in the file.
        place : str
            Where it stands, for errors: ``rules[0].when``.

        Raises
        ------
        BadRequest
            Whose ``field`` is the place of what is wrong.
        """
        if depth > DEEPEST:
            raise wrong(place, f"filters are nested at most {DEEPEST} deep")
        found = EventFilter()
        for name, value in mapping_of(document, place).items():
            here = f"{place}.{name}"
            if name not in KNOWN:
                raise wrong(here, f"there is no such filter; there are: {', '.join(KNOWN)}")
            found = both(found, self._one(name, value, here, depth))
        return found

    def _one(self, name: str, value: Any, place: str, depth: int) -> EventFilter:
        if name == "all":
            found = EventFilter()
            for each in self._several(value, place, depth):
                found = both(found, each)
            return found
        if name == "any":
            several = tuple(self._several(value, place, depth))
            return several[0] if len(several) == 1 else EventFilter(any=several)
        if name == "not":
            return EventFilter(not_=self.read(value, place, depth + 1))
        if name == "intersects":
            return EventFilter(area=self._area(value, place))
        if name in _INDEXED or name in _TIMES:
            return _asking(name, text_of(value, place))
        return _comparisons(name, value, place)

    def _several(self, value: Any, place: str, depth: int) -> list[EventFilter]:
        if not isinstance(value, list) or not value:
            raise wrong(place, "this is a list of filters")
        return [
            self.read(each, f"{place}[{index}]", depth + 1)
            for index, each in enumerate(cast("list[Any]", value))
        ]

    def _area(self, value: Any, place: str) -> dict[str, Any]:
        if isinstance(value, Mapping) and set(cast("Mapping[str, Any]", value)) == {"area"}:
            value, place = cast("Mapping[str, Any]", value)["area"], f"{place}.area"
        if isinstance(value, str):
            if value not in self._areas:
                known = ", ".join(self._areas) or "none"
                raise wrong(place, f"there is no area {value!r}; those of the file are: {known}")
            return self._areas[value]
        return geojson_of(value, field=place)


def both(first: EventFilter, second: EventFilter) -> EventFilter:
    """A filter that asks for what both ask; flat where that can be, since that is indexed."""
    ours, theirs = _set(first), _set(second)
    shared = (ours.keys() & theirs.keys()) - {"where", "all"}
    where = _both_fields(first.where, second.where)
    if shared or where is None:
        return EventFilter(all=(*_members(first), *_members(second)))
    joined = {**ours, **theirs}
    if where:
        joined["where"] = where
    if first.all or second.all:
        joined["all"] = (*first.all, *second.all)
    return EventFilter(**joined)


def _comparisons(name: str, value: Any, place: str) -> EventFilter:
    found = EventFilter()
    for field, wanted in mapping_of(value, place).items():
        here = f"{place}.{field}"
        if not _FIELD.fullmatch(field):
            raise wrong(here, "a field is a name such as cloud_cover, or a path such as data.a.b")
        found = both(found, _comparison(name, field, wanted, here))
    return found


def _comparison(name: str, field: str, wanted: Any, place: str) -> EventFilter:
    check = _CHECKS[name]
    said = check(wanted)
    if said:
        raise wrong(place, said)
    operator = "eq" if name == "exact" else name
    if field in _INDEXED and isinstance(wanted, str):
        # A trailing star means a prefix there, so a text that ends in one is compared below.
        if operator == "eq" and not wanted.endswith("*"):
            return _asking(field, wanted)
        if operator == "prefix" and field == "subject" and not wanted.endswith("*"):
            return EventFilter(subject=f"{wanted}*")
        if operator == "prefix" and field == "type" and re.fullmatch(r"[\w.-]+\.", wanted):
            return EventFilter(type=f"{wanted}*")
    if operator == "in" and field == "type" and not any(each.endswith("*") for each in wanted):
        return EventFilter(types=tuple(wanted))
    return EventFilter(where={field: {operator: wanted}})


def _asking(name: str, value: Any) -> EventFilter:
    asked: dict[str, Any] = {name: value}
    return EventFilter(**asked)


def _is_plain(value: Any) -> str:
    return "" if isinstance(value, str | int | float) else "this is a text, a number or a truth"


def _is_text(value: Any) -> str:
    return "" if isinstance(value, str) and value else "this is a text"


def _is_ordered(value: Any) -> str:
    fits = isinstance(value, str | int | float) and not isinstance(value, bool)
    return "" if fits else "this is a number, or a text such as a time"


def _is_list(value: Any) -> str:
    fits = isinstance(value, list) and value and not any(map(_is_plain, value))
    return "" if fits else "this is a list of texts or numbers"


def _is_pair(value: Any) -> str:
    fits = isinstance(value, list) and len(value) == 2 and not any(map(_is_ordered, value))
    return "" if fits else "this is a list of two: the lowest and the highest value"


def _is_truth(value: Any) -> str:
    return "" if isinstance(value, bool) else "this is true or false"


_CHECKS: dict[str, Callable[[Any], str]] = {
    "exact": _is_plain,
    "eq": _is_plain,
    "ne": _is_plain,
    "in": _is_list,
    "lt": _is_ordered,
    "lte": _is_ordered,
    "gt": _is_ordered,
    "gte": _is_ordered,
    "between": _is_pair,
    "prefix": _is_text,
    "suffix": _is_text,
    "exists": _is_truth,
}


def _set(where: EventFilter) -> dict[str, Any]:
    """The fields of a filter that ask for something."""
    defaults = EventFilter()
    return {
        name: getattr(where, name)
        for name in where.__struct_fields__
        if getattr(where, name) != getattr(defaults, name)
    }


def _members(where: EventFilter) -> tuple[EventFilter, ...]:
    return where.all if set(_set(where)) == {"all"} else (where,)


def _both_fields(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> dict[str, dict[str, Any]] | None:
    """Both comparisons of each field; None when one operator is there twice for a field."""
    joined = dict(first)
    for field, operators in second.items():
        known = joined.get(field, {})
        if known.keys() & operators.keys():
            return None
        joined[field] = {**known, **operators}
    return joined


def mapping_of(value: Any, place: str, known: Sequence[str] = ()) -> dict[str, Any]:
    """A mapping with texts for keys (perhaps only these); else ``BadRequest`` with its place."""
    if not isinstance(value, Mapping) or not value:
        raise wrong(place, "this is a mapping of names to values")
    found = cast("Mapping[Any, Any]", value)
    for name in found:
        if not isinstance(name, str):
            raise wrong(f"{place}.{name}", "names are texts; put it in quotes")
        if known and name not in known:
            raise wrong(f"{place}.{name}", f"there is no such word here; use {', '.join(known)}")
    return dict(found)


def text_of(value: Any, place: str) -> str:
    """A text that is not empty; times that YAML has read as such are written back."""
    if hasattr(value, "isoformat"):
        value = value.isoformat().replace("+00:00", "Z")
    if not isinstance(value, str) or not value:
        raise wrong(place, "this is a text")
    return value


def wrong(place: str, said: str) -> BadRequest:
    """The error that a file's author needs: where, and what."""
    return BadRequest(f"{place}: {said}.", field=place)


def check_filter(where: EventFilter, place: str) -> EventFilter:
    """The filter as the log would take it; its complaint gets the place in the file."""
    try:
        return where.validated()
    except (BadRequest, msgspec.ValidationError) as error:
        raise BadRequest(f"{place}: {error}", field=place) from error
