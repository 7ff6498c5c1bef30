"""The nouns of automation: jobs, rules and schedules."""

from typing import Any, Literal

import msgspec

from .rules.model import Rule as Rule  # where it was before there was more than one action

# The states of OGC API - Processes.
State = Literal["accepted", "running", "successful", "failed", "dismissed"]
# How many jobs of one user run at once.
JOBS_OF_A_USER = 2
ENDED: frozenset[str] = frozenset({"successful", "failed", "dismissed"})


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a recipe.

    Attributes
    ----------
    id : str
        Its name for ever; for a job set off by a rule it derives from rule and event, so
        that one event never makes two.
    recipe : str
        The notebook's name below ``notebooks/recipes``, such as ``mean-over-shape``.
    parameters : dict
        JSON values by parameter name.
    owner : str
        The user in whose name it runs.
    attempt : int
        Counts starts; a write that carries an older attempt is refused.
    cells_done, cells_total : int
        Progress of the notebook.
    message : str
        What it does now, or why it failed.
    rule, schedule : str
        What set it off; both empty when a person did.
    event : int
        Sequence number of the event that set it off; 0 when none did.
    parent : str
        The job that made that event; empty when none did.
    results : tuple of str
        Collections it published.
    notebook : str
        Path of the executed notebook below the lake; empty before the first cell.
    """

    id: str
    recipe: str
    parameters: dict[str, Any]
    owner: str
    state: State = "accepted"
    attempt: int = 0
    cells_done: int = 0
    cells_total: int = 0
    message: str = ""
    rule: str = ""
    schedule: str = ""
    event: int = 0
    parent: str = ""
    results: tuple[str, ...] = ()
    notebook: str = ""
    created: str = ""
    started: str = ""
    finished: str = ""

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self.state in ENDED


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Run a recipe at the times of a cron line, in its owner's name."""

    name: str
    owner: str
    cron: str
    recipe: str
    parameters: dict[str, Any] = {}
    next: str = ""
    created: str = ""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """A notebook that can be run with parameters.

    ``parameters`` maps each name to ``{"type": "str" | "float" | ..., "default": ...,
    "help": ..., "required": bool}``.
    """

    name: str
    title: str
    description: str = ""
    parameters: dict[str, dict[str, Any]] = {}
