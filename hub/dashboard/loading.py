"""Loads that are tried again until they succeed, and the notices that say what is wrong."""

from collections.abc import Callable
from typing import Any

from ...catalogs.errors import BoathouseError
from .cards import Anchor, Cards, Row
from .work import Desk, Latest, message_of

# Before the next try after a service did not answer, and after a defect.
RETRY_MILLISECONDS = 4_000
DEFECT_MILLISECONDS = 30_000


class Notices:
    """What is wrong at present, one line for each trouble; empty when all is well."""

    def __init__(self) -> None:
        self.view = Cards(
            self._clicked, layout="notices", label="Notices", sizing_mode="stretch_width"
        )
        self._rows: dict[str, Row] = {}
        self._actions: dict[str, Callable[[], None]] = {}
        self.view.put(())

    def say(
        self,
        key: str,
        title: str,
        text: str,
        action: tuple[str, Callable[[], None]] | None = None,
    ) -> None:
        """Show a notice in place of the earlier one of this key; perhaps with a button."""
        links: tuple[Anchor, ...] = ()
        self._actions.pop(key, None)
        if action is not None:
            links = (Anchor(text=action[0], key=key),)
            self._actions[key] = action[1]
        self._rows[key] = Row(key=key, title=title, text=text, links=links)
        self.view.put(self._rows.values())

    def clear(self, key: str) -> None:
        """Take a notice away."""
        self._actions.pop(key, None)
        if self._rows.pop(key, None) is not None:
            self.view.put(self._rows.values())

    def _clicked(self, key: str) -> None:
        act = self._actions.get(key)
        if act is not None:
            act()


class Loader:
    """Loads one thing in a thread, and tries again until the service answers.

    Parameters
    ----------
    desk : Desk
        Of the page.
    notices : Notices
        Where trouble is said.
    name : str
        What is loaded, for the notice: "The catalog", "Your runs".
    work : callable
        Does it, in a thread.
    then : callable
        Gets the answer, on the page's event loop.
    """

    def __init__(
        self,
        desk: Desk,
        notices: Notices,
        name: str,
        work: Callable[[], Any],
        then: Callable[[Any], None],
    ) -> None:
        self._desk = desk
        self._notices = notices
        self._name = name
        self._work = work
        self._then = then
        self._latest = Latest(desk, self._loaded, self._failed)
        self._waiting = False

    def load(self) -> None:
        """Load now; many calls while one load goes on make one more."""
        self._latest.ask(self._work)

    def _loaded(self, answer: Any) -> None:
        self._notices.clear(self._name)
        self._then(answer)

    def _failed(self, error: BaseException) -> None:
        expected = isinstance(error, BoathouseError)
        text = f"{message_of(error)} Trying again."
        self._notices.say(self._name, f"{self._name} cannot be loaded at the moment.", text)
        if not self._waiting:
            self._waiting = True
            wait = RETRY_MILLISECONDS if expected else DEFECT_MILLISECONDS
            self._desk.later(wait, self._again)

    def _again(self) -> None:
        self._waiting = False
        self.load()
