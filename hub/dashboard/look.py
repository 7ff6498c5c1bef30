"""How a variable of a cube is looked at: its map, its time line and the choices that remain."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import xarray as xr

from ...catalogs.errors import NotFound
from ...kernels.selector.field import format_value, label_of
from .grid import Grid, grid_of

# Dimensions whose members are drawn side by side in a series.
_MEMBERS = frozenset({"member", "realization", "number", "ensemble", "ensemble_member"})
# Beyond this many, a list to choose from is of no use; every n-th is offered.
MOST_OPTIONS = 500


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """A dimension of a variable, with a text for each index."""

    name: str
    label: str
    units: str = ""
    texts: tuple[str, ...] = ()


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """The dimensions of a variable by the part that they play.

    Attributes
    ----------
    variable, label, units : str
        The variable, its name for people and its units.
    grid : Grid or None
        Where its cells lie on the globe; None when the variable has no map.
    time : Axis or None
        The dimension of the time slider.
    others : tuple of Axis
        All further dimensions; one index of each is chosen.
    members : str
        The name of the one among ``others`` that numbers ensemble members, or empty.
    """

    variable: str
    label: str
    units: str
    grid: Grid | None = None
    time: Axis | None = None
    others: tuple[Axis, ...] = ()
    members: str = ""

    @property
    def has_map(self) -> bool:
        """Whether there is a grid to draw over."""
        return self.grid is not None

    @property
    def is_empty(self) -> bool:
        """Whether there is no step, or nothing at all, along some dimension."""
        axes = (*self.others, *([self.time] if self.time else []))
        return any(not axis.texts for axis in axes)

    def indexers(self, choice: Mapping[str, int]) -> dict[str, int]:
        """``choice`` for every dimension that is not on the map, kept within its size."""
        axes = (*self.others, *([self.time] if self.time else []))
        return {
            axis.name: max(0, min(choice.get(axis.name, 0), len(axis.texts) - 1)) for axis in axes
        }


def look_at(dataset: xr.Dataset, variable: str) -> Look:
    """Find out how to look at a variable; reads coordinates only.

    Raises ``NotFound`` when the cube has no such variable.

    Examples
    --------
    >>> cube = xr.Dataset({"t": (("lat", "lon"), np.zeros((2, 2)))},
    ...                   {"lat": [0.0, 1.0], "lon": [0.0, 1.0]})
    >>> look_at(cube, "t").has_map
    True
    """
    if variable not in dataset.data_vars:
        raise NotFound(f"The cube has no variable {variable!r}.", field="variable")
    data = dataset[variable]
    grid = grid_of(data)
    on_map = grid.dims if grid else ()
    remaining = [str(name) for name in data.dims if str(name) not in on_map]
    time = _time_of(data, remaining)
    others = tuple(axis_of(data, name) for name in remaining if name != time)
    members = next((axis.name for axis in others if axis.name.lower() in _MEMBERS), "")
    return Look(
        variable=variable,
        label=label_of(data),
        units=str(data.attrs.get("units", "")),
        grid=grid,
        time=axis_of(data, time) if time else None,
        others=others,
        members=members,
    )


def looks_of(dataset: xr.Dataset, variables: Iterable[str]) -> dict[str, Look]:
    """How to look at those variables that hold numbers; with maps, if there are any, only those.

    Examples
    --------
    >>> cube = xr.Dataset({"t": ("x", [1.0, 2.0]), "crs": 0, "name": ("x", ["a", "b"])})
    >>> list(looks_of(cube, cube.data_vars))
    ['t']
    """
    looks = {
        name: look_at(dataset, name)
        for name in variables
        if name in dataset.data_vars and dataset[name].dtype.kind in "fiub" and dataset[name].ndim
    }
    return {name: look for name, look in looks.items() if look.has_map} or looks


def axis_of(data: xr.DataArray, name: str) -> Axis:
    """The dimension with a text for each of its values."""
    size = data.sizes[name]
    if name not in data.coords:
        texts = tuple(f"{index + 1} of {size}" for index in range(size))
        return Axis(name=name, label=name.replace("_", " "), texts=texts)
    coordinate = data.coords[name]
    units = "" if is_time(coordinate.values) else str(coordinate.attrs.get("units", ""))
    label = str(coordinate.attrs.get("long_name") or name).replace("_", " ")
    return Axis(name=name, label=label, units=units, texts=texts_of(coordinate.values))


def texts_of(values: npt.NDArray[Any]) -> tuple[str, ...]:
    """A text for each value; times without the clock when all are at midnight.

    Examples
    --------
    >>> texts_of(np.array(["2006-04-15", "2006-05-15"], "M8[ns]"))
    ('2006-04-15', '2006-05-15')
    """
    if is_time(values):
        texts = [time_text(value) for value in values]
        if all(text.endswith(" 00:00") for text in texts):
            texts = [text.removesuffix(" 00:00") for text in texts]
        return tuple(texts)
    return tuple(format_value(value) for value in values)


def time_text(value: Any) -> str:
    """A time to the minute; of cftime's calendars too."""
    if isinstance(value, np.datetime64):
        return format_value(value)
    return f"{value.year:04d}-{value.month:02d}-{value.day:02d} {value.hour:02d}:{value.minute:02d}"


def is_time(values: npt.NDArray[Any]) -> bool:
    """Whether these are dates of NumPy or of cftime."""
    if values.dtype.kind == "M":
        return True
    return values.dtype == object and values.size > 0 and hasattr(values.flat[0], "calendar")


def _time_of(data: xr.DataArray, names: list[str]) -> str:
    times = [name for name in names if name in data.coords and is_time(data.coords[name].values)]
    return next((name for name in times if name == "time"), times[0] if times else "")
