"""Reads the Met Office's sample data, as the iris-sample-data package brings it, into Datasets."""

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..errors import NotFound

LATITUDE = {"standard_name": "latitude", "units": "degrees_north"}
LONGITUDE = {"standard_name": "longitude", "units": "degrees_east"}
LEVEL_GRID = ("model_level_number", "grid_latitude", "grid_longitude")
TIME = {"standard_name": "time", "axis": "T"}
SOURCE = {
    "institution": "Met Office, UK",
    "references": "https://github.com/SciTools/iris-sample-data",
    "Conventions": "CF-1.11",
}


def sample(name: str) -> Path:
    """A file or folder of the sample data; raises ``NotFound`` saying what to install."""
    found = importlib.util.find_spec("iris_sample_data")
    if found is None or found.origin is None:
        raise NotFound("The demo's data is not installed: pip install 'boathouse[demo]'.")
    return Path(found.origin).parent / "sample_data" / name


def ostia() -> xr.Dataset:
    """Monthly mean sea-surface temperature of the equatorial belt, April 2006 to September 2010.

    Dimensions time (54), latitude (18, ascending), longitude (432, 0 to 360); ``sst`` in K.
    """
    with xr.open_dataset(sample("ostia_monthly.nc")) as opened:
        found = opened[["surface_temperature"]].load()
    sst = found["surface_temperature"].assign_attrs(
        standard_name="sea_surface_temperature",
        long_name="sea surface temperature",
        units="K",
        cell_methods="time: mean",
    )
    return _on_globe(sst.rename("sst"), source="OSTIA analysis")


def scenario(name: str) -> xr.Dataset:
    """Yearly mean air temperature over North America, 1860 to 2099, in scenario A1B or E1.

    Dimensions time (240), latitude (37, ascending), longitude (49, 225 to 315);
    ``air_temperature`` in K at 1.5 m.
    """
    # The model's years have 360 days; the middle of each, 1 June, is a date of ours as well.
    coder = xr.coders.CFDatetimeCoder(use_cftime=True)
    with xr.open_dataset(sample(f"{name}_north_america.nc"), decode_times=coder) as opened:
        found = opened[["air_temperature"]].load()
    years = [f"{date.year:04}-{date.month:02}-{date.day:02}" for date in found["time"].values]
    found = found.assign_coords(time=np.array(years, dtype="datetime64[ns]"))
    air = found["air_temperature"].assign_attrs(
        long_name="air temperature at 1.5 m", cell_methods="time: mean"
    )
    source = f"Met Office Unified Model 6.05, scenario {name}"
    return _on_globe(air, source=source, calendar_of_source="360_day")


def _on_globe(array: xr.DataArray, **about: str) -> xr.Dataset:
    """Keep the three coordinates, with CF attributes, and nothing else."""
    array = array.drop_vars([name for name in array.coords if name not in array.dims])
    keep = ("standard_name", "long_name", "units", "cell_methods")
    array.attrs = {key: array.attrs[key] for key in keep if key in array.attrs}
    dataset = array.to_dataset().assign_attrs({**SOURCE, **about})
    dataset["latitude"].attrs = {**LATITUDE, "axis": "Y"}
    dataset["longitude"].attrs = {**LONGITUDE, "axis": "X"}
    dataset["time"].attrs = TIME
    return dataset


def glosea() -> xr.Dataset:
    """Seasonal forecast of surface temperature: 13 members, six months from August 2011.

    Dimensions number (13; member 6 is missing in the source), time (6), latitude (145,
    ascending), longitude (192, 0 to 360); ``surface_temperature`` in K.
    """
    members = {
        int(path.stem.removeprefix("ensemble_")): _load(path)
        for path in sorted(sample("GloSea4").glob("ensemble_*.pp"))
    }
    first = next(iter(members.values()))
    starts = [_times(cube, "forecast_reference_time")[0] for cube in members.values()]
    return xr.Dataset(
        {
            "surface_temperature": (
                ("number", "time", "latitude", "longitude"),
                np.stack([np.asarray(cube.data) for cube in members.values()]),
                {
                    "standard_name": "surface_temperature",
                    "long_name": "surface temperature",
                    "units": "K",
                    "cell_methods": "time: mean",
                },
            )
        },
        {
            "number": (
                "number",
                np.array(list(members), "int16"),
                {"standard_name": "realization", "long_name": "ensemble member", "units": "1"},
            ),
            "time": ("time", _times(first, "time"), TIME),
            "latitude": ("latitude", first.coord("latitude").points, {**LATITUDE, "axis": "Y"}),
            "longitude": ("longitude", first.coord("longitude").points, {**LONGITUDE, "axis": "X"}),
            "forecast_reference_time": (
                "number",
                np.array(starts),
                {"standard_name": "forecast_reference_time"},
            ),
        },
        {**SOURCE, "source": "GloSea4, Met Office Unified Model 7.6"},
    )


