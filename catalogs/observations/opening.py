"""Opens the observations of a lake: its own database in process, the service through a hub."""

import threading
from weakref import WeakKeyDictionary

from ..errors import NotFound
from ..lake import Lake, LakeLike, open_lake
from .compaction import KIND
from .remote import HttpObservations
from .sql_store import SqlObservations
from .store import Observations

FILE = "observations.sqlite"
_open: "WeakKeyDictionary[Lake, Observations]" = WeakKeyDictionary()
_lock = threading.Lock()


def open_observations(lake: LakeLike = None) -> Observations:
    """The observations of a lake; the same for the same open lake.

    Parameters
    ----------
    lake : Lake, path or None
        Where; None is the default lake.

    Examples
    --------
    >>> import tempfile
    >>> open_observations(tempfile.mkdtemp()).stations()
    []
    """
    opened = open_lake(lake)
    with _lock:
        if opened not in _open:
            _open[opened] = (
                HttpObservations(opened.connection)
                if opened.connection is not None
                else local_observations(opened)
            )
        return _open[opened]


def local_observations(lake: Lake, place: str = "") -> SqlObservations:
    """The observations in a database of this process's own opening.

    Parameters
    ----------
    lake : Lake
        Whose log gets the events, and whose catalog has the cubes.
    place : str
        A ``postgresql://`` URL; by default a SQLite file of the lake.
    """

    def taken(name: str) -> bool:
        try:
            return not lake.store.collection(name).properties.get(KIND)
        except NotFound:
            return False

    return SqlObservations(place or lake.state / FILE, log=lake.log, taken=taken)
