"""Calls a function on a worker of a delivery's owner and waits for its answer."""

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, TypeVar

from ...catalogs.errors import Unavailable
from ...catalogs.lake import Connection
from ..deliveries import Delivery
from ..executor import Executor
from ..jobs import Job

if TYPE_CHECKING:
    from distributed import Client, Future

# How often it is looked whether the cluster is still there, in seconds.
LOOK_SECONDS = 1.0
# A cluster that has no worker for so long is given up, in seconds.
PLACE_SECONDS = 600.0
# A token of the owner serves all deliveries of this time, in seconds: a quarter of its life.
LOAN_SECONDS = 6 * 3600.0

T = TypeVar("T")


class OwnersCluster:
    """The Dask clusters of the owners of deliveries.

    Parameters
    ----------
    executor : Executor
        Finds or makes the cluster of an owner, and lends a token in the owner's name.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._borrowers: dict[str, list[Job]] = {}

    def close(self) -> None:
        """Make every :meth:`call` that waits raise ``Unavailable``."""
        self._stopping.set()

    def connection(self, owner: str) -> Connection | None:
        """How the owner's worker reaches the hub; None without one."""
        return self._executor.connection(self._borrower(owner))

    def call(self, delivery: Delivery, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function of ours on a worker of the delivery's owner.

        Parameters
        ----------
        delivery : Delivery
            Its id and attempt name the task.
        function : callable
            Catches what it runs may raise, so that only our own words come back.
        *arguments
            For the function.

        Raises
        ------
        Unavailable
            When the cluster cannot be had, or goes away while the function runs.
        """
        try:
            client = self._executor.client(self._borrower(delivery.owner))
            future = client.submit(
                function,
                *arguments,
                key=f"delivery-{delivery.id}-{delivery.attempts}",
                retries=0,
                pure=False,
            )
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"The Dask cluster of {delivery.owner} failed: {error}") from error
        try:
            return self._wait(client, future, delivery.owner)
        finally:
            with contextlib.suppress(OSError, RuntimeError, TimeoutError):
                future.release()

    def _wait(self, client: "Client", future: "Future[T]", owner: str) -> T:
        give_up = time.monotonic() + PLACE_SECONDS
        while not self._stopping.is_set():
            try:
                return future.result(timeout=LOOK_SECONDS)
            except CancelledError as error:
                raise Unavailable(f"The Dask cluster of {owner} went away.") from error
            except TimeoutError:
                if future.status not in ("pending", "finished"):
                    raise Unavailable(
                        f"The Dask cluster of {owner} lost the task ({future.status})."
                    ) from None
            if client.status == "closed":
                raise Unavailable(f"The Dask cluster of {owner} went away.")
            if client.scheduler_info(n_workers=1)["workers"]:
                give_up = time.monotonic() + PLACE_SECONDS
            elif time.monotonic() > give_up:
                raise Unavailable(f"The Dask cluster of {owner} has no workers.")
        raise Unavailable("Automation stops; this is tried again.")

    def _borrower(self, owner: str) -> Job:
        """In whose name a token is lent: not for each delivery, which would cost the hub much."""
        period = int(time.time() // LOAN_SECONDS)
        job = Job(id=f"rules-{owner}-{period}", recipe="", parameters={}, owner=owner)
        with self._lock:
            known = self._borrowers.setdefault(owner, [])
            if not known or known[-1].id != job.id:
                known.append(job)
            # The one before may still be in the hands of a task that runs.
            over = [known.pop(0) for _ in range(len(known) - 2)]
        for each in over:
            self._executor.ended(each)
        return job
