"""Polygons and points as Aviso writes them: ``lat,lon,lat,lon``, in degrees."""

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from ..errors import BadEvent


class Ring(NamedTuple):
    """A polygon that was read.

    Attributes
    ----------
    text : str
        Its canonical form, ``lat,lon,...`` without blanks.
    bbox : str
        ``west,south,east,north``.  Edges are taken as they are written, as Aviso's server
        does, so that a ring round the whole globe stays one; none crosses the antimeridian.
    geometry : dict
        GeoJSON, longitude first.
    """

    text: str
    bbox: str
    geometry: dict[str, Any]


def write_pairs(numbers: Iterable[float]) -> str:
    """Numbers with their shortest digits and no exponent, with commas between.

    Examples
    --------
    >>> write_pairs([46.0, -8.25, 1e-7])
    '46,-8.25,0.0000001'
    """
    return ",".join(_digits(number) for number in numbers)


@lru_cache(maxsize=1024)
def parse_polygon(value: Any, field: str) -> Ring:
    """Read a ring from text or from a tuple of (lat, lon) pairs.

    Parameters
    ----------
    value : str or tuple
        At least three corners and the first one again; parentheses around a text are allowed.
    field : str
        Named when it is wrong.

    Raises
    ------
    BadEvent
        When it is no closed ring on the globe.

    Examples
    --------
    >>> parse_polygon("(46,8, 46,9, 47,9, 46,8)", "polygon").bbox
    '8,46,9,47'
    """
    pairs = _pairs(value, field, "a closed ring 'lat,lon,lat,lon,...'")
    if len(pairs) < 4:
        raise BadEvent(
            f"{field} needs at least three corners and the first one again; it has {len(pairs)} "
            "pairs.",
            field=field,
        )
    if pairs[0] != pairs[-1]:
        raise BadEvent(f"{field} must end with the pair that it began with.", field=field)
    return Ring(
        write_pairs(number for pair in pairs for number in pair), _bbox(pairs), _geometry(pairs)
    )


@lru_cache(maxsize=1024)
def parse_point(value: Any, field: str) -> tuple[float, float]:
    """Read one place, ``lat,lon``.

    Examples
    --------
    >>> parse_point("(46.5, 8)", "point")
    (46.5, 8.0)
    """
    wanted = (value,) if isinstance(value, tuple) and len(value) == 2 else value
    pairs = _pairs(wanted, field, "a place 'lat,lon'")
    if len(pairs) != 1:
        raise BadEvent(f"{field} must be one place 'lat,lon'.", field=field)
    return pairs[0]


def _pairs(value: Any, field: str, wanted: str) -> list[tuple[float, float]]:
    numbers: list[Any]
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("(") != text.endswith(")"):
            raise BadEvent(f"{field} has a parenthesis without its other half.", field=field)
        numbers = list(text.removeprefix("(").removesuffix(")").split(","))
    elif isinstance(value, tuple) and all(
        isinstance(one, tuple) and len(one) == 2 for one in value
    ):
        numbers = [number for pair in value for number in pair]
    else:
        raise BadEvent(f"{field} must be {wanted}; {str(value)[:60]!r} is not.", field=field)
    if len(numbers) % 2:
        raise BadEvent(f"{field} must hold pairs 'lat,lon'; a number is left over.", field=field)
    degrees = [_degree(number, field) for number in numbers]
    pairs = list(zip(degrees[::2], degrees[1::2], strict=True))
    for latitude, longitude in pairs:
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
            raise BadEvent(
                f"{field} holds the pair {latitude},{longitude}; latitudes go from -90 to 90 and "
                "longitudes from -180 to 180.",
                field=field,
            )
    return pairs


def _degree(number: Any, field: str) -> float:
    try:
        if isinstance(number, bool) or (isinstance(number, str) and "_" in number):
            raise ValueError(number)
        degree = float(number)
    except (TypeError, ValueError, OverflowError):
        degree = math.nan
    if math.isnan(degree):
        raise BadEvent(f"{field} holds {str(number)[:60]!r}, which is no number.", field=field)
    return degree + 0.0  # -0.0 becomes 0.0: one place, one way of writing


def _bbox(pairs: Sequence[tuple[float, float]]) -> str:
    latitudes = [latitude for latitude, _ in pairs]
    longitudes = [longitude for _, longitude in pairs]
    return write_pairs((min(longitudes), min(latitudes), max(longitudes), max(latitudes)))


def _geometry(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    ring = [[longitude, latitude] for latitude, longitude in pairs]
    return {"type": "Polygon", "coordinates": [ring]}


def _digits(number: float) -> str:
    text = repr(float(number))
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")
