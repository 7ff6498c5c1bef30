"""What was cut, as others want it: CoverageJSON, GeoJSON, tables, a padded grid, CF sampling.

layout (what lies where) -> coverage (domain, referencing, parameters), table (features), grid,
sampling; numbers writes arrays as JSON. accessor is the mixin that puts all on ``.polytope``.
"""
