"""Draws a list of collections as text and as a table for notebooks."""

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from .records import Collection

HEADINGS = ("name", "kind", "title", "variables", "time", "size")
STYLE = """
<style>
.bh-catalog { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.bh-catalog th, .bh-catalog td { text-align: left !important; padding: .35em .9em .35em 0;
  vertical-align: top; border-bottom: 1px solid var(--jp-border-color2, #ddd); }
.bh-catalog th { font-weight: 600; color: var(--jp-ui-font-color2, #666); }
.bh-catalog td:first-child { font-family: var(--jp-code-font-family, monospace); }
.bh-catalog td:last-child, .bh-catalog th:last-child { text-align: right !important; }
</style>
"""


def size_of(face: Collection) -> int:
    """Bytes of the variables when read into memory."""
    return sum(
        math.prod(about.get("shape", ())) * _itemsize(str(about.get("dtype", "")))
        for about in face.variables.values()
    )


def _itemsize(dtype: str) -> int:
    try:
        return np.dtype(dtype).itemsize
    except TypeError:
        return 16  # strings of any length


def human(size: float) -> str:
    """A size as people read it.

    Examples
    --------
    >>> human(1_710_000)
    '1.7 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def row(face: Collection) -> tuple[str, ...]:
    """The cells of a collection, in the order of ``HEADINGS``."""
    variables = ", ".join(
        f"{name} ({about['units']})" if about.get("units") else name
        for name, about in face.variables.items()
    )
    interval = " to ".join(_short(time) for time in face.interval)
    return face.id, face.kind, face.title, variables, interval, human(size_of(face))


def _short(time: str) -> str:
    return time.removesuffix("T00:00:00Z").replace(":00Z", "Z")


def text_table(faces: Sequence[Collection]) -> str:
    """The collections as aligned text."""
    if not faces:
        return "The catalog is empty: nothing was published that you may see."
    rows = [row(face) for face in faces]
    cells = [(name, kind, title) for name, kind, title, *_ in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def html_table(faces: Sequence[Collection]) -> str:
    """The collections as a table for a notebook."""
    if not faces:
        return "<p>The catalog is empty: nothing was published that you may see.</p>"
    head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row(face)) + "</tr>"
        for face in faces
    )
    return (
        f'{STYLE}<table class="bh-catalog"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
