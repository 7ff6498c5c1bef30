"""Registers ``.polytope`` on Dataset and DataArray: plan before reading, extract lazily."""

import warnings
from collections.abc import Mapping
from typing import Any, Generic, Literal, TypeVar, cast, overload

import xarray as xr

from ...catalogs.errors import BadShape, ShapeWarning
from .assemble import array_of, assemble
from .axes import Axis
from .exports.accessor import Exports
from .extract import Frame, as_tree, cut
from .finding import find_axis
from .lone import at_one_point
from .plan import Plan, make_plan
from .select import TOLERANCE, Overlap, Selection, select
from .shape import Shape
from .shapes import Point

Cube = TypeVar("Cube", xr.Dataset, xr.DataArray)
_ACCESSOR = "polytope"


class PolytopeAccessor(Exports, Generic[Cube]):
    """Cuts shapes out of a cube.

    Anything that :meth:`Shape.of` takes is a shape: a Shape, its dict, GeoJSON, a shapely
    polygon. Axes that it does not mention stay whole.

    Examples
    --------
    >>> from boathouse.kernels.polytope.shapes import Box
    >>> cube = xr.Dataset({"t": ("lat", [1.0, 2.0, 3.0])}, {"lat": [60.0, 55.0, 50.0]})
    >>> cube.polytope.extract(Box(latitude=(50, 56))).t.values
    array([2., 3.])
    """

    def __init__(self, cube: Cube) -> None:
        self._cube: Cube = cube

    def plan(
        self,
        shape: Any,
        *,
        cyclic: Mapping[str, float | None] | None = None,
        tolerance: float = TOLERANCE,
        overlap: Overlap | None = None,
    ) -> Plan:
        """Count points, chunks and bytes of an extraction, reading nothing but coordinates.

        Parameters
        ----------
        shape : Shape, dict, GeoJSON or geometry
            What is wanted.
        cyclic : mapping of str to float or None, optional
            The period of axes, where CF attributes do not say it or are wrong: ``{"x": 360}``;
            None for an axis that does not come round.
        tolerance : float
            A bound nearer to a grid coordinate than this part of a grid step lies on it.
        overlap : "first" or "each", optional
            Whether points in several parts of a Union count once or for each.

        Returns
        -------
        Plan
            Prints itself; the figures are attributes.

        Raises
        ------
        BadShape
            If an axis is unknown or covered twice, or the shape lies outside the cube.
        """
        dataset = self._dataset()
        return make_plan(dataset, self._select(dataset, shape, cyclic, tolerance, overlap))

    @overload
    def extract(
        self,
        shape: Any,
        *,
        cyclic: Mapping[str, float | None] | None = None,
        tolerance: float = TOLERANCE,
        frame: Frame = "cube",
        strict: bool = False,
        overlap: Overlap | None = None,
        tree: Literal[True],
    ) -> xr.DataTree: ...

    @overload
    def extract(
        self,
        shape: Any,
        *,
        cyclic: Mapping[str, float | None] | None = None,
        tolerance: float = TOLERANCE,
        frame: Frame = "cube",
        strict: bool = False,
        overlap: Overlap | None = None,
        tree: Literal[False] = False,
    ) -> Cube: ...

    def extract(
        self,
        shape: Any,
        *,
        cyclic: Mapping[str, float | None] | None = None,
        tolerance: float = TOLERANCE,
        frame: Frame = "cube",
        strict: bool = False,
        overlap: Overlap | None = None,
        tree: bool = False,
    ) -> Cube | xr.DataTree:
        """Cut exactly the grid points in a shape, its edge included.

        Parameters
        ----------
        shape, cyclic, tolerance
            As :meth:`plan` takes them.
        frame : "cube" or "shape"
            Whether longitudes are given as the cube has them, or count on from where the shape
            starts (-10 to 10 across the seam, ascending), which maps want.
        strict : bool
            Whether a shape that holds no grid point, or reaches beyond the cube, is an error
            rather than a warning.
        overlap : "first" or "each", optional
            Whether a point that lies in several parts of a Union is given in the first of them
            only, or in each.
        tree : bool
            Whether to return a DataTree with a node for each part (and ``overlap="each"``).

        Returns
        -------
        Dataset, DataArray or DataTree
            As lazy as the cube. Ranges leave their axes as dimensions. Coupled axes become the
            dimension ``points``, in the order of the cube, with their coordinates on it; one
            point leaves none. The points of several parts follow each other part by part, with
            ``part`` on the points, and ``row_size`` (and ``tag``) for each part. Attributes stay.

        Warns
        -----
        ShapeWarning
            If the shape holds no grid point, or reaches beyond the cube.

        Raises
        ------
        BadShape
            If an axis is unknown or covered twice, or the shape lies outside the cube.
        """
        if frame not in ("cube", "shape"):
            raise BadShape(f"frame: 'cube' or 'shape' is needed, not {frame!r}", field="frame")
        if isinstance(shape, Point) and not (tree or cyclic) and frame == "cube":
            quick = at_one_point(self._cube, shape, tolerance)
            if quick is not None:
                return quick
        dataset = self._dataset()
        overlap = "each" if tree and overlap is None else overlap
        selection = self._select(dataset, shape, cyclic, tolerance, overlap)
        _tell(selection, strict)
        result = cut(dataset, selection, frame)
        if tree:
            return as_tree(dataset, selection, result)
        if isinstance(self._cube, xr.Dataset):
            return cast(Any, result)
        return cast(Any, self._as_array(result))

    def axis(self, name: str, *, cyclic: Mapping[str, float | None] | None = None) -> Axis:
        """The facts of an axis: its places, direction, kind and period.

        Raises
        ------
        BadShape
            If the cube has no such axis.
        """
        return find_axis(self._dataset(), name, dict(cyclic or {}))

    def _dataset(self) -> xr.Dataset:
        if isinstance(self._cube, xr.Dataset):
            return self._cube
        array = cast(xr.DataArray, self._cube)
        variables: dict[Any, xr.Variable] = dict(array.coords.variables)
        coordinates = set(variables)
        variables[self._key(array)] = array.variable
        return assemble(variables, coordinates, {}, array.xindexes)

    def _as_array(self, result: xr.Dataset) -> xr.DataArray:
        array = cast(xr.DataArray, self._cube)
        name = self._key(array)
        variables = dict(result.variables)
        return array_of(variables.pop(name), variables, array.name, result.xindexes)

    @staticmethod
    def _key(array: xr.DataArray) -> str:
        name = "data" if array.name is None else str(array.name)
        while name in array.coords:  # xarray lets an array be called like its coordinate
            name += "_"
        return name

    def _select(
        self,
        dataset: xr.Dataset,
        shape: Any,
        cyclic: Mapping[str, float | None] | None,
        tolerance: float,
        overlap: Overlap | None,
    ) -> Selection:
        wanted = Shape.of(shape)
        return select(dataset, wanted, cyclic=cyclic, tolerance=tolerance, overlap=overlap)


def _tell(selection: Selection, strict: bool) -> None:
    """Say what the shape asks for and the cube has not."""
    text = selection.empty
    if not text and selection.beyond:
        names = ", ".join(selection.beyond)
        text = f"{names}: the shape reaches beyond the cube; what is there is returned"
    if not text:
        return
    if strict:
        raise BadShape(text, field=text.partition(":")[0].split(" and ")[0].split(", ")[0])
    warnings.warn(text, ShapeWarning, stacklevel=3)


def register() -> None:
    """Add ``.polytope`` to Dataset and DataArray; again is the same as once."""
    for cls, add in (
        (xr.Dataset, xr.register_dataset_accessor),
        (xr.DataArray, xr.register_dataarray_accessor),
    ):
        older = getattr(vars(cls).get(_ACCESSOR), "_accessor", None)
        if getattr(older, "__qualname__", "") == PolytopeAccessor.__qualname__:
            delattr(cls, _ACCESSOR)  # else xarray warns of replacing our own, after a reload
        add(_ACCESSOR)(PolytopeAccessor)


register()
