"""``boathouse catalog | run | jobs``: what a lake holds, and what runs on it."""

import argparse
from typing import Any

from ..catalogs.errors import BadRequest
from ..catalogs.events.conditions import read_value
from .cli_lake import face
from .cli_output import say, say_table


def add(commands: Any, lake: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands.add_parser("catalog", parents=[lake], help="what the lake holds").set_defaults(
        command=_catalog
    )
    run = commands.add_parser("run", parents=[lake], help="run a recipe")
    run.add_argument("recipe")
    run.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="VALUE is JSON or text")
    run.add_argument("--wait", action="store_true", help="until the job has ended")
    run.set_defaults(command=_run)
    commands.add_parser("jobs", parents=[lake], help="your jobs").set_defaults(command=_jobs)


def _catalog(given: argparse.Namespace) -> None:
    from ..catalogs.lake import open_lake

    face(given)
    rows = [(each.id, each.kind, each.title) for each in open_lake().store.collections()]
    say_table(("DATASET", "KIND", "TITLE"), rows, empty="An empty lake: boathouse demo fills it.")


def _run(given: argparse.Namespace) -> int:
    parameters: dict[str, Any] = {}
    for each in given.parameters:
        name, mark, value = each.partition("=")
        if not mark:
            raise BadRequest(f"{each!r} is no NAME=VALUE.", field="parameters")
        parameters[name] = read_value(value)
    job = face(given).run(given.recipe, **parameters)
    if given.wait:
        job.wait()
    say(f"{job.id}  {job.state}  {job.message}".rstrip())
    return 1 if job.state in ("failed", "dismissed") else 0


def _jobs(given: argparse.Namespace) -> None:
    rows = [
        (job.id, job.state, f"{job.cells_done}/{job.cells_total}", job.recipe, job.message)
        for job in face(given).jobs()
    ]
    hint = "No jobs yet: boathouse run RECIPE NAME=VALUE ..."
    say_table(("JOB", "STATE", "CELLS", "RECIPE", "MESSAGE"), rows, empty=hint)
