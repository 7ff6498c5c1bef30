"""Dask clusters as processes of this machine, within each user's plan."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import psutil
from aiohttp.web import HTTPInternalServerError
from dask_gateway_server.auth import JupyterHubAuthenticator, unauthorized
from dask_gateway_server.backends.base import PublicException
from dask_gateway_server.backends.db_base import JobStatus
from dask_gateway_server.backends.local import UnsafeLocalBackend
from traitlets import Integer, Unicode

from .gateway_preload import MAXIMUM, MINIMUM
from .plans import plan_of

_LOG_LINES = 20


class HubTokenAuthenticator(JupyterHubAuthenticator):
    """The gateway's own, which takes a token as all other services do, and gives no cookie.

    A process such as automation asks in the name of many users, whom a cookie would mix up;
    and a right that is withdrawn ends at once.
    """

    async def authenticate_and_handle(self, request: Any, handler: Any) -> Any:
        """Ask the hub who asks, each time, and answer."""
        try:
            request["user"] = await self.authenticate(request)
        except HTTPInternalServerError as error:
            # The hub answers 403 to a token that it does not know, which upstream takes for
            # a fault of the gateway's own token.
            raise unauthorized("token") from error
        return await handler(request)

    def get_token(self, request: Any) -> str | None:
        """The hub token of a request: ``Authorization: token ...`` or ``jupyterhub ...``."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return token.strip() if scheme.lower() in ("token", "bearer", "jupyterhub") else None


class PlanBackend(UnsafeLocalBackend):
    """The gateway's local backend with a limit per user and without its dashboards.

    The gateway itself limits a cluster, not a user.  Its Dask dashboards would be open to
    everybody who knows a cluster's name, so they are off.
    """

    homes = Unicode(help="The folder of the users' homes.", config=True)
    minimum_workers = Integer(
        1,
        help="Workers that stay while a cluster lives; one keeps the first result fast.",
        config=True,
    )

    async def do_setup(self) -> None:
        """Take the signals over, to stop only once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)

    def _stop(self, number: signal.Signals) -> None:
        # A parent that is killed sends its signal once for each of its threads, and a second
        # one would break off the stopping of clusters.
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, lambda: None)
        gateway: Any = self.parent
        gateway.handle_shutdown_signal(number)

    async def process_cluster_options(self, user: Any, request: Any) -> Any:
        """Refuse a cluster that the user's plan does not allow; trim one that is too large."""
        plan = plan_of(user.groups)
        mine = [each for each in self.db.active_clusters() if each.username == user.name]
        free = plan.workers - sum(each.config.cluster_max_workers or 0 for each in mine)
        if len(mine) >= plan.clusters or free < 1:
            raise PublicException(
                f"Your plan ({plan.name}) allows {plan.clusters} clusters and {plan.workers} "
                f"workers at once; you have {len(mine)} clusters for "
                f"{plan.workers - free} workers. Shut one down first."
            )
        options, config = await super().process_cluster_options(user, request)
        config.cluster_max_workers = min(free, config.cluster_max_workers or free)
        return options, config

    def get_env(self, cluster: Any) -> dict[str, str]:
        """The environment of scheduler and workers: the lake's address, but nobody's token."""
        home = Path(self.homes) / cluster.username
        # A client in a job's kernel speaks to the scheduler with the worker's certificate.
        certificate, key = self.get_tls_paths(cluster)
        return {
            **super().get_env(cluster),
            "HOME": str(home if home.is_dir() else cluster.state["workdir"]),
            "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT": certificate,
            "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY": key,
        }

    def get_scheduler_command(self, cluster: Any) -> list[str]:
        """The scheduler's command: adaptive at once, without a dashboard."""
        command = super().get_scheduler_command(cluster)
        return [*command, "--no-dashboard", "--preload", "boathouse.hub.gateway_preload"]

    def get_scheduler_env(self, cluster: Any) -> dict[str, str]:
        """The scheduler's environment, with the bounds of its adaptive scaling."""
        most = cluster.config.cluster_max_workers or 1
        return {
            **super().get_scheduler_env(cluster),
            MINIMUM: str(min(self.minimum_workers, most)),
            MAXIMUM: str(most),
        }

    def get_worker_command(
        self, cluster: Any, worker_name: str, scheduler_address: str | None = None
    ) -> list[str]:
        """The worker's command: one notebook at a time, scratch files in the cluster's folder."""
        command = super().get_worker_command(cluster, worker_name, scheduler_address)
        return [
            *command,
            "--no-dashboard",
            # The gateway starts a new worker for one that dies; a nanny would only double
            # the time to the first result.
            "--no-nanny",
            "--resources",
            "kernel=1",
            "--local-directory",
            cluster.state["workdir"],
            # Ends by itself when the scheduler has gone for a minute.
            "--death-timeout",
            "60",
        ]

    async def on_cluster_heartbeat(self, cluster_name: str, msg: dict[str, Any]) -> None:
        """Take note that a cluster lives; its scheduler's pages get no route from outside."""
        await super().on_cluster_heartbeat(cluster_name, {**msg, "dashboard_address": ""})

    async def stop_process(self, pid: int) -> None:
        """Stop a scheduler or worker, and never a stranger that got its number later."""
        if _is_dask(pid):
            await super().stop_process(pid)

    async def do_stop_cluster(self, cluster: Any) -> None:
        """Stop a cluster; when it failed, its scheduler's last words go to the log."""
        workdir = cluster.state.get("workdir")
        never_ran = not cluster.scheduler_address or cluster.worker_start_failure_count
        if workdir and never_ran and cluster.target == JobStatus.FAILED:
            for path in sorted(Path(self.get_logs_directory(workdir)).glob("*.log")):
                tail = path.read_text(errors="replace").splitlines()[-_LOG_LINES:]
                self.log.warning(
                    "Cluster %s failed; the end of %s:\n%s",
                    cluster.name,
                    path.name,
                    "\n".join(tail),
                )
        await super().do_stop_cluster(cluster)


def _is_dask(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and "dask" in process.cmdline()
    except psutil.NoSuchProcess:
        return False
