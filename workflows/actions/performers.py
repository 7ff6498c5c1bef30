"""Chooses the performer of a delivery's action, and makes them all for a lake."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...catalogs.errors import BadRequest
from ...catalogs.events.event import Event
from ...catalogs.observations.commands import CommandQueue
from ..deliveries import Delivery, Performed, Performer, Refused
from ..executor import Executor
from ..functions import FunctionStore
from ..rules.model import (
    Action,
    CommandAction,
    FunctionAction,
    NotifyAction,
    OperateAction,
    PostAction,
)
from .cluster import OwnersCluster
from .command import CommandPerformer
from .function import FunctionPerformer
from .notify import NotifyPerformer
from .operate import OperatePerformer
from .post import PostPerformer


class Performers(Performer):
    """Does every action but notebooks, whose jobs the dispatcher makes.

    Parameters
    ----------
    by_action : mapping
        The performer of each kind of action.
    cluster : OwnersCluster, optional
        Closed with this.

    Examples
    --------
    >>> Performers({NotifyAction: NotifyPerformer()}).check(
    ...     NotifyAction(type="org.example.pong"), owner="ann"
    ... )
    """

    def __init__(
        self, by_action: Mapping[type[Any], Performer], cluster: OwnersCluster | None = None
    ) -> None:
        self._by_action = dict(by_action)
        self._cluster = cluster

    def perform(self, delivery: Delivery, events: Sequence[Event]) -> Performed:
        """Do what a delivery asks for; see :meth:`Performer.perform`."""
        performer = self._by_action.get(type(delivery.action))
        if performer is None:
            raise Refused(_nobody(delivery.action))
        return performer.perform(delivery, events)

    def check(self, action: Action, *, owner: str) -> None:
        """Raise ``BadRequest`` or ``NotFound`` when an action cannot be done for this owner."""
        performer = self._by_action.get(type(action))
        if performer is None:
            raise BadRequest(_nobody(action), field="action")
        performer.check(action, owner=owner)

    def close(self) -> None:
        """Wait for no cluster any more; what runs there goes on."""
        if self._cluster is not None:
            self._cluster.close()
        for performer in self._by_action.values():
            if isinstance(performer, Performers):
                performer.close()


def make_performers(
    executor: Executor,
    functions: FunctionStore,
    *,
    lake: Path,
    commands: CommandQueue | None = None,
    hosts: Collection[str] = (),
) -> Performers:
    """The performers of a lake.

    Parameters
    ----------
    executor : Executor
        Knows the owners' clusters and lends tokens.
    functions : FunctionStore
        The deployed functions.
    lake : Path
        The lake's folder.
    commands : CommandQueue, optional
        The queues of the stations; without it rules cannot operate any.
    hosts : collection of str
        Hosts to which events may be posted although they are private.
    """
    cluster = OwnersCluster(executor)
    by_action: dict[type[Any], Performer] = {
        PostAction: PostPerformer(hosts),
        CommandAction: CommandPerformer(cluster, lake),
        NotifyAction: NotifyPerformer(),
        FunctionAction: FunctionPerformer(cluster, functions, lake),
    }
    if commands is not None:
        by_action[OperateAction] = OperatePerformer(commands)
    return Performers(by_action, cluster)


def _nobody(action: Action) -> str:
    word = type(action).__name__.removesuffix("Action").lower()
    return f"Nobody here does the action {word!r}."
