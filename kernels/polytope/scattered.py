"""Selects grid points whose latitude and longitude are no axes: curvilinear and unstructured."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import shapely
import xarray as xr

from ...catalogs.errors import BadShape
from .axes import Axis, raw_axis
from .bodies import CLOSE, Bodies, Numbers
from .forms import bodies_of
from .naming import period_of, resolve, role_of
from .neighbours import nearest_on_axis, nearest_on_sphere
from .rows import Indices, rows_of_flat
from .selection import Group, Parts, flat_points
from .shapes import Point, Polygon, Select, Shape, Span

_MOST_POINTS = 4_000_000  # how many points are tried at once


@dataclass(frozen=True, eq=False)
class Coordinate:
    """A coordinate that varies along dimensions which are not its own.

    Attributes
    ----------
    axis : Axis
        What it holds; its places are in the order of the cube.
    dims : tuple of str
        Its dimensions.
    sizes : tuple of int
        Their lengths.
    """

    axis: Axis
    dims: tuple[str, ...]
    sizes: tuple[int, ...]

    @property
    def name(self) -> str:
        """The coordinate's name."""
        return self.axis.name


def read_coordinate(dataset: xr.Dataset, name: str, cyclic: dict[str, float | None]) -> Coordinate:
    """A coordinate of any dimensions; it is read."""
    found = resolve(dataset, name)
    coordinate = dataset.coords[found]
    period = period_of(found, coordinate)
    for key in (found, name):
        if key in cyclic:
            period = cyclic[key] or None
    latitude = role_of(found, coordinate) == "latitude"
    axis = raw_axis(found, coordinate.to_numpy().ravel(), period, latitude=latitude)
    if axis.kind == "label":
        raise BadShape(f"{found}: labels of several dimensions cannot be cut", field=name)
    return Coordinate(axis, tuple(map(str, coordinate.dims)), coordinate.shape)


def select_scattered(
    dataset: xr.Dataset, factors: Sequence[tuple[Shape, tuple[Coordinate, ...]]]
) -> Group:
    """The grid points that lie in all of some factors, whose coordinates share dimensions.

    Raises
    ------
    BadShape
        If a factor cannot be cut out of such coordinates.
    """
    found = [_one_factor(dataset, factor, coordinates) for factor, coordinates in factors]
    found.sort(key=lambda each: -len(each.rows.dims))
    base = found[0]
    if len(found) == 1:
        return base
    flat = np.concatenate([np.zeros(0, dtype=np.int64), _flat(base)])
    index = dict(zip(base.rows.dims, np.unravel_index(flat, base.rows.sizes), strict=True))
    keep = np.ones(len(flat), dtype=bool)
    for other in found[1:]:
        if not set(other.rows.dims) <= set(index):
            dims = ", ".join(other.rows.dims)
            raise BadShape(f"{dims}: shapes share some of these dimensions only", field="shape")
        key = np.ravel_multi_index([index[dim] for dim in other.rows.dims], other.rows.sizes)
        keep &= np.isin(key, _flat(other))
    rows = rows_of_flat(flat[keep], base.rows.dims, base.rows.sizes)
    names = " and ".join(c.name for _, coordinates in factors for c in coordinates)
    empty = "" if rows.count else f"{names}: no grid point lies in the shape"
    away = not rows.count and any(each.outside for each in found)
    beyond = tuple(name for each in found for name in each.beyond)
    return Group(rows, empty=empty, outside=away, beyond=beyond, scattered=True)


def _flat(group: Group) -> Indices:
    return flat_points(group.rows)


