"""Reads the ``feature`` of a Polytope request, as ECMWF's service takes it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ....catalogs.errors import BadShape
from ..shape import Shape
from ..values import parse_instant
from .combined import Union
from .fields import document_fields, listed
from .paths import Path
from .points import Point, Select
from .polygon import Polygon
from .ranges import Box, Span
from .rounds import Disk, Ellipsoid

_AXES = ("latitude", "longitude", "level", "step")
_NAMES = {"levelist": "level", "date": "time"}  # MARS keywords that cubes call otherwise
_DATES = ("date", "time", "hdate")


def is_feature(document: Mapping[str, Any]) -> bool:
    """Whether a document is a Polytope feature, or a request with one."""
    return document.get("type") in _READERS or isinstance(document.get("feature"), Mapping)


def from_feature(document: Mapping[str, Any]) -> Shape:
    """The shape that a Polytope feature means.

    Parameters
    ----------
    document : mapping
        With ``type`` timeseries, verticalprofile, boundingbox, polygon, circle, trajectory,
        position or frame, and their keys; or a mapping that holds it as ``feature`` and nothing
        else.

    Returns
    -------
    Shape
        Over latitude and longitude unless ``axes`` says otherwise; ``levelist`` becomes the axis
        ``level``, ``date`` the axis ``time``, whose last day is meant whole.

    Raises
    ------
    BadShape
        If a key is missing, unknown or of the wrong kind.

    Notes
    -----
    Two things are done as people expect them, not as the service does them: the box of a
    trajectory reaches as far to either side of the line, and a circle is round.

    Examples
    --------
    >>> from_feature({"type": "position", "points": [[51.5, -0.1]]})
    Point(('latitude', 'longitude'), [(51.5, -0.1)], method='nearest')
    """
    feature = document.get("feature")
    if isinstance(feature, Mapping):
        others = sorted(str(key) for key in document if key != "feature")
        if others:
            raise BadShape(
                f"{others[0]}: no part of a shape; give the feature alone, and put single values "
                "of other axes beside it: Shape.of(feature) & Select('step', [0, 6])",
                field=others[0],
            )
        document = feature
    kind = document.get("type")
    if kind not in _READERS:
        raise BadShape(
            f"type: {kind!r} is no feature; known are {', '.join(sorted(_READERS))}", field="type"
        )
    return _READERS[kind](document)


def _timeseries(document: Mapping[str, Any]) -> Shape:
    (points,) = document_fields(document, ("points",), ("axes", "time_axis", "range"))
    axes, along = _axes(document, "time_axis", ("step", "date", "month", "year", "hdate"))
    return _along(Point(axes, points, method="nearest"), along or "step", document)


def _verticalprofile(document: Mapping[str, Any]) -> Shape:
    (points,) = document_fields(document, ("points",), ("axes", "axis", "range"))
    axes, along = _axes(document, "axis", ("levelist", "level"))
    return _along(Point(axes, points, method="nearest"), along or "levelist", document)


def _axes(
    document: Mapping[str, Any], key: str, known: Sequence[str]
) -> tuple[tuple[str, ...], str | None]:
    """The axes of the points, and the one along which values are wanted, however it is said."""
    names = _texts(document.get("axes"), "axes")
    along = _texts(document.get(key), key) or [name for name in names if name in known]
    if len(along) > 1:
        raise BadShape(f"{key}: one axis is needed, not {', '.join(along)}", field=key)
    rest = [name for name in names if name not in along]
    return _named(rest) or _AXES[:2], along[0] if along else None


def _along(points: Point, axis: str, document: Mapping[str, Any]) -> Shape:
    wanted = document.get("range")
    if wanted is None:
        return points
    name, days = _NAMES.get(axis, axis), axis in _DATES
    if isinstance(wanted, list | tuple):
        if days:
            raise BadShape("range: give dates as {'start': ..., 'end': ...}", field="range")
        return points & Select(name, wanted)
    if not isinstance(wanted, Mapping):
        raise BadShape("range: an object with start and end is needed", field="range")
    for key in wanted:
        if key not in ("start", "end", "interval"):
            raise BadShape(f"range: has no {key!r}; give start, end, interval", field="range")
    start, end, step = wanted.get("start"), wanted.get("end"), wanted.get("interval")
    if start is None or end is None:
        raise BadShape("range: start and end are needed", field="range")
    if step is not None:
        return points & Select(name, _steps(start, end, step, name))
    if days:
        return points & Span(name, _date(start), _date(end, last=True))
    return points & Span(name, start, end)


def _steps(start: Any, end: Any, step: Any, axis: str) -> list[int]:
    if not all(type(value) is int for value in (start, end, step)) or step < 1 or end < start:
        raise BadShape(
            f"{axis}: an interval needs whole numbers, start to end; else leave it out, or give "
            f"the values: Shape.of(feature) & Select({axis!r}, [...])",
            field=axis,
        )
    return list(range(start, end + 1, step))


def _date(value: Any, *, last: bool = False) -> Any:
    """A date of MARS, 20260131, as ISO text; of the last one, the day's end."""
    text = str(value).strip()
    if len(text) == 8 and text.isdigit():
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    whole_day = len(text) == 10 and parse_instant(text) is not None
    return f"{text}T23:59:59.999999999" if last and whole_day else text


