"""Reads the parameters of an extraction: times, levels, boxes, lengths and names."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from ...catalogs.errors import BadRequest, from_decoding

Value = int | float | str

_EVERY = frozenset({"datetime", "z", "parameter-name", "crs", "f"})
# What each query of OGC API EDR 1.1 takes; dimensions that only some cubes have come on top.
TAKEN: dict[str, frozenset[str]] = {
    "position": _EVERY | {"coords"},
    "radius": _EVERY | {"coords", "within", "within-units"},
    "area": _EVERY | {"coords"},
    "cube": _EVERY | {"bbox"},
    "trajectory": _EVERY | {"coords"},
    "corridor": _EVERY
    | {"coords", "corridor-width", "width-units", "corridor-height", "height-units"},
}
# Known to the standard, but a cut holds the cube's own grid points.
_RESAMPLING = frozenset({"resolution-x", "resolution-y", "resolution-z"})
KILOMETRES = {"km": 1.0, "m": 0.001, "mi": 1.609344, "nmi": 1.852}
CRS84 = "CRS84"
_CRS84_TEXTS = frozenset(
    {
        "crs84",
        "ogc:crs84",
        "http://www.opengis.net/def/crs/ogc/1.3/crs84",
        "https://www.opengis.net/def/crs/ogc/1.3/crs84",
        "urn:ogc:def:crs:ogc:1.3:crs84",
        "urn:ogc:def:crs:ogc::crs84",
    }
)
# A sequence longer than this is a typing error rather than a wish.
LONGEST_SEQUENCE = 10_000
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
# What a common client (OWSLib) calls it.
_OTHER_NAMES = {"parameter_names": "parameter-name", "parameter_name": "parameter-name"}
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?\s*([Zz]|[+-]\d\d:?\d\d)?")
_DAYS_END = "T23:59:59.999999999"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of one axis: values, or a closed range that may be open at an end.

    Attributes
    ----------
    values : tuple of number or text
        Empty for a range.
    lower, upper : number, text or None
        None where the range is as long as the cube.
    """

    values: tuple[Value, ...] = ()
    lower: Value | None = None
    upper: Value | None = None


async def parameters_of(request: Request) -> dict[str, str]:
    """The parameters of a query: of its address, and of its body when it is posted.

    Returns
    -------
    dict of str to str
        Names in lower case.

    Raises
    ------
    BadRequest
        Naming a parameter that is given twice, or the body that is neither a form nor a JSON
        object of texts and numbers.
    """
    given: list[tuple[str, Any]] = list(request.query_params.multi_items())
    if request.method == "POST":
        given += await _posted(request)
    found: dict[str, str] = {}
    for name, value in given:
        key = _OTHER_NAMES.get(name.lower(), name.lower())
        if key in found:
            raise BadRequest(f"{name} is given twice; give it once.", field=name)
        found[key] = _plain(name, value)
    return found


