"""Calls a deployed function on a worker of its owner; only there its bytes are loaded."""

import inspect
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ...catalogs.errors import BoathouseError, NotFound
from ...catalogs.events.event import Event
from ...catalogs.lake import Connection, Lake, connect_lake, open_lake
from ..deliveries import Delivery, Performed, Performer, Refused
from ..functions import DeployedFunction, FunctionStore, differences, load_function
from ..recipes import jsonable
from ..rules.model import Action, FunctionAction
from .cluster import OwnersCluster

# A return value that is larger belongs into the lake, and is not kept.
LARGEST_VALUE = 100_000
LONGEST_TRACE = 1_500


class FunctionFailed(RuntimeError):
    """A deployed function raised an exception."""


class FunctionOrder(msgspec.Struct, frozen=True, kw_only=True):
    """All that a worker must know to call a function."""

    function: DeployedFunction
    events: bytes
    lake: str
    connection: Connection | None = None

    def __repr__(self) -> str:
        return f"FunctionOrder({self.function.name!r})"


class FunctionEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How a call ended.

    Attributes
    ----------
    value : bytes
        What it returned, as JSON; ``null`` when that cannot be or is too large.
    error : str
        What it raised; empty when nothing.
    hopeless : bool
        Whether another attempt cannot help.
    """

    value: bytes = b"null"
    error: str = ""
    hopeless: bool = False


class FunctionPerformer(Performer):
    """Calls deployed functions.

    Parameters
    ----------
    cluster : OwnersCluster
        Where they run.
    store : FunctionStore
        Where they are kept.
    lake : Path
        The lake's folder.
    """

    def __init__(self, cluster: OwnersCluster, store: FunctionStore, lake: Path) -> None:
        self._cluster = cluster
        self._store = store
        self._lake = lake

    def perform(self, delivery: Delivery, events: Sequence[Event]) -> Performed:
        """Call it; what it returns is the delivery's result when it can be written as JSON."""
        action = delivery.action
        assert isinstance(action, FunctionAction)
        try:
            function = self._store.find(delivery.owner, action.name, action.digest)
        except NotFound as error:
            raise Refused(error.detail) from error
        order = FunctionOrder(
            function=function,
            events=msgspec.json.encode(list(events)),
            lake=str(self._lake),
            connection=self._cluster.connection(delivery.owner),
        )
        end = self._cluster.call(delivery, call_function, order)
        if end.error:
            raise Refused(end.error) if end.hopeless else FunctionFailed(end.error)
        value = msgspec.json.decode(end.value)
        return Performed(result={} if value is None else {"value": value})

    def check(self, action: Action, *, owner: str) -> None:
        """Raise ``NotFound`` when the owner has not deployed it, or has withdrawn it."""
        assert isinstance(action, FunctionAction)
        self._store.find(owner, action.name, action.digest)


def call_function(order: FunctionOrder) -> FunctionEnd:
    """Call a function in this process; never raises for what it does."""
    try:
        function = load_function(order.function)
    except Exception as error:  # noqa: BLE001 - loading runs what its owner has written
        hopeless = isinstance(error, BoathouseError)
        return FunctionEnd(error=_said(error, order.function), hopeless=hopeless)
    events = msgspec.json.decode(order.events, type=list[Event])
    given: Any = events if order.function.batch or len(events) != 1 else events[0]
    try:
        value = _call(function, given, order)
    except Exception as error:  # noqa: BLE001 - whatever it is, its owner is told
        return FunctionEnd(error=_said(error, order.function))
    return FunctionEnd(value=_written(value))


def call_with_lake(function: Callable[..., Any], given: Any, lake: Callable[[], Lake]) -> Any:
    """Call a function with its events, and with the lake when it has a parameter for it."""
    return function(given, lake=lake()) if wants_lake(function) else function(given)


def wants_lake(function: Callable[..., Any]) -> bool:
    """Whether a function has a parameter that is called ``lake``.

    Examples
    --------
    >>> wants_lake(lambda event, lake: lake)
    True
    """
    try:
        parameters = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        # Some built-in functions do not say what they take.
        return False
    return "lake" in parameters[1:]


def _call(function: Callable[..., Any], given: Any, order: FunctionOrder) -> Any:
    if order.connection is None:
        return call_with_lake(function, given, lambda: open_lake(order.lake))
    opened: list[Lake] = []

    def connected() -> Lake:
        assert order.connection is not None
        opened.append(connect_lake(order.lake, order.connection))
        return opened[0]

    try:
        return call_with_lake(function, given, connected)
    finally:
        for lake in opened:
            lake.close()


def _written(value: Any) -> bytes:
    try:
        text = msgspec.json.encode(jsonable(value))
    except (TypeError, ValueError, RecursionError):
        return b"null"
    return text if len(text) <= LARGEST_VALUE else b"null"


def _said(error: Exception, function: DeployedFunction) -> str:
    if isinstance(error, BoathouseError):
        return error.detail
    where = traceback.extract_tb(error.__traceback__)
    line = f" (line {where[-1].lineno} of {where[-1].name})" if where else ""
    text = f"{type(error).__name__}: {error}{line}"[:LONGEST_TRACE]
    other = differences(function.modules)
    return f"{text}. Deployed with other packages: {other}." if other else text
