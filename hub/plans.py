"""Plans: what a user may run at once, decided by hub group."""

from collections.abc import Iterable

import msgspec


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What one user may run at once.

    Attributes
    ----------
    name : str
        The hub group that gives the plan.
    clusters : int
        Dask clusters.
    workers : int
        Dask workers over all his clusters.
    threads : int
        Threads of a worker; one of them may hold a job's notebook, so at least two.
    memory : float
        Memory of a worker at most, GiB.
    """

    name: str
    clusters: int = 1
    workers: int = 1
    threads: int = 2
    memory: float = 2.0


PLANS = {
    plan.name: plan
    for plan in (
        Plan(name="explorer", clusters=1, workers=2),
        Plan(name="scaler", clusters=2, workers=4),
    )
}
# For a user in none of these groups.
DEFAULT_PLAN = Plan(name="default", clusters=1, workers=1, memory=1.0)


def plan_of(groups: Iterable[str]) -> Plan:
    """The largest plan among a user's hub groups.

    Examples
    --------
    >>> plan_of(["analysts", "scaler"]).workers
    4
    """
    return max(
        (PLANS[group] for group in groups if group in PLANS),
        key=lambda plan: plan.workers,
        default=DEFAULT_PLAN,
    )
