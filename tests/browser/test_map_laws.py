"""What the map's own arithmetic must hold to, asked of its module in a browser."""

from typing import Any

import numpy as np
import pytest

from boathouse.kernels.polytope.shapes import Box, Disk, Path, Polygon, Shape
from boathouse.kernels.selector.assets import coastlines, module

pytestmark = pytest.mark.browser
AXES = ("lat", "lon")
EXPORTS = (
    "\nexport { readLand, partOfCountry, partsOf, toShape, capRings, inRings, countriesLike };"
)
LOAD = """async ([source, action, argument]) => {
  const address = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const map = await import(address);
  return await eval(action)(map, argument);
}"""


@pytest.fixture
def ask(chromium_page: Any) -> Any:
    """ask(action, argument): what an action of the map's module gives."""
    source = module() + EXPORTS
    return lambda action, argument: chromium_page.evaluate(LOAD, [source, action, argument])


COUNTRIES = """async (map, land) => {
  const { countries } = await map.readLand(land);
  const write = (country) => map.toShape([map.partOfCountry(country)], ['lat', 'lon']);
  return countries().map((country) => [country.name, write(country)]);
}"""


def test_every_country_is_whole_and_a_shape(ask: Any) -> None:
    countries = ask(COUNTRIES, coastlines(50))
    assert len(countries) == 241
    wide: dict[str, tuple[Any, Any]] = {}
    for name, document in countries:
        shape = Shape.of(document)  # no ring crosses itself
        assert shape.to_dict() == document, name
        low, high = shape.bounds()["lon"]
        assert high - low <= 360, name
        if high > 180 or high - low > 180:
            wide[name] = (round(low), round(high))
    assert wide == {
        "Antarctica": (-180, 180),
        "Fiji": (175, 182),
        "Kiribati": (170, 208),
        "New Zealand": (166, 189),
        "Russia": (20, 190),
        "United States of America": (172, 293),
    }


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("uk", "United Kingdom"),
        ("USA", "United States of America"),
        ("cote divoire", "Côte d'Ivoire"),
        ("ivory", "Côte d'Ivoire"),
        ("Sao tome", "São Tomé and Príncipe"),
        ("congo", "Democratic Republic of the Congo"),
        ("swazi", "Eswatini"),
        ("guinea", "Guinea"),
        ("aland", "Åland"),
    ],
)
def test_countries_are_found_as_people_write_them(ask: Any, text: str, first: str) -> None:
    action = """async (map, [land, text]) => {
      const { countries } = await map.readLand(land);
      return map.countriesLike(countries(), text).map(({ name }) => name);
    }"""
    assert first in ask(action, [coastlines(50), text])[:2]


DISKS = """(map, disks) => disks.map(([centre, radius, places]) => {
  const rings = map.capRings(centre, radius, 720);
  const east = Math.max(...rings.flat().map(([x]) => x));
  // Rings may lie in another turn than the place.
  return places.map(([x, y]) => map.inRings(rings, x - 360 * Math.ceil((x - east) / 360), y));
})"""


def test_a_disk_holds_what_is_near_enough(ask: Any) -> None:
    random = np.random.default_rng(5)
    disks: list[Any] = []
    for latitude in (0.0, 50.0, -90.0, 90.0, *random.uniform(-90, 90, 36)):
        radius = float(random.choice([300, 2000, 6000, 11000, 15000]))
        centre = [float(random.uniform(-180, 180)), float(latitude)]
        north = np.degrees(np.arcsin(random.uniform(-1, 1, 200)))
        places = np.column_stack([random.uniform(-180, 180, 200), north])
        disks.append([centre, radius, places.tolist()])
    checked = 0
    for (centre, radius, places), inside in zip(disks, ask(DISKS, disks), strict=True):
        lon, lat = np.radians(np.asarray(places)).T
        lon0, lat0 = np.radians(centre)
        cosine = np.sin(lat) * np.sin(lat0) + np.cos(lat) * np.cos(lat0) * np.cos(lon - lon0)
        length = 6371.0088 * np.arccos(np.clip(cosine, -1, 1))
        clear = np.abs(length - radius) > 20 + radius / 200  # the ring has corners
        assert (np.asarray(inside)[clear] == (length <= radius)[clear]).all(), (centre, radius)
        checked += int(clear.sum())
    assert checked > 7000


BRUSH = Disk(AXES, (0, 0), 100, unit="km")


@pytest.mark.parametrize(
    "shape",
    [
        Box(lat=(10.25, 20), lon=(170, 190.5)),
        Polygon(AXES, [(0, 0), (0, 20), (20, 20)]),
        Polygon(
            AXES,
            [[(0, 0), (0, 20), (20, 20), (20, 0)], [(0, 30), (0, 40), (9, 40)]],
            [[(5, 5), (5, 9), (9, 9)]],
        ),
        Disk(AXES, (50, -10), 250, unit="km"),
        Disk(AXES, (50, -10), (3, 7.5)),
        Path(AXES, BRUSH, (0, 170), (10, 200), (20, 210)),
        Path(AXES, Box(lat=(-1, 1), lon=(-2, 2)), (0, 0), (10, 20), (20, 10), closed=True),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_what_is_edited_is_written_as_it_was_read(ask: Any, shape: Shape, turned: bool) -> None:
    document = shape.to_dict()
    if turned:
        document = _exchanged(document)
    action = """(map, document) => {
      const parts = map.partsOf(document, ['lat', 'lon']).map((part) => ({ ...part, raw: null }));
      return map.toShape(parts, ['lat', 'lon']);
    }"""
    assert Shape.of(ask(action, document)) == shape


def _exchanged(document: dict[str, Any]) -> dict[str, Any]:
    """The same shape with longitude first, by CF's names."""
    names = {"lat": "latitude", "lon": "longitude"}

    def turn(value: Any) -> Any:
        if isinstance(value, list) and len(value) == 2 and not isinstance(value[0], list):
            return value[::-1]
        return [turn(one) for one in value] if isinstance(value, list) else value

    result = dict(document)
    if "axes" in document:
        result["axes"] = [names[axis] for axis in reversed(document["axes"])]
    for field in ("points", "holes", "centre", "radius"):
        if field in document:
            result[field] = turn(document[field])
    if "ranges" in document:
        pairs = reversed(document["ranges"].items())
        result["ranges"] = {names[axis]: pair for axis, pair in pairs}
    if "shape" in document:
        result["shape"] = _exchanged(document["shape"])
    return result
