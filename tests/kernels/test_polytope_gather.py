"""Points of stores stay lazy, are read many chunks at a time, and name what cannot be read."""

import asyncio
import concurrent.futures
import gc
import multiprocessing
import operator
import pickle
import time
import tracemalloc

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import boathouse.kernels.polytope.accessor  # noqa: F401 - registers .polytope
from boathouse.kernels.polytope.gather import gather, layout, reading, straight, take
from boathouse.kernels.polytope.gather.lazy import Gathered
from boathouse.kernels.polytope.gather.memory import take_rows
from boathouse.kernels.polytope.rows import Rows, rows_of_flat
from boathouse.kernels.polytope.shapes import Polygon

from .stores import AXES, DIAGONAL, SHAPES, CountingStore, globe, opened, touched, written


@pytest.fixture(scope="module")
def stored_globe():
    """The globe in chunks."""
    return written(globe())


@pytest.fixture
def counting(stored_globe):
    """The same in a store that counts from 0."""
    return CountingStore(stored_globe)


CHOICES = [
    {"time": 1},
    {"time": slice(3, None), "level": 0},
    {"points": slice(5, 40)},
    {"points": slice(None, None, -3)},
    {"points": [7, 3, 3, 70], "time": [2, 0]},
    {"points": 9},
    {"time": 0, "level": 1, "points": -1},
    {"points": np.array([], dtype=int)},
    {"points": xr.Variable("z", [4, 60, 2]), "time": xr.Variable("z", [0, 3, 3])},
]


@pytest.mark.parametrize("choice", CHOICES, ids=range(len(CHOICES)))
def test_what_is_chosen_of_it_stays_lazy_and_reads_no_more(counting, choice):
    want = globe().polytope.extract(DIAGONAL).t
    cut = opened(counting).polytope.extract(DIAGONAL).t
    wanted = touched(globe(), DIAGONAL, **choice)
    for lazy, eager in ((cut, want), (cut[:, ::-1], want[:, ::-1])):
        counting.gets.clear()
        part = lazy.isel(choice)
        assert not part.variable._in_memory
        assert part.shape == eager.isel(choice).shape
        assert not counting.gets
        xr.testing.assert_identical(part.compute(), eager.isel(choice))
        gets = counting.chunks("t")
        assert set(gets.values()) <= {1}
        if "time" in choice and isinstance(choice["time"], xr.Variable):
            continue  # xarray asks for all the times of all the points, and chooses then
        if isinstance(choice.get("level"), int) and lazy is not cut:
            continue  # another level
        assert len(gets) == len(wanted)


def test_turned_and_asked_twice(counting):
    cut = opened(counting).polytope.extract(DIAGONAL).t
    turned = cut.transpose("points", "level", "time")
    assert not turned.variable._in_memory
    want = globe().polytope.extract(DIAGONAL).t
    xr.testing.assert_identical(turned.compute(), want.transpose("points", "level", "time"))
    xr.testing.assert_identical(cut.load(), want)
    counting.gets.clear()
    cut.load()
    assert not counting.gets


def test_it_becomes_a_dask_array(counting):
    cut = opened(counting).polytope.extract(DIAGONAL)
    for sizes in ({}, {"points": 50}, {"time": 1, "points": -1}):
        chunked = cut.chunk(sizes)
        assert chunked.t.chunks is not None
        xr.testing.assert_identical(chunked.compute(), globe().polytope.extract(DIAGONAL))
    counting.gets.clear()
    cut.chunk(time=1).t.mean().compute()
    assert set(counting.chunks("t").values()) == {1}


def test_another_process_reads_it(tmp_path):
    path = written(globe(), str(tmp_path / "globe"))
    cut = opened(path).polytope.extract(DIAGONAL)
    again = pickle.loads(pickle.dumps(cut))
    assert isinstance(again.t.variable._data.array, Gathered)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        loaded = pool.submit(operator.methodcaller("load"), cut).result(timeout=120)
    xr.testing.assert_identical(loaded, globe().polytope.extract(DIAGONAL))


