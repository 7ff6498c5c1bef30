"""The heartbeat of a running attempt: says how far it is, and hears that it should stop."""

import logging
import threading
from collections.abc import Callable

from ..catalogs.errors import BoathouseError

logger = logging.getLogger(__name__)

# A worker learns within this time (seconds) that its job was dismissed.
BEAT_SECONDS = 1.0
KILL_SECONDS = 0.2


class Pulse:
    """A thread that reports progress at once and beats in long cells.

    Parameters
    ----------
    report : callable
        ``report(done=..., total=..., message=...)``; its False means: stop.
    kill : callable
        Kills the kernel; called again and again, since the kernel may be just starting.
    """

    def __init__(self, report: Callable[..., bool], kill: Callable[[], None]) -> None:
        self._report = report
        self._kill = kill
        self._news = threading.Event()
        self._closed = False
        self._said: dict[str, int | str] = {"done": 0, "total": 0, "message": ""}
        self._heard: dict[str, int | str] = {}
        #: Whether somebody else has the job now, or nobody: the attempt must leave no trace.
        self.overtaken = False
        self._thread = threading.Thread(target=self._beat, name="boathouse-pulse", daemon=True)
        self._thread.start()

    def say(self, **said: int | str) -> None:
        """Report these values soon, without waiting for the answer."""
        self._said = {**self._said, **said}
        self._news.set()

    def close(self) -> None:
        """Stop beating."""
        self._closed = True
        self._news.set()
        self._thread.join()

    def catch_up(self) -> None:
        """After :meth:`close`: report what was said last, if nobody has heard it.

        Raises
        ------
        BoathouseError
            When nobody hears it now.
        """
        if not self.overtaken and self._heard != self._said:
            self._tell()

    def _beat(self) -> None:
        while not self._closed:
            self._news.clear()
            try:
                self._tell()
            except BoathouseError as error:
                # The service may be restarting; only its clear "no" ends the work.
                logger.warning("Cannot report progress: %s", error)
            if self.overtaken:
                break
            self._news.wait(BEAT_SECONDS)
        while not self._closed:
            self._kill()
            self._news.clear()
            self._news.wait(KILL_SECONDS)

    def _tell(self) -> None:
        said = self._said
        self.overtaken = not self._report(**said)
        self._heard = said
