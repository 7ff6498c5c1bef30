"""Which lake a command works on, and how its options are read."""

import argparse
import os
from importlib import import_module
from pathlib import Path
from typing import Any


def options() -> argparse.ArgumentParser:
    """``--lake``, for every command."""
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("--lake", help="the lake's folder (default: what the configuration says)")
    return parser


def listing_options() -> argparse.ArgumentParser:
    """``--json``, for every command that prints things."""
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="JSON lines also in a terminal")
    return parser


def face(given: argparse.Namespace) -> Any:
    """The notebook face, with ``--lake`` as its default lake."""
    if given.lake:
        os.environ["DASK_BOATHOUSE__LAKE"] = str(Path(given.lake).expanduser().resolve())
        # A lake that is named is opened here, not through a hub.
        os.environ.pop("DASK_BOATHOUSE__ADDRESS", None)
    import_module("boathouse.kernels.session")  # binds the default lake
    return import_module("boathouse")


def event_log(given: argparse.Namespace) -> Any:
    """The log of the lake that is meant."""
    from ..catalogs.lake import open_lake

    face(given)
    return open_lake().log


def automation_of(given: argparse.Namespace) -> Any:
    """The automation of the lake that is meant."""
    face(given)
    from ..workflows.face import automation

    return automation()
