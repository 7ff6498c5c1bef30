import asyncio
import time
from pathlib import Path
from typing import Any

from distributed import Client, Scheduler, Worker

from boathouse.hub.gateway_preload import notebooks, spread

RESOURCES = {"kernel": 1}


def run_until(end: str, name: str) -> str:
    while end and not Path(end).exists():
        time.sleep(0.05)
    return name


async def two_notebooks(end: Path) -> list[int]:
    async with (
        Scheduler(dashboard=False, port=0, host="127.0.0.1") as scheduler,
        Worker(scheduler.address, nthreads=2, resources=RESOURCES),
        Client(scheduler.address, asynchronous=True) as client,
    ):
        runs = [client.submit(run_until, str(end), name, resources=RESOURCES) for name in "abc"]
        plain = client.submit(run_until, "", "plain")
        assert await plain == "plain"
        async with Worker(scheduler.address, nthreads=2, resources=RESOURCES):
            await client.wait_for_workers(2)
            spread(scheduler)
            spread(scheduler)
            await asyncio.sleep(0.5)
            counts = [len(notebooks(worker)) for worker in scheduler.workers.values()]
            end.touch()
            assert await client.gather(runs) == list("abc")
            return counts


def test_a_notebook_that_waits_moves_to_a_free_worker_and_a_running_one_stays(
    tmp_path: Path,
) -> None:
    counts = asyncio.run(two_notebooks(tmp_path / "end"))
    assert sorted(counts) == [1, 2]


def test_nothing_moves_when_nobody_is_free() -> None:
    class Nobody:
        workers: dict[str, Any] = {}
        extensions: dict[str, Any] = {"stealing": None}

    spread(Nobody())
