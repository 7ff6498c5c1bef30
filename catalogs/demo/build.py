"""Builds the demo lake: what is there already is left alone, what is missing is made."""

from collections.abc import Callable, Mapping

import msgspec
import xarray as xr

from ..cubes import write_cube
from ..description import describe
from ..errors import NotFound
from ..events.event import ITEM_CREATED, Event
from ..lake import Lake
from ..pools import create_pool
from ..records import Collection, Item, Record, location_of
from ..recovery import recover
from ..repositories import open_repository
from . import sources
from .clock import MONTH_SECONDS, ReplayClock, step_of

OWNER = "boathouse"
LICENCE = "OGL-UK-3.0"
SOURCE, POOL, WINDOW, FIRST_STEPS = "ostia-sst", "sst-fresh", 24, 12


class DemoCube(msgspec.Struct, frozen=True, kw_only=True):
    """A cube of the demo lake and how to make it."""

    id: str
    title: str
    description: str
    keywords: tuple[str, ...]
    make: Callable[[], xr.Dataset]
    chunks: Mapping[str, int]


DEMO = (
    DemoCube(
        id=SOURCE,
        title="Sea-surface temperature, equatorial belt",
        description="OSTIA analysis, monthly means of 2006 to 2010 from 5 S to 5 N: "
        "El Niño comes and goes.",
        keywords=("ocean", "sea surface temperature", "observation", "OSTIA", "El Niño"),
        make=sources.ostia,
        chunks={"time": 6},
    ),
    DemoCube(
        id="glosea-ensemble",
        title="Seasonal ensemble, surface temperature",
        description="GloSea4 global ensemble, monthly means of August 2011 to January 2012. "
        "Member 6 is missing in the source.",
        keywords=("forecast", "ensemble", "seasonal", "surface temperature", "global"),
        make=sources.glosea,
        chunks={"number": 1, "time": 1},
    ),
    DemoCube(
        id="uk-model-levels",
        title="UK model levels, potential temperature",
        description="High-resolution UK model on a rotated pole: seven levels, "
        "three hours of 19 November 2009.",
        keywords=("forecast", "model levels", "rotated pole", "potential temperature", "UK"),
        make=sources.uk_model_levels,
        chunks={"time": 1, "model_level_number": 1},
    ),
    DemoCube(
        id="scenario-a1b",
        title="North America, scenario A1B",
        description="Air temperature, yearly, 1860 to 2099, with medium emissions. "
        "Compare it with scenario-e1.",
        keywords=("climate", "scenario", "projection", "air temperature", "North America"),
        make=lambda: sources.scenario("A1B"),
        chunks={"time": 24},
    ),
    DemoCube(
        id="scenario-e1",
        title="North America, scenario E1",
        description="Air temperature, yearly, 1860 to 2099, stabilised at 450 ppm. "
        "Compare it with scenario-a1b.",
        keywords=("climate", "scenario", "projection", "air temperature", "North America"),
        make=lambda: sources.scenario("E1"),
        chunks={"time": 24},
    ),
)


def build_demo(lake: Lake, *, progress: Callable[[str], object] = print) -> None:
    """Make the demo's cubes and its fresh pool; may be stopped and started again at any time.

    Parameters
    ----------
    lake : Lake
        Where; new collections belong to ``boathouse`` and are public.
    progress : callable
        Is told what happens, a line at a time.

    Raises
    ------
    NotFound
        When the sample data is not installed.

    Examples
    --------
    >>> build_demo(open_lake("lake"), progress=print)  # doctest: +SKIP
    """
    own = Lake(lake.root, lake.store, lake.log, user=OWNER, connection=lake.connection)
    for id in recover(own):
        progress(f"demo: recorded {id}, which an earlier run wrote")
    missing = [cube for cube in DEMO if not _exists(own, cube.id)]
    for number, cube in enumerate(missing, 1):
        progress(f"demo: {number} of {len(missing)} cubes: {cube.title}")
        _build(own, cube)
    if not _exists(own, POOL):
        progress(f"demo: the fresh pool {POOL}")
        _create_pool(own)
    if not own.store.collection(POOL).interval:
        ReplayClock(SOURCE, POOL, own).tick(FIRST_STEPS)
    progress(f"demo: {len(DEMO)} cubes and the pool {POOL} are there")


def _exists(lake: Lake, id: str) -> bool:
    try:
        face = lake.store.collection(id)
    except NotFound:
        return False
    return open_repository(lake.root / face.location) is not None


def _build(lake: Lake, cube: DemoCube) -> None:
    dataset = cube.make()
    face = Collection(
        id=cube.id,
        title=cube.title,
        kind="cube",
        location=location_of("cube", cube.id, OWNER),
        owner=OWNER,
        description=cube.description,
        licence=LICENCE,
        keywords=cube.keywords,
        **msgspec.structs.asdict(describe(dataset)),
    )
    item = Item(id="v1", collection=cube.id, datetime=face.interval[1] if face.interval else "")
    event = Event(
        type=ITEM_CREATED,
        source=f"/collections/{cube.id}",
        subject=f"/collections/{cube.id}/items/{item.id}",
        datatime=item.datetime,
        data={"item": item.id, "collection": cube.id},
    )
    dataset = dataset.assign_attrs(title=cube.title, licence=LICENCE)
    record = Record(collection=face, items=(item,), events=(event,))
    write_cube(lake, dataset, record, chunks=cube.chunks)


def _create_pool(lake: Lake) -> None:
    template = step_of(sources.ostia(), 0)
    create_pool(
        POOL,
        template=template,
        window=WINDOW,
        step=f"{MONTH_SECONDS}s",
        title="Fresh sea-surface temperature",
        description=(
            "A replay clock puts the months of ostia-sst one by one. A step is a twelfth of a "
            "year (30.4375 days), so the time of a month is its middle within two days; "
            "source_time says the month observed, which after September 2010 begins again "
            "with April 2006."
        ),
        licence=LICENCE,
        keywords=("ocean", "sea surface temperature", "fresh", "replay", "OSTIA"),
        lake=lake,
    )
