"""The IPython extension of the Boathouse kernel: ``bh`` and ``catalog`` in every notebook."""

import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from ..catalogs.imports import when_imported
from . import session as session  # binds the default lake

# The notebook face: the root itself, which a relative import cannot name.
bh = import_module("boathouse")


class LazyCatalog:
    """The lake's catalog, opened when it is first used: a kernel must not wait for it."""

    def _open(self) -> Any:
        return bh.open_catalog()

    def __getattr__(self, name: str) -> Any:
        # IPython asks every object for these; no reason to open the catalog.
        if name.startswith(("_ipython_", "__")):
            raise AttributeError(name)
        return getattr(self._open(), name)

    def __getitem__(self, name: str) -> Any:
        return self._open()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._open())

    def __len__(self) -> int:
        return len(list(self._open()))

    def __contains__(self, name: object) -> bool:
        return name in list(self._open())

    def __dir__(self) -> list[str]:
        return dir(self._open())

    def __repr__(self) -> str:
        return repr(self._open())

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._open())

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        catalog = self._open()
        bundle: dict[str, Any] = {"text/plain": repr(catalog)}
        html = getattr(catalog, "_repr_html_", lambda: None)()
        return bundle if html is None else {**bundle, "text/html": html}


def load_ipython_extension(shell: Any) -> None:
    """Put ``bh`` and ``catalog`` into the notebook's names."""
    shell.push({"bh": bh, "catalog": LazyCatalog()}, interactive=False)
    if "DASK_GATEWAY__ADDRESS" in os.environ and "DASK_SCHEDULER_ADDRESS" not in os.environ:
        when_imported("dask.config", _offer)


def _offer() -> None:
    from .cluster import offer_as_default

    offer_as_default()
