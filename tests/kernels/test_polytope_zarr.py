"""Out of zarr stores of every format and codec: the same values, each touched chunk got once."""

import sys

import icechunk
import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
)

import boathouse.kernels.polytope.accessor  # noqa: F401 - registers .polytope
from boathouse.kernels.polytope.gather import reading, store_chunks, stored, straight
from boathouse.kernels.polytope.gather.lazy import Gathered
from boathouse.kernels.polytope.gather.tensors import tensor_of

from .stores import (
    CHUNKS,
    DIAGONAL,
    SHAPES,
    CountingStore,
    globe,
    is_chunk,
    opened,
    touched,
    written,
)

# Codecs that are no part of zarr's specification, and texts, are fit to be read all the same.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have a Zarr V3 specification"),
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr"),
]

V2 = {
    "none": {"compressors": None},
    "zstd": {"compressors": numcodecs.Zstd()},
    "blosc": {"compressors": numcodecs.Blosc("lz4", shuffle=numcodecs.Blosc.SHUFFLE)},
    "gzip": {"compressors": numcodecs.GZip()},
    "zlib": {"compressors": numcodecs.Zlib()},
    "lzma": {"compressors": numcodecs.LZMA()},
    "delta": {"filters": [numcodecs.Delta("f4")]},
    "offset": {"filters": [numcodecs.FixedScaleOffset(0, 1e6, "f4", "i4")]},
    "shuffle": {"filters": [numcodecs.Shuffle(4)], "compressors": numcodecs.BZ2()},
}
V3 = {
    "none": {"compressors": ()},
    "zstd": {"compressors": ZstdCodec(checksum=True)},
    "blosc": {"compressors": BloscCodec(cname="zstd", shuffle="bitshuffle")},
    "gzip": {"compressors": GzipCodec()},
    "two": {"compressors": (GzipCodec(), Crc32cCodec())},
    "big-endian": {"serializer": BytesCodec(endian="big")},
    "transposed": {"filters": (TransposeCodec(order=(3, 0, 2, 1)),)},
    # Made when they are used, they warn.
    "lz4 of numcodecs": lambda: {"compressors": zarr.codecs.numcodecs.LZ4()},
    "delta of numcodecs": lambda: {"filters": (zarr.codecs.numcodecs.Delta(dtype="<f4"),)},
}


def check(store, expected, shapes=None):
    """The same values as out of memory, each touched chunk got once and no other."""
    for shape in shapes or SHAPES.values():
        counting = CountingStore(store)
        cut = opened(counting).polytope.extract(shape).t
        assert not cut.variable._in_memory
        assert not counting.chunks("t")
        xr.testing.assert_identical(cut.compute(), expected.polytope.extract(shape).t)
        gets = counting.chunks("t")
        assert set(gets.values()) == {1}
        assert len(gets) == len(touched(expected, shape))


@pytest.mark.parametrize("name", V2)
def test_zarr_v2_with_any_codec_of_numcodecs(name):
    store = zarr.storage.MemoryStore()
    ds = globe()
    array = zarr.create_array(
        store, name="t", shape=ds.t.shape, chunks=CHUNKS, dtype="f4", zarr_format=2, **V2[name]
    )
    array[:] = ds.t.values
    ds.drop_vars("t").to_zarr(store, mode="a", zarr_format=2, consolidated=False)
    array.update_attributes({"_ARRAY_DIMENSIONS": list(ds.t.dims), "units": "K"})
    assert stored.stored_of(zarr.open_array(store, path="t")) is not None
    check(store, opened(store).load())


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", [">f4", "<f8", ">i2", "u1", "c8"])
def test_zarr_v2_in_any_order_of_bytes_and_dimensions(order, kind):
    ds = globe()
    store = written(ds[["t"]] * 100, zarr_format=2)
    array = zarr.create_array(
        store, name="t", shape=ds.t.shape, chunks=CHUNKS, dtype=kind, zarr_format=2,
        order=order, overwrite=True,
    )  # fmt: skip
    array[:] = (np.abs(ds.t.values) * 30).astype(kind)
    array.update_attributes({"_ARRAY_DIMENSIONS": list(ds.t.dims)})
    check(store, opened(store).load())


