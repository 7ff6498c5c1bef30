"""One horizontal field as the small dictionary that the map draws in the browser."""

import base64
import zlib
from functools import lru_cache
from typing import Any, TypedDict, cast

import numpy as np
import numpy.typing as npt
import xarray as xr

from ...catalogs.errors import BadRequest, BadShape
from ..polytope.naming import resolve

# The browser keeps one byte a cell; the last value is kept for "no data".
LEVELS = 254
NO_DATA = 255
# A field larger than this is thinned: a screen does not show more, and the page stays quick.
MOST_CELLS = 1_500_000


class Field(TypedDict):
    """What the map needs to draw one field (JSON).

    ``data`` is base64 of one byte a cell, row by row, packed as ``encoding`` says;
    0 is ``vmin``, 254 is ``vmax`` and 255 is no data.  ``lon`` and ``lat`` are the first and
    the last cell centre in degrees, in either direction.  ``colors`` is base64 of 256 RGB
    triples.  ``axes`` are the cube's own names of latitude and longitude.
    """

    data: str
    encoding: str
    width: int
    height: int
    lon: list[float]
    lat: list[float]
    vmin: float
    vmax: float
    units: str
    label: str
    caption: str
    colormap: str
    colors: str
    axes: list[str]


def map_axes(data: xr.DataArray | xr.Dataset) -> tuple[str, str]:
    """The names of a cube's latitude and longitude coordinates.

    Parameters
    ----------
    data : DataArray or Dataset
        The cube.

    Returns
    -------
    tuple of str
        Latitude's name, then longitude's; each of one dimension, not the same one.

    Raises
    ------
    BadShape
        If the cube has no such pair, so that it has no place on a map.

    Examples
    --------
    >>> cube = xr.DataArray(np.zeros((2, 3)), {"lat": [0, 1], "lon": [5, 6, 7]}, ("lat", "lon"))
    >>> map_axes(cube)
    ('lat', 'lon')
    """
    coordinates = data.coords.to_dataset()
    latitude, longitude = (resolve(coordinates, role) for role in ("latitude", "longitude"))
    for name in (latitude, longitude):
        if data[name].ndim != 1:
            raise BadShape(f"{name}: has one value only, so there is no map to draw", field=name)
    if data[latitude].dims == data[longitude].dims:
        raise BadShape(
            f"{latitude} and {longitude} lie along one dimension: these are points and not a grid",
            field=latitude,
        )
    return latitude, longitude


def encode_field(
    data: xr.DataArray,
    *,
    vmin: float | None = None,
    vmax: float | None = None,
    colormap: str = "viridis",
) -> Field:
    """Pack a two-dimensional field for the map.

    Parameters
    ----------
    data : DataArray
        Latitude by longitude, in either order and either direction; loaded if it is lazy.
        Not-a-number is drawn transparent.  An unevenly spaced axis is brought to even
        steps by the nearest cell; a very large field is thinned.
    vmin, vmax : float, optional
        The values of the two ends of the colour bar; by default the field's own.
    colormap : str
        A name known to matplotlib.

    Returns
    -------
    Field
        The dictionary for the map's ``field``.

    Raises
    ------
    BadRequest
        If the array is not two-dimensional over latitude and longitude (BadShape if it has
        none), not numbers, or the colour map is unknown.

    Examples
    --------
    >>> cube = xr.DataArray([[1.0, np.nan]], {"lat": [50.0], "lon": [0.0, 1.0]}, ("lat", "lon"))
    >>> field = encode_field(cube)
    >>> field["width"], field["height"], field["vmin"]
    (2, 1, 1.0)
    """
    latitude, longitude = map_axes(data)
    plane = (data[latitude].dims[0], data[longitude].dims[0])
    if data.ndim != 2:
        extra = [str(name) for name in data.dims if name not in plane]
        raise BadRequest(
            f"The map draws one field at a time; choose one index along {extra}, "
            f"for instance data.isel({extra[0]}=0).",
            field=extra[0],
        )
    if not (np.issubdtype(data.dtype, np.number) or data.dtype == bool):
        raise BadRequest(f"{data.name or 'The field'} holds no numbers.", field="data")
    data = thin(data.transpose(*plane))
    rows, lat = _even(_degrees(data, latitude))
    columns, lon = _even(np.unwrap(_degrees(data, longitude), period=360.0))
    values = np.asarray(data.values, dtype=np.float64)[np.ix_(rows, columns)]
    low, high = _limits(values, vmin, vmax)
    return {
        "data": _pack(_quantise(values, low, high)),
        "encoding": "deflate-raw",
        "width": len(columns),
        "height": len(rows),
        "lon": lon,
        "lat": lat,
        "vmin": low,
        "vmax": high,
        "units": str(data.attrs.get("units", "")),
        "label": label_of(data),
        "caption": _caption(data),
        "colormap": colormap,
        "colors": color_table(colormap),
        "axes": [latitude, longitude],
    }


def label_of(data: xr.DataArray) -> str:
    """A cube's name for people: its long name, else its standard name, else its name."""
    name = data.attrs.get("long_name") or data.attrs.get("standard_name") or data.name or ""
    return str(name).replace("_", " ")


