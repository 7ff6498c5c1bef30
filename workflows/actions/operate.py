"""Puts a command into the queue of a station, once however often the delivery is tried."""

from collections.abc import Sequence

from ...catalogs.errors import BadRequest
from ...catalogs.events.event import Event
from ...catalogs.observations.commands import CommandQueue
from ..deliveries import Delivery, Performed, Performer
from ..rules.model import Action, OperateAction


class OperatePerformer(Performer):
    """Queues commands; the station polls, obeys and acknowledges later.

    Parameters
    ----------
    commands : CommandQueue
        Knows the stations, their commands, and who may operate them.
    """

    def __init__(self, commands: CommandQueue) -> None:
        self._commands = commands

    def perform(self, delivery: Delivery, events: Sequence[Event]) -> Performed:
        """Queue it with the delivery's key: the same key returns the first command."""
        action = delivery.action
        assert isinstance(action, OperateAction)
        command = self._commands.enqueue(
            action.station,
            action.command,
            action.parameters,
            expires=action.expires,
            key=delivery.idempotency,
            owner=delivery.owner,
        )
        return Performed(result={"command": command.id, "station": action.station})

    def check(self, action: Action, *, owner: str) -> None:
        """Raise ``BadRequest`` when it names no station or no command.

        Whether the owner may operate the station is asked when it is operated: the event may
        choose the station, and rights change.
        """
        assert isinstance(action, OperateAction)
        for name in ("station", "command"):
            if not getattr(action, name):
                raise BadRequest(f"Say which {name}.", field=name)
