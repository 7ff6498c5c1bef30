"""One put into a pool: worked out against what is stored, then written in one commit."""

from typing import Any

import icechunk
import msgspec
import numpy as np
import xarray as xr
import zarr
from zarr.core.sync import sync

from .cubes import ORIGIN_ATTRIBUTE, REVISION, WINDOW_ATTRIBUTE, window_of
from .description import describe
from .errors import BadStep
from .events.event import ITEM_CREATED, ITEM_UPDATED, Event
from .pool_contract import FARTHEST_AHEAD, check_contract, slots_of, time_dependent
from .records import Collection, Item, Record
from .repositories import BRANCH, commit
from .times import item_id, time_text


class Change:
    """One put: what is to be written, worked out before anything is."""

    def __init__(
        self, repository: icechunk.Repository, face: Collection, steps: xr.Dataset, *, job: str
    ) -> None:
        self.face = face
        self.job = job
        self.session = repository.writable_session(BRANCH)
        self.stored = xr.open_zarr(self.session.store, consolidated=False, chunks=None)
        check_contract(steps, self.stored)
        self.seconds: int = face.properties["step_seconds"]
        self.window: int = face.properties["window"]
        self.origin: int = self.stored.attrs[ORIGIN_ATTRIBUTE]
        self.old_low, self.old_high = self.stored.attrs[WINDOW_ATTRIBUTE]
        slots = slots_of(steps["time"].values, self.origin, self.seconds)
        if self.old_high == 0:
            # Slots count from a window before the first step, so that late ones have room.
            first = self.origin + int(slots[0]) * self.seconds
            self.origin = first - self.window * self.seconds
            slots = slots - slots[0] + self.window
        elif slots[-1] - self.old_high > FARTHEST_AHEAD:
            raise BadStep(
                f"{time_text(steps['time'].values[-1])} is {slots[-1] - self.old_high} steps "
                "after the newest; that is a wrong time.",
                field="time",
            )
        self.high = max(self.old_high, int(slots[-1]) + 1)
        self.low = max(self.old_low, self.high - self.window)
        late = slots < self.low
        self.late = tuple(time_text(time) for time in steps["time"].values[late])
        if late.all():
            raise BadStep(
                f"{self.late[-1]} is older than the pool's window, which begins "
                f"{time_text(self._time(self.low))}.",
                field="time",
            )
        self.steps = steps.isel(time=~late)
        self.slots = [int(slot) for slot in slots[~late]]
        revisions = self.stored[REVISION].values
        self.revisions = np.zeros(self.high, revisions.dtype)
        self.revisions[: revisions.size] = revisions
        self.values = {
            slot: _raw(self.steps.isel(time=index), self.stored)
            for index, slot in enumerate(self.slots)
        }
        for slot in [slot for slot in self.slots if self._is_stored(slot)]:
            self.slots.remove(slot)

    @property
    def empty(self) -> bool:
        """Whether the pool has all of it already."""
        return not self.slots

    def write(self) -> Record:
        """Write, evict and commit; nothing of it is visible before it is announced."""
        group = zarr.open_group(self.session.store, mode="r+")
        arrays: dict[str, Any] = {
            name: group[name] for name in [*time_dependent(self.stored), "time", REVISION]
        }
        if self.high > self.old_high:
            for array in arrays.values():
                array.resize((self.high, *array.shape[1:]))
            begin = 0 if self.old_high == 0 else self.old_high
            arrays["time"][begin:] = self.origin + np.arange(begin, self.high) * self.seconds
        evicted = self._evict(arrays)
        for slot in self.slots:
            for name, values in self.values[slot].items():
                arrays[name][slot] = values
            self.revisions[slot] += 1
        arrays[REVISION][:] = self.revisions
        group.attrs.update({WINDOW_ATTRIBUTE: [self.low, self.high], ORIGIN_ATTRIBUTE: self.origin})
        record = self._record(evicted)
        return commit(self.session, record, f"put {', '.join(item.id for item in record.items)}")

    def _evict(self, arrays: dict[str, Any]) -> tuple[str, ...]:
        """Delete the chunks of steps that leave the window, and return their items."""
        gone = range(self.old_low, min(self.low, self.old_high))
        evicted = [slot for slot in gone if self.revisions[slot]]
        for slot in evicted:
            for name, array in arrays.items():
                if array.ndim > 1:
                    sync(self.session.store.delete_dir(f"{name}/c/{slot}"))
        self.revisions[list(gone)] = 0
        return tuple(item_id(self._time(slot)) for slot in evicted)

    def _record(self, evicted: tuple[str, ...]) -> Record:
        written = xr.open_zarr(self.session.store, consolidated=False, chunks=None)
        face = described(self.face, window_of(written))
        items = tuple(self._item(slot) for slot in self.slots)
        events = tuple(_event(face, item, self.job) for item in items)
        return Record(collection=face, items=items, removed=evicted, events=events)

    def _item(self, slot: int) -> Item:
        time = self._time(slot)
        return Item(
            id=item_id(time),
            collection=self.face.id,
            datetime=time_text(time),
            properties={"revision": int(self.revisions[slot])},
        )

    def _time(self, slot: int) -> np.datetime64:
        return np.datetime64(self.origin + slot * self.seconds, "s")

    def _is_stored(self, slot: int) -> bool:
        if slot >= self.old_high or not self.revisions[slot]:
            return False
        stored = _raw(self.stored.isel(time=slot), self.stored)
        return all(_same(values, stored[name]) for name, values in self.values[slot].items())


def described(face: Collection, window: xr.Dataset) -> Collection:
    """The face as the window that a pool holds makes it."""
    told = describe(window)
    changes = msgspec.structs.asdict(told)
    changes["bbox"] = told.bbox or face.bbox
    return msgspec.structs.replace(face, **changes)


def _event(face: Collection, item: Item, job: str) -> Event:
    return Event(
        type=ITEM_CREATED if item.properties["revision"] == 1 else ITEM_UPDATED,
        source=f"/collections/{face.id}",
        subject=f"/collections/{face.id}/items/{item.id}",
        collection=face.id,
        datatime=item.datetime,
        owner=face.owner,
        access=face.access,
        data={"item": item.id, "collection": face.id, **({"job": job} if job else {})},
    )


def _raw(step: xr.Dataset, stored: xr.Dataset) -> dict[str, np.ndarray]:
    """The values of one step as they lie on disk, in the pool's order of dimensions."""
    raw: dict[str, np.ndarray] = {}
    for name in time_dependent(stored):
        dims = [dim for dim in stored[name].dims if dim != "time"]
        values = step[name].transpose(*dims).values
        raw[name] = values.astype("M8[s]").astype("i8") if values.dtype.kind == "M" else values
    return raw


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
