"""What rules did: their deliveries page by page, dead letters revived, versions of rules."""

from typing import Any

import msgspec

from ..catalogs.errors import Conflict, NotFound
from ..catalogs.times import now_text
from .deliveries import Delivery
from .delivery_book import COLUMNS, KEPT_SECONDS, DeliveryBook, Looked, delivery_of
from .rules.model import Rule
from .rules.owing import Owed, runs_at_once

# Enough to clear a year of backlog in a minute, and too few for anybody to wait.
CLEARED_AT_ONCE = 2000


class History(DeliveryBook):
    """Reads and mends what :class:`.delivery_book.DeliveryBook` holds."""

    def find_delivery(self, id: str) -> Delivery | None:
        """One delivery, or None."""
        rows = self._rows(f"select {COLUMNS} from deliveries where id=?", id)  # noqa: S608
        return delivery_of(rows[0]) if rows else None

    def delivery(self, id: str) -> Delivery:
        """One delivery; raises ``NotFound``."""
        found = self.find_delivery(id)
        if found is None:
            raise NotFound(f"There is no delivery {id!r}.", field="id")
        return found

    def deliveries(
        self,
        *,
        owner: str | None = None,
        rule: str = "",
        state: str = "",
        limit: int,
        before: int = 0,
    ) -> list[Delivery]:
        """Deliveries of one owner or of all, newest first.

        Parameters
        ----------
        owner : str, optional
            Only his.
        rule, state : str
            Only of this rule, only in this state.
        limit : int
            At most so many.
        before : int
            Only with a smaller number; 0 begins with the newest.
        """
        wanted: dict[str, Any] = {"owner=?": owner, "rule=?": rule, "state=?": state}
        wanted["number<?"] = before
        parts = {part: value for part, value in wanted.items() if value not in (None, "", 0)}
        where = f"where {' and '.join(parts)}" if parts else ""
        rows = self._rows(
            f"select {COLUMNS} from deliveries {where} order by number desc limit ?",  # noqa: S608
            *parts.values(),
            limit,
        )
        return [delivery_of(row) for row in rows]

    def count_deliveries(self, owner: str, rule: str) -> dict[str, int]:
        """How many deliveries a rule has in each state."""
        rows = self._rows(
            "select state, count(*) from deliveries where owner=? and rule=? group by state",
            owner,
            rule,
        )
        return dict(rows)

    def revive(self, delivery: Delivery) -> Delivery:
        """Let a dead letter wait again, with all its attempts; raises ``Conflict``."""
        with self._write():
            rows = self._database.execute(
                "update deliveries set state='waiting', ready=?, attempts=0, losses=0, due=?, "
                "ended=0, finished='' where number=? and state='dead' returning number",
                (not self._is_taken(delivery), self._clock(), delivery.number),
            ).fetchall()
            if not rows:
                raise Conflict(
                    f"Delivery {delivery.id!r} is {delivery.state}; only dead letters are tried "
                    "again by hand.",
                    field="id",
                )
        return self.delivery(delivery.id)

    def owe(self, rule: Rule, owed: Owed) -> bool:
        """Make a delivery of the past; False when it was made before."""
        at_once = runs_at_once(rule)
        looked = Looked(owed=() if at_once else (owed,), at_once=(owed,) if at_once else ())
        return bool(self.look_at(looked))

    def withdraw(self, owner: str, rule: str) -> int:
        """Give up what waits for a rule; returns how many deliveries that were."""
        with self._write():
            self.forget_piles(owner, rule)
            changed = self._database.execute(
                "update deliveries set state='withdrawn', ended=?, finished=?, events='' "
                "where owner=? and rule=? and state='waiting'",
                (self._clock(), now_text(), owner, rule),
            )
            return changed.rowcount

    def clear_old(self) -> int:
        """Forget some of what went well long ago; returns how many deliveries that were."""
        with self._write():
            changed = self._database.execute(
                "delete from deliveries where number in (select number from deliveries where "
                "state in ('done', 'withdrawn') and ended<? limit ?)",
                (self._clock() - KEPT_SECONDS, CLEARED_AT_ONCE),
            )
            return changed.rowcount

    def keep_version(self, rule: Rule, *, anew: bool) -> Rule:
        """Store a rule as its next version.

        Parameters
        ----------
        rule : Rule
            The rule.
        anew : bool
            Whether what its last version remembers of events is forgotten.
        """
        with self._write():
            rows = self._rows(
                "select max(version) from versions where owner=? and rule=?", rule.owner, rule.name
            )
            rule = msgspec.structs.replace(rule, version=(rows[0][0] or 0) + 1)
            self._database.execute(
                "insert into versions values(?, ?, ?, ?)",
                (rule.owner, rule.name, rule.version, msgspec.json.encode(rule)),
            )
            if anew:
                self.forget_piles(rule.owner, rule.name)
            self.keep(rule)
        return rule

    def versions(self, owner: str, name: str) -> list[Rule]:
        """All versions of a rule, newest first."""
        rows = self._rows(
            "select body from versions where owner=? and rule=? order by version desc", owner, name
        )
        return [msgspec.json.decode(body, type=Rule) for (body,) in rows]
