"""Run by path: publishers and consumers of one log file are killed at random moments.

``python event_log_kills.py FILE KILLS SEED`` forks workers, kills each after some
milliseconds, starts another in its place, and writes what they were told as JSON.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable

from boathouse.catalogs.errors import Conflict
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.events.sqlite import SqliteEventLog

WORK = EventFilter(type="org.example.work")


def publish(path: str, name: str, tell: Callable[[str], None]) -> None:
    log = SqliteEventLog(path)
    for n in range(0, 1_000_000, 3):
        ids = [f"{name}-{n + k}" for k in range(3)]
        numbers = log.append([Event(type=WORK.type, source="/w", id=id) for id in ids])
        tell("".join(f"a {id} {number}\n" for id, number in zip(ids, numbers, strict=True)))


def consume(path: str, name: str, tell: Callable[[str], None]) -> None:
    log = SqliteEventLog(path)
    consumer = log.consume("worker", where=WORK, after=0, lease=0.4, attempts=1000)
    while True:
        for taken in consumer.take(4, wait=5):
            # The effect in our own store: done twice it is there once.
            log.append([Event(type="org.example.effect", source="/e", id=taken.event.id)])
            try:
                consumer.done(taken)
            except Conflict:
                continue  # it took so long that another did it as well
            tell(f"d {taken.event.id} {taken.event.sequence}\n")


class Worker:
    """One forked process and the lines that it told."""

    def __init__(self, path: str, name: str, work: Callable[..., None]) -> None:
        self.work = work
        self.end, start = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.end)
                work(path, name, lambda line: os.write(start, line.encode()))
            finally:
                os._exit(1)
        os.close(start)

    def kill(self) -> list[list[str]]:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        with os.fdopen(self.end) as told:
            return [line.split() for line in told.read().splitlines(keepends=True) if "\n" in line]


def main(path: str, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    told: list[list[str]] = []
    workers = [
        Worker(path, f"0{n}", work) for n, work in enumerate((publish, publish, consume, consume))
    ]
    for round_ in range(1, kills + 1):
        time.sleep(chance.uniform(0.05, 0.15))
        # Publishers and consumers in turn.
        number = chance.randrange(2) + 2 * (round_ % 2)
        told += workers[number].kill()
        workers[number] = Worker(path, f"{round_}{number}", workers[number].work)
    for worker in workers:
        told += worker.kill()
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
