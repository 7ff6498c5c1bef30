"""Convex bodies in the numbers of some axes, and what slicing them needs to know."""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from .rows import Indices

Numbers = npt.NDArray[np.float64]

# A place this close to a body's edge, in parts of the body's extent, lies on it.
CLOSE = 1e-9
_MOST_NUMBERS = 4_000_000  # above it bodies are worked through one by one, to bound memory


class Bodies(ABC):
    """Several bodies of one form over the same axes, slowest axis first.

    Attributes
    ----------
    lower, upper : arrays, shape (bodies, axes)
        Their bounding boxes.
    """

    lower: Numbers
    upper: Numbers

    @abstractmethod
    def between(self, body: Indices, prefix: Numbers) -> tuple[Numbers, Numbers]:
        """Where bodies, seen along all axes after the next, lie on the next axis.

        Parameters
        ----------
        body : array of int, shape (n,)
            Which body.
        prefix : array, shape (n, k)
            Coordinates on the first k axes.

        Returns
        -------
        low, high : arrays, shape (n,)
            The closed interval on axis k; low above high where there is none.
        """

    @abstractmethod
    def contain(self, body: int, points: Numbers) -> npt.NDArray[np.bool_]:
        """Whether points of shape (n, axes) lie in one body or on its edge."""

    @property
    def sliceable(self) -> bool:
        """Whether :meth:`between` tells all; else places are tried one by one."""
        return True


class Polytopes(Bodies):
    """Bodies bounded by halfspaces, with those of each projection on the first axes.

    Parameters
    ----------
    lower, upper : arrays, shape (bodies, axes)
        Bounding boxes.
    levels : list of (normals, offsets)
        For each axis k the halfspaces ``normals @ x <= offsets`` of the projection on axes 0 to
        k that bound axis k: arrays of shape (bodies, halfspaces, k + 1) and (bodies, halfspaces),
        in coordinates where the bounding box is [-1, 1] on each axis.
    """

    def __init__(self, lower: Numbers, upper: Numbers, levels: list[tuple[Numbers, Numbers]]):
        self.lower, self.upper = lower, upper
        self._centre = (lower + upper) / 2
        half = (upper - lower) / 2
        self._scale = np.where(half > 0, half, 1.0)
        self._levels = levels

    def between(self, body: Indices, prefix: Numbers) -> tuple[Numbers, Numbers]:
        """As :meth:`Bodies.between` says."""
        level = prefix.shape[1]
        normals, offsets = self._levels[level]
        known = (prefix - self._centre[body, :level]) / self._scale[body, :level]
        low, high = np.empty(len(body)), np.empty(len(body))
        if len(self.lower) > 1 and len(body) * normals[0].size <= _MOST_NUMBERS:
            low, high = _bounded(normals[body], offsets[body], known[:, None, :])
        else:
            for number in np.unique(body):
                rows = body == number if len(self.lower) > 1 else slice(None)
                part = known[rows][:, None, :]
                low[rows], high[rows] = _bounded(normals[number], offsets[number], part)
        scale, centre = self._scale[body, level], self._centre[body, level]
        return centre + scale * low, centre + scale * high

    def contain(self, body: int, points: Numbers) -> npt.NDArray[np.bool_]:
        """As :meth:`Bodies.contain` says."""
        scaled = (points - self._centre[body]) / self._scale[body]
        inside = np.ones(len(points), dtype=bool)
        for level, (normals, offsets) in enumerate(self._levels):
            reach = scaled[:, : level + 1] @ normals[body].T
            inside &= (reach <= offsets[body] + CLOSE).all(axis=1)
        return inside


def _bounded(normals: Numbers, offsets: Numbers, known: Numbers) -> tuple[Numbers, Numbers]:
    """The interval on the last axis that halfspaces leave, given the coordinates before."""
    slope = normals[..., -1]
    room = offsets - (normals[..., :-1] * known).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        edge = room / slope
    low = np.where(slope < 0, edge, -np.inf).max(axis=-1)
    high = np.where(slope > 0, edge, np.inf).min(axis=-1)
    return low, high