def lake_wind() -> xr.Dataset:
    """Mean wind of a December over and about Lake Victoria, 10 m above ground.

    Dimensions latitude (14, ascending), longitude (17); ``x_wind`` and ``y_wind`` in m s-1.
    """
    path = sample("wind_speed_lake_victoria.pp")
    cubes = {name: _load(path, name) for name in ("x_wind", "y_wind")}
    latitude, longitude = (cubes["x_wind"].coord(n).points for n in ("latitude", "longitude"))
    winds = {
        name: (
            ("latitude", "longitude"),
            np.asarray(cube.data),
            {"standard_name": name, "units": "m s-1", "cell_methods": "time: mean"},
        )
        for name, cube in cubes.items()
    }
    coordinates = {
        "latitude": ("latitude", latitude, LATITUDE),
        "longitude": ("longitude", longitude - 360, LONGITUDE),
        "height": ((), 10.0, {"standard_name": "height", "units": "m", "positive": "up"}),
    }
    about = {**SOURCE, "source": "Met Office Unified Model"}
    return xr.Dataset(winds, coordinates, about).sortby("latitude")


def uk_model_levels() -> xr.Dataset:
    """Potential temperature over the UK on seven model levels, three hours of 19 November 2009.

    Dimensions time (3), model_level_number (7), grid_latitude (204), grid_longitude (187) on a
    rotated pole, with two-dimensional latitude and longitude; ``air_potential_temperature``
    in K.
    """
    cube = _load(sample("uk_hires.pp"), "air_potential_temperature")
    level, *grid = LEVEL_GRID
    heights = cube.coord("level_height").points
    return xr.Dataset(
        {
            "air_potential_temperature": (
                ("time", level, *grid),
                np.asarray(cube.data),
                {
                    "standard_name": "air_potential_temperature",
                    "long_name": "air potential temperature",
                    "units": "K",
                    "grid_mapping": "rotated_pole",
                },
            )
        },
        {
            "time": ("time", _times(cube, "time"), TIME),
            level: (level, cube.coord(level).points, {"standard_name": level, "units": "1"}),
            "level_height": (level, heights, {"long_name": "height above ground", "units": "m"}),
            **_rotated_grid(cube),
        },
        {**SOURCE, "source": "UK model, Met Office Unified Model 7.3"},
    )


def _rotated_grid(cube: Any) -> dict[str, Any]:
    """The grid's own coordinates, what they are on the globe, and the pole."""
    _, *grid = LEVEL_GRID
    pole = cube.coord_system("RotatedGeogCS")
    north, east = pole.grid_north_pole_latitude, pole.grid_north_pole_longitude
    y, x = (cube.coord(name).points for name in grid)
    latitude, longitude = unrotated(y, x, north, east)
    altitude = {"standard_name": "surface_altitude", "units": "m"}
    return {
        grid[0]: (grid[0], y, {"standard_name": grid[0], "units": "degrees", "axis": "Y"}),
        grid[1]: (grid[1], x, {"standard_name": grid[1], "units": "degrees", "axis": "X"}),
        "latitude": (grid, latitude, LATITUDE),
        "longitude": (grid, longitude, LONGITUDE),
        "surface_altitude": (grid, cube.coord("surface_altitude").points, altitude),
        "rotated_pole": (
            (),
            0,
            {
                "grid_mapping_name": "rotated_latitude_longitude",
                "grid_north_pole_latitude": north,
                "grid_north_pole_longitude": east,
                "earth_radius": pole.ellipsoid.semi_major_axis,
            },
        ),
    }


def unrotated(
    y: np.ndarray, x: np.ndarray, pole_latitude: float, pole_longitude: float
) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude (degrees, each of shape (y, x)) of a rotated pole's grid."""
    lon, lat = np.meshgrid(np.radians(x), np.radians(y))
    pole = np.radians(pole_latitude)
    latitude = np.arcsin(np.sin(lat) * np.sin(pole) + np.cos(lat) * np.cos(lon) * np.cos(pole))
    east = np.arctan2(
        np.cos(lat) * np.sin(lon),
        np.sin(pole) * np.cos(lat) * np.cos(lon) - np.cos(pole) * np.sin(lat),
    )
    longitude = np.degrees(east) + pole_longitude + 180
    return (
        np.degrees(latitude).astype("f4"),
        ((longitude + 180) % 360 - 180).astype("f4"),
    )


def _load(path: Path, name: str | None = None) -> Any:
    """One cube of a PP file; iris is imported here, since it takes seconds."""
    import iris

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # iris tells about deprecations of its own
        return iris.load_cube(path, name)


def _times(cube: Any, name: str) -> np.ndarray:
    # PP times are hours of the standard calendar; iris's own conversion warns of its future.
    coordinate = cube.coord(name)
    assert str(coordinate.units) == "hours since 1970-01-01 00:00:00", coordinate.units
    seconds = np.rint(np.asarray(coordinate.points) * 3600).astype("i8")
    return seconds.astype("M8[s]").astype("M8[ns]")
