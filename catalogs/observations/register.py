"""The register of networks and stations: what every process remembers until somebody changes it."""

import threading
from collections.abc import Callable, Iterable, Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ..access import Reader
from ..errors import BadRequest, Conflict, Forbidden, NotFound
from ..times import now_text
from .database import POSTGRESQL, Database
from .observation import within
from .stations import Network, Station, may_join
from .tables import MARKS, NETWORKS, OBSERVATIONS, QUANTITIES, REGISTER, SERIES, STATIONS

# A mark of this day stands for all of a network.
EVERY_DAY = -(2**40)


class Entries(msgspec.Struct, frozen=True):
    """The register as it was at one version.

    Attributes
    ----------
    networks, stations : dict
        By id; stations in the order in which they were registered.
    series : dict
        Number of each (station, variable).
    """

    version: int
    networks: dict[str, Network]
    stations: dict[str, Station]
    series: dict[tuple[str, str], int]


class Register:
    """Networks and stations in a database.

    Parameters
    ----------
    database : Database
        Where they are kept.
    taken : callable, optional
        Says whether the catalog has a collection of that name that is no network's.
    """

    def __init__(self, database: Database, taken: Callable[[str], bool] | None = None) -> None:
        self._database = database
        self._taken = taken or (lambda _name: False)
        self._entries = Entries(-1, {}, {}, {})
        self._lock = threading.Lock()

    def entries(self, connection: sa.Connection) -> Entries:
        """The register as the connection's transaction sees it."""
        version = _version(connection)
        if self._entries.version == version:
            return self._entries
        with self._lock:
            if self._entries.version != version:
                self._entries = _load(connection, version)
            return self._entries

    def now(self) -> Entries:
        """The register as it is now."""
        with self._database.reading() as connection:
            return self.entries(connection)

    def stations(
        self, *, network: str = "", bbox: Sequence[float] = (), reader: Reader | None = None
    ) -> list[Station]:
        """Visible stations, in the order in which they were registered."""
        return [
            station
            for station in self.now().stations.values()
            if (not network or station.network == network)
            and within(bbox, station.lat, station.lon)
            and station.may_be_seen(reader)
        ]

    def station(self, id: str, *, reader: Reader | None = None) -> Station:
        """One station; raises ``NotFound``."""
        return visible(self.now(), id, reader)

    def networks(self, *, reader: Reader | None = None) -> list[Network]:
        """Visible networks, by id."""
        found = self.now().networks.values()
        return [each for each in found if reader is None or reader.may_see(each.owner, each.access)]

    def save_network(self, network: Network, *, reader: Reader | None = None) -> Network:
        """Store a network, or change what is said about it."""
        network = network.validated()
        if reader is not None and (not network.owner or not reader.admin):
            network = msgspec.structs.replace(network, owner=reader.name)

        def change(connection: sa.Connection) -> Network:
            old = _network(connection, network.id)
            kept = network
            if old is not None:
                if not (reader is None or reader.admin or reader.name == old.owner):
                    raise _taken_name(network.id)
                kept = msgspec.structs.replace(network, owner=old.owner)
            self._write_network(connection, kept, fresh=old is None)
            _touch(connection)
            return kept

        return self._database.write(change)

    def save(self, stations: Sequence[Station], *, reader: Reader | None = None) -> list[Station]:
        """Register stations, or change what is known of them: all or none.

        A network that is not there yet is made, with the owner and access of its first
        station.

        Raises
        ------
        BadRequest
            Naming the station's place in the list, where there are several, and the field.
        Conflict
            When an id or a network's name belongs to another, or units would change of what
            has been observed already.
        Forbidden
            When the network is not open to the reader.
        """
        checked = [_checked(station, stations, reader) for station in stations]

        def change(connection: sa.Connection) -> list[Station]:
            saved = [self._save(connection, station, reader) for station in checked]
            _touch(connection)
            return saved

        return self._database.write(change)

    def _save(self, connection: sa.Connection, station: Station, reader: Reader | None) -> Station:
        row = connection.execute(
            sa.select(STATIONS.c.number, STATIONS.c.body).where(STATIONS.c.id == station.id)
        ).one_or_none()
        old = msgspec.json.decode(row.body, type=Station) if row else None
        if old is not None and not (reader is None or reader.admin or reader.name == old.owner):
            raise Conflict(
                f"The id {station.id!r} belongs to another's station; choose another.", field="id"
            )
        if old is not None and old.network != station.network:
            raise Conflict(
                f"Station {station.id!r} is in the network {old.network!r} and stays there.",
                field="network",
            )
        self._join(connection, station, reader)
        now = now_text()
        owner = old.owner if old else station.owner
        created = old.created if old else now
        station = msgspec.structs.replace(station, owner=owner, created=created, updated=now)
        body = {"network": station.network, "body": msgspec.json.encode(station)}
        if row is None:
            number: int = connection.execute(
                sa.insert(STATIONS).values(id=station.id, **body).returning(STATIONS.c.number)
            ).scalar_one()
        else:
            number = row.number
            connection.execute(sa.update(STATIONS).where(STATIONS.c.number == number).values(body))
        _keep_series(connection, number, station)
        if old is not None:
            connection.execute(sa.insert(MARKS).values(network=station.network, day=EVERY_DAY))
        return station

    def _join(self, connection: sa.Connection, station: Station, reader: Reader | None) -> None:
        network = _network(connection, station.network)
        if network is None:
            network = Network(id=station.network, owner=station.owner, access=station.access)
            self._write_network(connection, network, fresh=True)
        elif not may_join(network, reader):
            raise Forbidden(
                f"The network {network.id!r} is {network.owner!r}'s; ask to become a member.",
                field="network",
            )
        insert = postgresql.insert if connection.dialect.name == POSTGRESQL else sqlite.insert
        for name, variable in station.variables.items():
            values = {"network": network.id, "name": name, "units": variable.units}
            connection.execute(insert(QUANTITIES).values(values).on_conflict_do_nothing())
            units = connection.execute(
                sa.select(QUANTITIES.c.units).where(
                    QUANTITIES.c.network == network.id, QUANTITIES.c.name == name
                )
            ).scalar_one()
            if units != variable.units:
                raise Conflict(
                    f"In the network {network.id!r} {name!r} is in {units!r}, not in "
                    f"{variable.units!r}: convert it, or name it otherwise.",
                    field=f"variables.{name}.units",
                )

    def _write_network(self, connection: sa.Connection, network: Network, *, fresh: bool) -> None:
        if fresh and self._taken(network.id):
            raise _taken_name(network.id)
        body = msgspec.json.encode(network)
        if fresh:
            connection.execute(sa.insert(NETWORKS).values(id=network.id, body=body))
            return
        connection.execute(sa.update(NETWORKS).where(NETWORKS.c.id == network.id).values(body=body))
        connection.execute(sa.insert(MARKS).values(network=network.id, day=EVERY_DAY))


