"""Binds this process to its lake: over HTTP in a kernel of the hub, else in process."""

import os
import threading
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from ..catalogs.errors import BadRequest
from ..catalogs.imports import when_imported
from ..catalogs.lake import Connection, Lake, connect_lake, open_lake, set_default_lake

JOB = "BOATHOUSE_JOB"
_lock = threading.Lock()
_lakes: dict["Session", Lake] = {}


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What this process was told about its lake; the token is never printed.

    Attributes
    ----------
    lake : str
        The lake's folder.
    address : str
        The hub's base URL with a trailing slash; empty without a hub.
    token : str
        The hub token of this kernel or job.
    user : str
        The token's user.
    job : str
        The job that this process runs in; empty outside one.
    """

    lake: str
    address: str = ""
    token: str = ""
    user: str = ""
    job: str = ""

    def __repr__(self) -> str:
        return f"Session(lake={self.lake!r}, address={self.address!r}, user={self.user!r})"


def session() -> Session:
    """Read the session from the Dask configuration and the hub's environment."""
    address = str(setting("address", "") or "")
    return Session(
        lake=str(Path(str(setting("lake", "") or _usual_lake())).expanduser().absolute()),
        address=address if not address or address.endswith("/") else address + "/",
        token=os.environ.get("JUPYTERHUB_API_TOKEN", ""),
        user=os.environ.get("JUPYTERHUB_USER", ""),
        job=os.environ.get(JOB, ""),
    )


def setting(name: str, default: Any = None) -> Any:
    """A value of the ``boathouse:`` section of the Dask configuration.

    Examples
    --------
    >>> setting("cluster.local.workers")
    2
    """
    from dask import config

    if config.get("boathouse.cluster", None) is None:
        import yaml

        text = (files("boathouse.kernels") / "boathouse.yaml").read_text(encoding="utf-8")
        config.update_defaults(yaml.safe_load(text))
    return config.get(f"boathouse.{name}", default)


def default_lake() -> Lake:
    """The lake that ``lake=None`` means in this process.

    Raises
    ------
    BadRequest
        When there is a hub's address but no token for it.
    """
    key = session()
    with _lock:
        if key not in _lakes:
            _lakes[key] = _open(key)
        return _lakes[key]


def _open(key: Session) -> Lake:
    if not key.address:
        lake = open_lake(key.lake)
        lake.job = key.job
        return lake
    if not key.token:
        raise BadRequest(
            "This process knows the hub's address but has no token for it; pass lake= or set "
            "JUPYTERHUB_API_TOKEN. Functions on Dask workers get datasets, not the catalog.",
            field="lake",
        )
    connection = Connection(address=key.address, token=key.token, user=key.user)
    return connect_lake(key.lake, connection, job=key.job)


def _usual_lake() -> Path:
    here = Path("lake")
    return here if here.is_dir() else Path.home() / "boathouse-lake"


def _add_accessor() -> None:
    import_module("boathouse.kernels.polytope.accessor")


set_default_lake(default_lake)
when_imported("xarray", _add_accessor)
