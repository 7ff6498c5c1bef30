"""The recipes that can be run: notebooks whose parameters have types."""

import ast
import io
import math
import re
import tokenize
from collections.abc import Collection, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ..catalogs.errors import BadParameter, NotFound
from .jobs import Recipe

# Each parameter of the cell tagged so is one assignment.
PARAMETERS_TAG = "parameters"
_PLAIN: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "dict": dict[str, Any],
    "list": list[Any],
}


class Shelf:
    """A folder of recipes.

    Parameters
    ----------
    folder : Path, optional
        Where the notebooks are; by default those that come with Boathouse.

    Examples
    --------
    >>> "mean-over-shape" in Shelf().names()
    True
    """

    def __init__(self, folder: Path | None = None) -> None:
        # The notebooks are data of the package, so they are found where it is installed.
        self._folder = folder or Path(str(files("boathouse.notebooks"))) / "recipes"
        self._read: dict[Path, tuple[float, Recipe]] = {}

    def names(self) -> list[str]:
        """The recipes' names, sorted."""
        return sorted(path.stem for path in self._folder.glob("*.ipynb"))

    def recipes(self) -> list[Recipe]:
        """All recipes, by name."""
        return [self.recipe(name) for name in self.names()]

    def recipe(self, name: str) -> Recipe:
        """One recipe; raises ``NotFound`` that lists those that exist."""
        path = self._path(name)
        changed = path.stat().st_mtime
        known = self._read.get(path)
        if known is None or known[0] != changed:
            known = (changed, read_recipe(name, path.read_text("utf-8")))
            self._read[path] = known
        return known[1]

    def source(self, name: str) -> str:
        """A recipe's notebook as JSON text; raises ``NotFound``."""
        return self._path(name).read_text("utf-8")

    def check(
        self, name: str, parameters: Mapping[str, Any], *, later: Collection[str] = ()
    ) -> dict[str, Any]:
        """The parameters as JSON values of the recipe's types.

        Parameters
        ----------
        name : str
            The recipe.
        parameters : mapping
            Values by name; a shape, or anything else with ``to_dict()``, becomes a dict.
        later : collection of str, optional
            Those whose values come later: only their names are checked.

        Returns
        -------
        dict
            Only what was given: defaults stay in the notebook.

        Raises
        ------
        NotFound
            For an unknown recipe.
        BadParameter
            For a parameter that is unknown, missing or of the wrong type.
        """
        recipe = self.recipe(name)
        for given in parameters:
            if given not in recipe.parameters:
                known = ", ".join(recipe.parameters) or "none"
                raise BadParameter(
                    f"Recipe {name!r} has no parameter {given!r}; it has: {known}.", field=given
                )
        for wanted, described in recipe.parameters.items():
            if described["required"] and wanted not in parameters:
                raise BadParameter(
                    f"Recipe {name!r} needs the parameter {wanted!r} ({described['type']}).",
                    field=wanted,
                )
        return {
            each: value
            if each in later
            else _converted(name, each, value, recipe.parameters[each]["type"])
            for each, value in parameters.items()
        }

    def _path(self, name: str) -> Path:
        # Looked up among the names, so that "../x" is simply not one of them.
        if name not in self.names():
            known = ", ".join(self.names()) or "none"
            raise NotFound(f"There is no recipe {name!r}; there are: {known}.", field="recipe")
        return self._folder / f"{name}.ipynb"


def read_recipe(name: str, text: str) -> Recipe:
    """Read a notebook's title, description and parameters.

    Parameters
    ----------
    name : str
        The recipe's name.
    text : str
        The notebook as JSON.  The first line of its first markdown cell is the title, the
        rest of that cell the description.
    """
    title, description, parameters = name, "", {}
    cells = msgspec.json.decode(text)["cells"]
    for cell in cells:
        if cell["cell_type"] == "markdown":
            head, _, rest = _text(cell).strip().partition("\n")
            title, description = head.lstrip("# ").strip() or name, rest.strip()
            break
    for cell in cells:
        if PARAMETERS_TAG in cell.get("metadata", {}).get("tags", ()):
            parameters = read_parameters(_text(cell))
            break
    return Recipe(name=name, title=title, description=description, parameters=parameters)


def read_parameters(source: str) -> dict[str, dict[str, Any]]:
    """Read the parameters that a cell declares.

    Parameters
    ----------
    source : str
        Python: ``name: type = default  # help`` in each line; without a default the
        parameter is required.

    Returns
    -------
    dict
        Name to ``{"type", "default", "help", "required"}``.

    Examples
    --------
    >>> read_parameters("days: int = 3  # how many")["days"]["help"]
    'how many'
    """
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found: dict[str, dict[str, Any]] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign):
            target, kind = node.target, ast.unparse(node.annotation)
        elif isinstance(node, ast.Assign):
            target, kind = node.targets[0], ""
        else:
            continue
        if isinstance(target, ast.Name):
            default = None if node.value is None else ast.literal_eval(node.value)
            found[target.id] = {
                "type": kind or (type(default).__name__ if default is not None else "Any"),
                "default": default,
                "help": comments.get(node.end_lineno or node.lineno, ""),
                "required": node.value is None,
            }
    return found


def jsonable(value: Any) -> Any:
    """A value as JSON has it; raises ``TypeError`` or ``ValueError`` when it cannot be.

    Examples
    --------
    >>> jsonable({"step": np.int64(3), "area": (1.0, 2.0)})
    {'step': 3, 'area': [1.0, 2.0]}
    """
    if isinstance(value, np.datetime64):
        return f"{value.astype('M8[s]')}Z"
    if isinstance(value, np.generic | np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): jsonable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} has no place in JSON")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if hasattr(value, "to_dict"):
        return jsonable(value.to_dict())
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} cannot be sent")


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as JSON values; raises ``BadParameter`` naming one that cannot be."""
    plain: dict[str, Any] = {}
    for name, value in parameters.items():
        try:
            plain[name] = jsonable(value)
        except (TypeError, ValueError) as error:
            raise BadParameter(f"Parameter {name!r}: {error}.", field=name) from error
    return plain


def _converted(recipe: str, name: str, value: Any, kind: str) -> Any:
    try:
        return msgspec.convert(jsonable(value), _type_of(ast.parse(kind, mode="eval").body))
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise BadParameter(
            f"Parameter {name!r} of recipe {recipe!r} must be {kind}: {error}.", field=name
        ) from error


def _type_of(node: ast.expr) -> Any:
    """The type that an annotation names; ``Any`` for what we do not know.  Nothing is evaluated."""
    match node:
        case ast.Name(id=name):
            return _PLAIN.get(name, Any)
        case ast.Constant(value=None):
            return None
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _type_of(left) | _type_of(right)
        case ast.Subscript(value=ast.Name(id="list"), slice=item):
            return list[_type_of(item)]
        case ast.Subscript(
            value=ast.Name(id="dict"), slice=ast.Tuple(elts=[ast.Name(id="str"), item])
        ):
            return dict[str, _type_of(item)]
        case _:
            return Any


def _text(cell: dict[str, Any]) -> str:
    # The notebook format allows both one string and a list of lines.
    return re.sub(r"\r\n?", "\n", "".join(cell["source"]))
