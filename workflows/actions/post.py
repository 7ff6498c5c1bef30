"""Posts events to a web address, signed and with an idempotency key."""

from collections.abc import Collection, Sequence

from ...catalogs.events.event import Event
from ...catalogs.events.webhooks import Outcome, Webhook, check_url
from ..deliveries import Delivery, Later, Performed, Performer, Refused
from ..rules.model import Action, PostAction


class PostPerformer(Performer):
    """Posts each event of a delivery, in order.

    Parameters
    ----------
    hosts : collection of str
        Hosts that may be private machines; all others must be public.
    """

    def __init__(self, hosts: Collection[str] = ()) -> None:
        self._hosts = tuple(hosts)

    def perform(self, delivery: Delivery, events: Sequence[Event]) -> Performed:
        """Post; a batch is sent from its beginning again, and each event keeps its own key."""
        action = delivery.action
        assert isinstance(action, PostAction)
        outcome = Outcome(kind="done")
        with Webhook(action.url, action.secret, self._hosts) as hook:
            for number, event in enumerate(events):
                key = delivery.idempotency if len(events) == 1 else f"{delivery.id}/{number}"
                outcome = hook.send(event, key)
                if outcome.kind == "again":
                    raise Later(outcome.detail, after=outcome.after)
                if outcome.kind != "done":
                    raise Refused(outcome.detail)
        return Performed(result={"status": outcome.status, "sent": len(events)})

    def check(self, action: Action, *, owner: str) -> None:
        """Raise ``BadRequest`` when events may not be posted to this address."""
        assert isinstance(action, PostAction)
        check_url(action.url, allow=self._hosts)
        Webhook(action.url, action.secret, self._hosts)
