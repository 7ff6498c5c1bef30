"""The repository is the package: what is shipped, what an import costs, what is public."""

import ast
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import boathouse

ROOT = Path(boathouse.__file__).parent
HEAVY = {"numpy", "xarray", "zarr", "icechunk", "dask", "distributed", "pandas", "intake", "panel"}
UPSTAIRS = {"jupyterhub", "panel", "papermill", "dbos", "distributed", "dask_gateway", "ipywidgets"}


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(' '.join({{m.split('.')[0] for m in sys.modules}}))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/"
    )
    return set(run.stdout.split())


def test_a_bare_import_brings_nothing_heavy():
    assert not modules_after("import boathouse as bh; dir(bh)") & HEAVY


def test_the_lowest_floor_needs_nothing_of_the_floors_above():
    modules = [
        f"boathouse.{path.relative_to(ROOT).with_suffix('').as_posix().replace('/', '.')}"
        for path in sorted((ROOT / "catalogs").rglob("*.py"))
        if path.name not in ("__init__.py", "__main__.py")
    ]
    assert len(modules) > 10
    assert not modules_after("\n".join(f"import {name}" for name in modules)) & UPSTAIRS


def declared_names() -> set[str]:
    tree = ast.parse((ROOT / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {alias.name for node in block.body for alias in node.names}  # type: ignore[attr-defined]


def test_public_names_are_the_declared_ones_and_all_can_be_fetched():
    names = set(boathouse.__all__) - {"__version__"}
    assert names == set(boathouse._HOME_OF)
    assert names == declared_names()
    for name in names:
        assert getattr(boathouse, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'utils'"):
        _ = boathouse.utils


def folders_with_code() -> set[str]:
    tops = ("catalogs", "kernels", "workflows", "hub", "notebooks")
    folders = {path.parent for top in tops for path in (ROOT / top).rglob("__init__.py")}
    return {
        "boathouse",
        *(f"boathouse.{f.relative_to(ROOT).as_posix().replace('/', '.')}" for f in folders),
    }


def test_the_package_list_names_every_folder_with_code():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]
    assert packages == sorted(packages)
    assert set(packages) == folders_with_code()
    assert sorted(path.name for path in ROOT.glob("*.py")) == ["__init__.py"]


def test_locks_name_no_address():
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text
        assert "--index" not in text
        assert "--find-links" not in text


@pytest.mark.slow
def test_the_wheel_has_one_top_level_name(tmp_path: Path):
    # Build outside of the repository, so that nothing stale can be shipped or left behind.
    settings = tmp_path / "settings.cfg"
    settings.write_text(f"[build]\nbuild_base={tmp_path}/build\n[egg_info]\negg_base={tmp_path}\n")
    build = subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            str(tmp_path),
            ".",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "DIST_EXTRA_CONFIG": str(settings)},
        check=False,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"boathouse"}
    for needed in (
        "boathouse/__init__.py",
        "boathouse/kernels/boathouse.yaml",
        "boathouse/kernels/spec/kernel.json",
        "boathouse/kernels/selector/static/map.js",
        "boathouse/notebooks/recipes/mean-over-shape.ipynb",
        "boathouse/notebooks/tutorials/01-first-look.ipynb",
        "boathouse/hub/jupyterhub_config.py",
        "boathouse/hub/dask_gateway_config.py",
    ):
        assert needed in names
    assert not [name for name in names if "/tests/" in name or name.startswith("boathouse/docs")]
