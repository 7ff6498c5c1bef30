"""The observations in a database: stations, values, revisions, commands, and what tells of them."""

import time as clock_time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from ..access import Reader
from ..errors import BadRequest, Forbidden, NotFound
from ..events.event import ITEM_CREATED, ITEM_UPDATED, Event
from ..events.log import EventLog
from ..times import now_text
from .database import Database
from .formats import decode
from .instants import DAY, SECOND, instant, instant_text
from .intake import Effect, Key, Value, take_in
from .observation import MOST_ROWS, Found, Observation, Query, Reading, Receipt, within
from .register import Entries, Register, visible
from .sql_commands import SqlCommandQueue
from .sql_outbox import SqlOutbox
from .stations import Network, Station
from .store import Observations
from .tables import MARKS, OBSERVATIONS, REVISIONS

# A measurement of later than this after now has a wrong clock behind it.
FARTHEST_AHEAD = DAY


class SqlObservations(Observations):
    """Observations in SQLite or PostgreSQL.

    Parameters
    ----------
    place : path or str
        A SQLite file, made with mode 0600 when missing, or a ``postgresql://`` URL.
    log : EventLog
        Where events go; a log that does not answer is tried again in the background.
    taken : callable, optional
        Says whether the catalog has a collection of that name that is no network's.
    clock : callable, optional
        Seconds since 1970.

    Examples
    --------
    >>> import tempfile
    >>> from ..events.sqlite import SqliteEventLog
    >>> folder = Path(tempfile.mkdtemp())
    >>> log = SqliteEventLog(folder / "events.sqlite")
    >>> observations = SqlObservations(folder / "observations.sqlite", log=log)
    >>> observations.stations()
    []
    """

    def __init__(
        self,
        place: str | Path,
        *,
        log: EventLog,
        taken: Callable[[str], bool] | None = None,
        clock: Callable[[], float] = clock_time.time,
    ) -> None:
        self.database = Database(place)
        self._register = Register(self.database, taken)
        self.outbox = SqlOutbox(self.database, log)
        self._commands = SqlCommandQueue(self.database, self._register, self.outbox, clock)
        self._clock = clock

    @property
    def commands(self) -> SqlCommandQueue:
        """The queues of commands to the stations."""
        return self._commands

    def save_network(self, network: Network, *, reader: Reader | None = None) -> Network:
        """Store a network, or change what is said about it."""
        return self._register.save_network(network, reader=reader)

    def networks(self, *, reader: Reader | None = None) -> list[Network]:
        """Visible networks, by id."""
        return self._register.networks(reader=reader)

    def register(
        self, stations: Sequence[Station], *, reader: Reader | None = None
    ) -> list[Station]:
        """Register stations; see :meth:`.register.Register.save`."""
        return self._register.save(stations, reader=reader)

    def station(self, id: str, *, reader: Reader | None = None) -> Station:
        """One station; raises ``NotFound``."""
        return self._register.station(id, reader=reader)

    def stations(
        self, *, network: str = "", bbox: Sequence[float] = (), reader: Reader | None = None
    ) -> list[Station]:
        """Visible stations, in the order in which they were registered."""
        return self._register.stations(network=network, bbox=bbox, reader=reader)

    def ingest(
        self, body: bytes, kind: str, *, station: str = "", reader: Reader | None = None
    ) -> Receipt:
        """Store a body of observations of a media type; see :mod:`.formats`."""
        entries = self._register.now()
        return self.add(decode(body, kind, station, entries.stations), reader=reader)

    def add(self, readings: Sequence[Reading], *, reader: Reader | None = None) -> Receipt:
        """Store readings, all or none; they and their events are on disk when this returns.

        Raises
        ------
        BadRequest, NotFound, Forbidden
            Naming the row and the field that is wrong; nothing is stored.
        StorageFull
            When the disk is full; nothing is stored.
        """
        if len(readings) > MOST_ROWS:
            raise BadRequest(f"A request holds at most {MOST_ROWS:,} values; send several.")
        if not readings:
            return Receipt()
        now = int(self._clock() * SECOND)

        def change(connection: sa.Connection) -> Receipt:
            entries = self._register.entries(connection)
            values = _resolved(readings, entries, reader, now)
            receipt, effects = take_in(self.database, connection, values, now)
            if effects:
                marks = _marks(effects, entries)
                if marks:
                    connection.execute(sa.insert(MARKS), marks)
                self.outbox.put(connection, _events(effects, entries))
            return receipt

        receipt = self.database.write(change)
        if receipt.stored or receipt.revised:
            self.outbox.wake()
        return receipt

    def find(self, query: Query, *, reader: Reader | None = None) -> Found:
        """Visible observations that fulfil a query; see :class:`.observation.Query`."""
        query = query.validated()
        with self.database.reading() as connection:
            entries = self._register.entries(connection)
            lines = _lines(query, entries, reader)
            if not lines:
                return Found([], "")
            table = OBSERVATIONS.c
            place = sa.tuple_(table.series, table.time)
            conditions = [
                self.database.among(table.series, list(lines)),
                *_times(query, table.time),
                place > sa.tuple_(*map(sa.literal, query.place())),
            ]
            if query.latest:
                conditions.append(_is_newest(query))
            statement = (
                sa.select(table.series, table.time, table.value, table.issued, table.revision)
                .where(*conditions)
                .order_by(table.series, table.time)
                .limit(query.limit)
            )
            rows = connection.execute(statement).all()
        following = f"{rows[-1][0]}.{rows[-1][1]}" if len(rows) == query.limit else ""
        return Found([_observation(lines[row[0]], *row[1:]) for row in rows], following)

    def revisions(
        self, station: str, variable: str, time: str, *, reader: Reader | None = None
    ) -> list[Observation]:
        """All values that ever came for a station, variable and time; the last counts."""
        moment = instant(time)
        with self.database.reading() as connection:
            entries = self._register.entries(connection)
            place = visible(entries, station, reader)
            number = entries.series.get((station, variable), 0)
            found: list[Any] = []
            for table in (REVISIONS.c, OBSERVATIONS.c):
                found += connection.execute(
                    sa.select(table.time, table.value, table.issued, table.revision)
                    .where(table.series == number, table.time == moment)
                    .order_by(table.revision)
                ).all()
        if not found:
            raise NotFound(
                f"{station!r} has no {variable[:80]!r} of {instant_text(moment)}.", field="time"
            )
        line = (station, variable, place.variables[variable].units)
        return [_observation(line, *row) for row in found]

    def close(self) -> None:
        """Release threads and connections; events that are pending go at the next start."""
        self.outbox.close()
        self.database.close()


