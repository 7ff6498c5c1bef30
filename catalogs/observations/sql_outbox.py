"""The outbox of the observations' database: events that are stored with what they tell of."""

import logging
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ..errors import BadRequest, BoathouseError
from ..events.event import Event
from ..events.log import EventLog
from ..outbox import OutboxRelay
from .database import Database
from .tables import OUTBOX

logger = logging.getLogger(__name__)

# So many transactions' events go to the log at once.
BATCH = 50


class SqlOutbox:
    """Events wait here until the log has them.

    Parameters
    ----------
    database : Database
        Where they wait.
    log : EventLog
        Where they go.  It takes an event that it has already for the same, so that one that
        is sent twice, after a crash, is there once.
    """

    def __init__(self, database: Database, log: EventLog) -> None:
        self._database = database
        self._log = log
        self._relay = OutboxRelay(self._move, failures=(BoathouseError, OSError, DBAPIError))
        if self.pending():
            self._relay.wake()

    def put(self, connection: sa.Connection, events: Sequence[Event]) -> None:
        """Write events within the open transaction; call :meth:`wake` when it is over."""
        if events:
            connection.execute(sa.insert(OUTBOX).values(body=msgspec.json.encode(events)))

    def wake(self, *, wait: float = 0.0) -> bool:
        """Send what is pending; whether the log had it within ``wait`` seconds."""
        return self._relay.wake(wait=wait)

    def pending(self) -> int:
        """How many transactions' events the log has not taken."""
        with self._database.reading() as connection:
            count = sa.select(sa.func.count()).where(OUTBOX.c.refused.is_(None))
            return connection.execute(count).scalar_one()

    def close(self) -> None:
        """Stop; what is pending is sent at the next start."""
        self._relay.close()

    def _move(self) -> int:
        with self._database.reading() as connection:
            rows = connection.execute(
                sa.select(OUTBOX.c.position, OUTBOX.c.body)
                .where(OUTBOX.c.refused.is_(None))
                .order_by(OUTBOX.c.position)
                .limit(BATCH)
            ).all()
        if not rows:
            return 0
        refused: dict[int, str] = {}
        batches = {row.position: msgspec.json.decode(row.body, type=list[Event]) for row in rows}
        try:
            self._log.append([event for events in batches.values() for event in events])
        except BadRequest:
            refused = self._move_singly(batches)

        def forget(connection: sa.Connection) -> None:
            for position, reason in refused.items():
                connection.execute(
                    sa.update(OUTBOX).where(OUTBOX.c.position == position).values(refused=reason)
                )
            gone = [position for position in batches if position not in refused]
            connection.execute(
                sa.delete(OUTBOX).where(self._database.among(OUTBOX.c.position, gone))
            )

        self._database.write(forget)
        return self.pending() if len(rows) == BATCH else 0

    def _move_singly(self, batches: dict[int, list[Event]]) -> dict[int, str]:
        """Send one by one, so that an event that the log refuses stops no other."""
        refused: dict[int, str] = {}
        for position, events in batches.items():
            for event in events:
                try:
                    self._log.append([event])
                except BadRequest as error:
                    logger.error("The event log refused %s %s: %s", event.source, event.id, error)
                    refused[position] = error.detail
        return refused