async def _posted(request: Request) -> list[tuple[str, Any]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        text = (await request.body()).decode("utf-8", "replace")
        # In a thread: a long geometry takes a while.
        return await run_in_threadpool(parse_qsl, text, keep_blank_values=True)
    body = await request.body()
    if not body.strip():
        return []
    try:
        document = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise from_decoding(error) from error
    return list(document.items())


def _plain(name: str, value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_plain(name, each) for each in value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRequest(f"{name}: give a text or a number.", field=name)
    return str(value)


def check_names(kind: str, given: Iterable[str], dimensions: Collection[str]) -> None:
    """Refuse parameters that a query does not take, naming all of them.

    Parameters
    ----------
    kind : str
        The query, such as ``"area"``.
    given : iterable of str
        Names of parameters.
    dimensions : collection of str
        Names of the cube's further dimensions, which may be given too.
    """
    known = {each.lower() for each in dimensions} | TAKEN[kind]
    unknown = sorted(set(given) - known)
    if not unknown:
        return
    if unknown[0] in _RESAMPLING:
        raise BadRequest(
            f"{unknown[0]} is not offered: an answer holds the cube's own grid points. "
            "Leave it out.",
            field=unknown[0],
        )
    raise BadRequest(
        f"{', '.join(unknown)}: unknown to the query {kind!r}; it takes "
        f"{', '.join(sorted(known))}.",
        field=unknown[0],
    )


def required(given: Mapping[str, str], name: str, example: str) -> str:
    """A parameter's text; refused when it is missing or empty."""
    text = given.get(name, "").strip()
    if not text:
        raise BadRequest(f"{name} is needed, such as {name}={example}.", field=name)
    return text


def parse_datetime(text: str) -> Wanted:
    """An instant, a day, or an interval of these with ``..`` for an open end.

    A day without a time of day is meant whole.

    Examples
    --------
    >>> parse_datetime("2019-03-01T00:00Z").values
    ('2019-03-01T00:00Z',)
    >>> parse_datetime("2019-03-01/..").lower
    '2019-03-01'
    """
    ends = [part.strip() for part in text.split("/")]
    if len(ends) == 1:
        if _DAY.fullmatch(ends[0]):
            return Wanted(lower=ends[0], upper=ends[0] + _DAYS_END)
        return Wanted(values=(_moment(ends[0], text),))
    if len(ends) != 2:
        raise _no_time(text)
    lower, upper = (None if end in ("", "..") else _moment(end, text) for end in ends)
    if lower is None and upper is None:
        raise _no_time(text)
    if upper is not None and _DAY.fullmatch(upper):
        upper += _DAYS_END
    return Wanted(lower=lower, upper=upper)


def _moment(text: str, whole: str) -> str:
    # A "+" of an offset that was not encoded arrives as a space.
    text = re.sub(r" (\d\d:?\d\d)$", r"+\1", text) if "T" in text.upper() else text
    if not (_DAY.fullmatch(text) or _TIME.fullmatch(text)):
        raise _no_time(whole)
    return text.upper().replace(" ", "T", 1) if " " in text else text.upper()


def _no_time(text: str) -> BadRequest:
    return BadRequest(
        f"datetime: {text!r} is no time; write 2019-03-01T06:00:00Z, 2019-03-01, or an interval "
        "such as 2019-03-01/2019-03-05, ../2019-03-05 or 2019-03-01/...",
        field="datetime",
    )


def parse_values(text: str, field: str) -> Wanted:
    """A value, a list ``a,b``, a range ``a/b`` (``..`` is open) or a sequence ``Rn/first/step``.

    Values are numbers where all of them are, else texts, such as labels or times.

    Examples
    --------
    >>> parse_values("R3/100/50", "z").values
    (100, 150, 200)
    >>> parse_values("../850", "z").upper
    850
    """
    text = text.strip()
    parts = [part.strip() for part in text.split("/")]
    if re.fullmatch(r"[Rr]\d+", parts[0]) and len(parts) == 3:
        return Wanted(values=_sequence(parts, field))
    if len(parts) == 2:
        lower, upper = (None if part in ("", "..") else number_or_text(part) for part in parts)
        if lower is not None or upper is not None:
            return Wanted(lower=lower, upper=upper)
    elif len(parts) == 1:
        values = [part.strip() for part in text.split(",")]
        if all(values):
            return Wanted(values=tuple(number_or_text(value) for value in values))
    raise BadRequest(
        f"{field}: {text!r} is not understood; write a value (850), a list (850,500), a range "
        "(500/850, ../850) or a sequence (R5/100/50: 5 values from 100 on by 50).",
        field=field,
    )


def _sequence(parts: list[str], field: str) -> tuple[Value, ...]:
    count = int(parts[0][1:]) if len(parts[0]) < 8 else LONGEST_SEQUENCE + 1
    first, step = (parse_number(part, field) for part in parts[1:])
    if not 1 <= count <= LONGEST_SEQUENCE:
        raise BadRequest(f"{field}: give 1 to {LONGEST_SEQUENCE} values.", field=field)
    return tuple(first + number * step for number in range(count))


def number_or_text(text: str) -> Value:
    """A number where the text is one; whole ones as int."""
    if not _NUMBER.fullmatch(text):
        return text
    return int(text) if re.fullmatch(r"[+-]?\d{1,15}", text) else float(text)


def parse_number(text: str, field: str) -> int | float:
    """A finite number; raises ``BadRequest`` naming the field when it is none."""
    number = number_or_text(text.strip())
    if isinstance(number, str) or abs(number) > 1e100:
        raise BadRequest(f"{field}: {text.strip()!r} is no number.", field=field)
    return number


def parse_bbox(text: str) -> tuple[int | float, ...]:
    """West, south, east, north; or west, south, lowest, east, north, highest.

    Examples
    --------
    >>> parse_bbox("-6,50,2,55")
    (-6, 50, 2, 55)
    """
    numbers = tuple(parse_number(part, "bbox") for part in text.split(","))
    if len(numbers) not in (4, 6):
        raise BadRequest(
            f"bbox: 4 numbers (west,south,east,north) or 6 (west,south,lowest,east,north,highest) "
            f"are needed, not {len(numbers)}.",
            field="bbox",
        )
    return numbers


def parse_kilometres(given: Mapping[str, str], name: str, units: str) -> float:
    """A length above 0 in kilometres, given by a parameter and one for its units."""
    number = parse_number(required(given, name, "100"), name)
    unit = required(given, units, "km").strip()
    factor = KILOMETRES.get(unit.lower())
    if factor is None:
        raise BadRequest(
            f"{units}: {unit!r} is unknown; give {', '.join(KILOMETRES)}.", field=units
        )
    if number <= 0:
        raise BadRequest(f"{name}: a length above 0 is needed, not {number}.", field=name)
    return number * factor


def check_crs(text: str) -> None:
    """Refuse every reference system but longitude and latitude of WGS 84."""
    if text.strip().lower() not in _CRS84_TEXTS:
        raise BadRequest(
            f"crs: {text!r} is not offered; coordinates are longitude, latitude of WGS 84: "
            f"leave crs out or give {CRS84}.",
            field="crs",
        )


def parse_names(text: str, known: Collection[str]) -> tuple[str, ...]:
    """The variables of a comma list; raises ``BadRequest`` naming those that the cube lacks."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    missing = [name for name in names if name not in known]
    if missing or not names:
        raise BadRequest(
            f"parameter-name: the collection has no {', '.join(missing) or 'empty name'}; it has "
            f"{', '.join(sorted(known))}.",
            field="parameter-name",
        )
    return names
