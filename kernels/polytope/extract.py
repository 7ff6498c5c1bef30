"""Builds the lazy Dataset of the points in a shape."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from ...catalogs.errors import BadShape
from .assemble import assemble
from .axes import Axis
from .gather import gather, straight
from .layouts import without_layout
from .plan import names_of
from .rows import Rows
from .selection import Group, Linear, Selection, flat_points

Frame = Literal["cube", "shape"]


def cut(dataset: xr.Dataset, selection: Selection, frame: Frame = "cube") -> xr.Dataset:
    """The points of a selection, as lazy as the Dataset.

    Parameters
    ----------
    dataset : xr.Dataset
        The cube.
    selection : Selection
        Of this cube.
    frame : "cube" or "shape"
        Whether coordinates of cyclic axes are the cube's, or counted on from where the shape
        starts (longitudes -10 to 10 rather than 350 to 360 and 0 to 10; ascending).

    Returns
    -------
    xr.Dataset
        Ranges of single axes leave these as dimensions; coupled axes become ``points``.
    """
    names = names_of(dataset, selection.groups)
    changed = {
        name
        for name, variable in dataset.variables.items()
        for group in selection.groups
        if any(dim in variable.dims for dim in group.rows.dims)
    }
    ranges = _ranges(selection.groups)
    result = _taken(_read_directly(dataset, selection.groups), ranges) if ranges else dataset
    for group, name in zip(selection.groups, names, strict=True):
        if group.linear is not None:
            result = _with_places_between(result, group, group.linear, name)
        elif len(group.rows.dims) > 1 and not group.lone:
            result = _with_points(result, group, name)
        elif group.scattered and not group.lone:
            result = result.rename_dims({group.rows.last: name})
        if group.parts is not None:
            result = _with_parts(result, group, name)
    for key in changed & set(result.variables):
        variable = result.variables[key]
        variable.encoding = without_layout(variable)
    if frame == "shape":
        for group in selection.groups:
            result = _from_the_start(result, group)
    return result


def as_tree(dataset: xr.Dataset, selection: Selection, result: xr.Dataset) -> xr.DataTree:
    """One node for each part of a shape, with the points of the result that the part holds."""
    names = names_of(dataset, selection.groups)
    found = [(g, n) for g, n in zip(selection.groups, names, strict=True) if g.parts is not None]
    if not found:
        return xr.DataTree(result)
    group, name = found[0]
    assert group.parts is not None
    suffix = _suffix(name)
    titles = group.parts.tags or tuple(f"part {n}" for n in range(group.parts.count))
    ends = np.cumsum(result[f"row_size{suffix}"].values)
    plain = result.drop_vars(
        [f"part{suffix}", f"row_size{suffix}", f"tag{suffix}"], errors="ignore"
    )
    nodes: dict[str, xr.Dataset] = {}
    for title, start, end in zip(titles, [0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        key = str(title).replace("/", "_") or "part"
        while key in nodes:
            key += "_"
        nodes[key] = plain.isel({name: slice(start, end)})
    return xr.DataTree.from_dict(nodes)


def _ranges(groups: Sequence[Group]) -> dict[str, Any]:
    """How to index the dimensions that need no points."""
    ranges: dict[str, Any] = {}
    for group in groups:
        rows = group.rows
        if group.linear is not None:
            continue
        if group.lone:
            index = [*rows.prefix[0].tolist(), int(rows.start[0])]
            ranges.update(zip(rows.dims, index, strict=True))
        elif len(rows.dims) == 1:
            ranges[rows.dims[0]] = rows.indexer()
    return ranges


def _taken(dataset: xr.Dataset, ranges: dict[Any, Any]) -> xr.Dataset:
    """Index some dimensions; the usual lone point without what xarray does for all others."""
    if any(not isinstance(taken, int) for taken in ranges.values()):
        return dataset.isel(ranges)
    variables: dict[Any, xr.Variable] = {}
    indexes = dict(dataset.xindexes)
    for key, variable in dataset.variables.items():
        variables[key] = variable
        if not ranges.keys().isdisjoint(variable.dims):
            variables[key] = variable[tuple([ranges.get(d, slice(None)) for d in variable.dims])]
            indexes.pop(key, None)
    return assemble(variables, set(dataset.coords), dataset.attrs, indexes)


def _read_directly(dataset: xr.Dataset, groups: Sequence[Group]) -> xr.Dataset:
    """Let what lies in zarr and is taken by ranges only be read by our own reader too."""
    taken = {dim for group in groups for dim in group.rows.dims}
    at_points = {
        dim
        for group in groups
        if (group.coupled and not group.lone) or group.linear
        for dim in group.rows.dims
    }
    direct = {
        key: straight(variable)
        for key, variable in dataset.variables.items()
        if not variable._in_memory
        and not taken.isdisjoint(variable.dims)
        and at_points.isdisjoint(variable.dims)
    }
    if not direct:
        return dataset
    variables = {**dataset.variables, **direct}
    indexes = dict(dataset.xindexes)
    return assemble(variables, set(dataset.coords), dataset.attrs, indexes)


def _with_points(dataset: xr.Dataset, group: Group, name: str) -> xr.Dataset:
    """Replace the dimensions of coupled axes by one of points."""
    rows = group.rows
    if rows.count == 0:
        none = xr.Variable(name, np.zeros(0, dtype=np.int64))
        return dataset.isel(dict.fromkeys(rows.dims, none))
    taken = {
        key: _at_points(variable, rows, name)
        for key, variable in dataset.variables.items()
        if any(dim in variable.dims for dim in rows.dims)
    }
    variables = {key: taken.get(key, variable) for key, variable in dataset.variables.items()}
    indexes = {key: index for key, index in dataset.xindexes.items() if key not in taken}
    return assemble(variables, set(dataset.coords), dataset.attrs, indexes)


def _at_points(variable: xr.Variable, rows: Rows, name: str) -> xr.Variable:
    if variable.ndim == 1 and variable._in_memory:  # a coordinate, mostly: the quick way
        number = rows.dims.index(str(variable.dims[0]))
        values = variable.values.take(rows.points()[number])
        encoding = without_layout(variable)
        return xr.Variable((name,), values, variable.attrs, encoding, fastpath=True)
    return gather(variable, rows, name)


def _with_parts(dataset: xr.Dataset, group: Group, name: str) -> xr.Dataset:
    """Put points in the order of the parts they belong to, as CF's contiguous ragged arrays."""
    assert group.parts is not None
    order, number = group.arrangement()
    suffix = _suffix(name)
    part = xr.Variable(name, number, {"long_name": "part of the shape, from 0"})
    if not group.coupled and not group.parts.repeats:
        # An axis stays in its own order; it only tells which part its places came from.
        by_place = np.empty(len(order), dtype=np.int64)
        by_place[order] = number
        return dataset.assign_coords({f"part{suffix}": part.copy(data=by_place)})
    if not group.coupled:  # an axis keeps its index
        dataset, order = dataset.isel({name: order}), np.arange(len(order))
    variables = dict(dataset.variables)
    if len(order) != dataset.sizes[name] or (np.diff(order) != 1).any():
        for key, variable in dataset.variables.items():
            if name in variable.dims:
                variables[key] = variable.isel({name: order})
    sizes = np.bincount(number, minlength=group.parts.count)
    about = {"long_name": "points of each part", "sample_dimension": name}
    parts = f"parts{suffix}"
    added = {f"part{suffix}": part, f"row_size{suffix}": xr.Variable(parts, sizes, about)}
    if group.parts.tags:
        tags = np.array(group.parts.tags, dtype=object)
        added[f"tag{suffix}"] = xr.Variable(parts, tags, {"long_name": "name of each part"})
    coordinates = {*dataset.coords, *added}
    indexes = dict(dataset.xindexes)
    return assemble({**variables, **added}, coordinates, dataset.attrs, indexes)


