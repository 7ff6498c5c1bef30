"""The description of the service in OpenAPI 3.0, for clients that read one."""

from typing import Any

from ... import __version__
from .extract_formats import FORMATS
from .extract_parameters import CRS84, KILOMETRES, TAKEN

_TEXT = {"type": "string"}
_TOLD: dict[str, tuple[str, dict[str, Any]]] = {
    "coords": (
        "Well-known text, longitude first: POINT, LINESTRING (Z, M, ZM), POLYGON ...",
        _TEXT,
    ),
    "bbox": ("west,south,east,north or west,south,lowest,east,north,highest", _TEXT),
    "datetime": ("An instant, a day, or an interval; .. is an open end", _TEXT),
    "z": ("A level, a list a,b, a range a/b, or a sequence Rn/first/step", _TEXT),
    "parameter-name": ("Names of variables, by commas; all when left out", _TEXT),
    "crs": ("Longitude, latitude of WGS 84", {"type": "string", "enum": [CRS84]}),
    "f": ("The format of the answer", {"type": "string", "enum": list(FORMATS)}),
    "within": ("The radius", {"type": "number"}),
    "within-units": ("The units of within", {"type": "string", "enum": list(KILOMETRES)}),
    "corridor-width": ("The whole width", {"type": "number"}),
    "width-units": ("The units of the width", {"type": "string", "enum": list(KILOMETRES)}),
    "corridor-height": ("The whole height", {"type": "number"}),
    "height-units": ("Units that the collection lists", _TEXT),
}
_NEEDED = frozenset({"coords", "bbox", "within", "within-units", "corridor-width", "width-units"})
_ID = {"name": "id", "in": "path", "required": True, "schema": _TEXT}


def api_page(base: str) -> dict[str, Any]:
    """The service in OpenAPI 3.0; ``base`` is its address without a trailing slash."""
    paths: dict[str, Any] = {
        "/": {"get": _told("The landing page")},
        "/conformance": {"get": _told("What the service conforms to")},
        "/collections": {"get": _told("The collections that you may see")},
        "/collections/{id}": {"get": {**_told("One collection"), "parameters": [_ID]}},
    }
    for kind in TAKEN:
        taken = [_ID, *(_parameter(name) for name in sorted(TAKEN[kind]))]
        query = {**_told(f"The query {kind}", answers=True), "parameters": taken}
        form = {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}
        posted = {**_told(f"The query {kind}, posted", answers=True), "parameters": [_ID]}
        posted["requestBody"] = {"content": form}
        paths[f"/collections/{{id}}/{kind}"] = {"get": query, "post": posted}
    for name, what in (
        ("retrieve", "Cut a Polytope feature or a shape"),
        ("plan", "What that would cost"),
    ):
        body = {"content": {"application/json": {"schema": {"type": "object"}}}, "required": True}
        posted = {**_told(what, answers=name == "retrieve"), "parameters": [_ID]}
        paths[f"/collections/{{id}}/{name}"] = {"post": {**posted, "requestBody": body}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Boathouse extraction", "version": __version__},
        "servers": [{"url": base}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
        "paths": paths,
    }


def _told(summary: str, *, answers: bool = False) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": {"type": "object"}}}
    media = [each.media for each in FORMATS.values()] if answers else ["application/json"]
    responses: dict[str, Any] = {
        "200": {"description": "As asked for", "content": {each: {} for each in media}},
        "default": {"description": "What is wrong and how to mend it", "content": problem},
    }
    if answers:
        responses["202"] = {"description": "It became a job; Location is where it is followed"}
        responses["204"] = {"description": "The shape holds no grid point"}
    return {"summary": summary, "responses": responses}


def _parameter(name: str) -> dict[str, Any]:
    description, schema = _TOLD[name]
    return {
        "name": name,
        "in": "query",
        "description": description,
        "required": name in _NEEDED,
        "style": "form",
        "explode": False,
        "schema": schema,
    }
