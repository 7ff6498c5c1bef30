"""The replay clock: feeds the demo's fresh pool one real step at a time, for as long as it runs."""

import logging
import os
import signal
import threading

from ...catalogs.demo.build import POOL, SOURCE
from ...catalogs.demo.clock import ReplayClock
from ...catalogs.errors import BoathouseError
from ...catalogs.lake import Connection, connect_lake

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 20.0
# After a failed step it is tried again so soon, in seconds.
RETRY_SECONDS = 2.0


def run(clock: ReplayClock, seconds: float, stop: threading.Event) -> None:
    """Put a step at once and then every so many seconds until ``stop`` is set.

    A step that fails, because a service restarts or the disk is full, is logged once and
    tried again; no step is left out.
    """
    failing = False
    while not stop.is_set():
        try:
            arrival = clock.tick()
        except BoathouseError as error:
            if not failing:
                logger.warning("no step for now: %s", error)
            failing = True
            stop.wait(RETRY_SECONDS)
            continue
        failing = False
        logger.info("put %s", ", ".join(item.id for item in arrival.items) or "nothing new")
        stop.wait(seconds)


def main() -> None:
    """Run the clock as the hub starts it."""
    logging.basicConfig(
        level=logging.INFO, format="%(levelname).1s %(asctime)s %(name)s] %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    connection = Connection(
        address=os.environ["BOATHOUSE_ADDRESS"],
        token=os.environ["JUPYTERHUB_API_TOKEN"],
        user=os.environ.get("JUPYTERHUB_SERVICE_NAME", "replay"),
    )
    lake = connect_lake(os.environ["BOATHOUSE_LAKE"], connection)
    seconds = float(os.environ.get("BOATHOUSE_REPLAY_SECONDS") or PERIOD_SECONDS)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Only asked to stop: a put under way is finished first.
        signal.signal(number, lambda *_: stop.set())
    run(ReplayClock(SOURCE, POOL, lake), seconds, stop)
    lake.close()


if __name__ == "__main__":
    main()
