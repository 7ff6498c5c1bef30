"""Keeps the finalizers of dask-gateway's client from waiting for the thread they run in."""

import asyncio
from collections.abc import Callable
from typing import Any

_MARK = "_boathouse_safe"


def guard_finalizers() -> None:
    """Let a gateway or a cluster be collected in any thread.

    Upstream's ``__del__`` (dask-gateway 2026.3) waits for its event loop.  The garbage collector
    runs it in whichever thread allocates next; in the thread of that very loop, it waits for
    ever, and the kernel with it.  What is left out there is only to close an HTTP session that
    ends with its loop.

    Examples
    --------
    >>> guard_finalizers()  # doctest: +SKIP
    """
    from dask_gateway import Gateway, GatewayCluster

    for kind in (Gateway, GatewayCluster):
        finalize: Any = kind.__del__
        if not hasattr(finalize, _MARK):
            setattr(kind, "__del__", _guarded(finalize))  # noqa: B010  the type is not ours


def _guarded(finalize: Callable[[Any], None]) -> Callable[[Any], None]:
    def __del__(thing: Any) -> None:
        if not _runs_on_own_loop(thing):
            finalize(thing)

    setattr(__del__, _MARK, True)
    return __del__


def _runs_on_own_loop(thing: Any) -> bool:
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        return False
    try:
        return running is thing.loop.asyncio_loop
    except AttributeError:  # its constructor failed
        return False
