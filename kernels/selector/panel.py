"""The map as a Panel component, for dashboards and pages outside Jupyter."""

import os
from typing import Any, ClassVar

import param
from panel.custom import AnyWidgetComponent

from .assets import DETAILS, MODES, coastlines, module, stylesheet


class MapView(AnyWidgetComponent):
    """The map of :class:`~boathouse.PolytopeSelector` as a Panel component.

    Its parameters are the state of the map; the browser and Python both set them.  With
    ``mode="view"`` it is a picture to look at and click on, as dashboards want it; the
    drawing tools come with the other modes.  Give ``height`` or a stretching
    ``sizing_mode`` to let the map fill its place; otherwise it is ``frame_height`` high.

    Examples
    --------
    ::

        view = MapView(field=encode_field(ds.t2m.isel(time=0)), mode="view")
        view.param.watch(lambda change: print(change.new), "clicked")
    """

    field = param.Dict(default={}, doc="What encode_field() made; {} for none.")
    shape = param.Dict(default={}, doc="Shape.to_dict() of what is drawn; {} for none.")
    mode = param.Selector(default="pan", objects=list(MODES))
    clicked = param.List(default=[], doc="[longitude, latitude] of the last click (mode view).")
    marker = param.List(default=[], doc="[longitude, latitude] of the pin; [] for none.")
    bounds = param.List(default=[], doc="[west, south, east, north] in view; [] fits the field.")
    axes = param.List(
        default=[], item_type=dict, doc="Axes with a slider: name, label, units, values, size."
    )
    ranges = param.Dict(default={}, doc="Axis name -> [lowest index, highest index].")
    plan = param.Dict(
        default={}, doc="points, chunks, bytes, box_bytes, result_bytes, beyond; or error: text."
    )
    message = param.String(default="", doc="One line under the map.")
    asked = param.Integer(default=0, doc="Counts what the browser said and awaits figures of.")
    answer = param.Dict(default={}, doc="The last asked that is answered; shape if it is another.")
    theme = param.Selector(default="auto", objects=["auto", "light", "dark"])
    frame_height = param.Integer(
        default=420, bounds=(0, None), doc="Pixels, more on very wide pages; 0 fills the place."
    )
    land = param.String(default="", doc="Packed coastlines; the component sets it itself.")
    detail = param.Integer(default=DETAILS[0], doc="The coastlines' scale that the view wants.")

    _esm: ClassVar[str | os.PathLike[Any]] = module()
    _stylesheets: ClassVar[list[str]] = [stylesheet()]

    def __init__(self, **parameters: Any) -> None:
        if parameters.get("height") or "stretch" in str(parameters.get("sizing_mode", "")):
            fills = parameters.get("height") or parameters.get("sizing_mode") != "stretch_width"
            parameters.setdefault("frame_height", 0 if fills else 420)
        parameters.setdefault("land", coastlines(parameters.get("detail", DETAILS[0])))
        self._mirrors = False
        super().__init__(**parameters)

    @param.depends("asked", watch=True)
    def _answer(self) -> None:
        if not self._mirrors:  # nobody counts, so nobody need be waited for
            self.answer = {"asked": self.asked}

    @param.depends("detail", watch=True)
    def _send_finer_coastlines(self) -> None:
        self.land = coastlines(self.detail)


def mirror(widget: Any, state: tuple[str, ...], **options: Any) -> MapView:
    """A component that shows the state of a notebook widget, bound both ways.

    Parameters
    ----------
    widget : ipywidgets.Widget
        What holds the state; its traits travel as they travel to a browser.
    state : tuple of str
        The names that both have.
    **options
        Parameters of the component.

    Returns
    -------
    MapView
        A new one; several may mirror one widget.
    """
    view = MapView(**{**widget.get_state(state), **options})
    view._mirrors = True

    def to_view(change: Any) -> None:
        view.param.update(widget.get_state(change["name"]))

    def to_widget(*changes: Any) -> None:
        # One by one: a shape that is drawn is put together with the ranges of that moment, and
        # what is asked is answered when the rest has been heard.
        for change in sorted(changes, key=lambda one: one.name == "asked"):
            if widget.get_state(change.name)[change.name] != change.new:
                widget.set_state({change.name: change.new})

    widget.observe(to_view, list(state))
    view.param.watch(to_widget, list(state))
    return view
