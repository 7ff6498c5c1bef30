"""The one truth about jobs and their attempts."""

import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from ..catalogs.access import PRIVATE
from ..catalogs.errors import NotFound
from ..catalogs.events.event import JOB_CHANGED, Event
from ..catalogs.times import now_text
from .deliveries import Delivery
from .delivery_book import Looked
from .history import History
from .jobs import Job

# How long a worker may be silent before its attempt counts as lost, in seconds.
LEASE_SECONDS = 30.0
# The first lease is short: a worker whose claim was accepted but never answered (the service
# was killed in between) does not begin, and is not waited for long.
CLAIM_SECONDS = 10.0
LONGEST_MESSAGE = 2000

SCHEMA = """
create table if not exists jobs(
    number integer primary key autoincrement, id text not null unique, owner text not null,
    ended integer not null default 0, claimed integer not null default 0,
    lease real not null default 0, losses integer not null default 0,
    revision integer not null default 0, body blob not null);
create index if not exists jobs_of on jobs(owner, number);
create index if not exists jobs_open on jobs(number) where not ended;
"""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job's newest attempt stands.

    Attributes
    ----------
    job : Job
        The job.
    claimed : bool
        Whether a worker has taken the attempt.
    lease : float
        Until when its worker need not be heard of, seconds since 1970.
    losses : int
        How many attempts were lost with their workers.
    """

    job: Job
    claimed: bool
    lease: float
    losses: int


class Ledger(History):
    """Jobs and their attempts, rules, schedules, and the events that tell of jobs.

    Each write is one transaction that is on disk when the method returns.  Every change of a
    job puts an event into the outbox in the same transaction.

    Parameters
    ----------
    path : Path
        The SQLite file; made when missing, for the owner's eyes only.
    lease : float, optional
        How long a worker may be silent before its attempt counts as lost, in seconds.
    clock : callable, optional
        Seconds since 1970.

    Examples
    --------
    >>> import tempfile
    >>> ledger = Ledger(Path(tempfile.mkdtemp()) / "automation.sqlite")
    >>> ledger.insert(Job(id="a", recipe="mean", parameters={}, owner="ann")).state
    'accepted'
    >>> ledger.close()
    """

    def __init__(
        self,
        path: Path,
        *,
        lease: float = LEASE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(path, SCHEMA, clock)
        self._lease = lease

    # Jobs.

    def insert(self, job: Job) -> Job:
        """Store a new job; when its id is known, return the job that has it."""
        with self._write():
            self._insert(job)
            return self.job(job.id)

    def dispatch(self, cursor: int, jobs: Iterable[Job]) -> None:
        """Store jobs and that an event was looked at, at once.

        Parameters
        ----------
        cursor : int
            The event's sequence number; see :meth:`cursor`.
        jobs : iterable of Job
            Those whose ids are known already are left alone.
        """
        with self._write():
            for job in jobs:
                self._insert(job)
            self.look_at(Looked(cursor=cursor))

    def made_by(self, id: str) -> Job | Delivery | None:
        """The job or the delivery of this id, whichever a rule has made."""
        return self.find(id) or self.find_delivery(id)

    def find(self, id: str) -> Job | None:
        """One job, or None."""
        rows = self._rows("select body from jobs where id=?", id)
        return msgspec.json.decode(rows[0][0], type=Job) if rows else None

    def job(self, id: str) -> Job:
        """One job; raises ``NotFound``."""
        job = self.find(id)
        if job is None:
            raise NotFound(f"There is no job {id!r}.", field="id")
        return job

    def jobs(self, *, limit: int, owner: str | None = None) -> list[Job]:
        """Jobs, newest first, of one owner or of all."""
        where, values = ("where owner=?", [owner]) if owner is not None else ("", [])
        rows = self._rows(
            f"select body from jobs {where} order by number desc limit ?",  # noqa: S608
            *values,
            limit,
        )
        return [msgspec.json.decode(body, type=Job) for (body,) in rows]

    def open_jobs(self, *, after: int = 0) -> list[tuple[int, Job]]:
        """Jobs that have not ended, oldest first, each with its number.

        Parameters
        ----------
        after : int
            Only those with a larger number.
        """
        rows = self._rows(
            "select number, body from jobs where not ended and number>? order by number", after
        )
        return [(number, msgspec.json.decode(body, type=Job)) for number, body in rows]

    def count_open(self, owner: str) -> int:
        """How many of a user's jobs have not ended."""
        rows = self._rows("select count(*) from jobs where owner=? and not ended", owner)
        return rows[0][0]

    # Attempts, as the engine sees them.

    def attempt(self, id: str) -> Attempt:
        """Where the newest attempt stands; raises ``NotFound``."""
        rows = self._rows("select body, claimed, lease, losses from jobs where id=?", id)
        if not rows:
            raise NotFound(f"There is no job {id!r}.", field="id")
        body, claimed, lease, losses = rows[0]
        job = msgspec.json.decode(body, type=Job)
        return Attempt(job=job, claimed=bool(claimed), lease=lease, losses=losses)

    def begin(self, id: str) -> Job | None:
        """Open the next attempt, which overtakes any older one; None when the job has ended."""
        with self._write():
            job = self.job(id)
            if job.ended:
                return None
            return self._change(
                job,
                {"claimed": 0, "lease": 0.0},
                state="accepted",
                attempt=job.attempt + 1,
                cells_done=0,
                cells_total=0,
            )

    def lose(self, id: str, attempt: int, reason: str) -> None:
        """Give up an attempt whose worker is gone, unless it has ended or was overtaken."""
        with self._write():
            now = self.attempt(id)
            lost_already = now.claimed and now.job.state == "accepted"
            if now.job.ended or now.job.attempt != attempt or lost_already:
                return
            # It stays claimed, so that nobody can take it now.
            columns = {"claimed": 1, "lease": 0.0, "losses": now.losses + 1}
            self._change(now.job, columns, state="accepted", message=reason)

    def end(self, id: str, state: str, message: str) -> Job:
        """End a job whatever its attempt does: ``dismissed`` by a person, ``failed`` by us."""
        with self._write():
            job = self.job(id)
            if job.ended:
                return job
            return self._change(job, {}, state=state, message=message, finished=now_text())

    def renew_leases(self) -> None:
        """Give every running attempt a fresh lease: nobody could be heard while we were away."""
        with self._write():
            self._database.execute(
                "update jobs set lease=max(lease, ?) where claimed and not ended and lease > 0",
                (self._clock() + self._lease,),
            )

    def alive(self, attempt: Attempt) -> bool:
        """Whether an attempt's worker was heard of lately."""
        return attempt.job.state == "running" and attempt.lease > self._clock()

    # Attempts, as the worker sees them.

    def claim(self, id: str, attempt: int) -> bool:
        """Take an attempt; True for one worker only."""
        with self._write():
            now = self.attempt(id)
            is_open = 0 < attempt == now.job.attempt and not now.job.ended
            if not is_open or now.claimed:
                return False
            self._change(
                now.job,
                {"claimed": 1, "lease": self._clock() + min(CLAIM_SECONDS, self._lease)},
                state="running",
                message="",
                started=now.job.started or now_text(),
            )
            return True

    def progress(self, id: str, attempt: int, *, done: int, total: int, message: str = "") -> bool:
        """Renew an attempt's lease and say how far it is; False when it was overtaken."""
        with self._lock:
            now = self.attempt(id)
            if not _is_current(now, attempt):
                return False
            known = (now.job.cells_done, now.job.cells_total, now.job.message)
            lease = self._clock() + self._lease
            if known == (done, total, message):
                # A heartbeat.  Half a lease is plenty, so most of them cost no write.
                if now.lease < lease - self._lease / 2:
                    with self._write():
                        self._database.execute("update jobs set lease=? where id=?", (lease, id))
                return True
            with self._write():
                # Looked up again: another process may have dismissed it meanwhile.
                now = self.attempt(id)
                if not _is_current(now, attempt):
                    return False
                self._change(
                    now.job,
                    {"lease": lease},
                    cells_done=done,
                    cells_total=total,
                    message=message,
                    notebook=f"runs/{id}/notebook.ipynb",
                )
            return True

    def finish(
        self, id: str, attempt: int, *, error: str = "", results: tuple[str, ...] = ()
    ) -> bool:
        """End an attempt; saying so twice is fine, False when it was overtaken."""
        with self._write():
            now = self.attempt(id)
            if not _is_current(now, attempt):
                mine = now.claimed and now.job.attempt == attempt
                return mine and now.job.state in ("successful", "failed")
            self._change(
                now.job,
                {},
                state="failed" if error else "successful",
                message=error,
                results=results,
                finished=now_text(),
            )
            return True

    def _insert(self, job: Job) -> bool:
        job = msgspec.structs.replace(job, created=job.created or now_text())
        try:
            self._database.execute(
                "insert into jobs(id, owner, body) values(?, ?, ?)",
                (job.id, job.owner, msgspec.json.encode(job)),
            )
        except sqlite3.IntegrityError:
            return False
        self._announce(job, 0)
        return True

    def _change(self, job: Job, columns: dict[str, Any], **fields: Any) -> Job:
        if "message" in fields:
            fields["message"] = fields["message"][:LONGEST_MESSAGE]
        job = msgspec.structs.replace(job, **fields)
        columns = {**columns, "ended": job.ended, "body": msgspec.json.encode(job)}
        settings = ", ".join(f"{name}=:{name}" for name in columns)
        revision = self._database.execute(
            f"update jobs set {settings}, revision=revision+1 where id=:id "  # noqa: S608
            "returning revision",
            {**columns, "id": job.id},
        ).fetchone()[0]
        self._announce(job, revision)
        return job

    def _announce(self, job: Job, revision: int) -> None:
        event = Event(
            type=JOB_CHANGED,
            source=f"/jobs/{job.id}",
            id=f"{job.id}-{job.attempt}-{revision}",
            subject=f"/jobs/{job.id}",
            data=msgspec.to_builtins(job),
            owner=job.owner,
            access=PRIVATE,
        )
        self.announce([event])


def _is_current(now: Attempt, attempt: int) -> bool:
    return now.claimed and now.job.attempt == attempt and now.job.state == "running"
