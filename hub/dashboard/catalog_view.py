"""The catalog beside the map: cubes, pools and results to choose from."""

from collections.abc import Callable, Iterable

from ...catalogs.records import Collection
from .cards import Cards, Row

GROUPS = {"pool": "Fresh pools", "cube": "Cubes", "result": "Results"}
EMPTY = "Nothing here yet.\nPublish a cut with bh.publish(...), or run boathouse demo."


class CatalogView:
    """The list of collections, grouped by kind.

    Parameters
    ----------
    choose : callable
        Told the id of the collection that was clicked.
    """

    def __init__(self, choose: Callable[[str], None]) -> None:
        self.view = Cards(
            choose, layout="nav", label="Catalog", empty=EMPTY, sizing_mode="stretch_width"
        )
        self._collections: list[Collection] = []
        self._chosen = ""

    def show(self, collections: Iterable[Collection]) -> None:
        """Show these collections."""
        order = list(GROUPS)
        self._collections = sorted(
            collections, key=lambda each: (order.index(each.kind), each.title.lower(), each.id)
        )
        self._draw()

    def mark(self, id: str) -> None:
        """Mark the collection that the map shows."""
        self._chosen = id
        self._draw()

    def _draw(self) -> None:
        self.view.put(
            Row(
                key=each.id,
                title=each.title or each.id,
                details=tuple(part for part in (each.id, _access(each)) if part),
                group=GROUPS[each.kind],
                action=True,
                selected=each.id == self._chosen,
            )
            for each in self._collections
        )


def _access(collection: Collection) -> str:
    if collection.access == "public":
        return ""
    return "only you" if collection.access == "private" else collection.access.partition(":")[2]
