"""Slow work of one open page, done in threads, its answers brought back to the page's document."""

import logging
import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from bokeh.document import Document

from ...catalogs.errors import BoathouseError

logger = logging.getLogger(__name__)

T = TypeVar("T")


def message_of(error: BaseException) -> str:
    """What a user is told about an error: its own text, or a reference to the log.

    Only the errors of Boathouse carry a text for users; anything else is a defect, which is
    logged whole.
    """
    if isinstance(error, BoathouseError):
        return error.detail
    reference = secrets.token_hex(4)
    logger.error("The dashboard failed [%s]", reference, exc_info=error)
    return f"Something broke on our side; quote reference {reference}."


class Desk:
    """Runs work of one page off the event loop.

    Parameters
    ----------
    document : bokeh.document.Document
        The page; callbacks run under its lock.
    pool : concurrent.futures.ThreadPoolExecutor
        Threads that all pages of the process share.

    Examples
    --------
    >>> from bokeh.document import Document
    >>> desk = Desk(Document(), ThreadPoolExecutor(1))
    >>> desk.open
    True
    """

    def __init__(self, document: Document, pool: ThreadPoolExecutor) -> None:
        self._document = document
        self._pool = pool
        self.open = True

    def close(self) -> None:
        """Drop all answers that are still to come."""
        self.open = False

    def soon(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` on the page's event loop; safe from any thread."""

        def guarded() -> None:
            if self.open:
                callback()

        if self.open:
            self._document.add_next_tick_callback(guarded)

    def later(self, milliseconds: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` after a while; only from the page's event loop."""

        def guarded() -> None:
            if self.open:
                callback()

        if self.open:
            self._document.add_timeout_callback(guarded, milliseconds)

    def run(
        self,
        work: Callable[[], T],
        then: Callable[[T], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Do ``work`` in a thread and hand its answer, or its error, to the page."""
        if not self.open:
            return

        def done(future: "Future[T]") -> None:
            error = future.exception()
            if error is not None:
                self.soon(lambda: failed(error))
            else:
                self.soon(lambda: then(future.result()))

        self._pool.submit(work).add_done_callback(done)


class Latest:
    """Asks of one kind, of which only the newest matters.

    While one is worked on, newer ones replace each other; so a dragged slider never makes
    a queue.

    Parameters
    ----------
    desk : Desk
        Where the work is done.
    then, failed : callable
        Get the answer or the error of the newest ask; answers that were overtaken are
        handed over too while the user waits, since an older frame is better than none.
    busy : callable, optional
        Told True when work begins and False when all is answered.
    """

    def __init__(
        self,
        desk: Desk,
        then: Callable[[Any], None],
        failed: Callable[[BaseException], None],
        busy: Callable[[bool], None] | None = None,
    ) -> None:
        self._desk = desk
        self._then = then
        self._failed = failed
        self._busy = busy
        self._working = False
        self._next: Callable[[], Any] | None = None

    def ask(self, work: Callable[[], Any]) -> None:
        """Do ``work`` next, in place of any that has not begun."""
        if self._working:
            self._next = work
            return
        self._working = True
        if self._busy:
            self._busy(True)
        self._desk.run(work, self._answered, self._broke)

    def _answered(self, answer: Any) -> None:
        self._follow_up()
        self._then(answer)

    def _broke(self, error: BaseException) -> None:
        overtaken = self._next is not None
        self._follow_up()
        if not overtaken:
            self._failed(error)

    def _follow_up(self) -> None:
        self._working = False
        work, self._next = self._next, None
        if work is not None:
            self.ask(work)
        elif self._busy:
            self._busy(False)
