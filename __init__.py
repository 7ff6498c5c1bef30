"""The notebook face of Boathouse: ``import boathouse as bh``; every name is fetched on first use."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .catalogs.errors import (
        BadEvent,
        BadParameter,
        BadRequest,
        BadShape,
        BadStep,
        BoathouseError,
        Conflict,
        Forbidden,
        JobFailed,
        NotFound,
        PlanExceeded,
        StorageFull,
        Unavailable,
    )
    from .catalogs.events.event import Event
    from .catalogs.events.notices import listen, notify, replay
    from .catalogs.lake import open_lake
    from .catalogs.pools import create_pool, open_pool
    from .catalogs.publish import publish
    from .catalogs.reader import open_catalog
    from .kernels.cluster import attach
    from .kernels.polytope.shapes import Box, Polygon, Shape, Span
    from .kernels.selector.widget import PolytopeSelector
    from .workflows.face import jobs, on, recipes, rules, run, schedule, schedules

# Public name -> module that has it.  A test holds this in step with the block above.
_HOMES = {
    **dict.fromkeys(
        (
            "BadEvent",
            "BadParameter",
            "BadRequest",
            "BadShape",
            "BadStep",
            "BoathouseError",
            "Conflict",
            "Forbidden",
            "JobFailed",
            "NotFound",
            "PlanExceeded",
            "StorageFull",
            "Unavailable",
        ),
        "catalogs.errors",
    ),
    "Event": "catalogs.events.event",
    **dict.fromkeys(("listen", "notify", "replay"), "catalogs.events.notices"),
    "open_lake": "catalogs.lake",
    **dict.fromkeys(("create_pool", "open_pool"), "catalogs.pools"),
    "publish": "catalogs.publish",
    "open_catalog": "catalogs.reader",
    "attach": "kernels.cluster",
    **dict.fromkeys(("Box", "Polygon", "Shape", "Span"), "kernels.polytope.shapes"),
    "PolytopeSelector": "kernels.selector.widget",
    **dict.fromkeys(
        ("jobs", "on", "recipes", "rules", "run", "schedule", "schedules"), "workflows.face"
    ),
}

__all__ = [  # noqa: PLE0604 - the names are the keys above
    "__version__",
    *_HOMES,
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'boathouse' has no attribute {name!r}")
    from importlib import import_module

    # Binds the default lake to the Dask configuration and adds the ``.polytope`` accessor.
    import_module(f"{__name__}.kernels.session")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