def test_several_threads_read_at_once(counting):
    ds = opened(counting)
    cuts = [ds.polytope.extract(shape) for shape in SHAPES.values()] * 3
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for cut, shape in zip(
            pool.map(lambda c: c.compute(), cuts), list(SHAPES.values()) * 3, strict=True
        ):
            xr.testing.assert_identical(cut, globe().polytope.extract(shape))


def test_inside_a_running_event_loop_as_in_a_notebook(counting, stored_globe):
    want = globe().polytope.extract(DIAGONAL)

    async def cell():
        loaded = [opened(s).polytope.extract(DIAGONAL).compute() for s in (counting, stored_globe)]
        counting.delay = 0.2
        ticks = 0
        waiting = asyncio.ensure_future(opened(counting).polytope.extract(DIAGONAL).t.load_async())
        while not waiting.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return [*loaded, xr.Dataset({"t": await waiting})], ticks

    loaded, ticks = asyncio.run(cell())
    for cut in loaded[:2]:
        xr.testing.assert_identical(cut, want)
    xr.testing.assert_identical(loaded[2].t, want.t)
    assert ticks >= 5  # the loop went on


def wide():
    """A year of days on 40 x 40 places, of which a slanting shape touches half the chunks."""
    values = np.random.default_rng(1).normal(size=(96, 40, 40)).astype("f4")
    return xr.Dataset(
        {"t": (("time", *AXES), values)},
        {"latitude": np.arange(40.0), "longitude": np.arange(40.0)},
    )


SLANT = Polygon(AXES, [(0, 0), (4, 0), (39, 35), (39, 39), (35, 39), (0, 4)])


def test_a_slow_store_is_read_with_64_gets_at_a_time():
    ds = wide()
    inner = zarr.storage.MemoryStore()
    ds.to_zarr(inner, encoding={"t": {"chunks": (6, 10, 10)}}, consolidated=False)
    ours = CountingStore(inner, delay=0.02)
    theirs = CountingStore(inner, delay=0.02)
    cut = opened(ours).polytope.extract(SLANT).t
    rows, columns = (xr.Variable("points", cut[axis].values.astype(int)) for axis in AXES)
    lazy = opened(theirs).t.isel(latitude=rows, longitude=columns)
    ours.most[0] = theirs.most[0] = 0
    spent = []
    for _ in range(3):
        started = time.perf_counter()
        values = cut.variable._data.get_duck_array()
        between = time.perf_counter()
        np.testing.assert_array_equal(values, lazy.variable._data.get_duck_array())
        spent.append((between - started, time.perf_counter() - between))
    assert len(ours.chunks("t")) == len(theirs.chunks("t")) == 160
    assert ours.most == [64]
    # Three rounds of gets where zarr's default needs sixteen; the real bar is in the benchmarks.
    fast, slow = (min(times) for times in zip(*spent, strict=True))
    assert slow >= 2 * fast


def test_a_slow_store_gives_boxes_as_fast():
    inner = zarr.storage.MemoryStore()
    wide().to_zarr(inner, encoding={"t": {"chunks": (6, 10, 10)}}, consolidated=False)
    slow = CountingStore(inner, delay=0.02)
    box = straight(opened(slow).t.variable)
    slow.most[0] = 0
    np.testing.assert_array_equal(box.values, wide().t.values)
    assert slow.most == [64]


def peak_of(read):
    """The most memory that was held while something was read, beyond what was before."""
    gc.collect()
    tracemalloc.start()
    try:
        result = read()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("layers", [{}, {"dtype": "i4", "scale_factor": 0.5, "_FillValue": -1}])
@pytest.mark.parametrize("slow", [False, True])
def test_memory_is_the_result_and_the_chunks_in_flight(tmp_path, layers, slow):
    values = np.arange(24 * 600 * 600, dtype="f4").reshape(24, 600, 600) % 1000
    ds = xr.Dataset(
        {"t": (("time", *AXES), values)},
        {"latitude": np.arange(600.0), "longitude": np.arange(600.0)},
    )
    encoding = {"chunks": (1, 300, 300), "compressors": None, **layers}
    ds.to_zarr(str(tmp_path / "z"), encoding={"t": encoding}, consolidated=False)
    large = Polygon(AXES, [(1, 1), (598, 20), (598, 598), (30, 590)])
    store = zarr.storage.LocalStore(tmp_path / "z")
    lazy = opened(CountingStore(store) if slow else store).polytope.extract(large).t.variable
    result, peak = peak_of(lazy._data.get_duck_array)
    np.testing.assert_array_equal(result, ds.polytope.extract(large).t.values)
    chunk = 300 * 300 * 4
    held = 64 * chunk if slow else 4 * chunk
    assert result.nbytes > 16_000_000
    assert peak <= result.nbytes + held + 16_000_000


