"""Plans: what a user may run at once and cut out at once, decided by hub group."""

from collections.abc import Iterable

import msgspec

MEBIBYTE = 2**20


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What one user may run at once, and what he may cut out of a cube in one request.

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
    extract_points : int
        Values, of all variables together, that the service "extract" answers with at once.
    extract_bytes : int
        Bytes of decoded chunks, or of the result if that is larger, that it reads for one answer.
    job_points, job_bytes : int
        The same for an extraction that runs as a job.
    """

    name: str
    clusters: int = 1
    workers: int = 1
    threads: int = 2
    memory: float = 2.0
    extract_points: int = 1_000_000
    extract_bytes: int = 64 * MEBIBYTE
    job_points: int = 500_000_000
    job_bytes: int = 8192 * MEBIBYTE


PLANS = {
    plan.name: plan
    for plan in (
        Plan(name="explorer", clusters=1, workers=2),
        Plan(
            name="scaler",
            clusters=2,
            workers=4,
            extract_points=4_000_000,
            extract_bytes=256 * MEBIBYTE,
            job_points=5_000_000_000,
            job_bytes=131_072 * MEBIBYTE,
        ),
    )
}
# For a user in none of these groups.
DEFAULT_PLAN = Plan(
    name="default",
    clusters=1,
    workers=1,
    memory=1.0,
    extract_points=250_000,
    extract_bytes=32 * MEBIBYTE,
    job_points=50_000_000,
    job_bytes=1024 * MEBIBYTE,
)


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