@pytest.mark.parametrize("name", V3)
def test_zarr_v3_with_any_codecs(name):
    ds = globe()
    about = V3[name]
    store = written(ds, t=about() if callable(about) else about)
    direct = stored.stored_of(zarr.open_array(store, path="t"))
    assert (direct is None) == (name == "delta of numcodecs")  # that one only zarr knows
    check(store, ds if "delta" not in name else opened(store).load())


@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize("index", [(BytesCodec(), Crc32cCodec()), (BytesCodec(),)])
def test_shards_are_read_by_their_index_and_the_bytes_of_touched_chunks(location, index):
    ds = globe()
    store = written(ds.drop_vars("t"))
    array = zarr.create_array(
        store, name="t", shape=ds.t.shape, chunks=CHUNKS, dtype="f4", attributes={"units": "K"},
        shards={"shape": (2, 1, 50, 100), "index_location": location, "index_codecs": index},
        dimension_names=ds.t.dims,
    )  # fmt: skip
    array[:] = ds.t.values
    for shape in SHAPES.values():
        counting = CountingStore(store)
        cut = opened(counting).polytope.extract(shape).t
        xr.testing.assert_identical(cut.compute(), ds.polytope.extract(shape).t)
        assert set(counting.chunks("t").values()) == {1}
        wanted = touched(ds, shape)
        shards = {(n[0] // 2, n[1]) for n in wanted}
        spans = [span for key, span in counting.gets if key.startswith("t/c/")]
        assert len({key for key, _ in counting.chunks("t")}) == len(shards)
        assert len(shards) < len(spans) <= len(shards) + len(wanted)
        # The values are random, so a chunk is about as long as its numbers.
        read = sum(s.end - s.start for s in spans if hasattr(s, "end"))
        assert read < 1.2 * len(wanted) * 10 * 20 * 4


def test_shards_inside_another_codec_are_read_by_zarr(monkeypatch):
    ds = globe()
    store = written(ds, t={"shards": (2, 1, 50, 100)})
    monkeypatch.setattr(stored, "shards_of", lambda *_: None)
    assert stored.stored_of(zarr.open_array(store, path="t")) is None
    for shape in SHAPES.values():
        cut = opened(CountingStore(store)).polytope.extract(shape)
        xr.testing.assert_identical(cut.compute(), ds.polytope.extract(shape))


@pytest.mark.parametrize("installed", [True, False])
def test_shards_in_shards_are_read_by_tensorstore_or_zarr(tmp_path, installed, monkeypatch):
    if not installed:
        monkeypatch.setitem(sys.modules, "tensorstore", None)
    ds = globe()
    path = written(ds.drop_vars("t"), str(tmp_path))
    inner = ShardingCodec(chunk_shape=(1, 1, 10, 20), codecs=[BytesCodec(), ZstdCodec()])
    array = zarr.create_array(
        path, name="t", shape=ds.t.shape, chunks=(2, 1, 50, 100), dtype="f4", compressors=(),
        serializer=ShardingCodec(chunk_shape=(1, 1, 10, 100), codecs=[inner]),
        dimension_names=ds.t.dims, attributes={"units": "K"},
    )  # fmt: skip
    array[:] = ds.t.values
    stored_array = zarr.open_array(path, path="t", mode="r")
    assert stored.stored_of(stored_array) is None
    assert (tensor_of(stored_array) is not None) == installed
    for shape in SHAPES.values():
        cut = opened(path).polytope.extract(shape)
        xr.testing.assert_identical(cut.compute(), ds.polytope.extract(shape))


def test_tensorstore_is_not_asked_for_what_it_does_not_know(tmp_path):
    about = {"filters": (zarr.codecs.numcodecs.Delta(dtype="<f4"),)}
    path = written(globe(), str(tmp_path), t=about)
    assert tensor_of(zarr.open_array(path, path="t", mode="r")) is None
    assert tensor_of(zarr.open_array(written(globe()), path="t")) is None
    check(zarr.storage.LocalStore(path), opened(path).load(), [DIAGONAL])


def test_icechunk(tmp_path):
    ds = globe()
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path)))
    session = repository.writable_session("main")
    written(ds, session.store)
    session.commit("globe")
    store = repository.readonly_session("main").store
    check(store, ds)


