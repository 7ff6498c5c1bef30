import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from boathouse.catalogs.imports import leave_out, when_imported
from boathouse.kernels.kernelspec import install_kernel
from boathouse.kernels.startup import LazyCatalog


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[KernelManager]:
    folder = install_kernel(tmp_path)
    specs = KernelSpecManager(kernel_dirs=[str(folder.parent)])
    manager = KernelManager(kernel_name="boathouse", kernel_spec_manager=specs)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("DASK_")
    }
    manager.start_kernel(
        env={**environment, "DASK_BOATHOUSE__LAKE": str(tmp_path), "IPYTHONDIR": str(tmp_path)}
    )
    yield manager
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()


def test_bh_and_catalog_are_there_and_heavy_things_are_not(kernel: KernelManager) -> None:
    client = kernel.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        answer = client.execute_interactive(
            "import json, sys",
            user_expressions={
                "names": "json.dumps([bh.__name__, type(catalog).__name__])",
                "heavy": "json.dumps([n for n in ('dask', 'xarray', 'numpy') if n in sys.modules])",
                "listed": "json.dumps(list(catalog))",
                "own": "json.dumps('bh' in get_ipython().user_ns_hidden)",
            },
            timeout=60,
        )
        shown = {
            name: json.loads(value["data"]["text/plain"].strip("'"))
            for name, value in answer["content"]["user_expressions"].items()
        }
    finally:
        client.stop_channels()
    assert shown["names"] == ["boathouse", "LazyCatalog"]
    assert shown["heavy"] == []
    assert shown["listed"] == []
    assert shown["own"]


def test_the_kernelspec_runs_this_python_and_is_written_once(tmp_path: Path) -> None:
    folder = install_kernel(tmp_path)
    spec = json.loads((folder / "kernel.json").read_text())
    assert spec["argv"][0] == sys.executable
    assert "{connection_file}" in spec["argv"]
    before = (folder / "kernel.json").stat().st_mtime_ns
    install_kernel(tmp_path)
    assert (folder / "kernel.json").stat().st_mtime_ns == before


def test_the_lazy_catalog_is_the_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    import boathouse

    class Catalog(dict[str, str]):
        def _repr_html_(self) -> str:
            return "<b>two</b>"

        def search(self) -> str:
            return "found"

    opened: list[int] = []

    def open_catalog() -> Catalog:
        opened.append(1)
        return Catalog(one="1", two="2")

    monkeypatch.setattr(boathouse, "open_catalog", open_catalog, raising=False)
    catalog = LazyCatalog()
    assert opened == []
    assert list(catalog) == catalog._ipython_key_completions_() == ["one", "two"]
    assert catalog["two"] == "2"
    assert len(catalog) == 2
    assert "one" in catalog
    assert catalog.search() == "found"
    assert catalog._repr_mimebundle_()["text/html"] == "<b>two</b>"
    assert not hasattr(catalog, "_ipython_canary_method_should_not_exist_")


def test_an_action_runs_after_the_first_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late_module.py").write_text("value = 1")
    monkeypatch.syspath_prepend(tmp_path)
    seen: list[int] = []
    when_imported("late_module", lambda: seen.append(sys.modules["late_module"].value))
    assert seen == []
    import late_module

    assert seen == [1]
    assert late_module.__loader__.get_source("late_module") == "value = 1"
    when_imported("late_module", lambda: seen.append(2))
    assert seen == [1, 2]
    del sys.modules["late_module"]


def test_what_is_left_out_is_as_if_not_installed() -> None:
    leave_out("no_such_slow_module", "json")
    with pytest.raises(ImportError):
        __import__("no_such_slow_module")
    assert json.loads("1") == 1  # there already: it stays
    del sys.modules["no_such_slow_module"]
