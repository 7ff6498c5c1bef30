"""Rules as a notebook holds them: paused, resumed, tested on the past, with their history."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from ..catalogs.errors import NotFound
from .automation import Automation
from .deliveries import Delivery, DeliveryState, DryRun
from .handle import Saved
from .listing import Listing
from .rule_views import (
    Deliveries,
    list_deliveries,
    list_dry_runs,
    rule_columns,
    rule_html,
    tallies,
)
from .rules.model import FunctionAction, Rule

# What the counts of a table look at.
LATELY = 500


class SavedRule(Saved[Rule]):
    """A rule that was saved; its fields are attributes.

    Parameters
    ----------
    rule : Rule
        What was saved.
    automation : Automation
        Who keeps it.
    lab : str, optional
        What stands before a job's id in the address of its page.

    Examples
    --------
    >>> rule = bh.on(collection="sst").notebook("mean-over-shape", {...})  # doctest: +SKIP
    >>> rule.dry_run(since="2026-01-01")  # doctest: +SKIP
    >>> rule.history()  # doctest: +SKIP
    >>> rule.delete()  # doctest: +SKIP
    """

    def __init__(self, rule: Rule, automation: Automation, lab: str = "") -> None:
        super().__init__(rule, automation.delete_rule)
        self._automation = automation
        self._lab = lab

    def _repr_html_(self) -> str:
        return rule_html(self._thing)

    def pause(self) -> "SavedRule":
        """Let it rest: events that come meanwhile are passed over; ``replay`` catches up."""
        self._thing = self._automation.pause_rule(self._thing.name, True)
        return self

    def resume(self) -> "SavedRule":
        """Let it go on with what comes from now on."""
        self._thing = self._automation.pause_rule(self._thing.name, False)
        return self

    def history(
        self, *, state: DeliveryState | Literal[""] = "", limit: int = 50, before: int = 0
    ) -> Deliveries:
        """What it did, newest first.

        Parameters
        ----------
        state : str, optional
            Only ``"waiting"``, ``"leased"``, ``"done"``, ``"dead"`` or ``"withdrawn"``.
        limit : int, optional
            At most so many.
        before : int, optional
            Only older ones than the delivery of this ``number``.
        """
        found = self._automation.deliveries(
            self._thing.name, state=state, limit=limit, before=before
        )
        return list_deliveries(found, self._lab)

    def dry_run(self, since: str = "", *, limit: int = 100) -> Listing[DryRun]:
        """What it would have done on the events of the past; nothing is done.

        Parameters
        ----------
        since : str, optional
            RFC 3339; by default from the first event that is kept.
        limit : int, optional
            At most so many.
        """
        return list_dry_runs(self._automation.dry_run(self._thing, since=since, limit=limit))

    def replay(self, since: str = "", *, again: bool = False) -> int:
        """Deliver events of the past to it; returns how many deliveries that makes."""
        return self._automation.replay_rule(self._thing.name, since=since, again=again)


class Rules(Listing[Rule]):
    """Your rules as a table, with what they did lately.

    Parameters
    ----------
    automation : Automation
        Who keeps them.
    lab : str, optional
        What stands before a job's id in the address of its page.

    Examples
    --------
    >>> bh.rules().pause("mean-over-shape on sst")  # doctest: +SKIP
    >>> bh.rules().history("mean-over-shape on sst", state="dead")  # doctest: +SKIP
    """

    def __init__(self, automation: Automation, lab: str = "") -> None:
        self._automation = automation
        self._lab = lab
        rules = automation.rules()
        looked: list[Delivery] = []
        if rules:
            # Of each mood so many, so that a flood of one does not hide the others.
            moods: tuple[DeliveryState | Literal[""], ...] = ("", "dead", "waiting")
            for state in moods:
                looked += automation.deliveries(state=state, limit=LATELY)
        empty = (
            "No rules yet; bh.on(type, collection=...).notebook(recipe) or "
            "bh.load_rules('rules.yaml') saves some."
        )
        super().__init__(rules, rule_columns(tallies(looked)), empty)

    def pause(self, name: str) -> SavedRule:
        """Let the rule of this name rest; raises ``NotFound``."""
        return self._changed(self._automation.pause_rule(name, True))

    def resume(self, name: str) -> SavedRule:
        """Let the rule of this name go on; raises ``NotFound``."""
        return self._changed(self._automation.pause_rule(name, False))

    def delete(self, name: str) -> None:
        """Withdraw the rule of this name; raises ``NotFound``.  What runs ends in peace."""
        self._automation.delete_rule(name)
        self[:] = [rule for rule in self if rule.name != name]

    def history(self, name: str = "", **more: Any) -> Deliveries:
        """What the rule of this name did, or what all did; see :meth:`SavedRule.history`."""
        return list_deliveries(self._automation.deliveries(name, **more), self._lab)

    def dry_run(self, name: str, since: str = "", *, limit: int = 100) -> Listing[DryRun]:
        """What the rule of this name would have done; raises ``NotFound``."""
        return self._handle(name).dry_run(since, limit=limit)

    def replay(self, name: str, since: str = "", *, again: bool = False) -> int:
        """Deliver events of the past to the rule of this name; returns how many there are."""
        return self._automation.replay_rule(name, since=since, again=again)

    def retry(self, id: str) -> Delivery:
        """Try a dead letter again, with all its attempts; raises ``NotFound``."""
        return self._automation.retry_delivery(id)

    def _changed(self, rule: Rule) -> SavedRule:
        self[:] = [rule if each.name == rule.name else each for each in self]
        return SavedRule(rule, self._automation, self._lab)

    def _handle(self, name: str) -> SavedRule:
        for rule in self:
            if rule.name == name:
                return SavedRule(rule, self._automation, self._lab)
        known = ", ".join(rule.name for rule in self) or "none"
        raise NotFound(f"You have no rule {name!r}; there are: {known}.", field="name")


def same_rule(first: Rule, second: Rule) -> bool:
    """Whether two rules say the same; who, when and how often they were saved does not count."""
    return _said(first) == _said(second)


def save_rules(rules: Iterable[Rule], automation: Automation) -> list[Rule]:
    """Save rules that are new or say something new; returns all as they stand.

    A rule that stands as it is keeps its place in the log, so that what waits for it is not
    passed over.
    """
    known = {rule.name: rule for rule in automation.rules()}
    saved: list[Rule] = []
    for rule in rules:
        old = known.get(rule.name)
        if old is None or not same_rule(old, rule):
            old = automation.save_rule(rule)
        elif rule.paused and not old.paused:
            old = automation.pause_rule(rule.name, True)
        saved.append(old)
    return saved


def with_digests(rules: Iterable[Rule], automation: Automation) -> list[Rule]:
    """Rules of a file, which names functions, with the newest digest of each; or ``NotFound``."""
    rules = list(rules)
    if not any(isinstance(rule.action, FunctionAction) for rule in rules):
        return rules
    newest = {each.name: each.digest for each in automation.functions()}
    found: list[Rule] = []
    for rule in rules:
        if isinstance(rule.action, FunctionAction) and not rule.action.digest:
            if rule.action.name not in newest:
                known = ", ".join(newest) or "none"
                raise NotFound(
                    f"The rule {rule.name!r} calls {rule.action.name!r}, which you have not "
                    f"deployed; there are: {known}.",
                    field="function",
                )
            action = FunctionAction(name=rule.action.name, digest=newest[rule.action.name])
            rule = msgspec.structs.replace(rule, action=action)  # noqa: PLW2901
        found.append(rule)
    return found


def _said(rule: Rule) -> Rule:
    # A rule that was paused by hand stays so when its file is read again.
    return msgspec.structs.replace(rule, owner="", cursor=0, version=0, created="", paused=False)
