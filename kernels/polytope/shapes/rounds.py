"""Round shapes: disks over two axes, in their units or in kilometres, and ellipsoids."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from ....catalogs.errors import BadShape
from ..shape import Shape
from ..values import Value
from .fields import Place, axis_names, document_fields, lengths, listed, place
from .geodesics import caps_bounds
from .lengths import moved


class Disk(Shape):
    """The inside and the edge of a circle or an ellipse over two axes.

    Parameters
    ----------
    axes : (str, str)
        The two axes.
    centre : (a, b)
        Its middle.
    radius : number, or one for each axis
        In the axes' own units (on an axis of times a duration); or in kilometres.
    unit : "degrees" or "km"
        With "km" the axes are latitude and longitude, and the disk holds what lies within one
        great-circle distance on a sphere of 6371.0088 km: also across the date line and a pole.

    Raises
    ------
    BadShape
        If there are not two axes, the radius is negative or does not fit the centre, or the unit
        is unknown.

    Examples
    --------
    >>> Disk(("latitude", "longitude"), (51.5, -0.1), 200, unit="km")
    Disk(('latitude', 'longitude'), (51.5, -0.1), 200, unit='km')
    """

    centre: Place
    radius: tuple[Value, Value]
    unit: str

    def __init__(
        self, axes: Sequence[str], centre: Any, radius: Any, unit: str = "degrees"
    ) -> None:
        names = axis_names(axes, "Disk", 2, 2)
        if unit not in ("degrees", "km"):
            raise BadShape(
                f"unit: {unit!r} is unknown; give 'degrees' (the axes' own units) or 'km'",
                field="unit",
            )
        found = lengths(radius, names)
        self._set(axes=names, centre=place(centre, names, "centre"), radius=found, unit=unit)
        if unit == "km":
            self._check_km()
        self.bounds()  # refuses a radius that does not fit the centre

    def bounds(self) -> dict[str, tuple[Value, Value]]:
        """How far it reaches on each axis; over a pole all longitudes, counted from the centre."""
        if self.unit == "km":
            north = self.latitude
            centre = (self.centre[north], self.centre[1 - north])
            found = caps_bounds([centre], self.radius[0])
            return (
                {self.axes[north]: found[0], self.axes[1 - north]: found[1]}
                if north == 0
                else {
                    self.axes[0]: found[1],
                    self.axes[1]: found[0],
                }
            )
        return _round_bounds(self.axes, self.centre, self.radius)

    @property
    def latitude(self) -> int:
        """Which of the axes is the latitude by its name; the first, if the names do not say."""
        return latitude_of(self.axes)

    def _check_km(self) -> None:
        if self.radius[0] != self.radius[1]:
            raise BadShape("radius: one number of kilometres is needed", field="radius")
        for axis, value in zip(self.axes, (*self.centre, *self.radius), strict=False):
            if isinstance(value, str):
                raise BadShape(
                    f"{axis}: a disk in kilometres lies over latitude and longitude in degrees",
                    field=axis,
                )
        if isinstance(self.radius[0], str):
            raise BadShape("radius: a number of kilometres is needed", field="radius")
        axis, value = self.axes[self.latitude], self.centre[self.latitude]
        if not isinstance(value, str) and abs(value) > 90:
            raise BadShape(f"{axis}: {value} is no latitude; give -90 to 90", field=axis)

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "Disk", "axes": [a, b], "centre": [..], "radius": [..], "unit": ...}``."""
        return {
            "type": "Disk",
            "axes": list(self.axes),
            "centre": list(self.centre),
            "radius": list(self.radius),
            "unit": self.unit,
        }

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        names = ("axes", "centre", "radius")
        axes, centre, radius = document_fields(document, names, optional=("unit",))
        return cls(listed(axes, "axes"), centre, radius, document.get("unit") or "degrees")

    def _key(self) -> object:
        return self.axes, self.centre, self.radius, self.unit

    def __repr__(self) -> str:
        unit = "" if self.unit == "degrees" else f", unit={self.unit!r}"
        return f"Disk({self.axes}, {self.centre}, {_radius_text(self.radius)}{unit})"


class Ellipsoid(Shape):
    """The inside and the edge of an ellipsoid over two or more axes, usually three.

    Parameters
    ----------
    axes : sequence of str
        The axes.
    centre : sequence of values
        Its middle.
    radius : number, or one for each axis
        Its half axes, along the axes of the cube; on an axis of times a duration.

    Raises
    ------
    BadShape
        If there are fewer than two axes, or a radius is negative or does not fit the centre.

    Examples
    --------
    >>> axes = ("latitude", "longitude", "time")
    >>> Ellipsoid(axes, (50, 0, "2026-01-01"), (2, 3, "6h")).bounds()["time"]
    ('2025-12-31T18:00:00', '2026-01-01T06:00:00')
    """

    centre: Place
    radius: tuple[Value, ...]

    def __init__(self, axes: Sequence[str], centre: Any, radius: Any) -> None:
        names = axis_names(axes, "Ellipsoid", 2)
        self._set(axes=names, centre=place(centre, names, "centre"), radius=lengths(radius, names))
        self.bounds()  # refuses a radius that does not fit the centre

    def bounds(self) -> dict[str, tuple[Value, Value]]:
        """The centre less and plus the radius, on each axis."""
        return _round_bounds(self.axes, self.centre, self.radius)

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "Ellipsoid", "axes": [...], "centre": [...], "radius": [...]}``."""
        return {
            "type": "Ellipsoid",
            "axes": list(self.axes),
            "centre": list(self.centre),
            "radius": list(self.radius),
        }

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        axes, centre, radius = document_fields(document, ("axes", "centre", "radius"))
        return cls(listed(axes, "axes"), centre, radius)

    def _key(self) -> object:
        return self.axes, self.centre, self.radius

    def __repr__(self) -> str:
        return f"Ellipsoid({self.axes}, {self.centre}, {_radius_text(self.radius)})"


def latitude_of(axes: Sequence[str]) -> int:
    """Which of two axes is the latitude by its name; the first, if the names do not say."""
    first, second = (axis.lower() for axis in axes)
    if "lat" in first or "lon" in second:
        return 0
    return 1 if "lat" in second or "lon" in first or (first, second) == ("x", "y") else 0


def _round_bounds(
    axes: Sequence[str], centre: Sequence[Value], radius: Sequence[Value]
) -> dict[str, tuple[Value, Value]]:
    return {
        axis: (moved(middle, length, axis, back=True), moved(middle, length, axis))
        for axis, middle, length in zip(axes, centre, radius, strict=True)
    }


def _radius_text(radius: tuple[Value, ...]) -> str:
    return repr(radius[0]) if len(set(radius)) == 1 else repr(radius)
