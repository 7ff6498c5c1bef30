"""The intake catalog: lists, finds, opens, and is always as the store is now."""

import pickle
import subprocess
import sys

import intake
import numpy as np
import pytest

from boathouse.catalogs.errors import BadRequest, NotFound
from boathouse.catalogs.pools import create_pool, open_pool
from boathouse.catalogs.publish import publish
from boathouse.catalogs.reader import open_catalog


@pytest.fixture
def catalog(lake, frames):
    publish(
        frames(3),
        "my-cut",
        licence="CC-BY-4.0",
        title="Wind over <b>Kent</b>",
        keywords=["gust", "estuary"],
        lake=lake,
    )
    create_pool("t2m-fresh", template=frames(2), window=4, title="Fresh air", lake=lake)
    return open_catalog(lake)


def test_it_is_an_intake_catalog(catalog):
    assert isinstance(catalog, intake.readers.entry.Catalog)
    assert list(catalog) == ["my-cut", "t2m-fresh"]
    assert len(catalog) == 2
    assert "my-cut" in catalog
    assert "nothing" not in catalog
    assert catalog._ipython_key_completions_() == ["my-cut", "t2m-fresh"]
    assert {"my_cut", "t2m_fresh"} <= set(dir(catalog))
    assert catalog.my_cut.collection.id == "my-cut"


def test_to_dask_is_lazy_and_equal(catalog, frames):
    opened = catalog["my-cut"].to_dask()
    assert opened["t2m"].chunks is not None
    np.testing.assert_array_equal(opened["t2m"], frames(3)["t2m"])
    assert opened.attrs["licence"] == "CC-BY-4.0"
    assert catalog["my-cut"].read(chunks=None)["t2m"].chunks is None
    assert catalog["my-cut"].read(chunks={"time": 3})["t2m"].chunks[0] == (3,)


def test_it_is_always_as_the_store_is(catalog, lake, frames):
    create_pool("new", template=frames(2), window=4, lake=lake)
    assert list(catalog) == ["my-cut", "new", "t2m-fresh"]
    assert catalog["t2m-fresh"].to_dask().sizes["time"] == 0
    open_pool("t2m-fresh", lake).put(frames(2))
    assert catalog["t2m-fresh"].to_dask().sizes["time"] == 2


def test_a_reader_stays_with_its_version(catalog, lake, frames):
    reader = catalog["my-cut"]
    publish(frames(1), "my-cut", licence="CC-BY-4.0", lake=lake)
    assert reader.to_dask().sizes["time"] == 3
    assert catalog["my-cut"].to_dask().sizes["time"] == 1


def test_an_unknown_name_says_what_is_near(catalog):
    with pytest.raises(NotFound, match="'my-cut'"):
        catalog["mycut"]
    with pytest.raises(KeyError):
        catalog["zzz"]
    with pytest.raises(AttributeError, match="'t2m-fresh'"):
        catalog.t2m_frsh
    assert not hasattr(catalog, "_repr_mimebundle_")


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ({"text": "gust"}, ["my-cut"]),
        ({"text": "AIR fresh"}, ["t2m-fresh"]),
        ({"text": "air temperature"}, ["my-cut", "t2m-fresh"]),
        ({"text": "submarine"}, []),
        ({"kind": "pool"}, ["t2m-fresh"]),
        ({"variable": "t2m"}, ["my-cut", "t2m-fresh"]),
        ({"variable": "t2"}, []),
        ({"bbox": (-20, 40, -9, 51)}, ["my-cut", "t2m-fresh"]),
        ({"bbox": (10, 40, 20, 51)}, []),
        ({"bbox": (170, 40, -9, 51)}, ["my-cut", "t2m-fresh"]),
        ({"time": ("2019-03-01", "2019-03-01")}, ["my-cut"]),
        ({"time": ("2020", "2021")}, []),
    ],
)
def test_search(catalog, conditions, found):
    part = catalog.search(**conditions)
    assert list(part) == found
    assert len(part) == len(found)
    if len(found) == 1:
        other = ({"my-cut", "t2m-fresh"} - set(found)).pop()
        assert other not in part
        with pytest.raises(NotFound):
            part[other]


def test_searches_narrow_each_other(catalog):
    assert list(catalog.search("air").search(kind="pool")) == ["t2m-fresh"]
    with pytest.raises(BadRequest, match="west"):
        catalog.search(bbox=(1, 2))


def test_tables(catalog, tmp_path):
    html = catalog._repr_html_()
    assert "<b>Kent" not in html
    assert "&lt;b&gt;Kent" in html
    for text in ("t2m (K)", "2019-03-01 to 2019-03-01T02:00Z", "288 B", "Fresh air"):
        assert text in html
    assert repr(catalog).splitlines()[0].split()[:2] == ["my-cut", "result"]
    empty = catalog.search("nothing like this")
    assert "empty" in repr(empty)
    assert "empty" in empty._repr_html_()


def test_readers_datasets_and_catalogs_pickle(catalog, frames, tmp_path):
    things = {
        "reader": catalog["my-cut"],
        "dataset": catalog["my-cut"].to_dask(),
        "catalog": catalog.search("gust"),
    }
    (tmp_path / "things").write_bytes(pickle.dumps(things))
    code = """
import pathlib, pickle, sys
things = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())
print(float(things["reader"].to_dask()["t2m"].sum()), float(things["dataset"]["t2m"].sum()),
      list(things["catalog"]))
"""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path / "things")],
        capture_output=True,
        text=True,
    )
    total = float(catalog["my-cut"].to_dask()["t2m"].sum())
    assert ran.stdout == f"{total} {total} ['my-cut']\n", ran.stderr
    # icechunk warns of local folders unless told not to; workers must stay silent.
    assert ran.stderr == ""


def test_the_catalog_cannot_be_changed_through_intake(catalog):
    with pytest.raises(BadRequest, match="publish"):
        catalog["x"] = catalog["my-cut"]


def test_intake_s_yaml_round_trip_opens_the_same_and_runs_no_code(catalog, lake, frames, tmp_path):
    publish(frames(1), "evil", licence="CC0-1.0", title="{func(os:getcwd)}", lake=lake)
    catalog.to_yaml_file(str(tmp_path / "cat.yaml"))
    plain = intake.readers.entry.Catalog.from_yaml_file(str(tmp_path / "cat.yaml"))
    assert sorted(plain.aliases) == ["evil", "my-cut", "t2m-fresh"]
    assert "func" in (tmp_path / "cat.yaml").read_text()
    assert "{func" not in (tmp_path / "cat.yaml").read_text()
    np.testing.assert_array_equal(plain["my-cut"].to_dask()["t2m"], frames(3)["t2m"])
