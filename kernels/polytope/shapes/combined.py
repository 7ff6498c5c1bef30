"""Shapes made of shapes: all of them over different axes, or any of them over the same."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from ....catalogs.errors import BadShape
from ..shape import Shape
from ..values import Value
from .fields import document_fields, listed, one_kind, spread
from .lengths import extremes


class Product(Shape):
    """Shapes over different axes, all of which must hold: a polygon and a time range.

    Usually written ``polygon & Span("time", ...)``.

    Raises
    ------
    BadShape
        If two of them speak of the same axis.
    """

    shapes: tuple[Shape, ...]

    def __init__(self, *shapes: Any) -> None:
        parts: list[Shape] = []
        for shape in map(Shape.of, shapes):
            parts.extend(shape.shapes if isinstance(shape, Product) else (shape,))
        if not parts:
            raise BadShape("a Product needs a shape", field="shapes")
        axes = tuple(axis for shape in parts for axis in shape.axes)
        twice = sorted({axis for axis in axes if axes.count(axis) > 1})
        if twice:
            raise BadShape(f"{', '.join(twice)}: covered twice; give one range", field=twice[0])
        self._set(axes=axes, shapes=tuple(parts))

    def factors(self) -> tuple[Shape, ...]:
        """The factors of its shapes."""
        return tuple(factor for shape in self.shapes for factor in shape.factors())

    def bounds(self) -> dict[str, tuple[Value, Value]]:
        """The bounds of its shapes."""
        return {axis: pair for shape in self.shapes for axis, pair in shape.bounds().items()}

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "Product", "shapes": [shape, ...]}``."""
        return {"type": "Product", "shapes": [shape.to_dict() for shape in self.shapes]}

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        (shapes,) = document_fields(document, ("shapes",))
        if not isinstance(shapes, list | tuple):
            raise BadShape("shapes: a list of shapes is needed", field="shapes")
        return cls(*shapes)

    def _key(self) -> object:
        return frozenset(self.shapes)

    def __repr__(self) -> str:
        return " & ".join(
            f"({shape!r})" if isinstance(shape, Union) else repr(shape) for shape in self.shapes
        )


class Union(Shape):
    """Shapes over the same axes, any of which must hold; what they select is told apart.

    Usually written ``one | other``.

    Parameters
    ----------
    *shapes : Shape, or anything that :meth:`Shape.of` takes
        Over the same axes, in any order. Unions among them that have no tags are taken apart,
        unless this one has tags.
    tags : sequence of str, optional
        A text for each of them, such as the country's name.

    Raises
    ------
    BadShape
        If one has other axes than the first, or the tags are not as many.

    Examples
    --------
    >>> from boathouse.kernels.polytope.shapes import Box
    >>> north, south = Box(latitude=(60, 90)), Box(latitude=(-90, -60))
    >>> Union(north, south, tags=("Arctic", "Antarctic")).bounds()
    {'latitude': (-90, 90)}
    """

    shapes: tuple[Shape, ...]
    tags: tuple[str, ...]

    def __init__(self, *shapes: Any, tags: Iterable[Any] = ()) -> None:
        labels = (tags,) if isinstance(tags, str) else tuple(tags)
        members: list[Shape] = []
        for shape in map(Shape.of, spread(shapes)):
            flat = isinstance(shape, Union) and not shape.tags and not labels
            members.extend(shape.shapes if flat and isinstance(shape, Union) else (shape,))
        if not members:
            raise BadShape("a Union needs a shape", field="shapes")
        for tag in labels:
            if not isinstance(tag, str):
                raise BadShape(f"tags: a text for each shape is needed, not {tag!r}", field="tags")
        if labels and len(labels) != len(members):
            raise BadShape(
                f"tags: {len(members)} are needed, one for each shape, not {len(labels)}",
                field="tags",
            )
        _check_axes(members)
        self._set(axes=members[0].axes, shapes=tuple(members), tags=labels)

    def factors(self) -> tuple[Shape, ...]:
        """Itself without the factors that all members share, and these.

        ``((a & t) | (b & t)).factors()`` is ``(a | b, t)``.
        """
        parts = [shape.factors() for shape in self.shapes]
        shared = [factor for factor in parts[0] if all(factor in each for each in parts[1:])]
        if len(shared) == len(parts[0]):  # all alike: the parts stay told apart
            shared.remove(max(shared, key=lambda factor: len(factor.axes)))
        if not shared:
            return (self,)
        rest = [[factor for factor in each if factor not in shared] for each in parts]
        members = [each[0] if len(each) == 1 else Product(*each) for each in rest]
        return (Union(*members, tags=self.tags), *shared)

    def bounds(self) -> dict[str, tuple[Value, Value]]:
        """The lowest and the highest of all on each axis."""
        ranges = [shape.bounds() for shape in self.shapes]
        return {
            axis: extremes(value for each in ranges for value in each[axis])
            for axis in self.axes
            if all(axis in each for each in ranges)
        }

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "Union", "shapes": [shape, ...]}``, and tags if there are any."""
        document: dict[str, Any] = {
            "type": "Union",
            "shapes": [shape.to_dict() for shape in self.shapes],
        }
        return {**document, "tags": list(self.tags)} if self.tags else document

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        (shapes,) = document_fields(document, ("shapes",), optional=("tags",))
        tags = listed(document.get("tags") or (), "tags")
        return cls(*listed(shapes, "shapes"), tags=tags)

    def _key(self) -> object:
        return self.shapes, self.tags

    def __repr__(self) -> str:
        if len(self.shapes) > 6:
            return f"<Union over {self.axes}: {len(self.shapes)} shapes>"
        tags = f", tags={self.tags!r}" if self.tags else ""
        return f"Union({', '.join(map(repr, self.shapes))}{tags})"


def _check_axes(members: list[Shape]) -> None:
    """Refuse members over other axes than the first, or with other kinds of values on one."""
    wanted = set(members[0].axes)
    for number, shape in enumerate(members):
        odd = sorted(wanted ^ set(shape.axes))
        if odd:
            raise BadShape(
                f"{odd[0]}: all shapes of a Union need the same axes; shape {number} has "
                f"{', '.join(shape.axes)}, the first {', '.join(members[0].axes)}",
                field=odd[0],
            )
    ranges = [shape.bounds() for shape in members]
    for axis in members[0].axes:
        one_kind((value for each in ranges for value in each.get(axis, ())), axis)
