"""What people write to pick events, as a filter: keywords in a notebook, texts in a terminal."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import Any, cast

from ..errors import BadEvent, BadRequest
from .areas import geojson_of
from .event import EventFilter, moment
from .places import check_box, parse_box

# Other keywords are fields; one that is nearly one of these is a slip of the pen.
KEYWORDS = (
    "type", "types", "collection", "source", "subject", "since", "until", "data_since",
    "data_until", "bbox", "area", "where", "after", "timeout", "callback", "consumer", "lake",
    "until_now", "lease", "attempts",
)  # fmt: skip
TIMES = ("since", "until", "data_since", "data_until")
# Longer signs first: "<=" is not "<" of "=...".
SIGNS = {"!=": "ne", "<=": "lte", ">=": "gte", "==": "eq", "=": "eq", "<": "lt", ">": "gt"}
WORDS = ("in", "between", "prefix", "suffix", "exists")
_FIELD = r"[A-Za-z_][\w.]*"
_BY_SIGN = re.compile(rf"\s*({_FIELD})\s*(!=|<=|>=|==|=|<|>)(.*)", re.DOTALL)
_BY_WORD = re.compile(rf"\s*({_FIELD})\s+({'|'.join(WORDS)})\b(.*)", re.DOTALL)

When = datetime | date | str


def make_filter(
    *,
    type: str | Sequence[str] = "",
    types: Sequence[str] = (),
    collection: str = "",
    source: str = "",
    subject: str = "",
    since: When = "",
    until: When = "",
    data_since: When = "",
    data_until: When = "",
    bbox: Sequence[float] | str = (),
    area: Any = None,
    where: Mapping[str, Any] | None = None,
    fields: Mapping[str, Any] | None = None,
) -> EventFilter:
    """An :class:`EventFilter` from what a person writes.

    Parameters
    ----------
    type : str or sequence of str
        Exact; ``"org.example.*"`` is every type that begins so.  Several: any of them.
    types : sequence of str
        Any of these.
    collection, source : str
        Exact.
    subject : str
        Exact; a ``*`` at the end means every subject that begins so.
    since, until : datetime, date or str
        Published at or after, and before; ISO 8601, without a zone it is UTC.
    data_since, data_until : datetime, date or str
        The same for the time of the data.
    bbox : sequence of float or str
        West, south, east, north in degrees; west > east crosses the antimeridian.
    area : shape, geometry or mapping
        A shape of Boathouse, GeoJSON, or whatever has ``__geo_interface__``.
    where : mapping
        Field to its value, or to a mapping of ``eq``, ``ne``, ``in``, ``gt``, ``gte``, ``lt``,
        ``lte``, ``between``, ``prefix``, ``suffix``, ``exists``.
    fields : mapping
        The same, from keyword arguments.

    Raises
    ------
    BadEvent
        When something is wrong; ``field`` names it.

    Examples
    --------
    >>> make_filter(type="org.example.*", fields={"cloud_cover": {"lt": 20}}).where
    {'cloud_cover': {'lt': 20}}
    """
    given: dict[str, Any] = {"collection": collection, "source": source, "subject": subject}
    if isinstance(type, str):
        given["type"] = type
    elif isinstance(cast("Any", type), Iterable):
        types = (*type, *types)
    else:
        raise BadEvent(f"type must be a text or several, not {type!r}.", field="type")
    if isinstance(types, str):
        raise BadEvent("types must be a list of texts, not one text.", field="types")
    given["types"] = tuple(types)
    times = (since, until, data_since, data_until)
    given.update({name: rfc3339(time, name) for name, time in zip(TIMES, times, strict=True)})
    given["bbox"] = read_bbox(bbox)
    given["area"] = {} if area is None else _area_of(area)
    given["where"] = {
        name: _plain_operand(value)
        for name, value in {**(where or {}), **_fields_of(fields or {})}.items()
    }
    return EventFilter(**given).validated()


def rfc3339(time: When, field: str = "time") -> str:
    """A time as RFC 3339 in UTC; empty for an empty text.

    Raises
    ------
    BadEvent
        When it is no time.

    Examples
    --------
    >>> rfc3339("2026-01-31"), rfc3339(datetime(2026, 1, 31, 6))
    ('2026-01-31T00:00:00Z', '2026-01-31T06:00:00Z')
    """
    if isinstance(time, str):
        if not time:
            return ""
        try:
            time = datetime.fromisoformat(time)
        except ValueError as error:
            raise BadEvent(
                f"{field} must be a time such as '2026-01-31' or '2026-01-31T06:00:00Z'; "
                f"{time[:60]!r} is none.",
                field=field,
            ) from error
    if not isinstance(cast("Any", time), date):
        raise BadEvent(f"{field} must be a time, not {time!r}.", field=field)
    if not isinstance(time, datetime):
        time = datetime(time.year, time.month, time.day)
    zoned = time if time.tzinfo else time.replace(tzinfo=UTC)
    try:
        text = zoned.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError as error:
        raise BadEvent(f"{field} lies beyond the calendar.", field=field) from error
    moment(text, field)
    return text


def read_bbox(bbox: Sequence[float] | str) -> tuple[float, ...]:
    """West, south, east, north, also from a text such as ``"5,44,17,48"``; empty for nothing.

    Raises
    ------
    BadEvent
        When they are not four numbers, or lie beyond the Earth.

    Examples
    --------
    >>> read_bbox("5, 44, 17, 48")
    (5.0, 44.0, 17.0, 48.0)
    """
    if isinstance(bbox, str):
        return parse_box(bbox) if bbox.strip() else ()
    return check_box(tuple(_plain(bbox))) if len(bbox) else ()


def write_bbox(bbox: Sequence[float] | str) -> str:
    """A bounding box as an event carries it; empty for nothing.

    Examples
    --------
    >>> write_bbox((5, 44.5, 17, 48))
    '5,44.5,17,48'
    """
    return ",".join(f"{each:.10g}" for each in read_bbox(bbox))


def read_condition(text: str) -> tuple[str, dict[str, Any]]:
    """A condition on one field, as it is typed.

    Parameters
    ----------
    text : str
        ``NAME = VALUE``, with ``!=``, ``<``, ``<=``, ``>``, ``>=``, or ``NAME in A,B``,
        ``NAME between A,B``, ``NAME prefix TEXT``, ``NAME suffix TEXT``, ``NAME exists``.
        A value is JSON, else a text.

    Returns
    -------
    tuple of str and dict
        The field, and what must hold, as in ``EventFilter.where``.

    Raises
    ------
    BadEvent
        When it is no condition.

    Examples
    --------
    >>> read_condition("cloud_cover<20"), read_condition("param in 2t,10u")
    (('cloud_cover', {'lt': 20}), ('param', {'in': ['2t', '10u']}))
    """
    if found := _BY_WORD.fullmatch(text):
        name, word, rest = found[1], found[2], found[3].strip()
        if word == "exists":
            return name, {"exists": read_value(rest) if rest else True}
        if word in ("in", "between"):
            value = read_value(rest)
            if not isinstance(value, list):
                value = [read_value(each.strip()) for each in rest.split(",")]
            return name, {word: value}
        return name, {word: rest}
    if found := _BY_SIGN.fullmatch(text):
        return found[1], {SIGNS[found[2]]: read_value(found[3].strip())}
    raise BadEvent(
        f"{text[:80]!r} is no condition; write for example 'cloud_cover<20', 'param=2t' or "
        "'param in 2t,10u'.",
        field="where",
    )


def read_value(text: str) -> Any:
    """What JSON says, else the text itself.

    Examples
    --------
    >>> read_value("20"), read_value("2t")
    (20, '2t')
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def read_conditions(texts: Sequence[str]) -> dict[str, Any]:
    """Several conditions together; two on one field must both hold.

    Examples
    --------
    >>> read_conditions(["step>0", "step<=24"])
    {'step': {'gt': 0, 'lte': 24}}
    """
    where: dict[str, Any] = {}
    for text in texts:
        name, condition = read_condition(text)
        known = where.setdefault(name, {})
        for operator, value in condition.items():
            if operator in known:
                raise BadEvent(f"{name} has two conditions of one kind: {text!r}.", field=name)
            known[operator] = value
    return where


def _fields_of(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in fields:
        if near := get_close_matches(name, KEYWORDS, 1, 0.75):
            raise BadEvent(
                f"There is no argument {name!r}; did you mean {near[0]!r}? A field of the event "
                f"that is called so goes into where={{{name!r}: ...}}.",
                field=name,
            )
    return fields


def _area_of(area: Any) -> dict[str, Any]:
    try:
        return geojson_of(area)
    except BadRequest as error:
        raise BadEvent(error.detail, field="area") from error


def _plain_operand(value: Any) -> Any:
    """Plain JSON: times as texts, numbers of NumPy as numbers, several values as ``in``."""
    if isinstance(value, Mapping):
        operators = cast("Mapping[str, Any]", value)
        return {name: _plain(each) for name, each in operators.items()}
    plain = _plain(value)
    return {"in": plain} if isinstance(plain, list) else plain


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return rfc3339(value)
    if hasattr(value, "tolist"):  # of NumPy: an array or a number
        return value.tolist()
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in cast("Sequence[Any]", value)]
    return value