def _boundingbox(document: Mapping[str, Any]) -> Shape:
    (points,) = document_fields(document, ("points",), ("axes",))
    return Box(_corners(points, "points", document))


def _frame(document: Mapping[str, Any]) -> Shape:
    outer, inner = document_fields(document, ("outer_box", "inner_box"), ("axes",))
    big, small = _corners(outer, "outer_box", document), _corners(inner, "inner_box", document)
    for axis, (low, high) in big.items():
        if not low <= small[axis][0] <= small[axis][1] <= high:
            raise BadShape(f"{axis}: the inner box must lie in the outer one", field=axis)
    if len(big) != 2:
        raise BadShape("outer_box: a frame has two axes", field="outer_box")
    return Polygon(tuple(big), _rectangle(big), [_rectangle(small)])


def _corners(points: Any, field: str, document: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    pair = [listed(point, field) for point in listed(points, field)]
    if len(pair) != 2 or len(pair[0]) != len(pair[1]):
        raise BadShape(f"{field}: two opposite corners are needed", field=field)
    axes = _axes_of(document, len(pair[0]), field)
    ranges: dict[str, tuple[Any, Any]] = {}
    for axis, one, other in zip(axes, *pair, strict=True):
        if isinstance(one, str) != isinstance(other, str):
            raise BadShape(f"{axis}: {one!r} and {other!r} are not of one kind", field=axis)
        ranges[axis] = (min(one, other), max(one, other))
    return ranges


def _rectangle(ranges: Mapping[str, tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    (south, north), (west, east) = ranges.values()
    return [(south, west), (south, east), (north, east), (north, west)]


def _polygon(document: Mapping[str, Any]) -> Shape:
    (given,) = document_fields(document, ("shape",), ("axes",))
    rings = [listed(ring, "shape") for ring in listed(given, "shape")]
    if rings and rings[0] and not isinstance(rings[0][0], list | tuple):
        rings = [rings]
    axes = _axes_of(document, 2, "shape")
    members = [Polygon(axes, ring) for ring in rings]
    return members[0] if len(members) == 1 else Union(*members)


def _circle(document: Mapping[str, Any]) -> Shape:
    center, radius = document_fields(document, ("center", "radius"), ("axes",))
    found = listed(center, "center")
    if len(found) == 1 and isinstance(found[0], list | tuple):
        found = found[0]
    axes = _axes_of(document, len(found), "center")
    return Disk(axes, found, radius) if len(axes) == 2 else Ellipsoid(axes, found, radius)


def _trajectory(document: Mapping[str, Any]) -> Shape:
    names = ("points", "inflation")
    points, inflation = document_fields(document, names, ("axes", "inflate"))
    corners = [listed(point, "points") for point in listed(points, "points")]
    if not corners:
        raise BadShape("points: a trajectory needs two points", field="points")
    axes = _axes_of(document, len(corners[0]), "points")
    inflate = document.get("inflate", "round")
    if inflate not in ("round", "box"):
        raise BadShape(f"inflate: 'round' or 'box' is needed, not {inflate!r}", field="inflate")
    # Only the size of the shape matters, so any point will do as its middle.
    body = (Disk if len(axes) == 2 else Ellipsoid)(axes, corners[0], inflation)
    return Path(axes, Box(body.bounds()) if inflate == "box" else body, *corners)


def _position(document: Mapping[str, Any]) -> Shape:
    (points,) = document_fields(document, ("points",), ("axes",))
    return Point(_axes_of(document, 2, "points"), points, method="nearest")


def _axes_of(document: Mapping[str, Any], count: int, field: str) -> tuple[str, ...]:
    """The axes as the document names them, or the first of the usual ones."""
    names = _named(_texts(document.get("axes"), "axes")) or _AXES[:count]
    if len(names) != count or count < 2:
        raise BadShape(
            f"{field}: a value for each of {', '.join(names)} is needed, not {count}", field=field
        )
    return names


def _named(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(_NAMES.get(name, name) for name in names)


def _texts(value: Any, field: str) -> list[str]:
    found = [value] if isinstance(value, str) else value or []
    if not isinstance(found, list | tuple) or not all(isinstance(name, str) for name in found):
        raise BadShape(f"{field}: names of axes are needed, not {value!r}", field=field)
    return list(found)


_READERS: dict[Any, Callable[[Mapping[str, Any]], Shape]] = {
    "timeseries": _timeseries,
    "verticalprofile": _verticalprofile,
    "boundingbox": _boundingbox,
    "polygon": _polygon,
    "circle": _circle,
    "trajectory": _trajectory,
    "position": _position,
    "frame": _frame,
}
