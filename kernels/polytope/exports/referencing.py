"""The reference systems and parameters of CoverageJSON, from CF attributes."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr

from .layout import Layout, mapping_of
from .numbers import plain

_CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_STANDARD_NAMES = "http://vocab.nerc.ac.uk/standard_name/"
# CF gives its calendars no address of their own; this names the one that is meant.
_CALENDAR = "https://cfconventions.org/cf-conventions/cf-conventions.html#calendar-"
_GREGORIAN = ("", "standard", "gregorian", "proleptic_gregorian")
_DOWNWARD = ("pressure", "depth", "isobaric")


def referencing_of(dataset: xr.Dataset, layout: Layout) -> list[dict[str, Any]]:
    """What the numbers on x, y, z and t refer to.

    Returns
    -------
    list of dict
        Reference system connections, for the coordinates that the layout has.
    """
    names = layout.names
    connections: list[dict[str, Any]] = []
    flat = [role for role in ("x", "y") if role in names]
    if flat:
        system = _horizontal(mapping_of(dataset), layout.geographic)
        connections.append({"coordinates": flat, "system": system})
    if "z" in names:
        connections.append({"coordinates": ["z"], "system": _vertical(dataset.coords[names["z"]])})
    if "t" in names:
        system = {"type": "TemporalRS", "calendar": _calendar(dataset.coords[names["t"]])}
        connections.append({"coordinates": ["t"], "system": system})
    return connections


def parameter_of(name: Hashable, array: xr.DataArray) -> dict[str, Any]:
    """A variable as a CoverageJSON parameter: label, standard name, unit, flags as categories."""
    standard, long = _said(array, "standard_name"), _said(array, "long_name")
    observed: dict[str, Any] = {"label": {"en": long or standard or str(name)}}
    if standard:
        observed["id"] = _STANDARD_NAMES + standard.split()[0] + "/"
    parameter: dict[str, Any] = {"type": "Parameter", "label": {"en": str(name)}}
    if _said(array, "description") or _said(array, "comment"):
        text = _said(array, "description") or _said(array, "comment")
        parameter["description"] = {"en": text}
    parameter["observedProperty"] = observed
    units = "s" if array.dtype.kind == "m" else _said(array, "units")
    meanings = _said(array, "flag_meanings").split()
    codes = np.atleast_1d(array.attrs.get("flag_values", []))
    if meanings and len(meanings) == len(codes) and array.dtype.kind in "iub":
        observed["categories"] = [{"id": text, "label": {"en": text}} for text in meanings]
        parameter["categoryEncoding"] = dict(zip(meanings, map(int, codes), strict=True))
    elif units:
        parameter["unit"] = {"symbol": units}
    rest = {
        key: json_value(value)
        for key, value in array.attrs.items()
        if key not in ("units", "long_name", "standard_name", "flag_meanings", "flag_values")
    }
    return {**parameter, **({"cf:attributes": rest} if rest else {})}


def _horizontal(mapping: dict[str, Any], geographic: bool) -> dict[str, Any]:
    system: dict[str, Any] = {"type": "GeographicCRS" if geographic else "ProjectedCRS"}
    if geographic and (not mapping or _is_wgs84(mapping)):
        system["id"] = _CRS84
    if mapping:
        system["cf:grid_mapping"] = {key: json_value(value) for key, value in mapping.items()}
    return system


def _is_wgs84(mapping: dict[str, Any]) -> bool:
    """Whether longitude and latitude are on WGS84, as far as the grid mapping says.

    That of a projection describes the figure of the earth for its latitudes too.
    """
    if "earth_radius" in mapping:
        return False
    axis = float(mapping.get("semi_major_axis", 6378137.0))
    flattening = float(mapping.get("inverse_flattening", 298.257223563))
    return abs(axis - 6378137.0) < 0.5 and abs(flattening - 298.257223563) < 1e-4


def _vertical(level: xr.DataArray) -> dict[str, Any]:
    standard, units = _said(level, "standard_name"), _said(level, "units")
    label = _said(level, "long_name") or standard or str(level.name)
    positive = _said(level, "positive").lower()
    if positive not in ("up", "down"):
        down = any(word in f"{standard} {level.name}".lower() for word in _DOWNWARD)
        positive = "down" if down or units in ("Pa", "hPa", "mbar", "millibars") else "up"
    axis: dict[str, Any] = {"name": {"en": label}, "direction": positive}
    if units:
        axis["unit"] = {"symbol": units}
    if standard:
        axis["id"] = _STANDARD_NAMES + standard.split()[0] + "/"
    return {"type": "VerticalCRS", "cs": {"csAxes": [axis]}}


def _calendar(time: xr.DataArray) -> str:
    values = time.to_numpy()
    calendar = ""
    if values.dtype.kind == "O" and values.size:
        calendar = str(values.flat[0].calendar)
    return "Gregorian" if calendar in _GREGORIAN else _CALENDAR + calendar


def _said(array: xr.DataArray, name: str) -> str:
    value: Any = array.attrs.get(name, "")
    return str(value).strip()


def json_value(value: Any) -> Any:
    """An attribute's value as JSON has it."""
    if isinstance(value, np.ndarray):
        return plain(value)
    if isinstance(value, list | tuple):
        return [json_value(one) for one in value]
    if isinstance(value, dict):
        return {str(key): json_value(one) for key, one in value.items()}
    if isinstance(value, np.generic):
        return plain(np.asarray(value))[0]
    if isinstance(value, float):
        return plain(np.asarray(value))[0]
    return value if isinstance(value, str | int | bool | None) else str(value)
