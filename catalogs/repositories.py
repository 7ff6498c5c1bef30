"""Repositories of the lake: icechunk under a lock, each commit carrying what it announces."""

import asyncio
import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import icechunk
import msgspec
from zarr.core.sync import sync

from .errors import BadRequest, Conflict, Forbidden, NotFound, StorageFull
from .lake import Lake
from .records import Collection, Record

BRANCH = "main"
# How long writes that were under way when another failed are waited for, in seconds.
SETTLE_SECONDS = 10.0
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

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
        _settle()
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


def establish(
    lake: Lake, face: Collection, write: Callable[[icechunk.Repository], Record]
) -> Record:
    """Make a collection's repository, let ``write`` commit to it, and announce that.

    Called under the lock.  A refused name leaves nothing behind.
    """
    refuse_taken_name(lake, face)
    path = lake.root / face.location
    began = time.time()
    with new_repository(path) as repository:
        record = write(repository)
        harden(path, began)
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
    before, began = head(repository), time.time()
    try:
        record = write(repository)
    except BaseException:
        delete_loose_chunks(repository)
        raise
    harden(lake.root / record.collection.location, began)
    try:
        lake.store.record(record)
    except (BadRequest, Conflict, Forbidden):
        repository.reset_branch(BRANCH, before)
        delete_loose_chunks(repository)
        raise
    return record


def harden(path: Path, began: float) -> None:
    """Force to disk what was written below ``path`` since ``began`` (seconds since 1970).

    icechunk leaves that to the system; but the catalog's record is on disk when it returns,
    and must not outlive the bytes that it announces when the power fails.
    """
    # Clocks of file systems are coarse, and a file too many costs little.
    for name in _written(path, began - 0.1):
        descriptor = os.open(name, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _written(folder: Path | str, since: float) -> Iterator[str]:
    """Files and folders below that changed since a time, deepest first."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _written(entry.path, since)
            elif entry.stat().st_mtime >= since:
                yield entry.path
    if os.stat(folder).st_mtime >= since:
        yield str(folder)


def delete_loose_chunks(repository: icechunk.Repository) -> None:
    """Delete what no snapshot refers to; called under the lock, so nobody is writing."""
    _settle()
    with contextlib.suppress(icechunk.IcechunkError):
        repository.garbage_collect(datetime.now(UTC))


def _settle() -> None:
    """Wait for zarr's writes under way: when one fails, it leaves the others to themselves."""

    async def end() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=SETTLE_SECONDS)

    sync(end())


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
