"""The table of events as a Panel component, for dashboards and pages outside Jupyter."""

import os
from typing import Any, ClassVar

import param
from panel.custom import AnyWidgetComponent

from .assets import module, stylesheet
from .inputs import EMPTY


class EventTableView(AnyWidgetComponent):
    """The table of :class:`~boathouse.EventTable` as a Panel component.

    Its parameters are the state of the table; :meth:`.EventTable.panel` makes one that is bound
    to a table.  Give ``height`` or a stretching ``sizing_mode`` to let it fill its place;
    otherwise it is ``frame_height`` high.

    Examples
    --------
    ::

        bh.events(collection="sst").panel(sizing_mode="stretch_width").servable()
    """

    rows = param.List(default=[], doc="What row_of() made, newest first.")
    inputs = param.Dict(default=dict(EMPTY), doc="What stands in the filter inputs.")
    paused = param.Boolean(default=False, doc="New events are held back.")
    waiting = param.Integer(default=0, doc="So many came while it was paused.")
    chosen = param.List(default=[], doc="Sequence numbers of the rows that are chosen.")
    opened = param.Integer(default=0, doc="The event that is shown whole; 0 for none.")
    detail = param.Dict(default={}, doc="Its n and its text, or an error.")
    known = param.Dict(default={"types": [], "collections": []}, doc="What inputs offer.")
    trouble = param.Dict(default={}, doc="text, and the field that is wrong; {} for none.")
    more = param.String(default="", doc="'more', 'further', 'full', or '' at the beginning.")
    pages = param.Integer(default=0, doc="Counts the pages of the past that were asked for.")
    served = param.Integer(default=0, doc="So many of them came.")
    note = param.String(default="", doc="In words, what holds besides the inputs.")
    theme = param.Selector(default="auto", objects=["auto", "light", "dark"])
    frame_height = param.Integer(default=420, bounds=(0, None), doc="Pixels; 0 fills the place.")

    _esm: ClassVar[str | os.PathLike[Any]] = module()
    _stylesheets: ClassVar[list[str]] = [stylesheet()]

    def __init__(self, **parameters: Any) -> None:
        if parameters.get("height") or parameters.get("sizing_mode") in (
            "stretch_both",
            "stretch_height",
        ):
            parameters["frame_height"] = 0
        super().__init__(**parameters)


def mirror(widget: Any, state: tuple[str, ...], **options: Any) -> EventTableView:
    """A component that shows the state of a notebook widget, bound both ways.

    Parameters
    ----------
    widget : EventTable
        What holds the state.
    state : tuple of str
        The names that both have.
    **options
        Parameters of the component.

    Returns
    -------
    EventTableView
        A new one; several may mirror one widget.
    """
    view = EventTableView(**{**widget.get_state(state), **options})

    def to_view(change: Any) -> None:
        view.param.update({change["name"]: change["new"]})

    def to_widget(*changes: Any) -> None:
        widget.set_state(
            {one.name: one.new for one in changes if getattr(widget, one.name) != one.new}
        )

    widget.observe(to_view, list(state))
    view.param.watch(to_widget, list(state))
    return view
