"""The facts of one axis of a cube: its places in ascending order, direction, kind and period."""

import math
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...catalogs.errors import BadShape
from .values import Value, duration_text, parse_duration, parse_instant

Kind = Literal["number", "integer", "datetime", "timedelta", "calendar", "label"]

Unit = Literal["s", "ms", "us", "ns"]

_UNIT_NANOSECONDS: dict[Unit, int] = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of a cube.

    Attributes
    ----------
    name : str
        Its coordinate, or the dimension where there is none (then its places are 0, 1, ...).
    dim : str or None
        The dimension; None for a scalar coordinate.
    kind : str
        number, integer, datetime, timedelta, calendar (cftime dates) or label.
    size : int
        The length of the dimension.
    places : array of float64 or int64, shape (places,)
        The distinct places, ascending: numbers; or whole units since 1970 (times), of ``unit``.
    index : array of int64, shape (places,)
        Where each place lies along the dimension.
    direction : int
        1 ascending, -1 descending, 0 unsorted.
    period : float or None
        After how much it comes round again.
    closing : bool
        Whether the last column of a cyclic axis repeats the first place (0 and 360 both there).
    single : bool
        Whether the coordinate is float32.
    unit : str
        The time unit: s, ms, us or ns.
    calendar : str
        The CF calendar of cftime dates.
    labels : array of str, shape (size,)
        What a label axis holds.
    is_latitude : bool
        Whether it is a latitude in degrees.
    """

    name: str
    dim: str | None
    kind: Kind
    size: int
    places: npt.NDArray[Any]
    index: npt.NDArray[np.int64]
    direction: int
    period: float | None = None
    closing: bool = False
    single: bool = False
    unit: Unit = "ns"
    calendar: str = ""
    labels: npt.NDArray[np.str_] = field(default_factory=lambda: np.empty(0, dtype=str))
    is_latitude: bool = False

    @property
    def extent(self) -> str:
        """From where to where the cube goes, for people."""
        if len(self.places) == 0:
            return "has no values"
        if len(self.places) == 1:
            return f"has only {self.text(self.places[0])}"
        low, high = self.text(self.places[0]), self.text(self.places[-1])
        around = f", cyclic every {self.period:g}" if self.period else ""
        return f"goes from {low} to {high} ({len(self.places)} values{around})"

    def text(self, place: Any) -> str:
        """A place as people write it."""
        if self.kind == "datetime":
            moment = parse_instant(str(np.datetime64(int(place), self.unit)))
            return moment.text() if moment else str(place)
        if self.kind == "timedelta":
            return duration_text(int(place) * _UNIT_NANOSECONDS[self.unit])
        if self.kind == "calendar":
            import cftime

            return str(
                cftime.num2date(int(place), _MICROSECONDS, calendar=self.calendar).isoformat()
            )
        return f"{int(place)}" if self.kind == "integer" else f"{float(place):.10g}"

    def exact(self, value: Value) -> Fraction:
        """A value of a shape in the units of the places, without rounding.

        Raises
        ------
        BadShape
            If the value is of another kind than the axis.
        """
        if self.kind in ("number", "integer"):
            if isinstance(value, str):
                raise self._wrong(value, "numbers", "a number")
            return Fraction(value)
        if not isinstance(value, str):
            raise self._wrong(value, *_WRITTEN[self.kind])
        if self.kind == "timedelta":
            length = parse_duration(value)
            if length is None:
                raise self._wrong(value, *_WRITTEN[self.kind])
            return Fraction(length, _UNIT_NANOSECONDS[self.unit])
        if self.kind == "label":
            raise BadShape(
                f"{self.name}: labels have no range; leave the axis out", field=self.name
            )
        return self._moment(value)

    def number(self, value: Value) -> float:
        """A value in the plane of a polygon: the number, or units since the first place."""
        if self.kind == "number" and not isinstance(value, str):
            return float(value)
        return float(self.exact(value) - self._origin)

    def length(self, value: Value) -> float:
        """A length along the axis in its numbers: a number, on axes of times a duration.

        Raises
        ------
        BadShape
            If the value is of another kind.
        """
        if self.kind in ("number", "integer"):
            return float(self.exact(value) if isinstance(value, str) else value)
        length = parse_duration(value) if isinstance(value, str) else None
        if length is None or self.kind == "label":
            raise self._wrong(value, _WRITTEN[self.kind][0], _LENGTH)
        return float(Fraction(length, _UNIT_NANOSECONDS[self.unit]))

    @cached_property
    def steps(self) -> tuple[float, float]:
        """The narrowest and the widest step between two different places; 0 for fewer."""
        gaps = np.diff(self.numbers)
        narrow = gaps[gaps > 0]
        if len(narrow) == 0:
            return 0.0, 0.0
        return float(narrow.min()), float(gaps.max())

    @cached_property
    def numbers(self) -> npt.NDArray[np.float64]:
        """The places in the plane of a polygon."""
        if self.kind == "number":
            return self.places
        return (self.places - self._origin).astype(np.float64)

    def values_of(self, numbers: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
        """Numbers of the axis as values of its coordinate: floats, or times of its unit."""
        if self.kind in ("number", "integer"):
            return numbers
        ticks = np.round(numbers).astype(np.int64) + self._origin
        if self.kind == "calendar":
            import cftime

            return np.asarray(cftime.num2date(ticks, _MICROSECONDS, calendar=self.calendar))
        return ticks.astype(f"{'M' if self.kind == 'datetime' else 'm'}8[{self.unit}]")

    def whole(self, value: Value, *, up: bool) -> int:
        """The next whole unit at or above (below) a value, on an axis of whole units."""
        exact = self.exact(value)
        whole = math.ceil(exact) if up else math.floor(exact)
        return min(max(whole, int(_INT64.min)), int(_INT64.max))

    @property
    def _origin(self) -> int:
        return 0 if self.kind in ("number", "integer") else int(self.places[0])

    def _moment(self, value: str) -> Fraction:
        moment = parse_instant(value)
        if moment is None:
            raise self._wrong(value, *_WRITTEN[self.kind])
        try:
            if self.kind == "datetime":
                return Fraction(moment.since_epoch(), _UNIT_NANOSECONDS[self.unit])
            import cftime

            date = cftime.datetime(*moment[:6], calendar=self.calendar)
            whole = int(cftime.date2num(date, _MICROSECONDS, calendar=self.calendar))
        except ValueError:
            calendar = self.calendar or "Gregorian"
            raise BadShape(
                f"{self.name}: the {calendar} calendar has no {value}", field=self.name
            ) from None
        return whole + Fraction(moment.nanosecond, 1000)

    def _wrong(self, value: Value, holds: str, example: str) -> BadShape:
        return BadShape(
            f"{self.name}: holds {holds}; give {example}, not {value!r}", field=self.name
        )


_LENGTH = "a duration such as '6h'"
_MICROSECONDS = "microseconds since 1970-01-01"
_TIMES = ("times", "a time such as '2026-01-31T06:00'")
_WRITTEN = {
    "datetime": _TIMES,
    "calendar": _TIMES,
    "timedelta": ("durations", "a duration such as '6h'"),
    "label": ("labels", "a label"),
}


def read_axis(name: str, dim: str | None, values: npt.NDArray[Any], period: float | None) -> Axis:
    """The facts of a coordinate's values, of shape (size,)."""
    kind, places, extra = _places(values)
    if kind == "label":
        index = np.arange(len(values))
        return Axis(
            name, dim, kind, len(values), index, index, 0, labels=values.astype(object).astype(str)
        )
    if period is not None and kind == "integer":
        kind, places = "number", places.astype(np.float64)
    if kind != "number":
        period = None
    places, index, direction = _ascending(places, _missing(values))
    closing = False
    if period is not None and len(places) > 1:
        slack = period * (2e-7 if extra.get("single") else 1e-9)  # a few units of the last place
        places, index, direction, closing = _once_round(places, index, direction, period, slack)
    return Axis(name, dim, kind, len(values), places, index, direction, period, closing, **extra)


