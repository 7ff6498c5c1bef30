"""One point is taken the quick way, and is just what the general way gives."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from boathouse.catalogs.errors import BadShape
from boathouse.kernels.polytope import accessor
from boathouse.kernels.polytope.shapes import Point

AXES = ("latitude", "longitude")


def cube(seed: int) -> xr.Dataset:
    """A cube whose axes run either way, round or not, on an even grid or not."""
    rng = np.random.default_rng(seed)
    latitude = np.sort(rng.choice(180, size=rng.integers(1, 9), replace=False)) - 89.5
    longitude = np.arange(0, 360, rng.choice([10.0, 22.5, 45.0]))
    if rng.random() < 0.3:
        longitude = np.append(longitude, 360.0)
    if rng.random() < 0.5:
        latitude = latitude[::-1]
    if rng.random() < 0.3:
        longitude = longitude - 180
    kind = rng.choice(["f8", "f4"])
    shape = (2, len(latitude), len(longitude))
    data = xr.Dataset(
        {
            "t": (("time", *AXES), rng.normal(size=shape), {"units": "K"}),
            "height": (AXES, rng.normal(size=shape[1:])),
            "run": ((), 7),
        },
        {
            "time": pd.date_range("2026-01-01", periods=2),
            "latitude": ("latitude", latitude.astype(kind), {"units": "degrees_north"}),
            "longitude": ("longitude", longitude.astype(kind), {"units": "degrees_east"}),
            "zone": ("longitude", np.arange(len(longitude))),
        },
        {"title": "made"},
    )
    data.t.encoding = {"chunks": (1, 2, 2), "dtype": "f4"}
    return data


def both(data: Any, point: Point, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The quick way and the general one: what they give or say."""

    def ask() -> Any:
        try:
            return data.polytope.extract(point)
        except BadShape as error:
            return str(error)

    ask()  # the axes are known from here on
    quick = ask()
    with monkeypatch.context() as patch:
        patch.setattr(accessor, "at_one_point", lambda *_: None)
        return quick, ask()


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), turn=st.integers(-2, 2), off=st.sampled_from([0, 1e-12, 3]))
def test_the_quick_way_gives_what_the_general_one_does(seed: int, turn: int, off: float) -> None:
    data = cube(seed)
    rng = np.random.default_rng(seed + 1)
    place = (
        float(rng.choice(data.latitude)) + off,
        float(rng.choice(data.longitude)) + 360 * turn - off,
    )
    with pytest.MonkeyPatch.context() as patch:
        for part in (data, data.t, data.height):
            quick, general = both(part, Point(AXES, place), patch)
            if isinstance(general, str):
                assert quick == general
                continue
            xr.testing.assert_identical(quick, general)
            assert dict(quick.xindexes) == dict(general.xindexes)
            if isinstance(part, xr.DataArray):
                assert quick.encoding == general.encoding


def test_units_that_change_are_seen() -> None:
    data = cube(3)
    east = float(data.longitude[1])
    assert data.t.polytope.extract(Point(AXES, (data.latitude[0].item(), east - 360))).size == 2
    data.longitude.attrs["units"] = "km"
    data.longitude.attrs["standard_name"] = "projection_x_coordinate"
    with pytest.raises(BadShape, match="outside the cube"):
        data.t.polytope.extract(Point(AXES, (data.latitude[0].item(), east - 360)))
