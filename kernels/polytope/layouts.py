"""Drops from a variable's encoding how the whole cube lay in its file."""

from typing import Any

import xarray as xr

# It says nothing of a part of the cube, and hinders writing that.
_LAYOUT = {"chunks", "preferred_chunks", "shards", "chunksizes", "contiguous", "original_shape"}


def without_layout(variable: xr.Variable) -> dict[Any, Any]:
    """The encoding of a variable but for what describes the file that it lay in.

    Parameters
    ----------
    variable : xr.Variable
        Of a cube.
    """
    encoding = variable.encoding
    return {key: kept for key, kept in encoding.items() if key not in _LAYOUT} if encoding else {}
