"""When a schedule is due."""

from datetime import UTC, datetime

from croniter import croniter

from ..catalogs.errors import BadRequest
from .rules.naming import check_name

EXAMPLE = "0 6 * * *"


def check_cron(name: str, cron: str) -> None:
    """Raise ``BadRequest`` for a name or a cron line that cannot be used.

    Parameters
    ----------
    name : str
        The schedule's name.
    cron : str
        Five fields (minute, hour, day, month, weekday; UTC), or six with seconds first.
    """
    check_name(name)
    if len(cron.split()) not in (5, 6) or not croniter.is_valid(cron, second_at_beginning=True):
        raise BadRequest(
            f"{cron!r} is not a cron line; write minute, hour, day, month and weekday in UTC, "
            f"such as {EXAMPLE!r} for six o'clock every day.",
            field="cron",
        )


def next_time(cron: str, after: datetime | None = None) -> str:
    """When a cron line is due next, RFC 3339.

    Examples
    --------
    >>> next_time("0 6 * * *", datetime(2026, 1, 1, 7, tzinfo=UTC))
    '2026-01-02T06:00:00Z'
    """
    begin = after or datetime.now(UTC)
    due: datetime = croniter(cron, begin, second_at_beginning=True).get_next(datetime)
    return due.isoformat().replace("+00:00", "Z")