def format_value(value: Any) -> str:
    """A coordinate's value for people: times to the minute, numbers without noise.

    Examples
    --------
    >>> format_value(np.datetime64("2019-03-01T06:00:00.000000000"))
    '2019-03-01 06:00'
    >>> format_value(np.float32(0.1))
    '0.1'
    """
    array = np.asarray(value)
    if array.dtype.kind == "M":
        if np.isnat(array):
            return "no time"
        return _moment(array.astype("datetime64[s]").item().isoformat(" "))
    if array.dtype.kind == "m":
        hours = float(array / np.timedelta64(1, "h"))
        return f"{hours:g} h" if abs(hours) < 96 else f"{hours / 24:g} d"
    if array.dtype.kind == "f":
        return f"{float(array):.6g}"
    plain = array.item()
    return _moment(plain.isoformat(" ")) if hasattr(plain, "isoformat") else str(plain)


def _moment(text: str) -> str:
    return text.removesuffix(":00") if text.count(":") == 2 else text


@lru_cache(maxsize=32)
def color_table(colormap: str) -> str:
    """The 256 colours of a colour map, as base64 of RGB bytes.

    Raises
    ------
    BadRequest
        If matplotlib knows no such colour map.
    """
    from matplotlib import colormaps

    if colormap not in colormaps:
        raise BadRequest(
            f"There is no colour map {colormap!r}; try viridis, magma, RdBu_r or turbo.",
            field="colormap",
        )
    ramp = cast("npt.NDArray[np.uint8]", colormaps[colormap](np.linspace(0, 1, 255), bytes=True))
    table = np.zeros((256, 3), dtype=np.uint8)
    table[:255] = ramp[:, :3]
    return base64.b64encode(table.tobytes()).decode("ascii")


def _degrees(data: xr.DataArray, name: str) -> npt.NDArray[np.float64]:
    values = np.asarray(data[name].values, dtype=np.float64)
    if values.size == 0 or not np.isfinite(values).all():
        raise BadRequest(f"The coordinate {name} is empty or not finite.", field=name)
    return values


def thin(data: xr.DataArray) -> xr.DataArray:
    """Every n-th row and column of a field that has more than the map shows; nothing is read."""
    stride = int(np.ceil(np.sqrt(max(1.0, data.size / MOST_CELLS))))
    return data if stride == 1 else data[::stride, ::stride]


def _even(values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.intp], list[float]]:
    """Indices that bring an axis to even steps, and its first and last value."""
    size = len(values)
    if size == 1:
        return np.zeros(1, dtype=np.intp), [float(values[0])] * 2
    steps = np.diff(values)
    mean = (values[-1] - values[0]) / (size - 1)
    if mean != 0 and np.abs(steps - mean).max() < 0.02 * abs(mean):
        return np.arange(size), [float(values[0]), float(values[-1])]
    order = np.argsort(values)
    ascending = values[order]
    gaps = np.diff(ascending)
    finest = gaps[gaps > 0].min() if (gaps > 0).any() else 1.0
    count = int(min(np.ceil((ascending[-1] - ascending[0]) / finest) + 1, 4 * size))
    even = np.linspace(ascending[0], ascending[-1], max(count, 2))
    nearest = np.searchsorted((ascending[1:] + ascending[:-1]) / 2, even)
    return order[nearest], [float(even[0]), float(even[-1])]


def _limits(
    values: npt.NDArray[np.float64], vmin: float | None, vmax: float | None
) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    low = float(finite.min()) if finite.size else 0.0
    high = float(finite.max()) if finite.size else 1.0
    low = low if vmin is None else float(vmin)
    high = high if vmax is None else float(vmax)
    return (low, high) if low <= high else (high, low)


def _quantise(values: npt.NDArray[np.float64], low: float, high: float) -> npt.NDArray[np.uint8]:
    scale = LEVELS / (high - low) if high > low else 0.0
    with np.errstate(invalid="ignore"):
        levels = np.clip(np.rint((values - low) * scale), 0, LEVELS)
    return np.where(np.isnan(levels), NO_DATA, levels).astype(np.uint8)


def _pack(levels: npt.NDArray[np.uint8]) -> str:
    # Raw deflate, because DecompressionStream reads it and the checksum is of no use here.
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(packer.compress(levels.tobytes()) + packer.flush()).decode("ascii")


def _caption(data: xr.DataArray) -> str:
    """The scalar coordinates of the field, times first, so that a reader knows which one it is."""
    times: list[str] = []
    others: list[str] = []
    for name, coordinate in data.coords.items():
        if coordinate.ndim or name in ("forecast_reference_time", "forecast_period"):
            continue
        text = format_value(coordinate.values)
        if coordinate.dtype.kind == "M" or hasattr(coordinate.values.item(), "isoformat"):
            times.append(text)
        elif coordinate.dtype.kind in "iuf":
            units = str(coordinate.attrs.get("units", ""))
            others.append(f"{label_of(coordinate)} {text} {'' if units == '1' else units}".strip())
    return " · ".join([*times[:1], *others[:2]])
