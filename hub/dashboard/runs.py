"""The visitor's runs, with state and progress as they change."""

from collections.abc import Callable, Iterable
from urllib.parse import quote

import msgspec

from ...catalogs.access import PRIVATE, Reader
from ...catalogs.events.event import JOB_CHANGED, Event
from ...workflows.jobs import Job, Rule
from .cards import Anchor, Cards, Row

MOST = 40
EMPTY = "No runs yet.\nTry tutorial 03 in the Lab: a rule that runs a notebook when data arrives."
_STATES = {
    "accepted": ("waiting", ""),
    "running": ("running", "running"),
    "successful": ("done", "good"),
    "failed": ("failed", "bad"),
    "dismissed": ("stopped", ""),
}


class RunsView:
    """The list of runs, newest first.

    Parameters
    ----------
    prefix : str
        The dashboard's own path, without a trailing slash; notebooks are below it.
    reader : callable
        Who looks at the page.
    open_result : callable
        Told the id of the collection whose link was clicked.
    """

    def __init__(
        self, prefix: str, reader: Callable[[], Reader], open_result: Callable[[str], None]
    ) -> None:
        self.view = Cards(
            self._clicked, layout="list", label="Runs", empty=EMPTY, sizing_mode="stretch_width"
        )
        self._prefix = prefix
        self._reader = reader
        self._open_result = open_result
        self._jobs: dict[str, Job] = {}
        self._rules: list[Rule] = []
        self._loaded = False
        self._gone: set[str] = set()

    def load(self, answer: tuple[list[Job], list[Rule]]) -> None:
        """Take over what the automation knows."""
        jobs, self._rules = answer
        self._loaded = True
        for job in jobs:
            self._take(job)
        # What was asked for and is not there was withdrawn; it is not asked for again.
        self._gone = {job.rule for job in self._jobs.values()}
        self._draw()

    def add(self, events: Iterable[Event]) -> None:
        """Take over the jobs in these events."""
        for event in events:
            if event.type != JOB_CHANGED:
                continue
            try:
                job = msgspec.convert(event.data, Job)
            except msgspec.ValidationError:
                continue  # anybody may send an event of any type
            if event.owner == job.owner and self._reader().may_see(job.owner, PRIVATE):
                self._take(job)
        self._draw()

    @property
    def lacks_rule(self) -> bool:
        """Whether a run came from a rule that was made after the rules were loaded."""
        known = {rule.name for rule in self._rules} | self._gone
        return any(job.rule and job.rule not in known for job in self._jobs.values())

    def _take(self, job: Job) -> None:
        known = self._jobs.get(job.id)
        if known is None or _rank(job) >= _rank(known):
            self._jobs[job.id] = job

    def _draw(self) -> None:
        newest = sorted(self._jobs.values(), key=lambda job: (job.created, job.id), reverse=True)
        self._jobs = {job.id: job for job in newest[:MOST]}
        rows = [self._row(job) for job in self._jobs.values()]
        self.view.put(rows, loaded=self._loaded or bool(rows))

    def _row(self, job: Job) -> Row:
        word, tone = _STATES[job.state]
        links = [Anchor(text=f"Result: {name}", key=f"result {name}") for name in job.results]
        if job.notebook or job.state in ("running", "successful", "failed"):
            page = f"{self._prefix}/runs/{quote(job.id, safe='')}"
            links.insert(0, Anchor(text="Notebook", href=page))
        busy = job.state == "running"
        stuck = job.state == "failed"
        return Row(
            key=job.id,
            title=job.recipe,
            details=(_origin(job), *_place(job)),
            badge=word,
            tone=tone,
            started=job.started,
            finished=(job.finished or job.started) if job.ended else "",
            time="" if busy else job.finished or job.started or job.created,
            done=min(job.cells_done, job.cells_total),
            total=job.cells_total if busy or stuck else 0,
            text=job.message if busy or stuck else "",
            links=tuple(links),
        )

    def _clicked(self, key: str) -> None:
        if key.startswith("result "):
            self._open_result(key.removeprefix("result "))


def _rank(job: Job) -> tuple[int, bool, bool, int]:
    """How far a job is; of two reports the one that is further is the newer."""
    return job.attempt, job.ended, job.state == "running", job.cells_done


def _origin(job: Job) -> str:
    if job.rule:
        return f"by rule {job.rule}"
    return f"by schedule {job.schedule}" if job.schedule else "by hand"


def _place(job: Job) -> tuple[str, ...]:
    """The first parameter that is a plain text, since it mostly says on which data."""
    texts = [value for value in job.parameters.values() if isinstance(value, str) and value]
    return (texts[0][:60],) if texts else ()