def _suffix(name: str) -> str:
    return name[len("points") :] if name.startswith("points_") else ""


def _with_places_between(
    dataset: xr.Dataset, group: Group, linear: Linear, name: str
) -> xr.Dataset:
    """Replace the dimensions of coupled axes by places between grid points."""
    dims = group.rows.dims
    corner = np.searchsorted(flat_points(group.rows), linear.corner)
    held = [
        key
        for key, variable in dataset.variables.items()
        if any(dim in variable.dims for dim in dims)
    ]
    frame = dataset.drop_vars(held)
    between: dict[Any, xr.Variable] = {}
    for key in held:
        variable = dataset.variables[key]
        numeric = variable.dtype.kind in "fiu"
        if str(key) in linear.numbers:
            values = linear.numbers[str(key)]
            between[key] = xr.Variable(name, values, variable.attrs, variable.encoding)
        elif numeric and set(dims) <= set(map(str, variable.dims)):
            between[key] = _interpolated(variable, group, corner, linear.weight, name)
    data = {key: between[key] for key in between if key in dataset.data_vars}
    result = frame.assign(data).assign_coords(
        {key: between[key] for key in between if key not in dataset.data_vars}
    )
    lost = [str(key) for key in dataset.data_vars if key in held and key not in between]
    if lost:
        raise BadShape(
            f"{lost[0]}: cannot be interpolated, it holds no numbers on these axes; choose "
            "variables first, or ask for method='nearest'",
            field="method",
        )
    return result.isel({name: 0}) if group.lone else result


def _interpolated(
    variable: xr.Variable, group: Group, corner: Any, weight: Any, name: str
) -> xr.Variable:
    kind = variable.dtype if variable.dtype.kind == "f" else np.dtype(np.float64)
    rows = group.rows
    if len(rows.dims) > 1:
        values = gather(variable, rows, name)
    else:
        values = variable.isel({rows.last: rows.indexer()})
        values.dims = tuple(name if dim == rows.last else dim for dim in values.dims)
    if not values._in_memory and values.chunks is None:
        values = values.chunk()  # so that nothing is read before it is asked for
    about = values.isel({name: xr.Variable((name, "corner"), corner)})
    share = xr.Variable((name, "corner"), weight.astype(kind))
    # A corner that weighs nothing must not bring its NaN.
    weighed = xr.where(share > 0, about.astype(kind) * share, kind.type(0))
    order = [name if dim in group.rows.dims else str(dim) for dim in variable.dims]
    result = weighed.sum("corner", skipna=False).transpose(*dict.fromkeys(order))
    result.attrs = dict(variable.attrs)
    return result


def _from_the_start(dataset: xr.Dataset, group: Group) -> xr.Dataset:
    """Count the coordinates of cyclic axes on from the shape's lower bound."""
    for axis, lower in zip(group.axes, group.lower, strict=True):
        if axis.period is None or axis.name not in dataset.coords:
            continue
        coordinate = dataset.coords[axis.name]
        values = _unrolled(coordinate.to_numpy().astype(np.float64), axis, lower)
        counted = coordinate.copy(data=values.astype(coordinate.dtype))
        dataset = dataset.assign_coords({axis.name: counted.variable})
        if axis.dim in dataset.dims:
            dataset = dataset.isel({axis.dim: np.argsort(values, kind="stable")})
    return dataset


def _unrolled(values: Any, axis: Axis, lower: float) -> Any:
    """Values in the period that begins at lower, where rounding may have left one just below."""
    assert axis.period is not None
    slack = axis.period * 1e-6
    turns = np.ceil((lower - slack - values) / axis.period)
    return values + turns * axis.period
