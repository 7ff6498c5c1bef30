"""Arrays as plain JSON values, by whole arrays: shortest digits, None for what is missing."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ..values import duration_text

# Powers of ten up to here are exact in float64, so one division or product rounds correctly.
_EXACT = 22

_UNITS = ("s", "ms", "us", "ns")


def shortest(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The float64 that print the fewest digits which still mean the given float32.

    Parameters
    ----------
    values : array of floats
        float64 stay as they are.

    Returns
    -------
    array of float64
        Rounded to float32 it gives the values back.

    Examples
    --------
    >>> shortest(np.array([0.1], np.float32))
    array([0.1])
    """
    if values.dtype.itemsize > 4:
        return values.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # NaNs that signal; digits past the largest
        return _shortest(values.ravel()).reshape(values.shape)


def _shortest(narrow: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    flat = narrow.astype(np.float64)
    whole = (flat == np.rint(flat)) & (np.abs(flat) < 2.0**24)
    open_ = np.flatnonzero(np.isfinite(flat) & ~whole)
    result = flat.copy()
    beyond: list[npt.NDArray[np.int64]] = []
    for digits in range(1, 10):
        if not len(open_):
            break
        x = flat[open_]
        power = digits - 1 - np.floor(np.log10(np.abs(x))).astype(np.int64)
        far = np.abs(power) > _EXACT  # no exact power of ten: numpy's own digits, below
        if far.any():
            beyond.append(open_[far])
            open_, x, power = open_[~far], x[~far], power[~far]
        scale = 10.0 ** np.abs(power)
        rounded = np.where(power >= 0, np.rint(x * scale) / scale, np.rint(x / scale) * scale)
        same = rounded.astype(narrow.dtype) == narrow[open_]
        result[open_[same]] = rounded[same]
        open_ = open_[~same]
    for rest in (*beyond, open_):
        result[rest] = narrow[rest].astype(str).astype(np.float64)
    return result


def kind_of(values: npt.NDArray[Any]) -> str:
    """The data type in CoverageJSON: float, integer or string."""
    return {"b": "integer", "i": "integer", "u": "integer", "f": "float", "m": "float"}.get(
        values.dtype.kind, "string"
    )


def plain(values: npt.NDArray[Any]) -> list[Any]:
    """An array's values, flat in C order, as JSON has them.

    Parameters
    ----------
    values : array
        Of any shape. Truth values become 0 and 1, times ISO 8601 text, durations seconds.

    Returns
    -------
    list
        Of float, int, str, and None for NaN, infinity and NaT.
    """
    flat = np.ascontiguousarray(values).ravel()
    if flat.dtype.kind == "m":
        missing = np.isnat(flat)
        flat = flat / np.timedelta64(1, "s")
        return _with_none(flat, missing)
    if flat.dtype.kind == "M":
        return times(flat)
    if flat.dtype.kind == "f":
        return _with_none(shortest(flat), ~np.isfinite(flat))
    if flat.dtype.kind == "b":
        return flat.astype(np.int64).tolist()
    if flat.dtype.kind in "iu":
        return flat.tolist()
    return [_text(value) for value in flat.tolist()]


def times(values: npt.NDArray[Any]) -> list[str | None]:
    """datetime64 or cftime values as ISO 8601 text in UTC, no finer than they need to be."""
    if values.dtype.kind != "M":
        return [f"{value.isoformat()}Z" for value in values.ravel()]
    distinct, place = np.unique(values.ravel(), return_inverse=True)
    fits = [unit for unit in _UNITS if _equal(distinct, distinct.astype(f"M8[{unit}]"))]
    unit: Any = fits[0] if fits else _UNITS[-1]
    texts: list[str] = np.datetime_as_string(distinct, unit=unit).tolist()
    written = [None if text == "NaT" else f"{text}Z" for text in texts]
    return [written[number] for number in place.tolist()]


def label(value: Any) -> Any:
    """One coordinate value, as a label: a number, a text, a time or a duration in ISO 8601."""
    array = np.asarray(value)
    if array.dtype.kind == "m" and not np.isnat(array):
        return duration_text(int(array.astype("m8[ns]").astype(np.int64)))
    return times(array)[0] if array.dtype.kind == "M" else plain(array)[0]


def _equal(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    return bool(((one == other) | np.isnat(one)).all())


def _with_none(values: npt.NDArray[Any], missing: npt.NDArray[np.bool_]) -> list[Any]:
    if not missing.any():
        return values.tolist()
    boxed = values.astype(object)
    boxed[missing] = None
    return boxed.tolist()


def _text(value: Any) -> str | None:
    if value is None or value != value:  # NaN among texts
        return None
    return f"{value.isoformat()}Z" if hasattr(value, "calendar") else str(value)
