"""The replay clock's hands: which real step comes next, and at which time of the pool."""

import numpy as np
import xarray as xr

from ..cubes import open_collection
from ..lake import Lake
from ..pools import Arrival, Pool

# A twelfth of a Julian year.  Months are not equally long but a pool's steps are; along the
# four and a half years of the source the two stay within two days of each other.
MONTH_SECONDS = 2_629_800


class ReplayClock:
    """Puts the months of a cube into a pool one at a time, for ever, from where the pool stands.

    Parameters
    ----------
    source : str
        The cube that has the real steps.
    pool : str
        The pool to feed.
    lake : Lake
        Where both are; it must be allowed to record for the pool's owner.

    Examples
    --------
    >>> ReplayClock("ostia-sst", "sst-fresh", lake).tick()  # doctest: +SKIP
    """

    def __init__(self, source: str, pool: str, lake: Lake) -> None:
        self.source = source
        self.pool = Pool(pool, lake)
        self.lake = lake
        self._steps: xr.Dataset | None = None

    def tick(self, count: int = 1) -> Arrival:
        """Put the next ``count`` steps in one commit."""
        if self._steps is None:
            self._steps = open_collection(self.source, self.lake, chunks=None).load()
        interval = self.pool.info().interval
        after = np.datetime64(interval[1].removesuffix("Z"), "ns") if interval else None
        first = 0 if after is None else _number(self._steps, after) + 1
        return self.pool.put(step_of(self._steps, first, count))


def step_of(source: xr.Dataset, first: int, count: int = 1) -> xr.Dataset:
    """Steps ``first`` and following of the endless replay of a monthly cube.

    Step ``n`` holds the source's month ``n`` (modulo their number) at the time
    ``first month + n * 30.4375 days``; the coordinate ``source_time`` says which month of the
    source it really is.
    """
    numbers = np.arange(first, first + count)
    months = source.isel(time=numbers % source.sizes["time"])
    origin = source["time"].values[0].astype("M8[s]")
    times = (origin + numbers * np.timedelta64(MONTH_SECONDS, "s")).astype("M8[ns]")
    steps = months.assign_coords(
        source_time=("time", months["time"].values, {"long_name": "middle of the month observed"}),
        time=("time", times, source["time"].attrs),
    )
    return steps.drop_attrs(deep=False)


def _number(source: xr.Dataset, time: np.datetime64) -> int:
    elapsed = (time - source["time"].values[0]) / np.timedelta64(1, "s")
    return round(float(elapsed) / MONTH_SECONDS)
