"""Compaction: what came in since the last time becomes part of the network's cube.

The table marks each day of a network that a transaction changed.  A compaction reads the marks,
copies the regions that they touch, commits, announces, and only then deletes the marks that it
read: after a crash at any point the next one does the same again, with the same result.
"""

import logging
from collections.abc import Iterable

import icechunk
import msgspec
import sqlalchemy as sa

from ..description import describe
from ..errors import NotFound
from ..events.event import ITEM_CREATED, ITEM_UPDATED, Event
from ..lake import Lake
from ..records import Collection, Item, Record, location_of
from ..repositories import (
    BRANCH,
    advance,
    announce,
    commit,
    establish,
    head,
    locked,
    open_repository,
    refuse_stranger,
    stamped,
)
from .cube import CubeWriter, open_session, shape_of
from .database import Database
from .instants import DAY, instant_text
from .register import EVERY_DAY, Register
from .stations import Network
from .tables import MARKS

logger = logging.getLogger(__name__)

# In the collection's properties: it is a network's cube.
KIND = "observations"
# A commit that touches more days than this names only the newest.
MOST_ITEMS = 100


class Compactor:
    """Keeps the cubes of all networks of a lake.

    Parameters
    ----------
    lake : Lake
        Where the cubes lie.
    database : Database
        Where the observations are.
    """

    def __init__(self, lake: Lake, database: Database) -> None:
        self._lake = lake
        self._database = database
        self._register = Register(database)

    def waiting(self) -> list[str]:
        """Networks whose cubes do not show yet what the table says."""
        with self._database.reading() as connection:
            found = connection.execute(sa.select(MARKS.c.network).distinct()).scalars().all()
        return sorted(found)

    def run(self) -> list[str]:
        """Bring every cube up to date; returns the networks whose cubes changed."""
        return [network for network in self.waiting() if self.compact(network) is not None]

    def compact(self, network: str) -> Collection | None:
        """Bring one cube up to date.

        Returns
        -------
        Collection or None
            Its new face; None when the cube is as it was.

        Raises
        ------
        NotFound
            When there is no such network.
        Conflict
            When another collection has its name.
        """
        entries = self._register.now()
        if network not in entries.networks:
            raise NotFound(f"There is no network {network!r}.", field="network")
        face = _face(entries.networks[network])
        with locked(self._lake.root / face.location):
            # Read under the lock, so that no two compactions work on the same marks.
            marks = self._marks(network)
            record = self._write(entries.networks[network], face, {day for _, day in marks})
            self._forget(number for number, _ in marks)
        return record.collection if record is not None else None

    def _write(self, network: Network, face: Collection, days: set[int]) -> Record | None:
        if not days:
            return None
        path = self._lake.root / face.location
        repository = open_repository(path)
        if repository is None:
            return establish(
                self._lake, face, lambda fresh: self._commit(fresh, network, face, days, new=True)
            )
        refuse_stranger(repository, face)
        announce(self._lake, face.id, repository)
        before = head(repository)
        record = advance(
            self._lake, repository, lambda old: self._commit(old, network, face, days, new=False)
        )
        return record if record.collection.snapshot != before else None

    def _commit(
        self,
        repository: icechunk.Repository,
        network: Network,
        face: Collection,
        days: set[int],
        *,
        new: bool,
    ) -> Record:
        session = repository.writable_session(BRANCH)
        shape = shape_of(network, self._register.now())
        writer = CubeWriter(session, self._database, network, shape)
        writer.update(days)
        described = describe(open_session(session))
        face = msgspec.structs.replace(face, **msgspec.structs.asdict(described))
        record = self._record(face, days, new=new)
        if not writer.changed:
            # What another compaction wrote before it died; it is announced already.
            return stamped(record, head(repository))
        return commit(session, record, f"compact {len(days)} days of {network.id}")

    def _record(self, face: Collection, days: set[int], *, new: bool) -> Record:
        touched = sorted(days - {EVERY_DAY})[-MOST_ITEMS:]
        items = tuple(_item(face, day) for day in touched)
        last = items[-1].id if items else "stations"
        event = Event(
            type=ITEM_CREATED if new or not self._has(face.id, last) else ITEM_UPDATED,
            source=f"/collections/{face.id}",
            subject=f"/collections/{face.id}/items/{last}",
            collection=face.id,
            datatime=face.interval[1] if face.interval else "",
            owner=face.owner,
            access=face.access,
            data={
                "item": last,
                "collection": face.id,
                "items": [item.id for item in items],
                "cube": True,
            },
        )
        return Record(collection=face, items=items, events=(event,))

    def _has(self, collection: str, item: str) -> bool:
        try:
            self._lake.store.item(collection, item)
        except NotFound:
            return False
        return True

    def _marks(self, network: str) -> list[tuple[int, int]]:
        with self._database.reading() as connection:
            statement = sa.select(MARKS.c.number, MARKS.c.day).where(MARKS.c.network == network)
            return [(number, day) for number, day in connection.execute(statement)]

    def _forget(self, numbers: Iterable[int]) -> None:
        gone = list(numbers)
        if gone:
            statement = sa.delete(MARKS).where(self._database.among(MARKS.c.number, gone))
            self._database.write(lambda connection: connection.execute(statement))


def _face(network: Network) -> Collection:
    return Collection(
        id=network.id,
        title=network.title or network.id,
        kind="cube",
        location=location_of("cube", network.id, network.owner),
        owner=network.owner,
        access=network.access,
        description=network.description,
        licence=network.licence,
        keywords=("observations", "stations"),
        properties={KIND: True},
    )


def _item(face: Collection, day: int) -> Item:
    start = instant_text(day * DAY)
    return Item(
        id=start[:10].replace("-", ""),
        collection=face.id,
        datetime=start,
        properties={"start": start, "end": instant_text((day + 1) * DAY)},
    )
