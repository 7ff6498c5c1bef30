"""Draws shapes and plans for a notebook: a small inline SVG, a small table."""

from collections.abc import Sequence
from html import escape

from .plan import Plan, VariablePlan, human
from .shape import Shape
from .shapes import Polygon, Span
from .values import Value

_WIDTH, _HEIGHT, _MARGIN = 220.0, 150.0, 12.0
_HORIZONTAL = ("longitude", "lon", "x", "grid_longitude", "projection_x_coordinate")
_MOST_VERTICES = 600  # a coastline needs no more on so small a picture

Pair = tuple[float, float]


def shape_html(shape: Shape) -> str:
    """A shape as HTML: a drawing of the axes that it couples, and the other ranges as text.

    Examples
    --------
    >>> from boathouse.kernels.polytope.shapes import Box
    >>> "<svg" in shape_html(Box(latitude=(50, 55), longitude=(-5, 2)))
    True
    """
    factors = shape.factors()
    spans = {factor.axis: factor for factor in factors if isinstance(factor, Span)}
    pictures: list[str] = []
    for factor in factors:
        if isinstance(factor, Polygon) and _drawable(factor):
            pictures.append(_polygon_svg(factor))
    flat = [axis for axis in spans if not isinstance(spans[axis].lower, str)]
    across = next((axis for axis in flat if axis.lower() in _HORIZONTAL), None)
    upright = next((axis for axis in flat if axis != across), None)
    if not pictures and across is not None and upright is not None:
        pictures.append(_box_svg(spans[upright], spans[across]))
        del spans[upright], spans[across]
    lines = [f"<div>{escape(repr(factor))}</div>" for factor in factors if _undrawn(factor)]
    lines += [
        f"<div>{escape(axis)}: {escape(str(span.lower))} to {escape(str(span.upper))}</div>"
        for axis, span in spans.items()
    ]
    name = escape(type(shape).__name__)
    return f"<div><b>{name}</b>{''.join(pictures)}{''.join(lines)}</div>"


def plan_html(plan: Plan) -> str:
    """A plan as an HTML table."""
    head = ("", "points", "result", "chunks", "to read", "bounding box")
    rows: list[Sequence[str]] = [
        (name, *_cells(variable)) for name, variable in plan.variables.items()
    ]
    if len(rows) > 1:
        rows.append(("together", *_cells(plan)))
    note = ""
    if plan.beyond:
        note = f"<div>The shape reaches beyond the cube on {escape(', '.join(plan.beyond))}.</div>"
    body = "".join(f"<tr>{_row(row, 'td')}</tr>" for row in rows)
    return f"<table><thead><tr>{_row(head, 'th')}</tr></thead><tbody>{body}</tbody></table>{note}"


def _cells(plan: Plan | VariablePlan) -> tuple[str, ...]:
    chunks = f"{plan.chunks:,}" if plan.chunks else "in memory"
    read = human(plan.bytes) if plan.chunks else "nothing"
    return f"{plan.points:,}", human(plan.result_bytes), chunks, read, human(plan.box_bytes)


def _row(cells: Sequence[str], tag: str) -> str:
    return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)


def _drawable(polygon: Polygon) -> bool:
    return not any(isinstance(value, str) for value in polygon.rings[0][0])


def _undrawn(factor: Shape) -> bool:
    return not isinstance(factor, Span) and not (isinstance(factor, Polygon) and _drawable(factor))


def _polygon_svg(polygon: Polygon) -> str:
    flip = polygon.axes[0].lower() not in _HORIZONTAL
    across, upright = (1, 0) if flip else (0, 1)
    rings = [
        [(float(vertex[across]), float(vertex[upright])) for vertex in _thinned(ring)]
        for ring in polygon.rings
    ]
    return _svg(rings, polygon.axes[across], polygon.axes[upright])


def _thinned(ring: Sequence[tuple[Value, Value]]) -> Sequence[tuple[Value, Value]]:
    return ring[:: max(1, len(ring) // _MOST_VERTICES)]


def _box_svg(upright: Span, across: Span) -> str:
    south, north = float(upright.lower), float(upright.upper)
    west, east = float(across.lower), float(across.upper)
    ring = [(west, south), (east, south), (east, north), (west, north)]
    return _svg([ring], across.axis, upright.axis)


def _svg(rings: list[list[Pair]], across: str, upright: str) -> str:
    xs, ys = zip(*(vertex for ring in rings for vertex in ring), strict=True)
    west, east, south, north = min(xs), max(xs), min(ys), max(ys)
    room_x, room_y = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
    scale = min(room_x / ((east - west) or 1.0), room_y / ((north - south) or 1.0))
    left = _MARGIN + (room_x - scale * (east - west)) / 2
    top = _MARGIN + (room_y - scale * (north - south)) / 2

    def path(ring: list[Pair]) -> str:
        steps = (
            f"{left + scale * (x - west):.1f},{top + scale * (north - y):.1f}" for x, y in ring
        )
        return f"M{'L'.join(steps)}Z"

    text = f"{across} {west:g} to {east:g}, {upright} {south:g} to {north:g}"
    outline = "".join(map(path, rings))
    return (
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" width="{_WIDTH:g}" height="{_HEIGHT:g}" '
        f'style="display:block" role="img" aria-label="{escape(text)}">'
        f'<path d="{outline}" fill="#3b82b8" fill-opacity="0.3" fill-rule="evenodd" '
        f'stroke="#1f5f8b" stroke-width="1.5"/></svg><small>{escape(text)}</small>'
    )
