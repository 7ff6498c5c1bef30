"""On which side of an edge a point lies, decided exactly."""

from fractions import Fraction

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

_SPLIT = 2.0**27 + 1  # halves a float64's 53 bits (Veltkamp)
_FILTER = 4.5e-16  # relative error of the plain determinant (Shewchuk), rounded up


def side_of(
    x: Numbers, y: Numbers, edge: tuple[Numbers, Numbers, Numbers, Numbers]
) -> npt.NDArray[np.int64]:
    """Whether points lie left of (-1), on (0) or right of (1) the line of an upward edge.

    Parameters
    ----------
    x, y : arrays of float64, shape (n,)
        The points.
    edge : (x0, y0, x1, y1), arrays of float64, shape (n,)
        The edge of each point, with y1 > y0.

    Returns
    -------
    array of int64, shape (n,)
        The exact sign of x minus the place where the line has the point's y.

    Notes
    -----
    The sign of ``(x-x0)(y1-y0) - (x1-x0)(y-y0)`` is taken from floating point where its error
    bound allows; where all four differences are exact, from the exact products; and from rational
    numbers in the few cases left.
    """
    x0, y0, x1, y1 = edge
    across, up = x - x0, y1 - y0
    along, above = x1 - x0, y - y0
    left, right = across * up, along * above
    determinant = left - right
    size = np.abs(left) + np.abs(right)
    safe = (size > 1e-250) & (size < 1e250)
    sign = np.sign(determinant).astype(np.int64)
    sure = safe & (np.abs(determinant) > _FILTER * size)
    # A factor that is exactly zero leaves the sign of the other product.
    flat = (along == 0) | (above == 0)
    sign = np.where(flat, np.sign(across), sign).astype(np.int64)
    start = ~flat & (across == 0)
    sign = np.where(start, -np.sign(along) * np.sign(above), sign).astype(np.int64)
    sure |= flat | start
    return _settle(sign, np.flatnonzero(~sure), safe, x, y, edge)


def _settle(
    sign: npt.NDArray[np.int64],
    unsure: npt.NDArray[np.int64],
    safe: npt.NDArray[np.bool_],
    x: Numbers,
    y: Numbers,
    edge: tuple[Numbers, Numbers, Numbers, Numbers],
) -> npt.NDArray[np.int64]:
    """Replace the signs that rounding may have turned."""
    if len(unsure) == 0:
        return sign
    x, y, x0, y0, x1, y1 = (values[unsure] for values in (x, y, *edge))
    across, up, along, above = x - x0, y1 - y0, x1 - x0, y - y0
    exact = safe[unsure]
    for a, b, difference in ((x, x0, across), (y1, y0, up), (x1, x0, along), (y, y0, above)):
        exact &= _difference_error(a, b, difference) == 0
    # Rounding keeps order, so equal rounded products are told apart by their errors alone.
    left, right = across * up, along * above
    errors = _product_error(across, up) - _product_error(along, above)
    found = np.sign(np.where(left == right, errors, left - right)).astype(np.int64)
    for number in np.flatnonzero(~exact):
        found[number] = _rational(*(float(v[number]) for v in (x, y, x0, y0, x1, y1)))
    sign[unsure] = found
    return sign


def _difference_error(a: Numbers, b: Numbers, difference: Numbers) -> Numbers:
    """What rounding took from a - b (Knuth)."""
    b_seen = a - difference
    a_seen = difference + b_seen
    return (a - a_seen) + (b_seen - b)


def _product_error(a: Numbers, b: Numbers) -> Numbers:
    """What rounding took from a * b (Dekker)."""
    a_high = _SPLIT * a - (_SPLIT * a - a)
    b_high = _SPLIT * b - (_SPLIT * b - b)
    a_low, b_low = a - a_high, b - b_high
    return a_low * b_low - (((a * b - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _rational(x: float, y: float, x0: float, y0: float, x1: float, y1: float) -> int:
    origin_x, origin_y = Fraction(x0), Fraction(y0)
    left = (Fraction(x) - origin_x) * (Fraction(y1) - origin_y)
    right = (Fraction(x1) - origin_x) * (Fraction(y) - origin_y)
    return (left > right) - (left < right)
