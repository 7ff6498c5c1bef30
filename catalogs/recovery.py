"""Finds commits that were never announced, because a process died in between, and records them."""

import logging
from collections.abc import Iterator
from pathlib import Path

import icechunk
import msgspec

from .errors import BoathouseError, NotFound
from .lake import Lake
from .repositories import announce, locked, newest_record, open_repository

logger = logging.getLogger(__name__)

PLACES = ("cubes/*", "pools/*", "results/*/*")


def recover(lake: Lake) -> list[str]:
    """Record every commit in the lake that the store does not know.

    A repository that cannot be read is logged and left alone: it must not keep the others
    from being found.  One that somebody is writing to comes last, when its lock is free.

    Returns
    -------
    list of str
        The collections that had such commits.
    """
    found: list[str] = []
    busy: list[Path] = []
    for path in _repositories(lake.root):
        try:
            found += _recover_one(lake, path, wait=False)
        except BlockingIOError:
            busy.append(path)
    for path in busy:
        found += _recover_one(lake, path, wait=True)
    return found


def _repositories(root: Path) -> Iterator[Path]:
    for place in PLACES:
        yield from sorted(path for path in root.glob(place) if path.is_dir())


def _recover_one(lake: Lake, path: Path, *, wait: bool) -> list[str]:
    try:
        with locked(path, wait=wait):
            repository = open_repository(path)
            record = repository and newest_record(repository)
            if not repository or not record:
                return []
            face = record.collection
            if lake.root / face.location != path:
                logger.error("%s says that it belongs in %s; left alone", path, face.location)
                return []
            try:
                before = lake.store.collection(face.id).snapshot
            except NotFound:
                before = ""
            after = announce(lake, face.id, repository)
            return [face.id] if after is not None and after.snapshot != before else []
    except BlockingIOError:
        raise
    except (BoathouseError, OSError, icechunk.IcechunkError, msgspec.MsgspecError) as error:
        logger.error("Could not look for lost commits in %s: %s", path, error)
        return []
