"""Small pictures of collections for the list of results."""

import base64
import struct
import zlib

import msgspec
import numpy as np
import numpy.typing as npt

from ...catalogs.errors import BoathouseError
from ...catalogs.lake import Lake
from ...catalogs.records import Collection
from ...kernels.selector.field import NO_DATA, map_axes
from .fields import Fields
from .look import Look

# Points of a small line, and pixels of a small map.
MOST_POINTS = 120
MOST_PIXELS = 320


class Thumbnail(msgspec.Struct, frozen=True, kw_only=True):
    """A small map (``image``, a data URL) or a small line (``line``), with a note."""

    image: str = ""
    line: tuple[float | None, ...] = ()
    caption: str = ""


def thumbnail(fields: Fields, lake: Lake, collection: Collection) -> Thumbnail:
    """The picture of a collection's first variable: a map when it has one, else a line.

    A collection that cannot be drawn gets an empty picture, since its card is worth
    showing all the same.
    """
    try:
        looks = fields.looks(lake, collection)
        look = next((each for each in looks.values() if not each.is_empty), None)
        if look is None:
            return Thumbnail()
        if look.grid is not None and min(look.grid.shape) > 1:
            return _map(fields, lake, collection, look)
        return _line(fields, lake, collection, look)
    except BoathouseError:
        return Thumbnail()


def _map(fields: Fields, lake: Lake, collection: Collection, look: Look) -> Thumbnail:
    last = {look.time.name: len(look.time.texts) - 1} if look.time else {}
    field = fields.frame(lake, collection, look, last)
    packed = base64.b64decode(field["data"])
    cells = zlib.decompress(packed, -zlib.MAX_WBITS) if field["encoding"] != "raw" else packed
    levels = np.frombuffer(cells, np.uint8).reshape(field["height"], field["width"])
    if field["lat"][1] > field["lat"][0]:
        levels = levels[::-1]
    if field["lon"][1] < field["lon"][0]:
        levels = levels[:, ::-1]
    stride = max(1, int(np.ceil(max(levels.shape) / MOST_PIXELS)))
    image = png(levels[::stride, ::stride], base64.b64decode(field["colors"]))
    url = "data:image/png;base64," + base64.b64encode(image).decode("ascii")
    return Thumbnail(image=url, caption=_caption(look))


def _line(fields: Fields, lake: Lake, collection: Collection, look: Look) -> Thumbnail:
    place = None
    if look.grid is not None:  # one cell high or wide, so the line there is what to show
        cube = fields.dataset(lake, collection)
        latitude, longitude = (float(cube[name].values.flat[0]) for name in map_axes(cube))
        place = (longitude, latitude)
    series = fields.series(lake, collection, look, {}, place)
    values = series.lines[0]
    values = values[:: max(1, int(np.ceil(values.size / MOST_POINTS)))]
    line = tuple(float(value) if np.isfinite(value) else None for value in values)
    known = [value for value in line if value is not None]
    if not known:
        return Thumbnail()
    if len(line) == 1:  # one value is no line: a level one is drawn, and the value is said
        return Thumbnail(line=line * 2, caption=f"{look.label} {known[0]:.5g} {look.units}".strip())
    return Thumbnail(line=line, caption=_caption(look))


def _caption(look: Look) -> str:
    return f"{look.label} [{look.units}]" if look.units not in ("", "1") else look.label


def png(levels: npt.NDArray[np.uint8], colors: bytes) -> bytes:
    """A PNG file with a palette; the level for "no data" is transparent.

    Parameters
    ----------
    levels : ndarray of shape (height, width)
        One byte a pixel, the top row first.
    colors : bytes
        256 RGB triples.

    Examples
    --------
    >>> png(np.zeros((1, 1), np.uint8), bytes(768))[:4]
    b'\\x89PNG'
    """
    height, width = levels.shape

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    rows = np.zeros((height, width + 1), np.uint8)  # each row begins with its filter, none
    rows[:, 1:] = levels
    opacity = bytes(255 if level != NO_DATA else 0 for level in range(256))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"PLTE", colors[:768]),
            chunk(b"tRNS", opacity),
            chunk(b"IDAT", zlib.compress(rows.tobytes(), 6)),
            chunk(b"IEND", b""),
        )
    )