class _Blocks:
    """The coordinates of one factor, those that share dimensions together."""

    def __init__(self, dataset: xr.Dataset, coordinates: Sequence[Coordinate]) -> None:
        self.coordinates = coordinates
        self.members: list[list[int]] = []
        for number, coordinate in enumerate(coordinates):
            mates = [
                block
                for block in self.members
                if any(set(coordinates[m].dims) & set(coordinate.dims) for m in block)
            ]
            self.members = [block for block in self.members if block not in mates]
            self.members.append([*itertools.chain(*mates), number])
        used = {dim for coordinate in coordinates for dim in coordinate.dims}
        self.dims = _in_order(dataset, used)
        self.sizes = tuple(dataset.sizes[dim] for dim in self.dims)
        self.block_dims = [
            tuple(d for d in self.dims if any(d in coordinates[m].dims for m in block))
            for block in self.members
        ]
        self.numbers = [self._broadcast(dataset, number) for number in range(len(coordinates))]

    def _broadcast(self, dataset: xr.Dataset, number: int) -> Numbers:
        """A coordinate's numbers for each cell of its block, flat."""
        coordinate = self.coordinates[number]
        block = next(b for b, members in enumerate(self.members) if number in members)
        values = xr.Variable(coordinate.dims, coordinate.axis.numbers.reshape(coordinate.sizes))
        sizes = {dim: dataset.sizes[dim] for dim in self.block_dims[block]}
        return np.ravel(values.set_dims(sizes).values)

    def flat(self, cells: Sequence[Indices]) -> Indices:
        """The flat index over all dimensions of cells of each block, taken together."""
        index: dict[str, Indices] = {}
        for dims, cell in zip(self.block_dims, cells, strict=True):
            sizes = tuple(self.sizes[self.dims.index(dim)] for dim in dims)
            index.update(zip(dims, np.unravel_index(cell, sizes), strict=True))
        return np.ravel_multi_index([index[dim] for dim in self.dims], self.sizes)


def _one_factor(dataset: xr.Dataset, factor: Shape, coordinates: tuple[Coordinate, ...]) -> Group:
    blocks = _Blocks(dataset, coordinates)
    if isinstance(factor, Point):
        return _points(factor, blocks)
    bodies = _bodies(factor, coordinates)
    extents = [_extent(numbers) for numbers in blocks.numbers]
    flats = [_in_body(bodies, body, blocks) for body in range(len(bodies.lower))]
    flat = np.unique(np.concatenate(flats)) if flats else np.zeros(0, dtype=np.int64)
    rows = rows_of_flat(flat, blocks.dims, blocks.sizes)
    lower, upper = bodies.lower.min(axis=0), bodies.upper.max(axis=0)
    beyond: list[str] = []
    away = False
    for number, coordinate in enumerate(coordinates):
        low, high, step = extents[number]
        if coordinate.axis.period is None or high - low + step < coordinate.axis.period:
            turn = coordinate.axis.period or 0.0
            shift = np.floor((lower[number] - low + step) / turn) * turn if turn else 0.0
            first, last = lower[number] - shift, upper[number] - shift
            if first < low - step or last > high + step:
                beyond.append(coordinate.name)
            away = away or last < low - step or first > high + step
    empty = ""
    if rows.count == 0:
        told = "; ".join(
            f"{c.name} goes from {low:.6g} to {high:.6g}"
            for c, (low, high, _) in zip(coordinates, extents, strict=True)
        )
        names = " and ".join(c.name for c in coordinates)
        empty = f"{names}: no grid point lies in the shape; the cube's {told}"
    away = away and bool(empty)
    return Group(rows, beyond=tuple(beyond), empty=empty, outside=away, scattered=True)


def _extent(numbers: Numbers) -> tuple[float, float, float]:
    """Lowest, highest, and about how far neighbours are apart."""
    finite = numbers[np.isfinite(numbers)]
    if len(finite) == 0:
        return np.inf, -np.inf, 0.0
    low, high = float(finite.min()), float(finite.max())
    return low, high, (high - low) / max(np.sqrt(len(finite)) - 1, 1.0)


