import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest

from boathouse.catalogs.errors import BadRequest
from boathouse.catalogs.lake import open_lake
from boathouse.kernels.session import Session, default_lake, session, setting


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A process that no hub has told anything, with a home of its own."""
    for name in ("JUPYTERHUB_API_TOKEN", "JUPYTERHUB_USER", "BOATHOUSE_JOB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with dask.config.set({"boathouse.lake": None, "boathouse.address": None}):
        yield tmp_path


def test_without_configuration_the_lake_is_at_home(plain: Path) -> None:
    assert session() == Session(lake=str(plain / "boathouse-lake"))
    (plain / "lake").mkdir()
    assert session().lake == str(plain / "lake")


def test_the_configured_lake_is_the_default_and_opened_in_process(plain: Path) -> None:
    with dask.config.set({"boathouse.lake": str(plain / "mine")}):
        lake = open_lake()
        assert lake is default_lake()
        assert lake.root == plain / "mine"
        assert lake.connection is None
        lake.close()


def test_in_a_hub_the_lake_is_reached_with_the_token(
    plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "secret-token")
    monkeypatch.setenv("JUPYTERHUB_USER", "ann")
    monkeypatch.setenv("BOATHOUSE_JOB", "job-1")
    address = "http://127.0.0.1:1"
    with dask.config.set({"boathouse.lake": str(plain), "boathouse.address": address}):
        lake = default_lake()
        assert lake.connection is not None
        assert lake.connection.service("events") == "http://127.0.0.1:1/services/events/"
        assert (lake.user, lake.job) == ("ann", "job-1")
        for shown in (repr(session()), repr(lake), repr(lake.connection)):
            assert "secret-token" not in shown


def test_a_hub_without_a_token_is_said(plain: Path) -> None:
    with (
        dask.config.set({"boathouse.address": "http://127.0.0.1:1/"}),
        pytest.raises(BadRequest, match="JUPYTERHUB_API_TOKEN"),
    ):
        default_lake()


def test_every_setting_of_the_yaml_has_a_value_or_says_none() -> None:
    assert setting("cluster.local.workers") >= 1
    assert setting("no-such-thing", "default") == "default"


def test_the_environment_sets_the_lake_and_the_accessor_comes_with_xarray(tmp_path: Path) -> None:
    code = (
        "import sys, boathouse as bh\n"
        "bh.NotFound\n"  # any name binds the session
        "assert 'xarray' not in sys.modules\n"
        "import xarray as xr\n"
        "assert hasattr(xr.Dataset, 'polytope')\n"
        "assert xr.__loader__.get_filename('xarray') == xr.__file__\n"
        "from boathouse.kernels.session import session\n"
        "print(session().lake)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={"DASK_BOATHOUSE__LAKE": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == str(tmp_path)