def test_local_folders(tmp_path):
    ds = globe()
    for name, about in (("plain", {}), ("sharded", {"shards": (2, 1, 50, 100)})):
        path = written(ds, str(tmp_path / name), t=about)
        for shape in SHAPES.values():
            cut = opened(path).polytope.extract(shape)
            xr.testing.assert_identical(cut.compute(), ds.polytope.extract(shape))


@pytest.mark.parametrize(("zarr_format", "shards"), [(2, None), (3, None), (3, (2, 1, 50, 100))])
@pytest.mark.parametrize("fill", [0.0, 7.5, np.nan])
def test_missing_chunks_are_the_fill_value(zarr_format, shards, fill):
    ds = globe()
    ds["t"][0:2, 1] = fill
    ds["t"][3, :, 10:30] = fill
    store = written(ds.drop_vars("t"), zarr_format=zarr_format)
    names = {"dimension_names": ds.t.dims} if zarr_format == 3 else {}
    array = zarr.create_array(
        store, name="t", shape=ds.t.shape, chunks=CHUNKS, shards=shards, dtype="f4",
        fill_value=fill, zarr_format=zarr_format, config={"write_empty_chunks": False}, **names,
    )  # fmt: skip
    array[:] = ds.t.values
    array.update_attributes({"_ARRAY_DIMENSIONS": list(ds.t.dims), "units": "K"})
    held = [key for key in store._store_dict if is_chunk(key, "t")]
    assert len(held) < (4 * 2 * 5 * 5 if shards is None else 2 * 2)
    for shape in SHAPES.values():
        for kept in (store, CountingStore(store)):
            cut = opened(kept, mask_and_scale=False).polytope.extract(shape).t
            np.testing.assert_array_equal(cut.values, ds.polytope.extract(shape).t.values)


def test_missing_chunks_without_a_fill_value():
    ds = globe()
    store = written(ds.drop_vars("t"), zarr_format=2)
    for kind in ("f4", "M8[s]"):
        array = zarr.create_array(
            store, name="t", shape=ds.t.shape, chunks=CHUNKS, dtype=kind, fill_value=None,
            zarr_format=2, overwrite=True,
        )  # fmt: skip
        array.update_attributes({"_ARRAY_DIMENSIONS": list(ds.t.dims)})
        want = opened(store).load().polytope.extract(DIAGONAL).t
        xr.testing.assert_identical(opened(store).polytope.extract(DIAGONAL).t.compute(), want)


DECODED = {
    "packed": (
        lambda v: np.round(v.astype("f8") * 100) / 100,
        {"dtype": "i2", "scale_factor": 0.01, "add_offset": 1.5, "_FillValue": -32768},
    ),
    "masked": (lambda v: np.where(v > 1, np.nan, v), {"_FillValue": 1e20}),
    "unsigned": (
        lambda v: np.abs(np.round(v * 60)),
        {"dtype": "i1", "_Unsigned": "true", "_FillValue": np.int8(-1)},
    ),
    "when": (
        lambda v: np.datetime64("2020-01-01", "ns") + (v * 1e6).astype("m8[s]").astype("m8[ns]"),
        {"units": "seconds since 2000-01-01", "dtype": "i8"},
    ),
    "since": (lambda v: (v * 1e6).astype("m8[s]").astype("m8[ns]"), {}),
    "flag": (lambda v: v > 0, {}),
    "word": (lambda v: np.array([f"{x:.1f}" for x in v.ravel()]).reshape(v.shape), {}),
    "text": (
        lambda v: np.array([f"{x:.1f}" for x in v.ravel()], dtype=object).reshape(v.shape),
        {},
    ),
    "bytes": (lambda v: np.round(v, 1).astype("S6"), {}),
}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("name", DECODED)
def test_what_xarray_decodes_is_decoded(name, zarr_format):
    values, encoding = DECODED[name]
    store = written(globe(x=values), zarr_format=zarr_format, x=encoding)
    want = opened(store).load()
    for shape in SHAPES.values():
        counting = CountingStore(store)
        for ds in (opened(store), opened(counting)):
            counting.gets.clear()  # xarray looks at times when it opens them
            cut = ds.polytope.extract(shape).x
            assert not cut.variable._in_memory
            xr.testing.assert_identical(cut.compute(), want.polytope.extract(shape).x)
        assert set(counting.chunks("x").values()) == {1}


