"""Looks at events for all rules: who is owed what, what waits for more, and who hears nothing."""

from collections.abc import Callable, Iterable, Sequence

from ..catalogs.access import Reader
from ..catalogs.events.event import Event
from .delivery_book import Looked, Piled
from .ledger import Ledger
from .rules.fan import Pile
from .rules.matching import comes_from, maker_of, matches
from .rules.model import Rule
from .rules.owing import Owed, owed_for, runs_at_once
from .rules.silence import Silence, begin
from .rules.templates import fill

Named = tuple[str, str]


class Watch:
    """What rules remember of events, in memory as in the ledger.

    After :meth:`look` and :meth:`clock` their answer is written down, then :meth:`done` is
    called; when writing fails, :meth:`forget`, and it reads the ledger again.

    Parameters
    ----------
    ledger : Ledger
        Holds the rules and what they remember.
    groups : callable
        The hub groups of a user.

    Attributes
    ----------
    backlog : int
        Events up to this sequence number came while nobody looked.
    """

    def __init__(self, ledger: Ledger, groups: Callable[[str], tuple[str, ...]]) -> None:
        self._ledger = ledger
        self._groups = groups
        self.backlog = 0
        self._piles: dict[Named, tuple[int, Pile]] = {}
        self._silences: dict[Named, Silence] = {}
        self._changed: dict[Named, Rule] = {}

    def look(self, run: Sequence[Event]) -> Looked:
        """What events lead to; raises ``BoathouseError`` when a user's groups are not known."""
        owed: list[tuple[Rule, Owed]] = []
        rules = self._ledger.rules()
        for event in run:
            hit = [rule for rule in rules if matches(rule, event, self._reader(rule, event))]
            if not hit:
                continue
            maker = self._ledger.made_by(maker_of(event)) if maker_of(event) else None
            parent = maker.id if maker else ""
            for rule in hit:
                if not comes_from(rule, maker, self._ledger.made_by):
                    owed += [(rule, each) for each in self._take(rule, event, parent)]
        return self._looked(owed)

    def clock(self, *, caught_up: bool) -> Looked:
        """What time alone leads to.

        Parameters
        ----------
        caught_up : bool
            Whether all events so far were looked at; without that nobody can tell silence.
        """
        now = self._ledger.now()
        owed: list[tuple[Rule, Owed]] = []
        for rule in self._ledger.rules():
            if rule.paused:
                continue
            if rule.within:
                owed += [(rule, each) for each in self._silent(rule, now, caught_up=caught_up)]
            elif rule.fan.window:
                pile = self._pile(rule)
                for events in pile.close(now):
                    owed.append((rule, owed_for(rule, events)))
                    self._changed[_named(rule)] = rule
        return self._looked(owed)

    def due(self) -> float | None:
        """When the next window or silence may end, seconds since 1970; None when none is open."""
        times: list[float] = []
        for rule in self._ledger.rules():
            known = self._piles.get(_named(rule))
            if known and rule.fan.window and (due := known[1].due()) is not None:
                times.append(due)
            silence = self._silences.get(_named(rule))
            if silence and rule.within and not silence.fired and not rule.paused:
                times.append(silence.last + rule.within)
        return min(times, default=None)

    def done(self) -> None:
        """What was told is written down."""
        for named in self._changed:
            if named in self._piles:
                pile = self._piles[named][1]
                pile.added.clear()
                pile.removed.clear()
        self._changed.clear()

    def forget(self) -> None:
        """Read the ledger again before anything else."""
        self._piles.clear()
        self._silences.clear()
        self._changed.clear()

    def _take(self, rule: Rule, event: Event, parent: str) -> Iterable[Owed]:
        if rule.within:
            now, live = self._ledger.now(), event.sequence > self.backlog
            self._silences[_named(rule)] = self._silence(rule, now).heard(event, now, live=live)
            self._changed[_named(rule)] = rule
            return []
        if rule.fan.single:
            return [owed_for(rule, [event], parent)]
        self._changed[_named(rule)] = rule
        by = str(fill(rule.fan.by, event))
        whole = self._pile(rule).add(event, by, self._ledger.now())
        return [owed_for(rule, events, parent) for events in whole]

    def _silent(self, rule: Rule, now: float, *, caught_up: bool) -> Iterable[Owed]:
        known = _named(rule) in self._silences
        silence = self._silence(rule, now)
        if not known:
            self._changed[_named(rule)] = rule
        if not caught_up or not silence.over(rule, now):
            return []
        fired = Silence(version=silence.version, mark=silence.mark, last=silence.last, fired=True)
        self._silences[_named(rule)] = fired
        self._changed[_named(rule)] = rule
        return [owed_for(rule, [silence.event(rule)])]

    def _pile(self, rule: Rule) -> Pile:
        version, pile = self._piles.get(_named(rule), (-1, None))
        if pile is None or version != rule.version:
            pile = Pile(rule.fan, self._ledger.piles(rule))
            self._piles[_named(rule)] = (rule.version, pile)
        return pile

    def _silence(self, rule: Rule, now: float) -> Silence:
        known = self._silences.get(_named(rule)) or self._ledger.silence(rule)
        if known is None or (known.version, known.mark >= rule.cursor) != (rule.version, True):
            known = begin(rule, now)
        self._silences[_named(rule)] = known
        return known

    def _looked(self, owed: list[tuple[Rule, Owed]]) -> Looked:
        piled: list[Piled] = []
        for named, rule in self._changed.items():
            pile = self._piles.get(named, (0, None))[1]
            piled.append(
                Piled(
                    rule=rule,
                    added=tuple(pile.added) if pile is not None else (),
                    removed=tuple(pile.removed) if pile is not None else (),
                    silence=self._silences.get(named),
                )
            )
        return Looked(
            owed=[each for rule, each in owed if not runs_at_once(rule)],
            at_once=[each for rule, each in owed if runs_at_once(rule)],
            piled=piled,
        )

    def _reader(self, rule: Rule, event: Event) -> Reader:
        # Most events need no groups, and asking for them costs a call to the hub.
        groups = self._groups(rule.owner) if event.access.startswith("group:") else ()
        return Reader(name=rule.owner, groups=groups)


def _named(rule: Rule) -> Named:
    return rule.owner, rule.name
