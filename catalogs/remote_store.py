"""The catalog store as the hub's catalog service gives it, over HTTP."""

from typing import TypeVar
from urllib.parse import quote

import msgspec

from .access import Reader
from .errors import BadRequest
from .http import call
from .lake import Connection
from .records import Collection, Item, Record
from .store import Store

SERVICE = "catalog"

T = TypeVar("T")


class HttpStore(Store):
    """The catalog store behind the hub; every question is asked in the name of the token's user.

    Parameters
    ----------
    connection : Connection
        The hub's address and a token.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def collections(self, *, reader: Reader | None = None) -> list[Collection]:
        """All visible collections, by id."""
        return self._get("collections", list[Collection], reader)

    def collection(self, id: str, *, reader: Reader | None = None) -> Collection:
        """One collection; raises ``NotFound``."""
        return self._get(f"collections/{_part(id)}", Collection, reader)

    def items(
        self, collection: str | None = None, *, limit: int = 100, reader: Reader | None = None
    ) -> list[Item]:
        """Visible items, newest first, of one collection or of all."""
        path = "items" if collection is None else f"collections/{_part(collection)}/items"
        return self._get(path, list[Item], reader, limit=limit)

    def item(self, collection: str, id: str, *, reader: Reader | None = None) -> Item:
        """One item; raises ``NotFound``."""
        return self._get(f"collections/{_part(collection)}/items/{_part(id)}", Item, reader)

    def record(self, record: Record, *, reader: Reader | None = None) -> None:
        """Make a commit visible; repeated after a broken answer, since it is idempotent."""
        _as_myself(reader)
        call(self.connection, SERVICE, "POST", "records", json=record)

    def close(self) -> None:
        """Release nothing: the HTTP client is shared by the process."""

    def _get(self, path: str, kind: type[T], reader: Reader | None, **params: int) -> T:
        _as_myself(reader)
        answer = call(self.connection, SERVICE, "GET", path, params=dict(params))
        return msgspec.json.decode(answer.content, type=kind)


def _part(name: str) -> str:
    return quote(name, safe="")


def _as_myself(reader: Reader | None) -> None:
    if reader is not None:
        raise BadRequest("Over HTTP one asks as the token's user only.", field="reader")
