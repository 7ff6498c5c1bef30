"""Extraction from zarr beside what must be read anyway, and beside xarray's own ways.

Run by ``make bench``; never part of the suite.  Each pair is measured in turn in one run.
"""

import asyncio
import os
import statistics
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path as FilePath
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
import zarr
from numcodecs import Zstd
from zarr.storage import LocalStore, WrapperStore

import boathouse.kernels.polytope.accessor  # noqa: F401 - registers .polytope
from boathouse.kernels.polytope.shapes import Box, Path, Polygon, Union

pytestmark = [pytest.mark.timeout(1800)]

AXES = ("latitude", "longitude")
CHUNKS = {"maps": (1, 180, 360), "blocks": (8, 90, 180), "series": (40, 24, 24)}


class Counted(WrapperStore[LocalStore]):
    """Counts the chunks that are asked for, of it and of the read-only twin that xarray makes."""

    asked: ClassVar[list[str]] = []

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        self.asked.append(key)
        return await super().get(key, prototype, byte_range)

    def get_sync(self, key: str, **options: Any) -> Any:
        self.asked.append(key)
        return self._store.get_sync(key, **options)


class Distant(WrapperStore[LocalStore]):
    """Answers after 20 ms, as a bucket far away does."""

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        await asyncio.sleep(0.02)
        return await super().get(key, prototype, byte_range)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> FilePath:
    """40 times x 721 x 1440 float32 (166 MB), zstd, in three layouts of chunks."""
    root = tmp_path_factory.mktemp("cubes")
    rng = np.random.default_rng(0)
    field = np.cumsum(rng.normal(size=(721, 1440)).astype(np.float32), axis=1) / 10
    values = np.stack([field + 0.01 * rng.normal(size=field.shape) + n for n in range(40)])
    cube = xr.Dataset(
        {"t": (("time", *AXES), values.astype(np.float32), {"units": "K"})},
        {
            "time": pd.date_range("2026-01-01", periods=40, freq="6h"),
            "latitude": ("latitude", np.arange(-90, 90.25, 0.25), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(0, 360, 0.25), {"units": "degrees_east"}),
        },
    )
    for name, chunks in CHUNKS.items():
        path = root / name
        cube.to_zarr(path, encoding={"t": {"chunks": chunks}}, consolidated=False)
    return root


def star(north: float, east: float, size: float, vertices: int = 500) -> Polygon:
    rng = np.random.default_rng(7)
    angle = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    radius = size * (1 + 0.15 * np.cos(7 * angle) + 0.05 * rng.normal(size=vertices))
    ring = np.stack([north + radius * np.sin(angle), east + radius * np.cos(angle)], axis=1)
    return Polygon(AXES, ring)


COUNTRY = star(47, 23, 6)
ISLANDS = Union(COUNTRY, star(4, 307, 1.5), star(-21, 55, 1), star(46, 304, 1), star(-12, 45, 1))
SHIP = Path(
    ("time", *AXES),
    Box(time=("-6h", "6h"), latitude=(-1, 1), longitude=(-1, 1)),
    *(
        (f"2026-01-{1 + n // 2:02d}T{12 * (n % 2):02d}:00", -50 + 9 * n, 20 + 20 * n)
        for n in range(12)
    ),
)
BOX = Box(latitude=(40, 55), longitude=(10, 30))


def opened(store: Any) -> xr.Dataset:
    return xr.open_zarr(store, chunks=None, consolidated=False)


def best(calls: list[Callable[[], Any]], rounds: int = 7) -> list[float]:
    """The medians of several calls, each in turn."""
    spent: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for number, call in enumerate(calls):
            begun = time.perf_counter()
            call()
            spent[number].append(time.perf_counter() - begun)
    return [statistics.median(times) for times in spent]


