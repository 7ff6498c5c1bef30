"""The tutorials do what they show: each is executed on a real hub, in a kernel as a user has it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

import boathouse

pytestmark = [pytest.mark.hub, pytest.mark.slow, pytest.mark.timeout(600)]

TUTORIALS = Path(boathouse.__file__).parent / "notebooks" / "tutorials"


@pytest.fixture(scope="module")
def kernel_environment(lively_hub: Any) -> Iterator[dict[str, str]]:
    visitor = lively_hub.visit(lively_hub.name, lively_hub.password)
    yield visitor.kernel_environment()
    rule = "services/automation/rules/my-piece-of-the-sea"
    visitor.client.delete(rule, headers=visitor.headers)


@pytest.mark.parametrize("path", sorted(TUTORIALS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_tutorial_runs_to_its_end(
    path: Path, kernel_environment: dict[str, str], tmp_path: Path
) -> None:
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    # Outputs and counts are the reader's own: what is shipped is clean.
    assert not any(cell.get("outputs") for cell in notebook.cells)
    environment = {**os.environ, **kernel_environment}
    client = NotebookClient(notebook, timeout=300, kernel_name="boathouse")
    client.execute(cwd=str(tmp_path), env=environment)
    text = "".join(
        str(output.get("data", output))
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    )
    expected = {
        "01-first-look": ("glosea-ensemble", "image/png"),
        "02-cut-a-shape": ("points", "my-piece-of-the-sea"),
        "03-when-this-arrives": ("arrived:", "equator-by-hand", "successful"),
        "04-a-storm-over-a-wind-farm": ("alert: /farms/shore-farm", "feather", "done", "shore-4"),
    }[path.stem]
    for word in expected:
        assert word in text, f"{path.stem} does not show {word!r}"
