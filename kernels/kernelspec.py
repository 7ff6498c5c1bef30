"""The kernel "Boathouse" as Jupyter finds it."""

import sys
from importlib.resources import files
from pathlib import Path

import msgspec

NAME = "boathouse"


def install_kernel(prefix: Path | None = None) -> Path:
    """Put the kernelspec where Jupyter looks for it; returns its folder.

    Parameters
    ----------
    prefix : path, optional
        The environment to put it into; this Python's own by default.
    """
    folder = Path(prefix or sys.prefix) / "share" / "jupyter" / "kernels" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    for source in (files("boathouse.kernels") / "spec").iterdir():
        content = source.read_bytes()
        if source.name == "kernel.json":
            spec = msgspec.json.decode(content)
            # The very Python that has Boathouse, whatever the PATH says later.
            spec["argv"][0] = sys.executable
            content = msgspec.json.format(msgspec.json.encode(spec), indent=1)
        target = folder / source.name
        if not target.exists() or target.read_bytes() != content:
            target.write_bytes(content)
    return folder