def touched(path: FilePath, shape: Any) -> list[str]:
    """The chunks that an extraction asks for, each of which must be asked for once."""
    store = Counted(LocalStore(path))
    cube = opened(store)
    store.asked.clear()
    cube.polytope.extract(shape).t.load()
    chunks = [key for key in store.asked if key.startswith("t/c/")]
    assert len(chunks) == len(set(chunks)), "a chunk was read twice"
    assert len(chunks) == cube[["t"]].polytope.plan(shape).chunks
    return chunks


def read_and_decode(path: FilePath, keys: list[str]) -> int:
    codec = Zstd()
    return sum(len(codec.decode((path / key).read_bytes())) for key in keys)


def cut(cube: xr.Dataset, shape: Any) -> Callable[[], Any]:
    def extract() -> xr.DataArray:
        return cube.polytope.extract(shape).t.load()

    return extract


def show(title: str, lines: list[str]) -> None:
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\n{title}  (load {load}, {os.cpu_count()} cores)")
    for line in lines:
        print(f"  {line}")


def test_beside_reading_the_chunks(folder: FilePath, benchmark: Any) -> None:
    lines = [f"{'':<24}{'chunks':>7}{'floor':>10}{'Boathouse':>11}{'ratio':>7}  (goal 1.5)"]

    def run() -> None:
        for layout in CHUNKS:
            cube = opened(folder / layout)
            for name, shape in (("country", COUNTRY), ("islands", ISLANDS), ("ship", SHIP)):
                keys = touched(folder / layout, shape)
                floor, ours = best(
                    [
                        partial(read_and_decode, folder / layout, keys),
                        cut(cube, shape),
                    ]
                )
                label = f"{layout}, {name}"
                lines.append(
                    f"{label:<24}{len(keys):>7}{floor * 1e3:>7.1f} ms{ours * 1e3:>8.1f} ms"
                    f"{ours / floor:>6.2f}x"
                )

    benchmark.pedantic(run, rounds=1)
    show("Extraction from zarr beside only reading and decoding the touched chunks", lines)


def test_beside_xarray(folder: FilePath, benchmark: Any) -> None:
    lines = [f"{'':<40}{'xarray':>10}{'Boathouse':>12}{'ratio':>8}"]
    area = shapely.Polygon([(vertex[1], vertex[0]) for vertex in COUNTRY.outer[0]])

    def add(name: str, peer: Callable[[], Any], ours: Callable[[], Any], goal: str) -> None:
        theirs, own = best([peer, ours])
        lines.append(
            f"{name:<40}{theirs * 1e3:>7.1f} ms{own * 1e3:>9.1f} ms{theirs / own:>7.2f}x  {goal}"
        )

    def bounding_box(cube: xr.Dataset, shape: Any) -> xr.Dataset:
        bounds = shape.bounds()
        return cube.sel({axis: slice(*pair) for axis, pair in bounds.items()})

    def boxed(cube: xr.Dataset, shape: Any) -> Callable[[], Any]:
        def load() -> xr.DataArray:
            return bounding_box(cube, shape).t.load()

        return load

    def masked(cube: xr.Dataset) -> xr.DataArray:
        box = bounding_box(cube, COUNTRY).t.load()
        x, y = np.meshgrid(box.longitude, box.latitude)
        return box.where(xr.DataArray(shapely.contains_xy(area, x, y), dims=AXES))

    def run() -> None:
        maps, series = opened(folder / "maps"), opened(folder / "series")
        add(
            "a box, beside sel",
            boxed(maps, BOX),
            cut(maps, BOX),
            "goal >= 0.91x (1.1 times as long)",
        )
        add(
            "country, beside box + contains_xy",
            partial(masked, maps),
            cut(maps, COUNTRY),
            "",
        )
        for name, cube, shape in (
            ("ship's track, beside its box (maps)", maps, SHIP),
            ("ship's track, beside its box (series)", series, SHIP),
        ):
            add(
                name,
                boxed(cube, shape),
                cut(cube, shape),
                "goal 10x",
            )
        ends = {"latitude": (-21, 53), "longitude": (45, 309)}  # the islands' bounding box
        add(
            "islands, beside their box (series)",
            boxed(series, Box(ends)),
            cut(series, ISLANDS),
            "goal 10x",
        )
        far = opened(Distant(LocalStore(folder / "maps")))
        theirs, own = best([partial(masked, far), cut(far, COUNTRY)], rounds=3)
        lines.append(
            f"{'country, a store 20 ms away':<40}{theirs * 1e3:>7.1f} ms{own * 1e3:>9.1f} ms"
            f"{theirs / own:>7.2f}x  goal 3x"
        )

    benchmark.pedantic(run, rounds=1)
    show("Extraction from zarr beside xarray (no Dask)", lines)


