"""The lake as an intake catalog: always as the store is now, opened lazily as xarray."""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import msgspec
import xarray as xr
from intake.readers.datatypes import BaseData
from intake.readers.entry import Catalog
from intake.readers.readers import BaseReader

from .catalog_table import html_table, text_table
from .cubes import open_face
from .errors import BadRequest, NotFound
from .lake import Connection, Lake, LakeLike, connect_lake, open_lake
from .records import Collection, Kind

Where = Callable[[Collection], bool]


class BoathouseCube(BaseData):
    """Where a collection's bytes are: intake's data description of a cube, pool or result.

    Parameters
    ----------
    root : str
        The lake's folder.
    face : dict
        The collection's record, as JSON values; its snapshot is the version that is opened.
    """

    structure = {"array"}

    def __init__(
        self, root: str, face: dict[str, Any], metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(metadata)
        self.root = root
        self.face = face


class BoathouseReader(BaseReader):
    """Opens a collection of a lake as a lazy Dataset; an intake reader that can be pickled.

    Examples
    --------
    >>> catalog["ostia-sst"].to_dask()  # doctest: +SKIP
    >>> catalog["ostia-sst"].read(chunks={"time": 12})  # doctest: +SKIP
    """

    implements: set[Any] = {BoathouseCube}
    imports = {"icechunk", "xarray"}
    output_instance = "xarray:Dataset"

    def __repr__(self) -> str:
        face = self.collection
        return f"<{face.kind} {face.id!r}: {face.title}; .to_dask() opens it>"

    @property
    def collection(self) -> Collection:
        """What the catalog says about it."""
        data: Any = self.data
        return msgspec.convert(data.face, Collection)

    def to_dask(self) -> xr.Dataset:
        """The Dataset, with Dask arrays in the chunks on disk."""
        return self.read()

    def _read(
        self,
        data: BoathouseCube,
        *,
        snapshot: str = "",
        chunks: dict[str, int] | None = {},  # noqa: B006 - never changed
        **_: Any,
    ) -> xr.Dataset:
        face = msgspec.convert(data.face, Collection)
        return open_face(Path(data.root), face, snapshot=snapshot, chunks=chunks)


class LakeCatalog(Catalog):
    """A lake's collections as an intake catalog; each access asks the store anew.

    Parameters
    ----------
    lake : Lake
        What it shows.
    where : callable, optional
        Which collections to show; :meth:`search` sets it.
    """

    def __init__(self, lake: Lake, where: Where | None = None) -> None:
        # Not the base class's __init__: it keeps entries, and ours are in the store.
        self.version = 2
        self.metadata: dict[str, Any] = {"name": "boathouse"}
        self.user_parameters: dict[str, Any] = {}
        self._up_overrides: dict[str, Any] = {}
        self._lake = lake
        self._where = where

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self._lake.root, self._lake.connection, self._lake.user, self._where)

    def collections(self) -> list[Collection]:
        """What the catalog holds now."""
        found = self._lake.store.collections()
        return [face for face in found if self._where is None or self._where(face)]

    @property
    def entries(self) -> Any:
        """Intake's descriptions of the readers, by name."""
        return {face.id: self._reader(face).to_entry() for face in self.collections()}

    @property
    def aliases(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The names."""
        return {face.id: face.id for face in self.collections()}

    @property
    def data(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Empty: an entry carries its own data description."""
        return {}

    def __getitem__(self, item: str) -> BoathouseReader:
        try:
            face = self._lake.store.collection(item)
        except NotFound:
            face = None
        if face is None or (self._where is not None and not self._where(face)):
            raise self._unknown(item)
        return self._reader(face)

    def __getattr__(self, item: str) -> Any:
        # Notebooks probe objects for many names that begin so; the store is not asked.
        if item.startswith("_"):
            raise AttributeError(item)
        for name in (item, item.replace("_", "-")):
            if name in self:
                return self[name]
        raise AttributeError(str(self._unknown(item)))

    def __contains__(self, thing: object) -> bool:
        return any(face.id == thing for face in self.collections())

    def __iter__(self) -> Iterator[str]:
        return iter([face.id for face in self.collections()])

    def __len__(self) -> int:
        return len(self.collections())

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *(name.replace("-", "_") for name in self)})

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        return text_table(self.collections())

    def _repr_html_(self) -> str:
        return html_table(self.collections())

    def search(  # pyright: ignore[reportIncompatibleMethodOverride] - more than intake's
        self,
        text: str = "",
        *,
        kind: Kind | None = None,
        variable: str = "",
        bbox: tuple[float, float, float, float] | None = None,
        time: tuple[str, str] | None = None,
    ) -> "LakeCatalog":
        """The part of the catalog that fulfils every given condition.

        Parameters
        ----------
        text : str
            Words; each occurs in the name, title, description, keywords or variables.
        kind : {"cube", "pool", "result"}, optional
            How it is filled.
        variable : str
            The name of a variable.
        bbox : tuple of float, optional
            West, south, east, north in degrees; the collection's area meets it.
        time : tuple of str, optional
            From and to, RFC 3339; the collection's interval meets it.

        Examples
        --------
        >>> list(open_catalog().search("temperature", kind="pool"))  # doctest: +SKIP
        ['sst-fresh']
        """
        if bbox is not None and len(bbox) != 4:
            raise BadRequest("bbox is (west, south, east, north) in degrees.", field="bbox")
        earlier = self._where
        words = text.lower().split()
        where = _Conditions(
            words=tuple(words), kind=kind, variable=variable, bbox=bbox, time=time, also=earlier
        )
        return LakeCatalog(self._lake, where)

    def add_entry(self, *_: Any, **__: Any) -> Any:
        """Refuse: what is in the catalog was published."""
        raise BadRequest("This catalog shows the lake; add to it by bh.publish(...).")

    def delete(self, *_: Any, **__: Any) -> None:
        """Refuse: what is in the catalog was published."""
        raise BadRequest("This catalog shows the lake; nothing can be deleted through it.")

    def to_dict(self) -> dict[str, Any]:
        """The catalog as intake's YAML files have it, as it is now."""
        plain = Catalog(metadata=self.metadata)
        for name, entry in self.entries.items():
            plain.add_entry(entry, name=name)
            plain.aliases[name] = name
        return cast("dict[str, Any]", plain.to_dict())

    def _reader(self, face: Collection) -> BoathouseReader:
        told = _without_templates(msgspec.to_builtins(face))
        about = ("title", "description", "licence", "keywords", "kind")
        metadata = {key: told[key] for key in about}
        data = BoathouseCube(str(self._lake.root), told, metadata)
        return BoathouseReader(data=data, metadata=metadata)

    def _unknown(self, name: object) -> NotFound:
        names = list(self)
        near = get_close_matches(str(name), names, n=3, cutoff=0.4) or names[:10]
        hint = f" Near it: {', '.join(map(repr, near))}." if near else " The catalog is empty."
        return NotFound(f"There is no {name!r} in the catalog.{hint}", field="name")


