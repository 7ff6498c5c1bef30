"""Makes a shape of an EDR query, over the axes that a cube has."""

from collections.abc import Callable, Mapping
from typing import Any

import xarray as xr

from ...catalogs.errors import BadRequest, BadShape
from ...kernels.polytope.shapes import Box, Disk, Point, Polygon, Shape, Union
from . import extract_parameters as parameters
from .extract_axes import (
    PLACE,
    Asked,
    and_the_rest,
    axes_of,
    covered_by,
    further_axes,
    is_geographic,
    rows_of,
)
from .extract_corridor import corridor
from .extract_geometry import Vertices, read_lines, read_points, read_polygons


def shape_of(kind: str, given: Mapping[str, str], dataset: xr.Dataset) -> Shape:
    """The shape that an EDR query means.

    Parameters
    ----------
    kind : str
        position, radius, area, cube, trajectory or corridor.
    given : mapping of str to str
        The query's parameters.
    dataset : xr.Dataset
        The cube.

    Returns
    -------
    Shape
        Places on the map, times, levels and further dimensions, as far as they are given.

    Raises
    ------
    BadRequest
        Naming the parameter that is unknown, missing or wrong (a ``BadShape`` where the parameter
        does not fit the cube).

    Examples
    --------
    >>> cube = xr.Dataset(coords={"lat": [50.0, 51.0], "lon": [0.0, 1.0]})
    >>> shape_of("cube", {"bbox": "0,50,1,51"}, cube)
    Box(latitude=(50, 51), longitude=(0, 1))
    """
    axes = axes_of(dataset)
    parameters.check_names(kind, given, axes.others)
    if "crs" in given:
        parameters.check_crs(given["crs"])
    if not is_geographic(dataset):
        raise BadRequest(
            f"The collection has no latitude and longitude; ask for it by its own axes: POST "
            f"retrieve instead of {kind}.",
            field="coords",
        )
    return SHAPES[kind](Asked(kind, given, dataset, axes))


def _position(asked: Asked) -> Shape:
    points = read_points(parameters.required(asked.given, "coords", "POINT(-0.1 51.5)"))
    return _nearest([points], asked)


def _trajectory(asked: Asked) -> Shape:
    example = "LINESTRING(-5 50,2 55)"
    return _nearest(read_lines(parameters.required(asked.given, "coords", example)), asked)


def _nearest(lines: list[Vertices], asked: Asked) -> Shape:
    """The grid point next to each vertex."""
    axes = [*PLACE, *further_axes(lines[0], asked)]
    points = [point for line in lines for point in rows_of(line)]
    return and_the_rest(Point(axes, points, method="nearest"), asked, covered=covered_by(lines[0]))


def _radius(asked: Asked) -> Shape:
    centres = read_points(parameters.required(asked.given, "coords", "POINT(-0.1 51.5)"))
    radius = parameters.parse_kilometres(asked.given, "within", "within-units")
    disks = [
        Disk(PLACE, (latitude, longitude), radius, unit="km")
        for longitude, latitude in centres.places
    ]
    if centres.levels:
        raise BadShape("coords: a radius is flat; give levels as z.", field="coords")
    return and_the_rest(disks[0] if len(disks) == 1 else Union(*disks), asked)


def _area(asked: Asked) -> Shape:
    example = "POLYGON((-6 50,2 50,2 55,-6 50))"
    outer, holes = read_polygons(parameters.required(asked.given, "coords", example))
    return and_the_rest(Polygon(PLACE, outer, holes), asked)


def _cube(asked: Asked) -> Shape:
    edges = parameters.parse_bbox(parameters.required(asked.given, "bbox", "-6,50,2,55"))
    west, south, east, north = (edges[0], edges[1], edges[-3], edges[-2])
    if len(edges) == 4:
        west, south, east, north = edges
    else:
        west, south, _, east, north, _ = edges
    if south > north:
        raise BadShape(
            f"bbox: the south {south} lies north of the north {north}; exchange them.", field="bbox"
        )
    # The standard's way to write a box across the date line.
    east = east + 360 if west > east else east
    ranges: dict[str, tuple[Any, Any]] = {"latitude": (south, north), "longitude": (west, east)}
    if len(edges) == 6:
        if asked.axes.level is None:
            raise BadShape(
                "bbox: the collection has no vertical axis; give 4 numbers.", field="bbox"
            )
        ranges[asked.axes.level] = (edges[2], edges[5])
    return and_the_rest(Box(ranges), asked, covered=["z"] * (len(edges) == 6))


SHAPES: dict[str, Callable[[Asked], Shape]] = {
    "position": _position,
    "radius": _radius,
    "area": _area,
    "cube": _cube,
    "trajectory": _trajectory,
    "corridor": corridor,
}
