"""Cuts a polygon into intervals of a grid's places, row by row, with its edge included."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .orientation import side_of
from .rows import Indices, expand

Numbers = npt.NDArray[np.float64]


class Intervals(NamedTuple):
    """Half-open intervals of columns, each in a row; unsorted, overlapping."""

    row: Indices
    start: Indices
    stop: Indices


class _Edges(NamedTuple):
    """Edges that lead upwards, each array of shape (edges,)."""

    x0: Numbers
    y0: Numbers
    x1: Numbers
    y1: Numbers

    def at(self, number: Indices) -> "_Edges":
        return _Edges(*(field[number] for field in self))


def scan(vertices: Numbers, following: Indices, rows: Numbers, columns: Numbers) -> Intervals:
    """The places of a grid inside or on the edge of a polygon, by the even-odd rule.

    Parameters
    ----------
    vertices : array, shape (vertices, 2)
        Of all rings; each vertex is (row coordinate, column coordinate).
    following : array of int, shape (vertices,)
        For each vertex the number of the next one on its ring.
    rows, columns : arrays of float64
        The grid's coordinates, ascending.

    Returns
    -------
    Intervals
        Of numbers of columns, in rows by their number.

    Notes
    -----
    A row is cut as it looks just above its coordinate. This, the horizontal edges and the
    vertices on the row are together the closed set, whatever the polygon does there (touching,
    repeated or collinear vertices): a place on no vertex and no horizontal edge is inside on
    the row just when it is inside a little above it. A crossing is never compared as a rounded
    number: it is replaced by the exact numbers of the columns beside it.
    """
    y0, x0 = vertices[:, 0], vertices[:, 1]
    y1, x1 = y0[following], x0[following]
    up, down = y1 > y0, y1 < y0
    edges = _Edges(
        np.concatenate([x0[up], x1[down]]),
        np.concatenate([y0[up], y1[down]]),
        np.concatenate([x1[up], x0[down]]),
        np.concatenate([y1[up], y0[down]]),
    )
    cut = _cut(edges, rows, columns)
    flat = y1 == y0
    level = _on_rows(y0[flat], np.minimum(x0, x1)[flat], np.maximum(x0, x1)[flat], rows, columns)
    corners = _on_rows(y0, x0, x0, rows, columns)
    parts = (cut, level, corners)
    return Intervals(*(np.concatenate(fields) for fields in zip(*parts, strict=True)))


def _cut(edges: _Edges, rows: Numbers, columns: Numbers) -> Intervals:
    """Pair the crossings of each row, as it looks just above."""
    first = np.searchsorted(rows, edges.y0, "left")
    beyond = np.searchsorted(rows, edges.y1, "left")
    edge, row = expand(first, beyond)
    left, right = _crossings(edges.at(edge), rows[row], columns)
    # left + right grows with the place of the crossing, and differs whenever a column lies
    # between two crossings; so it sorts them exactly, as far as it matters.
    order = np.argsort(row * (2 * len(columns) + 1) + left + right)
    row, left, right = row[order], left[order], right[order]
    return Intervals(row[::2], left[::2], right[1::2])


def _crossings(edges: _Edges, y: Numbers, columns: Numbers) -> tuple[Indices, Indices]:
    """Where edges cross rows, as the first column at or beyond and the first column beyond."""
    x0, y0, x1, y1 = edges
    x = x0 + (y - y0) / (y1 - y0) * (x1 - x0)
    slack = 4e-15 * (np.abs(x0) + np.abs(x1)) + 1e-300
    slack[x0 == x1] = 0.0
    left = _first_at(columns, x - slack)
    right = left.copy()
    near = np.arange(len(x))
    while True:  # no second search: hardly any crossing has a column this close
        near = near[right[near] < len(columns)]
        near = near[columns[right[near]] <= (x + slack)[near]]
        if len(near) == 0:
            break
        right[near] += 1
    crossing, column = expand(left, right)
    if len(crossing) == 0:
        return left, left
    side = side_of(columns[column], y[crossing], edges.at(crossing))
    before = np.bincount(crossing[side < 0], minlength=len(x))
    until = np.bincount(crossing[side <= 0], minlength=len(x))
    return left + before, left + until


def _first_at(columns: Numbers, x: Numbers) -> Indices:
    """The first column at or beyond each x: ``searchsorted``, quicker on a nearly even grid."""
    count = len(columns)
    if count < 1000 or len(x) < 1000:
        return np.searchsorted(columns, x, "left")
    step = (columns[-1] - columns[0]) / (count - 1)
    guess = np.clip(np.ceil((x - columns[0]) / step), 0, count).astype(np.int64)
    after = columns[np.minimum(guess, count - 1)] < x
    before = columns[np.maximum(guess - 1, 0)] >= x
    wrong = np.flatnonzero((after & (guess < count)) | (before & (guess > 0)))
    guess[wrong] = np.searchsorted(columns, x[wrong], "left")
    return guess


def _on_rows(y: Numbers, low: Numbers, high: Numbers, rows: Numbers, columns: Numbers) -> Intervals:
    """Closed ranges that lie on rows of the grid."""
    part, row = expand(np.searchsorted(rows, y, "left"), np.searchsorted(rows, y, "right"))
    start = np.searchsorted(columns, low[part], "left")
    stop = np.searchsorted(columns, high[part], "right")
    return Intervals(row, start, stop)
