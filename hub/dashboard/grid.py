"""Where the cells of a variable lie on the globe: on a regular grid, or on a curved one."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ...catalogs.description import geographic
from ...catalogs.errors import BadRequest
from ...kernels.selector.field import map_axes

# Rows and columns of the regular picture of a curved grid, at most.
MOST_LINES = 600
# How far a picture's cell may be from the next grid point, in typical distances of points.
REACH = 1.5

Place = tuple[float, float]


class Grid(ABC):
    """The horizontal grid of a variable.

    Attributes
    ----------
    dims : tuple of str
        Its two dimensions.
    shape : tuple of int
        Their sizes.
    """

    dims: tuple[str, str]
    shape: tuple[int, int]

    @abstractmethod
    def nearest(self, place: Place) -> tuple[dict[str, int], Place]:
        """Indices of the grid point next to a longitude and latitude, and its own place.

        Raises ``BadRequest`` for a place that is off the grid.
        """

    @abstractmethod
    def regular(self, field: xr.DataArray) -> xr.DataArray:
        """A field over ``dims`` as one over latitude and longitude that the map can draw."""


class RegularGrid(Grid):
    """Latitude and longitude are dimensions.

    Examples
    --------
    >>> axes = {"lat": [0.0, 1.0], "lon": [0.0, 1.0]}
    >>> cube = xr.DataArray(np.zeros((2, 2)), axes, ("lat", "lon"))
    >>> RegularGrid(cube, "lat", "lon").nearest((0.9, 0.2))
    ({'lat': 0, 'lon': 1}, (1.0, 0.0))
    """

    def __init__(self, data: xr.DataArray, latitude: str, longitude: str) -> None:
        self.dims = (latitude, longitude)
        self.shape = (data.sizes[latitude], data.sizes[longitude])
        self._latitudes = np.asarray(data[latitude].values, dtype=np.float64)
        self._longitudes = np.asarray(data[longitude].values, dtype=np.float64)

    def nearest(self, place: Place) -> tuple[dict[str, int], Place]:
        """See :meth:`Grid.nearest`; longitudes are taken around the globe."""
        row = _nearest(self._latitudes, self._latitudes - place[1], "latitude")
        around = _around(self._longitudes - place[0])
        column = _nearest(self._longitudes, around, "longitude")
        at = (float(_around(self._longitudes[column])), float(self._latitudes[row]))
        return {self.dims[0]: row, self.dims[1]: column}, at

    def regular(self, field: xr.DataArray) -> xr.DataArray:
        """The field itself."""
        return field


class CurvedGrid(Grid):
    """Latitude and longitude are two-dimensional coordinates, as on a rotated pole."""

    def __init__(self, latitude: xr.DataArray, longitude: xr.DataArray) -> None:
        first, second = (str(name) for name in latitude.dims)
        self.dims = (first, second)
        self.shape = (latitude.sizes[first], latitude.sizes[second])
        self._latitudes = np.asarray(latitude.values, dtype=np.float64).ravel()
        self._longitudes = np.asarray(
            longitude.transpose(*self.dims).values, dtype=np.float64
        ).ravel()

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import KDTree

        return KDTree(_on_sphere(self._longitudes, self._latitudes))

    @cached_property
    def _spacing(self) -> float:
        """The typical distance of neighbours, as a chord of the unit sphere."""
        some = self._tree.data[:: max(1, len(self._tree.data) // 1000)]
        distances, _ = self._tree.query(some, k=2)
        return float(np.median(distances[:, 1]))

    def nearest(self, place: Place) -> tuple[dict[str, int], Place]:
        """See :meth:`Grid.nearest`."""
        point = _on_sphere(np.array([place[0]]), np.array([place[1]]))
        distance, found = self._tree.query(point[0])
        if distance > 2 * REACH * self._spacing:
            raise BadRequest("This place is outside of the cube's grid.", field="place")
        row, column = divmod(int(found), self.shape[1])
        at = (float(_around(self._longitudes[found])), float(self._latitudes[found]))
        return {self.dims[0]: row, self.dims[1]: column}, at

    @cached_property
    def _picture(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
        """Latitudes, longitudes and, for each cell of them, the next point (or none)."""
        middle = float(self._longitudes[len(self._longitudes) // 2])
        east = middle + _around(self._longitudes - middle)
        step = max(np.degrees(self._spacing), 1e-6)
        south, north = self._latitudes.min(), self._latitudes.max()
        shrink = max(np.cos(np.radians((south + north) / 2)), 0.1)
        rows = int(np.clip((north - south) / step + 1, 2, MOST_LINES))
        columns = int(np.clip((east.max() - east.min()) * shrink / step + 1, 2, MOST_LINES))
        latitudes = np.linspace(north, south, rows)
        longitudes = np.linspace(east.min(), east.max(), columns)
        cells = np.meshgrid(longitudes, latitudes)
        # Where the picture is coarser than the grid, its own steps say how far is far.
        reach = REACH * max(self._spacing, np.radians((north - south) / max(rows - 1, 1)))
        _, found = self._tree.query(
            _on_sphere(cells[0].ravel(), cells[1].ravel()), distance_upper_bound=reach
        )
        return latitudes, longitudes, found.reshape(rows, columns)

    def regular(self, field: xr.DataArray) -> xr.DataArray:
        """The field by nearest points; cells far from any point are not-a-number."""
        latitudes, longitudes, found = self._picture
        values = np.asarray(field.transpose(*self.dims).values, dtype=np.float64).ravel()
        drawn = np.append(values, np.nan)[found]
        coordinates = {
            "latitude": ("latitude", latitudes, {"units": "degrees_north"}),
            "longitude": ("longitude", longitudes, {"units": "degrees_east"}),
        }
        kept = {name: coord for name, coord in field.coords.items() if coord.ndim == 0}
        dims = ("latitude", "longitude")
        return xr.DataArray(drawn, {**kept, **coordinates}, dims, field.name, field.attrs)


def grid_of(data: xr.DataArray) -> Grid | None:
    """The horizontal grid of a variable; None when it has none."""
    try:
        return RegularGrid(data, *map_axes(data))
    except BadRequest:
        pass
    cube = data.to_dataset(name="variable")
    latitude, longitude = geographic(cube, "latitude"), geographic(cube, "longitude")
    if latitude is None or longitude is None or latitude.ndim != 2:
        return None
    if set(latitude.dims) != set(longitude.dims) or not latitude.size:
        return None
    if not (np.isfinite(latitude.values).all() and np.isfinite(longitude.values).all()):
        return None
    return CurvedGrid(latitude, longitude)


def _around(degrees: Any) -> Any:
    """Longitudes, or their differences, from -180 to 180."""
    return (degrees + 180.0) % 360.0 - 180.0


def _on_sphere(longitude: npt.NDArray[Any], latitude: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    east, north = np.radians(longitude), np.radians(latitude)
    parts = (np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north))
    return np.stack(parts, axis=-1)


def _nearest(values: npt.NDArray[Any], differences: npt.NDArray[Any], name: str) -> int:
    """Index of the nearest grid line; refuses a place that is off the grid."""
    distance = np.abs(differences)
    nearest = int(distance.argmin())
    spacing = float(np.abs(np.diff(values)).max()) if len(values) > 1 else 1.0
    if distance[nearest] > spacing:
        raise BadRequest(f"This place is outside of the cube's {name}s.", field="place")
    return nearest
