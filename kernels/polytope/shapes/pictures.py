"""Draws shapes for a notebook: a small inline SVG map, the other axes as text."""

import itertools
import math
from collections.abc import Sequence
from html import escape

from ..shape import Shape
from .combined import Union
from .outlines import Outline, Pair, outlines
from .points import Point, Select
from .ranges import All, Box

_WIDTH, _HEIGHT, _MARGIN = 260.0, 170.0, 14.0
_HORIZONTAL = ("longitude", "lon", "long", "x", "grid_longitude", "projection_x_coordinate")
_VERTICAL = ("latitude", "lat", "y", "grid_latitude", "projection_y_coordinate")
_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 45.0, 90.0)
_COLOURS = ("#1f5f8b", "#b4532a", "#2f7d4f", "#7a4fa3", "#8a6d1f", "#a33b5e")
_MOST_OUTLINES = 300
_NEAREST = 0.9  # of two corners, in pixels


def shape_html(shape: Shape) -> str:
    """A shape as HTML: a drawing of the axes that it couples, and the others as text.

    Parameters
    ----------
    shape : Shape
        Any shape. Latitude and longitude are drawn as a map with a graticule.

    Examples
    --------
    >>> from boathouse.kernels.polytope.shapes import Box
    >>> "<svg" in shape_html(Box(latitude=(50, 55), longitude=(-5, 2)))
    True
    """
    pictures: list[str] = []
    drawn: set[str] = set()
    for part in _drawable(shape):
        across, upright = _pair(part.axes)
        picture = _svg(outlines(part, across, upright), across, upright)
        if picture:
            pictures.append(picture)
            drawn |= {across, upright} if _is_map(across, upright) else set()
    lines = [line for factor in shape.factors() for line in _lines(factor, drawn)]
    name = escape(type(shape).__name__)
    return f"<div><b>{name}</b>{''.join(pictures)}{''.join(lines)}</div>"


def _drawable(shape: Shape) -> list[Shape]:
    """The factors over several axes; of ranges the two that span a map."""
    factors = shape.factors()
    found = [factor for factor in factors if len(factor.axes) > 1]
    flat = {
        axis: pair
        for factor in factors
        if len(factor.axes) == 1
        for axis, pair in factor.bounds().items()
        if not isinstance(factor, Select)
    }
    across = next((axis for axis in flat if axis.lower() in _HORIZONTAL), None)
    upright = next((axis for axis in flat if axis.lower() in _VERTICAL), None)
    if across is not None and upright is not None:
        found.append(Box({upright: flat[upright], across: flat[across]}))
    return found


def _pair(axes: Sequence[str]) -> tuple[str, str]:
    """Which axes lie across and upright: longitude and latitude, or the first two."""
    across = next((axis for axis in axes if axis.lower() in _HORIZONTAL), None)
    upright = next((axis for axis in axes if axis.lower() in _VERTICAL), None)
    rest = [axis for axis in axes if axis not in (across, upright)]
    if upright is None:
        upright = rest.pop(0)
    return across or rest[0], upright


def _lines(factor: Shape, drawn: set[str]) -> list[str]:
    """What of a factor is told in words."""
    if isinstance(factor, All):
        return [_line(factor.axis, "all")]
    if isinstance(factor, Select):
        values = ", ".join(map(str, factor.values[:12]))
        more = ", ..." if len(factor.values) > 12 else ""
        return [_line(factor.axis, f"{values}{more}{_method(factor)}")]
    lines = [
        _line(axis, f"{low} to {high}")
        for axis, (low, high) in factor.bounds().items()
        if axis not in drawn
    ]
    if isinstance(factor, Union):
        tags = ": " + ", ".join(factor.tags[:8]) if factor.tags else ""
        more = ", ..." if len(factor.tags) > 8 else ""
        lines.append(f"<div>{len(factor.shapes)} parts{escape(tags)}{more}</div>")
    if isinstance(factor, Point):
        lines.append(f"<div>{len(factor.points)} points{escape(_method(factor))}</div>")
    return lines


def _line(axis: str, text: str) -> str:
    return f"<div>{escape(axis)}: {escape(text)}</div>"


def _method(shape: Select | Point) -> str:
    count = f", {shape.k} each" if shape.k > 1 else ""
    return f" ({shape.method}{count})" if shape.method else ""


def _svg(found: list[Outline], across: str, upright: str) -> str:
    pairs = list(itertools.chain.from_iterable(outline.pairs() for outline in found))
    if not pairs:
        return ""
    frame = _Frame(pairs, geographic=_is_map(across, upright))
    inside = "".join(
        _drawn(outline, frame, _COLOURS[number % len(_COLOURS)])
        for number, outline in enumerate(found[:_MOST_OUTLINES])
    )
    text = f"{across} {_text(frame.west)} to {_text(frame.east)}, "
    text += f"{upright} {_text(frame.south)} to {_text(frame.north)}"
    if not _is_map(across, upright):
        text = f"{across} across, {upright} upright"
    return (
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" width="{_WIDTH:g}" height="{_HEIGHT:g}" '
        f'style="display:block" role="img" aria-label="{escape(text)}">'
        f"{frame.graticule()}{inside}</svg><small>{escape(text)}</small>"
    )


