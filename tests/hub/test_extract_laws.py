"""Whatever a query says, it is answered, or refused by the name of one of its parameters."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boathouse.catalogs.errors import BadRequest
from boathouse.hub.services.extract import _chosen
from boathouse.hub.services.extract_formats import FORMATS, written
from boathouse.hub.services.extract_parameters import TAKEN
from boathouse.kernels.polytope import accessor

accessor.register()
GEOMETRIES = {
    "position": ["POINT", "MULTIPOINT"],
    "radius": ["POINT", "MULTIPOINT"],
    "area": ["POLYGON", "MULTIPOLYGON"],
    "trajectory": ["LINESTRING", "MULTILINESTRING"],
    "corridor": ["LINESTRING", "MULTILINESTRING"],
    "cube": ["POINT"],
}
HOURS = 3600
FIRST = 1_551_398_400  # 2019-03-01


def numbers(low: float, high: float) -> st.SearchStrategy[str]:
    return st.floats(low, high).map(lambda value: f"{value:.2f}")


LATITUDE = numbers(-89, 89) | st.integers(-8, 8).map(lambda n: str(10 * n))
LONGITUDE = numbers(-400, 400) | st.integers(-40, 40).map(lambda n: str(10 * n))
LEVEL = st.sampled_from(["850", "500", "1000", "600"]) | numbers(-100, 1100)
SECONDS = st.integers(FIRST - 9 * HOURS, FIRST + 60 * HOURS).map(str)
LENGTH = st.integers(1, 9000).map(str)
UNIT = st.sampled_from(["km", "m", "mi", "nmi", "furlong"])
TIME = st.sampled_from(
    [
        "2019-03-01",
        "2019-03-01T06:00Z",
        "../2019-03-01",
        "2019-03-02T00:00:00Z/..",
        "2019-02-30",
        "2019-03-01T25:00Z",
        "0001-01-01/9999-12-31",
        "2019-03-05/2019-03-01",
    ]
) | st.text(max_size=9)
OTHERS: dict[str, st.SearchStrategy[str]] = {
    "bbox": st.tuples(LONGITUDE, LATITUDE, LONGITUDE, LATITUDE).map(",".join)
    | st.tuples(LONGITUDE, LATITUDE, LEVEL, LONGITUDE, LATITUDE, LEVEL).map(",".join),
    "datetime": TIME,
    "z": LEVEL
    | st.tuples(LEVEL, LEVEL).map("/".join)
    | st.lists(LEVEL, max_size=3).map(",".join)
    | st.sampled_from(["R3/1000/-150", "../850", "500/..", "R2/1e99/1e99", "a/b"]),
    "within": LENGTH,
    "within-units": UNIT,
    "corridor-width": LENGTH,
    "width-units": UNIT,
    "corridor-height": LENGTH,
    "height-units": st.sampled_from(["hPa", "Pa", "m"]),
    "parameter-name": st.sampled_from(["t", "t,t", "q", ","]),
}
OFTEN = {"bbox", "within", "within-units", "corridor-width", "width-units"}


@st.composite
def geometries(draw: Any, kind: str) -> str:
    """Well-known text of a geometry, mostly a right one."""
    dims = "" if "POLYGON" in kind else draw(st.sampled_from(["", "Z", "M", "ZM"]))
    columns = [LONGITUDE, LATITUDE, *([LEVEL] * ("Z" in dims)), *([SECONDS] * ("M" in dims))]
    place = st.tuples(*columns).map(" ".join)

    def listed(low: int, high: int, *, closed: bool = False) -> str:
        places = draw(st.lists(place, min_size=low, max_size=high))
        return f"({','.join([*places, *places[: int(closed)]])})"

    if kind == "POINT":
        return f"POINT{dims}{listed(1, 1)}"
    if kind in ("MULTIPOINT", "LINESTRING"):
        return f"{kind}{dims}{listed(2, 4)}"
    parts = range(draw(st.integers(1, 2)))
    if kind == "MULTILINESTRING":
        return f"{kind}{dims}({','.join(listed(2, 4) for _ in parts)})"
    rings = [listed(3, 5, closed=True) for _ in parts]
    return f"POLYGON({','.join(rings)})" if kind == "POLYGON" else f"{kind}(({'),('.join(rings)}))"


@st.composite
def queries(draw: Any) -> tuple[str, dict[str, str]]:
    """A query and its parameters."""
    kind = draw(st.sampled_from(sorted(TAKEN)))
    names = [name for name in OTHERS if name in TAKEN[kind]]
    chosen = {name: draw(OTHERS[name]) for name in names if name in OFTEN or draw(st.booleans())}
    if "coords" in TAKEN[kind]:
        geometry = draw(st.sampled_from(GEOMETRIES[kind]))
        chosen["coords"] = draw(geometries(geometry) | st.text(max_size=5))
    return kind, chosen


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    times = np.datetime64("2019-03-01", "ns") + np.arange(8) * np.timedelta64(6, "h")
    return xr.Dataset(
        {"t": (("time", "level", "lat", "lon"), np.zeros((8, 3, 19, 36), "f4"), {"units": "K"})},
        {
            "time": times,
            "level": ("level", [1000.0, 850.0, 500.0], {"units": "hPa", "positive": "down"}),
            "lat": ("lat", np.arange(90.0, -91, -10), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(0.0, 360, 10), {"units": "degrees_east"}),
        },
    )


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(query=queries(), form=st.sampled_from(sorted(FORMATS)))
def test_a_query_is_answered_or_refused_by_name(
    cube: xr.Dataset, query: tuple[str, dict[str, str]], form: str
) -> None:
    kind, parameters = query
    refused: BadRequest | None = None
    choice: Any = None
    try:
        choice = _chosen(kind, parameters, cube)
    except BadRequest as error:
        refused = error
    if refused is not None:
        assert refused.field in TAKEN[kind], refused
    elif choice.plan.empty:
        assert choice.plan.points == 0
    elif choice.plan.points <= 500:
        cut = choice.covered() if form == "CoverageJSON" else choice.cut()
        assert cut.t.size == choice.plan.points
        assert written(cut, FORMATS[form])
