"""What an extraction may cost, by the asker's plan, said before anything is read."""

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from ...catalogs.errors import PlanExceeded
from ..plans import Plan
from .extract_formats import Format

if TYPE_CHECKING:
    from ...kernels.polytope.plan import Plan as ExtractionPlan


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What an extraction will touch.

    Attributes
    ----------
    points : int
        Values in the answer, of all variables together.
    chunks, bytes : int
        Chunks to read, and what they hold when decoded.
    result_bytes : int
        What the answer's values hold.
    answer_bytes : int
        About what writing the answer takes in the format that was asked for.
    box_bytes : int
        What the values of the shape's bounding box hold: what a box would have fetched.
    """

    points: int
    chunks: int
    bytes: int
    result_bytes: int
    answer_bytes: int
    box_bytes: int

    @property
    def heaviest(self) -> int:
        """What has to be held at least: what is read, or the result if that is more."""
        return max(self.bytes, self.result_bytes)


class ExtractionExceeded(PlanExceeded):
    """More than the plan allows, with the figures of the request and of the plan.

    Parameters
    ----------
    detail : str
        What is too much and how to mend it.
    field : str, optional
        What is too much.
    figures, limits : dict, optional
        For the problem document.
    """

    _as: ClassVar[str] = PlanExceeded.kind()

    def __init__(
        self,
        detail: str,
        *,
        field: str | None = None,
        figures: dict[str, Any] | None = None,
        limits: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail, field=field)
        self.figures = figures or {}
        self.limits = limits or {}

    @classmethod
    def kind(cls) -> str:
        """A client knows it as ``plan-exceeded``."""
        return cls._as

    def problem(self) -> dict[str, Any]:
        """The problem document, with ``plan`` and ``limits`` where they are known."""
        document = {**super().problem(), "title": PlanExceeded.__name__}
        told = {"plan": self.figures, "limits": self.limits}
        return document | {name: value for name, value in told.items() if value}


def figures_of(plan: "ExtractionPlan", form: Format) -> Figures:
    """The figures of an extraction in a format."""
    variables = plan.variables.values()
    return Figures(
        points=sum(each.points for each in variables),
        chunks=plan.chunks,
        bytes=plan.bytes,
        result_bytes=plan.result_bytes,
        answer_bytes=max(
            plan.result_bytes, form.row_bytes * sum(each.points for each in variables)
        ),
        box_bytes=plan.box_bytes,
    )


def limits_of(plan: Plan) -> dict[str, Any]:
    """What a plan allows, as a problem and ``plan`` show it."""
    names = ("extract_points", "extract_bytes", "job_points", "job_bytes")
    return {"plan": plan.name, **{name: getattr(plan, name) for name in names}}


def fits_at_once(figures: Figures, plan: Plan) -> bool:
    """Whether an answer may be given at once, in whatever format."""
    return figures.points <= plan.extract_points and figures.heaviest <= plan.extract_bytes


def check_answer(figures: Figures, form: Format, plan: Plan) -> None:
    """Refuse an answer whose format makes it too large; raises :class:`ExtractionExceeded`."""
    if figures.answer_bytes > plan.extract_bytes:
        raise ExtractionExceeded(
            f"{figures.points:,} values as {form.name} take about {figures.answer_bytes:,} bytes; "
            f"your plan {plan.name!r} allows {plan.extract_bytes:,} at once. Ask for NetCDF or "
            "Zarr, or for less.",
            field="f",
            figures=msgspec.to_builtins(figures),
            limits=limits_of(plan),
        )


def check_job(figures: Figures, plan: Plan) -> None:
    """Refuse what is too large for a job too; raises :class:`ExtractionExceeded`."""
    if figures.points <= plan.job_points and figures.heaviest <= plan.job_bytes:
        return
    raise ExtractionExceeded(
        f"This is {figures.points:,} values from {figures.heaviest:,} bytes; your plan "
        f"{plan.name!r} allows {plan.extract_points:,} values from {plan.extract_bytes:,} bytes at "
        f"once and {plan.job_points:,} from {plan.job_bytes:,} as a job. Ask for fewer times, "
        "levels or variables, or a smaller shape.",
        field="points" if figures.points > plan.job_points else "bytes",
        figures=msgspec.to_builtins(figures),
        limits=limits_of(plan),
    )
