"""A cut as CoverageJSON: which coverages it is, and the domain and ranges of each."""

from collections.abc import Hashable, Iterator
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from ....catalogs.errors import BadShape
from .layout import PARTS, Layout, gridded, layout_of, part_rows, tags_of
from .numbers import kind_of, label, plain, times
from .referencing import json_value, parameter_of, referencing_of

# Beyond this many, a dimension was surely not meant to become a coverage each.
_MOST = 10_000


def coverage_of(dataset: xr.Dataset) -> dict[str, Any]:
    """The Coverage, or the CoverageCollection, that a cut is.

    Raises
    ------
    BadShape
        If a dimension has no place in CoverageJSON and is too long for a coverage each.
    """
    names = gridded(dataset)
    dataset = dataset.compute()
    parameters = {str(name): parameter_of(name, dataset[name]) for name in names}
    groups: dict[frozenset[Hashable], list[Hashable]] = {}
    for name in names:
        groups.setdefault(frozenset(dataset[name].dims), []).append(name)
    coverages: list[dict[str, Any]] = []
    beside: dict[str, dict[str, Any]] = {}
    for members in groups.values():
        group = _only(dataset, members)
        for key, array in _beside(group).items():
            beside[str(key)] = parameter_of(key, array)
        for part, where in _parts(group):
            for one, labels in _split(part):
                coverages += _coverage(one, {**where, **labels})
    used = {key for coverage in coverages for key in coverage["ranges"]}
    parameters |= {key: one for key, one in beside.items() if key in used}
    said = {"cf:attributes": json_value(dataset.attrs)} if dataset.attrs else {}
    if len(coverages) == 1 and not ({"id"} & set(coverages[0])):
        return {**coverages[0], **said, "parameters": parameters}
    return {**_collection(dataset, coverages, parameters), **said}


def _collection(
    dataset: xr.Dataset, coverages: list[dict[str, Any]], parameters: dict[str, Any]
) -> dict[str, Any]:
    document: dict[str, Any] = {"type": "CoverageCollection"}
    types = {coverage["domain"].get("domainType") for coverage in coverages}
    if len(types) == 1 and None not in types:
        document["domainType"] = types.pop()
    document["parameters"] = parameters
    references = [coverage["domain"]["referencing"] for coverage in coverages]
    if not references:
        document["referencing"] = referencing_of(dataset, layout_of(dataset))
    elif all(one == references[0] for one in references):
        document["referencing"] = references[0]
        for coverage in coverages:
            domain = coverage["domain"]
            coverage["domain"] = {k: v for k, v in domain.items() if k != "referencing"}
    document["coverages"] = coverages
    return document


def _only(dataset: xr.Dataset, names: list[Hashable]) -> xr.Dataset:
    """The variables of a group, their coordinates, the parts' tags and the grid mappings."""
    group = dataset[names]
    kept = {key: dataset.variables[key] for key in PARTS[1:] if key in dataset.variables}
    if "part" in group.coords:
        group = group.assign_coords(kept)
    mappings = [
        key
        for key, array in dataset.variables.items()
        if array.ndim == 0 and "grid_mapping_name" in array.attrs and key not in group.variables
    ]
    return group.assign_coords({key: dataset.variables[key] for key in mappings})


def _beside(group: xr.Dataset) -> dict[Hashable, xr.DataArray]:
    """What else varies from point to point, and would be lost: a height, a band, a tag."""
    layout = layout_of(group)
    found = {
        key: array
        for key, array in group.coords.items()
        if key not in PARTS
        and array.ndim > 0
        and layout.role(key) is None
        and set(array.dims) <= set(layout.coupled)
        and key not in array.dims
    }
    tags = tags_of(group)
    if tags is not None and "part" in group.coords:
        names = np.array(tags, dtype=object)[group.coords["part"].to_numpy()]
        found["tag"] = xr.DataArray(names, dims=group.coords["part"].dims, name="tag")
    return found