def _in_body(bodies: Bodies, body: int, blocks: _Blocks) -> Indices:
    """The flat indices of the points in one body: first by its bounding box, then exactly."""
    slack = CLOSE * (bodies.upper[body] - bodies.lower[body])
    low, high = bodies.lower[body] - slack, bodies.upper[body] + slack
    cells: list[Indices] = []
    values: list[dict[int, Numbers]] = []
    for members in blocks.members:
        cell, columns = _in_box(blocks, members, low, high)
        cells.append(cell)
        values.append(columns)
    total = int(np.prod([len(cell) for cell in cells]))
    if total == 0:
        return np.zeros(0, dtype=np.int64)
    found: list[Indices] = []
    first = max(1, _MOST_POINTS // max(total // len(cells[0]), 1))
    for begin in range(0, len(cells[0]), first):
        sizes = [min(first, len(cells[0]) - begin), *(len(cell) for cell in cells[1:])]
        picks = [pick.ravel() for pick in np.indices(sizes)]
        picks[0] = picks[0] + begin
        points = np.empty((len(picks[0]), len(blocks.coordinates)))
        for pick, columns in zip(picks, values, strict=True):
            for number, column in columns.items():
                points[:, number] = column[pick]
        inside = bodies.contain(body, points)
        chosen = [cell[pick[inside]] for cell, pick in zip(cells, picks, strict=True)]
        found.append(blocks.flat(chosen))
    return np.concatenate(found)


def _in_box(
    blocks: _Blocks, members: list[int], low: Numbers, high: Numbers
) -> tuple[Indices, dict[int, Numbers]]:
    """The cells of a block in a bounding box, and their numbers in the turn where they are."""
    cell: Indices | None = None
    columns: dict[int, Numbers] = {}
    for number in members:
        numbers = blocks.numbers[number]
        picked = numbers if cell is None else numbers[cell]
        period = blocks.coordinates[number].axis.period
        if period is not None:
            # Whole turns only, so that what lies on an edge stays there.
            picked = picked - np.floor((picked - low[number]) / period) * period
        inside = np.flatnonzero((picked >= low[number]) & (picked <= high[number]))
        columns = {each: column[inside] for each, column in columns.items()}
        columns[number] = picked[inside]
        cell = inside if cell is None else cell[inside]
    assert cell is not None
    for number in members:
        period = blocks.coordinates[number].axis.period
        turns = int((high[number] - low[number]) // period) if period else 0
        if turns:  # what is wider than a turn may hold a cell in its second turn only
            copies = [columns[number] + turn * (period or 0.0) for turn in range(turns + 1)]
            columns = {each: np.tile(column, turns + 1) for each, column in columns.items()}
            columns[number] = np.concatenate(copies)
            cell = np.tile(cell, turns + 1)
    return cell, columns


class _Boxes(Bodies):
    """Closed ranges of one coordinate."""

    def __init__(self, ranges: list[tuple[float, float]]) -> None:
        self.lower = np.array([[low] for low, _ in ranges])
        self.upper = np.array([[high] for _, high in ranges])

    def between(self, body: Indices, prefix: Numbers) -> tuple[Numbers, Numbers]:
        """As :meth:`Bodies.between` says."""
        return self.lower[body, prefix.shape[1]], self.upper[body, prefix.shape[1]]

    def contain(self, body: int, points: Numbers) -> npt.NDArray[np.bool_]:
        """As :meth:`Bodies.contain` says."""
        slack = CLOSE * np.maximum(np.abs(self.lower[body]), np.abs(self.upper[body]))
        low, high = self.lower[body] - slack, self.upper[body] + slack
        return ((points >= low) & (points <= high)).all(axis=1)


class _Area(Bodies):
    """The inside and the edge of rings over two coordinates, by the even-odd rule."""

    def __init__(self, rings: list[Numbers]) -> None:
        stacked = np.concatenate(rings)
        self.lower, self.upper = stacked.min(axis=0)[None], stacked.max(axis=0)[None]
        inside = shapely.Polygon(rings[0])
        for ring in rings[1:]:
            inside = shapely.symmetric_difference(inside, shapely.Polygon(ring))
        edges = [np.concatenate([ring, ring[:1]]) for ring in rings]
        self._inside, self._edges = inside, shapely.MultiLineString(edges)
        self._close = CLOSE * float((self.upper - self.lower).max())
        shapely.prepare(self._inside)
        shapely.prepare(self._edges)

    def between(self, body: Indices, prefix: Numbers) -> tuple[Numbers, Numbers]:
        """Its bounding box; places are tried one by one."""
        level = prefix.shape[1]
        return self.lower[body, level], self.upper[body, level]

    def contain(self, body: int, points: Numbers) -> npt.NDArray[np.bool_]:
        """As :meth:`Bodies.contain` says."""
        found = shapely.intersects_xy(self._inside, points[:, 0], points[:, 1])
        rest = np.flatnonzero(~found)
        found[rest] = shapely.dwithin(self._edges, shapely.points(points[rest]), self._close)
        return found


def _bodies(factor: Shape, coordinates: tuple[Coordinate, ...]) -> Bodies:
    axes = [coordinate.axis for coordinate in coordinates]
    if isinstance(factor, Span):
        return _Boxes([(axes[0].number(factor.lower), axes[0].number(factor.upper))])
    if isinstance(factor, Select):
        if factor.method is not None:
            raise BadShape(
                f"{factor.axis}: is no axis here, so that nothing is nearest on it alone; use a "
                "Point over latitude and longitude",
                field=factor.axis,
            )
        numbers = [axes[0].number(value) for value in factor.values]
        return _Boxes([(number, number) for number in numbers])
    if isinstance(factor, Polygon):
        rings = [
            np.array([[a.number(v) for a, v in zip(axes, vertex, strict=True)] for vertex in ring])
            for ring in factor.rings
        ]
        return _Area(rings)
    return bodies_of(factor, axes, range(len(axes)))


def _points(factor: Point, blocks: _Blocks) -> Group:
    """The points nearest to given places, by the distance on the sphere."""
    if factor.method not in (None, "nearest"):
        raise BadShape(
            f"method: {factor.method!r} needs latitude and longitude as axes of their own; here "
            "'nearest' with k does",
            field="method",
        )
    chosen: list[Indices] = []
    for members in blocks.members:
        coordinates = [blocks.coordinates[number] for number in members]
        asked = [
            np.array([c.axis.number(point[n]) for point in factor.points])
            for c, n in zip(coordinates, members, strict=True)
        ]
        numbers = [blocks.numbers[number] for number in members]
        if len(members) == 1:
            chosen.append(nearest_on_axis(coordinates[0].axis, asked[0]))
        else:
            k = factor.k if factor.method else 1
            axes = [coordinate.axis for coordinate in coordinates]
            chosen.append(nearest_on_sphere(factor, axes, numbers, asked, k))
    widths = [places.shape[1] for places in chosen]
    picks = np.array(list(itertools.product(*map(range, widths)))).reshape(-1, len(widths))
    cells = [places[:, picks[:, n]].ravel() for n, places in enumerate(chosen)]
    flat = blocks.flat(cells)
    point = np.repeat(np.arange(len(factor.points)), len(picks))
    rows = rows_of_flat(np.unique(flat), blocks.dims, blocks.sizes)
    group = Group(rows, scattered=True, lone=len(factor.points) == 1 and rows.count == 1)
    if len(factor.points) == 1:
        return group
    # One row a point, so that they keep the order in which they were asked for.
    *slower, last = np.unravel_index(flat, blocks.sizes)
    prefix = np.stack(slower, axis=1) if slower else np.zeros((len(flat), 0), dtype=np.int64)
    raw = replace(rows, prefix=prefix, start=last, stop=last + 1)
    return replace(group, parts=Parts(raw, point, len(factor.points), (), repeats=True))


def _in_order(dataset: xr.Dataset, dims: set[str]) -> tuple[str, ...]:
    for array in dataset.data_vars.values():
        if dims <= set(map(str, array.dims)):
            return tuple(str(dim) for dim in array.dims if dim in dims)
    return tuple(str(dim) for dim in dataset.dims if dim in dims)
