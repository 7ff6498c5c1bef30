"""Where jobs run: a base class, and the cluster of this machine for a lake without a hub."""

import contextlib
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalogs.errors import Unavailable
from ..catalogs.lake import Connection
from .jobs import Job
from .runner import Order, run_notebook

if TYPE_CHECKING:
    from distributed import Client, Future

# Dask's abstract resource that limits how many notebooks a worker holds at a time.
KERNEL = "kernel"
NOTEBOOKS_AT_ONCE = 2


class Submission:
    """An attempt that was handed to Dask."""

    def __init__(self, future: "Future[str]") -> None:
        self._future = future

    def failure(self) -> str:
        """Why the attempt ended without a word to the ledger; empty while it has not."""
        if self._future.status == "error":
            return f"The worker failed: {self._future.exception(timeout=5)!r}"
        return ""

    def lost(self) -> bool:
        """Whether the cluster has forgotten the attempt, or is gone."""
        client = self._future.client
        closed = client is None or client.status == "closed"
        return closed or self._future.status in ("lost", "cancelled")

    def homeless(self) -> bool:
        """Whether the cluster has no worker at all."""
        client = self._future.client
        return client is None or not _workers(client)

    def cancel(self) -> None:
        """Take back an attempt that has not begun."""
        with contextlib.suppress(OSError, RuntimeError, TimeoutError):
            self._future.cancel()


class Executor(ABC):
    """Hands attempts to the Dask cluster of a job's owner.

    Parameters
    ----------
    lake : Path
        The lake's folder.
    ledger : Path, optional
        The ledger's file, if workers report by writing into it.
    """

    def __init__(self, lake: Path, *, ledger: Path | None = None) -> None:
        self.lake = lake
        self.ledger = ledger

    def submit(self, job: Job, notebook: str) -> Submission:
        """Hand the job's newest attempt to the owner's cluster.

        It outlives this process: a service that restarts finds it running.

        Parameters
        ----------
        job : Job
            With the number of the attempt.
        notebook : str
            The recipe as JSON text.

        Raises
        ------
        Unavailable
            When the owner's cluster cannot be reached or made.
        """
        order = Order(
            job=job.id,
            attempt=job.attempt,
            recipe=job.recipe,
            notebook=notebook,
            parameters=job.parameters,
            lake=str(self.lake),
            connection=self.connection(job),
            ledger=str(self.ledger or ""),
        )
        try:
            return _hand_over(self.client(job), order)
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"The Dask cluster of {job.owner} failed: {error}") from error

    @abstractmethod
    def client(self, job: Job) -> "Client":
        """A client of the owner's cluster, which is made when there is none."""

    def connection(self, job: Job) -> Connection | None:
        """How the job reaches the hub, with a token of its own; None without a hub."""
        return None

    def ended(self, job: Job) -> None:  # noqa: B027 - not every executor lends something
        """The job is over: withdraw what was lent to it."""

    def close(self) -> None:  # noqa: B027 - not every executor holds something
        """Release clients; attempts go on."""


class LocalExecutor(Executor):
    """Runs jobs on this process's Dask client, or on a cluster of threads of its own.

    Parameters
    ----------
    lake : Path
        The lake's folder.
    ledger : Path
        The ledger's file, into which the workers report.
    """

    def __init__(self, lake: Path, *, ledger: Path) -> None:
        super().__init__(lake, ledger=ledger)
        self._lock = threading.Lock()
        self._own: Any = None

    def client(self, job: Job) -> "Client":
        """The client that the user has open, else that of our own cluster."""
        from distributed import Client, LocalCluster, default_client

        with self._lock:
            if self._own is None:
                with contextlib.suppress(ValueError):
                    return default_client()
                # Threads, but with an address that the job's kernel can reach: processes
                # would run the user's script again unless it is guarded for that.
                cluster = LocalCluster(
                    n_workers=1,
                    threads_per_worker=4,
                    processes=False,
                    protocol="tcp",
                    host="127.0.0.1",
                    resources={KERNEL: NOTEBOOKS_AT_ONCE},
                    # None would put the scheduler's small HTTP server on the usual port.
                    dashboard_address=":0",
                    scheduler_kwargs={"dashboard": False},
                )
                self._own = Client(cluster, set_as_default=False)
            return self._own

    def close(self) -> None:
        """Stop our own cluster, if it was made."""
        with self._lock:
            client, self._own = self._own, None
        if client is not None:
            cluster = client.cluster
            client.close()
            cluster.close()


def _hand_over(client: "Client", order: Order) -> Submission:
    from distributed import fire_and_forget

    future = client.submit(
        run_notebook,
        order,
        key=f"job-{order.job}-{order.attempt}",
        resources={KERNEL: 1} if _has_kernels(client) else None,
        # The ledger decides on another attempt, since it knows what has happened.
        retries=0,
        pure=False,
    )
    fire_and_forget(future)
    return Submission(future)


def _has_kernels(client: "Client") -> bool:
    return any(KERNEL in worker["resources"] for worker in _workers(client))


def _workers(client: "Client") -> list[dict[str, Any]]:
    return list(client.scheduler_info(n_workers=-1)["workers"].values())
