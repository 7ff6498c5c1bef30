"""Ellipsoids, still or swept along a line, of one size or growing."""

import numpy as np
import numpy.typing as npt

from .bodies import CLOSE, Bodies, Numbers
from .rows import Indices


class Ellipsoids(Bodies):
    """Ellipsoids whose axes are the cube's, from where they start to where they end.

    Parameters
    ----------
    start, end : arrays, shape (bodies, axes)
        Centres; equal for one that stands still.
    radius : array, shape (axes,)
        At the start, on each axis; 0 is a body that is flat there.
    growth : float
        By what the radius is multiplied on the way.

    Notes
    -----
    The hull of two balls is the union of the balls between them. With coordinates divided by
    the radius, the interval on the next axis is that of ``t v + sqrt(h(t))`` and its mirror
    over 0 <= t <= 1, h being quadratic; so its ends lie at t = 0, at t = 1, or where the
    derivative vanishes.
    """

    def __init__(self, start: Numbers, end: Numbers, radius: Numbers, growth: float = 1.0):
        self.lower, self.upper = start - radius, start + radius
        if end is not start:
            self.lower = np.minimum(self.lower, end - radius * growth)
            self.upper = np.maximum(self.upper, end + radius * growth)
        # A flat axis gets a radius so small that only the centre's coordinate lies in it.
        extent = np.abs(self.upper - self.lower).max(axis=0)
        self._radius = np.where(radius > 0, radius, np.maximum(extent, 1.0) * 1e-12)
        self._start = start / self._radius
        self._line = (end - start) / self._radius
        self._growth = growth - 1.0
        self._still = not self._line.any() and not self._growth

    def between(self, body: Indices, prefix: Numbers) -> tuple[Numbers, Numbers]:
        """As :meth:`Bodies.between` says."""
        level = prefix.shape[1]
        away = prefix / self._radius[:level] - self._start[body, :level]
        if self._still:
            return self._across(away, body, level)
        line, along = self._line[body, :level], self._line[body, level]
        bend = (line**2).sum(axis=1) - self._growth**2
        tilt = (away * line).sum(axis=1) + self._growth
        room = 1.0 - (away**2).sum(axis=1)
        low, high = np.full(len(body), np.inf), np.full(len(body), -np.inf)
        for time in self._times(bend, tilt, room, along):
            height = room + 2 * tilt * time - bend * time**2
            possible = (time >= 0) & (time <= 1) & (height >= -CLOSE)
            half = np.sqrt(np.maximum(height, 0.0))
            low = np.where(possible, np.minimum(low, along * time - half), low)
            high = np.where(possible, np.maximum(high, along * time + half), high)
        radius, start = self._radius[level], self._start[body, level]
        return (start + low) * radius, (start + high) * radius

    def _across(self, away: Numbers, body: Indices, level: int) -> tuple[Numbers, Numbers]:
        """The same for bodies that neither move nor grow."""
        height = 1.0 - (away * away).sum(axis=1)
        half = np.sqrt(np.maximum(height, 0.0))
        half[height < -CLOSE] = -np.inf
        radius, start = self._radius[level], self._start[body, level]
        return (start - half) * radius, (start + half) * radius

    def _times(
        self, bend: Numbers, tilt: Numbers, room: Numbers, along: Numbers
    ) -> tuple[Numbers, ...]:
        """When the interval may reach furthest."""
        still = np.zeros(len(bend)), np.ones(len(bend))
        with np.errstate(divide="ignore", invalid="ignore"):
            most = room + tilt**2 / bend
            turn = np.abs(along) * np.sqrt(most / (1 + along**2 / bend))
            early, late = (tilt - turn) / bend, (tilt + turn) / bend
        # Where the way grazes the body, rounding may leave no time at all: try its middle.
        grazing = np.clip(tilt / np.where(bend > 0, bend, 1.0), 0.0, 1.0)
        return (*still, _finite(early), _finite(late), grazing)

    def contain(self, body: int, points: Numbers) -> npt.NDArray[np.bool_]:
        """As :meth:`Bodies.contain` says."""
        numbers = np.full(len(points), body)
        low, high = self.between(numbers, points[:, :-1])
        reach = CLOSE * (self.upper - self.lower)[body]
        inside = (points[:, -1] >= low - reach[-1]) & (points[:, -1] <= high + reach[-1])
        return inside & (
            (points >= self.lower[body] - reach) & (points <= self.upper[body] + reach)
        ).all(axis=1)


def _finite(times: Numbers) -> Numbers:
    return np.where(np.isfinite(times), times, -1.0)
