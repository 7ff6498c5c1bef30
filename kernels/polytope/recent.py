"""Keeps what was selected lately, since a plan is mostly followed by its extraction."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

from .axes import Axis
from .selection import Group

_MOST_KEPT = 16
_LARGEST = 50_000  # points; a larger group would hold too much, and its reading takes longest


class Recent:
    """The last few groups, by the shape and the axes that they are of.

    Shapes cannot change, and an axis stands for a pandas index, which cannot either; so a group
    that was found for both is found again.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, tuple[tuple[Axis, ...], Group]] = OrderedDict()

    def get(
        self, what: Hashable, axes: tuple[Axis, ...], make: Callable[[], Group | None]
    ) -> Group | None:
        """The group of ``what`` on these very axes, made when it is not kept."""
        key: Any = (what, tuple(map(id, axes)))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][1]
        group = make()
        if group is not None and group.count <= _LARGEST:
            with self._lock:
                # The axes are held as well, so that no other gets the number of one of them.
                self._kept[key] = (axes, group)
                while len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
        return group

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()


RECENT = Recent()
