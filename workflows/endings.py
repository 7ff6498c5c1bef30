"""How an attempt at a delivery went, and what others are told of it."""

import msgspec

from ..catalogs.access import PRIVATE
from ..catalogs.errors import BoathouseError
from ..catalogs.events.event import Event
from .deliveries import Delivery, Performed, Refused
from .rules.matching import made_id
from .rules.naming import source_of

# Above what a performer appends: the ids of the two kinds never meet.
FIRST_NEWS = 1_000_000


class Ending(msgspec.Struct, frozen=True):
    """How an attempt went.

    Attributes
    ----------
    delivery : Delivery
        As it was leased.
    performed : Performed, optional
        When it went well.
    error : str
        Why it did not.
    final : bool
        Whether trying again cannot help.
    after : float
        Not before so many seconds.
    """

    delivery: Delivery
    performed: Performed | None = None
    error: str = ""
    final: bool = False
    after: float = 0.0


def said_of(error: Exception) -> str:
    """An error as a delivery's history shows it."""
    text = str(error)
    return (
        text if isinstance(error, BoathouseError | Refused) else f"{type(error).__name__}: {text}"
    )


def news_of(type: str, delivery: Delivery, **more: object) -> Event:
    """The event that tells how a delivery ended, to its owner only."""
    said: dict[str, object] = {
        "delivery": delivery.id,
        "rule": delivery.rule,
        "version": delivery.version,
        "events": delivery.events,
        "attempts": delivery.attempts,
        **more,
    }
    return Event(
        type=type,
        source=source_of(delivery.owner, delivery.rule),
        # Of the delivery's, so that no rule hears of its own dead letters.
        id=made_id(delivery.id, FIRST_NEWS + delivery.attempts),
        subject=f"/deliveries/{delivery.id}",
        data=said,
        owner=delivery.owner,
        access=PRIVATE,
    )
