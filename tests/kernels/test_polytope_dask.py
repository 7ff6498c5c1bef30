"""From stores and through Dask: the same result, lazily, each touched chunk read once."""

import collections

import dask
import icechunk
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import boathouse.kernels.polytope.accessor  # noqa: F401 - registers .polytope
from boathouse.catalogs.errors import BadShape
from boathouse.kernels.polytope.gather import blocks
from boathouse.kernels.polytope.shapes import Box, Polygon, Span

AXES = ("latitude", "longitude")
# A diagonal across the seam: it touches few of the chunks of its bounding box.
DIAGONAL = Polygon(AXES, [(-55, -60), (-45, -60), (62, 60), (52, 60)])
LARGER = {"time": 2, "level": 2}
SHAPES = [
    DIAGONAL,
    DIAGONAL & Span("time", "2026-01-02", "2026-01-03"),
    Box(latitude=(-20, 20), longitude=(-30, 30)),
    Polygon(("time", "longitude"), [("2026-01-01", 0), ("2026-01-04", 90), ("2026-01-04", 40)]),
]


@pytest.fixture(autouse=True)
def single_threaded():
    with dask.config.set(scheduler="synchronous"):
        yield


def globe():
    times = np.arange("2026-01-01", "2026-01-05", dtype="M8[D]").astype("M8[ns]")
    values = np.random.default_rng(0).normal(size=(4, 2, 46, 90)).astype("f4")
    dims = ("time", "level", *AXES)
    return xr.Dataset(
        {"t": (dims, values, {"units": "K"}), "u": (dims, values * 2)},
        {
            "time": times,
            "level": [1000, 850],
            "latitude": ("latitude", np.arange(90.0, -91.0, -4.0), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(0.0, 360.0, 4.0), {"units": "degrees_east"}),
        },
    )


class CountingStore(zarr.storage.WrapperStore):
    """Counts how often each key was read, also through copies of itself."""

    def __init__(self, store, reads=None):
        super().__init__(store)
        self.reads = collections.Counter() if reads is None else reads

    def _with_store(self, store):
        return type(self)(store, self.reads)

    async def get(self, key, prototype, byte_range=None):
        self.reads[key] += 1
        return await super().get(key, prototype, byte_range)

    def chunks(self, name):
        return {key: n for key, n in self.reads.items() if key.startswith(f"{name}/c/")}


@pytest.fixture(scope="module")
def chunked_globe():
    sizes = {"time": 1, "level": 1, "latitude": 10, "longitude": 20}
    inner = zarr.storage.MemoryStore()
    globe().chunk(sizes).to_zarr(inner, consolidated=False)
    return inner


@pytest.fixture
def store(chunked_globe):
    """The globe in chunks, in a store that counts from 0."""
    return CountingStore(chunked_globe)


@pytest.mark.parametrize("shape", SHAPES, ids=["diagonal", "and time", "box", "hovmoeller"])
@pytest.mark.parametrize("chunks", [{}, LARGER, None], ids=["own", "larger", "lazy"])
def test_each_touched_chunk_is_read_once_and_no_other(store, shape, chunks):
    ds = xr.open_zarr(store, chunks=chunks, consolidated=False)
    plan, cut = ds.polytope.plan(shape), ds.polytope.extract(shape)
    repr(cut)
    assert not store.chunks("t")
    assert not store.chunks("u")
    loaded = cut.compute()
    xr.testing.assert_identical(loaded, globe().polytope.extract(shape))
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


@pytest.mark.parametrize("shape", SHAPES, ids=["diagonal", "and time", "box", "hovmoeller"])
def test_tasks_batch_chunks_and_stay_lazy(shape, monkeypatch):
    ds = globe()
    expected = ds.polytope.extract(shape)
    for least in (0, 10_000, 16_000_000):
        monkeypatch.setattr(blocks, "TASK_BYTES", least)
        lazy = ds.chunk(time=2, level=1, latitude=7, longitude=11).polytope.extract(shape)
        assert all(lazy[name].chunks is not None for name in ("t", "u"))
        xr.testing.assert_identical(lazy.compute(), expected)
    assert all(len(sizes) == 1 for sizes in lazy.t.chunks) or isinstance(shape, Box)


def test_small_chunks_share_a_task(monkeypatch):
    ds = globe()[["t"]].chunk(time=1, level=1, latitude=10, longitude=20)
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
    ds = globe().transpose(*dims).isel(time=slice(2))
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
    ds = globe()
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path / "i")))
    session = repository.writable_session("main")
    ds.chunk(time=1, latitude=10, longitude=20).to_zarr(session.store, consolidated=False)
    session.commit("globe")
    encoding = {"t": {"chunks": (1, 1, 10, 10), "shards": (2, 1, 50, 90)}}
    ds.to_zarr(str(tmp_path / "z"), encoding=encoding, consolidated=False)
    for store in (repository.readonly_session("main").store, str(tmp_path / "z")):
        opened = xr.open_zarr(store, chunks={}, consolidated=False)
        for shape in SHAPES:
            cut = opened.polytope.extract(shape)
            xr.testing.assert_identical(cut.compute(), ds.polytope.extract(shape))


def test_what_was_cut_can_be_written(store, tmp_path):
    ds = xr.open_zarr(store, chunks={}, consolidated=False)
    for number, shape in enumerate(SHAPES):
        cut = ds.polytope.extract(shape)
        cut.compute().to_zarr(str(tmp_path / f"{number}.zarr"), consolidated=False)
        again = xr.open_zarr(str(tmp_path / f"{number}.zarr"), consolidated=False)
        xr.testing.assert_equal(again.compute(), cut.compute())
        cut.to_netcdf(str(tmp_path / f"{number}.nc"), engine="h5netcdf")


def test_netcdf_without_dask_stays_lazy_until_asked(tmp_path):
    globe().to_netcdf(str(tmp_path / "globe.nc"), engine="h5netcdf")
    with xr.open_dataset(str(tmp_path / "globe.nc"), engine="h5netcdf") as ds:
        plan = ds.polytope.plan(DIAGONAL)
        cut = ds.polytope.extract(DIAGONAL)
        assert not cut.t.variable._in_memory
        assert (plan.variables["t"].chunks, plan.variables["t"].bytes) == (1, 4 * 2 * 46 * 90 * 4)
        xr.testing.assert_identical(cut.compute(), globe().polytope.extract(DIAGONAL))
