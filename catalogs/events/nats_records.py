"""Where a consumer of a NATS log stands, and each step that it takes, as plain values."""

from collections.abc import Iterable

import msgspec

from .consumer import Taken
from .consumer_rows import LONGEST_REASON, leasing, lost
from .event import Event, EventFilter


class Open(msgspec.Struct, omit_defaults=True):
    """An event that was handed out and is not done.

    Attributes
    ----------
    attempt : int
        How often it was handed out.
    due : float
        When it may be handed out again, in seconds since 1970: the end of its lease or pause.
    token : str
        Proves the lease; empty while nobody has it.
    reason : str
        What was said when it was given back.
    kept : bool
        Whether it was a dead letter, whose event is kept beside the log.
    """

    attempt: int
    due: float
    token: str = ""
    reason: str = ""
    kept: bool = False


class Letter(msgspec.Struct, frozen=True):
    """A dead letter as it is stored; one that was revived stays until its event is done."""

    attempts: int
    reason: str
    time: str
    event: msgspec.Raw
    revived: bool = False


class Buried(msgspec.Struct, frozen=True):
    """An event that just became a dead letter."""

    sequence: int
    attempts: int
    reason: str


class Record(msgspec.Struct, kw_only=True):
    """Where a consumer stands.

    Attributes
    ----------
    position : int
        All matching events up to here were handed out at least once.
    open : dict
        Those of them that are not done, by number.
    dead : int
        The number of its dead letters.
    change : str
        Names the last change, so that whoever got no answer knows whether it was made.
    """

    owner: str
    name: str
    where: EventFilter
    lease: float
    attempts: int
    created: str
    position: int
    open: dict[int, Open] = {}
    dead: int = 0
    change: str = ""

    @property
    def cursor(self) -> int:
        """Every matching event up to here is done."""
        return min(self.position, min(self.open) - 1) if self.open else self.position

    def due(self, now: float) -> list[int]:
        """The open events that may be handed out again, in order."""
        return sorted(number for number, each in self.open.items() if each.due <= now)

    def leased(self, now: float) -> int:
        """How many events somebody works on."""
        return sum(1 for each in self.open.values() if each.token and each.due > now)

    def held(self) -> int | None:
        """The first open event whose only copy is the log's."""
        return min((number for number, each in self.open.items() if not each.kept), default=None)

    def hand_out(self, event: Event, now: float) -> Taken:
        """Lease an event, for the first time or again."""
        known = self.open.get(event.sequence, Open(0, now))
        taken = leasing(event, known.attempt + 1, now + self.lease)
        self.open[event.sequence] = Open(taken.attempt, taken.until, taken.token, kept=known.kept)
        self.position = max(self.position, event.sequence)
        return taken

    def spent(self, sequence: int) -> Buried | None:
        """Bury an event whose attempts are used up; None when there is one left."""
        known = self.open[sequence]
        if known.attempt < self.attempts:
            return None
        return self._bury(sequence, known.reason or "The lease ran out.")

    def finish(self, taken: Iterable[Taken]) -> tuple[list[Taken], list[int]]:
        """Events are done; return those whose lease was lost, and the numbers of those kept."""
        gone: list[Taken] = []
        kept: list[int] = []
        for each in taken:
            sequence = each.event.sequence
            known = self.open.get(sequence)
            if known is None or known.token != each.token:
                gone.append(each)
                continue
            del self.open[sequence]
            if known.kept:
                kept.append(sequence)
        return gone, kept

    def give_back(self, taken: Taken, due: float, reason: str) -> Buried | None:
        """Hand the event out again from ``due`` on, or bury it."""
        known = self._held_by(taken)
        if known.attempt >= self.attempts:
            return self._bury(taken.event.sequence, reason)
        known.token, known.due, known.reason = "", due, reason[:LONGEST_REASON]
        return None

    def extend(self, taken: Taken, now: float, seconds: float) -> None:
        """Let the lease end in ``seconds``; what is given back counts as not delivered."""
        known = self._held_by(taken)
        known.due = now + max(seconds, 0.0)
        if seconds <= 0:
            known.token = ""
            known.attempt -= 1

    def give_up(self, taken: Taken, reason: str) -> Buried:
        """Bury an event at once."""
        self._held_by(taken)
        return self._bury(taken.event.sequence, reason)

    def revive(self, sequence: int) -> None:
        """Hand out a dead letter again."""
        self.dead -= 1
        self.open[sequence] = Open(0, 0.0, kept=True)

    def cut(self, first: int) -> None:
        """Forget what lies below the first event that is kept."""
        self.position = max(self.position, first - 1)
        for number in [n for n, each in self.open.items() if n < first and not each.kept]:
            del self.open[number]

    def _held_by(self, taken: Taken) -> Open:
        known = self.open.get(taken.event.sequence)
        if known is None or known.token != taken.token:
            raise lost([taken.event.sequence])
        return known

    def _bury(self, sequence: int, reason: str) -> Buried:
        known = self.open.pop(sequence)
        self.dead += 1
        return Buried(sequence, known.attempt, reason[:LONGEST_REASON])
