"""The documents of the service: landing page, conformance, and what EDR says of collections."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...catalogs.records import Collection
from .extract_formats import DEFAULT, FORMATS
from .extract_parameters import CRS84, KILOMETRES, TAKEN

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

CONFORMANCE = [
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    *(
        f"http://www.opengis.net/spec/ogcapi-edr-1/1.1/conf/{name}"
        for name in ("core", "collections", "json", "covjson", "geojson", "queries", "oas30")
    ),
]
# With more of them an axis is described by its ends only.
MOST_VALUES = 5_000
_GREGORIAN = "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian"
_CRS84_WKT = (
    'GEOGCRS["WGS 84 (CRS84)",DATUM["World Geodetic System 1984",'
    'ELLIPSOID["WGS 84",6378137,298.257223563]],CS[ellipsoidal,2],'
    'AXIS["longitude",east],AXIS["latitude",north],'
    'UNIT["degree",0.0174532925199433],ID["OGC","CRS84"]]'
)
_JSON = "application/json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"


def landing_page(base: str) -> dict[str, Any]:
    """What the service is, and where its parts are."""
    return {
        "title": "Boathouse extraction",
        "description": "Exactly the grid points that a shape holds, of any collection that you "
        "may see: by OGC API EDR queries, or by a Polytope request posted to "
        "collections/{id}/retrieve. What is too large for one answer becomes a job.",
        "links": [
            _link("self", f"{base}/", "This page"),
            _link("service-desc", f"{base}/api", "The API", OPENAPI),
            _link("conformance", f"{base}/conformance", "What the service conforms to"),
            _link("data", f"{base}/collections", "The collections that you may see"),
        ],
    }


def collections_page(base: str, faces: list[Collection]) -> dict[str, Any]:
    """All collections, each by what the catalog says of it."""
    return {
        "links": [_link("self", f"{base}/collections", "The collections that you may see")],
        "collections": [collection_page(base, face) for face in faces],
    }


def collection_page(
    base: str, face: Collection, dataset: "xr.Dataset | None" = None
) -> dict[str, Any]:
    """What EDR says of one collection.

    Parameters
    ----------
    base : str
        The service's address without a trailing slash.
    face : Collection
        The catalog's record.
    dataset : xr.Dataset, optional
        The opened cube, which tells the values of its axes too.
    """
    here = f"{base}/collections/{face.id}"
    queries = {} if not face.bbox else {kind: _query(here, kind, dataset) for kind in TAKEN}
    return {
        "id": face.id,
        "title": face.title,
        "description": face.description,
        "keywords": list(face.keywords),
        "links": [
            _link("self", here, face.title),
            *(_link("data", f"{here}/{kind}", f"Query: {kind}") for kind in queries),
            _link("retrieve", f"{here}/retrieve", "Post a Polytope request or a shape here"),
            _link("plan", f"{here}/plan", "Post one here to know what it costs"),
        ],
        "extent": _extent(face, dataset),
        "data_queries": queries,
        "crs": [CRS84],
        "output_formats": list(FORMATS),
        "parameter_names": {
            name: _parameter(name, about) for name, about in face.variables.items()
        },
        "licence": face.licence,
        "updated": face.updated,
    }


def _link(rel: str, href: str, title: str, kind: str = _JSON) -> dict[str, str]:
    return {"rel": rel, "href": href, "title": title, "type": kind}


def _query(here: str, kind: str, dataset: "xr.Dataset | None") -> dict[str, Any]:
    variables: dict[str, Any] = {
        "title": f"Query: {kind}",
        "query_type": kind,
        "output_formats": list(FORMATS),
        "default_output_format": DEFAULT.name,
        "crs_details": [{"crs": CRS84, "wkt": _CRS84_WKT}],
    }
    if kind == "radius":
        variables["within_units"] = list(KILOMETRES)
    if kind == "corridor":
        variables |= {"width_units": list(KILOMETRES), "height_units": _height_units(dataset)}
    link = _link("data", f"{here}/{kind}", f"Query: {kind}", DEFAULT.media)
    return {"link": {**link, "templated": False, "variables": variables}}


def _height_units(dataset: "xr.Dataset | None") -> list[str]:
    if dataset is None:
        return []
    from .extract_axes import axes_of
    from .extract_corridor import height_units_of

    level = axes_of(dataset).level
    return height_units_of(str(dataset[level].attrs.get("units", ""))) if level else []


def _extent(face: Collection, dataset: "xr.Dataset | None") -> dict[str, Any]:
    extent: dict[str, Any] = {}
    if face.bbox:
        extent["spatial"] = {"bbox": [list(face.bbox)], "crs": CRS84}
    temporal: dict[str, Any] = {"interval": [list(face.interval)], "trs": _GREGORIAN}
    if face.interval:
        extent["temporal"] = temporal
    if dataset is None:
        return extent
    from .extract_axes import axes_of
    from .extract_corridor import vertical_system

    axes = axes_of(dataset)
    if axes.time:
        temporal["values"] = times_of(dataset[axes.time].to_numpy())
    if axes.level:
        about = dataset[axes.level].attrs
        extent["vertical"] = {
            **_values(dataset, axes.level),
            "vrs": vertical_system(
                str(about.get("standard_name", axes.level)),
                str(about.get("units", "")),
                "down" if about.get("positive") == "down" else "up",
            ),
            "name": axes.level,
        }
    custom = [
        {"id": dim, **_values(dataset, dim), "reference": str(dataset[dim].attrs.get("units", dim))}
        for dim in axes.others
    ]
    return {**extent, "custom": custom} if custom else extent


def _values(dataset: "xr.Dataset", name: str) -> dict[str, Any]:
    """The interval and the values of an axis, as texts."""
    from ...catalogs.description import is_time
    from ...catalogs.times import time_text

    array = dataset[name]
    values = array.to_numpy().reshape(-1)
    texts = [time_text(each) if is_time(array) else str(each) for each in values]
    told: dict[str, Any] = {"interval": [[texts[0], texts[-1]]] if texts else []}
    if array.dtype.kind in "iuf" and texts:
        told["interval"] = [[str(values.min()), str(values.max())]]
    return {**told, "values": texts} if len(texts) <= MOST_VALUES else told


def times_of(values: "np.ndarray[Any, Any]") -> list[str]:
    """Times as EDR lists them: ``Rn/start/step`` where they are evenly spaced.

    Examples
    --------
    >>> import numpy as np
    >>> times_of(np.arange("2019-03-01T00", "2019-03-02T00", 6, dtype="M8[h]").astype("M8[ns]"))
    ['R4/2019-03-01T00:00:00Z/PT21600S']
    """
    import numpy as np

    from ...catalogs.times import time_text
    from ...kernels.polytope.values import duration_text

    times = values.reshape(-1)
    if times.dtype.kind == "M" and len(times) > 2:
        steps = np.unique(np.diff(times).astype("m8[ns]").astype(np.int64))
        if len(steps) == 1 and steps[0] > 0:
            return [f"R{len(times)}/{time_text(times[0])}/{duration_text(int(steps[0]))}"]
    if len(times) > MOST_VALUES:
        return [f"{time_text(times[0])}/{time_text(times[-1])}"]
    return [time_text(each) for each in times]


def _parameter(name: str, about: Mapping[str, Any]) -> dict[str, Any]:
    label = str(about.get("long_name") or name)
    units = str(about.get("units", ""))
    described: dict[str, Any] = {
        "type": "Parameter",
        "id": name,
        "description": label,
        "data-type": "integer" if str(about.get("dtype", ""))[:3] in ("int", "uin") else "float",
        "observedProperty": {"id": name, "label": label},
    }
    if units:
        ucum = "http://www.opengis.net/def/uom/UCUM/"
        described["unit"] = {"label": units, "symbol": {"value": units, "type": ucum}}
    return described
