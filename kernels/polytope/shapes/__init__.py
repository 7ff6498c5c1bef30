"""Shapes that can be cut out of a cube: ranges, values, areas, bodies, paths, and what they make.

lengths, fields -> ranges, points, polygon (crossing), rounds (geodesics), convex -> paths,
combined; geojson, geometries and features read other people's; pictures draws them.
"""

from ..shape import Shape
from ..values import Value
from .combined import Product, Union
from .convex import ConvexPolytope
from .paths import Path, PathSegment, ShapePath
from .points import Point, Select
from .polygon import Polygon
from .ranges import All, Box, Span
from .rounds import Disk, Ellipsoid

__all__ = [
    "All",
    "Box",
    "ConvexPolytope",
    "Disk",
    "Ellipsoid",
    "Path",
    "PathSegment",
    "Point",
    "Polygon",
    "Product",
    "Select",
    "Shape",
    "ShapePath",
    "Span",
    "Union",
    "Value",
]
