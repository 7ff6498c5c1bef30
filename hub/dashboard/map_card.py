"""The map of a cube, with its time line and the choices of its further dimensions."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import panel as pn

from ...catalogs.errors import BoathouseError
from ...catalogs.lake import Lake
from ...catalogs.records import Collection
from ...kernels.selector.panel import MapView
from .arrivals import readable
from .cards import Cards, Row, TimeBar
from .fields import Fields, Series
from .look import MOST_OPTIONS, Axis, Look
from .series_card import HINT, SeriesCard
from .work import Desk, Latest, message_of

STYLE = (Path(__file__).parent / "static" / "widgets.css").read_text(encoding="utf-8")
# A picture that takes longer than this is announced.
PATIENCE_MILLISECONDS = 700
KINDS = {"pool": "fresh pool", "cube": "cube", "result": "result"}


class _Opened(msgspec.Struct, frozen=True):
    """A collection with the looks of its variables."""

    collection: Collection
    looks: dict[str, Look]


class MapCard:
    """Shows one variable of one collection at one time, and the series at the clicked place.

    Parameters
    ----------
    desk : Desk
        Where reading is done.
    fields : Fields
        Reads.
    lake : Lake
        Of the visitor.
    changed : callable
        Told collection and variable whenever another one is shown.
    """

    def __init__(
        self,
        desk: Desk,
        fields: Fields,
        lake: Lake,
        changed: Callable[[str, str], None],
    ) -> None:
        self._desk = desk
        self._fields = fields
        self._lake = lake
        self._changed = changed
        self._opened: _Opened | None = None
        self._look: Look | None = None
        self._choice: dict[str, int] = {}
        self._wanted: tuple[str, str] = ("", "")
        self._place: tuple[float, float] | None = None
        self._setting = False
        self._slow = False

        self.heading = Cards(layout="heading", label="Map", sizing_mode="stretch_width")
        self.map = MapView(
            mode="view",
            theme="light",
            sizing_mode="stretch_width",
            frame_height=0,
            css_classes=["chart"],
            stylesheets=[STYLE],
            visible=False,
        )
        self.time = TimeBar(sizing_mode="stretch_width")
        # Not Panel's FlexBox: that one makes JavaScript from text, which our policy forbids.
        self.selects = pn.Row(
            sizing_mode="stretch_width",
            visible=False,
            styles={
                "flex-wrap": "wrap",
                "column-gap": "18px",
                "row-gap": "6px",
                "margin-top": "8px",
            },
        )
        self.series = SeriesCard()
        self.map.param.watch(self._clicked, "clicked")
        self.time.param.watch(self._stepped, "value")
        self._opening = Latest(desk, self._was_opened, self._broke)
        self._drawing = Latest(desk, self._was_drawn, self._broke, self._busy)
        self._lining = Latest(desk, self._was_lined, self._no_line)

    @property
    def shown(self) -> str:
        """The id of the collection that is shown, or asked for."""
        return self._wanted[0]

    def show(self, collection: Collection, *, variable: str = "", time: str = "") -> None:
        """Show a collection at its snapshot.

        Parameters
        ----------
        collection : Collection
            When it is the one that is shown already, choices and place are kept.
        variable : str
            The one to begin with.
        time : str
            RFC 3339; the step to go to.  By default a pool shows its last, anything else
            its first.
        """
        if collection.id != self._wanted[0]:
            self._place = None
            self.map.param.update(marker=[], bounds=[], field={})
            self.series.hint(HINT)
            self.heading.put([Row(key="title", title=collection.title, badge="opening")])
        self._wanted = (collection.id, time)

        def work() -> tuple[_Opened, str]:
            looks = self._fields.looks(self._lake, collection)
            return _Opened(collection, looks), variable

        self._opening.ask(work)

    def _was_opened(self, answer: tuple[_Opened, str]) -> None:
        opened, variable = answer
        if opened.collection.id != self._wanted[0]:
            return
        before, self._opened = self._opened, opened
        same = before is not None and before.collection.id == opened.collection.id
        looks = opened.looks
        if same and self._look is not None and not variable:
            variable = self._look.variable
        if variable not in looks:
            variable = next(iter(looks), "")
        if not variable:
            self._say("There is nothing in it that can be drawn.")
            return
        if looks[variable].is_empty:
            self._say("It is still empty: the map appears with the first step.")
            return
        follow = self._is_at_end() if same else opened.collection.kind == "pool"
        wanted_time = readable(self._wanted[1]) if self._wanted[1] else ""
        self._wanted = (self._wanted[0], "")
        self._choose(looks[variable], follow=follow, time=wanted_time)

    def _is_at_end(self) -> bool:
        return bool(self.time.labels) and self.time.value >= len(self.time.labels) - 1

    def _choose(self, look: Look, *, follow: bool = False, time: str = "") -> None:
        """Show a variable; what was chosen of its dimensions stays chosen."""
        assert self._opened is not None
        before = self._look
        moment = self._moment()
        self._look = look
        known = {axis.name: axis for axis in before.others} if before else {}
        self._choice = {
            axis.name: _same_index(known.get(axis.name), axis, self._choice.get(axis.name, 0))
            for axis in look.others
        }
        labels = list(look.time.texts) if look.time else []
        value = len(labels) - 1 if follow and labels else 0
        if not follow and moment in labels:
            value = labels.index(moment)
        if time:
            value = next((at for at, label in enumerate(labels) if time.startswith(label)), value)
        self._setting = True
        title = look.time.label if look.time else "Time"
        self.time.param.update(labels=labels, value=value, drawn=-1, title=title)
        self._setting = False
        self._draw_selects()
        self._draw_heading()
        self._changed(self._opened.collection.id, look.variable)
        self._draw()
        self._line_up()

    def _moment(self) -> str:
        labels = self.time.labels
        return labels[self.time.value] if 0 <= self.time.value < len(labels) else ""

    # The picture.

    def _draw(self) -> None:
        opened, look = self._opened, self._look
        if opened is None or look is None:
            return
        self.map.visible = self.time.visible = look.has_map
        if not look.has_map:
            return
        choice = self._now()
        collection, step = opened.collection, self.time.value
        self._drawing.ask(
            lambda: (
                (collection.id, look.variable, step),
                self._fields.frame(self._lake, collection, look, choice),
            )
        )

    def _now(self) -> Mapping[str, int]:
        assert self._look is not None
        time = {self._look.time.name: self.time.value} if self._look.time else {}
        return {**self._choice, **time}

    def _was_drawn(self, answer: tuple[tuple[str, str, int], dict[str, Any]]) -> None:
        (collection, variable, step), field = answer
        if self._opened is None or self._look is None:
            return
        if (collection, variable) != (self._opened.collection.id, self._look.variable):
            return
        self.map.field = field
        self.time.drawn = step

    def _busy(self, busy: bool) -> None:
        self._slow = busy
        if busy:
            self._desk.later(PATIENCE_MILLISECONDS, self._draw_heading)
        else:
            self._draw_heading()

    # The line.

    def _clicked(self, change: Any) -> None:
        place = change.new
        if len(place) != 2 or not all(isinstance(part, int | float) for part in place):
            return
        self._place = (float(place[0]), float(place[1]))
        self.map.marker = list(place)
        self._line_up()

    def _line_up(self) -> None:
        opened, look, place = self._opened, self._look, self._place
        if opened is None or look is None or (look.has_map and place is None):
            return
        choice = dict(self._choice)
        self._lining.ask(
            lambda: self._fields.series(self._lake, opened.collection, look, choice, place)
        )

    def _was_lined(self, series: Series) -> None:
        if self._look is None or (series.look.has_map and self._place is None):
            return
        along_time = self._look.time is not None and series.axis.name == self._look.time.name
        on_map = along_time and series.look.has_map
        self.series.show(series, self.time.value if on_map else None)
        if series.longitude is not None and series.latitude is not None:
            self.map.marker = [series.longitude, series.latitude]

    def _no_line(self, error: BaseException) -> None:
        self.series.hint(message_of(error))

    def _stepped(self, _change: Any) -> None:
        if self._setting:
            return
        self.series.mark(self.time.value)
        self._draw()

    # The choices.

    def _draw_selects(self) -> None:
        opened, look = self._opened, self._look
        if opened is None or look is None:
            return
        names = {
            (f"{each.label} ({name})" if each.label != name else name): name
            for name, each in opened.looks.items()
        }
        widgets: list[Any] = []
        if len(names) > 1:
            widgets.append(_select("Variable", names, look.variable, self._variable_chosen))
        for axis in look.others:
            if len(axis.texts) < 2:
                continue
            stride = -(-len(axis.texts) // MOST_OPTIONS)
            options = {
                f"{axis.texts[index]} {axis.units if axis.units != '1' else ''}".strip(): index
                for index in range(0, len(axis.texts), stride)
            }
            chosen = self._choice[axis.name] // stride * stride
            widgets.append(_select(axis.label, options, chosen, self._chooser(axis.name)))
        self.selects.objects = widgets
        self.selects.visible = bool(widgets)

    def _variable_chosen(self, change: Any) -> None:
        if self._opened is not None and change.new in self._opened.looks:
            self._choose(self._opened.looks[change.new])

    def _chooser(self, name: str) -> Callable[[Any], None]:
        def chosen(change: Any) -> None:
            self._choice[name] = int(change.new)
            self._draw()
            self._line_up()

        return chosen

    # Words.

    def _draw_heading(self, text: str = "", tone: str = "") -> None:
        if self._opened is None:
            return
        collection = self._opened.collection
        if self._look is not None and not self._look.has_map and not text:
            text = "This variable has no latitude and longitude, so it is shown as a line below."
        self.heading.put(
            [
                Row(
                    key="title",
                    title=collection.title or collection.id,
                    badge="loading" if self._slow else KINDS[collection.kind],
                    tone="running" if self._slow else tone,
                    details=_about(collection, self._look),
                    text=text,
                    code=f'catalog["{collection.id}"].to_dask()',
                )
            ]
        )

    def _say(self, text: str) -> None:
        self._look = None
        self.map.visible = self.selects.visible = self.time.visible = False
        self.series.hint("")
        self._draw_heading(text)

    def _broke(self, error: BaseException) -> None:
        text = message_of(error)
        if self._opened is None or self._opened.collection.id != self._wanted[0]:
            title = self._wanted[0]
            known = isinstance(error, BoathouseError)
            badge = "not available" if known else "broken"
            self.heading.put([Row(key="title", title=title, badge=badge, tone="bad", text=text)])
            self.map.visible = self.time.visible = False
            return
        self._draw_heading(text, "bad")


def _about(collection: Collection, look: Look | None) -> tuple[str, ...]:
    parts = (
        [look.label + (f" [{look.units}]" if look.units not in ("", "1") else "")] if look else []
    )
    if collection.interval:
        first, last = (readable(moment) for moment in collection.interval)
        parts.append(first if first == last else f"{first} to {last}")
    parts += [part for part in (collection.licence, f"by {collection.owner}") if part]
    return tuple(parts)


def _same_index(before: Axis | None, axis: Axis, index: int) -> int:
    """The index in ``axis`` of what was chosen before, or the first."""
    if before is None or index >= len(before.texts) or before.texts[index] not in axis.texts:
        return 0
    return axis.texts.index(before.texts[index])


def _select(name: str, options: dict[str, Any], value: Any, changed: Callable[[Any], None]) -> Any:
    widget = pn.widgets.Select(
        label=name, options=options, value=value, stylesheets=[STYLE], margin=0
    )
    widget.param.watch(changed, "value")
    return widget
