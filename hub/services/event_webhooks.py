"""Webhook subscriptions: who wants which events posted where, kept in a file of the lake."""

import time
from pathlib import Path

import msgspec

from ...catalogs.access import Reader
from ...catalogs.errors import NotFound
from ...catalogs.events.event import EventFilter
from ..layout import write_private


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook of one user; the place in the log is its consumer's.

    Attributes
    ----------
    name, owner : str
        Together they name it.
    groups : tuple of str
        The owner's hub groups, as they were last seen: he gets what he may see.
    url, secret : str
        Where to, and what signs; the secret is never shown.
    where : EventFilter
        Which events.
    attempts : int
        After so many an event becomes a dead letter.
    spacing : float
        The least seconds between two deliveries, as the receiver asked.
    state : str
        ``"active"``, or ``"gone"`` after the receiver answered 410.
    created : float
        Seconds since 1970.
    """

    name: str
    owner: str
    url: str
    groups: tuple[str, ...] = ()
    admin: bool = False
    secret: str = ""
    where: EventFilter = EventFilter()
    attempts: int = 10
    spacing: float = 0.0
    state: str = "active"
    created: float = msgspec.field(default_factory=time.time)

    def __repr__(self) -> str:
        return f"Subscription({self.owner!r}, {self.name!r}, {self.state!r})"

    @property
    def reader(self) -> Reader:
        """In whose name it reads."""
        return Reader(name=self.owner, groups=self.groups, admin=self.admin)


class Subscriptions:
    """The webhooks of a lake, in a file that only its owner can read.

    Parameters
    ----------
    path : Path
        The file; each change replaces it in one step, on disk when the call returns.

    Examples
    --------
    >>> import tempfile
    >>> subscriptions = Subscriptions(Path(tempfile.mkdtemp()) / "webhooks.json")
    >>> subscriptions.save(Subscription(name="a", owner="ann", url="https://example.org/"))
    >>> [each.name for each in subscriptions.of("ann")]
    ['a']
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        known: list[Subscription] = []
        if path.exists():
            known = msgspec.json.decode(path.read_bytes(), type=list[Subscription])
        self._known = {(each.owner, each.name): each for each in known}

    def all(self) -> list[Subscription]:
        """Everybody's."""
        return list(self._known.values())

    def of(self, owner: str) -> list[Subscription]:
        """One user's, by name."""
        mine = [each for each in self._known.values() if each.owner == owner]
        return sorted(mine, key=lambda each: each.name)

    def one(self, owner: str, name: str) -> Subscription:
        """One by its name; raises ``NotFound``."""
        try:
            return self._known[owner, name]
        except KeyError:
            raise NotFound(f"You have no webhook {name!r}.", field="name") from None

    def save(self, subscription: Subscription) -> None:
        """Keep it, in place of the one of the same name."""
        self._store({**self._known, (subscription.owner, subscription.name): subscription})

    def remove(self, owner: str, name: str) -> None:
        """Forget it; raises ``NotFound``."""
        self.one(owner, name)
        self._store({key: each for key, each in self._known.items() if key != (owner, name)})

    def _store(self, known: dict[tuple[str, str], Subscription]) -> None:
        write_private(self._path, msgspec.json.encode(list(known.values())))
        self._known = known
