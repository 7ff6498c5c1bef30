"""Rule workers that are forked on demand, for a test that kills them: LAKE.

Each line on the standard input is answered with the pid of a new worker.  This process has
imported everything and runs no thread, so a worker lives within milliseconds.
"""

import os
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from boathouse.catalogs.events.event import Event
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.workflows.deliveries import Delivery, Performed, Performer
from boathouse.workflows.dispatcher import Dispatcher
from boathouse.workflows.follower import Follower
from boathouse.workflows.ledger import Ledger
from boathouse.workflows.rules.model import Action


class Tock(Performer):
    """Takes a moment, fails once in ten, and answers each event with one of its own."""

    def perform(self, delivery: Delivery, events: Sequence[Event]) -> Performed:
        time.sleep(random.uniform(0.0, 0.002))
        if random.random() < 0.1:
            raise OSError("try again")
        tock = Event(type="org.example.tock", source="/tock", subject=events[0].id)
        return Performed(events=(tock,))

    def check(self, action: Action, *, owner: str) -> None:
        return None


def work(state: Path) -> None:
    """Be the one worker of the lake until killed."""
    ledger, log = Ledger(state / "automation.sqlite"), SqliteEventLog(state / "events.sqlite")
    dispatcher = Dispatcher(ledger, Tock(), alone=True)
    dispatcher.start()
    Follower(ledger, log, groups=lambda _user: (), silence=0.1, hand=dispatcher.hand).start()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    child = 0
    for _line in sys.stdin:
        if child:
            # As the lake's lock has it: no worker begins before the last one is really gone.
            os.waitpid(child, 0)
        child = os.fork()
        if not child:
            work(Path(sys.argv[1]))
        print(child, flush=True)
