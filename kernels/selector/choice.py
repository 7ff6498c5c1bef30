"""What is chosen on the map and on the sliders, as one shape."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from ..polytope.naming import resolve
from ..polytope.shapes import Box, Product, Select, Shape, Span
from .sliders import Slider


class Choice:
    """A shape in three parts: the area on the map, a span or values a slider, and the rest.

    The area may reach along further axes, as a track through time does.

    Parameters
    ----------
    dataset : Dataset
        The cube; only its coordinates are looked at.
    places : tuple of str
        The names of latitude and longitude.
    sliders : mapping of str to Slider
        By the name of the axis.
    """

    def __init__(
        self, dataset: xr.Dataset, places: tuple[str, str], sliders: Mapping[str, Slider]
    ) -> None:
        self._dataset = dataset
        self._places = places
        self._sliders = sliders
        self._shape: Shape | None = None
        self._area: Shape | None = None
        self._rest: tuple[Shape, ...] = ()
        self._coupled: frozenset[str] = frozenset()
        self._suspended = False
        self.spans: dict[str, Span | Select] = {}
        self.ranges: dict[str, list[int]] = self._ranges_of({})

    @property
    def shape(self) -> Shape | None:
        """All of it; None if nothing is chosen."""
        return self._shape

    def adopt(self, shape: Shape | None) -> None:
        """Take a whole shape, from Python.

        Raises
        ------
        BadShape
            If it names an axis that the cube has not, or a span meets no value of its slider;
            the choice is as it was before.
        """
        if shape == self._shape and not self._suspended:
            return
        area, rest, spans = self._split(shape)
        self.ranges = self._ranges_of(spans)
        self._shape, self._area, self._rest, self.spans = shape, area, rest, spans
        several = [part for part in rest if len(part.axes) > 1]
        self._coupled = self._names_of(area).union(*map(self._names_of, several))
        self._suspended = False

    def suspend(self) -> None:
        """Have no shape for a while, and keep what the sliders hold."""
        self._shape = self._area = None
        self._rest, self._coupled = (), frozenset()
        self._suspended = True

    def with_drawn(self, drawn: Shape | None) -> Shape | None:
        """The shape that it would be with what was drawn on the map.

        An area is put together with the ranges of now; a shape with ranges is taken whole.
        """
        _, rest, spans = self._split(drawn)
        return drawn if rest or spans else self._with_area(drawn)

    def _with_area(self, area: Shape | None) -> Shape | None:
        # An area along time (a ship's track) says all about time; the slider only shows it.
        said = self._names_of(area)
        spans = [span for name, span in self.spans.items() if name not in said]
        rest = [part for part in self._rest if not self._names_of(part) & said]
        return _product(area, *rest, *spans)

    def _names_of(self, area: Shape | None) -> frozenset[str]:
        return (
            frozenset(resolve(self._dataset, name) for name in area.axes) if area else frozenset()
        )

    def slide(self, ranges: Mapping[str, Any]) -> None:
        """Take the handles of the sliders; spans whose handles did not move stay exact."""
        moved = {name: chosen for name, chosen in ranges.items() if chosen != self.ranges[name]}
        for name, chosen in moved.items():
            slider = self._sliders[name]
            self._rest = tuple(
                part for part in self._rest if self._names_of(part) != frozenset({name})
            )
            self.ranges = {**self.ranges, name: list(chosen)}
            if tuple(chosen) == slider.whole or name in self._coupled:
                self.spans.pop(name, None)
            else:
                self.spans[name] = slider.choice((chosen[0], chosen[1]))
        if moved and not self._suspended:
            self._shape = self._with_area(self._area)

    def _split(
        self, shape: Shape | None
    ) -> tuple[Shape | None, tuple[Shape, ...], dict[str, Span | Select]]:
        rest: list[Shape] = []
        spans: dict[str, Span | Select] = {}
        band: dict[str, tuple[Any, Any]] = {}
        area: Shape | None = None
        for factor in shape.factors() if shape is not None else ():
            names = [resolve(self._dataset, name) for name in factor.axes]
            if isinstance(factor, Span) and names[0] in self._places:
                band[factor.axis] = (factor.lower, factor.upper)
            elif isinstance(factor, Span | Select) and names[0] in self._sliders:
                spans[names[0]] = factor
            elif set(names) >= set(self._places):
                area = factor
            else:
                rest.append(factor)
        return (Box(band) if band else area), tuple(rest), spans

    def _ranges_of(self, spans: Mapping[str, Span | Select]) -> dict[str, list[int]]:
        return {
            name: list(slider.range_of(spans[name]) if name in spans else slider.whole)
            for name, slider in self._sliders.items()
        }


def _product(*parts: Shape | None) -> Shape | None:
    given = [part for part in parts if part is not None]
    return given[0] if len(given) == 1 else Product(*given) if given else None
