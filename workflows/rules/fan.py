"""Puts events together: batches by count and time, and sets of which each part has arrived."""

from collections.abc import Iterable

import msgspec

from ...catalogs.events.event import Event
from .model import Fan


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """One event that waits for others.

    Attributes
    ----------
    slot : int
        Which of ``all_of`` it meets; 0 in a batch.
    by : str
        The filled template ``by``.
    event : Event
        The event.
    time : float
        When it came, seconds since 1970.
    """

    slot: int
    by: str
    event: Event
    time: float

    @property
    def place(self) -> tuple[int, str, int]:
        """What tells it from all others of its rule."""
        return self.slot, self.by, self.event.sequence


class Pile:
    """The events that wait for others in one rule.

    Parameters
    ----------
    fan : Fan
        When events belong together.
    kept : iterable of Gathered, optional
        What waits already, in order.

    Attributes
    ----------
    added, removed : list
        What has changed since they were last emptied, to be written down.

    Examples
    --------
    >>> pile = Pile(Fan(count=2))
    >>> tick = Event(type="t", source="/s", id="1", sequence=1)
    >>> pile.add(tick, "", 0.0)
    []
    >>> [len(batch) for batch in pile.add(Event(type="t", source="/s", sequence=2), "", 1.0)]
    [2]
    """

    def __init__(self, fan: Fan, kept: Iterable[Gathered] = ()) -> None:
        self.fan = fan
        self._slots = max(1, len(fan.all_of))
        self._waiting: dict[str, list[dict[int, Gathered]]] = {}
        self.added: list[Gathered] = []
        self.removed: list[Gathered] = []
        for each in kept:
            if each.slot < self._slots:
                self._group(each.by)[each.slot][each.event.sequence] = each

    def __len__(self) -> int:
        return sum(len(slot) for group in self._waiting.values() for slot in group)

    def add(self, event: Event, by: str, now: float) -> list[tuple[Event, ...]]:
        """Take an event in; return the sets that are whole now (at most one).

        An event that waits already is not taken twice.
        """
        group = self._group(by)
        for slot in self._slots_of(event):
            if event.sequence not in group[slot]:
                waits = Gathered(slot=slot, by=by, event=event, time=now)
                group[slot][event.sequence] = waits
                self.added.append(waits)
        whole = all(group) if self.fan.all_of else len(group[0]) >= self.fan.count > 1
        return [self._take(by)] if whole else self._drop_empty(by)

    def close(self, now: float) -> list[tuple[Event, ...]]:
        """The batches whose window has ended."""
        if not self.fan.window or self.fan.all_of:
            return []
        over = [by for by, start in self._starts() if start + self.fan.window <= now]
        return [self._take(by) for by in over]

    def flush(self) -> list[tuple[Event, ...]]:
        """The batches as they are; parts of sets stay."""
        if self.fan.all_of:
            return []
        return [self._take(by) for by in list(self._waiting)]

    def due(self) -> float | None:
        """When the next window ends, seconds since 1970; None when none is open."""
        if not self.fan.window or self.fan.all_of or not self._waiting:
            return None
        return min(start for _by, start in self._starts()) + self.fan.window

    def _slots_of(self, event: Event) -> list[int]:
        if not self.fan.all_of:
            return [0]
        return [slot for slot, part in enumerate(self.fan.all_of) if part.matches(event)]

    def _starts(self) -> list[tuple[str, float]]:
        return [(by, next(iter(group[0].values())).time) for by, group in self._waiting.items()]

    def _group(self, by: str) -> list[dict[int, Gathered]]:
        # Dicts keep the order of arrival.
        return self._waiting.setdefault(by, [{} for _ in range(self._slots)])

    def _take(self, by: str) -> tuple[Event, ...]:
        group = self._waiting[by]
        if self.fan.all_of:
            taken = [slot.pop(next(iter(slot))) for slot in group]
        else:
            taken = list(group[0].values())
            group[0].clear()
        self.removed.extend(taken)
        self._drop_empty(by)
        return tuple(each.event for each in taken)

    def _drop_empty(self, by: str) -> list[tuple[Event, ...]]:
        if not any(self._waiting[by]):
            del self._waiting[by]
        return []
