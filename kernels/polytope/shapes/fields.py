"""Checks what shapes are made of: names of axes, places, lengths, and the fields of documents."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ....catalogs.errors import BadShape
from ..shape import Shape
from ..values import Value, canonical, duration_text, in_order, parse_duration
from .lengths import kind_of

Place = tuple[Value, ...]


def axis_name(name: object, field: str) -> str:
    """The name of an axis, refused if it is none."""
    if not isinstance(name, str) or not name.strip():
        raise BadShape(f"{field}: {name!r} is no name of an axis", field=field)
    return name


def axis_names(axes: Any, kind: str, least: int = 1, most: int | None = None) -> tuple[str, ...]:
    """The different axes of a shape; a lone name is one axis.

    Raises
    ------
    BadShape
        If there are too few or too many, or one comes twice.
    """
    if not isinstance(axes, Iterable):
        raise BadShape("axes: a list of names is needed", field="axes")
    given = (axes,) if isinstance(axes, str) else axes
    names = tuple(axis_name(name, "axes") for name in given)
    if len(names) < least or len(names) > (most or len(names)) or len(set(names)) < len(names):
        count = "two different axes" if most == 2 else f"{least} or more different axes"
        raise BadShape(f"axes: a {kind} needs {count}, not {names!r}", field="axes")
    return names


def range_pair(pair: object, axis: str) -> tuple[Any, Any]:
    """Lower and upper of a pair or a slice."""
    if isinstance(pair, slice):
        pair = (pair.start, pair.stop)
    if not isinstance(pair, list | tuple | np.ndarray) or len(pair) != 2:
        raise BadShape(f"{axis}: (lower, upper) is needed, not {pair!r}", field=axis)
    low, high = pair
    return low, high


def value_range(axis: str, lower: Any, upper: Any) -> tuple[Value, Value]:
    """A closed range in its one spelling, refused if it is the wrong way round."""
    low, high = canonical(lower, axis), canonical(upper, axis)
    if isinstance(low, str) != isinstance(high, str):
        raise BadShape(f"{axis}: {low!r} and {high!r} are not of one kind", field=axis)
    if in_order(low, high) is False:
        raise BadShape(
            f"{axis}: the lower bound {low} is above the upper bound {high}; exchange them, or "
            "write a range across the seam of a cyclic axis as (-10, 10) or (350, 370)",
            field=axis,
        )
    return low, high


def place(values: Any, axes: Sequence[str], field: str) -> Place:
    """One place: a value for each axis, in their one spelling."""
    if len(axes) == 1 and _is_lone(values):
        values = (values,)
    if _is_lone(values) or isinstance(values, Mapping) or len(values) != len(axes):
        raise BadShape(
            f"{field}: a value for each of {', '.join(axes)} is needed, not {values!r}", field=field
        )
    return tuple(canonical(value, axis) for value, axis in zip(values, axes, strict=True))


def places(points: Any, axes: Sequence[str], field: str) -> tuple[Place, ...]:
    """Places, given one or many.

    Raises
    ------
    BadShape
        If there is none, or one has not a value for each axis, or an axis mixes kinds.
    """
    if len(axes) > 1 and isinstance(points, str | Mapping):
        raise BadShape(f"{field}: a list of points is needed", field=field)
    if _is_lone(points):
        points = [points]
    given = points if isinstance(points, np.ndarray) else list(points)
    if len(axes) > 1 and len(given) and _is_lone(given[0]):
        given = [given]
    if len(given) == 0:
        raise BadShape(f"{field}: empty; give a point", field=field)
    found = numeric_places(given, len(axes))
    if found is None:
        several = len(given) > 1
        found = tuple(
            place(values, axes, f"{field}[{n}]" if several else field)
            for n, values in enumerate(given)
        )
        for number, axis in enumerate(axes):
            one_kind([values[number] for values in found], axis)
    return found


def numeric_places(points: Any, width: int) -> tuple[tuple[Any, ...], ...] | None:
    """The quick way for many numbers; None if a place needs a closer look."""
    if not isinstance(points, np.ndarray):
        if not all(isinstance(item, list | tuple) and len(item) == width for item in points):
            return None
        if not all(type(value) in (int, float) for item in points for value in item):
            return None
    array = np.asarray(points)
    if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[1] != width:
        return None
    if not (np.abs(array.astype(np.float64)) <= 1e100).all():
        return None
    return tuple(map(tuple, array.tolist() if isinstance(points, np.ndarray) else points))


def one_kind(values: Iterable[Value], axis: str) -> None:
    """Refuse an axis that mixes numbers, times and durations."""
    kinds = {kind_of(value) for value in values}
    if len(kinds) > 1 and ("number" in kinds or len(kinds - {"label"}) > 1):
        raise BadShape(
            f"{axis}: {' and '.join(sorted(kinds))} are mixed; give values of one kind", field=axis
        )


def lengths(radius: Any, axes: Sequence[str]) -> tuple[Value, ...]:
    """A length for each axis: numbers, or durations as ``PT...S``; one stands for all.

    Raises
    ------
    BadShape
        If one is negative or no length, or their count is not that of the axes.
    """
    given = [radius] * len(axes) if _is_lone(radius) else list(radius)
    if len(given) != len(axes):
        raise BadShape(
            f"radius: one number, or one for each of {', '.join(axes)}, is needed, not {radius!r}",
            field="radius",
        )
    return tuple(_length(value, axis) for value, axis in zip(given, axes, strict=True))


def _length(value: Any, axis: str) -> Value:
    length = canonical(value, axis)
    if isinstance(length, str):
        nanoseconds = parse_duration(length)
        if nanoseconds is None:
            raise BadShape(
                f"{axis}: {length!r} is no length; give a number, or a duration such as '6h'",
                field=axis,
            )
        negative, length = nanoseconds < 0, duration_text(nanoseconds)
    else:
        negative = length < 0
    if negative:
        raise BadShape(f"{axis}: the radius {value} is negative; give 0 or more", field=axis)
    return length


def method_and_count(
    method: Any, k: Any, methods: Sequence[str], kind: str
) -> tuple[str | None, int]:
    """How places are looked for, refused unless it is one of the methods, with its count."""
    if method is not None and method not in methods:
        known = ", ".join(map(repr, methods))
        raise BadShape(
            f"method: {method!r} is unknown to a {kind}; give None, {known}", field="method"
        )
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise BadShape(f"k: a whole number from 1 is needed, not {k!r}", field="k")
    if k > 1 and method not in ("nearest", "surrounding"):
        raise BadShape(
            f"k: {k} values are found by method='nearest' or 'surrounding' only", field="k"
        )
    return method, int(k)


def document_fields(
    document: Mapping[str, Any], names: tuple[str, ...], optional: tuple[str, ...] = ()
) -> tuple[Any, ...]:
    """The named fields of a document, refused if one is missing or there are others."""
    kind = document.get("type")
    for name in names:
        if document.get(name) is None:
            raise BadShape(f"{name}: missing in the {kind}", field=name)
    for name in document:
        if name not in ("type", *names, *optional):
            raise BadShape(f"{name}: a {kind} has no such field", field=str(name))
    return tuple(document[name] for name in names)


def listed(value: Any, field: str) -> Sequence[Any]:
    """A field of a document that must be a list."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if not isinstance(value, list | tuple):
        raise BadShape(f"{field}: a list is needed", field=field)
    return value


def spread(things: tuple[Any, ...]) -> tuple[Any, ...]:
    """Positional arguments, which may also be given as one list."""
    if len(things) == 1 and isinstance(things[0], list | tuple | np.ndarray):
        first = things[0]
        if len(first) and (isinstance(first[0], Shape) or not _is_lone(first[0])):
            return tuple(first)
    return things


def _is_lone(value: Any) -> bool:
    """Whether it is one value rather than several."""
    if isinstance(value, np.ndarray):
        return value.ndim == 0
    return isinstance(value, str) or not hasattr(value, "__len__")
