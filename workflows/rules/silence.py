"""Rules that fire when nothing comes: once per silence."""

import msgspec

from ...catalogs.access import PRIVATE
from ...catalogs.events.event import Event, moment
from .model import Rule
from .naming import source_of

RULE_SILENT = "org.boathouse.rule.silent"


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """How long a rule has heard nothing.

    Attributes
    ----------
    version : int
        Of the rule; another version begins anew.
    mark : int
        Sequence number of the last event that matched, or where the rule began.
    last : float
        When that was, seconds since 1970.
    fired : bool
        Whether this silence has set the rule off.
    """

    version: int
    mark: int
    last: float
    fired: bool = False

    def heard(self, event: Event, now: float, *, live: bool) -> "Silence":
        """The silence that begins with an event.

        Parameters
        ----------
        event : Event
            It ends the silence before.
        now : float
            Seconds since 1970.
        live : bool
            Whether it has come just now; else, as after a restart, it came when it says.
        """
        last = now if live else max(self.last, min(now, moment(event.time) / 1e6))
        return Silence(version=self.version, mark=event.sequence, last=last)

    def over(self, rule: Rule, now: float) -> bool:
        """Whether it has lasted long enough, and nobody was told."""
        return not self.fired and now >= self.last + rule.within

    def event(self, rule: Rule) -> Event:
        """The event that tells performers of it; it is in no log."""
        return Event(
            type=RULE_SILENT,
            source=source_of(rule.owner, rule.name),
            id=f"silence-{rule.version}-{self.mark}",
            collection=rule.where.collection,
            owner=rule.owner,
            access=PRIVATE,
            data={
                "rule": rule.name,
                "within": rule.within,
                "after": self.mark,
                "silent_since": self.last,
            },
        )


def begin(rule: Rule, now: float) -> Silence:
    """The silence of a rule that begins to listen."""
    return Silence(version=rule.version, mark=rule.cursor, last=now)
