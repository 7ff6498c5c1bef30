"""Carries a store's outbox to the event log, and keeps trying until the log has every event."""

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0


class OutboxRelay:
    """A background thread that moves events from an outbox to a log.

    Parameters
    ----------
    move : callable
        Moves some pending events and returns how many are left; may raise one of
        ``failures``, upon which it is called again after a pause that grows.
    failures : tuple of exception types
        What a log that cannot be reached raises.
    """

    def __init__(self, move: Callable[[], int], *, failures: tuple[type[Exception], ...]) -> None:
        self._move = move
        self._failures = failures
        self._changed = threading.Condition()
        self._asked = 0  # how often wake() was called
        self._done = 0  # every event that was pending at this wake() is in the log
        self._closed = False
        self._thread: threading.Thread | None = None

    def wake(self, *, wait: float = 0.0) -> bool:
        """Say that events are pending; wait up to ``wait`` seconds until the log has them.

        Returns
        -------
        bool
            Whether the log has them.
        """
        with self._changed:
            if self._closed:
                return False
            self._asked += 1
            mine = self._asked
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="boathouse-outbox", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()
            return (
                self._changed.wait_for(lambda: self._done >= mine or self._closed, timeout=wait)
                and not self._closed
            )

    def close(self, *, wait: float = 2.0) -> None:
        """Stop the thread; what is still pending is moved at the next start."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout=wait)

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked > self._done or self._closed)
                if self._closed:
                    return
                target = self._asked
            failed = False
            try:
                left = self._move()
            except self._failures as error:
                if pause == FIRST_PAUSE_SECONDS:
                    logger.warning("The event log does not take events (%s); trying again", error)
                left, failed = 1, True
            with self._changed:
                if not left:
                    self._done = max(self._done, target)
                    self._changed.notify_all()
                if not failed:
                    pause = FIRST_PAUSE_SECONDS
                    continue
                self._changed.wait_for(lambda: self._closed, timeout=pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
