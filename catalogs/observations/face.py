"""The notebook face of the observations: stations, what they observe, commands to them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, cast

import msgspec
import numpy as np
import pandas as pd
import xarray as xr

from ..access import PRIVATE
from ..errors import BadRequest, NotFound
from ..lake import LakeLike, open_lake
from .commands import CommandQueue
from .formats import CSV, JSON
from .observation import MOST_ROWS, Observation, Query, Receipt
from .opening import open_observations
from .stations import Station, Variable

# A large frame is sent in several requests of so many rows.
BATCH = 5000
_LONG = ("station", "time", "variable", "value", "units", "issued")

Time = str | datetime | date | np.datetime64


def stations(
    network: str = "", *, bbox: Sequence[float] = (), lake: LakeLike = None
) -> pd.DataFrame:
    """The stations that you may see, one a row.

    Parameters
    ----------
    network : str, optional
        Only of this network.
    bbox : sequence of float, optional
        West, south, east, north in degrees; west > east crosses the antimeridian.
    lake : Lake, path or None, optional
        The default lake when None.

    Returns
    -------
    DataFrame
        By id: name, network, lat, lon, height (m), variables, owner, access.

    Examples
    --------
    >>> import tempfile
    >>> len(stations(lake=tempfile.mkdtemp()))
    0
    """
    found = open_observations(lake).stations(network=network, bbox=tuple(bbox))
    columns = ["name", "network", "lat", "lon", "height", "variables", "owner", "access"]
    rows = [
        [s.name, s.network, s.lat, s.lon, s.height, tuple(s.variables), s.owner, s.access]
        for s in found
    ]
    index = pd.Index([station.id for station in found], name="station", dtype=object)
    return pd.DataFrame(rows, index=index, columns=columns)


def register_station(
    id: str,
    *,
    network: str,
    lat: float,
    lon: float,
    variables: Mapping[str, Variable | Mapping[str, str] | str],
    height: float | None = None,
    name: str = "",
    access: str = PRIVATE,
    writers: Iterable[str] = (),
    operators: Iterable[str] = (),
    commands: Mapping[str, dict[str, Any]] | None = None,
    properties: dict[str, Any] | None = None,
    lake: LakeLike = None,
) -> Station:
    """Register a station or instrument, or change what is known of it.

    Parameters
    ----------
    id : str
        Its name in the lake, such as ``"wmo-10037"``.
    network : str
        The collection that its observations become part of; made with the first station.
    lat, lon : float
        Degrees north and east.
    variables : mapping
        What it measures: name to units, or to ``{"units": ..., "standard_name": ...}``.
    height : float, optional
        Metres above mean sea level.
    name : str, optional
        What people call it.
    access : str, optional
        Who sees it: ``"private"`` (you), ``"public"`` or ``"group:NAME"``.
    writers, operators : iterable of str, optional
        Users and ``"group:NAME"`` who may send its observations, or send it commands.
    commands : mapping, optional
        The commands that it knows: name to a JSON Schema of the parameters.
    properties : dict, optional
        Whatever else is to be known.
    lake : Lake, path or None, optional
        The default lake when None.

    Raises
    ------
    BadRequest
        Naming the argument that is wrong.
    Conflict
        When the id is another's.

    Examples
    --------
    >>> import tempfile
    >>> register_station("quay", network="harbour", lat=54.3, lon=10.1,
    ...                  variables={"t": "K"}, lake=tempfile.mkdtemp()).variables["t"].units
    'K'
    """
    opened = open_lake(lake)
    station = Station(
        id=id,
        network=network,
        lat=float(lat),
        lon=float(lon),
        height=None if height is None else float(height),
        variables={key: _variable(key, given) for key, given in variables.items()},
        name=name,
        owner=opened.user,
        access=access,
        writers=tuple(writers),
        operators=tuple(operators),
        commands=dict(commands or {}),
        properties=properties or {},
    )
    return open_observations(opened).register([station])[0]


def observe(
    data: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]] | str,
    *,
    station: str = "",
    lake: LakeLike = None,
) -> Receipt:
    """Store observations; they are on disk when this returns, and again they add nothing.

    Parameters
    ----------
    data : DataFrame, mapping, sequence of mappings or str
        A table with ``time`` (a column or the index), ``station`` (or the argument), and
        either ``variable`` and ``value`` or a column for each variable; rows as in the
        service's JSON, such as ``{"time": ..., "values": {"t": 281.2}}``; or a CSV text.
        A table of more than 5,000 rows is stored in several steps.
    station : str, optional
        Whose observations they are where ``data`` does not say it.
    lake : Lake, path or None, optional
        The default lake when None.

    Returns
    -------
    Receipt
        How many were ``stored`` and ``revised``, and how many were ``known``.

    Raises
    ------
    BadRequest
        Naming the row, counted from 1, and the field; nothing of that step is stored.

    Examples
    --------
    >>> observe({"time": "2021-05-16T12:00Z", "values": {"t": 281.2}},
    ...         station="quay")  # doctest: +SKIP
    Receipt(stored=1, revised=0, known=0)
    """
    store = open_observations(lake)
    if isinstance(data, str):
        return store.ingest(data.encode(), CSV, station=station)
    rows = _rows(data)
    receipts = [
        store.ingest(msgspec.json.encode(rows[start : start + BATCH]), JSON, station=station)
        for start in range(0, max(len(rows), 1), BATCH)
    ]
    return Receipt(
        stored=sum(each.stored for each in receipts),
        revised=sum(each.revised for each in receipts),
        known=sum(each.known for each in receipts),
    )


def observations(
    station: str | Iterable[str] = (),
    variable: str | Iterable[str] = (),
    *,
    network: str = "",
    since: Time = "",
    until: Time = "",
    bbox: Sequence[float] = (),
    latest: bool = False,
    xarray: bool = False,
    lake: LakeLike = None,
) -> pd.DataFrame | xr.Dataset:
    """Observations that you may see, as they count now.

    Parameters
    ----------
    station, variable : str or iterable of str, optional
        Only of these.
    network : str, optional
        Only of this network.
    since, until : str or datetime, optional
        since <= time < until; without a zone it is UTC.
    bbox : sequence of float, optional
        West, south, east, north in degrees; west > east crosses the antimeridian.
    latest : bool, optional
        Only the newest of each station and variable.
    xarray : bool, optional
        Whether to get a Dataset (station x time) with units instead of a table.
    lake : Lake, path or None, optional
        The default lake when None.

    Returns
    -------
    DataFrame or Dataset
        The table has station, time (UTC), variable, value, units, issued and revision.

    Examples
    --------
    >>> observations("quay", "t", since="2021-05-16", xarray=True)  # doctest: +SKIP
    """
    store = open_observations(lake)
    query = Query(
        stations=_names(station),
        variables=_names(variable),
        network=network,
        since=_time(since, "since"),
        until=_time(until, "until"),
        bbox=tuple(bbox),
        latest=latest,
        limit=MOST_ROWS,
    )
    rows: list[Observation] = []
    while True:
        page = store.find(query)
        rows += page.rows
        if not page.next:
            break
        query = msgspec.structs.replace(query, after=page.next)
    table = _frame(rows)
    if not xarray:
        return table
    return _dataset(table, {each.id: each for each in store.stations(network=network)})


def commands(lake: LakeLike = None) -> CommandQueue:
    """The command queues of the stations: ``enqueue``, ``poll``, ``acknowledge``, ``commands``.

    Examples
    --------
    >>> commands().enqueue("imager-1", "expose", {"seconds": 30})  # doctest: +SKIP
    """
    return open_observations(lake).commands


def _variable(name: str, given: Variable | Mapping[str, str] | str) -> Variable:
    if isinstance(given, Variable):
        return given
    try:
        return msgspec.convert(
            {"units": given} if isinstance(given, str) else dict(given), Variable
        )
    except msgspec.ValidationError as error:
        raise BadRequest(f"variables[{name!r}]: {error}.", field=f"variables.{name}") from error


def _rows(data: Any) -> list[Any]:
    if isinstance(data, pd.DataFrame):
        return _rows_of(data)
    if isinstance(data, Mapping):
        return [cast("Mapping[str, Any]", data)]
    return list(data)


def _rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A table as rows of JSON; what is not a number is not there."""
    if "time" not in table.columns:
        if table.index.name not in (None, "time") or not isinstance(table.index, pd.DatetimeIndex):
            raise BadRequest("The table has no column 'time' and no index of times.", field="time")
        table = table.rename_axis("time").reset_index()
    table = table.assign(time=_time_texts(table["time"], "time"))
    if "issued" in table.columns:
        table = table.assign(issued=_time_texts(table["issued"], "issued"))
    names = [str(name) for name in table.columns if str(name) not in _LONG]
    own = [name for name in _LONG if name in table.columns]
    if "variable" in own and names:
        raise BadRequest(f"A long table has no columns {', '.join(names)}.", field=names[0])
    rows: list[dict[str, Any]] = []
    for record in cast("list[dict[Any, Any]]", table.to_dict("records")):
        row: dict[str, Any] = {name: _plain(record[name]) for name in own}
        row = {key: value for key, value in row.items() if value is not None or key == "value"}
        if "variable" not in own:
            values = {name: _plain(record[name]) for name in names}
            row["values"] = {name: value for name, value in values.items() if value is not None}
            if not row["values"]:
                continue
        rows.append(row)
    return rows


