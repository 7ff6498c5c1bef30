"""Imports made later, or not at all, where they would cost every start."""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast

# jsonschema asks for it to check "iri" formats, which nothing here has; it builds a parser at
# import, which takes two seconds in every hub, Jupyter server and notebook runner.
SLOW = ("rfc3987_syntax",)


def leave_out(*names: str) -> None:
    """Make later imports of optional modules fail as if they were not installed.

    Parameters
    ----------
    *names : str
        Modules; those in ``SLOW`` when none is given.  One that is imported already stays.
    """
    modules = cast("dict[str, Any]", sys.modules)
    for name in names or SLOW:
        modules.setdefault(name, None)


def when_imported(name: str, action: Callable[[], object]) -> None:
    """Call ``action`` once: now if the module is there, else right after its first import.

    Parameters
    ----------
    name : str
        The module's full name.
    action : callable
        Takes nothing; what it raises, the importing line raises.

    Examples
    --------
    >>> when_imported("sys", lambda: print("there already"))
    there already
    """
    if name in sys.modules:
        action()
    else:
        sys.meta_path.insert(0, _Finder(name, action))


class _Finder(MetaPathFinder):
    def __init__(self, name: str, action: Callable[[], object]) -> None:
        self._name = name
        self._action = action

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._action)
        return spec


class _Loader(Loader):
    """The module's own loader, with the action after it."""

    def __init__(self, loader: Loader, action: Callable[[], object]) -> None:
        self._loader = loader
        self._action = action

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # The module keeps its own loader, which readers of its resources ask for.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._action()
