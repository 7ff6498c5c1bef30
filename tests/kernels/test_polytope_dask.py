"""From stores and through Dask: the same result, lazily, each touched chunk read once."""

from types import SimpleNamespace

import dask
import icechunk
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import boathouse.kernels.polytope.accessor  # noqa: F401 - registers .polytope
from boathouse.catalogs.errors import BadShape
from boathouse.kernels.polytope.gather import blocks, store_chunks
from boathouse.kernels.polytope.gather.dasked import source_of_dask
from boathouse.kernels.polytope.shapes import Box, Polygon

from .stores import AXES, CHUNKS, DIAGONAL, SHAPES, CountingStore, globe, opened, written

LARGER = {"time": 2, "level": 2}


def cube():
    return globe(u=lambda values: values * 2)


@pytest.fixture(autouse=True)
def single_threaded():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def chunked_globe():
    return written(cube())


@pytest.fixture
def store(chunked_globe):
    """The globe in chunks, in a store that counts from 0."""
    return CountingStore(chunked_globe)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("chunks", [{}, LARGER, None], ids=["own", "larger", "lazy"])
def test_each_touched_chunk_is_read_once_and_no_other(store, shape, chunks):
    ds = xr.open_zarr(store, chunks=chunks, consolidated=False)
    plan, cut = ds.polytope.plan(shape), ds.polytope.extract(shape)
    repr(cut)
    assert not store.chunks("t")
    assert not store.chunks("u")
    loaded = cut.compute()
    xr.testing.assert_identical(loaded, cube().polytope.extract(shape))
    for name in ("t", "u"):
        assert set(store.chunks(name).values()) == {1}
    if chunks != LARGER:  # else the plan counts what Dask reads
        assert len(store.chunks("t")) == plan.variables["t"].chunks
        assert len(store.chunks("t")) + len(store.chunks("u")) == plan.chunks


def test_a_diagonal_reads_far_less_than_its_box(store):
    ds = xr.open_zarr(store, chunks={}, consolidated=False)
    plan = ds.polytope.plan(DIAGONAL)
    ds.polytope.extract(DIAGONAL).compute()
    assert len(store.chunks("t")) == plan.variables["t"].chunks
    assert plan.chunks <= plan.box_chunks / 2


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_tasks_batch_chunks_and_stay_lazy(shape, monkeypatch):
    ds = cube()
    expected = ds.polytope.extract(shape)
    for least in (0, 10_000, 16_000_000):
        monkeypatch.setattr(blocks, "TASK_BYTES", least)
        lazy = ds.chunk(time=2, level=1, latitude=7, longitude=11).polytope.extract(shape)
        assert all(lazy[name].chunks is not None for name in ("t", "u"))
        xr.testing.assert_identical(lazy.compute(), expected)
    assert all(len(sizes) == 1 for sizes in lazy.t.chunks) or isinstance(shape, Box)


def test_small_chunks_share_a_task(monkeypatch):
    ds = cube()[["t"]].chunk(time=1, level=1, latitude=10, longitude=20)
    few = ds.polytope.extract(DIAGONAL)
    assert few.t.data.npartitions == 1
    monkeypatch.setattr(blocks, "TASK_BYTES", 1)
    many = ds.polytope.extract(DIAGONAL)
    assert many.t.data.numblocks[:2] == (4, 2)
    assert many.t.data.numblocks[2] > 2


@pytest.mark.filterwarnings("ignore::boathouse.catalogs.errors.ShapeWarning")
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(-90, 90), st.integers(-200, 200)), min_size=3, max_size=6),
    st.permutations(["time", "level", "latitude", "longitude"]),
    st.integers(1, 50),
    st.integers(1, 95),
)
def test_chunks_never_change_the_result(ring, dims, tall, wide):
    ds = cube().transpose(*dims).isel(time=slice(2))
    try:
        shape = Polygon(AXES, [*ring, (ring[0][0], ring[0][1] + 30)])
        expected = ds.polytope.extract(shape)
    except BadShape:
        return
    chunked = ds.chunk(time=1, level=2, latitude=tall, longitude=wide)
    xr.testing.assert_identical(chunked.polytope.extract(shape).compute(), expected)


def test_a_cube_of_many_chunks_makes_few_tasks():
    import dask.array as da

    cube = xr.DataArray(
        da.zeros((2000, 181, 360), chunks=(1, 60, 60), dtype="f4"),
        dims=("time", *AXES),
        coords={"latitude": np.arange(90.0, -91, -1), "longitude": np.arange(0.0, 360.0)},
    )
    cut = cube.polytope.extract(Polygon(AXES, [(40, -5), (50, 8), (51, 0)]))
    assert cut.data.npartitions < 30
    assert cut.shape[0] == 2000


def test_icechunk_and_sharded_stores(tmp_path):
    ds = cube()
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path / "i")))
    session = repository.writable_session("main")
    ds.chunk(time=1, latitude=10, longitude=20).to_zarr(session.store, consolidated=False)
    session.commit("globe")
    encoding = {"t": {"chunks": (1, 1, 10, 10), "shards": (2, 1, 50, 90)}}
    ds.to_zarr(str(tmp_path / "z"), encoding=encoding, consolidated=False)
    for store in (repository.readonly_session("main").store, str(tmp_path / "z")):
        opened = xr.open_zarr(store, chunks={}, consolidated=False)
        for shape in SHAPES.values():
            cut = opened.polytope.extract(shape)
            xr.testing.assert_identical(cut.compute(), ds.polytope.extract(shape))


