"""The cube of a network: stations x time, each region a copy of what the table says."""

from collections.abc import Sequence
from typing import Any

import icechunk
import msgspec
import numpy as np
import sqlalchemy as sa
import xarray as xr
import zarr

from .database import Database
from .instants import DAY
from .register import EVERY_DAY, Entries
from .stations import Network, Station, Variable
from .tables import OBSERVATIONS

CHUNK_STATIONS = 64
CHUNK_TIMES = 1024
PAGE = 50_000
TIME_UNITS = "microseconds since 1970-01-01"


class Shape(msgspec.Struct, frozen=True):
    """What a network's cube is made of.

    Attributes
    ----------
    stations : list of Station
        Its rows.  Those that not all who see the network may see are left out.
    variables : dict
        What they measure, by name.
    series : dict
        By variable: the row of each series number.
    """

    stations: list[Station]
    variables: dict[str, Variable]
    series: dict[str, dict[int, int]]


def shape_of(network: Network, entries: Entries) -> Shape:
    """What the cube of a network is made of now."""
    stations = [
        station
        for station in entries.stations.values()
        if station.network == network.id and _is_open(station, network)
    ]
    variables: dict[str, Variable] = {}
    series: dict[str, dict[int, int]] = {}
    for row, station in enumerate(stations):
        for name, variable in station.variables.items():
            variables.setdefault(name, variable)
            series.setdefault(name, {})[entries.series[station.id, name]] = row
    return Shape(stations, variables, series)


def _is_open(station: Station, network: Network) -> bool:
    """Whether all who see the network's collection may see the station."""
    if station.access == "public" or station.access == network.access != "private":
        return True
    return network.access == "private" and station.owner == network.owner


