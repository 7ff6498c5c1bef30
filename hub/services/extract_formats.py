"""The formats of answers: which one a request asks for, and how a cut is written in it."""

import io
import zipfile
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.exceptions import HTTPException

from ...catalogs.errors import BadRequest

if TYPE_CHECKING:
    import xarray as xr


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """One format.

    Attributes
    ----------
    name : str
        As ``f`` says it.
    media : str
        The media type, as ``Accept`` says it.
    suffix : str
        Of a file's name; empty where a browser should show the answer.
    row_bytes : int
        About what each row of the answer takes while it is written; 0 where the numbers are
        written as they are.
    """

    name: str
    media: str
    suffix: str = ""
    row_bytes: int = 0


FORMATS = {
    each.name: each
    for each in (
        Format(name="CoverageJSON", media="application/prs.coverage+json", row_bytes=32),
        Format(name="GeoJSON", media="application/geo+json", row_bytes=1000),
        Format(name="CSV", media="text/csv", suffix=".csv", row_bytes=200),
        Format(name="NetCDF", media="application/x-netcdf", suffix=".nc"),
        Format(name="Zarr", media="application/zip", suffix=".zarr.zip"),
    )
}
DEFAULT = FORMATS["CoverageJSON"]
_ALIASES = {"json": "CoverageJSON", "covjson": "CoverageJSON", "netcdf4": "NetCDF"}
# Other media types that mean the same; a browser that takes anything gets the default.
_MEDIA = {
    **{each.media: each for each in FORMATS.values()},
    "application/json": DEFAULT,
    "application/netcdf": FORMATS["NetCDF"],
    "application/x-netcdf4": FORMATS["NetCDF"],
    "application/vnd+zarr": FORMATS["Zarr"],
    "*/*": DEFAULT,
    "application/*": DEFAULT,
    "text/*": FORMATS["CSV"],
}


def format_of(name: str | None, accept: str) -> Format:
    """The format that a request asks for.

    Parameters
    ----------
    name : str or None
        The parameter ``f``, which counts more than the header.
    accept : str
        The header ``Accept``.

    Raises
    ------
    BadRequest
        Naming f, when there is no such format.
    HTTPException
        406, when nothing that the header accepts is offered.

    Examples
    --------
    >>> format_of("netcdf", "*/*").media
    'application/x-netcdf'
    >>> format_of(None, "text/csv;q=0.5, application/geo+json").name
    'GeoJSON'
    """
    if name:
        wanted = _ALIASES.get(name.strip().lower(), name.strip())
        for each in FORMATS.values():
            if wanted.lower() in (each.name.lower(), each.media):
                return each
        raise BadRequest(f"f: {name!r} is not offered; give {', '.join(FORMATS)}.", field="f")
    for media in _by_preference(accept):
        if media in _MEDIA:
            return _MEDIA[media]
    if not accept.strip():
        return DEFAULT
    offered = ", ".join(each.media for each in FORMATS.values())
    raise HTTPException(406, f"Accept: {accept!r} is not offered; there are {offered}")


def _by_preference(accept: str) -> list[str]:
    """The media types of an Accept header, the most wanted first, those refused left out."""
    found: list[tuple[float, str]] = []
    for part in accept.split(","):
        media, *parameters = (word.strip().lower() for word in part.split(";"))
        weights = [word[2:].strip() for word in parameters if word.startswith("q=")]
        try:
            weight = float(weights[0]) if weights else 1.0
        except ValueError:
            weight = 0.0
        if media and weight > 0:
            found.append((-weight, media))
    return [media for _, media in sorted(found, key=lambda each: each[0])]


def written(cut: "xr.Dataset", form: Format) -> bytes:
    """A cut in a format.

    Parameters
    ----------
    cut : xr.Dataset
        What ``extract`` gave; it is read here.
    form : Format
        One of ``FORMATS``.

    Raises
    ------
    BadShape
        If the format has no place for the cut, such as GeoJSON for one without places.
    """
    return _WRITERS[form.name](cut)


def _coverage(cut: "xr.Dataset") -> bytes:
    return msgspec.json.encode(cut.polytope.to_coverage())


def _geojson(cut: "xr.Dataset") -> bytes:
    return msgspec.json.encode(cut.polytope.to_geojson())


def _csv(cut: "xr.Dataset") -> bytes:
    return cut.polytope.to_csv().encode()


def _netcdf(cut: "xr.Dataset") -> bytes:
    clean, encoding = _storable(cut)
    for name, told in encoding.items():
        told.pop("chunks", None)
        if clean[name].ndim and clean[name].dtype.kind in "fiuM":
            told |= {"zlib": True, "complevel": 1}
    return bytes(clean.to_netcdf(None, engine="h5netcdf", encoding=encoding))


def _zarr(cut: "xr.Dataset") -> bytes:
    from zarr.storage import MemoryStore

    clean, encoding = _storable(cut)
    parts: dict[str, Any] = {}
    store = MemoryStore(parts)
    clean.to_zarr(store, mode="w", zarr_format=3, consolidated=False, encoding=encoding)
    file = io.BytesIO()
    # Chunks are compressed already.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(parts):
            archive.writestr(name, parts.pop(name).to_bytes())
    return file.getvalue()


def _storable(cut: "xr.Dataset") -> "tuple[xr.Dataset, dict[str, dict[str, Any]]]":
    """The cut with attributes and types that files have, and how to store its times."""
    from ...catalogs.encoding import COLLECTION_ATTRIBUTE, SNAPSHOT_ATTRIBUTE, encoding_of, storable

    about = {
        key: cut.attrs[key]
        for key in (COLLECTION_ATTRIBUTE, SNAPSHOT_ATTRIBUTE)
        if key in cut.attrs
    }
    clean = storable(cut).assign_attrs(about)
    return clean, encoding_of(clean)


_WRITERS: Mapping[str, Callable[["xr.Dataset"], bytes]] = {
    "CoverageJSON": _coverage,
    "GeoJSON": _geojson,
    "CSV": _csv,
    "NetCDF": _netcdf,
    "Zarr": _zarr,
}
