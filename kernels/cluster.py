"""The user's Dask cluster: through the hub's gateway, or in this process when there is no hub."""

import threading
from typing import TYPE_CHECKING, Any

from ..catalogs.errors import BadRequest, PlanExceeded, Unavailable
from .session import setting

if TYPE_CHECKING:
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
        if _client is not None and _client.status == "running":
            return _client
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
        client.close(timeout=0)
    if cluster is not None:
        cluster.close()


def _lives(cluster: "GatewayCluster | LocalCluster") -> bool:
    gateway = getattr(cluster, "gateway", None)
    if gateway is None:
        return str(cluster.status).endswith("running")
    return any(report.name == cluster.name for report in _reports(gateway))


def _reports(gateway: Any) -> list[Any]:
    """The user's clusters that run or start, the running and the oldest first."""
    from dask_gateway.client import ClusterStatus

    reports = [
        report
        for report in gateway.list_clusters()
        if report.status in (ClusterStatus.RUNNING, ClusterStatus.PENDING)
    ]
    return sorted(reports, key=lambda each: (each.status != ClusterStatus.RUNNING, each.start_time))


def _through_gateway(options: dict[str, Any]) -> "GatewayCluster":
    import aiohttp
    from dask_gateway import Gateway, GatewayClusterError, GatewayServerError

    try:
        with Gateway() as gateway:
            reports = _reports(gateway)
            if reports:
                return gateway.connect(reports[0].name, shutdown_on_close=False)
            cluster = gateway.new_cluster(shutdown_on_close=False, **options)
            cluster.adapt(minimum=int(setting("cluster.minimum")))
            return cluster
    except ValueError as error:
        # The gateway's answer 422: the plan, or an option that does not fit it.
        kind = PlanExceeded if str(error).startswith("Your plan") else BadRequest
        raise kind(str(error)) from error
    except GatewayClusterError as error:
        raise Unavailable(f"{error}; the hub's log has the end of the cluster's log.") from error
    except (GatewayServerError, aiohttp.ClientError, OSError) as error:
        raise Unavailable(f"The Dask gateway does not answer: {error}") from error


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
        dashboard_address=None,  # pyright: ignore[reportArgumentType] - None: no dashboard
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
        return getattr(my_cluster(), name)

    def __await__(self) -> Any:
        return my_cluster().__await__()


def offer_as_default() -> None:
    """Make a bare ``distributed.Client()`` of this process reach the user's cluster.

    A scheduler's address that is configured already stays.
    """
    from dask import config

    if has_gateway() and config.get("scheduler-address", None) is None:
        config.set({"scheduler-address": HubCluster()})
