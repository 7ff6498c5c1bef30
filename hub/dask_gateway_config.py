"""The Dask gateway as a service of the hub: plans by hub group, clusters that survive its crash.

``jupyterhub_config.py`` starts it and gives it its environment; the hub gives it its token.
"""

import os
import sys
from pathlib import Path

from dask_gateway_server.options import Float, Integer, Options

from boathouse.hub.layout import STATE
from boathouse.hub.plans import plan_of

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - traitlets puts it here

LAKE = Path(os.environ["BOATHOUSE_LAKE"])
KERNEL = ("DASK_BOATHOUSE__LAKE", "DASK_BOATHOUSE__ADDRESS")

c.Proxy.address = f"127.0.0.1:{os.environ['BOATHOUSE_GATEWAY_PORT']}"
c.Proxy.prefix = "/services/dask-gateway"
c.Proxy.proxy_status_period = 1  # a killed proxy is back within a second or two
c.DaskGateway.address = f"127.0.0.1:{os.environ['BOATHOUSE_GATEWAY_API_PORT']}"
c.DaskGateway.authenticator_class = "boathouse.hub.gateway_backend.HubTokenAuthenticator"
c.DaskGateway.backend_class = "boathouse.hub.gateway_backend.PlanBackend"

# On disk, so that clusters outlive a crash of the gateway; in memory they would be orphans.
c.DBBackendBase.db_url = f"sqlite:///{LAKE / STATE / 'gateway.sqlite'}"
c.DBBackendBase.stop_clusters_on_shutdown = True
c.DBBackendBase.cluster_status_period = 2  # one that fails at its start is said soon
c.DBBackendBase.worker_status_period = 2
c.LocalBackend.clusters_directory = str(LAKE / STATE / "clusters")
c.LocalBackend.sigint_timeout = 5
c.PlanBackend.homes = str(LAKE / STATE / "homes")

# distributed has no dask-scheduler and dask-worker any more, which are the gateway's defaults.
c.ClusterConfig.scheduler_cmd = [sys.executable, "-m", "dask", "scheduler"]
c.ClusterConfig.worker_cmd = [sys.executable, "-m", "dask", "worker"]
c.ClusterConfig.scheduler_memory = "512 M"
c.ClusterConfig.idle_timeout = float(os.environ.get("BOATHOUSE_CLUSTER_IDLE", "600"))
c.ClusterConfig.adaptive_period = 1
c.ClusterConfig.environment = {name: os.environ[name] for name in KERNEL}


def cluster_options(user):
    """What a user can choose for a cluster, within the plan."""
    plan = plan_of(user.groups)

    def configuration(chosen):
        return {
            "cluster_max_workers": chosen.workers,
            "worker_threads": plan.threads,
            "worker_memory": int(chosen.memory * 2**30),
        }

    return Options(
        Integer("workers", default=plan.workers, min=1, max=plan.workers, label="Workers at most"),
        Float("memory", default=plan.memory, min=0.25, max=plan.memory, label="GiB of a worker"),
        handler=configuration,
    )


c.Backend.cluster_options = cluster_options
