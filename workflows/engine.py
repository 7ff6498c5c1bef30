"""Runs all jobs of a lake: DBOS holds the queue, the clock, and what was going on at a crash."""

import fcntl
import logging
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, SetEnqueueOptions, SetWorkflowID
from dbos._core import execute_dequeued_workflow
from dbos._dbos import _get_dbos_instance
from dbos._utils import GlobalParams, generate_uuid

from ..catalogs.errors import BoathouseError, Conflict, Unavailable
from ..catalogs.events.event import Event
from ..catalogs.events.log import EventLog
from ..catalogs.outbox import OutboxRelay
from ..catalogs.sqlite import open_database
from .deliveries import Performer, RecipesOnly
from .dispatcher import Dispatcher
from .driver import Driver, Stopped
from .executor import Executor
from .follower import Follower
from .jobs import JOBS_OF_A_USER, Job, Schedule
from .ledger import Ledger
from .pools import Limits
from .recipes import Shelf
from .rules.naming import job_id

logger = logging.getLogger(__name__)

QUEUE = "jobs"
# When one of a user's jobs ends, his next one begins within this time.
POLL_SECONDS = 0.5
CLOCK_SECONDS = 1.0
# How often the ledger's file is looked at while workers of other processes write into it.
LOOK_SECONDS = 0.1
IDLE_SECONDS = 1.0
RELAY_BATCH = 200
BROKEN = "Something broke on our side; quote reference {}."
# What DBOS says of workflows that it will not take up again by itself.
ENDED = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})


