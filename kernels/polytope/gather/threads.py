"""Does the same with many things in several threads, and gives up at the first error."""

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any


class Work:
    """Requests that several threads take from, until one of them fails.

    Parameters
    ----------
    requests : iterator
        What is to do.
    """

    def __init__(self, requests: Iterator[Any]) -> None:
        self._requests = requests
        self._lock = threading.Lock()
        self.error: BaseException | None = None

    def next(self) -> Any:
        """The next request; None when there are no more."""
        with self._lock:
            return None if self.error is not None else next(self._requests, None)

    def fail(self, error: BaseException) -> None:
        """Let nobody start anything more; takes no lock, its holder may be waiting."""
        self.error = self.error or error


def in_threads(work: Callable[[], None], threads: int) -> None:
    """Do the same in this thread and in helpers beside it; returns when all are done.

    Parameters
    ----------
    work : callable
        What to do; it keeps its errors to itself.
    threads : int
        How many, with this one.
    """
    helpers = [threading.Thread(target=work, daemon=True) for _ in range(threads - 1)]
    for helper in helpers:
        helper.start()
    try:
        work()
    finally:
        for helper in helpers:
            helper.join()


# Asking the system takes longer than decoding a small chunk.
_CORES = os.cpu_count() or 1
# Starting a thread takes as long as decoding about so many bytes.
_WORTH = 2_000_000


def decoding_threads(count: int, size: int) -> int:
    """How many threads decode a number of chunks: one in a thread that is itself one of many.

    Parameters
    ----------
    count : int
        Of chunks.
    size : int
        Bytes of a decoded chunk.
    """
    if threading.current_thread() is not threading.main_thread():
        return 1
    return max(1, min(4, _CORES, count // 4, count * size // _WORTH))


def read_each(
    requests: Iterator[Any],
    do: Callable[[Any], None],
    threads: int,
    stop: Callable[[], None] | None = None,
) -> None:
    """Do something with each request in several threads.

    Parameters
    ----------
    requests : iterator
        What is to do.
    do : callable
        Called with each request.
    threads : int
        How many, with this one.
    stop : callable, optional
        Called when one fails: wakes a thread that waits for the next request.

    Raises
    ------
    the first error
        Once nobody works any more.
    """
    shared = Work(requests)

    def work() -> None:
        try:
            while (request := shared.next()) is not None:
                do(request)
        except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
            shared.fail(error)
            if stop is not None:
                stop()

    in_threads(work, threads)
    if shared.error is not None:
        raise shared.error
