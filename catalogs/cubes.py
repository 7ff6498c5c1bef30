"""Cubes: Datasets written as versions of a collection, and opened by announced snapshot."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import xarray as xr
import zarr

from .encoding import COLLECTION_ATTRIBUTE, SNAPSHOT_ATTRIBUTE, encoding_of, storable
from .errors import NotFound
from .lake import Lake, LakeLike, open_lake
from .records import Collection, Record
from .repositories import (
    BRANCH,
    advance,
    announce,
    commit,
    establish,
    locked,
    open_repository,
    refuse_stranger,
)

# A pool's group attribute and variable: the slots that it holds, and how often each was filled.
WINDOW_ATTRIBUTE = "boathouse_window"
REVISION = "revision"
# A pool's group attribute: the time of slot 0, in seconds since 1970.
ORIGIN_ATTRIBUTE = "boathouse_origin"
OWN_ATTRIBUTES = {WINDOW_ATTRIBUTE, ORIGIN_ATTRIBUTE}


def write_cube(
    lake: Lake, dataset: xr.Dataset, record: Record, *, chunks: Mapping[str, int] | None = None
) -> Record:
    """Write a Dataset as the collection's first or next version and announce it.

    Parameters
    ----------
    lake : Lake
        Where.
    dataset : Dataset
        In memory or lazy; lazy data is computed by the current Dask scheduler.
    record : Record
        What to announce; its snapshot is filled in.
    chunks : mapping of str to int, optional
        Largest chunk on disk by dimension; by default a chunk is at most a mebibyte.

    Returns
    -------
    Record
        As announced.

    Raises
    ------
    Conflict
        When the name belongs to somebody else.
    StorageFull
        When the disk is full; then no reader sees anything of it.
    """
    face = record.collection
    clean = storable(dataset)

    def write(repository: icechunk.Repository) -> Record:
        session = repository.writable_session(BRANCH)
        fill(session, clean, encoding_of(clean, chunks=chunks))
        return commit(session, record, f"write {face.id}")

    path = lake.root / face.location
    with locked(path):
        repository = open_repository(path)
        if repository is None:
            return establish(lake, face, write)
        refuse_stranger(repository, face)
        announce(lake, face.id, repository)
        return advance(lake, repository, write)


def fill(
    session: icechunk.Session, dataset: xr.Dataset, encoding: dict[str, dict[str, Any]]
) -> None:
    """Replace what the session's store holds by a Dataset that :func:`storable` returned.

    Lazy numbers are written by the workers that compute them.
    """
    lazy = [
        name
        for name, array in dataset.variables.items()
        if array.chunks is not None and array.ndim and array.dtype.kind in "fiub"
    ]
    rest = [name for name, array in dataset.variables.items() if array.chunks and name not in lazy]
    dataset = dataset.assign(dict(dataset[rest].compute().variables))
    # icechunk.xarray.to_icechunk would do this, but icechunk 1.1 calls a signature that
    # xarray 2026 no longer has.
    fork = session.fork() if lazy else session
    for name in lazy:
        dataset[name] = dataset[name].chunk(
            dict(zip(dataset[name].dims, encoding[str(name)]["chunks"], strict=True))
        )
    dataset.to_zarr(
        fork.store, mode="w", zarr_format=3, consolidated=False, compute=False, encoding=encoding
    )
    if lazy:
        from icechunk.dask import store_dask  # brings dask.array

        group = zarr.open_group(fork.store, mode="r+")
        targets: list[Any] = [group[str(name)] for name in lazy]
        session.merge(store_dask(sources=[dataset[name].data for name in lazy], targets=targets))


def open_collection(
    collection: Collection | str,
    lake: LakeLike = None,
    *,
    snapshot: str = "",
    chunks: dict[str, int] | None = {},  # noqa: B006 - never changed
) -> xr.Dataset:
    """Open a cube, a pool's window or a result lazily, as it was announced.

    Parameters
    ----------
    collection : Collection or str
        What to open.
    lake : Lake, path or None
        Where; None is the default lake.
    snapshot : str
        An older version; the announced one by default.
    chunks : dict or None
        Dask chunks; ``{}`` takes those on disk, None opens without Dask.

    Returns
    -------
    Dataset
        Its attributes say the collection and the snapshot; it can be pickled to workers
        that see the same folder.

    Raises
    ------
    NotFound
        When there is no such collection for you, or the snapshot is gone.
    """
    lake = open_lake(lake)
    face = lake.store.collection(collection) if isinstance(collection, str) else collection
    return open_face(lake.root, face, snapshot=snapshot, chunks=chunks)


def open_face(
    root: Path,
    face: Collection,
    *,
    snapshot: str = "",
    chunks: dict[str, int] | None = {},  # noqa: B006 - never changed
) -> xr.Dataset:
    """Open what a collection's record describes, without asking any store."""
    repository = open_repository(root / face.location)
    if repository is None:
        raise NotFound(f"The data of {face.id!r} is not in this lake's folder, {root}.")
    wanted = snapshot or face.snapshot
    try:
        store = repository.readonly_session(snapshot_id=wanted).store
        dataset = xr.open_zarr(
            store, consolidated=False, chunks=None if face.kind == "pool" else chunks
        )
    except icechunk.IcechunkError as error:
        raise NotFound(
            f"Version {wanted!r} of {face.id!r} is no longer kept.", field="snapshot"
        ) from error
    if face.kind == "pool":
        dataset = window_of(dataset)
        if chunks is not None:
            # Chunked only now: the steps of years long gone would each be one in the graph.
            dataset = dataset.chunk({"time": 1, **chunks})
    about = {"title": face.title, "licence": face.licence}
    return _with_coordinates(dataset).assign_attrs(
        {
            **{key: text for key, text in about.items() if text and key not in dataset.attrs},
            COLLECTION_ATTRIBUTE: face.id,
            SNAPSHOT_ATTRIBUTE: wanted,
        }
    )


def window_of(dataset: xr.Dataset) -> xr.Dataset:
    """The steps that a pool holds, out of all slots that it ever had."""
    dataset = dataset.copy()
    low, high = dataset.attrs[WINDOW_ATTRIBUTE]
    dataset.attrs = {
        key: value for key, value in dataset.attrs.items() if key not in OWN_ATTRIBUTES
    }
    dataset = dataset.isel(time=slice(low, high))
    filled = np.flatnonzero(dataset[REVISION].values > 0)
    return dataset.isel(time=filled) if filled.size < dataset.sizes["time"] else dataset


def _with_coordinates(dataset: xr.Dataset) -> xr.Dataset:
    """Coordinates of one dimension are read at once: they are small, and plots need them."""
    small = [name for name, array in dataset.coords.items() if array.ndim < 2]
    return dataset.assign_coords({name: dataset[name].compute() for name in small})
