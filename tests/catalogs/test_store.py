"""The store: access in SQL, one transaction a record, an outbox that loses nothing."""

import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boathouse.catalogs.access import Reader
from boathouse.catalogs.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    StorageFull,
    Unavailable,
)
from boathouse.catalogs.events.event import ITEM_CREATED, Event
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.catalogs.records import Collection, Item, Record, location_of
from boathouse.catalogs.sqlite_store import SqliteStore

ANN, BOB, EVE = Reader(name="ann"), Reader(name="bob", groups=("rowers",)), Reader(name="eve")
ADMIN = Reader(name="catalog", admin=True)


class TroubledLog(SqliteEventLog):
    """A log that answers only when told to."""

    down = False

    def append(self, events: Sequence[Event]) -> list[int]:
        if self.down:
            raise Unavailable("the log is down")
        return super().append(events)


@pytest.fixture
def log(tmp_path):
    log = TroubledLog(tmp_path / "events.sqlite")
    yield log
    log.close()


@pytest.fixture
def store(tmp_path, log):
    store = SqliteStore(tmp_path / "catalog.sqlite", log=log)
    yield store
    store.close()


def record(
    id: str = "one", owner: str = "ann", snapshot: str = "S1", items: int = 1, **more
) -> Record:
    kind = more.pop("kind", "cube")
    face = Collection(
        id=id,
        title=id.title(),
        kind=kind,
        location=location_of(kind, id, owner),
        owner=owner,
        snapshot=snapshot,
        **more,
    )
    names = [f"{snapshot}-{number}" for number in range(items)]
    return Record(
        collection=face,
        items=tuple(Item(id=name, collection=id, snapshot=snapshot) for name in names),
        events=tuple(
            Event(type=ITEM_CREATED, source=f"/collections/{id}", id=name) for name in names
        ),
    )


def test_record_makes_collection_items_and_events_visible(store, log):
    store.record(record(items=2))
    assert store.collection("one").title == "One"
    assert [item.id for item in store.items("one")] == ["S1-1", "S1-0"]
    assert store.item("one", "S1-0").created
    assert [event.id for event in log.read()] == ["S1-0", "S1-1"]
    assert store.pending() == 0


def test_the_file_is_for_its_owner_only(store):
    store.record(record())
    for file in store.path.parent.glob("catalog.sqlite*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_recording_twice_changes_nothing(store, log):
    for _ in range(2):
        store.record(record())
    assert len(store.items()) == len(log.read()) == 1


def test_an_older_snapshot_does_not_come_back(store):
    store.record(record(snapshot="S1"))
    store.record(record(snapshot="S2"))
    store.record(record(snapshot="S1"))
    assert store.collection("one").snapshot == "S2"


def test_created_stays_and_updated_moves(store):
    store.record(record())
    first = store.collection("one")
    time.sleep(0.005)
    store.record(record(snapshot="S2"))
    second = store.collection("one")
    assert second.created == first.created
    assert second.updated > first.updated


def test_removed_items_are_gone(store):
    store.record(record(items=2))
    store.record(msgspec.structs.replace(record(snapshot="S2"), removed=("S1-0",)))
    assert [item.id for item in store.items("one")] == ["S2-0", "S1-1"]


@pytest.mark.parametrize(
    ("access", "seers"),
    [("public", [ANN, BOB, EVE]), ("private", [ANN]), ("group:rowers", [ANN, BOB])],
)
def test_who_sees_what(store, access, seers):
    store.record(record(access=access))
    for reader in (ANN, BOB, EVE):
        visible = reader in seers
        assert bool(store.collections(reader=reader)) is visible
        assert bool(store.items(reader=reader)) is visible
        if visible:
            assert store.collection("one", reader=reader).id == "one"
            assert store.item("one", "S1-0", reader=reader).id == "S1-0"
            assert store.items("one", reader=reader)
        else:
            for ask in (
                lambda reader=reader: store.collection("one", reader=reader),
                lambda reader=reader: store.item("one", "S1-0", reader=reader),
                lambda reader=reader: store.items("one", reader=reader),
            ):
                with pytest.raises(NotFound):
                    ask()
    assert store.collections(reader=ADMIN)
    assert store.collections()


GROUPS = st.lists(st.sampled_from(["rowers", "a'b", "private", "public", "ann"]), max_size=2)


@given(
    name=st.sampled_from(["ann", "bob", "public", "x' or 1 --"]),
    groups=GROUPS,
    owner=st.sampled_from(["ann", "bob"]),
    access=st.sampled_from(["public", "private", "group:rowers", "group:a'b", "group:ann"]),
)
def test_sql_and_may_see_agree(tmp_path_factory, name, groups, owner, access):
    folder = tmp_path_factory.mktemp("store")
    log = SqliteEventLog(folder / "events.sqlite")
    store = SqliteStore(folder / "catalog.sqlite", log=log)
    try:
        store.record(msgspec.structs.replace(record(owner=owner, access=access), events=()))
        reader = Reader(name=name, groups=tuple(groups))
        assert bool(store.collections(reader=reader)) == reader.may_see(owner, access)
    finally:
        store.close()
        log.close()


def test_nobody_takes_anothers_name(store):
    store.record(record(access="private"))
    with pytest.raises(Conflict, match="one"):
        store.record(record(owner="bob", snapshot="S2"), reader=BOB)
    with pytest.raises(Conflict):
        store.record(record(owner="bob", snapshot="S2"))
    assert store.collection("one").owner == "ann"


def test_nobody_writes_in_anothers_name(store):
    with pytest.raises(Forbidden) as caught:
        store.record(record(owner="ann"), reader=BOB)
    assert caught.value.field == "owner"
    store.record(record(owner="ann"), reader=ADMIN)


def test_events_carry_the_collections_owner_and_access(store, log):
    wrong = Event(type="x", source="/collections/one", id="1", owner="bob", access="public")
    store.record(msgspec.structs.replace(record(access="private"), events=(wrong,)), reader=ANN)
    (event,) = log.read()
    assert (event.owner, event.access, event.collection) == ("ann", "private", "one")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "../up"}, "name"),
        ({"id": "Upper"}, "name"),
        ({"access": "everybody"}, "access"),
        ({"location": "results/bob/secret"}, "location"),
    ],
)
def test_a_record_that_lies_is_refused(store, change, field):
    good = record()
    face = msgspec.structs.replace(good.collection, **change)
    with pytest.raises(BadRequest) as caught:
        store.record(Record(collection=face))
    assert caught.value.field == field


