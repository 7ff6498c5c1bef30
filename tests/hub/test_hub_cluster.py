"""The user's cluster behind the gateway, as his kernels and scripts reach it."""

import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.hub


@pytest.fixture(scope="module")
def cleo(running_hub: Any) -> Any:
    return running_hub.add_user("cleo", "explorer")


def script(environment: dict[str, str], code: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_attach_reaches_one_cluster_from_every_process(cleo: Any) -> None:
    first = cleo.run("client = bh.attach(); print(client.scheduler.address)")
    assert first.startswith("gateway://")
    assert cleo.run("print(bh.attach() is client)").strip() == "True"
    assert cleo.run("print(client.submit(sum, [1, 2]).result())").strip() == "3"

    other = script(
        cleo.kernel_environment(),
        "import boathouse as bh; print(bh.attach().scheduler.address)",
    )
    assert other == first.strip()


def test_a_bare_client_reaches_the_same_cluster(cleo: Any) -> None:
    address = cleo.run("print(bh.attach().scheduler.address)")
    shown = cleo.run(
        "from distributed import Client\n"
        "bare = Client()\n"
        "print(bare.scheduler.address)\n"
        "assert bare.submit(sum, [2, 2]).result() == 4\n"
        "bare.close()"
    )
    assert shown == address
    assert cleo.run("print(bh.attach().submit(sum, [1, 4]).result())").strip() == "5"


def test_a_worker_knows_the_lake_has_room_for_a_notebook_and_holds_no_users_token(
    cleo: Any, running_hub: Any
) -> None:
    shown = cleo.run(
        "import os\n"
        "bh.attach().submit(sum, [1]).result()\n"
        "it, *_ = bh.attach().run(lambda: dict(os.environ)).values()\n"
        "print(it['DASK_BOATHOUSE__LAKE'], it['DASK_BOATHOUSE__ADDRESS'], it['HOME'])\n"
        "print('JUPYTERHUB_API_TOKEN' in it)\n"
        "worker, *_ = bh.attach().scheduler_info(n_workers=-1)['workers'].values()\n"
        "print(worker['nthreads'], worker['resources'])"
    )
    where, token, worker = shown.strip().splitlines()
    home = running_hub.lake / ".boathouse" / "homes" / "cleo"
    assert where.split() == [str(running_hub.lake), running_hub.address, str(home)]
    assert token == "False"
    assert worker == "2 {'kernel': 1.0}"


def test_the_plan_limits_clusters_and_workers_with_a_clear_message(cleo: Any) -> None:
    shown = cleo.run(
        "bh.attach()\n"
        "from dask_gateway import Gateway\n"
        "gateway = Gateway()\n"
        "try:\n    gateway.new_cluster()\n"
        "except ValueError as error:\n    print(error)\n"
        "options = gateway.cluster_options()\n"
        "try:\n    options.workers = 99\n"
        "except ValueError as error:\n    print('refused')"
    )
    message, refused = shown.strip().splitlines()
    assert message.startswith("Your plan (explorer) allows 1 clusters and 2 workers at once")
    assert refused == "refused"


def test_notebooks_that_wait_bring_more_workers(cleo: Any) -> None:
    # Each notebook needs a worker of its own: the second one must not wait for the first.
    shown = cleo.run(
        "import os, time\n"
        "def notebook(mine, other):\n"
        "    open(mine, 'w').close()\n"
        "    end = time.time() + 60\n"
        "    while time.time() < end and not os.path.exists(other):\n"
        "        time.sleep(0.1)\n"
        "    return os.path.exists(other)\n"
        "one, two = os.path.abspath('one'), os.path.abspath('two')\n"
        "client = bh.attach()\n"
        "runs = [client.submit(notebook, *names, resources={'kernel': 1})\n"
        "        for names in ((one, two), (two, one))]\n"
        "print(client.gather(runs))",
        seconds=150,
    )
    assert shown.strip() == "[True, True]"


def test_a_cluster_that_was_stopped_is_replaced(cleo: Any) -> None:
    shown = cleo.run(
        "before = bh.attach().scheduler.address\n"
        "from dask_gateway import Gateway\n"
        "gateway = Gateway()\n"
        "for report in gateway.list_clusters():\n    gateway.stop_cluster(report.name)\n"
        "import time\n"
        "while gateway.list_clusters():\n    time.sleep(0.1)\n"
        "client = bh.attach()\n"
        "print(client.scheduler.address != before, client.submit(sum, [3]).result())"
    )
    assert shown.split()[-2:] == ["True", "3"]


def test_attach_refuses_what_it_does_not_know(cleo: Any) -> None:
    shown = cleo.run(
        "try:\n    bh.attach(cores=3)\nexcept bh.BadRequest as error:\n    print(error)"
    )
    assert shown.strip() == "attach() knows workers and memory, not cores."
