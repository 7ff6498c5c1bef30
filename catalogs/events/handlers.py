"""The handlers of an Aviso schema: what a key's value may be, and its one way of writing."""

import math
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar, Literal

import msgspec

from ..errors import BadEvent
from .handlers_shapes import Ring, parse_point, parse_polygon, write_pairs

EQUALITY = frozenset({"eq", "in"})
ORDER = EQUALITY | {"gt", "gte", "lt", "lte", "between"}

_DATES = {"%Y%m%d": 8, "%Y-%m-%d": 10, "%Y-%j": 8}
_LARGEST_INT = 2**63


class Handler(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="type",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """Base of all handlers: checks one value and gives its canonical form.

    Attributes
    ----------
    required : bool
        Whether a listener must give it; who notifies must give every key.
    description : str
        For people.
    """

    # What a listener may ask besides "is exactly this".
    operators: ClassVar[frozenset[str]] = EQUALITY

    required: bool = msgspec.field(default_factory=bool)  # always in the schema that is shown
    description: str = ""

    def canonical(self, value: Any, field: str) -> Any:
        """The value as it is stored, any text; raises :class:`BadEvent` naming ``field``."""
        text = _text(value, field)
        if not text:
            raise BadEvent(f"{field} must not be empty.", field=field)
        return text

    def text(self, value: Any) -> str:
        """The stored value as it stands in a topic and on Aviso's wire."""
        return str(value)

    def constraint(self, value: Any, field: str) -> dict[str, Any]:
        """What a listener asks of the key, as a condition of an event filter.

        Parameters
        ----------
        value : Any
            A single value, or a mapping of one operator to its value.
        field : str
            Named when it is wrong.

        Examples
        --------
        >>> IntHandler().constraint({"between": ["0", 24]}, "identifier.step")
        {'between': [0, 24]}
        """
        if not isinstance(value, dict):
            return {"eq": self.canonical(value, field)}
        if len(value) != 1:
            raise BadEvent(
                f"{field} takes exactly one operator; {sorted(value)} were given.", field=field
            )
        [(operator, given)] = value.items()
        if operator not in self.operators:
            raise BadEvent(
                f"{field} knows the operators {', '.join(sorted(self.operators))}; "
                f"{str(operator)[:40]!r} is none of them.",
                field=field,
            )
        if operator not in ("in", "between"):
            return {operator: self.canonical(given, field)}
        if not isinstance(given, list) or not given or (operator == "between" and len(given) != 2):
            many = "two values, [lowest, highest]" if operator == "between" else "a list of values"
            raise BadEvent(f"{field}: '{operator}' takes {many}.", field=field)
        return {operator: [self.canonical(one, field) for one in given]}


class StringHandler(Handler, frozen=True, kw_only=True, tag="StringHandler"):
    """Any text that is not empty.

    Attributes
    ----------
    max_length : int
        The most bytes of UTF-8 that it may have; 0 means no limit.
    """

    operators: ClassVar[frozenset[str]] = EQUALITY | {"prefix"}

    max_length: int = 0

    def canonical(self, value: Any, field: str) -> str:
        """The text itself."""
        text = super().canonical(value, field)
        if self.max_length and len(text.encode()) > self.max_length:
            raise BadEvent(
                f"{field} may have at most {self.max_length} characters; {text[:60]!r} has "
                f"{len(text.encode())}.",
                field=field,
            )
        return text


class DateHandler(Handler, frozen=True, kw_only=True, tag="DateHandler"):
    """A day: ``2026-07-06``, ``20260706`` or, by day of the year, ``2026-187``.

    Attributes
    ----------
    canonical_format : str
        How it is stored.
    """

    operators: ClassVar[frozenset[str]] = ORDER

    canonical_format: Literal["%Y%m%d", "%Y-%m-%d"] = msgspec.field(
        default_factory=lambda: "%Y%m%d"
    )

    def canonical(self, value: Any, field: str) -> str:
        """The day in the schema's format."""
        day = _day(_text(value, field), self.canonical_format)
        if not day:
            raise BadEvent(
                f"{field} must be a day such as '20260706', '2026-07-06' or '2026-187'; "
                f"{str(value)[:60]!r} is not.",
                field=field,
            )
        return day


class TimeHandler(Handler, frozen=True, kw_only=True, tag="TimeHandler"):
    """A time of day: ``14:30``, ``1430`` or ``14``."""

    operators: ClassVar[frozenset[str]] = ORDER

    def canonical(self, value: Any, field: str) -> str:
        """The time as HHMM."""
        time = _time(_text(value, field))
        if not time:
            raise BadEvent(
                f"{field} must be a time from 00:00 to 23:59 such as '1430', '14:30' or '14'; "
                f"{str(value)[:60]!r} is not.",
                field=field,
            )
        return time


class EnumHandler(Handler, frozen=True, kw_only=True, tag="EnumHandler"):
    """One of some words, in upper or lower case.

    Attributes
    ----------
    values : tuple of str
        The words.
    """

    values: tuple[str, ...]

    def canonical(self, value: Any, field: str) -> str:
        """The word in lower case."""
        word = _text(value, field).lower()
        if word not in _lower(self.values):
            raise BadEvent(
                f"{field} must be one of {', '.join(self.values[:30])}; {str(value)[:60]!r} is "
                "not.",
                field=field,
            )
        return word


class ExpverHandler(Handler, frozen=True, kw_only=True, tag="ExpverHandler"):
    """An experiment version: numbers get leading zeros up to four digits, words lower case.

    Attributes
    ----------
    default : str
        Stands for an empty or absent value.
    """

    default: str = ""

    def canonical(self, value: Any, field: str) -> str:
        """The version as ``0001`` or ``test``."""
        version = _text(value, field) or self.default
        if not version:
            raise BadEvent(f"{field} must not be empty.", field=field)
        if version.isascii() and version.isdecimal() and int(version) < 2**32:
            return f"{int(version):04}"
        return version.lower()


class IntHandler(Handler, frozen=True, kw_only=True, tag="IntHandler"):
    """A whole number; stored as a number, so that rules can compare it.

    Attributes
    ----------
    range : tuple of int, optional
        The lowest and the highest value allowed.
    """

    operators: ClassVar[frozenset[str]] = ORDER

    range: tuple[int, int] | None = None

    def canonical(self, value: Any, field: str) -> int:
        """The number."""
        if type(value) is not int:
            digits = _text(value, field)
            plain = digits[1:] if digits[:1] in ("+", "-") else digits
            if not (plain.isascii() and plain.isdecimal() and len(plain) < 40):
                raise BadEvent(
                    f"{field} must be a whole number; {str(value)[:60]!r} is not.", field=field
                )
            value = int(digits)
        if not -_LARGEST_INT <= value < _LARGEST_INT:
            raise BadEvent(f"{field} must fit into 64 bits.", field=field)
        _check_range(value, self.range, field)
        return value


class FloatHandler(Handler, frozen=True, kw_only=True, tag="FloatHandler"):
    """A finite number.

    Attributes
    ----------
    range : tuple of float, optional
        The lowest and the highest value allowed.
    """

    operators: ClassVar[frozenset[str]] = ORDER

    range: tuple[float, float] | None = None

    def canonical(self, value: Any, field: str) -> float:
        """The number."""
        number = _number(value, field)
        _check_range(number, self.range, field)
        return number

    def text(self, value: Any) -> str:
        """Without an exponent, and without ``.0``."""
        return write_pairs([value]) if isinstance(value, int | float) else str(value)


class PolygonHandler(Handler, frozen=True, kw_only=True, tag="PolygonHandler"):
    """A closed ring ``lat,lon,lat,lon,...`` in degrees, or a list of ``[lat, lon]``."""

    operators: ClassVar[frozenset[str]] = frozenset()

    def canonical(self, value: Any, field: str) -> str:
        """The ring as one text without blanks and parentheses."""
        return self.ring(value, field).text

    def ring(self, value: Any, field: str) -> Ring:
        """The ring as it was read; what was read lately is remembered."""
        return parse_polygon(_hashable(value), field)


class PointHandler(Handler, frozen=True, kw_only=True, tag="PointHandler"):
    """A place ``lat,lon`` in degrees."""

    operators: ClassVar[frozenset[str]] = frozenset()

    def canonical(self, value: Any, field: str) -> str:
        """The place as one text without blanks and parentheses."""
        return write_pairs(parse_point(_hashable(value), field))


AnyHandler = (
    StringHandler
    | DateHandler
    | TimeHandler
    | EnumHandler
    | ExpverHandler
    | IntHandler
    | FloatHandler
    | PolygonHandler
    | PointHandler
)


def _text(value: Any, field: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    kind = "null" if value is None else "a list" if isinstance(value, list) else "an object"
    raise BadEvent(f"{field} must be a single value, not {kind}.", field=field)


def _hashable(value: Any) -> Any:
    # Parsed shapes are cached by what was given; True is no 1 there.
    if isinstance(value, list):
        return tuple(_hashable(one) for one in value)
    return value if type(value) in (str, int, float) else str(value)


def _number(value: Any, field: str) -> float:
    text = _text(value, field)
    try:
        number = float(text) if "_" not in text and not isinstance(value, bool) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadEvent(f"{field} must be a finite number; {text[:60]!r} is not.", field=field)
    return number


def _check_range(value: float, limits: tuple[float, float] | None, field: str) -> None:
    if limits is not None and not limits[0] <= value <= limits[1]:
        raise BadEvent(
            f"{field} must be from {limits[0]} to {limits[1]}; {value} is not.", field=field
        )


@lru_cache(maxsize=64)
def _lower(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset(value.lower() for value in values)


@lru_cache(maxsize=4096)
def _day(text: str, canonical_format: str) -> str:
    """The day in the format; empty when it is none."""
    # strptime would take a blank for a leading zero.
    if not text.isascii() or not text.replace("-", "").isdecimal():
        return ""
    for form, length in _DATES.items():
        if len(text) == length and (form != "%Y-%j" or text[4] == "-"):
            try:
                day = datetime.strptime(text, form)
            except ValueError:
                continue
            # Not strftime, which writes years before 1000 without their zeros on some systems.
            dash = "-" if canonical_format == "%Y-%m-%d" else ""
            return f"{day.year:04}{dash}{day.month:02}{dash}{day.day:02}"
    return ""


@lru_cache(maxsize=4096)
def _time(text: str) -> str:
    """The time as HHMM; empty when it is none."""
    hours, colon, minutes = text.partition(":")
    if not colon:
        hours, minutes = (text[:2], text[2:]) if len(text) == 4 else (text, "00")
    plain = text.isascii() and hours.isdecimal() and minutes.isdecimal()
    if not plain or len(hours) > 2 or len(minutes) != 2:
        return ""
    if int(hours) > 23 or int(minutes) > 59:
        return ""
    return f"{int(hours):02}{minutes}"
