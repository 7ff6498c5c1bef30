"""Published results: a picture, what they came from, and the line that opens them."""

from collections.abc import Callable, Iterable
from urllib.parse import quote, unquote, urlsplit

from ...catalogs.lake import Lake
from ...catalogs.records import Collection, Link
from .cards import Anchor, Cards, Row
from .fields import Fields
from .thumbnails import Thumbnail, thumbnail
from .work import Desk, message_of

MOST = 24
EMPTY = "No results yet.\nWhat a run or bh.publish(...) makes is shown here."


class ResultsView:
    """The newest results as cards; pictures follow as they are made.

    Parameters
    ----------
    desk : Desk
        Where pictures are made.
    fields : Fields
        Reads them.
    lake : Lake
        Of the visitor.
    prefix : str
        The dashboard's own path, without a trailing slash.
    choose : callable
        Told the id of the collection that was clicked.
    """

    def __init__(
        self,
        desk: Desk,
        fields: Fields,
        lake: Lake,
        prefix: str,
        choose: Callable[[str], None],
    ) -> None:
        self.view = Cards(
            self._clicked, layout="grid", label="Results", empty=EMPTY, sizing_mode="stretch_width"
        )
        self._desk = desk
        self._fields = fields
        self._lake = lake
        self._prefix = prefix
        self._choose = choose
        self._results: list[Collection] = []
        self._pictures: dict[tuple[str, str], Thumbnail] = {}
        self._asked: set[tuple[str, str]] = set()

    def show(self, collections: Iterable[Collection]) -> None:
        """Show the results among these collections, newest first."""
        results = [each for each in collections if each.kind == "result"]
        results.sort(key=lambda each: (each.updated or each.created, each.id), reverse=True)
        self._results = results[:MOST]
        wanted = {_version(each) for each in self._results}
        self._pictures = {key: made for key, made in self._pictures.items() if key in wanted}
        self._asked &= wanted
        for each in self._results:
            self._draw_picture(each)
        self._draw()

    def _draw_picture(self, collection: Collection) -> None:
        version = _version(collection)
        if version in self._asked:
            return
        self._asked.add(version)

        def made(picture: Thumbnail) -> None:
            self._pictures[version] = picture
            self._draw()

        self._desk.run(
            lambda: thumbnail(self._fields, self._lake, collection),
            made,
            lambda error: made(Thumbnail(caption=message_of(error))),
        )

    def _draw(self) -> None:
        self.view.put(self._row(each) for each in self._results)

    def _row(self, each: Collection) -> Row:
        picture = self._pictures.get(_version(each), Thumbnail())
        return Row(
            key=each.id,
            title=each.title or each.id,
            details=tuple(part for part in (each.owner, each.licence) if part),
            time=each.updated or each.created,
            image=picture.image,
            line=picture.line,
            picture=f"A small map of {each.title or each.id}",
            caption=picture.caption,
            links=tuple(anchor for link in each.links for anchor in self._anchor(link)),
            code=f'catalog["{each.id}"].to_dask()',
            action=True,
        )

    def _anchor(self, link: Link) -> list[Anchor]:
        kind, name = named_by(link.href)
        if kind == "jobs":
            return [Anchor(text="Run", href=f"{self._prefix}/runs/{quote(name, safe='')}")]
        if kind == "collections" and link.rel in ("derived_from", "via"):
            return [Anchor(text=f"From {name}", key=f"input {name}")]
        return []

    def _clicked(self, key: str) -> None:
        self._choose(key.removeprefix("input "))


def named_by(href: str) -> tuple[str, str]:
    """What a link names: ``("jobs", id)``, ``("collections", id)`` or ``("", "")``.

    Examples
    --------
    >>> named_by("/collections/ostia/items/20060415T0000Z")
    ('collections', 'ostia')
    """
    parts = [unquote(part) for part in urlsplit(href).path.split("/") if part]
    for kind in ("jobs", "collections"):
        if kind in parts[:-1]:
            return kind, parts[parts.index(kind) + 1]
    return "", ""


def _version(collection: Collection) -> tuple[str, str]:
    return collection.id, collection.snapshot
