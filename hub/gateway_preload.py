"""Loaded into a cluster's scheduler: adaptive from the first second, one notebook a worker."""

import asyncio
import os
from typing import Any

MINIMUM = "BOATHOUSE_MINIMUM_WORKERS"
MAXIMUM = "BOATHOUSE_MAXIMUM_WORKERS"
# The resource of a worker that a running notebook holds; each worker has one.
NOTEBOOK = "kernel"
# Between looks for notebooks that wait behind another, in seconds.
LOOK = 1.0


async def dask_setup(scheduler: Any) -> None:
    """Start to adapt; the first worker starts with the scheduler, not at the first task."""
    by_load = scheduler.adaptive_target

    def adaptive_target(target_duration: Any = None) -> int:
        # Upstream counts threads, so that a second notebook would wait for the first one.
        waiting = [*scheduler.unrunnable, *scheduler.queued]
        running = [task for worker in scheduler.workers.values() for task in notebooks(worker)]
        wanted = len(running) + sum(map(is_notebook, waiting))
        return max(by_load(target_duration), wanted)

    scheduler.adaptive_target = adaptive_target
    await scheduler.services["gateway"].adapt(
        minimum=int(os.environ[MINIMUM]), maximum=int(os.environ[MAXIMUM])
    )
    scheduler.boathouse_spreading = asyncio.create_task(_keep_spreading(scheduler))


def is_notebook(task: Any) -> bool:
    """Whether a task holds a worker's place for a notebook."""
    return NOTEBOOK in (task.resource_restrictions or ())


def notebooks(worker: Any) -> list[Any]:
    """The tasks of a worker that run as notebooks or wait there to."""
    return [task for task in worker.processing if is_notebook(task)]


def spread(scheduler: Any) -> None:
    """Offer notebooks that wait behind another one to workers that have none.

    Upstream steals from a worker when its threads are short, never when its resources are.
    The worker itself refuses to give a notebook that runs already.
    """
    workers = list(scheduler.workers.values())
    idle = [each for each in workers if NOTEBOOK in each.resources and not notebooks(each)]
    stealing = scheduler.extensions["stealing"]
    for worker in workers:
        held = notebooks(worker)
        # The heartbeat tells which of them runs; held has no order that would tell.
        waiting = [task for task in held if task not in worker.executing]
        for task in waiting[: len(held) - 1]:
            if idle and task not in stealing.in_flight:
                stealing.move_task_request(task, worker, idle.pop())


async def _keep_spreading(scheduler: Any) -> None:
    while True:
        await asyncio.sleep(LOOK)
        spread(scheduler)
