"""Makes the shape of a corridor: what lies about a line, so wide and so high."""

import itertools
import math
from collections.abc import Collection
from typing import Any

import numpy as np

from ...catalogs.errors import BadRequest, BadShape
from ...kernels.polytope.shapes import ConvexPolytope, Disk, Path, PathSegment, Shape, Span, Union
from ...kernels.polytope.values import duration_text
from . import extract_parameters as parameters
from .extract_axes import PLACE, Asked, and_the_rest, covered_by, further_axes, rows_of
from .extract_geometry import read_lines

# Of a great circle on the sphere that kilometres are measured on here.
KILOMETRES_A_DEGREE = 6371.0088 * math.pi / 180
# A corridor's round cross-section is given this many sides, outside of the circle.
_SIDES = 16
_METRES = {"m": 1.0, "metre": 1.0, "metres": 1.0, "meter": 1.0, "meters": 1.0, "km": 1000.0}
_PASCALS = {"pa": 1.0, "hpa": 100.0, "mbar": 100.0, "millibar": 100.0, "kpa": 1000.0}


def corridor(asked: Asked) -> Shape:
    """The corridor of a query.

    A line without Z and M is swept by a disk in kilometres, along great circles. With Z or M a
    prism is swept straight through longitude, latitude, level and time; its times reach half a
    step of the cube to either side.
    """
    given = asked.given
    lines = read_lines(parameters.required(given, "coords", "LINESTRING(-5 50,2 55)"))
    half = parameters.parse_kilometres(given, "corridor-width", "width-units") / 2
    height = _height(asked)
    if not lines[0].levels and not lines[0].seconds:
        disk = Disk(PLACE, (0, 0), half, unit="km")
        paths: list[Shape] = [Path(PLACE, disk, rows_of(line)) for line in lines]
        return _flat_corridor(paths[0] if len(paths) == 1 else Union(*paths), height, asked)
    axes = [*PLACE, *further_axes(lines[0], asked)]
    reach: list[tuple[Any, Any]] = []
    if lines[0].levels:
        if height is None:
            raise BadRequest(
                "corridor-height is needed, as coords have a Z.", field="corridor-height"
            )
        reach.append((-height / 2, height / 2))
    if lines[0].seconds:
        reach.append(_half_a_step(asked))
    legs = [leg for line in lines for leg in _legs(axes, rows_of(line), half, reach)]
    tube = legs[0] if len(legs) == 1 else Union(*legs)
    if lines[0].levels or height is None:
        return and_the_rest(tube, asked, covered=covered_by(lines[0]))
    return _flat_corridor(tube, height, asked, covered=covered_by(lines[0]))


def _flat_corridor(
    place: Shape, height: float | None, asked: Asked, covered: Collection[str] = ()
) -> Shape:
    """A corridor of a line without Z: its height lies about the one level that z gives."""
    if height is None or asked.axes.level is None or "z" not in asked.given:
        return and_the_rest(place, asked, covered=covered)
    wanted = parameters.parse_values(asked.given["z"], "z")
    if len(wanted.values) != 1 or isinstance(wanted.values[0], str):
        raise BadRequest("z: with corridor-height one level is needed, its middle.", field="z")
    middle = wanted.values[0]
    level = Span(asked.axes.level, middle - height / 2, middle + height / 2)
    rest = {name: text for name, text in asked.given.items() if name != "z"}
    return and_the_rest(place, asked._replace(given=rest), covered=covered) & level


def _legs(
    axes: list[str], rows: list[tuple[Any, ...]], half: float, reach: list[tuple[Any, Any]]
) -> list[Shape]:
    """A tube for each leg, as wide as asked for where it is farthest from the equator."""
    tubes: list[Shape] = []
    for start, end in itertools.pairwise(rows):
        farthest = max(abs(start[0]), abs(end[0])) + half / KILOMETRES_A_DEGREE
        if farthest >= 89:
            raise BadShape(
                "coords: a corridor with Z or M cannot pass a pole; give a line without them.",
                field="coords",
            )
        north = half / KILOMETRES_A_DEGREE
        section = _section(north, north / math.cos(math.radians(farthest)), reach)
        tubes.append(PathSegment(axes, ConvexPolytope(axes, section), start, end))
    return tubes


