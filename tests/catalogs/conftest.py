"""Fixtures of the catalogs floor.

==========  ==============================================================
lake        an open lake of the user ``ann`` in a folder of its own, in process
frames      makes a Dataset of hourly real-looking steps on a small grid
pool        the lake's pool ``t2m-fresh`` of four of those steps, empty
small_disk  the folder of a real disk of 3 MB, to be filled
==========  ==============================================================
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from boathouse.catalogs.lake import Lake, open_lake
from boathouse.catalogs.pools import Pool, create_pool


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = open_lake(tmp_path / "lake", user="ann")
    yield opened
    opened.close()


@pytest.fixture
def frames() -> Callable[..., xr.Dataset]:
    """``frames(n, start="2019-03-01", seed=0)``: n steps of ``t2m`` in K on 4 x 6 points."""

    def make(n: int = 1, start: str = "2019-03-01", seed: int = 0) -> xr.Dataset:
        values = np.random.default_rng(seed).normal(280, 5, (n, 4, 6)).astype("f4")
        return xr.Dataset(
            {
                "t2m": (
                    ("time", "latitude", "longitude"),
                    values,
                    {"units": "K", "standard_name": "air_temperature"},
                )
            },
            {
                "time": pd.date_range(start, periods=n, freq="h"),
                "latitude": ("latitude", np.linspace(58, 50, 4), {"units": "degrees_north"}),
                "longitude": ("longitude", np.linspace(-10, 2, 6), {"units": "degrees_east"}),
            },
        )

    return make


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Only root can mount one."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk: {mounted.stderr.decode()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def pool(lake: Lake, frames: Callable[..., xr.Dataset]) -> Pool:
    return create_pool("t2m-fresh", template=frames(2), window=4, title="Fresh", lake=lake)
