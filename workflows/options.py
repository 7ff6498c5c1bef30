"""How events are handed to a function, and the rule that takes its place when it is deployed."""

import inspect
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ..catalogs.errors import BadRequest
from ..catalogs.events.event import EventFilter
from .functions import pack_function
from .rules.model import Fan, FunctionAction, Retry, Rule

# What a rule has when nobody says anything.
RULE_CONCURRENCY = 4


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How events are handed to a function; as in :class:`.rules.model.Rule`."""

    name: str = ""
    retry: Retry = Retry()
    concurrency: int = 0  # 0: one at a time here, the rule's own default elsewhere
    key: str = ""
    fan: Fan = Fan()
    within: float = 0.0

    @property
    def of_rule(self) -> int:
        """The concurrency of a rule."""
        return self.concurrency or RULE_CONCURRENCY


def deployed_rule(
    function: Callable[..., Any],
    where: EventFilter,
    options: Options,
    save: Callable[..., str],
    *,
    name: str = "",
) -> Rule:
    """Keep a function and make the rule that calls it.

    Parameters
    ----------
    function : callable
        What to call.
    where : EventFilter
        On which events.
    options : Options
        How they are handed over.
    save : callable
        Keeps a :class:`.functions.DeployedFunction` and returns its digest.
    name : str, optional
        Of function and rule; by default the function's name.
    """
    packed = pack_function(
        getattr(function, "_function", function), name=name, batch=not options.fan.single
    )
    return Rule(
        name=name or packed.name,
        owner="",
        where=where,
        action=FunctionAction(name=packed.name, digest=save(packed)),
        fan=options.fan,
        within=options.within,
        retry=options.retry,
        concurrency=options.of_rule,
        key=options.key,
    )


def default_name(function: Callable[..., Any]) -> str:
    """The name of a function's place in the log: the same in the next kernel of its notebook.

    Examples
    --------
    >>> default_name(default_name)
    'boathouse.workflows.listener.default_name'
    """
    name = getattr(function, "__qualname__", type(function).__name__).replace(".<locals>", "")
    module = getattr(inspect.getmodule(function), "__name__", "__main__")
    if module == "__main__":
        # The Jupyter server tells a kernel which notebook it is for.
        place = os.environ.get("JPY_SESSION_NAME") or (sys.argv[0] if sys.argv else "")
        module = Path(place).stem or "python"
    if "<lambda>" in name:
        raise BadRequest("A function without a name needs name=.", field="name")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{module}.{name}").strip("-.")
