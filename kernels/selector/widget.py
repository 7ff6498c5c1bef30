"""The map in a notebook: draw a shape on a cube, see what it costs, cut it out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets
import xarray as xr
from traitlets.utils.bunch import Bunch

from ...catalogs.errors import BadRequest, BadShape
from ..polytope.accessor import PolytopeAccessor
from ..polytope.plan import Plan
from ..polytope.shapes import Shape
from .assets import DETAILS, MODES, coastlines, module, stylesheet
from .choice import Choice
from .field import encode_field, map_axes, thin
from .sliders import sliders_of

if TYPE_CHECKING:
    from .panel import MapView

# What both mounts of the map share; its coastlines each mount sends by itself.
STATE = (
    "field", "shape", "mode", "clicked", "marker", "bounds", "axes", "ranges", "plan", "message",
    "asked", "answer", "theme", "frame_height",
)  # fmt: skip
_FIGURES = ("points", "chunks", "bytes", "box_bytes", "result_bytes")


def _write_shape(shape: Shape | None, widget: "PolytopeSelector") -> dict[str, Any]:
    return dict(widget.refused) if shape is None else shape.to_dict()


def _read_shape(document: Mapping[str, Any], widget: "PolytopeSelector") -> Shape | None:
    return widget._from_browser(document)


def _write_plan(plan: Plan | None, widget: "PolytopeSelector") -> dict[str, Any]:
    if plan is None:
        return {"error": widget.problem} if widget.problem else {}
    figures = {name: getattr(plan, name) for name in _FIGURES}
    return {**figures, "beyond": list(plan.beyond)}


class _Chosen(traitlets.Any):
    """Anything, of which None too goes through the validator."""

    allow_none = False


class PolytopeSelector(anywidget.AnyWidget):
    """A map on which a shape is drawn over a cube.

    Parameters
    ----------
    ds : Dataset or DataArray
        The cube.  Only the field that is shown is read.
    variable : str, optional
        The variable under the map; by default the first one with latitude and longitude.
    shape : Shape, mapping or geometry, optional
        What is chosen at the start; see the attribute.
    colormap : str
        A name known to matplotlib.
    **options
        Further state of the map: ``mode`` ("pan", "polygon", "box", "disk", "path", "country"),
        ``bounds`` (west, south, east, north), ``theme`` ("auto", "light", "dark"),
        ``frame_height`` (pixels; half as much again on very wide pages).

    Attributes
    ----------
    shape : Shape or None
        What is chosen: what is drawn (Polygon, Box, Disk, Path; several parts are a Union with
        tags), and a Span for each slider that does not hold the whole axis.  Setting it draws
        it; all that :meth:`Shape.of` takes is understood.
    plan : Plan or None
        What :meth:`extract` will read, as ``ds.polytope.plan`` says.

    Raises
    ------
    BadRequest
        If no variable has latitude and longitude, or there is no such variable.
    BadShape
        Also later, when a shape is set that does not fit the cube.

    Examples
    --------
    ::

        pick = bh.PolytopeSelector(ds)
        pick                      # draw
        pick.shape, pick.plan
        cut = pick.extract()
    """

    _esm = module()
    _css = stylesheet()

    field = traitlets.Dict().tag(sync=True)
    shape = _Chosen(None).tag(sync=True, to_json=_write_shape, from_json=_read_shape)
    mode = traitlets.Enum(MODES, "pan").tag(sync=True)
    clicked = traitlets.List().tag(sync=True)
    marker = traitlets.List().tag(sync=True)
    bounds = traitlets.List().tag(sync=True)
    axes = traitlets.List().tag(sync=True)
    ranges = traitlets.Dict().tag(sync=True)
    plan = traitlets.Any(None, allow_none=True).tag(sync=True, to_json=_write_plan)
    message = traitlets.Unicode().tag(sync=True)
    asked = traitlets.Int(0).tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)
    theme = traitlets.Enum(["auto", "light", "dark"], "auto").tag(sync=True)
    frame_height = traitlets.Int(420, min=0).tag(sync=True)
    land = traitlets.Unicode().tag(sync=True)
    detail = traitlets.Int(DETAILS[0]).tag(sync=True)

    def __init__(
        self,
        ds: xr.Dataset | xr.DataArray,
        variable: str | None = None,
        *,
        shape: Any = None,
        colormap: str = "viridis",
        **options: Any,
    ) -> None:
        dataset = ds if isinstance(ds, xr.Dataset) else _as_dataset(ds)
        cube = _choose_variable(dataset, variable)
        places = map_axes(cube)
        plane = {cube[name].dims[0] for name in places}
        self._cube = cube
        self._accessor = PolytopeAccessor(dataset)
        self._sliders = sliders_of(dataset, [dim for dim in cube.dims if dim not in plane])
        self._choice = Choice(dataset, places, self._sliders)
        # Coordinates that neither the map nor a slider shows would only make the caption long.
        shown = {*cube.dims, *places, *self._sliders}
        self._plain = cube.drop_vars([name for name in cube.coords if name not in shown])
        self._colormap = colormap
        self._index: dict[Any, int] | None = None
        self._limits: dict[Any, tuple[float, float]] = {}
        self._drawn: Shape | None = None
        self.problem = ""
        self.refused: dict[str, Any] = {}
        self._refusal = ""
        self._hears = self._is_news = False
        super().__init__(land=coastlines(DETAILS[0]), ranges=self._choice.ranges, **options)
        self._draw()
        if shape is not None:
            self.shape = shape

    def __repr__(self) -> str:
        """What a notebook keeps of it when no browser draws it."""
        return f"<PolytopeSelector of {self._cube.name}: {self.shape or 'nothing chosen'}>"

    def extract(self) -> xr.Dataset:
        """Cut the chosen shape out of the cube.

        Returns
        -------
        Dataset
            Lazy, as ``ds.polytope.extract`` gives it.

        Raises
        ------
        BadShape
            If nothing is chosen yet, or nothing of the cube lies in it.
        """
        if self.shape is None and self.problem:
            raise BadShape(self.problem, field="shape")
        if self.shape is None:
            raise BadShape(
                "Nothing is chosen yet: draw on the map, move a slider, or set pick.shape.",
                field="shape",
            )
        self._plan_of(self.shape)  # a shape that holds nothing is refused
        return self._accessor.extract(self.shape)

    def panel(self, **options: Any) -> "MapView":
        """The same map as a Panel component, bound to this one both ways.

        Parameters
        ----------
        **options
            Layout and further parameters of the component.

        Returns
        -------
        MapView
            A Panel viewable (it needs ``boathouse[hub]``).

        Examples
        --------
        ::

            pick.panel(sizing_mode="stretch_width").servable()
        """
        from .panel import mirror

        return mirror(self, STATE, **options)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the browser says, and answer when all that follows from it is done."""
        self._hears, self._is_news = True, False
        try:
            super().set_state(sync_data)
            if "shape" in sync_data and self.shape is None:
                self._count()
        finally:
            self._hears = False
            if self.asked != self.answer.get("asked", 0):
                # Its own drawing is not sent back: by now it may hold the next one.
                news = {"shape": _write_shape(self.shape, self)} if self._is_news else {}
                self.answer = {"asked": self.asked, **news}

    def _from_browser(self, document: Mapping[str, Any]) -> Shape | None:
        """What was drawn, together with what the sliders hold."""
        # The browser may draw what is no shape, or lies outside the cube: that is shown there,
        # where it can be mended, for nobody could catch an error.
        self.refused, self._refusal = {}, ""
        try:
            self._drawn = self._choice.with_drawn(Shape.of(document) if document else None)
        except BadShape as error:
            self._drawn, self.refused, self._refusal = None, dict(document), str(error)
        return self._drawn

    @traitlets.validate("shape")
    def _check_shape(self, proposal: Bunch) -> Shape | None:
        value = proposal["value"]
        shape = None if value is None or value == {} else Shape.of(value)
        if shape is not self._drawn and shape != self._choice.shape:
            self._is_news = True
            if shape is not None:
                self._plan_of(shape)
        if self.refused and not self._hears:
            # What was refused is still drawn; None in place of None would be no news.
            self.refused, self._refusal = {}, ""
            if shape is None and self.shape is None:
                self._tell("shape")
        return shape

    @traitlets.validate("ranges")
    def _check_ranges(self, proposal: Bunch) -> dict[str, list[int]]:
        given = proposal["value"]
        return {
            name: list(slider.checked(given[name]) if name in given else slider.whole)
            for name, slider in self._sliders.items()
        }

    # The two observers set each other's trait; that ends because what is equal is no change.

    @traitlets.observe("shape")
    def _follow_shape(self, _change: Bunch) -> None:
        if self.refused:
            self._choice.suspend()
        else:
            self._choice.adopt(self.shape)
        self.ranges = self._choice.ranges
        self._count()

    @traitlets.observe("ranges")
    def _follow_ranges(self, _change: Bunch) -> None:
        self._choice.slide(self.ranges)
        self.shape = self._choice.shape
        self._draw()

    @traitlets.observe("detail")
    def _send_finer_coastlines(self, _change: Bunch) -> None:
        self.land = coastlines(self.detail)

    def _count(self) -> None:
        """Bring the plan's figures, or why there are none, beside the map."""
        before, self.problem = self.problem, self._refusal
        plan: Plan | None = None
        if self.shape is not None:
            try:
                plan = self._plan_of(self.shape)
            except BadShape as error:
                self.problem = str(error)
        if plan is None and self.plan is None and self.problem != before:
            self._tell("plan")
        self.plan = plan

    def _plan_of(self, shape: Shape) -> Plan:
        plan = self._accessor.plan(shape)
        if plan.empty:
            raise BadShape(plan.empty)
        return plan

    def _tell(self, name: str) -> None:
        """Send a trait that is None as before, but means something else."""
        self.notify_change(Bunch(name=name, old=None, new=None, owner=self, type="change"))

    def _draw(self) -> None:
        """Show the field at the lower handle of every slider."""
        index: dict[Any, int] = dict.fromkeys(self._cube.dims, 0)
        for name, slider in self._sliders.items():
            index[slider.axis.dim] = self.ranges[name][0]
        for name in map_axes(self._cube):
            del index[self._cube[name].dims[0]]
        self.axes = [
            slider.entry(self.ranges[name][0], self.ranges[name][1], self._choice.spans.get(name))
            for name, slider in self._sliders.items()
        ]
        if index == self._index:
            return
        self._index = index
        field = thin(self._plain.isel(index)).load()
        low, high = self._scale(index, field)
        self.field = dict(encode_field(field, vmin=low, vmax=high, colormap=self._colormap))

    def _scale(self, index: Mapping[Any, int], field: xr.DataArray) -> tuple[float, float]:
        """The ends of the colour bar: those of all fields shown so far at the same levels.

        Along time and members the colours thus mean the same; from level to level they differ.
        """
        kinds = {slider.axis.dim: slider.axis.kind for slider in self._sliders.values()}
        levels = tuple(at for dim, at in index.items() if kinds.get(dim) == "number")
        finite = field.values[np.isfinite(field.values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        if levels in self._limits and finite.size:
            low = min(low, self._limits[levels][0])
            high = max(high, self._limits[levels][1])
        self._limits[levels] = (low, high)
        return low, high


def _as_dataset(cube: xr.DataArray) -> xr.Dataset:
    return cube.to_dataset(name=cube.name or "field")


def _choose_variable(dataset: xr.Dataset, variable: str | None) -> xr.DataArray:
    if variable is not None:
        if variable not in dataset.data_vars:
            raise BadRequest(
                f"The cube has no variable {variable!r}; it has {', '.join(map(str, dataset))}.",
                field="variable",
            )
        return dataset[variable]
    for cube in dataset.data_vars.values():
        try:
            map_axes(cube)
        except BadShape:
            continue
        if cube.dtype.kind in "iufb":
            return cube
    raise BadRequest(
        f"No variable has latitude and longitude, so there is no map to draw on: "
        f"{', '.join(map(str, dataset)) or 'the cube is empty'}.",
        field="ds",
    )