Line = tuple[str, str, str]  # station, variable, units


def _lines(query: Query, entries: Entries, reader: Reader | None) -> dict[int, Line]:
    """The series that a query may have, with what they are."""
    stations = {visible(entries, id, reader).id for id in query.stations}
    found: dict[int, Line] = {}
    for (id, name), number in entries.series.items():
        station = entries.stations[id]
        if (
            (not stations or id in stations)
            and (not query.variables or name in query.variables)
            and (not query.network or station.network == query.network)
            and within(query.bbox, station.lat, station.lon)
            and station.may_be_seen(reader)
        ):
            found[number] = (id, name, station.variables[name].units)
    return found


def _times(query: Query, column: sa.ColumnElement[int]) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if query.since:
        conditions.append(column >= instant(query.since, "since"))
    if query.until:
        conditions.append(column < instant(query.until, "until"))
    return conditions


def _is_newest(query: Query) -> sa.ColumnElement[bool]:
    other = OBSERVATIONS.alias()
    newest = sa.select(sa.func.max(other.c.time)).where(
        other.c.series == OBSERVATIONS.c.series, *_times(query, other.c.time)
    )
    return OBSERVATIONS.c.time == newest.correlate(OBSERVATIONS).scalar_subquery()


def _observation(
    line: Line, time: int, value: float | None, issued: int, revision: int
) -> Observation:
    return Observation(
        station=line[0],
        variable=line[1],
        units=line[2],
        time=instant_text(time),
        value=value,
        issued=instant_text(issued),
        revision=revision,
    )


