"""The command queues in the database of the observations."""

import threading
import time
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any, get_args
from uuid import uuid4

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ..access import Reader
from ..errors import BadRequest, Conflict, Forbidden, NotFound
from .command_checks import LARGEST, asker_of, check_command, event_of
from .commands import EXPIRES, Command, CommandQueue, State, Step
from .database import POSTGRESQL, Database
from .instants import SECOND, instant_text
from .register import Register, visible
from .sql_outbox import SqlOutbox
from .stations import Station
from .tables import COMMANDS

LONGEST_WAIT = 60.0
MOST_WAITING = 1000
# How often other processes' commands are looked for, in seconds; our own wake at once.
LOOK_SECONDS = 0.5
# What may follow what.
_AFTER: dict[State, frozenset[State]] = {
    "accepted": frozenset({"waiting"}),
    "done": frozenset({"waiting", "accepted"}),
    "failed": frozenset({"waiting", "accepted"}),
    "withdrawn": frozenset({"waiting"}),
}


class SqlCommandQueue(CommandQueue):
    """Command queues in a database; every change of a command puts an event into the outbox.

    Parameters
    ----------
    database, register, outbox
        Parts of :class:`.sql_store.SqlObservations`.
    clock : callable
        Seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        register: Register,
        outbox: SqlOutbox,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._register = register
        self._outbox = outbox
        self._clock = clock
        self._grown = threading.Condition()
        self._listeners: set[Callable[[], None]] = set()

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` whenever this process queues a command; returns what ends that."""
        self._listeners.add(callback)
        return lambda: self._listeners.discard(callback)

    def enqueue(
        self,
        station: str,
        command: str,
        parameters: dict[str, Any] | None = None,
        *,
        expires: float = EXPIRES,
        key: str = "",
        owner: str = "",
        reader: Reader | None = None,
    ) -> Command:
        """Queue a command; see :class:`.commands.CommandQueue`."""
        asker = asker_of(owner, reader)
        place = visible(self._register.now(), station, asker)
        if not place.may_be_operated(asker):
            raise Forbidden(
                f"You may not send commands to {station!r}; ask {place.owner!r} to make you one "
                "of its operators.",
                field="station",
            )
        given = parameters or {}
        check_command(place, command, given, expires, key)
        now = self._now()
        moment = instant_text(now)
        made = Command(
            id=uuid4().hex,
            station=station,
            command=command,
            parameters=given,
            owner=asker.name if asker is not None else place.owner,
            key=key,
            created=moment,
            expires=instant_text(now + int(expires * SECOND)),
            history=(Step(state="waiting", time=moment),),
        )
        return self._add(made, now + int(expires * SECOND))

    def poll(
        self, station: str, *, wait: float = 0.0, limit: int = 10, reader: Reader | None = None
    ) -> list[Command]:
        """The commands that wait, oldest first; see :class:`.commands.CommandQueue`."""
        end = time.monotonic() + min(wait, LONGEST_WAIT)
        while True:
            found = self._waiting(station, limit, reader)
            left = end - time.monotonic()
            if found or left <= 0:
                return found
            with self._grown:
                self._grown.wait(min(left, LOOK_SECONDS))

    def follow(
        self, station: str, *, timeout: float | None = None, reader: Reader | None = None
    ) -> Iterator[Command]:
        """Commands as they come; see :class:`.commands.CommandQueue`."""
        seen: set[str] = set()
        silent_since = time.monotonic()
        while True:
            for command in self._waiting(station, MOST_WAITING, reader):
                if command.id not in seen:
                    seen.add(command.id)
                    yield command
                    silent_since = time.monotonic()
            if timeout is not None and time.monotonic() - silent_since >= timeout:
                return
            with self._grown:
                self._grown.wait(min(LOOK_SECONDS, timeout or LOOK_SECONDS))

    def acknowledge(
        self,
        id: str,
        state: State,
        *,
        result: Any = None,
        error: str = "",
        by: str = "",
        reader: Reader | None = None,
    ) -> Command:
        """Say what the instrument has done with it; see :class:`.commands.CommandQueue`."""
        if state not in ("accepted", "done", "failed"):
            raise BadRequest("An instrument says 'accepted', 'done' or 'failed'.", field="state")
        if len(msgspec.json.encode(result)) > LARGEST or len(error) > LARGEST:
            raise BadRequest(f"An answer has at most {LARGEST:,} bytes.", field="result")
        self.expire()

        def change(command: Command) -> Command:
            if not self._station(command).may_be_written(reader):
                raise Forbidden("Only the instrument itself acknowledges.", field="id")
            if by and command.by and by != command.by:
                raise Conflict(f"Another process, {command.by!r}, has it.", field="by")
            return msgspec.structs.replace(command, by=command.by or by, result=result, error=error)

        return self._move(id, state, change, reader)

    def withdraw(self, id: str, *, reader: Reader | None = None) -> Command:
        """Take back a command that waits."""

        def change(command: Command) -> Command:
            mine = reader is None or reader.admin or reader.name == command.owner
            if not mine and not self._station(command).may_be_operated(reader):
                raise Forbidden(f"The command is {command.owner!r}'s.", field="id")
            return command

        return self._move(id, "withdrawn", change, reader)

    def command(self, id: str, *, reader: Reader | None = None) -> Command:
        """One command; raises ``NotFound``."""
        self.expire()
        with self._database.reading() as connection:
            return self._find(connection, id, reader)

    def commands(
        self,
        station: str = "",
        *,
        state: str = "",
        limit: int = 100,
        reader: Reader | None = None,
    ) -> list[Command]:
        """Visible commands, newest first."""
        if state and state not in get_args(State):
            raise BadRequest(f"state must be one of {', '.join(get_args(State))}.", field="state")
        if station:
            self._register.station(station, reader=reader)
        self.expire()
        entries = self._register.now()
        mine = [each.id for each in entries.stations.values() if each.may_be_written(reader)]
        conditions = [COMMANDS.c.station == station] if station else []
        if state:
            conditions.append(COMMANDS.c.state == state)
        if reader is not None and not reader.admin:
            own = COMMANDS.c.owner == reader.name
            conditions.append(own | self._database.among(COMMANDS.c.station, mine))
        statement = sa.select(COMMANDS.c.number, COMMANDS.c.body).where(*conditions)
        with self._database.reading() as connection:
            rows = connection.execute(statement.order_by(COMMANDS.c.number.desc()).limit(limit))
            return [_decoded(row) for row in rows]

    def expire(self) -> int:
        """End the commands whose time is over, with their events; returns how many."""
        late = (COMMANDS.c.state == "waiting") & (COMMANDS.c.expires <= self._now())
        with self._database.reading() as connection:
            if (
                connection.execute(sa.select(COMMANDS.c.number).where(late).limit(1)).first()
                is None
            ):
                return 0

        def change(connection: sa.Connection) -> int:
            rows = connection.execute(
                self._locked(sa.select(COMMANDS.c.number, COMMANDS.c.body).where(late))
            ).all()
            for row in rows:
                self._write(connection, _decoded(row), "expired")
            return len(rows)

        ended = self._database.write(change)
        self._outbox.wake()
        return ended

    def _add(self, made: Command, expires: int) -> Command:
        key = _digest(made.key)

        def change(connection: sa.Connection) -> Command:
            if key:
                same = connection.execute(
                    sa.select(COMMANDS.c.number, COMMANDS.c.body).where(
                        COMMANDS.c.station == made.station,
                        COMMANDS.c.owner == made.owner,
                        COMMANDS.c.key == key,
                    )
                ).one_or_none()
                if same is not None:
                    return _decoded(same)
            waiting = sa.select(sa.func.count()).where(
                COMMANDS.c.station == made.station, COMMANDS.c.state == "waiting"
            )
            if connection.execute(waiting).scalar_one() >= MOST_WAITING:
                raise Conflict(
                    f"{MOST_WAITING} commands wait for {made.station!r} already.", field="station"
                )
            number: int = connection.execute(
                sa.insert(COMMANDS)
                .values(
                    id=made.id,
                    station=made.station,
                    owner=made.owner,
                    key=key,
                    state=made.state,
                    expires=expires,
                    body=msgspec.json.encode(made),
                )
                .returning(COMMANDS.c.number)
            ).scalar_one()
            self._outbox.put(connection, [event_of(made, self._station(made).network)])
            return msgspec.structs.replace(made, number=number)

        try:
            queued = self._database.write(change)
        except IntegrityError:
            # Somebody else used the key between our look and our writing.
            queued = self._database.write(change)
        self._outbox.wake()
        with self._grown:
            self._grown.notify_all()
        for callback in list(self._listeners):
            callback()
        return queued

    def _waiting(self, station: str, limit: int, reader: Reader | None) -> list[Command]:
        place = self._register.station(station, reader=reader)
        if not place.may_be_written(reader):
            raise Forbidden(
                f"Only {station!r} itself fetches its commands: its owner and writers.",
                field="station",
            )
        self.expire()
        with self._database.reading() as connection:
            rows = connection.execute(
                sa.select(COMMANDS.c.number, COMMANDS.c.body)
                .where(COMMANDS.c.station == station, COMMANDS.c.state == "waiting")
                .order_by(COMMANDS.c.number)
                .limit(limit)
            )
            return [_decoded(row) for row in rows]

    def _move(
        self, id: str, state: State, change: Callable[[Command], Command], reader: Reader | None
    ) -> Command:
        def write(connection: sa.Connection) -> Command:
            old = self._find(connection, id, reader, lock=True)
            new = change(old)
            if old.state == state and (state != "done" or old.result == new.result):
                return old
            if old.state not in _AFTER[state]:
                raise Conflict(f"The command is {old.state}; it cannot be {state}.", field="state")
            return self._write(connection, new, state)

        moved = self._database.write(write)
        self._outbox.wake()
        return moved

    def _write(self, connection: sa.Connection, command: Command, state: State) -> Command:
        step = Step(state=state, time=instant_text(self._now()))
        new = msgspec.structs.replace(command, state=state, history=(*command.history, step))
        connection.execute(
            sa.update(COMMANDS)
            .where(COMMANDS.c.id == command.id)
            .values(state=state, body=msgspec.json.encode(new))
        )
        self._outbox.put(connection, [event_of(new, self._station(new).network)])
        return new

    def _find(
        self, connection: sa.Connection, id: str, reader: Reader | None, *, lock: bool = False
    ) -> Command:
        # PostgreSQL takes no text with a NUL in it, so that what is no id does not get there.
        wanted = id if id.isalnum() else ""
        statement = sa.select(COMMANDS.c.number, COMMANDS.c.body).where(COMMANDS.c.id == wanted)
        row = connection.execute(self._locked(statement) if lock else statement).one_or_none()
        command = _decoded(row) if row is not None else None
        if command is None or not (
            reader is None
            or reader.admin
            or reader.name == command.owner
            or self._station(command).may_be_written(reader)
            or self._station(command).may_be_operated(reader)
        ):
            raise NotFound(f"There is no command {id[:80]!r} that you may see.", field="id")
        return command

    def _station(self, command: Command) -> Station:
        return self._register.station(command.station)

    def _locked(self, statement: Any) -> Any:
        return statement.with_for_update() if self._database.kind == POSTGRESQL else statement

    def _now(self) -> int:
        return int(self._clock() * SECOND)


def _digest(key: str) -> str | None:
    """What stands for a key in the index, whose entries are short in PostgreSQL."""
    return blake2b(key.encode(errors="replace"), digest_size=32).hexdigest() if key else None


def _decoded(row: Any) -> Command:
    command = msgspec.json.decode(row.body, type=Command)
    return msgspec.structs.replace(command, number=row.number)
