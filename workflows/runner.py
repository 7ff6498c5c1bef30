"""Runs one attempt of a job: executed on a Dask worker, with papermill, in a kernel of its own."""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..catalogs.errors import BoathouseError, Unavailable
from ..catalogs.lake import Connection, connect_lake, open_lake
from ..catalogs.records import Item
from .pulse import Pulse

if TYPE_CHECKING:
    from .automation import Automation
    from .ledger import Ledger

logger = logging.getLogger(__name__)

# How long the end of an attempt is reported until somebody hears it, in seconds: the service
# may be restarting, and the work must not be lost for that.
REPORT_SECONDS = 300.0
RETRY_SECONDS = 0.5
# How many of the lake's newest items are searched for what the job has published.
NEWEST_ITEMS = 1000


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """All that a worker must know to run one attempt.

    Attributes
    ----------
    job : str
        The job's id.
    attempt : int
        Which attempt this is; older ones are refused by the ledger.
    recipe, notebook : str
        The recipe's name, and itself as JSON text.
    parameters : dict
        Checked values by name.
    lake : str
        The lake's folder.
    connection : Connection or None
        The hub and the job's own token; None for a lake in one machine without a hub.
    ledger : str
        The ledger's file, when there is no hub to report to.
    """

    job: str
    attempt: int
    recipe: str
    notebook: str
    parameters: dict[str, Any]
    lake: str
    connection: Connection | None = None
    ledger: str = ""

    def __repr__(self) -> str:
        return f"Order({self.job!r}, attempt={self.attempt})"


def run_notebook(order: Order) -> str:
    """Run one attempt and report its end.

    Parameters
    ----------
    order : Order
        What to run.

    Returns
    -------
    str
        ``"successful"``, ``"failed"``, or ``"overtaken"`` when the attempt was not wanted any
        more.  The ledger holds the truth; this is for the eyes of who looks at Dask.
    """
    environment = kernel_environment(order, _leave_pool())
    with _reports_of(order) as reports:
        if not _insist(lambda: reports.claim(order.job, order.attempt)):
            return "overtaken"
        with tempfile.TemporaryDirectory(prefix="boathouse-", ignore_cleanup_errors=True) as folder:
            # papermill is imported late: it takes a second, and who submits does not need it.
            from .notebook import NotebookRun

            run = NotebookRun(order, folder=folder, environment=environment)

            def report(**said: Any) -> bool:
                return reports.progress(order.job, order.attempt, **said)

            pulse = Pulse(report, run.kill)
            try:
                error = run.execute(pulse)
            finally:
                pulse.close()
        _insist(pulse.catch_up)
        if pulse.overtaken:
            return "overtaken"
        results = () if error else _insist(lambda: published(order))
        heard = _insist(
            lambda: reports.finish(order.job, order.attempt, error=error, results=results)
        )
    return ("failed" if error else "successful") if heard else "overtaken"


def published(order: Order) -> tuple[str, ...]:
    """The collections whose newest items say that they came from this job, oldest first."""
    if order.connection:
        lake = connect_lake(order.lake, order.connection, job=order.job)
    else:
        lake = open_lake(order.lake)
    try:
        found = [
            item.collection
            for item in lake.store.items(limit=NEWEST_ITEMS)
            if came_from(item, order.job)
        ]
    finally:
        if order.connection:
            lake.close()
    return tuple(dict.fromkeys(reversed(found)))


def came_from(item: Item, job: str) -> bool:
    """Whether a job has published an item."""
    return any(link.rel == "via" and link.href == f"/jobs/{job}" for link in item.links)


def kernel_environment(order: Order, worker: Any) -> dict[str, str]:
    """The environment of the job's kernel.

    The kernel finds the lake, the hub (with the job's token, not the worker's) and the very
    cluster that it runs on.

    Parameters
    ----------
    order : Order
        The job.
    worker : distributed.Worker or None
        The worker that this code runs on.
    """
    environment = {**os.environ, "BOATHOUSE_JOB": order.job, "DASK_BOATHOUSE__LAKE": order.lake}
    if order.connection:
        environment |= {
            "DASK_BOATHOUSE__ADDRESS": order.connection.address,
            "JUPYTERHUB_API_TOKEN": order.connection.token,
            "JUPYTERHUB_USER": order.connection.user,
        }
    else:
        for name in ("DASK_BOATHOUSE__ADDRESS", "JUPYTERHUB_API_TOKEN"):
            environment.pop(name, None)
    # A cluster inside one process has an address that only this process understands.
    if worker is not None and not worker.scheduler.address.startswith("inproc"):
        environment["DASK_SCHEDULER_ADDRESS"] = worker.scheduler.address
        environment |= _security(worker.security)
    return environment


def _leave_pool() -> Any:
    """Step out of the worker's pool of threads and return the worker; None when called directly.

    The notebook may wait for tasks of its own on this cluster: were the thread kept, a few
    notebooks would lock each other out.  The worker's "kernel" resource stays taken.
    """
    from distributed import get_worker, secede

    try:
        worker = get_worker()
    except ValueError:
        return None
    secede()
    return worker


def _security(security: Any) -> dict[str, str]:
    # A worker's certificate is as good for a client: the cluster has only one.
    names = {
        "CA_FILE": security.tls_ca_file,
        "CLIENT__CERT": security.tls_worker_cert,
        "CLIENT__KEY": security.tls_worker_key,
    }
    prefix = "DASK_DISTRIBUTED__COMM__TLS__"
    return {f"{prefix}{name}": value for name, value in names.items() if value}


@contextmanager
def _reports_of(order: Order) -> "Generator[Automation | Ledger]":
    if order.connection:
        from .remote import HttpAutomation

        yield HttpAutomation(order.connection)
        return
    from .ledger import Ledger

    ledger = Ledger(Path(order.ledger))
    try:
        yield ledger
    finally:
        ledger.close()


def _insist(call: Callable[[], Any]) -> Any:
    """Call until the service answers."""
    deadline = time.monotonic() + REPORT_SECONDS
    while True:
        try:
            return call()
        except BoathouseError as error:
            if time.monotonic() > deadline:
                raise
            # While the hub restarts, services may refuse tokens that are good.
            level = logging.INFO if isinstance(error, Unavailable) else logging.WARNING
            logger.log(level, "Trying again to report: %s", error)
        time.sleep(RETRY_SECONDS)
