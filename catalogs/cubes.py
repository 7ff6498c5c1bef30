"""Cubes on disk: icechunk repositories below the lake, written under a lock, opened by snapshot."""

import contextlib
import errno
import fcntl
import shutil
from collections.abc import Callable, Generator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import icechunk
import msgspec
import numpy as np
import xarray as xr
import zarr
from icechunk.dask import store_dask

from .encoding import COLLECTION_ATTRIBUTE, SNAPSHOT_ATTRIBUTE, encoding_of, storable
from .errors import BadRequest, Conflict, Forbidden, NotFound, StorageFull
from .lake import Lake, LakeLike, open_lake
from .records import Collection, Record

BRANCH = "main"
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# A pool's group attribute and variable: the slots that it holds, and how often each was filled.
WINDOW_ATTRIBUTE = "boathouse_window"
REVISION = "revision"
# A pool's group attribute: the time of slot 0, in seconds since 1970.
ORIGIN_ATTRIBUTE = "boathouse_origin"
OWN_ATTRIBUTES = {WINDOW_ATTRIBUTE, ORIGIN_ATTRIBUTE}

# icechunk warns that a local folder is not safe for concurrent commits; ours are locked.
icechunk.set_logs_filter("error")


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Generator[None]:
    """Hold the lock of the repository at ``path``; the system frees it when we die.

    With ``wait`` False a lock that another holds raises ``BlockingIOError``.

    icechunk loses commits of concurrent writers in a local folder, so each transaction
    from opening the session to announcing the snapshot happens under this lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with space_for(path.name), (path.parent / f"{path.name}.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@contextlib.contextmanager
def space_for(name: str) -> Generator[None]:
    """Turn "no space left" of the system or of icechunk into ``StorageFull``."""
    try:
        yield
    except StorageFull:
        raise
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise _full(name) from error
    except icechunk.IcechunkError as error:
        if not any(f"os error {number})" in str(error) for number in FULL):
            raise
        raise _full(name) from error


def _full(name: str) -> StorageFull:
    return StorageFull(
        f"The lake's disk is full; nothing of {name!r} was changed. Free some space and try again."
    )


def open_repository(path: Path) -> icechunk.Repository | None:
    """Open the repository at ``path``; None when there is none that was committed to."""
    # Looked at first, because icechunk makes the folder that it is asked about.
    if not path.is_dir():
        return None
    storage = icechunk.local_filesystem_storage(str(path))
    if not icechunk.Repository.exists(storage):
        return None
    repository = icechunk.Repository.open(storage)
    return repository if newest_record(repository) else None


@contextlib.contextmanager
def new_repository(path: Path) -> Generator[icechunk.Repository]:
    """Make a repository; when the block fails, it is taken away again."""
    shutil.rmtree(path, ignore_errors=True)  # the rest of a process that died too early
    path.mkdir(parents=True)
    try:
        yield icechunk.Repository.create(icechunk.local_filesystem_storage(str(path)))
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def head(repository: icechunk.Repository) -> str:
    """The newest snapshot."""
    return repository.lookup_branch(BRANCH)


def newest_record(repository: icechunk.Repository) -> Record | None:
    """What the newest commit announces; None when nothing was committed yet."""
    metadata = repository.lookup_snapshot(head(repository)).metadata
    return msgspec.convert(metadata["record"], Record) if "record" in metadata else None


def commit(session: icechunk.Session, record: Record, message: str) -> Record:
    """Commit with the record as the commit's metadata, and return the record to announce.

    Because the record travels with the data, a crash before it is announced loses nothing:
    :func:`announce` finds it again.
    """
    snapshot = session.commit(message, metadata={"record": msgspec.to_builtins(record)})
    return stamped(record, snapshot)


def stamped(record: Record, snapshot: str) -> Record:
    """The record with the snapshot filled in, and ids of events that follow from it."""
    replace = msgspec.structs.replace
    events = tuple(
        replace(
            event,
            id=f"{snapshot}-{event.subject.rpartition('/')[2]}",
            data={**(event.data or {}), "snapshot": snapshot},
        )
        for event in record.events
    )
    return replace(
        record,
        collection=replace(record.collection, snapshot=snapshot),
        items=tuple(replace(item, snapshot=snapshot) for item in record.items),
        events=events,
    )


def announce(lake: Lake, id: str, repository: icechunk.Repository) -> Collection | None:
    """Record every commit that the store has not seen, oldest first.

    Returns
    -------
    Collection or None
        The collection's face after that; None when nothing was ever committed.
    """
    try:
        face = lake.store.collection(id)
    except NotFound:
        face = None
    pending: list[Record] = []
    for ancestor in repository.ancestry(branch=BRANCH):
        if (face is not None and ancestor.id == face.snapshot) or "record" not in ancestor.metadata:
            break
        record = msgspec.convert(ancestor.metadata["record"], Record)
        pending.append(stamped(record, ancestor.id))
    for record in reversed(pending):
        lake.store.record(record)
    return pending[0].collection if pending else face


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
        group = zarr.open_group(fork.store, mode="r+")
        targets: list[Any] = [group[str(name)] for name in lazy]
        session.merge(store_dask(sources=[dataset[name].data for name in lazy], targets=targets))


def establish(
    lake: Lake, face: Collection, write: Callable[[icechunk.Repository], Record]
) -> Record:
    """Make a collection's repository, let ``write`` commit to it, and announce that.

    Called under the lock.  A refused name leaves nothing behind.
    """
    refuse_taken_name(lake, face)
    path = lake.root / face.location
    with new_repository(path) as repository:
        record = write(repository)
    try:
        lake.store.record(record)
    except (BadRequest, Conflict, Forbidden):
        shutil.rmtree(path)
        raise
    return record


def advance(
    lake: Lake, repository: icechunk.Repository, write: Callable[[icechunk.Repository], Record]
) -> Record:
    """Let ``write`` commit a further version and announce it.

    Called under the lock.  When the writing fails or the store refuses, the branch is as
    it was and loose chunks are deleted.  When the store does not answer, the commit stays:
    the next writer or the next start announces it.
    """
    before = head(repository)
    try:
        record = write(repository)
    except BaseException:
        delete_loose_chunks(repository)
        raise
    try:
        lake.store.record(record)
    except (BadRequest, Conflict, Forbidden):
        repository.reset_branch(BRANCH, before)
        delete_loose_chunks(repository)
        raise
    return record


def delete_loose_chunks(repository: icechunk.Repository) -> None:
    """Delete what no snapshot refers to; called under the lock, so nobody is writing."""
    with contextlib.suppress(icechunk.IcechunkError):
        repository.garbage_collect(datetime.now(UTC))


def refuse_taken_name(lake: Lake, face: Collection) -> None:
    """Raise ``Conflict`` when a collection that one can see has the name already."""
    try:
        taken = lake.store.collection(face.id)
    except NotFound:
        return
    if (taken.owner, taken.location) != (face.owner, face.location):
        raise Conflict(
            f"The name {face.id!r} is taken by a {taken.kind} of {taken.owner!r}; choose another.",
            field="name",
        )


def refuse_stranger(repository: icechunk.Repository, face: Collection) -> None:
    """Raise ``Conflict`` when the repository belongs to another owner."""
    record = newest_record(repository)
    if record is not None and record.collection.owner != face.owner:
        raise Conflict(
            f"The name {face.id!r} is taken by another owner; choose another.", field="name"
        )


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
