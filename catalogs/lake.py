"""A lake: a folder of cubes, the store that describes them, and the log of what happened."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from .errors import BadRequest

if TYPE_CHECKING:
    from .events.log import EventLog
    from .store import Store


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """How a kernel, a worker or a service reaches the hub's services.

    Attributes
    ----------
    address : str
        The hub's public base URL with a trailing slash; the services are at
        ``{address}services/events/``, ``services/catalog/`` and ``services/automation/``.
    token : str
        A hub token; never printed.
    user : str
        The name of the token's user.
    """

    address: str
    token: str
    user: str

    def __repr__(self) -> str:
        return f"Connection({self.address!r}, user={self.user!r})"

    def service(self, name: str) -> str:
        """Base URL of a service, with a trailing slash."""
        return f"{self.address}services/{name}/"


class Lake:
    """An open lake.

    Parameters
    ----------
    root : Path
        The lake's folder; its state is in ``root/.boathouse`` (mode 0700).
    store : Store
        Collections and items.
    log : EventLog
        Events.
    user : str
        Whose name new things get.
    connection : Connection, optional
        Present when store and log are reached over HTTP.
    job : str, optional
        The job in whose name this process runs; results are linked to it.
    """

    def __init__(
        self,
        root: Path,
        store: "Store",
        log: "EventLog",
        *,
        user: str,
        connection: Connection | None = None,
        job: str = "",
    ) -> None:
        self.root = root
        self.store = store
        self.log = log
        self.user = user
        self.connection = connection
        self.job = job

    def __repr__(self) -> str:
        where = "through the hub" if self.connection else "in this process"
        return f"Lake({str(self.root)!r}, {where}, user={self.user!r})"

    @property
    def state(self) -> Path:
        """The folder of the lake's own state."""
        return self.root / ".boathouse"

    def close(self) -> None:
        """Close store and log; the next ``open_lake`` of the folder opens them anew."""
        if _open.get(self.root) is self:
            del _open[self.root]
        self.store.close()
        self.log.close()


LakeLike = Lake | Path | str | None

_open: dict[Path, Lake] = {}
_default: Callable[[], Lake] | None = None


def set_default_lake(provider: Callable[[], Lake] | None) -> None:
    """Say which lake ``lake=None`` means; a higher floor does, for this one reads no config."""
    global _default
    _default = provider


def open_lake(lake: LakeLike = None, *, user: str | None = None) -> Lake:
    """Open a lake in this process, or return the one that is open already.

    Parameters
    ----------
    lake : Lake, path or None
        A folder (created with its state folder when missing), an open lake, or None for
        the default lake.
    user : str, optional
        Whose name new things get; the operating system's user by default.

    Returns
    -------
    Lake

    Examples
    --------
    >>> import tempfile
    >>> open_lake(tempfile.mkdtemp(), user="ann").user
    'ann'
    """
    if isinstance(lake, Lake):
        return lake
    if lake is None:
        if _default is None:
            raise BadRequest(
                "No lake is configured; pass lake='a/folder' or set boathouse.lake in the "
                "Dask configuration (environment: DASK_BOATHOUSE__LAKE).",
                field="lake",
            )
        return _default()
    import getpass

    from .events.sqlite import SqliteEventLog
    from .sqlite_store import SqliteStore

    root = Path(lake).expanduser().resolve()
    if root not in _open:
        state = root / ".boathouse"
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = SqliteEventLog(state / "events.sqlite")
        store = SqliteStore(state / "catalog.sqlite", log=log)
        _open[root] = Lake(root, store, log, user=user or getpass.getuser())
    return _open[root]


def connect_lake(root: str | Path, connection: Connection, *, job: str = "") -> Lake:
    """A lake whose store and log are the hub's services.

    Parameters
    ----------
    root : path
        The lake's folder as this process sees it; bytes of cubes go straight there.
    connection : Connection
        The hub's address and a token.
    job : str, optional
        The job in whose name this process runs.
    """
    from .events.remote import HttpEventLog
    from .remote_store import HttpStore

    return Lake(
        Path(root),
        HttpStore(connection),
        HttpEventLog(connection),
        user=connection.user,
        connection=connection,
        job=job,
    )
