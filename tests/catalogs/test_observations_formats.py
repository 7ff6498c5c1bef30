"""Bodies of observations: what each format says, and which row and field a bad one names."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boathouse.catalogs.errors import BadRequest
from boathouse.catalogs.observations.formats import decode
from boathouse.catalogs.observations.instants import instant, instant_text
from boathouse.catalogs.observations.observation import Reading
from boathouse.catalogs.observations.stations import Station, Variable

QUAY = Station(
    id="quay",
    network="harbour",
    lat=54.3,
    lon=10.1,
    variables={
        "t": Variable(units="K", standard_name="air_temperature"),
        "ff": Variable(units="m s-1", standard_name="wind_speed"),
    },
)
NOON = instant("2021-05-16T12:00:00Z")
HOUR = 3_600_000_000
# The same three values in every format.
VALUES = {("quay", NOON, "t", 280.5), ("quay", NOON, "ff", 4.0), ("quay", NOON + HOUR, "t", 281.0)}

JSON = b"""[{"station": "quay", "time": "2021-05-16T12:00:00Z", "values": {"t": 280.5, "ff": 4}},
 {"station": "quay", "time": "2021-05-16T15:00:00+02:00", "variable": "t", "value": 281,
  "units": "K"}]"""
NDJSON = b"""{"time": "2021-05-16T12:00:00Z", "values": {"t": 280.5, "ff": 4}}