def test_a_variable_with_a_part_of_the_dimensions_of_the_points(stored_globe):
    flat = np.array([7, 90 * 46 + 95, 90 * 46 + 97, 3 * 90 * 46 + 95])
    rows = rows_of_flat(flat, ("time", "latitude", "longitude"), (4, 46, 90))
    at = dict(zip(rows.dims, rows.points(), strict=True))
    for dims in (("latitude", "longitude"), ("longitude", "time"), ("latitude",)):
        part = globe().t.isel({d: 0 for d in globe().t.dims if d not in (*dims, "level")})
        store = CountingStore(zarr.storage.MemoryStore())
        xr.Dataset({"x": part.variable}).to_zarr(
            store, encoding={"x": {"chunks": (1,) + (10,) * (part.ndim - 1)}}, consolidated=False
        )
        index = {d: xr.Variable("points", at[d]) for d in dims}
        for lazy in (opened(store).x.variable, opened(store, {}).x.variable, part.variable):
            store.gets.clear()
            got = gather(lazy, rows, "points")
            xr.testing.assert_identical(got.load(), part.variable.isel(index))
            assert set(store.chunks("x").values()) <= {1}


@pytest.mark.parametrize("layers", [{}, {"dtype": "i4", "scale_factor": 1e-6, "_FillValue": -1}])
@pytest.mark.parametrize(
    "dims", [("time", "level", *AXES), ("longitude", "time", *AXES[:1], "level")]
)
def test_two_kinds_of_points_at_once(layers, dims):
    both = Polygon(AXES, [(-80, 0), (80, 160), (-80, 320)]) & Polygon(
        ("time", "level"), [("2026-01-02", 1000), ("2026-01-03", 850), ("2026-01-02", 850)]
    )
    ds = globe().transpose(*dims)
    inner = zarr.storage.MemoryStore()
    ds.to_zarr(inner, encoding={"t": {"chunks": (1, 9, 10, 2), **layers}}, consolidated=False)
    store = CountingStore(inner)
    want = opened(inner).load()
    cut = opened(store).polytope.extract(both).t
    assert isinstance(cut.variable._data.array, Gathered)
    xr.testing.assert_identical(cut.compute(), want.polytope.extract(both).t)
    gets = store.chunks("t")
    assert set(gets.values()) == {1}
    assert len(gets) == len(touched(want, both, (1, 9, 10, 2)))
    picked = {"points": [5, 3, 200], "points_2": slice(None, None, -1)}
    xr.testing.assert_identical(
        cut.isel(picked).compute(), want.polytope.extract(both).t.isel(picked)
    )


def test_points_of_what_was_picked_out_of_points(counting):
    first = rows_of_flat(np.array([3, 4, 95, 500]), AXES, (46, 90))
    second = rows_of_flat(np.array([1, 2, 6]), ("time", "level"), (4, 2))
    lazy, eager = opened(counting).t.variable, globe().t.variable
    for picked in ([2, 0, 0], slice(1, 3), slice(None)):
        both = [
            gather(gather(v, first, "points").isel(points=picked), second, "points_2")
            for v in (lazy, eager)
        ]
        assert not both[0]._in_memory
        xr.testing.assert_identical(both[0].load(), both[1])


def test_many_blocks_are_not_all_written_out(counting, monkeypatch):
    monkeypatch.setattr(layout, "_HELD", 3)
    cut = opened(counting).polytope.extract(DIAGONAL).t
    xr.testing.assert_identical(cut.compute(), globe().polytope.extract(DIAGONAL).t)
    assert set(counting.chunks("t").values()) == {1}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.data())