def _section(north: float, east: float, reach: list[tuple[Any, Any]]) -> list[tuple[Any, ...]]:
    """An upright prism about the origin, whose foot has as many sides as it takes to be round."""
    outside = 1 / math.cos(math.pi / _SIDES)
    corners: list[tuple[Any, ...]] = [
        (north * outside * math.cos(angle), east * outside * math.sin(angle))
        for angle in np.linspace(0, 2 * math.pi, _SIDES, endpoint=False).tolist()
    ]
    for low, high in reach:
        corners = [(*corner, end) for corner in corners for end in (low, high)]
    return corners


def _half_a_step(asked: Asked) -> tuple[str, str]:
    """Half the largest step of the cube's times, so that every moment has a time of the cube."""
    assert asked.axes.time is not None
    times = np.unique(np.atleast_1d(asked.dataset[asked.axes.time].to_numpy()))
    if len(times) < 2:
        raise BadShape(
            "coords: the collection has one time only; leave M out and give datetime.",
            field="coords",
        )
    step: Any = np.diff(times).max()
    length = step if isinstance(step, np.timedelta64) else np.timedelta64(step)
    nanoseconds = int(length.astype("m8[ns]").astype(np.int64)) // 2
    return duration_text(-nanoseconds), duration_text(nanoseconds)


def _height(asked: Asked) -> float | None:
    """The corridor's height in the units of the cube's vertical axis; None where it has none."""
    given = asked.given
    if "corridor-height" not in given and "height-units" not in given:
        return None
    number = parameters.parse_number(
        parameters.required(given, "corridor-height", "1000"), "corridor-height"
    )
    unit = parameters.required(given, "height-units", "m").strip()
    if number < 0:
        raise BadRequest(
            f"corridor-height: 0 or more is needed, not {number}.", field="corridor-height"
        )
    if asked.axes.level is None:
        return None
    own = str(asked.dataset[asked.axes.level].attrs.get("units", "")).strip()
    if unit.lower() == own.lower():
        return float(number)
    for factors in (_METRES, _PASCALS):
        if unit.lower() in factors and own.lower() in factors:
            return number * factors[unit.lower()] / factors[own.lower()]
    raise BadRequest(
        f"height-units: the collection's levels are in {own or 'no units'}, not {unit!r}.",
        field="height-units",
    )


def height_units_of(own: str) -> list[str]:
    """The units in which a corridor's height may be given, by those of the cube's levels."""
    if own.lower() in _METRES:
        return list(dict.fromkeys([own, "m", "km"]))
    if own.lower() in _PASCALS:
        return list(dict.fromkeys([own, "Pa", "hPa"]))
    return [own] if own else []


def vertical_system(name: str, units: str, direction: str) -> str:
    """The well-known text of a vertical axis: of heights, or of a quantity such as pressure.

    Examples
    --------
    >>> vertical_system("altitude", "m", "up")
    'VERTCRS["altitude",VDATUM["altitude"],CS[vertical,1],AXIS["altitude",up],LENGTHUNIT["m",1.0]]'
    """
    kind, datum, space, unit = "PARAMETRICCRS", "PDATUM", "parametric", "PARAMETRICUNIT"
    factor = _PASCALS.get(units.lower(), 1.0)
    if units.lower() in _METRES:
        kind, datum, space, unit = "VERTCRS", "VDATUM", "vertical", "LENGTHUNIT"
        factor = _METRES[units.lower()]
    axis = f'CS[{space},1],AXIS["{name}",{direction}],{unit}["{units or "1"}",{factor}]'
    return f'{kind}["{name}",{datum}["{name}"],{axis}]'
