"""Stores that tell what is read of them, and a small globe to put into them."""

import asyncio
import collections

import numpy as np
import xarray as xr
import zarr

from boathouse.kernels.polytope.shapes import Box, Polygon, Span

AXES = ("latitude", "longitude")
# A diagonal across the seam: it touches few of the chunks of its bounding box.
DIAGONAL = Polygon(AXES, [(-55, -60), (-45, -60), (62, 60), (52, 60)])
SHAPES = {
    "diagonal": DIAGONAL,
    "and time": DIAGONAL & Span("time", "2026-01-02", "2026-01-03"),
    "box": Box(latitude=(-20, 20), longitude=(-30, 30)),
    "hovmoeller": Polygon(
        ("time", "longitude"), [("2026-01-01", 0), ("2026-01-04", 90), ("2026-01-04", 40)]
    ),
}
CHUNKS = (1, 1, 10, 20)


def globe(**variables):
    """Four times, two levels, 46 x 90 places; more variables by functions of the random values."""
    times = np.arange("2026-01-01", "2026-01-05", dtype="M8[D]").astype("M8[ns]")
    values = np.random.default_rng(0).normal(size=(4, 2, 46, 90)).astype("f4")
    dims = ("time", "level", *AXES)
    held = {name: (dims, of(values)) for name, of in variables.items()}
    return xr.Dataset(
        {"t": (dims, values, {"units": "K"}), **held},
        {
            "time": times,
            "level": [1000, 850],
            "latitude": ("latitude", np.arange(90.0, -91.0, -4.0), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(0.0, 360.0, 4.0), {"units": "degrees_east"}),
        },
    )


class CountingStore(zarr.storage.WrapperStore):
    """Counts what was read, and how much at a time; can be slow, and fail at some keys.

    A copy of it (zarr makes read-only ones) counts with it.
    """

    def __init__(self, store, like=None, *, delay=0.0, failing=""):
        super().__init__(store)
        self.gets = [] if like is None else like.gets
        self.most = [0] if like is None else like.most
        self.delay = delay if like is None else like.delay
        self.failing = failing if like is None else like.failing
        self._now = [0] if like is None else like._now

    def _with_store(self, store):
        return type(self)(store, self)

    async def get(self, key, prototype, byte_range=None):
        self.gets.append((key, byte_range))
        self._now[0] += 1
        self.most[0] = max(self.most[0], self._now[0])
        try:
            if self.delay:
                await asyncio.sleep(self.delay)
            if self.failing and self.failing in key:
                raise OSError("the disk is on fire")
            return await super().get(key, prototype, byte_range)
        finally:
            self._now[0] -= 1

    def chunks(self, name):
        """How often each chunk of an array was read, of a shard each range of bytes."""
        found = collections.Counter(get for get in self.gets if is_chunk(get[0], name))
        return {key if span is None else (key, span): n for (key, span), n in found.items()}


def is_chunk(key, name):
    """Whether a key is a chunk of an array, in zarr v3 or v2."""
    path, _, last = key.rpartition("/")
    return key.startswith(f"{name}/c/") or (path == name and last[0].isdigit())


def written(dataset, store=None, *, zarr_format=3, **encoding):
    """A memory store, or the given one, with a dataset in it; t in CHUNKS."""
    store = zarr.storage.MemoryStore() if store is None else store
    held = {str(name): {"chunks": CHUNKS} for name in dataset.data_vars}
    for name, about in encoding.items():
        held[name] = held[name] | about
    dataset.to_zarr(store, encoding=held, zarr_format=zarr_format, consolidated=False)
    return store


def opened(store, chunks=None, **options):
    """The dataset in a store."""
    return xr.open_zarr(store, chunks=chunks, consolidated=False, **options)


def touched(dataset, shape, chunks=CHUNKS, name="t", **choice):
    """The chunks that hold a point of a shape (and of a choice), found by looking at every one."""
    array = dataset[name]
    numbers = array.copy(data=np.arange(array.size).reshape(array.shape))
    cut = dataset.assign({name: numbers}).polytope.extract(shape)[name].isel(choice)
    index = np.unravel_index(cut.values.ravel(), array.shape)
    return {
        tuple(i) for i in np.stack([i // c for i, c in zip(index, chunks, strict=True)], 1).tolist()
    }