def _time_texts(column: Any, field: str) -> list[str]:
    try:
        times = pd.to_datetime(column, utc=True)
    except (ValueError, TypeError) as error:
        raise BadRequest(f"{field} holds what is not a time: {error}.", field=field) from error
    return [time.isoformat() if time is not pd.NaT else "" for time in times]


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _names(given: str | Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) and given else tuple(given)


def _time(given: Time, field: str) -> str:
    if isinstance(given, str) and not given:
        return ""
    try:
        moment = pd.Timestamp(given)
    except ValueError as error:
        raise BadRequest(f"{given!r} is not a time.", field=field) from error
    zoned = moment.tz_localize("UTC") if moment.tzinfo is None else moment
    return zoned.tz_convert("UTC").isoformat()


def _frame(rows: Sequence[Observation]) -> pd.DataFrame:
    columns: dict[str, Any] = {
        name: [getattr(row, name) for row in rows]
        for name in ("station", "time", "variable", "value", "units", "issued", "revision")
    }
    table = pd.DataFrame(columns).astype({"value": "float64", "revision": "int64"})
    for name in ("time", "issued"):
        table[name] = pd.to_datetime(table[name], utc=True, format="ISO8601")
    return table


def _dataset(table: pd.DataFrame, known: Mapping[str, Station]) -> xr.Dataset:
    """Station x time, with what CF wants to know of time series."""
    if table.empty:
        raise NotFound("There are no such observations that you may see.", field="station")
    times = table["time"].dt.tz_localize(None)
    ids = list(dict.fromkeys(table["station"]))
    wide = table.assign(time=times).set_index(["station", "time"])
    arrays: dict[str, Any] = {}
    for name, part in wide.groupby("variable", sort=True):
        values = part["value"].unstack("time").reindex(index=ids)
        attributes = {"units": str(part["units"].iloc[0])}
        standard = known[str(part.index[0][0])].variables[str(name)].standard_name
        if standard:
            attributes["standard_name"] = standard
        arrays[str(name)] = xr.DataArray(
            values.to_numpy("float64"),
            dims=("station", "time"),
            coords={"station": ids, "time": values.columns.to_numpy()},
            attrs=attributes,
        )
    dataset = xr.Dataset(arrays).assign_attrs(featureType="timeSeries")
    places: dict[str, tuple[list[float], str, str]] = {
        "lat": ([known[id].lat for id in ids], "latitude", "degrees_north"),
        "lon": ([known[id].lon for id in ids], "longitude", "degrees_east"),
    }
    dataset = dataset.assign_coords(
        {
            name: ("station", values, {"standard_name": standard, "units": units})
            for name, (values, standard, units) in places.items()
        }
    )
    dataset["station"].attrs["cf_role"] = "timeseries_id"
    return dataset