def test_events_and_items_of_others_are_refused(store):
    good = record()
    with pytest.raises(BadRequest, match="source"):
        store.record(
            msgspec.structs.replace(good, events=(Event(type="x", source="/jobs/7", id="1"),))
        )
    with pytest.raises(BadRequest, match="belongs to"):
        store.record(msgspec.structs.replace(good, items=(Item(id="1", collection="two"),)))
    assert store.collections() == []


def test_an_owner_that_is_no_folder_has_no_results():
    with pytest.raises(BadRequest, match="own results"):
        location_of("result", "x", "../ann")


def test_a_log_that_is_down_loses_nothing(store, log):
    log.down = True
    store.record(record())
    assert store.collection("one").id == "one"
    assert store.pending() == 1
    log.down = False
    deadline = time.monotonic() + 10
    while store.pending() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [event.id for event in log.read()] == ["S1-0"]


def test_what_was_pending_is_moved_at_the_next_start(tmp_path, log):
    log.down = True
    first = SqliteStore(tmp_path / "catalog.sqlite", log=log)
    first.record(record(items=3))
    first.close()
    assert log.read() == []
    log.down = False
    second = SqliteStore(tmp_path / "catalog.sqlite", log=log)
    deadline = time.monotonic() + 10
    while second.pending() and time.monotonic() < deadline:
        time.sleep(0.02)
    second.close()
    assert [event.id for event in log.read()] == ["S1-0", "S1-1", "S1-2"]


def test_a_full_disk_records_nothing(store, log):
    store.record(record())
    pages = store._writer.execute("pragma page_count").fetchone()[0]
    store._writer.execute(f"pragma max_page_count = {pages}")
    with pytest.raises(StorageFull):
        store.record(record(id="two", snapshot="S2", items=500))
    assert [face.id for face in store.collections()] == ["one"]
    assert len(store.items()) == len(log.read()) == 1
    store._writer.execute("pragma max_page_count = 1000000")
    store.record(record(id="two", snapshot="S2", items=500))
    assert len(store.items(limit=1000)) == 501


class PickyLog(SqliteEventLog):
    def append(self, events: Sequence[Event]) -> list[int]:
        if any(event.id == "S1-1" for event in events):
            raise BadRequest("not this one")
        return super().append(events)


def test_an_event_that_the_log_refuses_stops_no_other(tmp_path, caplog):
    log = PickyLog(tmp_path / "events.sqlite")
    store = SqliteStore(tmp_path / "catalog.sqlite", log=log)
    store.record(record(items=3))
    assert [event.id for event in log.read()] == ["S1-0", "S1-2"]
    assert store.pending() == 0
    assert "not this one" in caplog.text
    store.close()
    log.close()


KILLED = """
import os, sys
from pathlib import Path
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.catalogs.sqlite_store import SqliteStore
from boathouse.catalogs.records import Collection, Item, Record, location_of
from boathouse.catalogs.events.event import Event

class Slow(SqliteEventLog):
    def append(self, events):
        os.kill(os.getpid(), 9)

folder = Path(sys.argv[1])
store = SqliteStore(folder / "catalog.sqlite", log=Slow(folder / "events.sqlite"))
face = Collection(id="one", title="", kind="cube", location="cubes/one", owner="ann", snapshot="S")
store.record(Record(collection=face, events=(Event(type="t", source="/collections/one", id="1"),)))
"""


def test_killed_between_record_and_log(tmp_path):
    died = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert died.returncode == -9
    log = SqliteEventLog(tmp_path / "events.sqlite")
    assert log.read() == []
    store = SqliteStore(Path(tmp_path) / "catalog.sqlite", log=log)
    deadline = time.monotonic() + 10
    while store.pending() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [event.id for event in log.read()] == ["1"]
    store.close()
    log.close()
