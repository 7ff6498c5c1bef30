"""Runs jobs in their owners' names: tokens from the hub, clusters from the gateway."""

import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
from dask_gateway import Gateway, GatewayClusterError
from dask_gateway.auth import JupyterHubAuth
from dask_gateway.client import GatewayServerError

from ...catalogs.errors import BoathouseError, PlanExceeded, Unavailable
from ...catalogs.http import backoff, client, error_of
from ...catalogs.lake import Connection
from ...kernels.finalizers import guard_finalizers
from ...workflows.executor import Executor
from ...workflows.jobs import Job

if TYPE_CHECKING:
    from dask_gateway import GatewayCluster
    from distributed import Client

logger = logging.getLogger(__name__)

# A job that runs longer than this cannot report any more, in seconds.
TOKEN_SECONDS = 24 * 3600
# What a job may do: be known, and reach the services with the owner's rights.
TOKEN_SCOPES = [
    "read:users:name!user",
    "read:users:groups!user",
    "custom:events:publish",
    *(
        f"access:services!service={name}"
        for name in ("events", "catalog", "automation", "observations", "dask-gateway")
    ),
]
GROUPS_SECONDS = 30.0
# A gateway that restarts is back within this time.
PATIENCE_SECONDS = 60.0


class HubUsers:
    """What automation asks the hub about its users.

    Parameters
    ----------
    url : str
        The hub's API, without a trailing slash.
    token : str
        The service's own token, with the scopes ``tokens`` and ``read:users:groups``.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._groups: dict[str, tuple[float, tuple[str, ...]]] = {}

    def lend(self, user: str, note: str) -> str:
        """A short-lived token of a user, narrowed to what a job needs."""
        body = {"note": note, "expires_in": TOKEN_SECONDS, "scopes": TOKEN_SCOPES}
        return self._ask("POST", f"users/{user}/tokens", body)["token"]

    def withdraw(self, user: str, note: str) -> None:
        """End all tokens of a user that were lent with this note, before their time."""
        try:
            tokens = self._ask("GET", f"users/{user}/tokens")["api_tokens"]
            for each in tokens:
                if each["note"] == note:
                    self._ask("DELETE", f"users/{user}/tokens/{each['id']}")
        except BoathouseError as error:
            logger.info("A job's token of %s ends by itself: %s", user, error)

    def groups(self, user: str) -> tuple[str, ...]:
        """A user's hub groups, believed for half a minute."""
        asked, groups = self._groups.get(user, (0.0, ()))
        if time.monotonic() > asked + GROUPS_SECONDS:
            groups = tuple(self._ask("GET", f"users/{user}").get("groups", ()))
            self._groups[user] = (time.monotonic(), groups)
        return groups

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        headers = {"Authorization": f"token {self._token}"}
        try:
            answer = client().request(method, f"{self._url}/{path}", json=body, headers=headers)
        except httpx.TransportError as error:
            raise Unavailable(f"The hub does not answer: {error!r}.") from error
        if not answer.is_success:
            raise error_of(answer, "hub")
        return answer.json() if answer.content else {}


class HubExecutor(Executor):
    """Runs each job on its owner's own cluster behind the Dask gateway, with a token of his.

    Parameters
    ----------
    lake : Path
        The lake's folder.
    users : HubUsers
        Lends the tokens.
    address : str
        The hub's public base URL with a trailing slash.
    """

    def __init__(self, lake: Path, *, users: HubUsers, address: str) -> None:
        guard_finalizers()
        super().__init__(lake)
        self._users = users
        self._address = address
        self._loans: dict[str, str] = {}
        self._clients: dict[str, Client] = {}
        self._locks: dict[str, threading.Lock] = {}

    def connection(self, job: Job) -> Connection:
        """The hub and the job's own token."""
        return Connection(address=self._address, token=self._loan(job), user=job.owner)

    def client(self, job: Job) -> "Client":
        """A client of the owner's cluster: the one that runs, else a new one."""
        with self._locks.setdefault(job.owner, threading.Lock()):
            known = self._clients.get(job.owner)
            if known is None or known.status != "running":
                self._forget(job.owner)
                cluster = _patiently(self._loan(job))
                self._clients[job.owner] = cluster.get_client(set_as_default=False)
            return self._clients[job.owner]

    def ended(self, job: Job) -> None:
        """Withdraw the job's token, also one that was lent before a restart."""
        self._loans.pop(job.id, None)
        self._users.withdraw(job.owner, _note(job))

    def close(self) -> None:
        """Disconnect from all clusters; what runs there goes on."""
        for owner in list(self._clients):
            self._forget(owner)

    def _loan(self, job: Job) -> str:
        if job.id not in self._loans:
            self._loans[job.id] = self._users.lend(job.owner, _note(job))
        return self._loans[job.id]

    def _forget(self, owner: str) -> None:
        known = self._clients.pop(owner, None)
        if known is not None:
            cluster = known.cluster
            known.close(timeout=1)
            if cluster is not None:
                cluster.close()


def _note(job: Job) -> str:
    return f"Boathouse job {job.id}"


def _patiently(token: str) -> "GatewayCluster":
    """The cluster of the token's user, also while the gateway restarts."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    attempt = 0
    while True:
        try:
            return _cluster(token)
        except (GatewayClusterError, GatewayServerError, aiohttp.ClientError, OSError) as error:
            if time.monotonic() > give_up:
                raise Unavailable(f"The Dask gateway gives no cluster: {error}") from error
        time.sleep(backoff(attempt))
        attempt += 1


def _cluster(token: str) -> "GatewayCluster":
    # Address and proxy come from the service's Dask configuration, as in a kernel.
    gateway: Any = Gateway(auth=JupyterHubAuth(api_token=token))
    try:
        return gateway.connect(_running(gateway) or _new(gateway), shutdown_on_close=False)
    except ValueError as error:
        raise GatewayServerError(f"a cluster has just ended: {error}") from error
    finally:
        gateway.close()


def _running(gateway: Any) -> str:
    try:
        found = gateway.list_clusters()
    except ValueError as error:
        # 404: a gateway that is starting listens before it knows its own routes.
        raise GatewayServerError(str(error)) from error
    reports = sorted(found, key=lambda each: each.start_time)
    running = [each.name for each in reports if each.status.name == "RUNNING"]
    return next(iter(running or [each.name for each in reports]), "")


def _new(gateway: Any) -> str:
    try:
        # The backend makes it adaptive within the user's plan.
        return gateway.submit()
    except ValueError as error:
        # A notebook of the user may have been faster.
        name = _running(gateway)
        if name:
            return name
        if str(error).startswith("Your plan"):
            raise PlanExceeded(str(error)) from error
        raise GatewayServerError(str(error)) from error
