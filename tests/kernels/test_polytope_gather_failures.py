"""What cannot be read is named, nothing hangs and nothing stays open."""

import os
import time

import pytest
import xarray as xr
import zarr

import boathouse.kernels.polytope.accessor  # noqa: F401 - registers .polytope
from boathouse.catalogs.errors import Unavailable
from boathouse.kernels.polytope.gather import codecs, reading
from boathouse.kernels.polytope.shapes import Polygon

from .stores import AXES, DIAGONAL, CountingStore, globe, opened, touched, written


@pytest.mark.parametrize("failing", ["t/c/2/1/3/2", "t/c/"])
@pytest.mark.parametrize("shards", [None, (2, 1, 50, 100)])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_store_that_fails_is_named_and_nothing_hangs(failing, shards, threads, monkeypatch):
    monkeypatch.setattr(reading, "decoding_threads", lambda *_: threads)
    failing = failing if shards is None else "t/c/1/1/0/0"
    store = CountingStore(written(globe(), t={"shards": shards}), delay=0.005, failing=failing)
    triangle = Polygon(AXES, [(-80, 0), (80, 160), (-80, 320)])
    cut = opened(store).polytope.extract(triangle).t
    started = time.perf_counter()
    with pytest.raises(Unavailable, match=rf"t: chunk {failing}.* of .*memory:.*disk is on fire"):
        cut.compute()
    assert time.perf_counter() - started < 5
    store.failing = ""
    again = CountingStore(store._store)
    xr.testing.assert_identical(
        opened(again).polytope.extract(triangle).t.compute(), globe().polytope.extract(triangle).t
    )


def test_one_thread_that_fails_wakes_the_others(monkeypatch):
    monkeypatch.setattr(reading, "decoding_threads", lambda *_: 4)
    store = CountingStore(written(globe()), delay=0.01, failing="t/c/0/0/")
    started = time.perf_counter()
    with pytest.raises(Unavailable, match="on fire"):
        opened(store).polytope.extract(DIAGONAL).t.compute()
    assert time.perf_counter() - started < 5


def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    path = written(globe(), str(tmp_path / "globe"))
    chunk = tmp_path / "globe" / "t" / "c" / "2" / "1" / "3" / "2"
    chunk.write_bytes(b"")
    triangle = Polygon(AXES, [(-80, 0), (80, 160), (-80, 320)])
    with pytest.raises(Unavailable, match=r"t: chunk .*2, 1, 3, 2"):
        opened(path).polytope.extract(triangle).t.load()
    chunk.unlink()
    holes = opened(path).polytope.extract(triangle).t.load()
    want = opened(path).load().polytope.extract(triangle).t
    xr.testing.assert_identical(holes, want)
    chunk.mkdir()  # no file at all
    xr.testing.assert_identical(opened(path).polytope.extract(triangle).t.load(), want)


@pytest.mark.parametrize("shards", [None, (2, 1, 50, 100)])
@pytest.mark.parametrize("threads", [1, 4])
def test_files_are_fetched_ahead_and_closed(tmp_path, monkeypatch, shards, threads):
    monkeypatch.setattr(reading, "decoding_threads", lambda *_: threads)
    path = written(globe(), str(tmp_path / "globe"), t={"shards": shards})
    fetched = []
    monkeypatch.setattr(os, "posix_fadvise", lambda file, *rest: fetched.append((file, *rest)))
    cut = opened(path).polytope.extract(DIAGONAL).t
    before = set(os.listdir("/proc/self/fd"))
    xr.testing.assert_identical(cut.compute(), globe().polytope.extract(DIAGONAL).t)
    wanted = len(touched(globe(), DIAGONAL))
    assert len(fetched) == wanted if shards is None else 0 < len(fetched) <= wanted
    assert set(os.listdir("/proc/self/fd")) <= before
    chunk = tmp_path / "globe" / ("t/c/0/0/2/4" if shards is None else "t/c/1/0/0/0")
    chunk.write_bytes(b"no chunk" * 60)
    with pytest.raises(Unavailable, match="cannot be read"):
        cut.compute()
    assert set(os.listdir("/proc/self/fd")) <= before


def test_a_system_without_reads_at_a_place(tmp_path, monkeypatch):
    path = written(globe(), str(tmp_path / "globe"), t={"shards": (2, 1, 50, 100)})
    monkeypatch.delattr(os, "pread")
    monkeypatch.delattr(os, "posix_fadvise")
    monkeypatch.setattr(reading, "decoding_threads", lambda *_: 4)
    cut = opened(path).polytope.extract(DIAGONAL).t
    xr.testing.assert_identical(cut.compute(), globe().polytope.extract(DIAGONAL).t)


def test_a_file_of_which_the_system_gives_a_little_at_a_time(tmp_path, monkeypatch):
    path = written(globe(), str(tmp_path / "globe"))
    whole = os.pread
    monkeypatch.setattr(os, "pread", lambda file, size, start: whole(file, min(size, 99), start))
    cut = opened(path).polytope.extract(DIAGONAL).t
    xr.testing.assert_identical(cut.compute(), globe().polytope.extract(DIAGONAL).t)


def test_a_file_that_may_not_be_opened_is_named(tmp_path, monkeypatch):
    path = written(globe(), str(tmp_path / "globe"))
    whole = os.open

    def refuse(name, *rest):
        if str(name).endswith("t/c/0/0/2/4"):
            raise PermissionError(13, "Permission denied")
        return whole(name, *rest)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(Unavailable, match=r"chunk t/c/0/0/2/4 .*Permission denied"):
        opened(path).polytope.extract(DIAGONAL).t.compute()


@pytest.mark.parametrize("bad", [b"nonsense", b""])
def test_a_chunk_that_is_no_chunk_is_named(bad):
    store = written(globe())
    store._store_dict["t/c/2/1/3/2"] = zarr.buffer.cpu.Buffer.from_bytes(bad)
    triangle = Polygon(AXES, [(-80, 0), (80, 160), (-80, 320)])
    for kept in (store, CountingStore(store)):
        with pytest.raises(Unavailable, match=r"chunk \(2, 1, 3, 2\) .* cannot be read"):
            opened(kept).polytope.extract(triangle).t.load()


def test_a_shard_with_a_broken_index_is_named():
    store = written(globe(), t={"shards": (2, 1, 50, 100)})
    held = bytearray(store._store_dict["t/c/1/0/0/0"].to_bytes())
    held[-20] ^= 255
    store._store_dict["t/c/1/0/0/0"] = zarr.buffer.cpu.Buffer.from_bytes(bytes(held))
    for kept in (store, CountingStore(store)):
        with pytest.raises(Unavailable, match=r"t/c/1/0/0/0 .* checksum"):
            opened(kept).polytope.extract(DIAGONAL).t.load()


def test_checksums_are_checked():
    import google_crc32c

    data = b"123456789"
    closed = data + google_crc32c.value(data).to_bytes(4, "little")
    assert codecs.checked(closed).tobytes() == data
    with pytest.raises(ValueError, match="checksum"):
        codecs.checked(closed[:-1] + b"\0")
