"""The catalog store's interface: what SQLite and the HTTP client implement."""

from abc import ABC, abstractmethod

from .access import Reader
from .records import Collection, Item, Record


class Store(ABC):
    """The one truth about what the lake holds.

    ``reader`` None means "as myself": in process everything, over HTTP what the token's
    user may see.  What a reader may not see is :class:`~boathouse.catalogs.errors.NotFound`.
    """

    @abstractmethod
    def collections(self, *, reader: Reader | None = None) -> list[Collection]:
        """All visible collections, by id."""

    @abstractmethod
    def collection(self, id: str, *, reader: Reader | None = None) -> Collection:
        """One collection; raises ``NotFound``."""

    @abstractmethod
    def items(
        self,
        collection: str | None = None,
        *,
        limit: int = 100,
        reader: Reader | None = None,
    ) -> list[Item]:
        """Visible items, newest ``created`` first, of one collection or of all."""

    @abstractmethod
    def item(self, collection: str, id: str, *, reader: Reader | None = None) -> Item:
        """One item; raises ``NotFound``."""

    @abstractmethod
    def record(self, record: Record, *, reader: Reader | None = None) -> None:
        """Make a commit visible: collection, items and outbox events in one transaction.

        Raises ``Conflict`` when another owner has a collection of that id, and
        ``Forbidden`` when ``reader`` may not write it.
        """

    @abstractmethod
    def close(self) -> None:
        """Release connections."""
