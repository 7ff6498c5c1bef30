"""The visitor's rules: paused and resumed, with what they did and their dead letters."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal
from urllib.parse import quote

import msgspec
import param
from panel.custom import AnyWidgetComponent

from ...catalogs.errors import NotFound
from ...workflows.deliveries import Delivery
from ...workflows.rule_views import (
    Tally,
    action_text,
    result_text,
    rule_condition,
    state_text,
    tallies,
)
from ...workflows.rules.model import Rule
from .cards import STATIC, script
from .session import Session
from .work import Desk, message_of

EMPTY = (
    "You have no rules yet.\nIn the Lab, bh.on(...).notebook(...) or bh.load_rules('rules.yaml') "
    "makes some: tutorial 03 shows how."
)
NOTHING = "No event has set it off yet."
# So many deliveries of each mood are counted, and so many are in a drawer.
COUNTED, IN_DRAWER = 200, 30
# While deliveries wait, and after events have come, they are looked at again (milliseconds).
SOON, LATER = 2_000, 6_000
_TONES = {"waiting": "", "leased": "running", "done": "good", "dead": "bad", "withdrawn": ""}


class RuleRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rule; all texts are plain text.

    Attributes
    ----------
    key : str
        The rule's name; unique among those of a visitor.
    name, when, then : str
        Its name, when it fires and what it does, for people.
    paused, busy : bool
        Whether it rests; whether that is being changed.
    done, waiting, dead : int
        Deliveries; ``more`` says that there may be more of them.
    state, tone, time, error : str
        How the last delivery stands, since when (RFC 3339), and why it failed.
    """

    key: str
    name: str
    when: str
    then: str
    paused: bool = False
    busy: bool = False
    done: int = 0
    waiting: int = 0
    dead: int = 0
    more: bool = False
    state: str = ""
    tone: str = ""
    time: str = ""
    error: str = ""


class DeliveryRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One delivery in the drawer of its rule."""

    key: str
    state: str
    tone: str = ""
    time: str = ""
    details: tuple[str, ...] = ()
    text: str = ""
    href: str = ""
    retry: bool = False


class Drawer(msgspec.Struct, frozen=True, kw_only=True):
    """What the open drawer shows: rows, or a text when there are none."""

    key: str
    state: Literal["loading", "ready", "error"] = "loading"
    text: str = ""
    rows: tuple[DeliveryRow, ...] = ()


class RuleList(AnyWidgetComponent):
    """The rules, drawn and kept up to date in the browser."""

    rules = param.List(default=[], doc="Rules as plain dictionaries.")
    loaded = param.Boolean(default=False, doc="Whether the rules are known yet.")
    empty = param.String(default=EMPTY, doc="What to say when there is none.")
    open = param.String(default="", doc="The rule whose drawer is open.")
    drawer = param.Dict(default={}, doc="What the drawer shows.")
    asked = param.List(default=[], doc="What was clicked, on what, and how many clicks there were.")

    _esm: ClassVar[Any] = script("parts.js", "rules.js")
    _stylesheets: ClassVar[list[str]] = [(STATIC / "rules.css").read_text(encoding="utf-8")]

    def __init__(self, on_ask: Callable[[str, str], None] | None = None, **params: Any) -> None:
        super().__init__(**params)
        self._on_ask = on_ask

    @param.depends("asked", watch=True)
    def _was_asked(self) -> None:
        match self.asked:
            case [str(action), str(key), *_] if self._on_ask is not None:
                self._on_ask(action, key)
            case _:
                pass


class RulesCard:
    """The list of rules with their drawers.

    Parameters
    ----------
    desk : Desk
        Does the asking in threads.
    session : Session
        What the visitor may see and do.
    prefix : str
        The dashboard's own path, without a trailing slash; notebooks are below it.
    reload : callable
        Loads the rules again.
    complain : callable
        Says that something could not be done, and why.
    """

    def __init__(
        self,
        desk: Desk,
        session: Session,
        prefix: str,
        reload: Callable[[], None],
        complain: Callable[[str, str], None],
    ) -> None:
        self.view = RuleList(self._asked, sizing_mode="stretch_width")
        self._desk = desk
        self._session = session
        self._prefix = prefix
        self._reload = reload
        self._complain = complain
        self._rules: dict[str, Rule] = {}
        self._counted: dict[tuple[str, str], Tally] = {}
        self._more = False
        self._busy: set[str] = set()
        self._letters: set[str] = set()
        self._looking = False

    def ask(self) -> tuple[list[Rule], list[Delivery], bool]:
        """The rules and what they did lately, in a thread; whether there may be more of that."""
        mine = self._session.reader.name
        rules = [rule for rule in self._session.rules() if rule.owner == mine]
        found: list[Delivery] = []
        more = False
        if rules:
            for state in ("", "dead", "waiting"):
                page = self._session.deliveries(state=state, limit=COUNTED)
                more = more or len(page) == COUNTED
                found += page
        return rules, found, more

    def load(self, answer: tuple[list[Rule], list[Delivery], bool]) -> None:
        """Take over what :meth:`ask` has found."""
        rules, found, self._more = answer
        self._rules = {rule.name: rule for rule in rules}
        self._counted = tallies(found)
        self._draw()
        if self.view.open in self._rules:
            self._fill_drawer(self.view.open)
        elif self.view.open:
            self._close()
        if any(tally.waiting for tally in self._counted.values()):
            self._look_again(LATER)

    def stir(self) -> None:
        """Events have come, which may have set rules off."""
        if self._rules:
            self._look_again(SOON)

    def _look_again(self, milliseconds: int) -> None:
        if not self._looking:
            self._looking = True
            self._desk.later(milliseconds, self._look)

    def _look(self) -> None:
        self._looking = False
        self._reload()

    def _draw(self) -> None:
        rows = [msgspec.to_builtins(self._row(rule)) for rule in self._rules.values()]
        self.view.param.update(rules=rows, loaded=True)

    def _row(self, rule: Rule) -> RuleRow:
        tally = self._counted.get((rule.owner, rule.name)) or Tally()
        last = tally.last
        failing = last is not None and bool(last.error) and last.state != "done"
        return RuleRow(
            key=rule.name,
            name=rule.name,
            when=rule_condition(rule),
            then=action_text(rule.action),
            paused=rule.paused,
            busy=rule.name in self._busy,
            done=tally.done,
            waiting=tally.waiting,
            dead=tally.dead,
            more=self._more,
            state=state_text(last) if last else "",
            tone=_TONES[last.state] if last else "",
            time=(last.finished or last.created) if last else "",
            error=result_text(last) if last is not None and failing else "",
        )

    # What the visitor does.

    def _asked(self, action: str, key: str) -> None:
        # The browser may only name what it was shown.
        if action == "retry" and key in self._letters:
            self._do(key, lambda: self._session.retry_delivery(key))
        elif key not in self._rules:
            return
        elif action in ("pause", "resume"):
            self._busy.add(key)
            self._draw()
            self._do(key, lambda: self._session.pause_rule(key, action == "pause"))
        elif action == "history":
            drawer = msgspec.to_builtins(Drawer(key=key))
            self.view.param.update(open=key, drawer=drawer)
            self._fill_drawer(key)
        elif action == "close":
            self._close()

    def _close(self) -> None:
        self.view.param.update(open="", drawer={})

    def _do(self, key: str, work: Callable[[], Any]) -> None:
        def done(_answer: Any) -> None:
            self._busy.discard(key)
            self._reload()

        def failed(error: BaseException) -> None:
            self._busy.discard(key)
            self._draw()
            self._complain("That could not be done.", message_of(error))
            if isinstance(error, NotFound):
                self._reload()

        self._desk.run(work, done, failed)

    def _fill_drawer(self, key: str) -> None:
        def show(drawer: Drawer) -> None:
            if self.view.open == key:
                self.view.drawer = msgspec.to_builtins(drawer)

        def loaded(found: list[Delivery]) -> None:
            self._letters = {each.id for each in found if each.state == "dead"}
            rows = tuple(self._delivery_row(each) for each in found)
            text = "" if rows else NOTHING
            if len(found) == IN_DRAWER:
                text = f"The newest {IN_DRAWER}; bh.rules().history() in the Lab has all."
            show(Drawer(key=key, state="ready", rows=rows, text=text))

        def failed(error: BaseException) -> None:
            text = f"Its history cannot be loaded: {message_of(error)}"
            show(Drawer(key=key, state="error", text=text))

        self._desk.run(lambda: self._session.deliveries(key, limit=IN_DRAWER), loaded, failed)

    def _delivery_row(self, delivery: Delivery) -> DeliveryRow:
        details = [f"event {', '.join(map(str, delivery.events[:4]))}"] if delivery.events else []
        if len(delivery.events) > 4:
            details[0] = f"{len(delivery.events)} events"
        if delivery.attempts > 1:
            details.append(f"{delivery.attempts} attempts")
        job = delivery.result.get("job")
        return DeliveryRow(
            key=delivery.id,
            state=state_text(delivery),
            tone=_TONES[delivery.state],
            time=delivery.finished or delivery.created,
            details=tuple(details),
            text=delivery.error if delivery.state != "done" and delivery.error else _came(delivery),
            href=f"{self._prefix}/runs/{quote(str(job), safe='')}" if job else "",
            retry=delivery.state == "dead",
        )


def _came(delivery: Delivery) -> str:
    """What came of it, unless that is the job to which there is a link."""
    return "" if "job" in delivery.result else result_text(delivery)
