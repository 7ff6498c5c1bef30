"""A gateway's client that is collected on its own event loop must not stop that loop."""

import asyncio
import gc
import threading

from dask_gateway import Gateway, GatewayCluster

from boathouse.kernels.finalizers import guard_finalizers


def test_a_gateway_is_collected_on_its_own_loop_and_the_loop_goes_on() -> None:
    guard_finalizers()
    guard_finalizers()
    box = [Gateway("http://127.0.0.1:1")]
    runner = box[0]._loop_runner
    collected = threading.Event()

    def drop() -> None:
        box.clear()
        gc.collect()
        collected.set()

    loop = runner.loop.asyncio_loop
    loop.call_soon_threadsafe(drop)
    assert collected.wait(10), "the loop waits for itself"
    assert asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "alive"), loop).result(10) == "alive"
    runner.stop()


def test_elsewhere_a_gateway_is_closed_as_before() -> None:
    guard_finalizers()
    gateway = Gateway("http://127.0.0.1:1")
    loop = gateway.loop
    del gateway
    gc.collect()
    assert not loop.asyncio_loop.is_running()


def test_a_gateway_whose_making_failed_is_no_trouble() -> None:
    guard_finalizers()
    GatewayCluster.__del__(GatewayCluster.__new__(GatewayCluster))
    Gateway.__del__(Gateway.__new__(Gateway))
