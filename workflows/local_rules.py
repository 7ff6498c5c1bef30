"""Rules in this process: saved, tried on the past, paused, replayed, and what they did."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar

import msgspec

from ..catalogs.access import PRIVATE, Reader
from ..catalogs.errors import Conflict, NotFound, PlanExceeded
from ..catalogs.events.event import Event, EventFilter
from ..catalogs.events.log import EventLog
from ..catalogs.times import now_text
from .automation import Automation
from .deliveries import Delivery, DeliveryState, DryRun, Performer
from .functions import DeployedFunction, FunctionStore
from .jobs import Schedule
from .ledger import Ledger
from .replay import deliveries_of
from .rules.checks import Fields, check_rule
from .rules.model import FunctionAction, NotebookAction, Rule
from .rules.owing import Owed
from .rules.templates import as_listed, open_place

RULES_OF_A_USER = 500

Named = TypeVar("Named", Rule, Schedule)


class LocalRules(Automation):
    """The part of :class:`boathouse.workflows.local.LocalAutomation` that concerns rules.

    Parameters
    ----------
    ledger : Ledger
        Rules and deliveries.
    log : EventLog
        The log that rules follow.
    user : str
        Who "myself" is when no reader is given.
    functions : FunctionStore
        The deployed functions.
    performer : Performer
        Knows whether an action can be done.
    groups : callable
        The hub groups of a user.
    fields : callable
        The fields of a type of events, by its schema.
    wake : callable
        Tells the dispatcher that something has changed.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        log: EventLog,
        user: str,
        functions: FunctionStore,
        performer: Performer,
        groups: Callable[[str], tuple[str, ...]],
        fields: Fields,
        wake: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._log = log
        self._user = user
        self._functions = functions
        self._performer = performer
        self._groups = groups
        self._fields = fields
        self._wake = wake

    @abstractmethod
    def start(self) -> None:
        """Start the engine unless it runs."""

    @abstractmethod
    def _check(
        self, recipe: str, parameters: dict[str, Any], *, later: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """A recipe's parameters, checked; of those in ``later`` only the name."""

    def save_rule(self, rule: Rule, *, reader: Reader | None = None) -> Rule:
        """Check and store a rule as its next version; it sees events that come after this call.

        Deliveries that wait keep the action of the version that made them.  What waits for
        more in a batch or a set is kept when neither the filter nor the fan has changed.
        """
        rule = self._checked(rule, reader)
        old = self._ledger.rule(rule.owner, rule.name)
        if old is None and self._count(rule.owner) >= RULES_OF_A_USER:
            raise PlanExceeded(f"You have {RULES_OF_A_USER} rules; withdraw some first.")
        rule = msgspec.structs.replace(rule, cursor=self._log.last(), created=now_text())
        self.start()
        anew = old is None or (old.where, old.fan, old.within) != (
            rule.where,
            rule.fan,
            rule.within,
        )
        rule = self._ledger.keep_version(rule, anew=anew)
        self._wake()
        return rule

    def rules(self, *, reader: Reader | None = None) -> list[Rule]:
        """Visible rules, by name."""
        return visible(self._ledger.rules(), reader)

    def rule_versions(self, name: str, *, reader: Reader | None = None) -> list[Rule]:
        """All versions of a rule, newest first, also when it was withdrawn."""
        owner = self._owner(reader)
        current = [each for each in self.rules(reader=reader) if each.name == name]
        if current and owner not in {each.owner for each in current}:
            owner = current[0].owner
        # Rules that are older than the record of versions are their own only version.
        versions = self._ledger.versions(owner, name) or current
        if not versions:
            raise NotFound(f"You have no {name!r}.", field="name")
        return versions

    def delete_rule(self, name: str, *, reader: Reader | None = None) -> None:
        """Withdraw a rule and its waiting deliveries; what runs ends in peace."""
        rule = self._named(self._ledger.rules(), name, reader)
        self._ledger.drop(rule)
        self._ledger.withdraw(rule.owner, rule.name)
        self._wake()

    def pause_rule(self, name: str, paused: bool = True, *, reader: Reader | None = None) -> Rule:
        """Let a rule rest, or go on; events that come meanwhile are passed over."""
        rule = self._named(self._ledger.rules(), name, reader)
        if rule.paused != paused:
            cursor = rule.cursor if paused else self._log.last()
            rule = msgspec.structs.replace(rule, paused=paused, cursor=cursor)
            self.start()
            self._ledger.keep(rule)
            self._wake()
        return rule

    def dry_run(
        self, rule: Rule, *, since: str = "", limit: int = 100, reader: Reader | None = None
    ) -> list[DryRun]:
        """What a rule, saved or not, would have done on the events that the log keeps."""
        rule = self._checked(rule, reader)
        found: list[DryRun] = []
        for owed in self._past(rule, since):
            if len(found) >= limit:
                break
            last, delivery = owed.events[-1], owed.delivery
            found.append(
                DryRun(
                    id=delivery.id,
                    events=delivery.events,
                    time=last.time,
                    key=delivery.key,
                    action=delivery.action,
                )
            )
        return found

    def replay_rule(
        self, name: str, *, since: str = "", again: bool = False, reader: Reader | None = None
    ) -> int:
        """Deliver events of the past to a rule; see :meth:`Automation.replay_rule`."""
        rule = self._named(self._ledger.rules(), name, reader)
        if rule.paused:
            raise Conflict(f"{name!r} is paused; let it go on first.", field="name")
        self.start()
        made = 0
        for owed in self._past(rule, since, again=now_text() if again else ""):
            made += self._ledger.owe(rule, owed)
        self._wake()
        return made

    def deliveries(
        self,
        rule: str = "",
        *,
        state: DeliveryState | Literal[""] = "",
        limit: int = 50,
        before: int = 0,
        reader: Reader | None = None,
    ) -> list[Delivery]:
        """What rules did and will do, newest first."""
        owner = None if reader is None or reader.admin else reader.name
        return self._ledger.deliveries(
            owner=owner, rule=rule, state=state, limit=limit, before=before
        )

    def retry_delivery(self, id: str, *, reader: Reader | None = None) -> Delivery:
        """Let a dead letter be tried again, with all its attempts."""
        delivery = self._ledger.delivery(id)
        if reader is not None and not reader.may_see(delivery.owner, PRIVATE):
            raise NotFound(f"There is no delivery {id!r}.", field="id")
        if self._ledger.rule(delivery.owner, delivery.rule) is None:
            raise NotFound(f"The rule {delivery.rule!r} was withdrawn.", field="rule")
        self.start()
        delivery = self._ledger.revive(delivery)
        self._wake()
        return delivery

    def save_function(self, function: DeployedFunction, *, reader: Reader | None = None) -> str:
        """Keep a function for rules of its owner; returns its digest."""
        owner = self._owner(reader, function.owner)
        return self._functions.save(function, owner=owner).digest

    def functions(self, *, reader: Reader | None = None) -> list[DeployedFunction]:
        """Visible deployed functions without their code, by name."""
        owner = None if reader is None or reader.admin else reader.name
        return self._functions.functions(owner)

    def delete_function(self, name: str, *, reader: Reader | None = None) -> None:
        """Withdraw a deployed function: it runs no more."""
        self._functions.withdraw(self._owner(reader), name)

    def _checked(self, rule: Rule, reader: Reader | None) -> Rule:
        check_rule(rule, self._fields)
        owner = self._owner(reader, rule.owner)
        action = rule.action
        if isinstance(action, NotebookAction):
            given = action.parameters
            if not rule.fan.single:
                given = {name: as_listed(value) for name, value in given.items()}
            # What a field of the payload is, only the event tells.
            later = frozenset(name for name, value in given.items() if open_place(value))
            checked = self._check(action.recipe, given, later=later)
            if rule.fan.single:
                action = msgspec.structs.replace(action, parameters=checked)
        else:
            if isinstance(action, FunctionAction):
                self._functions.find(owner, action.name, action.digest)
            self._performer.check(action, owner=owner)
        return msgspec.structs.replace(rule, owner=owner, action=action)

    def _past(self, rule: Rule, since: str, *, again: str = "") -> Iterator[Owed]:
        where = msgspec.structs.replace(rule.where, since=since or rule.where.since)
        reader = Reader(name=rule.owner, groups=self._groups(rule.owner))
        events = self._pages(where, reader)
        return deliveries_of(rule, events, reader=reader, find=self._ledger.made_by, again=again)

    def _pages(self, where: EventFilter, reader: Reader) -> Iterator[Event]:
        after = 0
        end = self._log.last()
        while page := self._log.read(after=after, limit=500, where=where, reader=reader):
            for event in page:
                if event.sequence > end:
                    return
                yield event
            after = page[-1].sequence

    def _count(self, owner: str) -> int:
        return sum(rule.owner == owner for rule in self._ledger.rules())

    def _owner(self, reader: Reader | None, wanted: str = "") -> str:
        """In whose name a new thing is: the reader's, unless he may speak for others."""
        if reader is None:
            return self._user
        return wanted if reader.admin and wanted else reader.name

    def _named(self, things: list[Named], name: str, reader: Reader | None) -> Named:
        found = [each for each in visible(things, reader) if each.name == name]
        mine = [each for each in found if each.owner == self._owner(reader)]
        if not found:
            raise NotFound(f"You have no {name!r}.", field="name")
        if not mine and len(found) > 1:
            owners = ", ".join(each.owner for each in found)
            raise Conflict(f"There are several {name!r}, of {owners}.", field="name")
        return (mine or found)[0]


def visible(things: list[Named], reader: Reader | None) -> list[Named]:
    """The rules or schedules that a reader may see."""
    return [each for each in things if reader is None or reader.may_see(each.owner, PRIVATE)]
