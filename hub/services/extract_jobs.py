"""Extractions that become jobs: run by automation in the asker's name, as any other recipe."""

import secrets
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ...catalogs.errors import Forbidden, Unauthenticated
from ...catalogs.lake import Connection
from ...catalogs.records import Collection
from ...workflows.remote import HttpAutomation
from ..plans import Plan
from .application import json_response
from .extract_limits import Figures, check_job

if TYPE_CHECKING:
    from .extract_cubes import Choice

RECIPE = "cut-shape"
_RESULTS = "http://www.opengis.net/def/rel/ogc/1.0/results"
_LONGEST_ID = 40


def order(face: Collection, choice: "Choice", figures: Figures, plan: Plan) -> dict[str, Any]:
    """What automation is to run for an extraction.

    Parameters
    ----------
    face : Collection
        What is cut.
    choice : Choice
        What is wanted of it.
    figures : Figures
        What that costs.
    plan : Plan
        What the asker may.

    Returns
    -------
    dict
        ``figures``, and ``parameters`` of the recipe ``cut-shape``.

    Raises
    ------
    ExtractionExceeded
        When it is too large for a job too.
    """
    check_job(figures, plan)
    stem = face.id[:_LONGEST_ID].rstrip("-")
    parameters: dict[str, Any] = {
        "dataset": face.id,
        "shape": choice.shape.to_dict(),
        "variables": list(choice.variables),
        "overlap": "each" if choice.each else "first",
        # Nobody else's, and known before the job has run.
        "name": f"cut-{stem}-{secrets.token_hex(4)}",
    }
    return {"figures": msgspec.to_builtins(figures), "parameters": parameters}


async def accepted(
    connection: Connection, ordered: dict[str, Any], *, base: str, preferred: bool
) -> Response:
    """Hand an extraction to automation and say where it is followed: 202 with ``Location``.

    Parameters
    ----------
    connection : Connection
        With the asker's token: the job is his.
    ordered : dict
        What :func:`order` gave.
    base : str
        The service's address as the asker sees it.
    preferred : bool
        Whether he asked for a job, rather than for too much.
    """
    parameters = ordered["parameters"]
    try:
        job = await run_in_threadpool(HttpAutomation(connection).submit, RECIPE, parameters)
    except Unauthenticated as error:
        raise Forbidden(
            "This takes a job, and this token may not start one; make a token with "
            "access:services!service=automation too."
        ) from error
    here = f"{base.rpartition('/')[0]}/automation/jobs/{job.id}"
    answer = json_response(
        {
            "jobID": job.id,
            "processID": RECIPE,
            "type": "process",
            "status": job.state,
            "collection": parameters["name"],
            "plan": ordered["figures"],
            "links": _links(here, f"{base}/collections/{parameters['name']}"),
        },
        202,
    )
    answer.headers["Location"] = here
    if preferred:
        answer.headers["Preference-Applied"] = "respond-async"
    return answer


def _links(job: str, result: str) -> list[dict[str, str]]:
    return [
        {"rel": "monitor", "href": job, "title": "State and progress"},
        {"rel": "via", "href": f"{job}/notebook", "title": "The notebook as executed so far"},
        {
            "rel": _RESULTS,
            "href": result,
            "title": "The result, once the job has succeeded; only you see it",
        },
    ]