def _parts(group: xr.Dataset) -> Iterator[tuple[xr.Dataset, dict[str, Any]]]:
    """Each part on its own, unless all are single points that share one domain."""
    if "part" not in group.coords:
        yield group, {}
        return
    dim = group.coords["part"].dims[0]
    rows, tags = part_rows(group), tags_of(group)
    layout = layout_of(group)
    profiles = "z" in layout.names and not (
        set(group.coords[layout.names["z"]].dims) <= set(layout.coupled)
    )
    moving = "t" in layout.names and dim in group.coords[layout.names["t"]].dims
    lone = len(rows) == group.sizes[dim]
    if len(rows) < 2 or (lone and not profiles and not moving):
        yield group, {}
        return
    bare = group.drop_vars([key for key in PARTS if key in group.variables])
    for number, where in rows:
        one = bare.isel({dim: where.start if lone and isinstance(where, slice) else where})
        yield one, {"part": number if tags is None else tags[number]}


def _split(part: xr.Dataset) -> Iterator[tuple[xr.Dataset, dict[str, Any]]]:
    """One Dataset for each place on the dimensions that CoverageJSON has no axis for."""
    layout = layout_of(part)
    rest = [dim for dim in _dims(part) if dim not in _axis_dims(part, layout)]
    count = int(np.prod([part.sizes[dim] for dim in rest]))
    if count > _MOST:
        raise BadShape(
            f"{rest[0]}: CoverageJSON has no axis for it, and {count} coverages are too many; "
            "give it coordinates with CF attributes, or cut fewer",
            field=str(rest[0]),
        )
    for place in product(*(range(part.sizes[dim]) for dim in rest)):
        where = dict(zip(rest, place, strict=True))
        labels = {
            str(dim): label(part.coords[dim].to_numpy()[number]) if dim in part.coords else number
            for dim, number in where.items()
        }
        yield part.isel(where), labels


def _dims(part: xr.Dataset) -> list[Hashable]:
    return list(next(iter(part.data_vars.values())).dims) if part.data_vars else []


def _axis_dims(part: xr.Dataset, layout: Layout) -> set[Hashable]:
    """The dimensions that axes of the domain run along."""
    found = set(layout.coupled)
    for role, name in layout.names.items():
        dims = part.coords[name].dims
        found.update(dims if role in ("x", "y") else dims[-1:])
    return found


def _coverage(part: xr.Dataset, where: dict[str, Any]) -> list[dict[str, Any]]:
    """The coverage of a part; none where it has no point, for an axis must have values."""
    if not part.data_vars or 0 in (part.sizes[dim] for dim in _dims(part)):
        return []
    layout = layout_of(part)
    coverage: dict[str, Any] = {"type": "Coverage"}
    if where:
        coverage["id"] = ", ".join(f"{key}={value}" for key, value in where.items())
    fixed = {
        str(key): label(array.to_numpy())
        for key, array in part.coords.items()
        if array.ndim == 0 and layout.role(key) is None and "grid_mapping_name" not in array.attrs
    }
    if where or fixed:
        coverage["boathouse:coordinates"] = {**fixed, **where}
    if not layout.names:
        raise BadShape(
            "latitude: the cut has no coordinate that says where or when it is; keep its "
            "coordinates, or give them CF attributes",
            field="latitude",
        )
    coupled = [dim for dim in _dims(part) if dim in layout.coupled]
    domain, order = _points(part, layout) if coupled else _grid(part, layout)
    domain["referencing"] = referencing_of(part, layout)
    coverage["domain"] = domain
    arrays = {**dict(part.data_vars.items()), **(_beside(part) if coupled else {})}
    coverage["ranges"] = {str(key): order.range(array) for key, array in arrays.items()}
    return [coverage]


