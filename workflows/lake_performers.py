"""The performers of a lake that is opened in this process, without a hub."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..catalogs.events.event import Event
from ..catalogs.lake import Lake
from .actions.operate import OperatePerformer
from .actions.performers import Performers, make_performers
from .deliveries import Delivery, Performed, Performer
from .executor import Executor
from .functions import FunctionStore
from .rules.model import (
    Action,
    CommandAction,
    FunctionAction,
    NotifyAction,
    OperateAction,
    PostAction,
)

if TYPE_CHECKING:
    from ..catalogs.observations.commands import CommandQueue


class LakeStations(Performer):
    """Commands stations of a lake whose observations are opened when the first is commanded.

    Parameters
    ----------
    lake : Lake
        The lake.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._lock = threading.Lock()
        self._performer: OperatePerformer | None = None

    def perform(self, delivery: Delivery, events: Sequence[Event]) -> Performed:
        """Queue a command; see :class:`.actions.operate.OperatePerformer`."""
        return self._opened().perform(delivery, events)

    def check(self, action: Action, *, owner: str) -> None:
        """Raise ``BadRequest`` when it names no station or no command."""
        self._opened().check(action, owner=owner)

    def _opened(self) -> OperatePerformer:
        from ..catalogs.observations.opening import open_observations

        with self._lock:
            if self._performer is None:
                commands: CommandQueue = open_observations(self._lake).commands
                self._performer = OperatePerformer(commands)
            return self._performer


def lake_performers(lake: Lake, executor: Executor, functions: FunctionStore) -> Performers:
    """The performers of a lake in this process.

    Parameters
    ----------
    lake : Lake
        The lake.
    executor : Executor
        Where commands and functions run.
    functions : FunctionStore
        The deployed functions.
    """
    most = make_performers(executor, functions, lake=lake.root)
    by_action: dict[type[object], Performer] = dict.fromkeys(
        (PostAction, CommandAction, NotifyAction, FunctionAction), most
    )
    by_action[OperateAction] = LakeStations(lake)
    return Performers(by_action)
