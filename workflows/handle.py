"""Jobs, rules and schedules as a notebook holds them."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..catalogs.errors import JobFailed, Unavailable
from ..catalogs.lake import Lake
from .automation import Automation
from .jobs import Job, Rule, Schedule, State
from .listing import job_html, schedule_html
from .runner import came_from

if TYPE_CHECKING:
    import xarray as xr

Thing = TypeVar("Thing", Rule, Schedule)

FIRST_LOOK_SECONDS = 0.1
LONGEST_LOOK_SECONDS = 1.0


class JobHandle:
    """A job that was set off by hand.

    Parameters
    ----------
    job : Job
        The job.
    automation : Automation
        Who runs it.
    lake : Lake
        Where its results are.

    Examples
    --------
    >>> job = bh.run("mean-over-shape", dataset="era5-uk", shape=shape)  # doctest: +SKIP
    >>> job.wait(60).result()  # doctest: +SKIP
    <xarray.Dataset> ...
    """

    def __init__(self, job: Job, automation: Automation, lake: Lake) -> None:
        self._job = job
        self._automation = automation
        self._lake = lake

    def __repr__(self) -> str:
        job = self.refresh()
        return f"<Job {job.id} {job.recipe}: {job.state} {job.cells_done}/{job.cells_total}>"

    def _repr_html_(self) -> str:
        return job_html(self.refresh())

    @property
    def id(self) -> str:
        """The job's id."""
        return self._job.id

    @property
    def state(self) -> State:
        """Its state now."""
        return self.refresh().state

    @property
    def message(self) -> str:
        """What it does now, or why it failed."""
        return self.refresh().message

    def refresh(self) -> Job:
        """The job as it stands now."""
        if not self._job.ended:
            self._job = self._automation.job(self._job.id)
        return self._job

    def wait(self, timeout: float | None = None) -> "JobHandle":
        """Wait until the job has ended, well or not.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None waits for ever.

        Returns
        -------
        JobHandle
            Itself.

        Raises
        ------
        TimeoutError
            When it has not ended by then; it goes on.
        """
        deadline = time.monotonic() + timeout if timeout is not None else None
        pause = FIRST_LOOK_SECONDS
        while not self._look().ended:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(
                    f"Job {self.id} is still {self._job.state} after {timeout:g} s; it goes on."
                )
            time.sleep(pause)
            pause = min(pause * 1.2, LONGEST_LOOK_SECONDS)
        return self

    def result(self, timeout: float | None = None) -> "xr.Dataset":
        """Wait, and open the first dataset that the job has published.

        Raises
        ------
        JobFailed
            When the notebook failed, the job was dismissed, or it published nothing; the
            executed notebook (:meth:`notebook`) shows where.
        """
        from ..catalogs.reader import open_catalog

        job = self.wait(timeout).refresh()
        if job.state != "successful":
            raise JobFailed(f"Job {job.id} {job.state}: {job.message}")
        if not job.results:
            raise JobFailed(f"Job {job.id} has published nothing; look at its notebook().")
        name = job.results[0]
        # Not what others, or this recipe's next run, have published under the name since.
        mine = (item for item in self._lake.store.items(name) if came_from(item, job.id))
        snapshot = next((item.snapshot for item in mine), "")
        return open_catalog(self._lake)[name].read(snapshot=snapshot)

    def notebook(self) -> bytes:
        """The executed notebook (ipynb) as far as it got."""
        return self._automation.notebook(self.id)

    def dismiss(self) -> "JobHandle":
        """Stop the job."""
        self._job = self._automation.dismiss(self.id)
        return self

    def _look(self) -> Job:
        try:
            return self.refresh()
        except Unavailable:
            # The service restarts; the job goes on.
            return self._job


class Saved(Generic[Thing]):
    """A rule or a schedule that was saved; its fields are attributes.

    Parameters
    ----------
    thing : Rule or Schedule
        What was saved.
    delete : callable
        Withdraws it by name.

    Examples
    --------
    >>> daily = bh.schedule("0 6 * * *", "mean-over-shape", dataset="sst")  # doctest: +SKIP
    >>> daily.delete()  # doctest: +SKIP
    """

    def __init__(self, thing: Thing, delete: Callable[[str], None]) -> None:
        self._thing = thing
        self._delete = delete

    def __repr__(self) -> str:
        return repr(self._thing)

    def _repr_html_(self) -> str:
        return schedule_html(self._thing) if isinstance(self._thing, Schedule) else repr(self)

    def __getattr__(self, name: str) -> Any:
        # Not for our own: a copy or a pickle asks before __init__ has run.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._thing, name)

    def delete(self) -> None:
        """Withdraw it; running jobs end in peace."""
        self._delete(self._thing.name)