class Engine:
    """Runs the jobs of one ledger; a process has at most one engine.

    Parameters
    ----------
    ledger : Ledger
        The truth about jobs.
    log : EventLog
        Where events come from and where those about jobs go.
    shelf : Shelf
        The recipes.
    executor : Executor
        Where attempts run.
    state : Path
        The folder for ``dbos.sqlite`` and the lock.
    groups : callable, optional
        A user's hub groups.
    silence : float, optional
        See :class:`boathouse.workflows.follower.Follower`.
    performer : Performer, optional
        Does what rules ask for that run no recipes.
    limits : Limits, optional
        How much rules do at once.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        log: EventLog,
        shelf: Shelf,
        executor: Executor,
        state: Path,
        groups: Callable[[str], tuple[str, ...]] = lambda _user: (),
        silence: float = 0.5,
        performer: Performer | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._ledger = ledger
        self._log = log
        self.groups = groups
        self._executor = executor
        self._state = state
        self._driver = Driver(ledger, shelf, executor)
        self._driven: set[str] = set()
        self._enqueued = 0
        self._lock = -1
        self._stopping = threading.Event()
        self._performer = performer or RecipesOnly()
        self.dispatcher = Dispatcher(ledger, self._performer, limits=limits, alone=True)
        self._follower = Follower(
            ledger, log, groups=groups, silence=silence, hand=self.dispatcher.hand
        )
        self._relay = OutboxRelay(self._announce, failures=(Unavailable, sqlite3.Error))
        self._house = threading.Thread(target=self._keep_house, name="boathouse-jobs", daemon=True)

    def start(self) -> None:
        """Take up the ledger where the last engine left it.

        Raises
        ------
        Conflict
            When another engine runs in this process or on this lake.
        """
        global _engine
        if _engine is not None:
            raise Conflict("Another lake's automation runs in this process; close that first.")
        self._lock = _take(self._state / "automation.lock")
        _engine = self
        try:
            # First: what DBOS takes up again at once must not find its leases run out.
            self._ledger.renew_leases()
            _launch(self._state / "dbos.sqlite")
            self.plan_schedules()
        except BaseException:
            _engine = None
            os.close(self._lock)
            raise
        self._house.start()
        self.dispatcher.start()
        self._follower.start()
        # Before the interpreter waits for the threads of running workflows at its exit.
        threading._register_atexit(self.stop)  # pyright: ignore[reportAttributeAccessIssue]

    def stop(self) -> None:
        """Stop; attempts go on where they can, and the next engine takes them up."""
        global _engine
        if _engine is not self:
            return
        self._stopping.set()
        self._driver.stop()
        self._follower.stop()
        self.dispatcher.stop(self._performer.close)
        self._house.join(timeout=2.0)
        self._relay.close()
        deadline = time.monotonic() + 2.0
        while self._driven and time.monotonic() < deadline:
            time.sleep(0.01)
        DBOS.destroy()
        self._executor.close()
        _engine = None
        os.close(self._lock)

    def plan_schedules(self) -> None:
        """Let the clock know exactly the schedules of the ledger."""
        wanted = {f"{each.owner}/{each.name}": each for each in self._ledger.kept(Schedule)}
        for planned in DBOS.list_schedules():
            name = planned["schedule_name"]
            schedule = wanted.get(name)
            if schedule is not None and schedule.cron == planned["schedule"]:
                del wanted[name]
            else:
                DBOS.delete_schedule(name)
        for name, schedule in wanted.items():
            DBOS.create_schedule(
                schedule_name=name,
                workflow_fn=_tick,
                schedule=schedule.cron,
                context={"owner": schedule.owner, "name": schedule.name},
            )

    def drive(self, id: str) -> None:
        """Take one job to its end; the body of its workflow."""
        self._driven.add(id)
        try:
            while attempt := DBOS.run_step({"name": "begin"}, self._driver.begin, id):
                self._driver.watch(id, attempt)
        except Exception:
            reference = secrets.token_hex(4)
            logger.exception("Job %s failed by our own fault [%s]", id, reference)
            self._ledger.end(id, "failed", BROKEN.format(reference))
            raise
        finally:
            self._driven.discard(id)
        self._driver.close(id)

    def tick(self, due: datetime, owner: str, name: str) -> None:
        """Make the job of a schedule that is due, unless its last one still waits."""
        schedules = self._ledger.kept(Schedule)
        mine = [each for each in schedules if (each.owner, each.name) == (owner, name)]
        waiting = any(
            (job.owner, job.schedule, job.state) == (owner, name, "accepted")
            for _number, job in self._ledger.open_jobs()
        )
        if not mine or waiting:
            return
        self._ledger.insert(
            Job(
                id=job_id("schedule", owner, name, due.isoformat()),
                recipe=mine[0].recipe,
                parameters=mine[0].parameters,
                owner=owner,
                schedule=name,
            )
        )

    def _keep_house(self) -> None:
        """Pass on what is new in the ledger: jobs to the queue, events to the log."""
        while not self._stopping.is_set():
            version = self._ledger.version
            self._relay.wake()
            self.dispatcher.wake()
            try:
                for number, job in self._ledger.open_jobs(after=self._enqueued):
                    self._enqueue(job)
                    self._enqueued = number
                if self._executor.ledger and self._driven:
                    self._ledger.look()
                    self._ledger.wait(version, LOOK_SECONDS)
                    continue
            except Exception:
                # Whatever it is, the jobs of all users depend on this thread.
                logger.exception("Cannot queue jobs; trying again")
            self._ledger.wait(version, IDLE_SECONDS)

    def _enqueue(self, job: Job) -> None:
        # The same id again changes nothing, so after a crash all open jobs are queued again.
        with SetWorkflowID(job.id), SetEnqueueOptions(queue_partition_key=job.owner):
            status = DBOS.enqueue_workflow(QUEUE, _job, job.id).get_status().status
        if status in ENDED:
            logger.error("Job %s is open, but its workflow has ended: %s", job.id, status)
            self._ledger.end(job.id, "failed", BROKEN.format(job.id))
        elif status == "ENQUEUED":
            _hurry(job.owner)

    def _announce(self) -> int:
        """Carry events about jobs to the log; returns how many, so 0 when none is left."""
        pending = self._ledger.pending(RELAY_BATCH)
        if not pending:
            return 0
        try:
            self._log.append([event for _number, event in pending])
        except Unavailable:
            raise
        except BoathouseError:
            # The log refuses one of them, which must not stand in the way of the others.
            for _number, event in pending:
                self._announce_alone(event)
        self._ledger.sent(pending[-1][0])
        return len(pending)

    def _announce_alone(self, event: Event) -> None:
        try:
            self._log.append([event])
        except Unavailable:
            raise
        except BoathouseError:
            logger.exception("The log refuses the event %s", event.id)


_engine: Engine | None = None


@DBOS.workflow(name="boathouse.job", max_recovery_attempts=None)
def _job(id: str) -> None:
    if _engine is None:
        raise Stopped
    _engine.drive(id)


@DBOS.workflow(name="boathouse.tick")
def _tick(due: datetime, context: Any) -> None:
    if _engine is None:
        raise Stopped
    _engine.tick(due, context["owner"], context["name"])


def _launch(path: Path) -> None:
    # WAL, FULL and mode 0600 stay with the file that DBOS opens next.
    open_database(path).close()
    config = DBOSConfig(
        name="boathouse",
        system_database_url=f"sqlite:///{path}",
        # What is pending is taken up by the next engine whatever the version of our code.
        application_version="boathouse",
        executor_id="automation",
        log_level="WARNING",
        scheduler_polling_interval_sec=CLOCK_SECONDS,
    )
    DBOS(config=config)
    DBOS.launch()
    DBOS.register_queue(
        QUEUE, partition_concurrency=JOBS_OF_A_USER, polling_interval_sec=POLL_SECONDS
    )


def _hurry(owner: str) -> None:
    """Start what the queue may start for a user, without waiting for its next poll.

    This is what DBOS's own queue thread does (dbos/_queue.py at the pinned version); there is
    no public call for it.
    """
    dbos, queue = _get_dbos_instance(), DBOS.retrieve_queue(QUEUE)
    assert queue is not None, "registered at launch"
    claim = generate_uuid()
    ids, _limit = dbos._sys_db.start_queued_workflows(
        queue, GlobalParams.executor_id, GlobalParams.app_version, owner, owner_xid=claim
    )
    for status in dbos._sys_db.get_workflow_statuses(ids):
        execute_dequeued_workflow(dbos, status, claim)


def _take(path: Path) -> int:
    """Lock a file until the returned descriptor is closed, by a crash too."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise Conflict(
            "Another process runs the automation of this lake. If that is the hub, work "
            "through it (boathouse.address); else close the other session."
        ) from error
    return lock