def _resolved(
    readings: Iterable[Reading], entries: Entries, reader: Reader | None, now: int
) -> list[tuple[Key, Value]]:
    """Check each reading against the register, and find its place in the table."""
    allowed: dict[str, Station] = {}
    values: list[tuple[Key, Value]] = []
    for reading in readings:
        station = allowed.get(reading.station)
        if station is None:
            station = _writable(reading, entries, reader)
            allowed[reading.station] = station
        number = entries.series.get((reading.station, reading.variable))
        if number is None:
            raise _refusal(
                reading,
                "variable",
                f"{station.id!r} has no variable {reading.variable[:80]!r}; it measures "
                f"{', '.join(sorted(station.variables))}",
            )
        units = station.variables[reading.variable].units
        if reading.units and reading.units != units:
            raise _refusal(
                reading, "units", f"{reading.variable!r} is in {units!r}, not {reading.units!r}"
            )
        for field, time in (("time", reading.time), ("issued", reading.issued or 0)):
            if time > now + FARTHEST_AHEAD:
                raise _refusal(reading, field, f"{instant_text(time)} is more than a day ahead")
        value = Value(reading, reading.value, reading.issued)
        values.append(((number, reading.time), value))
    return values


def _writable(reading: Reading, entries: Entries, reader: Reader | None) -> Station:
    field = f"rows.{reading.row}.station"
    try:
        station = visible(entries, reading.station, reader)
    except NotFound as error:
        raise NotFound(f"Row {reading.row}: {error.detail}", field=field) from error
    if not station.may_be_written(reader):
        raise Forbidden(
            f"Row {reading.row}: you may not send observations of {station.id!r}; ask "
            f"{station.owner!r} to make you one of its writers.",
            field=field,
        )
    return station


def _refusal(reading: Reading, field: str, what: str) -> BadRequest:
    return BadRequest(f"Row {reading.row}: {what}.", field=f"rows.{reading.row}.{field}")


def _marks(effects: Iterable[Effect], entries: Entries) -> list[dict[str, Any]]:
    days = {
        (entries.stations[reading.station].network, reading.time // DAY)
        for reading, _, counts in effects
        if counts
    }
    return [{"network": network, "day": day} for network, day in sorted(days)]


def _events(effects: Iterable[Effect], entries: Entries) -> list[Event]:
    """One event for each station that a request said something new about."""
    by_station: dict[str, list[Effect]] = {}
    for effect in effects:
        by_station.setdefault(effect.reading.station, []).append(effect)
    batch, now = uuid4().hex, now_text()
    return [
        _event(entries.stations[id], found, f"{batch}-{id}", now)
        for id, found in by_station.items()
    ]


def _event(station: Station, effects: Sequence[Effect], id: str, now: str) -> Event:
    stored = 0
    times: list[int] = []
    newest: dict[str, Reading] = {}
    for reading, first, counts in effects:
        stored += first
        times.append(reading.time)
        if counts and (
            reading.variable not in newest or reading.time >= newest[reading.variable].time
        ):
            newest[reading.variable] = reading
    place = f"{station.lon},{station.lat}"
    return Event(
        type=ITEM_CREATED if stored else ITEM_UPDATED,
        source=f"/collections/{station.network}",
        id=id,
        time=now,
        subject=f"/collections/{station.network}/stations/{station.id}",
        collection=station.network,
        datatime=instant_text(max(times)),
        owner=station.owner,
        access=station.access,
        data={
            "collection": station.network,
            "station": station.id,
            "geometry": {"type": "Point", "coordinates": [station.lon, station.lat]},
            "start": instant_text(min(times)),
            "end": instant_text(max(times)),
            "stored": stored,
            "revised": len(effects) - stored,
            "values": {name: reading.value for name, reading in newest.items()},
        },
        bbox=f"{place},{place}",
    )
