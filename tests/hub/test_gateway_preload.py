import asyncio
import time
from typing import Any

from distributed import Client, Scheduler, Worker

from boathouse.hub.gateway_preload import notebooks, spread

RESOURCES = {"kernel": 1}


def nap(seconds: float, name: str) -> str:
    time.sleep(seconds)
    return name


async def two_notebooks() -> tuple[list[int], float]:
    async with (
        Scheduler(dashboard=False, port=0, host="127.0.0.1") as scheduler,
        Worker(scheduler.address, nthreads=2, resources=RESOURCES),
        Client(scheduler.address, asynchronous=True) as client,
    ):
        begun = time.monotonic()
        runs = [client.submit(nap, 2.0, name, resources=RESOURCES) for name in "abc"]
        plain = client.submit(nap, 0.1, "plain")
        assert await plain == "plain"
        async with Worker(scheduler.address, nthreads=2, resources=RESOURCES):
            await client.wait_for_workers(2)
            spread(scheduler)
            spread(scheduler)
            await asyncio.sleep(0.5)
            counts = [len(notebooks(worker)) for worker in scheduler.workers.values()]
            assert await client.gather(runs) == list("abc")
            return counts, time.monotonic() - begun


def test_a_notebook_that_waits_moves_to_a_free_worker_and_a_running_one_stays() -> None:
    counts, seconds = asyncio.run(two_notebooks())
    assert sorted(counts) == [1, 2]
    assert seconds < 5.9  # one after the other it would be 6


def test_nothing_moves_when_nobody_is_free() -> None:
    class Nobody:
        workers: dict[str, Any] = {}
        extensions: dict[str, Any] = {"stealing": None}

    spread(Nobody())
