"""Where deliveries are written down: one row each, taken by lease, ended once."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..catalogs.events.event import Event
from ..catalogs.times import now_text
from .book import Book
from .deliveries import Delivery, DeliveryState
from .jobs import Job
from .rules.fan import Gathered
from .rules.model import Rule
from .rules.owing import Owed, job_for
from .rules.silence import Silence

# What has gone well is history that nobody reads after this time, in seconds.
KEPT_SECONDS = 30 * 86_400.0
LONGEST_ERROR = 2000

SCHEMA = """
create table if not exists deliveries(
    number integer primary key autoincrement, id text not null unique,
    owner text not null, rule text not null, key text not null,
    state text not null, ready integer not null, attempts integer not null default 0,
    losses integer not null default 0, due real not null,
    lease real not null default 0, holder text not null default '',
    ended real not null default 0, error text not null default '',
    result blob not null, finished text not null default '',
    body blob not null, events blob not null);
create index if not exists deliveries_ready on deliveries(owner, rule, due, number)
    where state='waiting' and ready;
create index if not exists deliveries_keyed on deliveries(owner, rule, key, number)
    where key!='' and state in ('waiting', 'leased');
create index if not exists deliveries_leased on deliveries(lease) where state='leased';
create index if not exists deliveries_of on deliveries(owner, rule, number);
create index if not exists deliveries_in on deliveries(owner, state, number);
create index if not exists deliveries_ended on deliveries(ended)
    where state in ('done', 'withdrawn');
create table if not exists gathered(
    number integer primary key autoincrement, owner text not null, rule text not null,
    slot integer not null, by_text text not null, sequence integer not null,
    time real not null, event blob not null,
    unique(owner, rule, slot, by_text, sequence));
create table if not exists silences(
    owner text not null, rule text not null, body blob not null,
    primary key(owner, rule)) without rowid;
create table if not exists versions(
    owner text not null, rule text not null, version integer not null, body blob not null,
    primary key(owner, rule, version)) without rowid;
"""

COLUMNS = "number, state, attempts, due, error, result, finished, body, events"
_UNENDED = "state in ('waiting', 'leased')"


class Piled(msgspec.Struct, frozen=True, kw_only=True):
    """What changed in one rule's memory of events: its pile, its silence."""

    rule: Rule
    added: Sequence[Gathered] = ()
    removed: Sequence[Gathered] = ()
    silence: Silence | None = None


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What came of looking at some events, to be written in one transaction.

    Attributes
    ----------
    cursor : int or None
        The last event that was looked at; None when only time has passed.
    owed : sequence of Owed
        Deliveries; those whose ids are known already are left alone.
    at_once : sequence of Owed
        Those that are done as soon as their jobs are queued, which happens here.
    piled : sequence of Piled
        What rules remember.
    """

    cursor: int | None = None
    owed: Sequence[Owed] = ()
    at_once: Sequence[Owed] = ()
    piled: Sequence[Piled] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing that must be written now."""
        return not (self.owed or self.at_once or self.piled)


class Leased(msgspec.Struct, frozen=True):
    """A delivery that was taken, with its events."""

    delivery: Delivery
    events: tuple[Event, ...]


