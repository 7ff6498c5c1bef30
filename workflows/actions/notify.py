"""Appends an event in the owner's name, once however often the delivery is tried."""

from collections.abc import Sequence

from ...catalogs.errors import BadRequest
from ...catalogs.events.event import Event
from ..deliveries import Delivery, Performed, Performer
from ..rules.model import Action, NotifyAction
from ..rules.naming import source_of

# These say what the lake's own services did, so nobody else may say it.
OURS = ("org.boathouse.",)


class NotifyPerformer(Performer):
    """Hands the event to the transaction that ends the delivery."""

    def perform(self, delivery: Delivery, events: Sequence[Event]) -> Performed:
        """Make the event; who ends the delivery gives it an id that derives from the delivery."""
        action = delivery.action
        assert isinstance(action, NotifyAction)
        event = Event(
            type=action.type,
            source=source_of(delivery.owner, delivery.rule),
            collection=action.collection,
            subject=action.subject,
            data=action.data,
            owner=delivery.owner,
            access=action.access,
        ).validated()
        return Performed(result={"type": event.type}, events=(event,))

    def check(self, action: Action, *, owner: str) -> None:
        """Raise ``BadRequest`` when no event could have this type or access."""
        assert isinstance(action, NotifyAction)
        if action.type.startswith(OURS):
            raise BadRequest(
                f"Only the lake's services send events of the type {action.type!r}.", field="type"
            )
        Event(type=action.type, source="/rules", access=action.access).validated()
