"""The table of events in a notebook: live, filtered, and open to the whole of each event."""

import weakref
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets
from traitlets.utils.bunch import Bunch

from ...catalogs.errors import BadEvent, BoathouseError
from ...catalogs.events.conditions import make_filter
from ...catalogs.events.event import Event, EventFilter
from ...catalogs.lake import LakeLike, open_lake
from .assets import module, stylesheet
from .feed import Feed
from .inputs import EMPTY, describe, read_inputs, write_inputs
from .rows import row_of, text_of

if TYPE_CHECKING:
    from .panel import EventTableView

# What both mounts of the table share.
STATE = (
    "rows", "inputs", "paused", "waiting", "chosen", "opened", "detail", "known", "trouble",
    "more", "pages", "served", "note", "theme", "frame_height",
)  # fmt: skip
# So many types and collections are offered.
_OFFERED = 100


class EventTable(anywidget.AnyWidget):
    """A live table of events, newest first.

    Parameters
    ----------
    type : str or sequence of str, optional
        Only events of exactly this type; ``"org.example.*"`` is each that begins so.
    lake : Lake, path or None, optional
        The default lake when None.
    paused : bool, optional
        Begin without showing what comes.
    theme : {"auto", "light", "dark"}, optional
        By default that of the page.
    frame_height : int, optional
        Pixels; 0 fills the place.
    **conditions
        As for :func:`boathouse.listen`: ``collection``, ``source``, ``subject``, ``since``,
        ``until``, ``bbox``, ``area``, ``where`` and fields such as ``cloud_cover={"lt": 20}``.

    Attributes
    ----------
    filter : EventFilter
        What the table shows; setting it fills the inputs.
    events : list of Event
        What is in the table, newest first.
    selection : list of Event
        The rows that are chosen, newest first; may be set.
    paused : bool
        Whether new events are held back.

    Raises
    ------
    BadEvent
        When a condition is wrong; ``field`` names it.

    Examples
    --------
    ::

        table = bh.events(collection="sst")
        table
        table.selection[0].data
    """

    _esm = module()
    _css = stylesheet()

    rows = traitlets.List().tag(sync=True)
    inputs = traitlets.Dict(dict(EMPTY)).tag(sync=True)
    paused = traitlets.Bool(False).tag(sync=True)
    waiting = traitlets.Int(0).tag(sync=True)
    chosen = traitlets.List().tag(sync=True)
    opened = traitlets.Int(0).tag(sync=True)
    detail = traitlets.Dict().tag(sync=True)
    known = traitlets.Dict({"types": [], "collections": []}).tag(sync=True)
    trouble = traitlets.Dict().tag(sync=True)
    more = traitlets.Unicode().tag(sync=True)
    pages = traitlets.Int(0).tag(sync=True)
    served = traitlets.Int(0).tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    theme = traitlets.Enum(["auto", "light", "dark"], "auto").tag(sync=True)
    frame_height = traitlets.Int(420, min=0).tag(sync=True)

    def __init__(
        self,
        type: str | Iterable[str] = "",
        *,
        lake: LakeLike = None,
        paused: bool = False,
        theme: str = "auto",
        frame_height: int = 420,
        **conditions: Any,
    ) -> None:
        wanted = _filter_of(type, conditions)
        self._feed = Feed(open_lake(lake).log, self._refresh)
        self._rest = EventFilter()
        self._setting = False
        super().__init__(paused=paused, theme=theme, frame_height=frame_height)
        self._feed.pause(paused)
        # The thread that follows the log must not outlive the table.
        weakref.finalize(self, self._feed.close)
        self.filter = wanted

    def __repr__(self) -> str:
        state = "paused" if self.paused else "live"
        return f"<EventTable, {state}: {len(self.rows)} events>"

    @property
    def filter(self) -> EventFilter:
        """What the table shows."""
        return read_inputs(self.inputs, self._rest)

    @filter.setter
    def filter(self, where: EventFilter | Mapping[str, Any]) -> None:
        if not isinstance(where, EventFilter):
            where = make_filter(**where)
        inputs, rest = write_inputs(where.validated())
        self._setting = True
        try:
            self._rest, self.note = rest, describe(rest)
            self.inputs = inputs
        finally:
            self._setting = False
        self._select()

    @property
    def events(self) -> list[Event]:
        """What is in the table, newest first."""
        return list(self._feed.events)

    @property
    def selection(self) -> list[Event]:
        """The rows that are chosen, newest first."""
        chosen = set(self.chosen)
        return [event for event in self._feed.events if event.sequence in chosen]

    @selection.setter
    def selection(self, events: Iterable[Event | int]) -> None:
        numbers = [each if isinstance(each, int) else each.sequence for each in events]
        shown = {event.sequence for event in self._feed.events}
        for number in numbers:
            if number not in shown:
                raise BadEvent(f"Event {number} is not in the table.", field="selection")
        self.chosen = numbers

    def older(self) -> None:
        """Load one more page of the past."""
        self._feed.older()

    def panel(self, **options: Any) -> "EventTableView":
        """The same table as a Panel component, bound to this one both ways.

        Parameters
        ----------
        **options
            Layout and further parameters of the component.

        Returns
        -------
        EventTableView
            A Panel viewable (it needs ``boathouse[hub]``).

        Examples
        --------
        ::

            table.panel(sizing_mode="stretch_width").servable()
        """
        from .panel import mirror

        return mirror(self, STATE, **options)

    def close(self) -> None:
        """Take it off the page, and follow the log no longer."""
        feed: Feed | None = self.__dict__.get("_feed")
        if feed is not None:  # there is none when a condition was refused
            feed.close()
        super().close()

    @traitlets.observe("inputs")
    def _follow_inputs(self, _change: Bunch) -> None:
        if not self._setting:
            self._select()

    @traitlets.observe("paused")
    def _follow_paused(self, _change: Bunch) -> None:
        self._feed.pause(self.paused)

    @traitlets.observe("pages")
    def _follow_pages(self, _change: Bunch) -> None:
        self._feed.older()
        self.served = self.pages

    @traitlets.observe("opened")
    def _follow_opened(self, _change: Bunch) -> None:
        try:
            event = self._feed.find(self.opened) if self.opened else None
        except BoathouseError as error:
            self.detail = {"n": self.opened, "error": str(error)}
            return
        if event is not None:
            self.detail = {"n": event.sequence, "text": text_of(event)}
        elif self.opened:
            self.detail = {"n": self.opened, "error": "The log does not hold this event."}
        else:
            self.detail = {}

    def _select(self) -> None:
        try:
            where = self.filter
        except BadEvent as error:
            # Half a time, or a field without a name: it is being typed.
            self.trouble = {"text": str(error), "field": error.field or ""}
            return
        self._feed.select(where, str(self.inputs.get("text", "")).strip())

    def _refresh(self) -> None:
        feed = self._feed
        events = list(feed.events)
        with self.hold_sync():
            self.rows = [row_of(event) for event in events]
            self.waiting = feed.waiting if feed.paused else 0
            self.more = feed.more
            error = feed.trouble
            self.trouble = {} if error is None else {"text": str(error), "field": error.field or ""}
            self.known = {
                "types": _offer(self.known["types"], (event.type for event in events)),
                "collections": _offer(
                    self.known["collections"], (event.collection for event in events)
                ),
            }
            shown = {event.sequence for event in events}
            self.chosen = [number for number in self.chosen if number in shown]


def events(
    type: str | Iterable[str] = "",
    *,
    lake: LakeLike = None,
    paused: bool = False,
    **conditions: Any,
) -> EventTable:
    """A live table of events; see :class:`EventTable`.

    Parameters
    ----------
    type : str or sequence of str, optional
        Only events of this type.
    lake : Lake, path or None, optional
        The default lake when None.
    paused : bool, optional
        Begin without showing what comes.
    **conditions
        As for :func:`boathouse.listen`; also ``theme`` and ``frame_height``.

    Returns
    -------
    EventTable

    Examples
    --------
    >>> import tempfile
    >>> events("org.example.*", lake=tempfile.mkdtemp())
    <EventTable, live: 0 events>
    """
    return EventTable(type, lake=lake, paused=paused, **conditions)


def _filter_of(type: str | Iterable[str], conditions: Mapping[str, Any]) -> EventFilter:
    from ...catalogs.events.notices import filter_of

    return filter_of(type if isinstance(type, str) else tuple(type), **conditions)


def _offer(known: list[str], more: Iterable[str]) -> list[str]:
    return sorted({*known, *(each for each in more if each)})[:_OFFERED]
