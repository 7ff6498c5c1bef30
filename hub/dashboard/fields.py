"""Reads fields and series from cubes, a few threads at a time, and keeps the newest answers."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import xarray as xr

from ...catalogs.errors import BadRequest
from ...catalogs.lake import Lake
from ...catalogs.records import Collection
from ...kernels.selector.field import encode_field
from .look import Axis, Look, axis_of, is_time, looks_of

T = TypeVar("T")

KEEP_DATASETS = 12
KEEP_BYTES = 64 << 20
# An ensemble with more members than this shows the chosen one only.
MOST_MEMBERS = 60


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """A variable along one dimension at one place.

    Attributes
    ----------
    look : Look
        Label and units of the variable.
    axis : Axis
        The dimension along which it goes.
    positions : ndarray
        Where each value stands: datetime64, or numbers.
    lines : ndarray of shape (lines, values)
        The chosen line first; the other members of an ensemble after it.
    latitude, longitude : float or None
        The grid point in degrees; None for a variable without a map.
    """

    look: Look
    axis: Axis
    positions: npt.NDArray[Any]
    lines: npt.NDArray[np.float64]
    latitude: float | None = None
    longitude: float | None = None


class Kept:
    """The newest answers up to a weight; safe among threads.

    Examples
    --------
    >>> kept = Kept(2)
    >>> kept.get("a", lambda: 1), kept.get("a", lambda: 2)
    (1, 1)
    """

    def __init__(self, most: int, weigh: Callable[[Any], int] = lambda _: 1) -> None:
        self._most = most
        self._weigh = weigh
        self._answers: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._weight = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The answer kept under ``key``, else the one that ``make`` gives."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key][0]
        answer = make()
        weight = self._weigh(answer)
        with self._lock:
            if key not in self._answers:
                self._answers[key] = (answer, weight)
                self._weight += weight
            while self._weight > self._most and len(self._answers) > 1:
                _, (_, gone) = self._answers.popitem(last=False)
                self._weight -= gone
        return answer


class Fields:
    """Fields and series of all pages, by collection and snapshot.

    Whoever asks has got the ``Collection`` from a store that let him see it; so what is kept
    here may be shared among visitors.
    """

    def __init__(self) -> None:
        self._datasets = Kept(KEEP_DATASETS)
        self._frames = Kept(KEEP_BYTES, lambda field: len(field["data"]))
        self._limits = Kept(1000)

    def dataset(self, lake: Lake, collection: Collection) -> xr.Dataset:
        """The collection at its snapshot, lazily."""
        from ...catalogs.cubes import open_collection

        key = (collection.location, collection.snapshot)
        return self._datasets.get(key, lambda: open_collection(collection, lake, chunks=None))

    def looks(self, lake: Lake, collection: Collection) -> dict[str, Look]:
        """How to look at the collection's variables, by name."""
        return looks_of(self.dataset(lake, collection), collection.variables)

    def frame(
        self, lake: Lake, collection: Collection, look: Look, choice: Mapping[str, int]
    ) -> dict[str, Any]:
        """One field, packed for the map, with colours that stay the same along time.

        Parameters
        ----------
        lake : Lake
            Where the bytes are.
        collection : Collection
            What, at its snapshot.
        look : Look
            Of the variable; it must have a map.
        choice : mapping
            Dimension name to index.
        """
        indexers = look.indexers(choice)
        key = (collection.location, collection.snapshot, look.variable, *sorted(indexers.items()))

        def make() -> dict[str, Any]:
            data = self.dataset(lake, collection)[look.variable]
            low, high = self._range(collection, data, look, indexers)
            # Coordinates beside the dimensions would only make the caption long.
            plain = data.drop_vars([name for name in data.coords if name not in data.dims])
            assert look.grid is not None
            field = look.grid.regular(plain.isel(indexers))
            return dict(encode_field(field, vmin=low, vmax=high))

        return self._frames.get(key, make)

    def _range(
        self, collection: Collection, data: xr.DataArray, look: Look, indexers: dict[str, int]
    ) -> tuple[float, float]:
        """Least and largest value of the first, the middle and the last step."""
        time = look.time.name if look.time else ""
        fixed = {name: index for name, index in indexers.items() if name != time}
        key = (collection.location, collection.snapshot, look.variable, *sorted(fixed.items()))

        def make() -> tuple[float, float]:
            last = data.sizes[time] - 1 if time else 0
            steps = [{time: step} for step in sorted({0, last // 2, last})] if time else [{}]
            values = [np.asarray(data.isel({**fixed, **step}).values, float) for step in steps]
            finite = np.concatenate([part[np.isfinite(part)] for part in values])
            if not finite.size:
                return 0.0, 1.0
            return float(finite.min()), float(finite.max())

        return self._limits.get(key, make)

    def series(
        self,
        lake: Lake,
        collection: Collection,
        look: Look,
        choice: Mapping[str, int],
        place: tuple[float, float] | None,
    ) -> Series:
        """The variable along time (or else its first dimension) at a place.

        Parameters
        ----------
        place : tuple of float, optional
            Longitude and latitude in degrees; needed by a variable with a map.

        Raises
        ------
        BadRequest
            When the place is outside of the cube, or there is nothing to go along.
        """
        data = self.dataset(lake, collection)[look.variable]
        indexers = look.indexers(choice)
        longitude = latitude = None
        if look.grid is not None and place is not None:
            point, (longitude, latitude) = look.grid.nearest(place)
            data = data.isel(point)
        along = _along(look, data)
        indexers.pop(along.name)
        lines = _lines(data, along.name, look.members, indexers)
        if not np.isfinite(lines).any():
            raise BadRequest("There is no data at this place.", field="place")
        return Series(
            look=look,
            axis=along,
            positions=_positions(data, along.name),
            lines=lines,
            latitude=latitude,
            longitude=longitude,
        )


def _along(look: Look, data: xr.DataArray) -> Axis:
    candidates = ([look.time] if look.time else []) + [
        axis for axis in look.others if axis.name != look.members
    ]
    for axis in [axis for axis in candidates if len(axis.texts) > 1] or candidates:
        return axis
    if look.members:
        return axis_of(data, look.members)
    raise BadRequest(f"{look.label} has one value only, so there is no line to draw.")


def _lines(
    data: xr.DataArray, along: str, members: str, indexers: dict[str, int]
) -> npt.NDArray[np.float64]:
    """The chosen line first, then the other members."""
    if not members or members == along or data.sizes[members] > MOST_MEMBERS:
        values = np.asarray(data.isel(indexers).values, dtype=np.float64)
        return values.reshape(1, -1)
    fixed = {name: index for name, index in indexers.items() if name != members}
    chosen = indexers[members]
    plume = np.asarray(data.isel(fixed).transpose(members, along).values, dtype=np.float64)
    return np.concatenate([plume[chosen : chosen + 1], np.delete(plume, chosen, axis=0)])


def _positions(data: xr.DataArray, along: str) -> npt.NDArray[Any]:
    if along not in data.coords:
        return np.arange(data.sizes[along], dtype=np.float64)
    values = data.coords[along].values
    if values.dtype.kind == "M":
        return values.astype("M8[ms]")
    if is_time(values):
        # Calendars with 360 days know dates that a plot's time axis does not: years instead.
        return np.array([_year(value) for value in values])
    if values.dtype.kind in "iuf":
        return values.astype(np.float64)
    return np.arange(len(values), dtype=np.float64)


def _year(moment: Any) -> float:
    begin = moment.replace(month=1, day=1, hour=0, minute=0, second=0)
    length = (begin.replace(year=moment.year + 1) - begin).total_seconds()
    return moment.year + (moment - begin).total_seconds() / length
