"""Recipes: their parameters have types, and wrong ones are refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boathouse.catalogs.errors import BadParameter, NotFound
from boathouse.kernels.polytope.shapes import Box
from boathouse.workflows.recipes import Shelf, jsonable, read_parameters


def test_a_recipe_says_what_it_is_and_takes(shelf: Shelf) -> None:
    note = shelf.recipe("note")
    assert (note.title, note.description) == ("Note", "Appends a line.")
    assert note.parameters["path"] == {
        "type": "str",
        "default": None,
        "help": "the file",
        "required": True,
    }
    assert note.parameters["times"]["default"] == 1
    assert not note.parameters["size"]["required"]


def test_all_recipes_that_come_with_us_can_be_read() -> None:
    recipes = {recipe.name: recipe for recipe in Shelf().recipes()}
    mean = recipes["mean-over-shape"]
    assert mean.title == "Mean over a shape"
    assert {name for name, p in mean.parameters.items() if p["required"]} == {"dataset", "shape"}
    assert all(p["help"] and p["type"] for p in mean.parameters.values())


@pytest.mark.parametrize(
    ("parameters", "field", "says"),
    [
        ({}, "path", "needs the parameter 'path'"),
        ({"path": "p", "colour": 1}, "colour", "has no parameter 'colour'; it has: path, text"),
        ({"path": 3}, "path", "must be str"),
        ({"path": "p", "times": "3"}, "times", "must be int"),
        ({"path": "p", "times": 1.5}, "times", "must be int"),
        ({"path": "p", "times": True}, "times", "must be int"),
        ({"path": "p", "size": "big"}, "size", "must be float"),
        ({"path": "p", "size": float("nan")}, "size", "nan"),
        ({"path": "p", "size": object()}, "size", "object cannot be sent"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(
    shelf: Shelf, parameters: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(BadParameter, match=says) as caught:
        shelf.check("note", parameters)
    assert caught.value.field == field


def test_values_become_what_json_has(shelf: Shelf) -> None:
    checked = shelf.check("note", {"path": "p", "times": np.int64(3), "size": 2})
    assert checked == {"path": "p", "times": 3, "size": 2.0}
    assert type(checked["times"]) is int
    assert type(checked["size"]) is float


def test_a_shape_travels_as_its_dict() -> None:
    box = Box(latitude=(50, 55), longitude=(-5, 2))
    checked = Shelf().check("mean-over-shape", {"dataset": "sst", "shape": box})
    assert checked["shape"] == jsonable(box.to_dict())


@pytest.mark.parametrize("name", ["nothing", "../note", "/etc/passwd", ""])
def test_an_unknown_recipe_names_those_that_exist(shelf: Shelf, name: str) -> None:
    with pytest.raises(NotFound, match=r"there are: fail, give, note, slow") as caught:
        shelf.source(name)
    assert caught.value.field == "recipe"


def test_a_changed_recipe_is_read_again(shelf: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "recipes" / "note.ipynb"
    assert shelf.recipe("note").title == "Note"
    path.write_text(path.read_text().replace("# Note", "# Memo"))
    import os

    os.utime(path, (1, 1))
    assert shelf.recipe("note").title == "Memo"


@pytest.mark.parametrize(
    ("source", "value", "fits"),
    [
        ("a: list[float]", [1, 2.5], True),
        ("a: list[float]", [1, "x"], False),
        ("a: dict[str, int] | None = None", None, True),
        ("a: dict[str, int]", {"x": 1.5}, False),
        ("a = 0.5", "x", False),
        ("a = None", {"any": ["thing"]}, True),
        ("a: Shape", {"any": "thing"}, True),
    ],
)
def test_annotations_mean_what_they_say(
    tmp_path: Path, source: str, value: Any, fits: bool
) -> None:
    from boathouse.workflows.recipes import _converted

    kind = read_parameters(source)["a"]["type"]
    if fits:
        _converted("r", "a", value, kind)
    else:
        with pytest.raises(BadParameter):
            _converted("r", "a", value, kind)


def test_reading_a_recipe_runs_nothing(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    with pytest.raises(ValueError, match="malformed"):
        read_parameters(f"a: str = open({str(trap)!r}, 'w').write('x')")
    assert not trap.exists()
