"""What the log has acknowledged outlives a power cut: nothing but what reached the disk is left.

A file system on a loop device keeps in memory what was not synced; a copy of the device's file
is what a disk would hold if the power went that moment.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from boathouse.catalogs.events.sqlite import SqliteEventLog

TOOLS = ("mount", "umount", "mkfs.ext4")
PUBLISHER = """
import sys
from pathlib import Path
from boathouse.catalogs.events.event import Event
from boathouse.catalogs.events.sqlite import SqliteEventLog
log = SqliteEventLog(Path(sys.argv[1]))
if sys.argv[2] == "careless":
    log._connection.execute("pragma synchronous=off")
for number in range(10**9):
    log.append([Event(type="org.example.ping", source="/me", id=str(number))])
    print(number, flush=True)
"""


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir()
    done = subprocess.run(["mount", "-o", "loop", str(image), str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("this machine mounts no loop devices")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="needs mount and mkfs.ext4")
@pytest.mark.parametrize(("care", "cuts"), [("careful", 6), ("careless", 1)])
def test_acknowledged_events_outlive_a_power_cut(tmp_path: Path, care: str, cuts: int) -> None:
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(64 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    lost = [_cut_the_power(tmp_path, image, care, number) for number in range(cuts)]
    # Without the sync the same test finds the loss: it is able to.
    assert sum(lost) == 0 if care == "careful" else sum(lost) > 0


def _cut_the_power(folder: Path, image: Path, care: str, number: int) -> int:
    """How many acknowledged events are gone."""
    copy = folder / f"copy-{number}"
    with mounted(image, folder / f"disk-{number}") as disk:
        path = disk / f"events-{number}.sqlite"
        words = [sys.executable, "-c", PUBLISHER, str(path), care]
        publisher = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert publisher.stdout is not None
        assert publisher.stdout.readline() == "0\n"
        time.sleep(0.15 + 0.037 * number)
        publisher.send_signal(signal.SIGSTOP)
        shutil.copyfile(image, copy)
        publisher.kill()
        acknowledged = [0, *map(int, publisher.stdout.read().split())]
        publisher.stdout.close()
        publisher.wait()
    assert len(acknowledged) > 5
    with mounted(copy, folder / f"after-{number}") as disk:
        left = _ids(disk / path.name)
    copy.unlink()
    return len(set(acknowledged) - left)


def _ids(path: Path) -> set[int]:
    if not path.exists():
        return set()
    try:
        log = SqliteEventLog(path)
    except sqlite3.DatabaseError:
        return set()
    try:
        return {int(event.id) for event in log.read(limit=10**6)}
    finally:
        log.close()
