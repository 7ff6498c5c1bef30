"""The interface of the observations: what the database and the HTTP client implement."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ..access import Reader
from .commands import CommandQueue
from .observation import Found, Observation, Query, Receipt
from .stations import Network, Station


class Observations(ABC):
    """Stations, what they observe, and the commands that go to them.

    ``reader`` None means "as myself": in process everything, over HTTP what the token's user
    may see.  What a reader may not see is :class:`~boathouse.catalogs.errors.NotFound`.
    """

    @property
    @abstractmethod
    def commands(self) -> CommandQueue:
        """The queues of commands to the stations."""

    @abstractmethod
    def save_network(self, network: Network, *, reader: Reader | None = None) -> Network:
        """Store a network, or change what is said about it."""

    @abstractmethod
    def networks(self, *, reader: Reader | None = None) -> list[Network]:
        """Visible networks, by id."""

    @abstractmethod
    def register(
        self, stations: Sequence[Station], *, reader: Reader | None = None
    ) -> list[Station]:
        """Register stations, or change what is known of them: all or none."""

    @abstractmethod
    def station(self, id: str, *, reader: Reader | None = None) -> Station:
        """One station; raises ``NotFound``."""

    @abstractmethod
    def stations(
        self, *, network: str = "", bbox: Sequence[float] = (), reader: Reader | None = None
    ) -> list[Station]:
        """Visible stations, in the order in which they were registered."""

    @abstractmethod
    def ingest(
        self, body: bytes, kind: str, *, station: str = "", reader: Reader | None = None
    ) -> Receipt:
        """Store a body of observations of a media type, all or none; repeating it adds nothing.

        ``station`` is whose they are where the body does not say it.
        """

    @abstractmethod
    def find(self, query: Query, *, reader: Reader | None = None) -> Found:
        """Visible observations that fulfil a query, by station, variable and time."""

    @abstractmethod
    def revisions(
        self, station: str, variable: str, time: str, *, reader: Reader | None = None
    ) -> list[Observation]:
        """All values that ever came for a station, variable and time; the last is what counts."""

    @abstractmethod
    def close(self) -> None:
        """Release threads and connections."""
