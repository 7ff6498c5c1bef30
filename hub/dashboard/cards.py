"""Small browser components of the dashboard: a list of cards, the time line, the address.

They are AnyWidgetComponents, as the map is: Panel 1.9 keeps one loader for all components
of a page, so a JSComponent beside the map would break whichever comes second.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import param
from panel.custom import AnyWidgetComponent

STATIC = Path(__file__).parent / "static"


def script(*names: str) -> str:
    """Several files of ours as one module."""
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in names)


class Anchor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A link of a row: to a page (``href``), or to another thing of this page (``key``)."""

    text: str
    href: str = ""
    key: str = ""


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing of a list; all texts are plain text.

    Attributes
    ----------
    key : str
        Unique in its list; rows of the same key are updated in place.
    title, details, text : str, tuple of str, str
        First line, second line, and a longer text below.
    group : str
        A heading above the first row of each group.
    badge, tone : str
        A word, and its mood: ``running``, ``good``, ``bad`` or nothing.
    mark : str
        A dot before the title: ``arrival`` or ``notice``.
    time : str
        RFC 3339; shown as "3 min ago".
    started, finished : str
        RFC 3339; shown as a duration that goes on while ``finished`` is empty.
    done, total : int
        A progress bar of cells.
    image, line : str, tuple of float
        A picture as a data URL, or the values of a small line.
    picture, caption : str
        What the picture shows, for those who do not see it; and a note on it.
    links : tuple of Anchor
        Below the text.
    code : str
        What "Copy code" copies.
    action, selected, live : bool
        Whether the title can be clicked; is chosen; shall light up as new.
    """

    key: str
    title: str
    details: tuple[str, ...] = ()
    text: str = ""
    group: str = ""
    badge: str = ""
    tone: str = ""
    mark: str = ""
    time: str = ""
    started: str = ""
    finished: str = ""
    done: int = 0
    total: int = 0
    image: str = ""
    line: tuple[float | None, ...] = ()
    picture: str = ""
    caption: str = ""
    links: tuple[Anchor, ...] = ()
    code: str = ""
    action: bool = False
    selected: bool = False
    live: bool = False


class Cards(AnyWidgetComponent):
    """A list of rows, drawn and kept up to date in the browser.

    Examples
    --------
    ::

        cards = Cards(layout="list", label="Runs", empty="No runs yet.")
        cards.put([Row(key="1", title="mean-over-shape", badge="running")])
    """

    rows = param.List(default=[], doc="Rows as plain dictionaries.")
    layout = param.Selector(
        default="list", objects=["list", "nav", "grid", "heading", "notices"], doc="Its look."
    )
    label = param.String(default="", doc="What the list holds, for those who do not see it.")
    empty = param.String(default="", doc="What to say when there is nothing.")
    loaded = param.Boolean(default=False, doc="Whether the rows are known yet.")
    asked = param.List(default=[], doc="Key of the last click, and how many there were.")

    _esm: ClassVar[Any] = script("parts.js", "cards.js")
    _stylesheets: ClassVar[list[str]] = [(STATIC / "cards.css").read_text(encoding="utf-8")]

    def __init__(self, on_click: Callable[[str], None] | None = None, **params: Any) -> None:
        super().__init__(**params)
        self._on_click = on_click

    def put(self, rows: Iterable[Row], *, loaded: bool = True) -> None:
        """Show these rows in place of those before; ``loaded`` False says that more will come."""
        plain = [msgspec.to_builtins(row) for row in rows]
        self.param.update(rows=plain, loaded=loaded)

    @param.depends("asked", watch=True)
    def _was_clicked(self) -> None:
        # The browser may only name what it was shown.
        known = {row["key"] for row in self.rows} | {
            link["key"] for row in self.rows for link in row.get("links", ()) if "key" in link
        }
        key = self.asked[0] if self.asked else None
        if self._on_click is not None and isinstance(key, str) and key in known:
            self._on_click(key)


class TimeBar(AnyWidgetComponent):
    """A slider over real times, with buttons to step and to play."""

    labels = param.List(default=[], doc="A text for each step.")
    value = param.Integer(default=0, doc="The chosen step.")
    drawn = param.Integer(default=-1, doc="The step that is on the map; playing waits for it.")
    title = param.String(default="Time", doc="The dimension's name.")

    _esm: ClassVar[Any] = STATIC / "timebar.js"
    _stylesheets: ClassVar[list[str]] = [(STATIC / "timebar.css").read_text(encoding="utf-8")]


class Address(AnyWidgetComponent):
    """Writes what is shown into the page's address, so that it can be sent to a colleague."""

    query = param.Dict(default={}, doc="Names and values after the question mark.")

    _esm: ClassVar[Any] = """
    function render({ model }) {
      const write = () => {
        const query = new URLSearchParams(model.get("query")).toString();
        if (query) history.replaceState(null, "", `?${query}`);
      };
      model.on("change:query", write);
      write();
    }
    export default { render };
    """
