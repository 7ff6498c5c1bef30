"""What one visitor of the dashboard may see, and where it comes from."""

from typing import Any

import msgspec

from ...catalogs.access import Reader
from ...catalogs.errors import NotFound
from ...catalogs.lake import Connection, Lake, connect_lake
from ...catalogs.records import Collection, Item
from ...workflows.automation import Automation
from ...workflows.deliveries import Delivery
from ...workflows.jobs import Job, Rule


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who passed the login.

    Attributes
    ----------
    reader : Reader
        Name and groups; decides which events are shown.
    token : str
        The visitor's own hub token; empty without a hub.
    login : str
        The hub's id of the browser's login, to which the token belongs.
    """

    reader: Reader
    token: str = ""
    login: str = ""

    def __repr__(self) -> str:
        return f"Visitor({self.reader.name!r})"


class Session:
    """The lake and the automation as one visitor sees them.

    Parameters
    ----------
    reader : Reader
        The visitor.
    lake : Lake
        Over HTTP with the visitor's token, or in process.
    automation : Automation
        Likewise.
    own_lake : bool
        Whether to close the lake with the session; False when sessions share it.

    Examples
    --------
    >>> import tempfile
    >>> from boathouse.catalogs.lake import open_lake
    >>> lake = open_lake(tempfile.mkdtemp(), user="ann")
    >>> session = Session(Reader(name="ann"), lake, automation=None, own_lake=False)
    >>> session.collections()
    []
    """

    def __init__(
        self, reader: Reader, lake: Lake, automation: Automation | None, *, own_lake: bool
    ) -> None:
        self.reader = reader
        self.lake = lake
        self._automation = automation
        self._own_lake = own_lake
        # In process nobody stands between us and the store, so we say for whom we ask;
        # over HTTP the service knows it from the token.
        self._asker = None if lake.connection else reader

    def collections(self) -> list[Collection]:
        """The visible collections, by id."""
        return self.lake.store.collections(reader=self._asker)

    def collection(self, id: str) -> Collection:
        """One collection; raises ``NotFound``."""
        return self.lake.store.collection(id, reader=self._asker)

    def items(self, limit: int) -> list[Item]:
        """The newest items of all visible collections."""
        return self.lake.store.items(limit=limit, reader=self._asker)

    def jobs(self, limit: int) -> list[Job]:
        """The visitor's newest jobs."""
        if self._automation is None:
            return []
        return self._automation.jobs(limit=limit, reader=self._asker)

    def job(self, id: str) -> Job:
        """One job; raises ``NotFound``."""
        return self._engine().job(id, reader=self._asker)

    def notebook(self, id: str) -> bytes:
        """A job's executed notebook (ipynb); raises ``NotFound``."""
        return self._engine().notebook(id, reader=self._asker)

    def rules(self) -> list[Rule]:
        """The visitor's rules, by name."""
        if self._automation is None:
            return []
        return self._automation.rules(reader=self._asker)

    def pause_rule(self, name: str, paused: bool) -> Rule:
        """Let one of the visitor's rules rest, or go on; raises ``NotFound``."""
        return self._engine().pause_rule(name, paused, reader=self._asker)

    def deliveries(self, rule: str = "", *, state: Any = "", limit: int) -> list[Delivery]:
        """What the visitor's rules did, newest first."""
        if self._automation is None:
            return []
        found = self._automation.deliveries(rule, state=state, limit=limit, reader=self._asker)
        # An administrator is shown his own, as everywhere on this page.
        return [each for each in found if each.owner == self.reader.name]

    def retry_delivery(self, id: str) -> Delivery:
        """Try a dead letter again; raises ``NotFound``."""
        return self._engine().retry_delivery(id, reader=self._asker)

    def close(self) -> None:
        """Release connections."""
        if self._own_lake:
            self.lake.close()

    def _engine(self) -> Automation:
        if self._automation is None:
            raise NotFound("This lake runs no jobs.")
        return self._automation


def hub_session(visitor: Visitor, *, root: str, address: str) -> Session:
    """A session that asks the hub's services with the visitor's own token.

    Parameters
    ----------
    visitor : Visitor
        With a token.
    root : str
        The lake's folder, from which the bytes of cubes are read.
    address : str
        The hub's base URL with a trailing slash.
    """
    from ...workflows.remote import HttpAutomation

    connection = Connection(address=address, token=visitor.token, user=visitor.reader.name)
    lake = connect_lake(root, connection)
    return Session(visitor.reader, lake, HttpAutomation(connection), own_lake=True)
