"""Deployed functions: kept by content hash, versioned, withdrawn, not loaded by their keeper."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from boathouse.catalogs.errors import BadRequest, Conflict, NotFound
from boathouse.catalogs.events.event import Event
from boathouse.workflows.functions import (
    LARGEST_CODE,
    DeployedFunction,
    FunctionStore,
    differences,
    load_function,
    pack_function,
    python_here,
)

EVENT = Event(type="org.example.ping", source="/me", id="one", data={"n": 3})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FunctionStore]:
    opened = FunctionStore(tmp_path / "functions.sqlite")
    yield opened
    opened.close()


def doubled(event: Event) -> Any:
    """Twice the number.

    And more.
    """
    return float(np.float64(2) * event.data["n"])


def closure(number: int) -> Callable[[Event], int]:
    def add(event: Event) -> int:
        return event.data["n"] + number

    return add


class Bomb:
    """Loading it writes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (self.path, "w")


def test_a_function_travels_whole_with_its_environment() -> None:
    packed = pack_function(doubled)
    assert (packed.name, packed.title) == ("doubled", "Twice the number.")
    assert packed.python == python_here()
    assert packed.modules["numpy"] == np.__version__
    assert b"test_functions" not in packed.code[:60], "by value, not by reference"
    again = msgspec.json.decode(msgspec.json.encode(packed), type=DeployedFunction)
    assert load_function(again)(EVENT) == 6.0
    assert load_function(pack_function(closure(4)))(EVENT) == 7


def test_versions_by_content(store: FunctionStore) -> None:
    first = store.save(pack_function(closure(1)), owner="ann")
    assert store.save(pack_function(closure(1)), owner="ann") == first, "the same changes nothing"
    second = store.save(pack_function(closure(2)), owner="ann")
    assert (first.version, second.version) == (1, 2)
    assert first.digest != second.digest
    assert [(each.version, each.code) for each in store.functions("ann")] == [(2, b"")]
    assert load_function(store.find("ann", "add"))(EVENT) == 5
    assert load_function(store.find("ann", "add", first.digest))(EVENT) == 4

    assert store.functions("bob") == []
    with pytest.raises(NotFound):
        store.find("bob", "add")
    with pytest.raises(NotFound):
        store.withdraw("bob", "add")
    store.withdraw("ann", "add")
    assert store.functions() == []
    for digest in ("", first.digest, second.digest):
        with pytest.raises(NotFound, match="withdrawn"):
            store.find("ann", "add", digest)
    again = store.save(pack_function(closure(2)), owner="ann")
    assert again.version == 3
    assert store.find("ann", "add").version == 3


def test_what_is_kept_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "functions.sqlite"
    first = FunctionStore(path)
    saved = first.save(pack_function(doubled), owner="ann")
    first.close()
    second = FunctionStore(path)
    assert load_function(second.find("ann", "doubled", saved.digest))(EVENT) == 6.0
    second.close()
    assert path.stat().st_mode & 0o077 == 0


def test_keeping_never_loads(store: FunctionStore, tmp_path: Path) -> None:
    bomb = Bomb(str(tmp_path / "loaded"))
    packed = pack_function(lambda event: bomb, name="bomb")
    store.save(packed, owner="ann")
    found = store.find("ann", "bomb")
    store.functions()
    assert not (tmp_path / "loaded").exists()
    with load_function(found)(EVENT):
        assert (tmp_path / "loaded").exists(), "the trap works where it is loaded"


def test_what_cannot_be_deployed_is_refused(store: FunctionStore) -> None:
    lock = threading.Lock()
    with pytest.raises(BadRequest, match="cannot be sent") as held:
        pack_function(lambda event: lock.locked(), name="locked")
    assert held.value.field == "function"
    with pytest.raises(BadRequest, match="name=") as unnamed:
        pack_function(lambda event: 1)
    assert unnamed.value.field == "name"
    large = np.zeros(LARGEST_CODE, "u1")
    with pytest.raises(BadRequest, match="4 MB fit"):
        pack_function(lambda event: large.sum(), name="large")
    forged = msgspec.structs.replace(pack_function(doubled), digest="0" * 64)
    with pytest.raises(BadRequest, match="digest"):
        store.save(forged, owner="ann")
    assert store.functions() == []


def test_another_python_is_refused_and_other_packages_are_said(store: FunctionStore) -> None:
    older = msgspec.structs.replace(pack_function(doubled), python="3.2")
    with pytest.raises(Conflict, match=rf"from Python 3\.2, and this worker has {python_here()}"):
        load_function(store.find("ann", store.save(older, owner="ann").name))
    with pytest.raises(BadRequest, match="Python version"):
        store.save(msgspec.structs.replace(older, python="three"), owner="ann")
    assert differences({"numpy": np.__version__}) == ""
    assert differences({"numpy": "1.0"}) == f"numpy 1.0 (here: {np.__version__})"
    assert "not here" in differences({"no-such-package": "1"})
