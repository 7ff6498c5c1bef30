"""The files that both mounts of the table send to the browser; nothing comes from a network."""

from functools import lru_cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"

# The module's source in parts; neither mount can load a second file, so they are joined.
PARTS = ("parts.js", "table.js")


@lru_cache(maxsize=1)
def module() -> str:
    """The table's ECMAScript module, as both mounts load it."""
    return "\n".join((STATIC / part).read_text(encoding="utf-8") for part in PARTS)


@lru_cache(maxsize=1)
def stylesheet() -> str:
    """The table's CSS."""
    return (STATIC / "table.css").read_text(encoding="utf-8")
