"""The notebook face, ``import boathouse as bh``: every name is fetched on first use."""

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
        Busy,
        Conflict,
        Forbidden,
        Gone,
        JobFailed,
        NotFound,
        PlanExceeded,
        ShapeWarning,
        StorageFull,
        Unavailable,
    )
    from .catalogs.events.event import Event
    from .catalogs.events.notices import listen, notify, notify_many, replay
    from .catalogs.lake import open_lake
    from .catalogs.observations.face import (
        commands,
        observations,
        observe,
        register_station,
        stations,
    )
    from .catalogs.pools import create_pool, open_pool
    from .catalogs.publish import publish
    from .catalogs.reader import open_catalog
    from .kernels.cluster import attach
    from .kernels.event_table.widget import EventTable, events
    from .kernels.polytope.shapes import (
        All,
        Box,
        ConvexPolytope,
        Disk,
        Ellipsoid,
        Path,
        PathSegment,
        Point,
        Polygon,
        Select,
        Shape,
        ShapePath,
        Span,
        Union,
    )
    from .kernels.selector.widget import PolytopeSelector
    from .workflows.face import jobs, load_rules, on, recipes, rules, run, schedule, schedules

# Where each public name lives.  A test holds this in step with the block above and the list below.
_HOMES = {
    "catalogs.errors": (
        "BadEvent",
        "BadParameter",
        "BadRequest",
        "BadShape",
        "BadStep",
        "BoathouseError",
        "Busy",
        "Conflict",
        "Forbidden",
        "Gone",
        "JobFailed",
        "NotFound",
        "PlanExceeded",
        "ShapeWarning",
        "StorageFull",
        "Unavailable",
    ),
    "catalogs.events.event": ("Event",),
    "catalogs.events.notices": (
        "listen",
        "notify",
        "notify_many",
        "replay",
    ),
    "catalogs.lake": ("open_lake",),
    "catalogs.observations.face": (
        "commands",
        "observations",
        "observe",
        "register_station",
        "stations",
    ),
    "catalogs.pools": (
        "create_pool",
        "open_pool",
    ),
    "catalogs.publish": ("publish",),
    "catalogs.reader": ("open_catalog",),
    "kernels.cluster": ("attach",),
    "kernels.event_table.widget": (
        "EventTable",
        "events",
    ),
    "kernels.polytope.shapes": (
        "All",
        "Box",
        "ConvexPolytope",
        "Disk",
        "Ellipsoid",
        "Path",
        "PathSegment",
        "Point",
        "Polygon",
        "Select",
        "Shape",
        "ShapePath",
        "Span",
        "Union",
    ),
    "kernels.selector.widget": ("PolytopeSelector",),
    "workflows.face": (
        "jobs",
        "load_rules",
        "on",
        "recipes",
        "rules",
        "run",
        "schedule",
        "schedules",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "All",
    "BadEvent",
    "BadParameter",
    "BadRequest",
    "BadShape",
    "BadStep",
    "BoathouseError",
    "Box",
    "Busy",
    "Conflict",
    "ConvexPolytope",
    "Disk",
    "Ellipsoid",
    "Event",
    "EventTable",
    "Forbidden",
    "Gone",
    "JobFailed",
    "NotFound",
    "Path",
    "PathSegment",
    "PlanExceeded",
    "Point",
    "Polygon",
    "PolytopeSelector",
    "Select",
    "Shape",
    "ShapePath",
    "ShapeWarning",
    "Span",
    "StorageFull",
    "Unavailable",
    "Union",
    "__version__",
    "attach",
    "commands",
    "create_pool",
    "events",
    "jobs",
    "listen",
    "load_rules",
    "notify",
    "notify_many",
    "observations",
    "observe",
    "on",
    "open_catalog",
    "open_lake",
    "open_pool",
    "publish",
    "recipes",
    "register_station",
    "replay",
    "rules",
    "run",
    "schedule",
    "schedules",
    "stations",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'boathouse' has no attribute {name!r}")
    from importlib import import_module

    # Binds the default lake to the Dask configuration and adds the ``.polytope`` accessor.
    import_module(f"{__name__}.kernels.session")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
