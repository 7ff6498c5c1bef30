"""One open page: its views, what feeds them, and how they stand together."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import panel as pn
from bokeh.document import Document

from ...catalogs.access import Reader
from ...catalogs.events.event import Event
from ...catalogs.records import Collection, Item
from .arrivals import ITEM_EVENTS, ArrivalsView
from .cards import Address
from .catalog_view import CatalogView
from .feed import Subscriber
from .loading import Loader, Notices
from .map_card import MapCard
from .results import ResultsView
from .rules_card import RulesCard
from .runs import RunsView
from .session import Visitor
from .work import Desk

if TYPE_CHECKING:
    from .server import Dashboard

TEMPLATE = Path(__file__).parent / "static" / "page.html"
# How many of each a page begins with, and how many early events it keeps.
ARRIVALS, JOBS, EARLY = 40, 40, 200


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses outside the dashboard; an empty one is not linked."""

    home: str = ""
    lab: str = ""
    logout: str = ""


class Page:
    """Everything of one session.

    Parameters
    ----------
    dashboard : Dashboard
        What all pages share.
    ticket : str
        Leads to the visitor as of the last check.
    visitor : Visitor
        Who asked for the page.
    document : bokeh.document.Document
        The page.
    """

    def __init__(
        self, dashboard: "Dashboard", ticket: str, visitor: Visitor, document: Document
    ) -> None:
        self._dashboard = dashboard
        self._ticket = ticket
        self._visitor = visitor
        self._collections: dict[str, Collection] = {}
        self._items: list[Item] | None = None
        self._known = False  # whether the collections were loaded
        self._early: list[Event] = []  # of collections that are not known yet
        self._begin = _begin()
        self.session = dashboard.open_session(visitor)
        self.desk = Desk(document, dashboard.pool)
        self.notices = Notices()
        session, desk = self.session, self.desk
        prefix = dashboard.gate.prefix
        self.address = Address(width=0, height=0)
        self.catalog = CatalogView(self._choose)
        self.map = MapCard(desk, dashboard.fields, session.lake, self._shows)
        self.arrivals = ArrivalsView(self._open)
        self.runs = RunsView(prefix, self._reader, self._choose)
        self.results = ResultsView(desk, dashboard.fields, session.lake, prefix, self._choose)
        self.rules = RulesCard(desk, session, prefix, self._load_rules, self._complain)
        self._loaders = {
            "catalog": self._loader("The catalog", session.collections, self._got_collections),
            "arrivals": self._loader(
                "The list of arrivals", lambda: session.items(ARRIVALS), self._got_items
            ),
            "runs": self._loader(
                "The list of runs", lambda: (session.jobs(JOBS), session.rules()), self.runs.load
            ),
            "rules": self._loader("The list of rules", self.rules.ask, self.rules.load),
        }
        self._subscriber = Subscriber(desk, self._reader, self._came, self._health)
        # Only when the browser shows the page, so that it shows it at once.
        pn.state.onload(self._start)

    def template(self) -> pn.Template:
        """The page for Panel."""
        template = pn.Template(TEMPLATE.read_text(encoding="utf-8"))
        template.add_variable("prefix", self._dashboard.gate.prefix)
        template.add_variable("site", self._dashboard.site)
        template.add_variable("user", self._visitor.reader.name)
        views = {
            "notices": self.notices.view,
            "catalog": self.catalog.view,
            "heading": self.map.heading,
            "selects": self.map.selects,
            "map": self.map.map,
            "time": self.map.time,
            "series": self.map.series.view,
            "arrivals": self.arrivals.view,
            "runs": self.runs.view,
            "rules": self.rules.view,
            "results": self.results.view,
            "address": self.address,
        }
        for name, view in views.items():
            template.add_panel(name, view)
        return template

    def close(self) -> None:
        """The session has ended: drop everything that refers to it."""
        self.desk.close()
        self._dashboard.follower.remove(self._subscriber)
        self._dashboard.gate.forget(self._ticket)
        self._dashboard.pool.submit(self.session.close)

    def _loader(self, name: str, work: Any, then: Any) -> Loader:
        return Loader(self.desk, self.notices, name, work, then)

    def _start(self) -> None:
        self._dashboard.follower.add(self._subscriber)
        self._health()
        for loader in self._loaders.values():
            loader.load()

    def _reader(self) -> Reader:
        visitor = self._dashboard.gate.visitor(self._ticket)
        # A page whose ticket has ended sees what a stranger sees: nothing.
        return visitor.reader if visitor else Reader(name="")

    # What comes.

    def _got_collections(self, collections: list[Collection]) -> None:
        self._known = True
        self._collections = {each.id: each for each in collections}
        self.catalog.show(collections)
        self.results.show(collections)
        self.arrivals.load(self._items, self._collections)
        early, self._early = self._early, []
        self.arrivals.add(early, self._collections)
        shown = self._collections.get(self.map.shown)
        if shown is not None:
            self.map.show(shown)
        elif not self.map.shown:
            self._show_first()

    def _show_first(self) -> None:
        wanted, variable = self._begin
        first = self._collections.get(wanted) or _first(list(self._collections.values()))
        if first is None:
            self.map.heading.param.update(loaded=True, empty=_NOTHING)
            return
        self.catalog.mark(first.id)
        self.map.show(first, variable=variable if first.id == wanted else "")

    def _got_items(self, items: list[Item]) -> None:
        self._items = items
        if self._known:
            self.arrivals.load(items, self._collections)

    def _came(self, events: list[Event]) -> None:
        self.runs.add(events)
        if self.runs.lacks_rule:
            self._loaders["runs"].load()
            self._loaders["rules"].load()
        self.rules.stir()
        of_items = [event for event in events if event.type in ITEM_EVENTS]
        if of_items:
            # The first item of a new collection comes before we know the collection.
            new = [event for event in of_items if event.collection not in self._collections]
            self._early = [*self._early, *new][-EARLY:]
            self._loaders["catalog"].load()
        self.arrivals.add(events, self._collections)

    def _load_rules(self) -> None:
        self._loaders["rules"].load()

    def _complain(self, title: str, text: str) -> None:
        close = ("Close", lambda: self.notices.clear("undone"))
        self.notices.say("undone", title, text, close)

    def _health(self) -> None:
        if self._dashboard.follower.broken:
            self.notices.say(
                "live",
                "Live updates are paused.",
                "The event log does not answer; they go on by themselves when it is back.",
            )
            return
        self.notices.clear("live")

    # What the visitor does.

    def _choose(self, id: str) -> None:
        self._open(id, "")

    def _open(self, id: str, time: str) -> None:
        collection = self._collections.get(id)
        if collection is None:
            self.notices.say(
                "open",
                f"{id} is not in your catalog.",
                "It was removed, or its owner does not share it.",
                ("Close", lambda: self.notices.clear("open")),
            )
            return
        self.notices.clear("open")
        self.catalog.mark(id)
        self.map.show(collection, time=time)

    def _shows(self, collection: str, variable: str) -> None:
        self.address.query = {"collection": collection, "variable": variable}


_NOTHING = (
    "There is no data in this lake yet.\nOpen the Lab and publish something: tutorial 01 shows how."
)


def _begin() -> tuple[str, str]:
    """Collection and variable that the page's address asks for."""
    asked = {
        name: values[0].decode("utf-8", "replace") if values else ""
        for name, values in pn.state.session_args.items()
    }
    return asked.get("collection", ""), asked.get("variable", "")


def _first(collections: list[Collection]) -> Collection | None:
    """What to show at first: fresh data with a map, else a cube with one, else anything."""
    order = {"pool": 0, "cube": 1, "result": 2}
    collections.sort(key=lambda each: (not each.bbox, order[each.kind], each.id))
    return collections[0] if collections else None
