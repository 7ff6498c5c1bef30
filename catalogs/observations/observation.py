"""Observations as they come in, as they are answered, and what is asked for."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from ..errors import BadRequest
from .instants import instant

MOST_ROWS = 100_000


class Reading(NamedTuple):
    """One value on its way into the table, with the row of the request that it stands in.

    ``issued`` None means now; empty ``units`` are those of the station.  Times are
    microseconds since 1970.
    """

    row: int
    station: str
    time: int
    variable: str
    value: float | None
    issued: int | None = None
    units: str = ""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the readings of one request; it is on disk when it is given.

    Attributes
    ----------
    stored : int
        Readings of a station, time and variable that had none.
    revised : int
        Readings that differ from what was there; the older value is kept as a revision.
    known : int
        Readings that had come before; they changed nothing.
    """

    stored: int = 0
    revised: int = 0
    known: int = 0


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value as it counts, or counted.

    Attributes
    ----------
    station, variable : str
        What measured what.
    time : str
        RFC 3339 time of the measurement.
    value : float or None
        In ``units``; None when it is missing or was withdrawn.
    units : str
        Units of the value.
    issued : str
        RFC 3339 time at which the value was made known.
    revision : int
        How many values had come for this station, time and variable.
    """

    station: str
    time: str
    variable: str
    # A factory, because a plain default would be left out of the JSON.
    value: float | None = msgspec.field(default_factory=lambda: None)
    units: str = ""
    issued: str = ""
    revision: int = 1


class Query(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which observations somebody wants: all given conditions must hold.

    Attributes
    ----------
    stations, variables : tuple of str
        Any of these; empty means all.
    network : str
        Only of this network.
    since, until : str
        ISO 8601 times: since <= time < until.
    bbox : tuple of float
        West, south, east, north in degrees; west > east crosses the antimeridian.
    latest : bool
        Only the newest of each station and variable (within ``since`` and ``until``).
    limit : int
        The most rows of an answer.
    after : str
        Go on after the row that an earlier answer named.

    Examples
    --------
    >>> Query(variables=("t",), bbox=(170.0, -20.0, -170.0, 10.0)).validated().limit
    10000
    """

    stations: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    network: str = ""
    since: str = ""
    until: str = ""
    bbox: tuple[float, ...] = ()
    latest: bool = False
    limit: int = 10_000
    after: str = ""

    def validated(self) -> "Query":
        """Return the query itself, or raise ``BadRequest`` naming the wrong field."""
        if not 1 <= self.limit <= MOST_ROWS:
            raise BadRequest(f"limit must be from 1 to {MOST_ROWS:,}.", field="limit")
        check_bbox(self.bbox)
        if self.since:
            instant(self.since, "since")
        if self.until:
            instant(self.until, "until")
        self.place()
        return self

    def place(self) -> tuple[int, int]:
        """The series and time after which the answer goes on."""
        if not self.after:
            return (0, 0)
        series, _, time = self.after.partition(".")
        numbers = (series, time.removeprefix("-"))
        if not all(each.isdecimal() and each.isascii() and len(each) < 19 for each in numbers):
            raise BadRequest("after must be what an earlier answer gave.", field="after")
        return (int(series), int(time))


class Found(NamedTuple):
    """A page of observations, and what to give as ``after`` to get the next; empty at the end."""

    rows: list[Observation]
    next: str


def check_bbox(bbox: Sequence[float]) -> None:
    """Raise ``BadRequest`` when a bounding box is none; an empty one is no condition."""
    if not bbox:
        return
    if len(bbox) != 4 or not (
        all(-180 <= edge <= 180 for edge in (bbox[0], bbox[2])) and -90 <= bbox[1] <= bbox[3] <= 90
    ):
        raise BadRequest(
            "bbox must be west, south, east, north in degrees, south <= north.", field="bbox"
        )


def within(bbox: Sequence[float], lat: float, lon: float) -> bool:
    """Whether a place lies in a bounding box; an empty box holds everything.

    Examples
    --------
    >>> within((170.0, -20.0, -170.0, 10.0), 0.0, 179.0)
    True
    """
    if not bbox:
        return True
    west, south, east, north = bbox
    inside = west <= lon <= east if west <= east else lon >= west or lon <= east
    return south <= lat <= north and inside