def visible(entries: Entries, id: str, reader: Reader | None) -> Station:
    """A station that the reader may see; raises ``NotFound``."""
    station = entries.stations.get(id)
    if station is None or not station.may_be_seen(reader):
        raise NotFound(f"There is no station {id[:80]!r} that you may see.", field="station")
    return station


def _checked(station: Station, stations: Sequence[Station], reader: Reader | None) -> Station:
    try:
        station = station.validated()
    except BadRequest as error:
        if len(stations) == 1:
            raise
        place = f"{list(stations).index(station)}.{error.field}"
        raise BadRequest(f"Station {station.id[:80]!r}: {error.detail}", field=place) from error
    if reader is not None and (not station.owner or not reader.admin):
        return msgspec.structs.replace(station, owner=reader.name)
    return station


def _keep_series(connection: sa.Connection, number: int, station: Station) -> None:
    """Give each variable its series; one that has observations cannot be taken away."""
    rows = connection.execute(
        sa.select(SERIES.c.name, SERIES.c.number).where(SERIES.c.station == number)
    ).all()
    old = {row.name: row.number for row in rows}
    for name in old.keys() - station.variables.keys():
        used = sa.select(OBSERVATIONS.c.time).where(OBSERVATIONS.c.series == old[name]).limit(1)
        if connection.execute(used).first() is not None:
            raise Conflict(
                f"{name!r} of {station.id!r} has been observed and stays.",
                field=f"variables.{name}",
            )
        connection.execute(sa.delete(SERIES).where(SERIES.c.number == old[name]))
    fresh = [{"station": number, "name": n} for n in station.variables if n not in old]
    if fresh:
        connection.execute(sa.insert(SERIES), fresh)


def _network(connection: sa.Connection, id: str) -> Network | None:
    body = connection.execute(sa.select(NETWORKS.c.body).where(NETWORKS.c.id == id)).scalar()
    return msgspec.json.decode(body, type=Network) if body is not None else None


def _version(connection: sa.Connection) -> int:
    return connection.execute(sa.select(REGISTER.c.version)).scalar() or 0


def _touch(connection: sa.Connection) -> None:
    changed = connection.execute(sa.update(REGISTER).values(version=REGISTER.c.version + 1))
    if changed.rowcount == 0:
        connection.execute(sa.insert(REGISTER).values(id=1, version=1))


def _load(connection: sa.Connection, version: int) -> Entries:
    networks = connection.execute(sa.select(NETWORKS.c.body).order_by(NETWORKS.c.id)).scalars()
    rows = connection.execute(
        sa.select(STATIONS.c.number, STATIONS.c.body).order_by(STATIONS.c.number)
    ).all()
    by_number = {row.number: msgspec.json.decode(row.body, type=Station) for row in rows}
    series = connection.execute(sa.select(SERIES.c.station, SERIES.c.name, SERIES.c.number))
    return Entries(
        version,
        _by_id(msgspec.json.decode(body, type=Network) for body in networks),
        {station.id: station for station in by_number.values()},
        {(by_number[station].id, name): number for station, name, number in series},
    )


def _by_id(networks: Iterable[Network]) -> dict[str, Network]:
    return {network.id: network for network in networks}


def _taken_name(name: str) -> Conflict:
    return Conflict(
        f"The name {name!r} is taken by another's network or by a collection; choose another.",
        field="network",
    )