class _Order:
    """The axes of a domain in order, as dimensions of the cut; brings arrays into it."""

    def __init__(self, part: xr.Dataset, axes: dict[str, list[Hashable]], sort: Any = None) -> None:
        self.axes = {axis: dims for axis, dims in axes.items() if dims}
        self.sizes = {dim: part.sizes[dim] for dims in axes.values() for dim in dims}
        self.sort = sort

    def arranged(self, array: xr.DataArray, axes: list[str]) -> Any:
        """An array over these axes, one dimension each, broadcast along what it lacks."""
        dims = [dim for axis in axes for dim in self.axes[axis]]
        values = array.variable.set_dims({dim: self.sizes[dim] for dim in dims}).transpose(*dims)
        shape = [int(np.prod([self.sizes[dim] for dim in self.axes[axis]])) for axis in axes]
        result = values.to_numpy().reshape(shape)
        if self.sort is not None and "composite" in axes:
            result = np.take(result, self.sort, axis=axes.index("composite"))
        return result

    def range(self, array: xr.DataArray) -> dict[str, Any]:
        """A variable as an NdArray."""
        axes = [axis for axis, dims in self.axes.items() if set(dims) & set(array.dims)]
        values = self.arranged(array, axes)
        document: dict[str, Any] = {"type": "NdArray", "dataType": kind_of(values)}
        if axes:
            document |= {"axisNames": axes, "shape": list(values.shape)}
        return {**document, "values": plain(values)}


def _grid(part: xr.Dataset, layout: Layout) -> tuple[dict[str, Any], _Order]:
    """The domain of separate axes: Grid, VerticalProfile, PointSeries or Point."""
    coordinates = {role: part.coords[name] for role, name in layout.names.items()}
    dims = {role: list(array.dims) for role, array in coordinates.items()}
    order = _Order(part, {role: dims[role] for role in ("t", "z", "y", "x") if role in dims})
    axes = {
        role: {"values": _values(role, coordinates[role].to_numpy())}
        for role in ("x", "y", "z", "t")
        if role in coordinates
    }
    domain: dict[str, Any] = {"type": "Domain"}
    if "x" in dims and "y" in dims:
        long = {role for role in dims if dims[role]}
        domain["domainType"] = {
            frozenset(): "Point",
            frozenset("t"): "PointSeries",
            frozenset("z"): "VerticalProfile",
        }.get(frozenset(long), "Grid")
    return {**domain, "axes": axes}, order


def _points(part: xr.Dataset, layout: Layout) -> tuple[dict[str, Any], _Order]:
    """The domain of points: MultiPoint, MultiPointSeries or Trajectory."""
    names = layout.names
    coupled = [dim for dim in _dims(part) if dim in layout.coupled]
    moving = "t" in names and bool(set(part.coords[names["t"]].dims) & set(coupled))
    composite = list(coupled)
    for role in ("x", "y", "z"):
        if role in names:
            composite += [dim for dim in part.coords[names[role]].dims if dim not in composite]
    series: list[Hashable] = []
    if "t" in names and not moving:
        series = list(part.coords[names["t"]].dims)
    order = _Order(part, {"t": series, "composite": composite})
    roles = [role for role in ("t", "x", "y", "z") if role in names and (role != "t" or moving)]
    columns = {role: order.arranged(part.coords[names[role]], ["composite"]) for role in roles}
    if moving:  # a trajectory goes on in time
        order.sort = np.argsort(columns["t"], kind="stable")
        columns = {role: values[order.sort] for role, values in columns.items()}
    rows = zip(*(_values(role, values) for role, values in columns.items()), strict=True)
    tuples = {"dataType": "tuple", "coordinates": roles, "values": list(map(list, rows))}
    axes: dict[str, Any] = {"composite": tuples}
    if "t" in names and not moving:
        axes["t"] = {"values": _values("t", part.coords[names["t"]].to_numpy())}
    domain: dict[str, Any] = {"type": "Domain"}
    if "x" in names and "y" in names:
        kind = "MultiPointSeries" if series else "MultiPoint"
        domain["domainType"] = "Trajectory" if moving else kind
    return {**domain, "axes": axes}, order


def _values(role: str, values: Any) -> list[Any]:
    return times(values) if role == "t" else plain(values)