class _Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """The conditions of a search; unlike a function it can be pickled."""

    words: tuple[str, ...]
    kind: Kind | None
    variable: str
    bbox: tuple[float, float, float, float] | None
    time: tuple[str, str] | None
    also: Any

    def __call__(self, face: Collection) -> bool:
        text = _text(face)
        return (
            all(word in text for word in self.words)
            and (self.kind is None or face.kind == self.kind)
            and (not self.variable or self.variable in face.variables)
            and (self.bbox is None or _areas_meet(face.bbox, self.bbox))
            and (self.time is None or _times_meet(face.interval, self.time))
            and (self.also is None or self.also(face))
        )


def open_catalog(lake: LakeLike = None) -> LakeCatalog:
    """The lake's catalog.

    Parameters
    ----------
    lake : Lake, path or None
        Where; None is the default lake.

    Examples
    --------
    >>> catalog = open_catalog()  # doctest: +SKIP
    >>> catalog["ostia-sst"].to_dask()  # doctest: +SKIP
    """
    return LakeCatalog(open_lake(lake))


def _reopened(
    root: Path, connection: Connection | None, user: str, where: Where | None
) -> LakeCatalog:
    lake = connect_lake(root, connection) if connection else open_lake(root, user=user)
    return LakeCatalog(lake, where)


def _without_templates(value: Any) -> Any:
    """Texts without braces: to intake ``{func(module:name)}`` in an entry is code to run."""
    if isinstance(value, str):
        return value.replace("{", "(").replace("}", ")")
    if isinstance(value, dict):
        return {_without_templates(key): _without_templates(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_templates(each) for each in value]
    return value


def _text(face: Collection) -> str:
    variables = [f"{name} {about.get('long_name', '')}" for name, about in face.variables.items()]
    parts = [face.id, face.title, face.description, face.kind, *face.keywords, *variables]
    return " ".join(parts).lower()


def _areas_meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    if len(one) != 4:
        return False
    (west, south, east, north), (west2, south2, east2, north2) = one, other
    # Across the date line west is greater than east; then the area is two.
    return (
        south <= north2
        and south2 <= north
        and any(a <= d and c <= b for a, b in _spans(west, east) for c, d in _spans(west2, east2))
    )


def _spans(west: float, east: float) -> list[tuple[float, float]]:
    return [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]


def _times_meet(one: tuple[str, ...], other: tuple[str, str]) -> bool:
    # RFC 3339 in UTC sorts as text, and a date sorts before the times of its day.
    return len(one) == 2 and one[0] <= f"{other[1]}~" and other[0] <= one[1]