def test_an_unknown_layer_is_read_through_xarray():
    class Doubled(xr.core.indexing.ExplicitlyIndexedNDArrayMixin):
        def __init__(self, array):
            self.array = array

        def __getitem__(self, key):
            return Doubled(self.array[key])

        def _oindex_get(self, key):
            return Doubled(self.array.oindex[key])

        def get_duck_array(self):
            return self.array.get_duck_array() * 2

    counting = CountingStore(written(globe()))
    ds = opened(counting)
    ds["t"] = xr.Variable(ds.t.dims, Doubled(ds.t.variable._data), ds.t.attrs, ds.t.encoding)
    assert store_chunks(ds.t.variable) is None
    cut = ds.polytope.extract(DIAGONAL).t
    np.testing.assert_array_equal(cut.values, 2 * globe().polytope.extract(DIAGONAL).t.values)
    assert set(counting.chunks("t").values()) == {1}


@pytest.mark.parametrize("lacking", ["codecs", "loop"])
def test_another_zarr_is_read_by_what_it_makes_public(monkeypatch, lacking):
    if lacking == "codecs":
        monkeypatch.setattr(stored, "decoder_v3", None)
    else:
        monkeypatch.setitem(sys.modules, "zarr.core.sync", None)
    check(written(globe()), globe(), [DIAGONAL])


def test_the_units_of_the_store():
    sharded = opened(written(globe(), t={"shards": (2, 1, 50, 100)}))
    assert store_chunks(sharded.t.variable) == (
        (1,) * 4,
        (1, 1),
        (10,) * 4 + (6,),
        (20,) * 4 + (10,),
    )
    part = sharded.isel(time=2, latitude=slice(5, 31), longitude=slice(None, None, 7))
    assert store_chunks(part.t.variable) == ((1, 1), (5, 10, 10, 1), (3, 3, 3, 3, 1))
    turned = part.transpose("longitude", "level", "latitude")
    assert store_chunks(turned.t.variable) == ((3, 3, 3, 3, 1), (1, 1), (5, 10, 10, 1))
    assert store_chunks(globe().t.variable) is None
    assert store_chunks(globe().chunk().t.variable) is None


@pytest.mark.filterwarnings("ignore::boathouse.catalogs.errors.ShapeWarning")
def test_a_cube_that_was_cut_turned_and_thinned_before():
    counting = CountingStore(written(globe()))
    for how in (
        {"time": slice(1, 3), "latitude": slice(3, 43)},
        {"time": [3, 0], "longitude": slice(None, None, 3)},
        {"time": 2, "latitude": slice(None, None, -1)},
        {"level": -1, "longitude": np.arange(89, 9, -2)},
    ):
        lazy, want = opened(counting).isel(how), globe().isel(how)
        for dims in (lazy.t.dims, lazy.t.dims[::-1]):
            counting.gets.clear()
            cut = lazy.transpose(*dims).polytope.extract(DIAGONAL).t
            assert isinstance(cut.variable._data.array, Gathered)
            xr.testing.assert_identical(
                cut.compute(), want.transpose(*dims).polytope.extract(DIAGONAL).t
            )
            assert set(counting.chunks("t").values()) == {1}


def test_boxes_skip_zarrs_pipeline_too():
    counting = CountingStore(written(globe(), t={"dtype": "f8", "_FillValue": 1e20}))
    for how in (
        {},
        {"time": 1},
        {"latitude": slice(7, 33), "longitude": [80, 2, 3, 41]},
        {"time": slice(None, None, -2), "level": [1, 0, 1], "longitude": slice(30, 31)},
    ):
        counting.gets.clear()
        box = straight(opened(counting).t.variable).isel(how)
        assert not box._in_memory
        assert not counting.chunks("t")
        np.testing.assert_array_equal(box.values, globe().t.isel(how).values)
        assert set(counting.chunks("t").values()) == {1}
    memory = globe().t.variable
    assert straight(memory) is memory


def test_more_than_one_thread_decodes(monkeypatch):
    monkeypatch.setattr(reading, "decoding_threads", lambda *_: 3)
    check(written(globe()), globe())
    path = written(globe())
    for shape in SHAPES.values():
        cut = opened(path).polytope.extract(shape)
        xr.testing.assert_identical(cut.compute(), globe().polytope.extract(shape))