class DeliveryBook(Book, ABC):
    """Deliveries and what rules remember; :class:`boathouse.workflows.ledger.Ledger` has jobs.

    Parameters
    ----------
    path : Path
        The SQLite file.
    schema : str
        Statements that make further tables.
    clock : callable
        Seconds since 1970.
    """

    def __init__(self, path: Path, schema: str, clock: Callable[[], float] = time.time) -> None:
        super().__init__(path, SCHEMA + schema)
        self._clock = clock

    @abstractmethod
    def _insert(self, job: Job) -> bool:
        """Store a new job within the transaction; False when its id is known."""

    def now(self) -> float:
        """The ledger's time, seconds since 1970."""
        return self._clock()

    # What the follower writes.

    def look_at(self, looked: Looked) -> int:
        """Write what came of some events, and that they were looked at, at once.

        Returns
        -------
        int
            How many deliveries are new.
        """
        with self._write():
            new = 0
            for owed in looked.at_once:
                if self._owe(owed, state="done"):
                    new += 1
                self._insert(job_for(owed.delivery))
            for owed in looked.owed:
                new += self._owe(owed)
            for piled in looked.piled:
                self._pile(piled)
            if looked.cursor is not None:
                self._database.execute(
                    "insert or replace into place values('cursor', ?)", (looked.cursor,)
                )
            return new

    def piles(self, rule: Rule) -> list[Gathered]:
        """The events that wait for others in a rule, in order."""
        rows = self._rows(
            "select slot, by_text, time, event from gathered where owner=? and rule=? "
            "order by number",
            rule.owner,
            rule.name,
        )
        return [
            Gathered(slot=slot, by=by, time=when, event=msgspec.json.decode(body, type=Event))
            for slot, by, when, body in rows
        ]

    def silence(self, rule: Rule) -> Silence | None:
        """How long a rule has heard nothing; None when it has just begun."""
        rows = self._rows(
            "select body from silences where owner=? and rule=?", rule.owner, rule.name
        )
        return msgspec.json.decode(rows[0][0], type=Silence) if rows else None

    def forget_piles(self, owner: str, rule: str) -> None:
        """Forget what a rule remembers of events."""
        with self._write():
            for table in ("gathered", "silences"):
                self._database.execute(
                    f"delete from {table} where owner=? and rule=?",  # noqa: S608
                    (owner, rule),
                )

    # What the dispatcher does.

    def lanes(self) -> list[tuple[str, str]]:
        """The rules, as (owner, name), that have deliveries to be started."""
        lanes: list[tuple[str, str]] = []
        last = ("", "")
        # One step in the index for each rule, however many deliveries it has.
        query = (
            "select owner, rule from deliveries where state='waiting' and ready "
            "and (owner, rule) > (?, ?) order by owner, rule limit 1"
        )
        while rows := self._rows(query, *last):
            last = rows[0]
            lanes.append(last)
        return lanes

    def lease(
        self, owner: str, rule: str, *, limit: int, holder: str, until: float
    ) -> list[Leased]:
        """Take up to ``limit`` deliveries of a rule that are due, the longest due first."""
        with self._write():
            rows = self._database.execute(
                "update deliveries set state='leased', attempts=attempts+1, lease=?, holder=? "  # noqa: S608
                "where number in (select number from deliveries where owner=? and rule=? and "
                "state='waiting' and ready and due<=? order by due, number limit ?) "
                f"returning {COLUMNS}",
                (until, holder, owner, rule, self._clock(), limit),
            ).fetchall()
            rows.sort()
            events = [msgspec.json.decode(row[8], type=tuple[Event, ...]) for row in rows]
            return [Leased(delivery_of(row), each) for row, each in zip(rows, events, strict=True)]

    def next_due(self, owner: str, rule: str) -> float | None:
        """When the next delivery of a rule may start; None when none waits."""
        rows = self._rows(
            "select min(due) from deliveries where owner=? and rule=? and state='waiting' "
            "and ready",
            owner,
            rule,
        )
        return rows[0][0]

    def hold(self, holder: str, until: float) -> None:
        """Renew the leases of a holder."""
        with self._write():
            self._database.execute(
                "update deliveries set lease=? where state='leased' and holder=?", (until, holder)
            )

    def lost(self, *, besides: str, before: float) -> list[Leased]:
        """What others hold whose leases end before a time: their holders are gone."""
        rows = self._rows(
            f"select {COLUMNS} from deliveries where state='leased' "  # noqa: S608
            "and lease<? and holder!=? "
            "order by number",
            before,
            besides,
        )
        return [Leased(delivery_of(row), ()) for row in rows]

    def take_back(self, delivery: Delivery, *, most: int) -> bool:
        """Let a delivery whose holder is gone wait again; False when it was lost too often."""
        with self._write():
            rows = self._database.execute(
                "update deliveries set state='waiting', holder='', lease=0, losses=losses+1, "
                "attempts=attempts-1 where number=? and state='leased' and losses<? "
                "returning losses",
                (delivery.number, most),
            ).fetchall()
            return bool(rows)

    def adopt(self, delivery: Delivery, holder: str) -> None:
        """Take over what somebody holds who is gone."""
        with self._write():
            self._database.execute(
                "update deliveries set holder=? where number=? and state='leased'",
                (holder, delivery.number),
            )

    def end_delivery(
        self,
        delivery: Delivery,
        state: DeliveryState,
        *,
        holder: str,
        error: str = "",
        result: dict[str, Any] | None = None,
        due: float = 0.0,
        events: Iterable[Event] = (),
        job: Job | None = None,
    ) -> bool:
        """Write how an attempt ended, with its effects in our own store, at once.

        Returns
        -------
        bool
            False, and nothing is written, when somebody else has the delivery by now.
        """
        with self._write():
            ended = state in ("done", "dead", "withdrawn")
            rows = self._database.execute(
                "update deliveries set state=?, error=?, result=?, due=max(due, ?), ended=?, "
                "finished=?, events=iif(?, '', events), lease=iif(?, 0, lease) "
                "where number=? and state='leased' and attempts=? and holder=? returning key",
                (
                    state,
                    error[:LONGEST_ERROR],
                    msgspec.json.encode(delivery.result if result is None else result),
                    due,
                    self._clock() if ended else 0.0,
                    now_text() if ended else "",
                    state in ("done", "withdrawn"),
                    state != "leased",
                    delivery.number,
                    delivery.attempts,
                    holder,
                ),
            ).fetchall()
            if not rows:
                return False
            if job is not None:
                self._insert(job)
            self.announce(events)
            if ended and delivery.key:
                self._free(delivery.owner, delivery.rule, delivery.key)
            return True

    def _owe(self, owed: Owed, *, state: DeliveryState = "waiting") -> bool:
        delivery, now = owed.delivery, now_text()
        done = state == "done"
        result = {"job": delivery.id} if done else {}
        rows = self._database.execute(
            "insert or ignore into deliveries(id, owner, rule, key, state, ready, due, ended, "
            "result, finished, body, events) values(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                delivery.id,
                delivery.owner,
                delivery.rule,
                delivery.key,
                state,
                not (delivery.key and self._is_taken(delivery)),
                delivery.due or self._clock(),
                self._clock() if done else 0.0,
                msgspec.json.encode(result),
                now if done else "",
                msgspec.json.encode(msgspec.structs.replace(delivery, created=now)),
                b"" if done else msgspec.json.encode(owed.events),
            ),
        )
        return rows.rowcount > 0

    def _is_taken(self, delivery: Delivery) -> bool:
        return bool(
            self._database.execute(
                f"select 1 from deliveries where owner=? and rule=? and key=? and {_UNENDED} "  # noqa: S608
                "and key!='' limit 1",
                (delivery.owner, delivery.rule, delivery.key),
            ).fetchone()
        )

    def _free(self, owner: str, rule: str, key: str) -> None:
        """Let the next delivery of a key start."""
        self._database.execute(
            "update deliveries set ready=1 where number=(select min(number) from deliveries "  # noqa: S608
            f"where owner=? and rule=? and key=? and key!='' and {_UNENDED})",
            (owner, rule, key),
        )

    def _pile(self, piled: Piled) -> None:
        owner, rule = piled.rule.owner, piled.rule.name
        self._database.executemany(
            "insert or ignore into gathered(owner, rule, slot, by_text, sequence, time, event) "
            "values(?, ?, ?, ?, ?, ?, ?)",
            [
                (owner, rule, *each.place, each.time, msgspec.json.encode(each.event))
                for each in piled.added
            ],
        )
        self._database.executemany(
            "delete from gathered where owner=? and rule=? and slot=? and by_text=? and sequence=?",
            [(owner, rule, *each.place) for each in piled.removed],
        )
        if piled.silence is not None:
            self._database.execute(
                "insert or replace into silences values(?, ?, ?)",
                (owner, rule, msgspec.json.encode(piled.silence)),
            )


def delivery_of(row: tuple[Any, ...]) -> Delivery:
    """A delivery from its columns: what it was made as, and how it stands."""
    number, state, attempts, due, error, result, finished, body = row[:8]
    return msgspec.structs.replace(
        msgspec.json.decode(body, type=Delivery),
        number=number,
        state=state,
        attempts=attempts,
        due=due,
        error=error,
        result=msgspec.json.decode(result),
        finished=finished,
    )