def _is_map(across: str, upright: str) -> bool:
    return "lon" in across.lower() and "lat" in upright.lower()


def _text(value: float) -> str:
    return f"{value:.5g}"


class _Frame:
    """Where the values of two axes lie on the picture."""

    def __init__(self, pairs: Sequence[Pair], *, geographic: bool) -> None:
        xs, ys = zip(*pairs, strict=True)
        self.west, self.east, self.south, self.north = min(xs), max(xs), min(ys), max(ys)
        self._geographic = geographic
        wide, high = (self.east - self.west) or 1.0, (self.north - self.south) or 1.0
        self._scale_x = (_WIDTH - 2 * _MARGIN) / wide
        self._scale_y = (_HEIGHT - 2 * _MARGIN) / high
        if geographic:
            # A degree of longitude is shorter than one of latitude; near the poles not that short.
            middle = math.radians(min(abs(self.south + self.north) / 2, 70.0))
            shorter = math.cos(middle)
            self._scale_y = min(self._scale_y, self._scale_x / shorter)
            self._scale_x = self._scale_y * shorter
        self._left = (_WIDTH - self._scale_x * (self.east - self.west)) / 2
        self._top = (_HEIGHT - self._scale_y * (self.north - self.south)) / 2

    def place(self, pair: Pair) -> Pair:
        """A place on the picture."""
        x, y = pair
        return (
            self._left + self._scale_x * (x - self.west),
            self._top + self._scale_y * (self.north - y),
        )

    def graticule(self) -> str:
        """Meridians and parallels at round values; nothing for other axes."""
        if not self._geographic:
            return ""
        seen_x, seen_y = _WIDTH / self._scale_x, _HEIGHT / self._scale_y
        step = next((step for step in _STEPS if max(seen_x, seen_y) / step <= 7), _STEPS[-1])
        west, north = self.west - self._left / self._scale_x, self.north + self._top / self._scale_y
        lines: list[str] = []
        for number in range(math.ceil(west / step), math.floor((west + seen_x) / step) + 1):
            x, _ = self.place((number * step, 0.0))
            lines.append(f"M{x:.1f},0V{_HEIGHT:g}")
        south = max(north - seen_y, -90.0)
        for number in range(math.ceil(south / step), math.floor(min(north, 90.0) / step) + 1):
            _, y = self.place((0.0, number * step))
            lines.append(f"M0,{y:.1f}H{_WIDTH:g}")
        return (
            f'<rect width="{_WIDTH:g}" height="{_HEIGHT:g}" fill="#888" fill-opacity="0.06"/>'
            f'<path d="{"".join(lines)}" fill="none" stroke="#888" stroke-opacity="0.35" '
            'stroke-width="0.6"/>'
        )


def _drawn(outline: Outline, frame: _Frame, colour: str) -> str:
    style = f'fill="{colour}" fill-opacity="0.28" stroke="{colour}" stroke-width="1.3"'
    parts: list[str] = []
    if outline.rings:
        parts.append(f'<path d="{_paths(outline.rings, frame)}" fill-rule="evenodd" {style}/>')
    if outline.bodies:
        # All run the same way round, so that overlapping legs are filled once.
        style = style.replace("1.3", "0.6").replace("stroke=", 'stroke-opacity="0.5" stroke=')
        parts.append(f'<path d="{_paths(outline.bodies, frame)}" fill-rule="nonzero" {style}/>')
    if outline.line:
        steps = _steps(list(map(frame.place, outline.line)))
        parts.append(
            f'<path d="M{steps}" fill="none" stroke="{colour}" stroke-dasharray="4 3" '
            'stroke-width="1.2"/>'
        )
    for x, y in map(frame.place, outline.places):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{colour}"/>')
    title = f"<title>{escape(outline.tag)}</title>" if outline.tag else ""
    return f"<g>{title}{''.join(parts)}</g>"


def _paths(rings: Sequence[Sequence[Pair]], frame: _Frame) -> str:
    return "".join(f"M{_steps(list(map(frame.place, ring)))}Z" for ring in rings if ring)


def _steps(places: Sequence[Pair]) -> str:
    """The corners of a line, without those too near to the one before to be seen."""
    kept = [places[0]]
    for x, y in places[1:]:
        if abs(x - kept[-1][0]) + abs(y - kept[-1][1]) >= _NEAREST:
            kept.append((x, y))
    return "L".join(f"{x:.1f},{y:.1f}" for x, y in kept)