def raw_axis(
    name: str, values: npt.NDArray[Any], period: float | None, *, latitude: bool = False
) -> Axis:
    """The facts of values that are in no order, of shape (n,): their places are as they come."""
    kind, places, extra = _places(values)
    if kind == "integer" and period is not None:
        kind, places = "number", places.astype(np.float64)
    period = period if kind == "number" else None
    index = np.empty(0, dtype=np.int64)
    latitude = latitude and kind == "number"
    return Axis(
        name, None, kind, len(values), places, index, 0, period, is_latitude=latitude, **extra
    )


def _places(values: npt.NDArray[Any]) -> tuple[Kind, npt.NDArray[Any], dict[str, Any]]:
    code = values.dtype.kind
    if code == "f":
        return "number", values.astype(np.float64), {"single": values.dtype.itemsize <= 4}
    if code in "iu":
        return "integer", values.astype(np.int64), {}
    if code in "Mm":
        unit = np.datetime_data(values.dtype)[0]
        unit = unit if unit in _UNIT_NANOSECONDS else "ns"
        ticks = values.astype(f"{code}8[{unit}]").astype(np.int64)
        return ("datetime" if code == "M" else "timedelta"), ticks, {"unit": unit}
    calendar = getattr(values[0], "calendar", None) if code == "O" and len(values) else None
    if calendar is None:
        return "label", np.arange(len(values)), {}
    import cftime

    ticks = np.asarray(cftime.date2num(values, _MICROSECONDS, calendar=calendar), dtype=np.int64)
    return "calendar", ticks, {"unit": "us", "calendar": str(calendar)}


def _missing(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
    """Where a coordinate is NaN or NaT: nothing lies there."""
    if values.dtype.kind == "f":
        missing = ~np.isfinite(values)
    elif values.dtype.kind in "Mm":
        missing = np.isnat(values)
    else:
        return None
    return missing if missing.any() else None


def _ascending(
    places: npt.NDArray[Any], missing: npt.NDArray[np.bool_] | None
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64], int]:
    size = len(places)
    if missing is not None:
        order = np.flatnonzero(~missing)
        order = order[np.argsort(places[order], kind="stable")]
        return places[order], order, 0
    if size < 2 or (places[1:] >= places[:-1]).all():
        return places, np.arange(size), 1
    if (places[1:] <= places[:-1]).all():
        return places[::-1], np.arange(size)[::-1], -1
    order = np.argsort(places, kind="stable")
    return places[order], order, 0


def _once_round(
    places: npt.NDArray[np.float64],
    index: npt.NDArray[np.int64],
    direction: int,
    period: float,
    slack: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], int, bool]:
    """Leave out places that repeat others one or more periods away."""
    slack = min(slack, float(np.diff(places).max()) / 4)
    over = float(places[-1] - places[0]) - period
    if over < -slack:
        return places, index, direction, False
    if over <= slack:
        closing = direction != 0
        return places[:-1], index[:-1], direction, closing
    folded = places[0] + np.mod(places - places[0], period)
    folded[folded > places[0] + period - slack] = places[0]
    order = np.argsort(folded, kind="stable")
    folded, index = folded[order], index[order]
    first = np.concatenate([[True], np.diff(folded) > slack])
    return folded[first], index[first], 0, False