{"time": "2021-05-16T13:00:00Z", "variable": "t", "value": 281}
"""
WIDE = b"""\xef\xbb\xbfstation,time,t (K),ff [m s-1]
quay,2021-05-16 12:00:00,280.5,4
quay,2021-05-16 13:00:00,281.0,
"""
LONG = b"""time;variable;value;units
2021-05-16T12:00;t;280.5;K
2021-05-16T12:00;ff;4e0;m s-1
2021-05-16T13:00;t;281;
"""
CF: dict[str, Any] = {
    "attributes": {"source": "harbour", "Conventions": "CF-1.8"},
    "dimensions": {"time": 2, "station": 1},
    "variables": {
        "time": {
            "shape": ["time"],
            "attributes": {"units": "ISO8601 timestamps", "standard_name": "time"},
            "data": ["2021-05-16T12:00:00Z", "2021-05-16T13:00:00Z"],
        },
        "station": {
            "shape": ["station"],
            "attributes": {"cf_role": "timeseries_id"},
            "data": ["quay"],
        },
        "latitude": {
            "shape": ["station"],
            "attributes": {"units": "degrees_north"},
            "data": [54.3],
        },
        "air": {
            "shape": ["station", "time"],
            "attributes": {"units": "K", "standard_name": "air_temperature"},
            "data": [[280.5, 281.0]],
        },
        "ff": {
            "shape": ["time", "station"],
            "attributes": {"units": "m s-1", "_FillValue": -99},
            "data": [[4.0], [-99]],
        },
    },
}


def read(body: bytes, kind: str) -> list[Reading]:
    return list(decode(body, kind, "quay", {"quay": QUAY}))


def changed(**variables: Any) -> bytes:
    """The CF-JSON text with some variables or their parts replaced; None takes one away."""
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(CF))
    for name, parts in variables.items():
        if parts is None:
            del document["variables"][name]
        else:
            document["variables"].setdefault(name, {}).update(parts)
    return msgspec.json.encode(document)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", JSON),
        ("application/x-ndjson", NDJSON),
        ("text/csv; charset=utf-8", WIDE),
        ("text/csv", LONG),
        ("application/cf+json", msgspec.json.encode(CF)),
        ("application/json", msgspec.json.encode(CF)),
        (
            "application/json",
            changed(
                time={"attributes": {"units": "hours since 2021-05-16T00:00:00Z"}, "data": [12, 13]}
            ),
        ),
    ],
)
def test_every_format_says_the_same(kind: str, body: bytes) -> None:
    readings = read(body, kind)
    assert {(r.station, r.time, r.variable, r.value) for r in readings} == VALUES
    assert {r.units for r in readings if r.variable == "t"} <= {"K", ""}


def test_a_missing_value_is_said_by_null_in_a_long_row_only() -> None:
    body = b'[{"time": "2021-05-16", "variable": "t", "value": null, "issued": "2021-05-17"}]'
    (row,) = read(body, "application/json")
    assert (row.value, row.issued) == (None, instant("2021-05-17"))
    (row,) = read(b"time,variable,value\n2021-05-16,t,NaN\n", "text/csv")
    assert row.value is None
    assert read(b"time,t,ff\n2021-05-16,,nan\n", "text/csv") == []


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("application/json", b'{"time": "2021-01-01"}', "rows.1.variable"),
        ("application/json", b'{"time": "2021-13-01", "values": {"t": 1}}', "rows.1.time"),
        (
            "application/json",
            b'[{"time": "2021-01-01", "values": {"t": "1"}}]',
            "rows.1.values",
        ),
        ("application/json", b'[{"time": "2021-01-01", "variable": "t"}]', "rows.1.value"),
        ("application/json", b'{"time": "2021-01-01", "value": 1, "volume": 1}', "rows.1.volume"),
        ("application/json", b'{"time": "0021-01-01", "values": {"t": 1}}', "rows.1.time"),
        ("application/x-ndjson", b'{"time": "2021-01-01", "values": {"t": 1}}\n[]', "rows.2"),
        ("application/x-ndjson", b"\xff", "rows.1"),
        ("text/csv", b"", "time"),
        ("text/csv", b"time,t\n2021-01-01,1,2\n", "rows.1"),
        ("text/csv", b"time,t\n2021-01-01,1_0\n", "rows.1.t"),
        ("text/csv", b"time,t\n2021-01-01,inf\n", "rows.1.t"),
        ("text/csv", b"time,t\nnoon,1\n", "rows.1.time"),
        ("text/csv", b"time,t,t\n", "header"),
        ("text/csv", b"time,variable,t\n", "header"),
        ("text/csv", b'time,t\n"2021', "rows.1"),
        ("text/csv", b"time,t\n2021-01-01,\xff\n", "rows.1"),
        ("application/cf+json", b'{"dimensions": {}}', "variables"),
        ("application/cf+json", changed(time=None), "variables.time"),
        ("application/cf+json", changed(time={"data": ["noon", "x"]}), "variables.time.data.0"),
        ("application/cf+json", changed(time={"data": ["2021-01-01"]}), "variables.time.data"),
        ("application/cf+json", changed(ff={"data": [[1.0]]}), "variables.ff.data"),
        ("application/cf+json", changed(ff={"data": [["x"], [1]]}), "variables.ff.data.0.0"),
        ("application/cf+json", changed(ff={"shape": ["depth"]}), "variables.ff.shape"),
        (
            "application/cf+json",
            changed(time={"attributes": {"units": "days since 1900-01-01"}, "data": [1, 1e300]}),
            "variables.time.data.1",
        ),
    ],
)
def test_a_refusal_names_the_row_and_the_field(kind: str, body: bytes, field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(body, kind)
    assert caught.value.field == field


@given(
    st.binary(max_size=200),
    st.sampled_from(
        ["text/csv", "application/json", "application/x-ndjson", "application/cf+json"]
    ),
)
def test_no_body_breaks_the_reading(body: bytes, kind: str) -> None:
    try:
        readings = read(body, kind)
    except BadRequest:
        return
    assert all(r.value is None or math.isfinite(r.value) for r in readings)


_leaf = st.sampled_from([None, True, 0, 1, -1e300, 2.5, "", "x", "2020-01-01", [], [1], ["quay"]])
_data = _leaf | st.lists(_leaf, max_size=3)
_words = _leaf | st.sampled_from(["days since 2000-01-01", "h since x", "timeseries_id"])
_variable = st.fixed_dictionaries(
    {"data": _data},
    optional={
        "shape": st.lists(st.sampled_from(["time", "station", ""]), max_size=2),
        "attributes": st.dictionaries(
            st.sampled_from(["units", "calendar", "cf_role", "_FillValue"]), _words, max_size=2
        ),
    },
)


@given(
    st.dictionaries(st.sampled_from(["time", "station", "t", "x"]), _variable, max_size=4),
    st.fixed_dictionaries({"time": st.integers(0, 3), "station": st.integers(0, 3)}),
)
def test_no_cf_json_breaks_the_reading(variables: Any, dimensions: Any) -> None:
    body = msgspec.json.encode({"dimensions": dimensions, "variables": variables})
    try:
        readings = read(body, "application/cf+json")
    except BadRequest:
        return
    assert all(isinstance(r.value, float) for r in readings)


@given(st.integers(instant("1700-01-01"), instant("2199-12-31")))
def test_a_time_is_the_same_after_it_was_written(time: int) -> None:
    assert instant(instant_text(time)) == time
