"""Pools in trouble: killed writers, two writers at once, and a disk that is full."""

import resource
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import xarray as xr

from boathouse.catalogs.errors import StorageFull
from boathouse.catalogs.events.event import ITEM_CREATED
from boathouse.catalogs.lake import Lake
from boathouse.catalogs.pools import create_pool
from boathouse.catalogs.recovery import recover


def times(dataset: xr.Dataset) -> list[str]:
    return [str(time)[11:13] for time in np.atleast_1d(dataset["time"].values)]


WRITER = """
import sys, os
import numpy as np, pandas as pd, xarray as xr
from boathouse.catalogs.lake import Lake, open_lake
from boathouse.catalogs.pools import open_pool

root, begin, end, death = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
lake = open_lake(root, user="ann")
pool = open_pool("t2m-fresh", lake)
y, x = np.linspace(58, 50, 4), np.linspace(-10, 2, 6)
if death == "record":
    # Dies between the commit of the bytes and their record in the catalog.
    lake.store.record = lambda record: os.kill(os.getpid(), 9) if record.items else None
for hour in range(begin, end):
    pool.put(xr.Dataset(
        {"t2m": (("time", "latitude", "longitude"),
                 np.full((1, 4, 6), hour, "f4"), {"units": "K"})},
        {"time": [np.datetime64("2019-03-01", "ns") + np.timedelta64(hour, "h")],
         "latitude": y, "longitude": x},
    ))
    print(hour, flush=True)
lake.close()
"""


def run_writer(lake, begin, end, death="never"):
    command = [sys.executable, "-c", WRITER, str(lake.root), str(begin), str(end), death]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("healer", ["the next put", "the next start"])
def test_killed_between_commit_and_record(pool, lake, healer):
    writer = run_writer(lake, 0, 1, "record")
    writer.communicate()
    assert writer.returncode == -signal.SIGKILL
    assert pool.open().sizes["time"] == 0
    assert lake.log.read() == []
    if healer == "the next put":
        writer = run_writer(lake, 1, 2)
        writer.communicate()
        assert writer.returncode == 0
        assert times(pool.open()) == ["00", "01"]
    else:
        assert recover(lake) == ["t2m-fresh"]
        assert recover(lake) == []
        assert times(pool.open()) == ["00"]
    ids = [event.id for event in lake.log.read()]
    assert ids[0].rpartition("-")[2] == "20190301T0000Z"
    assert len(ids) == len(set(ids)) == pool.open().sizes["time"]


@pytest.mark.slow
def test_killed_again_and_again_while_others_read(pool, lake):
    """Readers never fail, and every step that was acknowledged is there exactly once."""
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                opened = pool.open(chunks=None)
                hours = (opened["time"].values - np.datetime64("2019-03-01")).astype("m8[h]")
                values = opened["t2m"].values
                assert (values == hours.astype(int)[:, None, None]).all()
            except BaseException as error:  # noqa: BLE001 - reported by the test
                failures.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    acknowledged, begin = [], 0
    for wait in (0.05, 0.2, 0.12):
        writer = run_writer(lake, begin, 1000)
        assert writer.stdout is not None
        acknowledged.append(int(writer.stdout.readline()))
        time.sleep(wait)
        writer.kill()
        rest, _ = writer.communicate()
        acknowledged += [int(line) for line in rest.splitlines() if line.strip()]
        begin = acknowledged[-1] + 1
    recover(lake)
    done.set()
    for reader in readers:
        reader.join()
    assert not failures
    created = [e.data["item"] for e in lake.log.read(limit=10_000) if e.type == ITEM_CREATED]
    assert len(created) == len(set(created)) >= len(acknowledged)
    assert pool.open()["time"].values[-1] >= np.datetime64("2019-03-01") + np.timedelta64(
        acknowledged[-1], "h"
    )


@pytest.mark.slow
def test_two_writers_at_once_lose_nothing(lake, frames):
    pool = create_pool("t2m-fresh", template=frames(2), window=12, lake=lake)
    writers = [run_writer(lake, begin, begin + 4) for begin in (0, 2)]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    # Hours 2 and 3 come from both, with the same values; the slower finds them there already.
    assert times(pool.open()) == ["00", "01", "02", "03", "04", "05"]
    assert sorted(event.data["item"][9:11] for event in lake.log.read()) == times(pool.open())


def noisy(hour: int) -> xr.Dataset:
    values = np.random.default_rng(hour).normal(size=(1, 300, 300)).astype("f4")
    return xr.Dataset(
        {"v": (("time", "y", "x"), values, {"units": "1"})},
        {
            "time": [np.datetime64("2019-03-01", "ns") + np.timedelta64(hour, "h")],
            "y": np.arange(300),
            "x": np.arange(300),
        },
    )


def test_a_full_disk_shows_nothing_half_and_with_room_the_pool_goes_on(small_disk, lake):
    (small_disk / "ballast").write_bytes(bytes(1_000_000))
    small = Lake(small_disk, lake.store, lake.log, user="ann")
    pool = create_pool("full", template=noisy(0), window=100, step="1h", lake=small)
    full = 0

    def fill() -> None:
        nonlocal full
        while full < 100:
            pool.put(noisy(full))
            full += 1

    with pytest.raises(StorageFull, match="disk is full"):
        fill()

    def check(steps: int) -> None:
        opened = pool.open().compute()
        assert opened.sizes["time"] == steps > 0
        for index in range(steps):
            np.testing.assert_array_equal(opened["v"][index], noisy(index)["v"][0])
        assert len(lake.store.items("full")) == len(lake.log.read()) == steps

    check(full)
    (small_disk / "ballast").unlink()
    pool.put(noisy(full))
    check(full + 1)


def test_a_file_that_may_not_grow_is_a_full_disk(tmp_path):
    """Without root: the largest size of a file stands for the end of the disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))

    code = """
import sys, numpy as np, xarray as xr
from boathouse.catalogs.cubes import fill
from boathouse.catalogs.repositories import locked, new_repository
from boathouse.catalogs.encoding import encoding_of
from boathouse.catalogs.errors import StorageFull
from pathlib import Path
path = Path(sys.argv[1]) / "cube"
data = xr.Dataset({"v": ("x", np.random.default_rng(0).normal(size=100_000))})
try:
    with locked(path), new_repository(path) as repository:
        fill(repository.writable_session("main"), data, encoding_of(data))
except StorageFull as error:
    assert not path.exists()
    print("full")
"""
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        preexec_fn=limit,
    )
    assert ran.stdout == "full\n", ran.stderr
