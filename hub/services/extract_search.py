"""Which collections a list is narrowed to: those that meet an area and a time."""

from collections.abc import Iterable, Mapping

from ...catalogs.errors import BadRequest
from ...catalogs.records import Collection
from ...kernels.polytope.values import parse_instant
from .extract_parameters import Wanted, parse_bbox, parse_datetime

_ENDLESS = (0,), (9999, 99)


def check_page(given: Iterable[str], known: Iterable[str], form: str | None) -> None:
    """Refuse parameters that a page does not take, and other forms of it than JSON.

    Raises
    ------
    BadRequest
        Naming the parameter.
    """
    unknown = sorted(set(given) - {*known, "f"})
    if unknown:
        taken = ", ".join(sorted({*known, "f"}))
        raise BadRequest(
            f"{', '.join(unknown)}: unknown here; this page takes {taken}.", field=unknown[0]
        )
    if form is not None and form.lower() not in ("json", "application/json"):
        raise BadRequest(f"f: {form!r} is not offered; this page is JSON.", field="f")


def narrowed(faces: list[Collection], given: Mapping[str, str]) -> list[Collection]:
    """The collections that meet ``bbox`` and ``datetime``, as far as these are given.

    Parameters
    ----------
    faces : list of Collection
        Those that the asker may see.
    given : mapping of str to str
        The parameters of the list.

    Raises
    ------
    BadRequest
        Naming the parameter that is wrong.
    """
    if "bbox" in given:
        numbers = parse_bbox(given["bbox"])
        edges = numbers if len(numbers) == 4 else (*numbers[:2], *numbers[3:5])
        faces = [face for face in faces if _areas_meet(face.bbox, edges)]
    if "datetime" in given:
        wanted = parse_datetime(given["datetime"])
        faces = [face for face in faces if _times_meet(face.interval, wanted)]
    return faces


def _areas_meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    if not one:
        return False
    (west, south, east, north), (west2, south2, east2, north2) = one, other
    return (
        south <= north2
        and south2 <= north
        and any(a <= d and c <= b for a, b in _ranges(west, east) for c, d in _ranges(west2, east2))
    )


def _ranges(west: float, east: float) -> list[tuple[float, float]]:
    """Longitudes in -180 to 180; two ranges where they go across the date line."""
    if west <= east and east - west >= 360:
        return [(-180.0, 180.0)]
    west, east = ((each + 180) % 360 - 180 if abs(each) > 180 else each for each in (west, east))
    return [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]


def _times_meet(interval: tuple[str, ...], wanted: Wanted) -> bool:
    if not interval:
        return True  # the standard's word: what has no time belongs to every time
    first, last = (parse_instant(text) or () for text in interval)
    if wanted.values:
        moment = parse_instant(str(wanted.values[0])) or ()
        return first <= moment <= last
    begin, end = _ENDLESS
    lower = begin if wanted.lower is None else parse_instant(str(wanted.lower)) or begin
    upper = end if wanted.upper is None else parse_instant(str(wanted.upper)) or end
    return first <= upper and lower <= last
