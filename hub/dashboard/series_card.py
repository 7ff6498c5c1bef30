"""The line at a place: the variable along time, with an ensemble's members behind it."""

from typing import Any

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource, DatetimeTickFormatter, HoverTool, Span
from bokeh.plotting import figure

from .cards import Cards, Row
from .fields import Series

INK, MUTED, LINE, ACCENT, SPREAD = "#14252d", "#51636c", "#d9e1e4", "#0e7490", "#9cc3cf"
FONT = "Inter"
HINT = "Click the map to draw the line at that place."
HEIGHT = 230
MOST_LETTERS = 26


class SeriesCard:
    """A heading and a plot; before the first click, a hint."""

    def __init__(self) -> None:
        self.heading = Cards(layout="heading", label="Series", sizing_mode="stretch_width")
        self._plot = pn.pane.Bokeh(None, sizing_mode="stretch_width", height=HEIGHT, visible=False)
        self.view = pn.Column(self.heading, self._plot, sizing_mode="stretch_width")
        self._drawn: _Drawn | None = None
        self.hint(HINT)

    def hint(self, text: str) -> None:
        """Show a text in place of the plot."""
        self._plot.visible = False
        self.heading.put([Row(key="hint", title="Series at a place", text=text)])

    def show(self, series: Series, now: int | None) -> None:
        """Draw a series; ``now`` is the index that the map shows."""
        self.heading.put([Row(key="title", title=_title(series), details=_details(series))])
        kind = (series.positions.dtype.kind, series.axis.name, series.look.units)
        if self._drawn is None or self._drawn.kind != kind:
            self._drawn = _Drawn(kind, series)
            self._plot.param.update(object=self._drawn.figure, visible=True)
        else:
            self._drawn.update(series)
            self._plot.visible = True
        self._drawn.mark(now)

    def mark(self, now: int | None) -> None:
        """Move the line that says which step the map shows."""
        if self._drawn is not None:
            self._drawn.mark(now)


class _Drawn:
    """A figure and what changes in it."""

    def __init__(self, kind: tuple[str, str, str], series: Series) -> None:
        self.kind = kind
        moments = kind[0] == "M"
        self.figure = figure(
            height=HEIGHT,
            sizing_mode="stretch_width",
            x_axis_type="datetime" if moments else "linear",
            toolbar_location=None,
            tools="xpan,xwheel_zoom,reset",
            active_scroll=None,
            output_backend="canvas",
        )
        self._spread = ColumnDataSource({"xs": [], "ys": []})
        self._line = ColumnDataSource({"x": [], "y": [], "text": []})
        self._positions: Any = series.positions
        self._now = Span(
            dimension="height", line_color=MUTED, line_dash="dashed", line_width=1.5, visible=False
        )
        self.figure.multi_line("xs", "ys", source=self._spread, color=SPREAD, alpha=0.7)
        self.figure.line("x", "y", source=self._line, color=ACCENT, line_width=2)
        dots = self.figure.scatter("x", "y", source=self._line, color=ACCENT, size=5)
        self.figure.add_layout(self._now)
        self.figure.add_tools(
            HoverTool(
                renderers=[dots],
                mode="vline",
                tooltips=[("", "@text"), (series.look.units or "value", "@y{0.[0000]}")],
            )
        )
        if moments:
            self.figure.xaxis.formatter = _moments()
        self._dots = dots
        _dress(self.figure)
        self.update(series)

    def update(self, series: Series) -> None:
        """Draw other values."""
        self._positions = series.positions
        units = "" if series.look.units in ("", "1") else f" ({series.look.units})"
        axis_units = f" ({series.axis.units})" if series.axis.units else ""
        # A long name does not fit beside a low plot; the heading says it.
        short = (
            series.look.label if len(series.look.label) <= MOST_LETTERS else series.look.variable
        )
        self.figure.yaxis.axis_label = f"{short}{units}"
        self.figure.xaxis.axis_label = (
            "time (UTC)" if self.kind[0] == "M" else f"{series.axis.label}{axis_units}"
        )
        positions = list(series.positions)
        others = series.lines[1:]
        self._spread.data = {"xs": [positions] * len(others), "ys": [list(row) for row in others]}
        self._line.data = {
            "x": series.positions,
            "y": series.lines[0],
            "text": list(series.axis.texts[: len(positions)]),
        }
        self._dots.glyph.size = 5 if len(positions) <= 80 else 0.1

    def mark(self, now: int | None) -> None:
        """Stand at the step that the map shows."""
        self._now.visible = now is not None and 0 <= now < len(self._positions)
        if self._now.visible:
            assert now is not None
            position = self._positions[now]
            self._now.location = (
                float(position.astype("M8[ms]").astype(np.int64))
                if isinstance(position, np.datetime64)
                else float(position)
            )


def _moments() -> DatetimeTickFormatter:
    """Short times, and below the first of each day its date."""
    context = DatetimeTickFormatter(
        minutes="%d %b %Y",
        hourmin="%d %b %Y",
        hours="%d %b %Y",
        days="%Y",
        months="",
        years="",
        hide_repeats=True,
    )
    return DatetimeTickFormatter(
        minutes="%H:%M",
        hourmin="%H:%M",
        hours="%H:%M",
        days="%d %b",
        months="%b %Y",
        years="%Y",
        context=context,
        context_which="start",
        context_location="below",
    )


def _dress(plot: Any) -> None:
    """Our letters, ink and lines."""
    plot.background_fill_color = plot.border_fill_color = "white"
    plot.outline_line_color = None
    plot.min_border_left = plot.min_border_right = 8
    plot.xgrid.grid_line_color = None
    plot.ygrid.grid_line_color = LINE
    for axis in plot.axis:
        axis.axis_line_color = axis.major_tick_line_color = LINE
        axis.minor_tick_line_color = None
        axis.major_label_text_color = axis.axis_label_text_color = MUTED
        axis.major_label_text_font = axis.axis_label_text_font = FONT
        axis.major_label_text_font_size = axis.axis_label_text_font_size = "12px"
        axis.axis_label_text_font_style = "normal"


def _title(series: Series) -> str:
    if series.latitude is None or series.longitude is None:
        return _upper(series.look.label)
    return f"{_upper(series.look.label)} at {degrees(series.latitude, series.longitude)}"


def _details(series: Series) -> tuple[str, ...]:
    details = ["nearest grid point to the click"] if series.latitude is not None else []
    if len(series.lines) > 1:
        details.append(f"chosen member, and the other {len(series.lines) - 1} in light blue")
    return tuple(details)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def degrees(latitude: float, longitude: float) -> str:
    """A place for people.

    Examples
    --------
    >>> degrees(50.25, -3.5)
    '50.25° N, 3.5° W'
    """
    north, east = round(latitude, 2) + 0.0, round(longitude, 2) + 0.0
    return f"{abs(north):g}° {'S' if north < 0 else 'N'}, {abs(east):g}° {'W' if east < 0 else 'E'}"