def test_memory(folder: FilePath, benchmark: Any) -> None:
    lines: list[str] = []

    def run() -> None:
        for layout, shape, name in (
            ("maps", COUNTRY, "country"),
            ("maps", star(-10, 305, 15), "a large country"),
            ("series", SHIP, "ship's track"),
        ):
            cube = opened(folder / layout)
            plan = cube[["t"]].polytope.plan(shape)
            array = zarr.open_array(folder / layout / "t", mode="r")
            chunk = int(np.prod(array.chunks)) * array.dtype.itemsize
            cube.polytope.extract(shape).t.load()  # what is kept between calls is there
            tracemalloc.start()
            result = cube.polytope.extract(shape).t.load()
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            over = (peak - result.nbytes) / 1e6
            lines.append(
                f"{layout + ', ' + name:<24} result {result.nbytes / 1e6:>6.2f} MB, peak "
                f"{peak / 1e6:>6.1f} MB: {over:>5.1f} MB over; a chunk has {chunk / 1e6:.2f} MB, "
                f"read {plan.bytes / 1e6:.0f} MB"
            )

    benchmark.pedantic(run, rounds=1)
    show("Peak memory (goal: result + chunks in flight + 16 MB)", lines)


def test_dask_over_100_gigabytes(tmp_path: FilePath, benchmark: Any) -> None:
    """A cube that no memory holds, on a cluster of two workers with 2 GB each."""
    import dask.array as da
    from distributed import Client, LocalCluster

    times, lines = 24_000, []
    tall, wide, deep = (361, 360), (720, 720), (6,) * (times // 6)
    values = da.map_blocks(_synthetic, chunks=(deep, tall, wide), dtype=np.float32)
    cube = xr.Dataset(
        {"t": (("time", *AXES), values)},
        {
            "time": pd.date_range("2000-01-01", periods=times, freq="6h"),
            "latitude": ("latitude", np.arange(-90, 90.25, 0.25), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(0, 360, 0.25), {"units": "degrees_east"}),
        },
    )

    def run() -> None:
        plan = cube.polytope.plan(COUNTRY)
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="2GiB",
                         local_directory=str(tmp_path), dashboard_address=":0") as cluster,
            Client(cluster) as client,
        ):  # fmt: skip
            begun = time.perf_counter()
            mean = cube.polytope.extract(COUNTRY).t.mean("points").compute()
            spent = time.perf_counter() - begun
            peaks = client.run(_peak_memory)
        assert mean.shape == (times,)
        lines.append(
            f"cube {cube.nbytes / 1e9:.0f} GB, read {plan.bytes / 1e9:.1f} GB in {plan.chunks:,} "
            f"chunks, result {plan.result_bytes / 1e6:.0f} MB before the mean"
        )
        lines.append(
            f"{spent:.1f} s; peak memory of the workers "
            f"{', '.join(f'{value / 1e6:.0f} MB' for value in peaks.values())}"
        )

    benchmark.pedantic(run, rounds=1)
    show("A country out of a cube of synthetic chunks, on two workers of one thread", lines)


def _synthetic(block_info: Any = None) -> Any:
    """A chunk of noise that costs about as much as to read and decode one."""
    place = block_info[None]
    rng = np.random.default_rng(place["chunk-location"])
    return rng.random(place["chunk-shape"], dtype=np.float32)


def _peak_memory() -> int:
    """The high-water mark of this very program; getrusage would count what its parent had."""
    lines = FilePath("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
