"""Drives one job through its attempts: hands them over, watches them, gives lost ones up."""

import threading
import time

from ..catalogs.errors import BoathouseError, NotFound
from .executor import Executor, Submission
from .ledger import Ledger
from .recipes import Shelf

# An attempt is lost with its worker; a notebook that fails by itself is not tried again.
ATTEMPTS_LOST = 3
# A cluster that gets no worker in this time is given up, in seconds.  One that has workers may
# be busy for as long as it likes.
PLACE_SECONDS = 600.0
LOOK_SECONDS = 1.0
# When the cluster cannot be had at all; doubles with each attempt.
FIRST_PAUSE_SECONDS = 2.0


class Stopped(BaseException):
    """The driver was told to stop; the job stays as it is for the next one.

    Not an ordinary exception, because those are recorded as the job's end.
    """


class Driver:
    """Takes jobs from ``accepted`` to their end, by the ledger's word alone.

    Parameters
    ----------
    ledger : Ledger
        The truth about jobs; workers report to it.
    shelf : Shelf
        The recipes.
    executor : Executor
        Where attempts run.
    """

    def __init__(self, ledger: Ledger, shelf: Shelf, executor: Executor) -> None:
        self._ledger = ledger
        self._shelf = shelf
        self._executor = executor
        self._submissions: dict[str, Submission] = {}
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Make every :meth:`watch` raise :class:`Stopped`."""
        self._stopping.set()
        self._ledger.wake()

    def begin(self, id: str) -> int:
        """Open an attempt and hand it to the owner's cluster.

        Parameters
        ----------
        id : str
            The job.

        Returns
        -------
        int
            The attempt's number; 0 when the job has ended.
        """
        now = self._ledger.attempt(id)
        if now.job.ended:
            return 0
        if self._ledger.alive(now):
            # We were killed after handing it over, before that was written down.
            return now.job.attempt
        if now.losses >= ATTEMPTS_LOST:
            message = f"Given up after {now.losses} lost attempts. {now.job.message}"
            self._ledger.end(id, "failed", message)
            return 0
        job = self._ledger.begin(id)
        if job is None:
            return 0
        try:
            self._submissions[id] = self._executor.submit(job, self._shelf.source(job.recipe))
        except NotFound as error:
            self._ledger.end(id, "failed", error.detail)
            return 0
        except BoathouseError as error:
            self._ledger.lose(id, job.attempt, error.detail)
            self._stopping.wait(FIRST_PAUSE_SECONDS * 2**now.losses)
        return job.attempt

    def watch(self, id: str, attempt: int) -> None:
        """Wait until an attempt has ended, was overtaken or is lost.

        Raises
        ------
        Stopped
            When the driver was stopped meanwhile.
        """
        submission = self._submissions.get(id)
        give_up = time.monotonic() + PLACE_SECONDS
        while True:
            version = self._ledger.version
            if self._stopping.is_set():
                raise Stopped
            now = self._ledger.attempt(id)
            if now.job.ended or now.job.attempt != attempt:
                break
            if submission is None and not now.claimed:
                # Handed over by a driver that was killed, and not begun.  Nobody knows whether
                # it ever will; once the next attempt is open it may not.
                break
            reason = self._loss(submission, claimed=now.claimed, alive=self._ledger.alive(now))
            if not reason and not now.claimed and time.monotonic() > give_up:
                give_up += PLACE_SECONDS
                if submission and submission.homeless():
                    reason = "The cluster has no workers."
            if reason:
                self._ledger.lose(id, attempt, reason)
                break
            self._ledger.wait(version, LOOK_SECONDS)
        self._submissions.pop(id, None)
        if submission and not now.claimed:
            submission.cancel()

    def close(self, id: str) -> None:
        """Let go of what an ended job had."""
        self._executor.ended(self._ledger.job(id))

    def _loss(self, submission: Submission | None, *, claimed: bool, alive: bool) -> str:
        """Why an attempt is lost; empty when it is not."""
        failure = submission.failure() if submission else ""
        if failure:
            return failure
        if claimed:
            return "" if alive else "The worker was not heard of any more."
        return "The cluster went away." if submission and submission.lost() else ""
