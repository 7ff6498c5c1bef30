"""Publishing: a Dataset becomes a result in the catalog, visible at once or not at all."""

import warnings
from collections.abc import Iterable, Sequence

import msgspec
import pandas as pd
import xarray as xr

from .access import PRIVATE, is_access
from .cubes import write_cube
from .description import describe, is_time
from .encoding import COLLECTION_ATTRIBUTE, SNAPSHOT_ATTRIBUTE
from .errors import BadRequest, NotFound
from .events.event import ITEM_CREATED, ITEM_UPDATED, Event
from .lake import Lake, LakeLike, open_lake
from .records import Collection, Item, Link, Record, check_name, location_of
from .times import now_text

# What can be stored: numbers, truth values, dates, spans and text.
STORABLE = "fiubcMmUSTO"
Input = str | tuple[str, str]


class UnitsWarning(UserWarning):
    """A published variable says no units."""


def publish(
    data: xr.Dataset | xr.DataArray | pd.DataFrame,
    name: str,
    *,
    licence: str,
    title: str = "",
    description: str = "",
    keywords: Iterable[str] = (),
    access: str = PRIVATE,
    derived_from: Sequence[Input] = (),
    item: str = "",
    lake: LakeLike = None,
) -> Collection:
    """Write data into the lake and put it into the catalog, with where it came from.

    Parameters
    ----------
    data : Dataset, DataArray or DataFrame
        In memory or lazy.  Variables should say their ``units``.
    name : str
        Its name in the catalog: lower-case letters, digits and hyphens.  Publishing under
        your own name again makes a new version.
    licence : str
        An SPDX identifier, such as ``"CC-BY-4.0"``.
    title, description, keywords
        What the catalog says about it.
    access : str
        ``"private"`` (you), ``"public"`` (everybody who is logged in), ``"group:NAME"``.
    derived_from : sequence of str or (str, str)
        The collections it was made from, each with the snapshot when it is known.  By
        default the one that ``data`` was opened from, when its attributes still say so.
    item : str
        The item's name; by default that of the running job, or the moment.
    lake : Lake, path or None
        Where; None is the default lake.

    Returns
    -------
    Collection
        As it is in the catalog now.

    Raises
    ------
    BadRequest
        Naming the argument or variable that cannot be published, and the mend.
    Conflict
        When the name belongs to somebody else.
    StorageFull
        When the disk is full; then nothing of it is visible.

    Examples
    --------
    >>> publish(cut, "my-cut", licence="CC-BY-4.0")  # doctest: +SKIP
    """
    lake = open_lake(lake)
    dataset = _as_dataset(data)
    _check_words(name, licence, access)
    _check(dataset)
    links = (*_inputs(lake, dataset, derived_from), *_job(lake))
    face = Collection(
        id=name,
        title=title or name,
        kind="result",
        location=location_of("result", name, lake.user),
        owner=lake.user,
        access=access,
        description=description,
        licence=licence.strip(),
        keywords=tuple(keywords),
        links=links,
        **msgspec.structs.asdict(describe(dataset)),
    )
    version = _item(face, item or lake.job, links)
    event = Event(
        type=ITEM_UPDATED if _exists(lake, version) else ITEM_CREATED,
        source=f"/collections/{name}",
        subject=f"/collections/{name}/items/{version.id}",
        collection=name,
        datatime=version.datetime,
        owner=lake.user,
        access=access,
        # The job is named so that a rule can tell what it led to itself.
        data={"item": version.id, "collection": name, **({"job": lake.job} if lake.job else {})},
    )
    written = dataset.assign_attrs(title=face.title, licence=face.licence)
    write_cube(lake, written, Record(collection=face, items=(version,), events=(event,)))
    return lake.store.collection(name)


def _as_dataset(data: xr.Dataset | xr.DataArray | pd.DataFrame) -> xr.Dataset:
    if isinstance(data, xr.Dataset):
        return data
    if isinstance(data, xr.DataArray):
        return data.to_dataset(name=data.name or "value")
    if isinstance(data, pd.DataFrame):  # pyright: ignore[reportUnnecessaryIsInstance]
        frame = data.copy(deep=False)
        frame.columns = [str(column) for column in frame.columns]
        if frame.index.name is None and frame.index.nlevels == 1:
            frame.index.name = "row"
        return frame.to_xarray()
    raise BadRequest(
        f"A {type(data).__name__} cannot be published; give a Dataset, DataArray or DataFrame.",
        field="data",
    )


