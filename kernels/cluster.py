"""The user's Dask cluster: through the hub's gateway, or in this process when there is no hub."""

import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..catalogs.errors import BadRequest, PlanExceeded, Unavailable
from ..catalogs.http import backoff, client, error_of
from .finalizers import guard_finalizers
from .session import setting

if TYPE_CHECKING:
    import httpx
    from dask_gateway import GatewayCluster
    from distributed import Client, LocalCluster

OPTIONS = ("workers", "memory")

_lock = threading.RLock()
_client: "Client | None" = None
_cluster: "GatewayCluster | LocalCluster | None" = None


def attach(**options: Any) -> "Client":
    """Connect to your Dask cluster; it is made at the first call and ends when it is idle.

    In a kernel of the hub this is your one cluster behind the gateway, shared by all your
    notebooks; it grows and shrinks within your plan.  In a job it is the cluster that the
    job runs on.  Without a hub it is a small cluster in this process.

    Parameters
    ----------
    workers : int, optional
        Workers at most, within your plan.  Only used when the cluster has to be made.
    memory : float, optional
        Memory of a worker, GiB.  Only used when the cluster has to be made.

    Returns
    -------
    distributed.Client
        As ``distributed.Client()`` would give.

    Raises
    ------
    PlanExceeded
        When your plan allows no further cluster.
    Unavailable
        When the gateway does not answer or the cluster does not start.

    Examples
    --------
    >>> client = attach()  # doctest: +SKIP
    """
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise BadRequest(
            f"attach() knows {' and '.join(OPTIONS)}, not {', '.join(unknown)}.", field=unknown[0]
        )
    global _client
    with _lock:
        if _client is not None:
            # A client learns late that its cluster has ended; the gateway knows.
            if _client.status == "running" and (_cluster is None or _lives(_cluster)):
                return _client
            _close(_client)
        _client = _connect(options)
        return _client


def _connect(options: dict[str, Any]) -> "Client":
    from distributed import Client

    address = _given_address()
    if address:
        return Client(address)
    return Client(my_cluster(**options))


def _given_address() -> str:
    """A scheduler's address from the environment, as a job's kernel has it."""
    from dask import config

    address = config.get("scheduler-address", None)
    return "" if address is None or isinstance(address, HubCluster) else str(address)


def has_gateway() -> bool:
    """Whether this process was told of a gateway."""
    from dask import config

    return bool(config.get("gateway.address", None))


def my_cluster(**options: Any) -> "GatewayCluster | LocalCluster":
    """The cluster that :func:`attach` connects to; made when there is none."""
    global _cluster
    with _lock:
        if _cluster is not None and not _lives(_cluster):
            _forget()
        if _cluster is None:
            _cluster = _through_gateway(options) if has_gateway() else _in_process(options)
        return _cluster


def _forget() -> None:
    """Let go of a cluster that has ended."""
    global _client, _cluster
    client, cluster = _client, _cluster
    _client = _cluster = None
    if client is not None:
        _close(client)
    if cluster is not None:
        cluster.close()


def _close(client: "Client") -> None:
    """Close a client, which may still be looking for a scheduler that is gone."""
    with suppress(TimeoutError):
        client.close(timeout=2)


def _lives(cluster: "GatewayCluster | LocalCluster") -> bool:
    if getattr(cluster, "gateway", None) is None:
        return str(cluster.status).endswith("running")
    return cluster.name in _my_clusters()


def _through_gateway(options: dict[str, Any]) -> "GatewayCluster":
    name = next(iter(_my_clusters()), "")
    if not name:
        try:
            name = _ask("POST", "clusters/", {"cluster_options": options})["name"]
        except PlanExceeded:
            # Another notebook of this user may have been faster.
            name = next(iter(_my_clusters()), "")
            if not name:
                raise
    # Only now: the import takes about as long as the scheduler, which is starting already.
    from dask_gateway import GatewayCluster, GatewayClusterError

    guard_finalizers()
    try:
        return GatewayCluster.from_name(name, shutdown_on_close=False)
    except (GatewayClusterError, OSError) as error:
        raise Unavailable(
            f"Your Dask cluster did not start ({error}). The hub's log has its last words."
        ) from error


def _my_clusters() -> list[str]:
    """Names of the user's clusters that run or start, the running and the oldest first."""
    found = _ask("GET", "clusters/?status=running,pending").values()
    return [
        each["name"]
        for each in sorted(
            found, key=lambda each: (each["status"] != "RUNNING", each["start_time"])
        )
    ]


def _ask(method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Ask the gateway, with a little patience when it is restarting."""
    import httpx
    from dask import config

    url = f"{config.get('gateway.address').rstrip('/')}/api/v1/{path}"
    token = os.environ.get("JUPYTERHUB_API_TOKEN", "")
    for attempt in range(12):
        try:
            response = client().request(
                method, url, json=body, headers={"Authorization": f"token {token}"}
            )
        except httpx.ConnectError:
            response = None
        # A gateway that is starting listens before it knows its own routes: 404.
        if response is not None and response.status_code not in (404, 502, 503, 504):
            return _answer(response)
        time.sleep(backoff(attempt))
    raise Unavailable("The Dask gateway does not answer; try again in a moment.")


def _answer(response: "httpx.Response") -> dict[str, Any]:
    if response.is_success:
        return response.json()
    if response.status_code != 422:
        raise error_of(response, "dask-gateway")
    text = str(response.json().get("error", response.text))
    kind = PlanExceeded if text.startswith("Your plan") else BadRequest
    raise kind(text)


def _in_process(options: dict[str, Any]) -> "LocalCluster":
    from distributed import LocalCluster

    # Threads and not processes: it starts in a fraction of a second, needs no __main__ guard
    # in a script, and numpy, zarr and icechunk let go of the interpreter's lock.
    memory = options.get("memory")
    return LocalCluster(
        n_workers=int(options.get("workers") or setting("cluster.local.workers")),
        threads_per_worker=int(setting("cluster.local.threads")),
        memory_limit=f"{memory}GiB" if memory else "auto",
        processes=False,
        # No dashboard, which would take a second to import; its port is opened all the same.
        dashboard_address=":0",
        scheduler_kwargs={"dashboard": False},
        resources={"kernel": 1},
    )


class HubCluster(str):
    """Stands for the user's cluster before it is made.

    It is the ``scheduler-address`` in the Dask configuration of a Boathouse kernel, so that a
    bare ``distributed.Client()`` finds what :func:`attach` finds.  A ``str``, since Dask sends
    its configuration around; every attribute of a cluster comes from the real one.
    """

    __slots__ = ()

    def __new__(cls) -> "HubCluster":
        """Make the one value there is."""
        return super().__new__(cls, "boathouse://my-cluster")

    def __reduce__(self) -> tuple[Any, ...]:
        return HubCluster, ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_for_client(), name)

    def __await__(self) -> Any:
        return _for_client().__await__()


def _for_client() -> "GatewayCluster | LocalCluster":
    """The cluster; on its own event loop, where nothing may wait, without a look at the gateway."""
    import asyncio

    if _cluster is not None:
        try:
            if asyncio.get_running_loop() is getattr(_cluster.loop, "asyncio_loop", None):
                return _cluster
        except RuntimeError:
            pass
    return my_cluster()


def offer_as_default() -> None:
    """Make a bare ``distributed.Client()`` of this process reach the user's cluster.

    A scheduler's address that is configured already stays.
    """
    from dask import config

    if has_gateway() and config.get("scheduler-address", None) is None:
        config.set({"scheduler-address": HubCluster()})