class CubeWriter:
    """Brings one cube up to date within a session that is committed afterwards.

    Nothing is appended: the times are put in order, and the chunks that hold a changed day,
    or that move because a late time came before them, are written again from the table.

    Parameters
    ----------
    session : icechunk.Session
        A writable session.
    database : Database
        Where the observations are.
    network : Network
        Whose cube it is.
    shape : Shape
        What the cube is to hold.
    """

    def __init__(
        self, session: icechunk.Session, database: Database, network: Network, shape: Shape
    ) -> None:
        self._database = database
        self._network = network
        self._shape = shape
        self._group = zarr.open_group(session.store, mode="a")
        self._numbers = [number for rows in shape.series.values() for number in rows]
        self.changed = False

    def update(self, days: set[int]) -> None:
        """Write what the table says of these days (``EVERY_DAY`` stands for all)."""
        self._describe()
        old = self._old_times()
        kept = self._keep_stations()
        every = EVERY_DAY in days or not kept
        times = self._all_times(None if every else days, old)
        self._resize(times)
        touched: set[int] = set()
        if every:
            touched.update(range(0, times.size, CHUNK_TIMES))
        else:
            moved = _first_difference(old, times)
            touched.update(range(moved - moved % CHUNK_TIMES, times.size, CHUNK_TIMES))
            on_days = np.flatnonzero(np.isin(times // DAY, list(days)))
            touched.update(int(each) for each in np.unique(on_days // CHUNK_TIMES * CHUNK_TIMES))
        for name in self._shape.variables:
            for start in sorted(touched):
                self._copy(name, times, start)

    def _describe(self) -> None:
        attributes: dict[str, Any] = {
            "Conventions": "CF-1.11",
            "featureType": "timeSeries",
            "title": self._network.title or self._network.id,
            **({"licence": self._network.licence} if self._network.licence else {}),
        }
        if dict(self._group.attrs) != attributes:
            self._group.attrs.put(attributes)
            self.changed = True

    def _old_times(self) -> "np.ndarray[Any, np.dtype[np.int64]]":
        if "time" not in self._group:
            self._create("time", ("time",), "int64", 0, {"units": TIME_UNITS, **_TIME})
        return np.asarray(self._array("time")[:], "int64")

    def _keep_stations(self) -> bool:
        """Write the stations; False when rows that were there have moved."""
        stations = self._shape.stations
        wanted: dict[str, Any] = {
            "station": np.array([each.id for each in stations], dtype=object),
            "station_name": np.array([each.name or each.id for each in stations], dtype=object),
            "lat": np.array([each.lat for each in stations], "float64"),
            "lon": np.array([each.lon for each in stations], "float64"),
            "height": np.array([_or_nan(each.height) for each in stations], "float64"),
        }
        before: list[str] = []
        if "station" in self._group:
            before = [str(each) for each in self._array("station")[:]]
        for name, values in wanted.items():
            if name not in self._group:
                kind = "str" if values.dtype == object else "float64"
                fill: Any = "" if kind == "str" else np.nan
                self._create(name, ("station",), kind, fill, _STATION[name])
            array = self._array(name)
            if array.shape != values.shape:
                array.resize(values.shape)
                self.changed = True
            if values.size and not _same(np.asarray(array[:]), values):
                array[:] = values
                self.changed = True
        return before == [each.id for each in stations][: len(before)]

    def _all_times(
        self, days: set[int] | None, old: "np.ndarray[Any, np.dtype[np.int64]]"
    ) -> "np.ndarray[Any, np.dtype[np.int64]]":
        """The times of the cube: what it had, and what the table has of these days."""
        table = OBSERVATIONS.c
        statement = (
            sa.select(table.time)
            .where(self._database.among(table.series, self._numbers))
            .distinct()
            .order_by(table.time)
        )
        if days is not None:
            statement = statement.where(
                table.time >= min(days) * DAY, table.time < (max(days) + 1) * DAY
            )
        with self._database.reading() as connection:
            found = np.array(connection.execute(statement).scalars().all(), "int64")
        if days is None:
            return found
        return np.union1d(old, found[np.isin(found // DAY, list(days))])

    def _resize(self, times: "np.ndarray[Any, np.dtype[np.int64]]") -> None:
        time = self._array("time")
        if time.shape != times.shape:
            time.resize(times.shape)
            self.changed = True
        if times.size and not np.array_equal(np.asarray(time[:]), times):
            time[:] = times
            self.changed = True
        for name in set(self._group.array_keys()) - {*self._shape.variables, *_STATION, "time"}:
            # Only stations measured it that are not for all readers any more.
            del self._group[name]
            self.changed = True
        size = (len(self._shape.stations), times.size)
        for name, variable in self._shape.variables.items():
            if name not in self._group:
                about = {"units": variable.units, "coordinates": "station_name lat lon height"}
                names = {"standard_name": variable.standard_name, "long_name": variable.long_name}
                about |= {key: text for key, text in names.items() if text}
                self._create(name, ("station", "time"), "float64", np.nan, about)
            array = self._array(name)
            if array.shape != size:
                array.resize(size)
                self.changed = True

    def _copy(self, name: str, times: "np.ndarray[Any, np.dtype[np.int64]]", start: int) -> None:
        """Write one region of a variable: all stations, the times of one chunk."""
        part = times[start : start + CHUNK_TIMES]
        rows = self._shape.series[name]
        numbers = np.array(sorted(rows), "int64")
        places = np.array([rows[int(number)] for number in numbers], "int64")
        values = np.full((len(self._shape.stations), part.size), np.nan)
        table = OBSERVATIONS.c
        statement = sa.select(table.series, table.time, table.value).where(
            self._database.among(table.series, numbers.tolist()),
            table.time.between(int(part[0]), int(part[-1])),
        )
        with self._database.reading() as connection:
            streamed = connection.execution_options(yield_per=PAGE).execute(statement)
            for page in streamed.partitions():
                series, time, value = zip(*page, strict=True)
                row = places[np.searchsorted(numbers, np.array(series, "int64"))]
                column = np.searchsorted(part, np.array(time, "int64"))
                # What came since the times were looked at has a mark of its own.
                column[column == part.size] = 0
                known = part[column] == np.array(time, "int64")
                values[row[known], column[known]] = np.array(value, "float64")[known]
        array = self._array(name)
        region = (slice(None), slice(start, start + part.size))
        if not np.array_equal(np.asarray(array[region]), values, equal_nan=True):
            array[region] = values
            self.changed = True

    def _create(
        self, name: str, dims: tuple[str, ...], kind: str, fill: Any, attributes: dict[str, Any]
    ) -> None:
        chunks = {"station": CHUNK_STATIONS, "time": CHUNK_TIMES}
        self._group.create_array(
            name,
            shape=(0,) * len(dims),
            chunks=tuple(chunks[dim] for dim in dims),
            dtype=kind,
            fill_value=fill,
            dimension_names=dims,
            attributes=attributes,
        )
        self.changed = True

    def _array(self, name: str) -> Any:
        return self._group[name]


def open_session(session: icechunk.Session) -> xr.Dataset:
    """The cube as the session sees it."""
    return xr.open_zarr(session.store, consolidated=False, chunks=None)


_TIME = {"calendar": "proleptic_gregorian", "standard_name": "time", "axis": "T"}
_STATION: dict[str, dict[str, Any]] = {
    "station": {"cf_role": "timeseries_id", "long_name": "station"},
    "station_name": {"standard_name": "platform_name", "long_name": "name of the station"},
    "lat": {"standard_name": "latitude", "units": "degrees_north"},
    "lon": {"standard_name": "longitude", "units": "degrees_east"},
    "height": {"standard_name": "height_above_mean_sea_level", "units": "m", "positive": "up"},
}


def _or_nan(height: float | None) -> float:
    return float("nan") if height is None else height


def _same(stored: "np.ndarray[Any, Any]", wanted: "np.ndarray[Any, Any]") -> bool:
    if wanted.dtype == object:
        return stored.tolist() == wanted.tolist()
    return np.array_equal(stored, wanted, equal_nan=True)


def _first_difference(
    old: "np.ndarray[Any, np.dtype[np.int64]]", new: "np.ndarray[Any, np.dtype[np.int64]]"
) -> int:
    """The first place whose time is another than before; the end of the shorter at the latest."""
    common = min(old.size, new.size)
    different: Sequence[int] = np.flatnonzero(old[:common] != new[:common]).tolist()
    return different[0] if different else common