def _check_words(name: str, licence: str, access: str) -> None:
    check_name(name)
    if not licence.strip():
        raise BadRequest(
            "A publication needs a licence, such as 'CC-BY-4.0' or 'CC0-1.0'.", field="licence"
        )
    if not is_access(access):
        raise BadRequest(
            f"access {access!r} is not 'public', 'private' or 'group:NAME'.", field="access"
        )


def _check(dataset: xr.Dataset) -> None:
    if not dataset.data_vars:
        raise BadRequest("There is no data variable to publish.", field="data")
    for name, index in dataset.indexes.items():
        if isinstance(index, pd.MultiIndex):
            raise BadRequest(
                f"{name!r} is a MultiIndex, which cannot be stored; use .reset_index({name!r}) "
                "or .unstack().",
                field=str(name),
            )
    for name, array in dataset.variables.items():
        if not isinstance(name, str) or "/" in name:
            raise BadRequest(
                f"A variable named {name!r} cannot be stored; use .rename(...).", field="data"
            )
        if array.dtype.kind not in STORABLE or _is_mixed(dataset[name]):
            raise BadRequest(
                f"{name!r} holds {array.dtype} objects that cannot be stored; convert it to "
                "numbers, dates or text.",
                field=name,
            )
    silent = [
        str(name)
        for name, array in dataset.data_vars.items()
        if array.dtype.kind in "fiu" and not array.attrs.get("units") and not _is_flag(array)
    ]
    if silent:
        warnings.warn(
            f"No units: {', '.join(silent)}. Set .attrs['units'] ('1' for a plain number), so "
            "that others can use the result.",
            UnitsWarning,
            stacklevel=3,
        )


def _is_mixed(array: xr.DataArray) -> bool:
    """Whether an object array holds anything but text or dates."""
    if array.dtype != object or is_time(array) or array.chunks is not None:
        return False
    return not all(isinstance(value, str) for value in array.values.ravel())


def _is_flag(array: xr.DataArray) -> bool:
    return "flag_values" in array.attrs or "grid_mapping_name" in array.attrs


def _inputs(lake: Lake, dataset: xr.Dataset, derived_from: Sequence[Input]) -> tuple[Link, ...]:
    """Links to the inputs; one that is in the catalog is pinned to the version it has now."""
    if isinstance(derived_from, str):
        derived_from = [derived_from]
    source = dataset.attrs.get(COLLECTION_ATTRIBUTE)
    if not derived_from and source:
        derived_from = [(str(source), str(dataset.attrs.get(SNAPSHOT_ATTRIBUTE, "")))]
    links: list[Link] = []
    for given in derived_from:
        id, snapshot = (given, "") if isinstance(given, str) else given
        try:
            snapshot = snapshot or lake.store.collection(id).snapshot
        except NotFound as error:
            raise BadRequest(
                f"derived_from names {id!r}, which is not in the catalog.", field="derived_from"
            ) from error
        links.append(Link(rel="derived_from", href=f"/collections/{id}", snapshot=snapshot))
    return tuple(links)


def _job(lake: Lake) -> tuple[Link, ...]:
    return (Link(rel="via", href=f"/jobs/{lake.job}"),) if lake.job else ()


def _item(face: Collection, name: str, links: tuple[Link, ...]) -> Item:
    now = now_text()
    properties = {"start": face.interval[0], "end": face.interval[1]} if face.interval else {}
    return Item(
        id=name or now.replace("-", "").replace(":", "").replace(".", ""),
        collection=face.id,
        datetime=face.interval[1] if face.interval else "",
        properties=properties,
        links=links,
    )


def _exists(lake: Lake, item: Item) -> bool:
    try:
        lake.store.item(item.collection, item.id)
    except NotFound:
        return False
    return True
