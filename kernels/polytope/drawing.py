"""Draws plans for a notebook: a small table."""

from collections.abc import Sequence
from html import escape

from .plan import Plan, VariablePlan, human


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
