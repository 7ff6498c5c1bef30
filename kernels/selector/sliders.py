"""The axes of a cube that are not on the map: a slider each, and the ranges that they choose."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ...catalogs.errors import BadShape
from ..polytope.axes import Axis
from ..polytope.finding import find_axis
from ..polytope.ranges import TOLERANCE, places_of, span_rows
from ..polytope.shapes import Select, Span
from .field import format_value, label_of

# An axis longer than this sends only the texts of its two handles to the browser.
MOST_TEXTS = 4000
# Single values that leave gaps are named beside the slider, when they are few.
_MOST_NAMED = 4

Range = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Slider:
    """One axis and its values in the order of the cube.

    Attributes
    ----------
    axis : Axis
        The axis; its name is what a Span over it uses.
    values : array, shape (size,)
        The coordinate, or 0, 1, ... where there is none.
    label, units : str
        For people.
    """

    axis: Axis
    values: npt.NDArray[Any]
    label: str
    units: str

    @property
    def whole(self) -> Range:
        """The range of all values."""
        return 0, len(self.values) - 1

    @property
    def has_order(self) -> bool:
        """Whether neighbours along the dimension are neighbours in value."""
        return self.axis.kind != "label" and self.axis.direction != 0

    def entry(self, low: int, high: int, chosen: Span | Select | None = None) -> dict[str, Any]:
        """What the browser needs: name, label, units, size, texts, and those of the handles."""
        texts = [] if len(self.values) > MOST_TEXTS else [format_value(v) for v in self.values]
        return {
            "name": self.axis.name,
            "label": self.label,
            "units": self.units,
            "size": len(self.values),
            "values": texts,
            "shown": [] if texts else [format_value(self.values[index]) for index in (low, high)],
            "chosen": self._gaps(chosen),
        }

    def choice(self, chosen: Range) -> Span | Select:
        """What lies between two handles, both included: a range, or values where there is none."""
        ends = self.values[chosen[0]], self.values[chosen[1]]
        if not self.has_order:
            return Select(self.axis.name, list(self.values[chosen[0] : chosen[1] + 1]))
        lower, upper = ends if self.axis.direction > 0 else ends[::-1]
        return Span(self.axis.name, lower, upper)

    def range_of(self, chosen: Span | Select) -> Range:
        """The handles that show a choice; of single values the first and the last.

        Raises
        ------
        BadShape
            If no value of the axis lies in it, or its kind is wrong.
        """
        if isinstance(chosen, Select):
            found = self._indices(chosen)
            return int(found.min()), int(found.max())
        rows = span_rows(self.axis, chosen.lower, chosen.upper, TOLERANCE)
        if rows.count == 0:
            raise BadShape(
                f"{self.axis.name}: nothing lies in {chosen.lower} to {chosen.upper}; the cube "
                f"{self.axis.extent}",
                field=self.axis.name,
            )
        return int(rows.start.min()), int(rows.stop.max()) - 1

    def _indices(self, chosen: Select) -> npt.NDArray[np.int64]:
        found = [
            places_of(self.axis, value, chosen.method, chosen.k, TOLERANCE)
            for value in chosen.values
        ]
        return np.unique(self.axis.index[np.concatenate(found)])

    def _gaps(self, chosen: Span | Select | None) -> str:
        if not isinstance(chosen, Select):
            return ""
        found = self._indices(chosen)
        if found[-1] - found[0] == len(found) - 1:
            return ""
        if len(found) > _MOST_NAMED:
            return f"{len(found)} values"
        return f"{', '.join(format_value(self.values[at]) for at in found)} {self.units}".strip()

    def checked(self, chosen: Any) -> Range:
        """A range as the browser sent it, brought into the axis."""
        try:
            low, high = sorted(int(index) for index in chosen)
        except (TypeError, ValueError):
            raise BadShape(
                f"ranges: {self.axis.name} needs [low index, high index]", field="ranges"
            ) from None
        last = len(self.values) - 1
        return min(max(low, 0), last), min(max(high, 0), last)


def sliders_of(dataset: xr.Dataset, dims: Iterable[Hashable]) -> dict[str, Slider]:
    """The sliders of some dimensions, by the name of the axis.

    Dimensions of one value have none.
    """
    found: dict[str, Slider] = {}
    for dim in dims:
        axis = find_axis(dataset, str(dim))
        if axis.size < 2:
            continue
        named = axis.name in dataset.coords
        values = dataset[axis.name].to_numpy() if named else np.arange(axis.size)
        units = str(dataset[axis.name].attrs.get("units", "")) if named else ""
        plain = axis.kind in ("number", "integer") and units != "1"
        label = label_of(dataset[axis.name]) if named else axis.name
        found[axis.name] = Slider(axis, values, label, units if plain else "")
    return found
