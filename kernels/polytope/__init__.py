"""Exact extraction: a shape becomes intervals of grid points, these a plan or a lazy cut.

shapes (shape, rings, values, geojson) -> axes (naming) -> select (scanline, orientation) -> rows
-> plan, or extract (gather); accessor puts both on Dataset and DataArray as ``.polytope``.
"""