def test_any_points_of_any_chunks_in_any_order(data):
    """The same as numpy's indexing, whatever the chunks, the order, and what was chosen before."""
    draw = data.draw
    names = draw(st.permutations(["a", "b", "c"]))
    sizes = {name: draw(st.integers(1, 9)) for name in names}
    shape = tuple(sizes[name] for name in names)
    values = np.arange(np.prod(shape), dtype="i4").reshape(shape)
    chunks = tuple(draw(st.integers(1, 10)) for _ in names)
    store = zarr.storage.MemoryStore()
    array = xr.DataArray(values, dims=names, name="v")
    array.to_dataset().to_zarr(
        store, encoding={"v": {"chunks": chunks, "compressors": None}}, consolidated=False
    )
    lazy = opened(store).v
    before = {
        name: draw(
            st.sampled_from([slice(None), slice(None, None, -1), slice(1, None), slice(0, None, 2)])
        )
        for name in names
    }
    lazy, array = lazy.isel(before), array.isel(before)
    turned = draw(st.permutations(names))
    lazy, array = lazy.transpose(*turned), array.transpose(*turned)
    group = draw(st.permutations(names))[: draw(st.integers(2, 3))]
    lengths = tuple(array.sizes[name] for name in group)
    cells = int(np.prod(lengths))
    flat = np.flatnonzero(draw(st.lists(st.booleans(), min_size=cells, max_size=cells)))
    rows = rows_of_flat(flat, tuple(group), lengths)
    got = gather(lazy.variable, rows, "points")
    want = gather(array.variable, rows, "points")
    assert got.dims == want.dims
    index = np.unravel_index(flat, lengths)
    places = tuple(array.dims.index(name) for name in group)
    expected = np.moveaxis(
        np.moveaxis(array.values, places, range(-len(group), 0))[(..., *index)], -1, min(places)
    )
    np.testing.assert_array_equal(want.values, expected)
    np.testing.assert_array_equal(got.values, expected)
    picked = draw(st.lists(st.integers(-len(flat), len(flat) - 1), max_size=6)) if len(flat) else []
    picked = np.array(picked, dtype=int)
    np.testing.assert_array_equal(got.isel(points=picked).values, want.isel(points=picked).values)


def test_take_of_arrays_that_lie_in_memory_in_any_way():
    values = np.arange(2 * 5 * 6 * 7).reshape(2, 5, 6, 7)
    index = (np.array([0, 4, 2, 2]), np.array([6, 0, 3, 3]))
    want = values[:, index[0], :, index[1]].transpose(1, 2, 0)
    for array in (values, np.asfortranarray(values), values[::-1][::-1]):
        np.testing.assert_array_equal(take(array, (1, 3), index), want)
    np.testing.assert_array_equal(take(values[::1, :, ::2], (1, 3), index), want[:, ::2])
    assert take(values[:0], (1, 3), index).shape == (0, 6, 4)


def test_no_chunk_is_too_large_for_eight_at_a_time():
    array = zarr.create_array(
        zarr.storage.MemoryStore(), shape=(50_000, 50_000), chunks=(25_000, 20_000), dtype="f4"
    )
    found = reading.stored_of(array)
    assert found is not None
    assert reading.gets_at_a_time(found) == 8
    small = zarr.create_array(zarr.storage.MemoryStore(), shape=(9,), chunks=(3,), dtype="f4")
    assert reading.gets_at_a_time(reading.stored_of(small)) == 64


@given(seed=st.integers(0, 2**32 - 1), fields=st.integers(1, 40))
def test_runs_of_many_fields_are_what_single_values_are(seed: int, fields: int) -> None:
    rng = np.random.default_rng(seed)
    array = rng.normal(size=(fields, 7, 60)).astype(rng.choice(["f4", "f8", ">f4"]))
    row = np.sort(rng.choice(7, size=rng.integers(1, 8), replace=False))
    start = rng.integers(0, 30, size=len(row))
    stop = start + rng.integers(1, 30, size=len(row))
    rows = Rows(("y", "x"), (7, 60), row[:, None], start, stop)
    array = array if rng.random() < 0.7 else np.asfortranarray(array)
    expected = array[:, rows.points()[0], rows.points()[1]]
    np.testing.assert_array_equal(take_rows(array, (1, 2), rows), expected)
    turned = np.moveaxis(array, 0, 1)
    np.testing.assert_array_equal(take_rows(turned, (0, 2), rows), expected)
