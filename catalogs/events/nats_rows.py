"""Events as they lie in a NATS stream, and the reading of those that a filter picks."""

from typing import NamedTuple

import msgspec

from ..access import PUBLIC, Reader
from .event import EventFilter
from .log import Stored
from .moments import moment


class _Head(msgspec.Struct):
    """What of an event is looked at without the rest of it."""

    type: str
    time: str
    collection: str = ""
    owner: str = ""
    access: str = PUBLIC
    expirytime: str = ""


_DECODER = msgspec.json.Decoder(_Head)


def stored_from(sequence: int, body: bytes) -> Stored:
    """An event as its JSON says."""
    head = _DECODER.decode(body)
    return Stored(
        sequence,
        head.type,
        head.collection,
        moment(head.time),
        head.owner,
        head.access,
        body,
        # The epoch itself would read as never.
        (moment(head.expirytime, "expirytime") or 1) if head.expirytime else 0,
    )


class Picked(NamedTuple):
    """Which events somebody gets, beyond what the subject says."""

    where: EventFilter | None
    reader: Reader | None
    live: bool

    def takes(self, row: Stored) -> bool:
        """Whether an event is one of them."""
        if self.live and row.expired():
            return False
        if self.reader is not None and not self.reader.may_see(row.owner, row.access):
            return False
        return self.where is None or self.where.matches(row.event())


EVERYTHING = Picked(None, None, live=False)


def picked(where: EventFilter | None, reader: Reader | None, *, live: bool = False) -> Picked:
    """What a filter asks for beyond the subject; None of it when the subject says it all."""
    rest = where
    if where is not None:
        exact = not where.type.endswith(".*")
        rest = msgspec.structs.replace(where, type="" if exact else where.type, collection="")
        if rest == EventFilter():
            rest = None
    return Picked(rest, reader, live)
