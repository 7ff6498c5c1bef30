"""Cuts the oldest events off in the background, never below what a consumer has still to do."""

import asyncio
import logging
import sqlite3

from ...catalogs.errors import BoathouseError
from ...catalogs.events.log import LogEngine, Retention

logger = logging.getLogger(__name__)

# How often is looked, in seconds.
EVERY_SECONDS = 600.0


def retention_of(days: str, megabytes: str) -> Retention | None:
    """What the settings say to keep; None for everything.

    Parameters
    ----------
    days, megabytes : str
        Positive numbers; empty for no limit.

    Raises
    ------
    ValueError
        When one is no number or negative.

    Examples
    --------
    >>> retention_of("30", "").age
    2592000.0
    """
    age, size = float(days or 0), float(megabytes or 0)
    if not (0 <= age < float("inf") and 0 <= size < float("inf")):
        raise ValueError("What the event log keeps must be positive numbers of days and MB.")
    if not age and not size:
        return None
    return Retention(age=age * 86_400, bytes=int(size * 1_000_000))


async def keep_trimmed(log: LogEngine, retention: Retention) -> None:
    """Trim now and then, for ever."""
    while True:
        try:
            trimmed = await asyncio.to_thread(log.trim, retention)
        except (BoathouseError, sqlite3.Error, OSError):
            logger.exception("Cannot trim the event log; trying again later")
        else:
            if trimmed.removed:
                logger.info("Trimmed %d events; first is %d", trimmed.removed, trimmed.first)
            if trimmed.held_by:
                logger.warning(
                    "The event log keeps more than it should, since these consumers have not "
                    "done it yet: %s",
                    ", ".join(trimmed.held_by),
                )
        await asyncio.sleep(EVERY_SECONDS)
