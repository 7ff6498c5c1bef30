"""Reads Polytope-style requests: a feature or a shape, and values of other axes beside it."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import xarray as xr

from ...catalogs.errors import BadRequest, BadShape
from ...kernels.polytope.naming import axes_text, resolve
from ...kernels.polytope.shapes import Product, Select, Shape, Span
from .extract_parameters import number_or_text

_RANGE = re.compile(r"\s*/to/\s*", re.IGNORECASE)
_STEP = re.compile(r"/by/", re.IGNORECASE)


class Retrieval(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it was read.

    Attributes
    ----------
    shape : Shape
        What is wanted of the axes.
    variables : tuple of str
        What is wanted of the variables; empty for all.
    fields : dict of str to str
        What the request calls the axes, where the cube has another name.
    """

    shape: Shape
    variables: tuple[str, ...] = ()
    fields: dict[str, str] = {}


def read_retrieval(document: Mapping[str, Any], dataset: xr.Dataset) -> Retrieval:
    """The shape and the variables that a request means.

    Parameters
    ----------
    document : mapping
        ``feature`` (a Polytope feature) or ``shape`` (a shape's dict, or GeoJSON), or neither;
        ``param``, names of variables; and any axis of the cube: a value, a list, ``"a/b/c"`` or
        ``"a/to/b"``.
    dataset : xr.Dataset
        The cube.

    Raises
    ------
    BadRequest
        Naming the key that is unknown or wrong; ``BadShape`` where it does not fit the cube.

    Examples
    --------
    >>> cube = xr.Dataset(coords={"level": [500, 850]})
    >>> read_retrieval({"levelist": "500/850"}, cube).shape
    Select('level', (500, 850))
    """
    factors: list[Shape] = []
    fields: dict[str, str] = {}
    if "feature" in document and "shape" in document:
        raise BadRequest("feature and shape: give one of them.", field="shape")
    for key in ("feature", "shape"):
        if key in document:
            factors.append(_body(document[key], key))
    for key, value in document.items():
        if key not in ("feature", "shape", "param"):
            axis = _resolved(key, dataset)
            fields[axis] = key
            factors.append(_values(axis, key, value))
    if not factors:
        raise BadRequest(
            "Nothing is asked for: give a feature, a shape, or values of the axes "
            f"{axes_text(dataset)}.",
            field="feature",
        )
    shape = Product(*factors) if len(factors) > 1 else factors[0]
    variables = _variables(document.get("param"), dataset)
    return Retrieval(shape=shape, variables=variables, fields=fields)


def _body(value: Any, key: str) -> Shape:
    if not isinstance(value, Mapping):
        raise BadRequest(f"{key}: an object is needed.", field=key)
    return Shape.of(value)


def _resolved(key: str, dataset: xr.Dataset) -> str:
    try:
        # MARS says levelist; the rest of the names is the cube's own business.
        return resolve(dataset, key)
    except BadShape as error:
        raise BadRequest(
            f"{key}: no axis of the collection, which has {axes_text(dataset)}; besides these a "
            "request has feature or shape, and param.",
            field=key,
        ) from error


def _values(axis: str, key: str, value: Any) -> Shape:
    if isinstance(value, str):
        return _text(axis, key, value)
    values = value if isinstance(value, list) else [value]
    if not values or not all(
        isinstance(each, str | int | float) and not isinstance(each, bool) for each in values
    ):
        raise BadRequest(f"{key}: give a value, a list of values, or 'a/to/b'.", field=key)
    return Select(axis, values)


def _text(axis: str, key: str, text: str) -> Shape:
    if _STEP.search(text):
        raise BadRequest(f"{key}: 'by' is not taken; list the values.", field=key)
    ends = _RANGE.split(text)
    if len(ends) == 2:
        return Span(axis, *map(number_or_text, ends))
    values = [part.strip() for part in text.split("/")]
    if len(ends) > 2 or not all(values):
        raise BadRequest(
            f"{key}: {text!r} is not understood; write 'a/b/c' or 'a/to/b'.", field=key
        )
    return Select(axis, [number_or_text(part) for part in values])


def _variables(given: Any, dataset: xr.Dataset) -> tuple[str, ...]:
    if given is None:
        return ()
    names: Any = given.split("/") if isinstance(given, str) else given
    known = [str(name) for name in dataset.data_vars]
    if not isinstance(names, list) or not names or not all(name in known for name in names):
        raise BadRequest(
            f"param: {given!r} are not all variables of the collection, which has "
            f"{', '.join(known)}.",
            field="param",
        )
    return tuple(dict.fromkeys(names))
