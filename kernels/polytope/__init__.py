"""Exact extraction: a shape becomes intervals of grid points, these a plan or a lazy cut.

shapes (shape, rings, values) -> axes (naming) -> select: regular axes (ranges, points, scanline
with orientation; forms -> bodies, hulls, quadrics, sphere -> slicing), scattered cells
(neighbours) -> selection of rows -> plan, or extract (gather, assemble) -> exports; accessor puts
all of it on Dataset and DataArray as ``.polytope``.
"""
