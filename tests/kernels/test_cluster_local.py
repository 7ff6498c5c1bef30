"""A cluster without a hub; the one behind the gateway is in tests/hub/test_hub_cluster.py."""

import subprocess
import sys
from collections.abc import Iterator

import dask
import pytest
from distributed import Client, LocalCluster

from boathouse.catalogs.errors import BadRequest, Unavailable
from boathouse.kernels import cluster
from boathouse.kernels.cluster import HubCluster, attach, offer_as_default


@pytest.fixture
def alone() -> Iterator[None]:
    with dask.config.set({"gateway.address": None, "scheduler-address": None}):
        yield
        cluster._forget()


@pytest.mark.usefixtures("alone")
def test_without_a_hub_attach_gives_a_cluster_in_this_process() -> None:
    client = attach(workers=2)
    assert client.submit(sum, [1, 2]).result() == 3
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    assert [worker["resources"] for worker in workers] == [{"kernel": 1}] * 2
    assert attach() is client


@pytest.mark.usefixtures("alone")
def test_a_closed_client_and_a_closed_cluster_are_replaced() -> None:
    first = attach(workers=1)
    first.close()
    second = attach()
    assert second is not first
    assert second.cluster is first.cluster
    second.cluster.close()
    third = attach(workers=1)
    assert third.cluster is not second.cluster
    assert third.submit(sum, [2]).result() == 2


@pytest.mark.usefixtures("alone")
def test_an_unknown_option_is_named() -> None:
    with pytest.raises(BadRequest, match="not cores") as caught:
        attach(cores=2)
    assert caught.value.field == "cores"


@pytest.mark.usefixtures("alone")
def test_in_a_job_attach_reaches_the_cluster_that_it_runs_on() -> None:
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as theirs,
        dask.config.set({"scheduler-address": theirs.scheduler_address}),
    ):
        client = attach()
        assert client.scheduler.address == theirs.scheduler_address
        client.close()


def test_a_gateway_that_is_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "backoff", lambda attempt: 0.0)
    with (
        dask.config.set({"gateway.address": "http://127.0.0.1:1/services/dask-gateway/"}),
        pytest.raises(Unavailable, match="gateway"),
    ):
        attach()


def test_a_configured_scheduler_stays_the_default() -> None:
    with dask.config.set({"gateway.address": "http://x", "scheduler-address": "tcp://mine:1"}):
        offer_as_default()
        assert dask.config.get("scheduler-address") == "tcp://mine:1"
    with dask.config.set({"gateway.address": "http://x", "scheduler-address": None}):
        offer_as_default()
        offered = dask.config.get("scheduler-address")
        assert isinstance(offered, HubCluster)
        # Dask writes its configuration as JSON for the processes that it starts.
        assert dask.config.deserialize(dask.config.serialize(offered)) == str(offered)


def test_a_bare_client_finds_what_stands_for_the_cluster() -> None:
    with (
        dask.config.set({"gateway.address": None, "scheduler-address": HubCluster()}),
        Client() as client,
    ):
        assert client.submit(sum, [1, 1]).result() == 2
    cluster._forget()


def test_importing_it_is_light() -> None:
    code = (
        "import sys, boathouse.kernels.cluster, boathouse.kernels.startup\n"
        "heavy = {'dask', 'distributed', 'dask_gateway', 'xarray', 'numpy', 'bokeh'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert shown.stdout.strip() == "[]", shown.stderr
