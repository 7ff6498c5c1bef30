"""Lists of jobs, schedules and recipes that read well in a notebook."""

from collections.abc import Callable, Iterable
from html import escape
from typing import Any, TypeVar

from .jobs import Job, Recipe, Schedule

T = TypeVar("T")
Cell = Callable[[Any], str]

# Works on light and dark themes: colours only where they carry meaning.
COLOURS = {
    "accepted": "#8a8f98",
    "running": "#2f7de1",
    "successful": "#1f9d61",
    "failed": "#d64545",
    "dismissed": "#8a8f98",
}


class Listing(list[T]):
    """A list that shows itself as a table.

    Parameters
    ----------
    things : iterable
        What is in the list.
    columns : dict
        Heading to a function that makes a cell's HTML.
    empty : str
        What is shown when there is nothing.
    """

    def __init__(self, things: Iterable[T], columns: dict[str, Cell], empty: str) -> None:
        super().__init__(things)
        self._columns = columns
        self._empty = empty

    def _repr_html_(self) -> str:
        if not self:
            return f"<p><em>{escape(self._empty)}</em></p>"
        head = "".join(f"<th style='text-align:left'>{escape(name)}</th>" for name in self._columns)
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td style='text-align:left'>{cell(thing)}</td>" for cell in self._columns.values()
            )
            + "</tr>"
            for thing in self
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


class Standing(Listing[T]):
    """Schedules, of which each can be withdrawn.

    Parameters
    ----------
    delete : callable
        Withdraws one by name.
    """

    def __init__(
        self,
        things: Iterable[T],
        columns: dict[str, Cell],
        empty: str,
        delete: Callable[[str], None],
    ) -> None:
        super().__init__(things, columns, empty)
        self._delete = delete

    def delete(self, name: str) -> None:
        """Withdraw the one of this name; raises ``NotFound``.  Running jobs end in peace."""
        self._delete(name)
        self[:] = [thing for thing in self if getattr(thing, "name", "") != name]


class Jobs(Listing[Job]):
    """Jobs, of which each can be stopped.

    Parameters
    ----------
    dismiss : callable
        Stops one by id.
    """

    def __init__(
        self,
        things: Iterable[Job],
        columns: dict[str, Cell],
        empty: str,
        dismiss: Callable[[str], Job],
    ) -> None:
        super().__init__(things, columns, empty)
        self._dismiss = dismiss

    def dismiss(self, id: str) -> None:
        """Stop the job of this id; raises ``NotFound``."""
        now = self._dismiss(id)
        self[:] = [now if job.id == id else job for job in self]


def list_jobs(jobs: Iterable[Job], dismiss: Callable[[str], Job]) -> Jobs:
    """Jobs as a table."""
    columns: dict[str, Cell] = {
        "job": lambda job: f"<code>{escape(job.id)}</code>",
        "recipe": lambda job: escape(job.recipe),
        "state": state_html,
        "cells": lambda job: f"{job.cells_done}/{job.cells_total}" if job.cells_total else "",
        "because of": _cause,
        "created": lambda job: escape(job.created),
        "results": lambda job: escape(", ".join(job.results)),
    }
    empty = "No jobs yet; bh.run('mean-over-shape', ...) makes one."
    return Jobs(jobs, columns, empty, dismiss)


def list_schedules(
    schedules: Iterable[Schedule], delete: Callable[[str], None]
) -> Standing[Schedule]:
    """Schedules as a table."""
    columns: dict[str, Cell] = {
        "schedule": lambda schedule: escape(schedule.name),
        "cron (UTC)": lambda schedule: f"<code>{escape(schedule.cron)}</code>",
        "next": lambda schedule: escape(schedule.next),
        "run": lambda schedule: escape(schedule.recipe),
        "with": lambda schedule: _parameters(schedule.parameters),
    }
    empty = "No schedules yet; bh.schedule(cron, recipe) saves one."
    return Standing(schedules, columns, empty, delete)


def list_recipes(recipes: Iterable[Recipe]) -> Listing[Recipe]:
    """Recipes as a table."""
    columns: dict[str, Cell] = {
        "recipe": lambda recipe: f"<code>{escape(recipe.name)}</code>",
        "what it does": lambda recipe: escape(recipe.title),
        "parameters": _signature,
    }
    return Listing(recipes, columns, "There are no recipes.")


def state_html(job: Job) -> str:
    """A job's state with its colour, and its message."""
    said = f" {escape(job.message)}" if job.message else ""
    return f"<b style='color:{COLOURS[job.state]}'>{job.state}</b>{said}"


def job_html(job: Job) -> str:
    """A job as a card with a bar of its cells."""
    share = 100 * job.cells_done // job.cells_total if job.cells_total else 0
    share = 100 if job.state == "successful" else share
    results = f"<br>published {escape(', '.join(job.results))}" if job.results else ""
    return (
        f"<div><b>{escape(job.recipe)}</b> <code>{escape(job.id)}</code> {state_html(job)}"
        f"<div style='background:#8a8f9833;height:6px;border-radius:3px;max-width:30em'>"
        f"<div style='background:{COLOURS[job.state]};width:{share}%;height:6px;"
        f"border-radius:3px'></div></div>{results}</div>"
    )


def schedule_html(schedule: Schedule) -> str:
    """A schedule in one line."""
    when = f"{schedule.cron} UTC, next {schedule.next}"
    return (
        f"<div><b>{escape(schedule.name)}</b>: on <code>{escape(when)}</code> run "
        f"<b>{escape(schedule.recipe)}</b> with {_parameters(schedule.parameters)}</div>"
    )


def _cause(job: Job) -> str:
    if job.rule:
        return f"rule {escape(job.rule)}"
    return f"schedule {escape(job.schedule)}" if job.schedule else ""


def _parameters(parameters: dict[str, Any]) -> str:
    # A polygon has hundreds of points: enough of it to be recognised.
    texts = (f"{name}={value!r}" for name, value in parameters.items())
    return escape(", ".join(text if len(text) < 60 else f"{text[:57]}..." for text in texts))


def _signature(recipe: Recipe) -> str:
    return "<br>".join(
        f"<code>{escape(name)}: {escape(described['type'])}</code>"
        + ("" if described["required"] else f" = {escape(repr(described['default']))}")
        + (f" &nbsp;{escape(described['help'])}" if described["help"] else "")
        for name, described in recipe.parameters.items()
    )
