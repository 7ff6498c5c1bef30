"""Fresh data pools: a window of steps on a regular time grid, put one by one and seen at once."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import icechunk
import msgspec
import numpy as np
import pandas as pd
import xarray as xr

from .access import PUBLIC
from .cubes import ORIGIN_ATTRIBUTE, REVISION, WINDOW_ATTRIBUTE, fill, open_collection, window_of
from .encoding import encoding_of, storable
from .errors import BadRequest, Conflict, NotFound
from .lake import Lake, LakeLike, open_lake
from .pool_change import Change, described
from .pool_contract import (
    as_steps,
    step_seconds,
)
from .records import Collection, Item, Record, check_name, location_of
from .repositories import BRANCH, advance, announce, commit, establish, locked, open_repository
from .times import time_text

# Older versions can be opened for so long; jobs that began with one end in peace.
KEEP = timedelta(hours=24)
SWEEP_EVERY = 256


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """What a put made visible.

    Attributes
    ----------
    items : tuple of Item
        The steps that were written; ``properties["revision"]`` is 1 for a new one.  Empty
        when the pool had all of them already, bit for bit.
    late : tuple of str
        Times that were left out because the pool's window has moved past them.
    """

    items: tuple[Item, ...] = ()
    late: tuple[str, ...] = ()


class Pool:
    """A pool in a lake; get one by :func:`open_pool` or :func:`create_pool`."""

    def __init__(self, name: str, lake: Lake) -> None:
        self.name = name
        self.lake = lake

    def __repr__(self) -> str:
        face = self.info()
        steps = face.dimensions.get("time", {}).get("size", 0)
        newest = f", newest {face.interval[1]}" if face.interval else ""
        return f"Pool({self.name!r}, {steps} of {face.properties['window']} steps{newest})"

    def info(self) -> Collection:
        """What the catalog says about the pool now."""
        return self.lake.store.collection(self.name)

    def open(self, *, chunks: dict[str, int] | None = {}) -> xr.Dataset:  # noqa: B006
        """All steps that the pool holds, lazily, as they were announced last."""
        return open_collection(self.name, self.lake, chunks=chunks)

    def latest(self) -> xr.Dataset:
        """The newest step; raises ``NotFound`` while the pool is empty."""
        steps = self.open()
        if not steps.sizes["time"]:
            raise NotFound(f"The pool {self.name!r} is still empty.", field="time")
        return steps.isel(time=-1)

    def since(self, time: str | datetime | np.datetime64) -> xr.Dataset:
        """The steps at and after a time."""
        return self.open().sel(time=slice(_instant(time), None))

    def at(self, time: str | datetime | np.datetime64) -> xr.Dataset:
        """The step of exactly this time; raises ``NotFound`` naming what there is."""
        steps, wanted = self.open(), _instant(time)
        if wanted not in steps.indexes["time"]:
            held = " to ".join(self.info().interval) or "nothing"
            raise NotFound(
                f"The pool {self.name!r} has no step {time_text(wanted)}; it holds {held}.",
                field="time",
            )
        return steps.sel(time=wanted)

    def put(self, step: xr.Dataset | xr.DataArray) -> Arrival:
        """Add or replace steps; they, their items and their events appear together or not at all.

        Parameters
        ----------
        step : Dataset or DataArray
            One or more steps that fulfil the contract of the pool's template.

        Returns
        -------
        Arrival
            Empty when the pool has the same data already, so a repeated put is harmless.

        Raises
        ------
        BadStep
            Naming the variable, coordinate or time that breaks the contract; nothing is
            written.
        StorageFull
            When the disk is full; readers see the pool as it was.
        Unavailable
            When the catalog does not answer.  If that happened after the commit, the next
            put or the catalog's start makes the step visible.

        Examples
        --------
        >>> pool.put(step).items[0].id  # doctest: +SKIP
        '20190301T0000Z'
        """
        steps = as_steps(step)
        path = self.lake.root / location_of("pool", self.name, "")
        with locked(path):
            repository = open_repository(path)
            face = repository and announce(self.lake, self.name, repository)
            if repository is None or face is None:
                raise NotFound(f"There is no pool {self.name!r}.", field="name")
            change = Change(repository, face, steps, job=self.lake.job)
            if change.empty:
                return Arrival(late=change.late)
            record = advance(self.lake, repository, lambda _: change.write())
            if change.high % SWEEP_EVERY == 0:
                _sweep(repository, KEEP)
        return Arrival(items=record.items, late=change.late)

    def sweep(self, keep: timedelta = KEEP) -> None:
        """Forget versions older than ``keep`` and free their space; ``put`` does so too."""
        path = self.lake.root / location_of("pool", self.name, "")
        with locked(path):
            repository = open_repository(path)
            if repository is not None:
                announce(self.lake, self.name, repository)
                _sweep(repository, keep)


def create_pool(
    name: str,
    *,
    template: xr.Dataset | xr.DataArray,
    window: int,
    step: str | timedelta | np.timedelta64 | None = None,
    title: str = "",
    description: str = "",
    licence: str = "",
    keywords: Iterable[str] = (),
    access: str = PUBLIC,
    lake: LakeLike = None,
) -> Pool:
    """Make an empty pool.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and hyphens.
    template : Dataset or DataArray
        One or more steps; its variables, dimensions, coordinates, units and dtypes are the
        contract of every step.  It is not put into the pool.
    window : int
        How many steps the pool holds; older ones are evicted.
    step : str or timedelta, optional
        The spacing of the pool's times; found in a template of several times.
    title, description, licence, keywords
        What the catalog says about it.
    access : str
        ``"public"``, ``"private"`` or ``"group:NAME"``.
    lake : Lake, path or None
        Where; None is the default lake.

    Raises
    ------
    Conflict
        When the name is taken.
    BadRequest
        When an argument is wrong; ``field`` names it.

    Examples
    --------
    >>> create_pool("mine", template=ds, window=48, step="1h")  # doctest: +SKIP
    """
    lake = open_lake(lake)
    check_name(name)
    if window < 1:
        raise BadRequest(f"window is {window}; a pool holds at least one step.", field="window")
    steps = as_steps(template).transpose("time", ...)
    seconds = step_seconds(steps, step)
    empty = _empty(steps)
    face = Collection(
        id=name,
        title=title or name,
        kind="pool",
        location=location_of("pool", name, lake.user),
        owner=lake.user,
        access=access,
        description=description,
        licence=licence,
        keywords=tuple(keywords),
        properties={"window": window, "step_seconds": seconds},
    )
    record = Record(collection=described(face, window_of(empty))).validated()

    def write(repository: icechunk.Repository) -> Record:
        session = repository.writable_session(BRANCH)
        fill(session, empty, encoding_of(empty, steps=True))
        return commit(session, record, f"create {name}")

    path = lake.root / face.location
    with locked(path):
        existing = open_repository(path)
        if existing is not None:
            raise Conflict(
                f"There is a pool {name!r} already; use open_pool({name!r}).", field="name"
            )
        establish(lake, face, write)
    return Pool(name, lake)


def open_pool(name: str, lake: LakeLike = None) -> Pool:
    """Get a pool that exists.

    Raises
    ------
    NotFound
        When there is none of that name for you.
    """
    pool = Pool(name, open_lake(lake))
    kind = pool.info().kind
    if kind != "pool":
        raise NotFound(f"{name!r} is a {kind}, not a pool.", field="name")
    return pool


def _empty(steps: xr.Dataset) -> xr.Dataset:
    """The template as the pool stores it before the first step."""
    for name, array in steps.variables.items():
        if "time" in array.dims and array.dtype.kind not in "fiubM":
            raise BadRequest(
                f"{name!r} is {array.dtype}; a pool holds numbers and dates.", field=str(name)
            )
    if not steps.data_vars:
        raise BadRequest("The template has no variable.", field="template")
    for name, array in steps.data_vars.items():
        if "time" not in array.dims:
            raise BadRequest(
                f"{name!r} does not depend on time; make it a coordinate: .set_coords({name!r}).",
                field=str(name),
            )
    empty = storable(steps.isel(time=slice(0, 0)).drop_vars(REVISION, errors="ignore").compute())
    empty = empty.assign_coords({REVISION: ("time", np.zeros(0, "int32"))})
    empty[REVISION].attrs["long_name"] = "how often the step was put"
    origin = int(steps["time"].values[0].astype("M8[s]").astype("i8"))
    return empty.assign_attrs({WINDOW_ATTRIBUTE: [0, 0], ORIGIN_ATTRIBUTE: origin})


def _sweep(repository: icechunk.Repository, keep: timedelta) -> None:
    before = datetime.now(UTC) - keep
    repository.expire_snapshots(older_than=before)
    repository.garbage_collect(before)


def _instant(time: str | datetime | np.datetime64) -> np.datetime64:
    try:
        moment = pd.Timestamp(time)
    except ValueError as error:
        raise BadRequest(
            f"{time!r} is not a time; write '2019-03-01T06:00Z'.", field="time"
        ) from error
    if moment.tzinfo is not None:
        moment = moment.tz_convert("UTC").tz_localize(None)
    return moment.to_datetime64()
