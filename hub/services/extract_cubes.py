"""The cubes that the service reads: opened for a request, chosen from, planned and cut."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import xarray as xr

from ...catalogs.cubes import open_face
from ...catalogs.errors import BadShape
from ...catalogs.records import Collection
from ...kernels.polytope.accessor import register
from ...kernels.polytope.extract import cut
from ...kernels.polytope.plan import Plan, make_plan
from ...kernels.polytope.select import Selection, select
from ...kernels.polytope.shapes import Shape
from .extract_axes import Axes, axes_of

T = TypeVar("T")


def open_cube(root: Path, face: Collection) -> xr.Dataset:
    """A collection as it was announced, lazy and without Dask; no other request shares it.

    Raises
    ------
    NotFound
        When its data is gone.
    """
    register()
    return open_face(root, face, chunks=None)


class Choice:
    """A shape in a cube: selected, planned, and not read yet.

    Parameters
    ----------
    dataset : xr.Dataset
        The cube.
    shape : Shape
        What is wanted.
    variables : sequence of str
        Which variables; all when empty.
    fields : mapping of str to str
        What the request calls the axes, for errors.
    each : bool
        Whether every place of the request gives its grid point, also where another one has it.
    line : bool
        Whether the places follow each other along one line.

    Raises
    ------
    BadShape
        Naming the request's parameter, when the shape does not fit the cube.
    """

    def __init__(
        self,
        dataset: xr.Dataset,
        shape: Shape,
        variables: tuple[str, ...] = (),
        fields: Mapping[str, str] | None = None,
        *,
        each: bool = False,
        line: bool = False,
    ) -> None:
        self._dataset = dataset[list(variables)] if variables else dataset
        self._fields = fields or {}
        self.shape = shape
        self.variables = variables
        self.each = each
        self._line = line
        self._selection: Selection = self._renamed(
            lambda: select(self._dataset, shape, overlap="each" if each else None)
        )
        self.plan: Plan = make_plan(self._dataset, self._selection)

    def cut(self) -> xr.Dataset:
        """The values in the shape, lazy."""
        return cut(self._dataset, self._selection)

    def covered(self) -> xr.Dataset:
        """The cut as a coverage has it: the places of one line are one trajectory."""
        found = self.cut()
        return found.drop_vars(["part", "row_size"], errors="ignore") if self._line else found

    def _renamed(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except BadShape as error:
            raise renamed(error, self._fields) from error


def renamed(error: BadShape, fields: Mapping[str, str]) -> BadShape:
    """The error with the field named as the request has it."""
    field = fields.get(error.field or "", error.field)
    if field == error.field:
        return error
    return BadShape(f"{field}: {error.detail}", field=field)


def fields_of(kind: str, dataset: xr.Dataset) -> dict[str, str]:
    """What an EDR query calls the axes of a cube."""
    axes: Axes = axes_of(dataset)
    place = "bbox" if kind == "cube" else "coords"
    names: dict[Any, str] = dict.fromkeys(("latitude", "longitude", "points", "holes"), place)
    for name, array in dataset.coords.items():
        if array.attrs.get("standard_name") in ("latitude", "longitude") or name in ("lat", "lon"):
            names[name] = place
    if axes.time:
        names[axes.time] = "datetime"
    if axes.level:
        names[axes.level] = "z"
    return names
