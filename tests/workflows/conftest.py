"""Fixtures of the workflows wing.

==========  =====================================================================================
fixture     gives
==========  =====================================================================================
lake        an open lake of the user ``ann`` in a folder of its own, in process
shelf       a Shelf with the recipes ``note`` (appends a line to a file), ``fail``, ``slow`` and
            ``give`` (publishes a dataset that is derived from another)
automation  a LocalAutomation of that lake with that shelf; closed at the end
ledger      a Ledger of its own, with ``ledger_clock`` as its clock
==========  =====================================================================================
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from boathouse.catalogs.lake import Lake, open_lake
from boathouse.workflows.ledger import Ledger
from boathouse.workflows.local import LocalAutomation, open_automation
from boathouse.workflows.recipes import Shelf

RECIPES = {
    "note": (
        "# Note\nAppends a line.",
        "path: str  # the file\ntext: str = 'x'\ntimes: int = 1\nsize: float = 1.0",
        "with open(path, 'a') as file:\n    print(text, file=file)",
        "print('noted', text)",
    ),
    "fail": (
        "# Fail",
        "station: str = 'none'",
        "print('before')",
        "raise ValueError(f'no such station: {station}')",
        "print('never')",
    ),
    "slow": (
        "# Slow",
        "path: str\nseconds: float = 60.0",
        "import os, time\nopen(path, 'w').write(str(os.getpid()))\ntime.sleep(seconds)",
    ),
    "give": (
        "# Give",
        "name: str\nsource: str = ''",
        "import boathouse as bh\nimport xarray as xr\n"
        "data = xr.Dataset({'t': ('x', [1.0, 2.0], {'units': 'K'})})\n"
        "inputs = [source] if source else ()\n"
        "given = bh.publish(data, name, licence='CC0-1.0', derived_from=inputs)",
    ),
}


def notebook_of(title: str, parameters: str, *cells: str) -> str:
    """A notebook as JSON text."""

    def cell(number: int, kind: str, source: str, tags: list[str]) -> dict[str, Any]:
        code = {"outputs": [], "execution_count": None} if kind == "code" else {}
        metadata = {"tags": tags} if tags else {}
        return {
            "cell_type": kind,
            "id": f"c{number}",
            "source": source,
            "metadata": metadata,
            **code,
        }

    made = [cell(0, "markdown", title, []), cell(1, "code", parameters, ["parameters"])]
    made += [cell(2 + number, "code", source, []) for number, source in enumerate(cells)]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def until(what: Callable[[], Any], *, seconds: float = 40.0) -> Any:
    """Wait for something to be true, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = open_lake(tmp_path / "lake", user="ann")
    yield opened
    opened.close()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    folder = tmp_path / "recipes"
    folder.mkdir()
    for name, cells in RECIPES.items():
        (folder / f"{name}.ipynb").write_text(notebook_of(*cells))
    return Shelf(folder)


@pytest.fixture
def automation(lake: Lake, shelf: Shelf) -> Iterator[LocalAutomation]:
    opened = open_automation(lake, shelf=shelf)
    yield opened
    opened.close()


@pytest.fixture
def ledger_clock() -> list[float]:
    """Seconds; change the one value to let time pass."""
    return [1000.0]


@pytest.fixture
def ledger(tmp_path: Path, ledger_clock: list[float]) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "automation.sqlite", clock=lambda: ledger_clock[0])
    yield opened
    opened.close()
