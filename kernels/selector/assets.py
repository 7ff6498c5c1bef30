"""The files that both mounts of the map send to the browser; nothing comes from a network."""

import base64
import json
import zlib
from functools import lru_cache
from pathlib import Path

from .countries import full_name, other_names

STATIC = Path(__file__).parent / "static"

# The module's source in parts; neither mount can load a second file, so they are joined.
PARTS = (
    "helpers.js",
    "geometry.js",
    "documents.js",
    "parts.js",
    "view.js",
    "land.js",
    "countries.js",
    "picker.js",
    "picture.js",
    "painter.js",
    "drawing.js",
    "toolbar.js",
    "inspector.js",
    "sliders.js",
    "around.js",
    "gestures.js",
    "map.js",
)

# What the pointer does: "pan" moves and edits, "view" looks and clicks, the others draw.
MODES = ("pan", "polygon", "box", "disk", "path", "country", "view")

# Metres of detail are asked for by the browser when it is zoomed in.
DETAILS = (110, 50)


@lru_cache(maxsize=1)
def module() -> str:
    """The map's ECMAScript module, as both mounts load it."""
    return "\n".join((STATIC / part).read_text(encoding="utf-8") for part in PARTS)


@lru_cache(maxsize=1)
def stylesheet() -> str:
    """The map's CSS."""
    return (STATIC / "map.css").read_text(encoding="utf-8")


@lru_cache(maxsize=len(DETAILS))
def coastlines(detail: int = 110) -> str:
    """Natural Earth's land and borders, packed for the map.

    Parameters
    ----------
    detail : int
        The scale in millions: 110 for the world, 50 for a region.

    Returns
    -------
    str
        TopoJSON, deflated and in base64.  A country has its full name as ``name`` and further
        words to find it by as ``also``; other properties are left out.

    Examples
    --------
    >>> len(coastlines(110)) < 64_000
    True
    """
    chosen = min(DETAILS, key=lambda known: abs(known - detail))
    topology = json.loads((STATIC / f"countries-{chosen}m.json").read_text(encoding="utf-8"))
    for thing in topology["objects"].values():
        for geometry in thing["geometries"]:
            short = geometry.pop("properties", {}).get("name")
            geometry.pop("id", None)
            if short:
                name = geometry["name"] = full_name(short)
                if also := other_names(name):
                    geometry["also"] = also
    topology["detail"] = chosen
    text = json.dumps(topology, separators=(",", ":")).encode()
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(packer.compress(text) + packer.flush()).decode("ascii")
