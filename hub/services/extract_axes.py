"""Finds the axes of a cube that a query speaks of, and what is wanted of them."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
import xarray as xr

from ...catalogs.errors import BadShape
from ...kernels.polytope.naming import resolve, role_of
from ...kernels.polytope.shapes import Product, Select, Shape, Span
from . import extract_parameters as parameters
from .extract_geometry import Vertices
from .extract_parameters import Wanted

PLACE = ("latitude", "longitude")


class Axes(msgspec.Struct, frozen=True, kw_only=True):
    """What the axes of a cube are called.

    Attributes
    ----------
    level, time : str or None
        The coordinates of the vertical and of time, where the cube has them.
    others : tuple of str
        Dimensions that are neither these nor places on the map, such as an ensemble's members.
    """

    level: str | None
    time: str | None
    others: tuple[str, ...]


def axes_of(dataset: xr.Dataset) -> Axes:
    """Find the vertical, the time and the further dimensions of a cube."""
    level, time = _found(dataset, "level"), _found(dataset, "time")
    taken = {str(dim) for name in (level, time) if name for dim in dataset[name].dims}
    on_the_map = {
        str(dim)
        for name, array in dataset.coords.items()
        if role_of(name, array) in PLACE
        or str(array.attrs.get("standard_name", "")).startswith(("grid_", "projection_"))
        for dim in array.dims
    }
    others = tuple(str(dim) for dim in dataset.dims if dim not in taken | on_the_map)
    named = tuple(dim for dim in others if dim in dataset.coords)
    return Axes(level=level, time=time, others=named)


def is_geographic(dataset: xr.Dataset) -> bool:
    """Whether the cube has places on the map, without which only ``retrieve`` is of use."""
    return all(_found(dataset, name) for name in PLACE)


def _found(dataset: xr.Dataset, name: str) -> str | None:
    try:
        return resolve(dataset, name)
    except BadShape:
        return None


class Asked(NamedTuple):
    """A query and what it is asked of."""

    kind: str
    given: Mapping[str, str]
    dataset: xr.Dataset
    axes: Axes


def and_the_rest(place: Shape, asked: Asked, *, covered: Collection[str] = ()) -> Shape:
    """A shape with the times, levels and dimensions that the query gives beside it."""
    factors = [place]
    for name, axis in (("datetime", asked.axes.time), ("z", asked.axes.level)):
        if name in asked.given:
            if name in covered:
                raise BadShape(f"{name}: coords say it already; give it once.", field=name)
            factors.append(along(asked.dataset, axis, _wanted(name, asked.given[name]), name))
    for dim in asked.axes.others:
        if dim.lower() in asked.given:
            wanted = parameters.parse_values(asked.given[dim.lower()], dim)
            factors.append(along(asked.dataset, dim, wanted, dim))
    return Product(*factors) if len(factors) > 1 else factors[0]


def _wanted(name: str, text: str) -> Wanted:
    if name == "datetime":
        return parameters.parse_datetime(text)
    return parameters.parse_values(text, name)


def along(dataset: xr.Dataset, axis: str | None, wanted: Wanted, field: str) -> Shape:
    """What is wanted of one axis as a shape; open ends are those of the cube.

    Raises
    ------
    BadShape
        Naming the field, when the cube has no such axis or an open range nothing.
    """
    if axis is None:
        what = "time" if field == "datetime" else "vertical axis"
        raise BadShape(f"{field}: the collection has no {what}; leave it out.", field=field)
    if wanted.values:
        return Select(axis, wanted.values)
    lower, upper = wanted.lower, wanted.upper
    if lower is None or upper is None:
        values = np.atleast_1d(dataset[axis].to_numpy())
        if not values.size:
            raise BadShape(f"{field}: the collection is empty so far.", field=field)
        ends: list[Any] = [values.min(), values.max()]
        try:
            return Span(
                axis, ends[0] if lower is None else lower, ends[1] if upper is None else upper
            )
        except BadShape as error:
            raise BadShape(
                f"{field}: this range holds nothing, the collection goes from {ends[0]} to "
                f"{ends[1]} ({error}).",
                field=field,
            ) from error
    return Span(axis, lower, upper)


def further_axes(line: Vertices, asked: Asked) -> list[str]:
    """The axes of Z and M, where vertices have them."""
    names: list[str] = []
    for has, name, what in (
        (line.levels, asked.axes.level, "Z, but the collection has no vertical axis"),
        (line.seconds, asked.axes.time, "M, but the collection has no time"),
    ):
        if has:
            if name is None:
                raise BadShape(f"coords: the geometry has {what}.", field="coords")
            names.append(name)
    return names


def rows_of(line: Vertices) -> list[tuple[Any, ...]]:
    """The vertices as latitude, longitude, and the level and the time where they have them."""
    columns: list[list[Any]] = [
        [latitude for _, latitude in line.places],
        [longitude for longitude, _ in line.places],
    ]
    if line.levels:
        columns.append(list(line.levels))
    if line.seconds:
        columns.append([_instant(seconds) for seconds in line.seconds])
    return list(zip(*columns, strict=True))


def _instant(seconds: float) -> np.datetime64:
    if abs(seconds) > 9e9:
        raise BadShape(
            f"coords: M {seconds} is no time; give seconds since 1970-01-01T00:00:00Z.",
            field="coords",
        )
    return np.datetime64(round(seconds * 1e9), "ns")


def covered_by(line: Vertices) -> list[str]:
    """The parameters that Z and M take the place of."""
    return ["z"] * bool(line.levels) + ["datetime"] * bool(line.seconds)