def test_what_was_cut_can_be_written(store, tmp_path):
    ds = xr.open_zarr(store, chunks={}, consolidated=False)
    for number, shape in enumerate(SHAPES.values()):
        cut = ds.polytope.extract(shape)
        cut.compute().to_zarr(str(tmp_path / f"{number}.zarr"), consolidated=False)
        again = xr.open_zarr(str(tmp_path / f"{number}.zarr"), consolidated=False)
        xr.testing.assert_equal(again.compute(), cut.compute())
        cut.to_netcdf(str(tmp_path / f"{number}.nc"), engine="h5netcdf")


def test_netcdf_without_dask_stays_lazy_until_asked(tmp_path):
    cube().to_netcdf(str(tmp_path / "globe.nc"), engine="h5netcdf")
    with xr.open_dataset(str(tmp_path / "globe.nc"), engine="h5netcdf") as ds:
        plan = ds.polytope.plan(DIAGONAL)
        cut = ds.polytope.extract(DIAGONAL)
        assert not cut.t.variable._in_memory
        assert (plan.variables["t"].chunks, plan.variables["t"].bytes) == (1, 4 * 2 * 46 * 90 * 4)
        xr.testing.assert_identical(cut.compute(), cube().polytope.extract(DIAGONAL))


STRAIGHT = [
    {},
    {"time": slice(1, 3)},
    {"time": 2, "level": 1},
    {"level": slice(None, None, -1), "time": slice(None, None, 2)},
    {"latitude": slice(2, 40), "longitude": slice(None, None, 3)},
]


@pytest.mark.filterwarnings("ignore::boathouse.catalogs.errors.ShapeWarning")
@pytest.mark.parametrize("chunks", [{}, LARGER, {"latitude": 20}], ids=["own", "larger", "tall"])
@pytest.mark.parametrize("before", STRAIGHT, ids=range(len(STRAIGHT)))
def test_what_comes_straight_from_a_store_skips_the_chunks_of_dask(
    store, chunks, before, monkeypatch
):
    ds, want = opened(store, chunks).isel(before), cube().isel(before)
    for least in (16_000_000, 1):
        monkeypatch.setattr(blocks, "TASK_BYTES", least)
        store.gets.clear()
        cut = ds.polytope.extract(DIAGONAL)
        assert [name.split("-")[0] for name in cut.t.data.dask.layers] == ["original", "polytope"]
        xr.testing.assert_identical(cut.compute(), want.polytope.extract(DIAGONAL))
        gets = store.chunks("t")
        assert set(gets.values()) == {1}
        numbers = cube().t.copy(data=np.arange(cube().t.size).reshape(cube().t.shape))
        numbers = want.assign(t=numbers.isel(before)).polytope.extract(DIAGONAL).t.values
        index = np.unravel_index(numbers.ravel(), cube().t.shape)
        wanted = np.stack([i // c for i, c in zip(index, CHUNKS, strict=True)], axis=1)
        assert len(gets) == len(np.unique(wanted, axis=0))
        if least > 1:
            assert cut.t.data.npartitions == 1
        elif not before:
            assert cut.t.data.npartitions > 8


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds + 1,
        lambda ds: ds.chunk(latitude=17, time=-1),
        lambda ds: ds.isel(time=[2, 0]),
        lambda ds: ds.isel(time=slice(1, 3)).isel(latitude=slice(3, None)),
        lambda ds: xr.concat([ds.isel(time=slice(2)), ds.isel(time=slice(2, 4))], "time"),
        lambda ds: ds.persist(),
        lambda ds: ds.astype("f8").isel(time=slice(1, 3)),
        lambda ds: dask.optimize(ds)[0],
    ],
    ids=["sum", "rechunked", "picked", "sliced twice", "joined", "persisted", "cast", "optimized"],
)
@pytest.mark.filterwarnings("ignore::boathouse.catalogs.errors.ShapeWarning")
def test_what_does_not_is_left_to_dask(store, change):
    ds = change(opened(store, {}))
    assert source_of_dask(ds.t.data) is None
    assert store_chunks(ds.t.variable) is None
    xr.testing.assert_identical(
        ds.polytope.extract(DIAGONAL).compute(), change(cube()).polytope.extract(DIAGONAL)
    )


def test_a_dask_that_keeps_its_graphs_in_another_way():
    for graph in (
        {},
        SimpleNamespace(layers={}),
        SimpleNamespace(layers={"a": {}, "original-a": {}}),
    ):
        for name in ("a", "getitem-a"):
            assert source_of_dask(SimpleNamespace(name=name, dask=graph)) is None


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_other_schedulers(tmp_path, scheduler, monkeypatch):
    monkeypatch.setattr(blocks, "TASK_BYTES", 1)
    path = written(cube(), str(tmp_path / "globe"))
    cut = opened(path, {}).polytope.extract(DIAGONAL)
    assert cut.t.data.npartitions > 2
    with dask.config.set(scheduler=scheduler, num_workers=2):
        xr.testing.assert_identical(cut.compute(), cube().polytope.extract(DIAGONAL))
