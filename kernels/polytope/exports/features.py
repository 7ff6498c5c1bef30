"""A cut as point features: GeoJSON, and a GeoDataFrame where geopandas is installed."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ....catalogs.errors import BadRequest, BadShape
from ..naming import resolve
from .layout import layout_of, mapping_of
from .numbers import plain, shortest
from .referencing import json_value, parameter_of
from .table import columns_of, dataframe_of

if TYPE_CHECKING:
    import geopandas


def features_of(dataset: xr.Dataset) -> dict[str, Any]:
    """The FeatureCollection of a cut's rows.

    Raises
    ------
    BadShape
        If the cut has no latitude and longitude.
    """
    x, y = _places(dataset, needs_geographic=True)
    columns = columns_of(dataset)
    longitude, latitude = plain(_around(columns[x].to_numpy())), plain(columns[y].to_numpy())
    keys = [key for key in columns if key not in (x, y)]
    rows = zip(*(plain(columns[key].to_numpy()) for key in keys), strict=True)
    if not keys:
        rows = iter([()] * len(longitude))
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [lon, lat]}
            if lon is not None and lat is not None
            else None,
            "properties": dict(zip(keys, row, strict=True)),
        }
        for lon, lat, row in zip(longitude, latitude, rows, strict=True)
    ]
    parameters = {key: parameter_of(key, columns[key]) for key in keys if columns[key].attrs}
    said = {"cf:attributes": json_value(dataset.attrs)} if dataset.attrs else {}
    return {"type": "FeatureCollection", **said, "parameters": parameters, "features": features}


def geodataframe_of(dataset: xr.Dataset) -> "geopandas.GeoDataFrame":
    """The table of a cut with a point geometry for each row.

    Raises
    ------
    BadRequest
        If geopandas is not installed.
    BadShape
        If the cut has no horizontal coordinates.
    """
    try:
        import geopandas
    except ImportError:
        raise BadRequest(
            "to_geodataframe needs geopandas; install it, or use to_dataframe or to_geojson"
        ) from None
    x, y = _places(dataset, needs_geographic=False)
    frame = dataframe_of(dataset)
    crs: Any = "EPSG:4326"
    across = frame[x].to_numpy().astype(np.float64, copy=False)
    if layout_of(dataset).geographic:
        across = _around(across)
    else:
        from pyproj import CRS

        mapping = mapping_of(dataset)
        crs = CRS.from_cf(mapping) if mapping else None
    points = geopandas.points_from_xy(across, shortest(frame[y].to_numpy()))
    result = geopandas.GeoDataFrame(frame, geometry=points, crs=crs)
    result.attrs = dict(frame.attrs)
    return result


def _places(dataset: xr.Dataset, *, needs_geographic: bool) -> tuple[str, str]:
    layout = layout_of(dataset)
    names = layout.names
    if "x" in names and "y" in names and (layout.geographic or not needs_geographic):
        return str(names["x"]), str(names["y"])
    for axis in ("longitude", "latitude"):
        try:
            found = resolve(dataset, axis)
        except BadShape:
            found = None
        if found is None or found not in dataset.coords:
            raise BadShape(
                f"{axis}: the cut has none, so its points are nowhere on a map; keep the "
                "coordinate, or use to_dataframe",
                field=axis,
            )
    return resolve(dataset, "longitude"), resolve(dataset, "latitude")


def _around(longitude: Any) -> Any:
    """Longitudes in -180 to 180, which GeoJSON's readers need; those that are stay untouched."""
    values = shortest(longitude) if longitude.dtype.kind == "f" else longitude.astype(np.float64)
    turned = np.round((values + 180) % 360 - 180, 10)
    return np.where(np.abs(values) <= 180, values, turned)
