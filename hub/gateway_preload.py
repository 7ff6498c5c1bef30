"""Loaded into a cluster's scheduler: makes every cluster adaptive from its first second."""

import os
from typing import Any

MINIMUM = "BOATHOUSE_MINIMUM_WORKERS"
MAXIMUM = "BOATHOUSE_MAXIMUM_WORKERS"


async def dask_setup(scheduler: Any) -> None:
    """Start to adapt; the first worker starts with the scheduler, not at the first task."""
    await scheduler.services["gateway"].adapt(
        minimum=int(os.environ[MINIMUM]), maximum=int(os.environ[MAXIMUM])
    )
