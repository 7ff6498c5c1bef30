"""What every engine of the event log must do: a class of tests over a fixture ``log``.

An engine's test module derives from :class:`EventLogConformance` and gives it a fixture ``log``
(an empty engine).  Nothing here assumes numbers without gaps.
"""

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from boathouse.catalogs.access import Reader
from boathouse.catalogs.errors import BadEvent, BadRequest, Conflict, Gone, NotFound
from boathouse.catalogs.events.event import Event, EventFilter
from boathouse.catalogs.events.log import Consumer, LogEngine, Retention, Taken

LAWS = settings(
    deadline=None,
    max_examples=25,
    # Each example is synced to disk: to look for a smaller one would take minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        # The law belongs to no engine: each class that inherits it asks another log.
        HealthCheck.differing_executors,
    ],
)
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]}
ANN, BOB, ROOT = Reader(name="ann"), Reader(name="bob"), Reader(name="root", admin=True)
_numbers = count()


def ping(id: str = "", **attributes: Any) -> Event:
    return Event(
        **{"type": "org.example.ping", "source": "/me", "id": id or f"n{next(_numbers)}"}
        | attributes
    )


def ids(events: list[Event]) -> list[str]:
    return [event.id for event in events]


def silence(test: object) -> float:
    """After so many seconds without an event there is none to come."""
    return getattr(test, "SILENCE", 0.3)


def take_all(test: object, consumer: Consumer, limit: int = 100) -> list[Taken]:
    found: list[Taken] = []
    while page := consumer.take(limit, wait=silence(test)):
        found += page
    return found


# What the laws draw: few values, so that filters and events meet.

TIMES = [f"2026-01-0{day}T{hour:02}:00:00{zone}" for day in (1, 2) for hour in (0, 23)
         for zone in ("Z", "+03:00")]  # fmt: skip
SCALARS = st.sampled_from(
    [0, 1, 1.0, 2.5, -3, 2**70, True, False, "", "1", "a", "ab", "é", "a" * 300]
)
NAMES = st.sampled_from(["step", "class", "cloud_cover", "type", "id"])
TYPES = st.sampled_from(["org.a", "org.a.b", "org.a.c", "org.b"])
SUBJECTS = st.sampled_from(["", "/x", "/x/1", "/x/2", "/y", "/x\U0010ffff"])
COORDINATES = st.integers(-18, 18).map(lambda n: n * 10)


@st.composite
def boxes(draw: Any) -> tuple[float, float, float, float]:
    south, north = sorted([draw(st.integers(-9, 9)) * 10, draw(st.integers(-9, 9)) * 10])
    return (draw(COORDINATES), south, draw(COORDINATES), north)


@st.composite
def areas(draw: Any) -> dict[str, Any]:
    x, y = draw(COORDINATES), draw(st.integers(-6, 6)) * 10
    # Triangles, so that a box alone is not exact; some lie across the antimeridian.
    corners = [[x, y], [x + 25, y], [x, y + 25], [x, y]]
    return draw(
        st.sampled_from(
            [
                {"type": "Polygon", "coordinates": [corners]},
                {"type": "Point", "coordinates": [x, y]},
                {"type": "MultiPoint", "coordinates": [[x, y], [-x, -y]]},
            ]
        )
    )


@st.composite
def events(draw: Any) -> Event:
    scalars = st.dictionaries(NAMES, SCALARS | st.none() | st.just([1]), max_size=3)
    data = draw(
        st.none()
        | st.just("text")
        | scalars
        | scalars.map(lambda found: {"identifier": found})
        | st.tuples(scalars, scalars).map(lambda two: {"properties": two[0], **two[1]})
        | areas().map(lambda area: {"geometry": area})
        | st.just({"identifier": {"polygon": "(0,0,0,10,10,10,0,0)", "class": "a"}})
        | boxes().map(lambda box: {"bbox": list(box)})
    )
    return ping(
        type=draw(TYPES),
        source=draw(st.sampled_from(["/s", "/s/t"])),
        subject=draw(SUBJECTS),
        collection=draw(st.sampled_from(["", "sst", "t2m"])),
        time=draw(st.sampled_from(TIMES)),
        datatime=draw(st.sampled_from(["", *TIMES])),
        bbox=draw(st.just("") | boxes().map(lambda box: ",".join(map(str, box)))),
        extensions=draw(st.just({}) | st.fixed_dictionaries({"step": st.sampled_from([1, "a"])})),
        data=data,
    )


NUMBERS = st.sampled_from([0, 1, 2.5, -3, 2**69])
TEXTS = st.sampled_from(["", "1", "a", "ab", "a" * 300])
ORDERED = NUMBERS | TEXTS
CONDITIONS = (
    SCALARS
    | st.fixed_dictionaries({"eq": SCALARS})
    | st.fixed_dictionaries({"ne": SCALARS})
    | st.fixed_dictionaries({"in": st.lists(SCALARS, max_size=3)})
    | st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte"]), ORDERED, min_size=1, max_size=2)
    | st.fixed_dictionaries({"between": st.tuples(NUMBERS, NUMBERS).map(list)})
    | st.fixed_dictionaries({"between": st.tuples(TEXTS, TEXTS).map(list)})
    | st.fixed_dictionaries({"prefix": TEXTS})
    | st.fixed_dictionaries({"suffix": TEXTS})
    | st.fixed_dictionaries({"exists": st.booleans()})
)


@st.composite
def filters(draw: Any, depth: int = 1) -> EventFilter:
    names = st.sampled_from(["step", "class", "cloud_cover", "type", "data.identifier.class"])
    fields: dict[str, st.SearchStrategy[Any]] = {
        "type": TYPES | st.sampled_from(["org.a.*", "org.*", ".*"]),
        "types": st.lists(TYPES | st.just("org.a.*"), min_size=1, max_size=3).map(tuple),
        "collection": st.sampled_from(["sst", "t2m"]),
        "source": st.sampled_from(["/s", "/s/t", "/u"]),
        "subject": st.sampled_from(["/x", "/x*", "/x/*", "*", "/x\U0010ffff*"]),
        "since": st.sampled_from(TIMES),
        "until": st.sampled_from(TIMES),
        "data_since": st.sampled_from(TIMES),
        "data_until": st.sampled_from(TIMES),
        "bbox": boxes(),
        "area": areas(),
        "where": st.dictionaries(names, CONDITIONS, min_size=1, max_size=2),
    }
    if depth:
        fields["not_"] = filters(depth - 1)
        fields["any"] = st.lists(filters(depth - 1), min_size=1, max_size=3).map(tuple)
        fields["all"] = st.lists(filters(depth - 1), min_size=1, max_size=2).map(tuple)
    chosen = draw(st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=3, unique=True))
    return EventFilter(**{name: draw(fields[name]) for name in chosen})


FEW = st.sampled_from([1, 1.0, 2, True, "a", "ab"])


@st.composite
def plain_events(draw: Any) -> Event:
    """Events of few fields with few values, so that nearly every filter finds some."""
    part = st.dictionaries(st.sampled_from(["step", "class"]), FEW, max_size=2)
    identifier, properties, rest = draw(part), draw(part), draw(part)
    return ping(data={"identifier": identifier, "properties": properties, **rest})


@st.composite
def plain_filters(draw: Any) -> EventFilter:
    number, text = st.sampled_from([1, 1.5, 2]), st.sampled_from(["a", "aa", "ab"])
    condition = (
        FEW
        | st.fixed_dictionaries({"in": st.lists(FEW, min_size=1, max_size=3)})
        | st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte"]), number | text, min_size=1)
        | st.fixed_dictionaries({"between": st.tuples(number, number).map(list)})
        | st.fixed_dictionaries({"prefix": text})
    )
    name = st.sampled_from(["step", "class"])
    return EventFilter(where=draw(st.dictionaries(name, condition, min_size=1, max_size=2)))


SOME = st.lists(events(), min_size=3, max_size=10) | st.lists(
    plain_events(), min_size=3, max_size=10
)
SEVERAL = st.lists(filters() | plain_filters(), min_size=8, max_size=16)


class EventLogConformance:
    """The tests; ``log`` is an empty engine of the module's own.

    An engine that is quick may say so with ``SILENCE``.
    """

    # Appending

    def test_numbers_rise_and_events_come_back_whole(self, log: LogEngine):
        full = ping(
            subject="/collections/sst/items/é",
            data={"n": [1, 2.5, None, "\u2028"]},
            collection="sst",
            datatime="2026-01-01T00:00:00+01:00",
            owner="ann",
            access="group:crew",
            dataschema="https://example.org/schema",
            bbox="170,-10,-170,10",
            dataref="https://example.org/data.zarr",
            expirytime="2100-01-01T00:00:00Z",
            traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            partitionkey="sst",
            extensions={"colour": "red", "level": -3, "final": True},
        )
        numbers = log.append([full, ping(), ping()])
        assert numbers == sorted(set(numbers))
        assert numbers[0] > 0
        assert (log.first(), log.last()) == (numbers[0], numbers[-1])
        found = log.read()
        assert [event.sequence for event in found] == numbers
        assert found[0] == msgspec.structs.replace(full, sequence=numbers[0])

    def test_an_empty_log_is_empty(self, log: LogEngine):
        assert (log.append([]), log.read(), log.first(), log.last()) == ([], [], 0, 0)

    def test_source_and_id_name_an_event_for_ever(self, log: LogEngine):
        first = log.append([ping("a"), ping("b")])
        assert log.append([ping("b", data=1), ping("c"), ping("a"), ping("c")])[:3:2] == first[::-1]
        assert ids(log.read()) == ["a", "b", "c"]
        assert [event.data for event in log.read()] == [None] * 3
        assert log.append([ping("a", source="/other")])[0] > first[1]

    def test_a_bad_event_is_refused_with_all_that_came_with_it(self, log: LogEngine):
        for field, bad in {
            "type": ping(type="two words"),
            "bbox": ping(bbox="1,2,3"),
            "expirytime": ping(expirytime="soon"),
            "Colour": ping(extensions={"Colour": "red"}),
            "level": ping(extensions={"level": 2**31}),
            "data": ping(data={"a": object()}),
        }.items():
            with pytest.raises(BadEvent) as caught:
                log.append([ping(), bad])
            assert caught.value.field == field
        assert log.read() == []

    def test_schemas_are_asked(self, log: LogEngine):
        class Schemas:
            def check(self, event: Event) -> Event:
                if event.data is None:
                    raise BadEvent("data is missing.", field="data")
                return msgspec.structs.replace(event, data={"n": int(event.data["n"])})

        log.schemas = Schemas()
        with pytest.raises(BadEvent, match="missing"):
            log.append([ping()])
        log.append([ping(data={"n": "7"})])
        assert [event.data for event in log.read(where=EventFilter(where={"n": 7}))] == [{"n": 7}]

    def test_many_append_at_once(self, log: LogEngine):
        async def publish() -> list[list[int]]:
            return await asyncio.gather(*(log.append_async([ping(f"e{n}")]) for n in range(200)))

        numbers = [each for (each,) in asyncio.run(publish())]
        found = {event.id: event.sequence for event in log.read(limit=1000)}
        assert found == {f"e{n}": number for n, number in enumerate(numbers)}
        assert len(set(numbers)) == 200

    # Reading

    def test_pages_join_without_gap_or_overlap(self, log: LogEngine):
        numbers = log.append([ping(f"{n}") for n in range(25)])
        pages: list[list[Event]] = []
        after = 0
        while page := log.read(after=after, limit=10):
            pages.append(page)
            after = page[-1].sequence
        assert [len(page) for page in pages] == [10, 10, 5]
        assert [event.sequence for page in pages for event in page] == numbers

    def test_stored_rows_are_the_events(self, log: LogEngine):
        log.append([ping("a", collection="sst", owner="ann"), ping("b", expirytime=TIMES[0])])
        first, second = log.stored()
        assert (first.type, first.collection, first.owner) == ("org.example.ping", "sst", "ann")
        assert (first.expired(), second.expired()) == (False, True)
        assert [first.event(), second.event()] == log.read()
        assert msgspec.json.decode(second.json())["sequence"] == second.sequence
        assert len(log.stored(largest=1)) == 1

    def test_a_place_past_the_end_is_refused(self, log: LogEngine):
        (last,) = log.append([ping()])
        assert log.read(after=last) == []
        for call in (log.read, log.follow, lambda after: log.consume("x", after=after)):
            with pytest.raises(BadEvent) as caught:
                call(after=last + 1)
            assert caught.value.field == "after"

    @LAWS
    @given(some=SOME, several=SEVERAL)
    def test_reading_gives_what_the_filter_matches(
        self, log: LogEngine, some: list[Event], several: list[EventFilter]
    ):
        before = log.last()
        log.append(some)
        for where in several:
            found = ids(log.read(after=before, where=where))
            assert found == [event.id for event in some if where.validated().matches(event)], where
            again = msgspec.json.decode(msgspec.json.encode(where), type=EventFilter)
            assert ids(log.read(after=before, where=again)) == found

    def test_filters_that_are_none_are_refused_by_name(self, log: LogEngine):
        bad: dict[str, dict[str, Any]] = {
            "since": {"since": "yesterday"},
            "data_until": {"data_until": "2026-01-01"},
            "bbox": {"bbox": (0, 10, 0, -10)},
            "area": {"area": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}},
            "where.step": {"where": {"step": {"like": 3}}},
            "where.step.gt": {"where": {"step": {"gt": True}}},
            "where.step.between": {"where": {"step": {"between": [1, "a"]}}},
            "where.step.in": {"where": {"step": {"in": 5}}},
            "any[1].since": {"any": (EventFilter(type="a"), EventFilter(since="x"))},
            "not.where.a": {"not_": EventFilter(where={"a": None})},
        }
        for field, conditions in bad.items():
            for call in (log.read, log.follow, lambda where: log.consume("x", where=where)):
                with pytest.raises(BadEvent) as caught:
                    call(where=EventFilter(**conditions))
                assert caught.value.field == field

    def test_places_are_exact_and_know_the_antimeridian(self, log: LogEngine):
        triangle = {"type": "Polygon", "coordinates": [[[0, 0], [10, 0], [0, 10], [0, 0]]]}
        beyond = {"type": "Polygon", "coordinates": [[[175, 0], [185, 0], [185, 5], [175, 0]]]}
        log.append(
            [
                ping("triangle", data={"geometry": triangle}),
                ping("aviso", data={"identifier": {"polygon": "45,5,45,6,46,6,45,5"}}),
                ping("fiji", bbox="175,-20,-175,-15"),
                ping("beyond", data={"geometry": beyond}),
                ping("nowhere"),
            ]
        )

        def found(**where: Any) -> list[str]:
            return ids(log.read(where=EventFilter(**where)))

        assert found(bbox=(8, 8, 9, 9)) == []
        assert found(bbox=(4, 4, 5, 5)) == ["triangle"]
        assert found(area={"type": "Point", "coordinates": [5.9, 45.1]}) == ["aviso"]
        assert found(bbox=(-180, -18, -178, -16)) == ["fiji"]
        assert found(bbox=(179, -90, -179, 90)) == ["fiji", "beyond"]
        assert found(area={"type": "Point", "coordinates": [-176, 4]}) == ["beyond"]
        assert found(area={"type": "Point", "coordinates": [184, 4]}) == ["beyond"]
        assert found(bbox=(-180, -90, 180, 90)) == ["triangle", "aviso", "fiji", "beyond"]

    @pytest.mark.parametrize(
        ("reader", "seen"),
        [
            (None, "public mine crew theirs"),
            (ROOT, "public mine crew theirs"),
            (ANN, "public mine"),
            (Reader(name="ann", groups=("crew", "deck")), "public mine crew"),
            (BOB, "public crew theirs"),
            (Reader(name=""), "public"),
        ],
    )
    def test_shows_each_reader_its_own(self, log: LogEngine, reader: Reader | None, seen: str):
        log.append(
            [
                ping("public", owner="bob", access="public"),
                ping("mine", owner="ann", access="private"),
                ping("crew", owner="bob", access="group:crew"),
                ping("theirs", owner="bob", access="private"),
            ]
        )
        assert ids(log.read(reader=reader)) == seen.split()
        assert ids(list(log.follow(after=0, reader=reader, timeout=silence(self)))) == seen.split()
        consumer = log.consume("c", after=0, reader=reader)
        assert [each.event.id for each in take_all(self, consumer)] == seen.split()

    # Following

    def test_following_begins_at_the_call_and_replays_from_a_place(self, log: LogEngine):
        (old,) = log.append([ping("old")])
        live, replay = (
            log.follow(timeout=2 * silence(self)),
            log.follow(after=0, timeout=2 * silence(self)),
        )
        log.append([ping("new"), ping("other", type="x")])
        assert ids(list(live)) == ["new", "other"]
        assert ids(list(replay)) == ["old", "new", "other"]
        assert ids(
            list(log.follow(after=old, where=EventFilter(type="x"), timeout=silence(self)))
        ) == ["other"]

    def test_expired_events_are_kept_but_nobody_is_told(self, log: LogEngine):
        soon = (datetime.now(UTC) + timedelta(seconds=60)).isoformat()
        log.append(
            [ping("past", expirytime=TIMES[0]), ping("still", expirytime=soon), ping("ever")]
        )
        assert ids(log.read()) == ["past", "still", "ever"]
        assert ids(list(log.follow(after=0, timeout=silence(self)))) == ["still", "ever"]
        consumer = log.consume("c", after=0)
        assert [each.event.id for each in take_all(self, consumer)] == ["still", "ever"]

    def test_subscribers_get_each_event_once_in_order(self, log: LogEngine):
        (before,) = log.append([ping("before")])
        got: list[str] = []
        done = threading.Event()

        def take(rows: list[Any]) -> None:
            got.extend(row.event().id for row in rows)
            if got[-1:] == ["last"]:
                done.set()

        subscription = log.subscribe(take)
        assert subscription.after == before
        for n in range(50):
            log.append([ping(f"{n}-{m}") for m in range(3)])
        log.append([ping("last")])
        assert done.wait(10)
        assert got == [f"{n}-{m}" for n in range(50) for m in range(3)] + ["last"]
        subscription.cancel()
        log.append([ping("later")])
        time.sleep(0.2)
        assert got[-1] == "last"

    # Consumers

    def test_a_consumer_goes_on_where_it_was(self, log: LogEngine):
        log.append([ping("before")])
        consumer = log.consume("c", where=EventFilter(type="org.example.ping"))
        log.append([ping("a"), ping("x", type="other"), ping("b"), ping("c")])
        first, second = consumer.take(2, wait=2)
        assert (first.event.id, second.event.id, first.attempt) == ("a", "b", 1)
        assert first.event.sequence > 0
        consumer.done(second)
        state = consumer.state()
        assert (state.leased, state.behind, state.dead) == (1, 2, 0)
        assert state.cursor < first.event.sequence
        consumer.done(first)
        again = log.consume("c")
        (third,) = take_all(self, again)
        assert third.event.id == "c"
        again.done(third)
        state = consumer.state()
        assert (state.leased, state.behind) == (0, 0)
        assert state.cursor >= third.event.sequence - 1
        assert state.where == EventFilter(type="org.example.ping")
        assert take_all(self, consumer) == []

    def test_what_is_leased_belongs_to_one(self, log: LogEngine):
        log.append([ping(f"{n}") for n in range(40)])
        takers = [log.consume("c", after=0) for _ in range(4)]
        got: list[list[str]] = [[] for _ in takers]

        def work(number: int) -> None:
            while taken := takers[number].take(3, wait=silence(self)):
                got[number] += [each.event.id for each in taken]
                takers[number].done(*taken)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(id for several in got for id in several) == sorted(map(str, range(40)))

    def test_a_lease_that_ends_is_anothers(self, log: LogEngine):
        log.append([ping("a")])
        consumer = log.consume("c", after=0, lease=0.5)
        (lost,) = consumer.take(wait=2)
        assert consumer.take() == []
        (found,) = consumer.take(wait=3)
        assert (found.event.id, found.attempt) == ("a", 2)
        assert found.token != lost.token
        with pytest.raises(Conflict):
            consumer.done(lost)
        consumer.done(found)
        assert consumer.state().behind == 0

    def test_a_lease_can_be_extended(self, log: LogEngine):
        log.append([ping("a")])
        consumer = log.consume("c", after=0, lease=0.6)
        (taken,) = consumer.take(wait=2)
        for _ in range(4):
            time.sleep(0.25)
            consumer.extend(taken, 0.6)
        assert consumer.take() == []
        consumer.done(taken)
        assert take_all(self, consumer) == []

    def test_again_comes_again_later(self, log: LogEngine):
        log.append([ping("a"), ping("b")])
        consumer = log.consume("c", after=0)
        (first,) = consumer.take(wait=2)
        consumer.again(first, delay=0.5, reason="not yet")
        (second,) = consumer.take(wait=2)
        assert second.event.id == "b"
        began = time.monotonic()
        (again,) = consumer.take(wait=5)
        assert (again.event.id, again.attempt) == ("a", 2)
        assert time.monotonic() - began > 0.2
        with pytest.raises(Conflict):
            consumer.done(first)
        consumer.done(second, again)

    def test_what_fails_too_often_is_a_dead_letter(self, log: LogEngine):
        log.append([ping("poison"), ping("fine")])
        consumer = log.consume("c", after=0, attempts=2, reader=ANN)
        for attempt in (1, 2):
            (taken,) = consumer.take(wait=2)
            assert (taken.event.id, taken.attempt) == ("poison", attempt)
            consumer.again(taken, reason=f"failed {attempt}")
        (fine,) = consumer.take(wait=2)
        consumer.give_up(fine, "not wanted")
        one, two = log.dead_letters("c", reader=ANN)
        assert (one.event.id, one.attempts, one.reason) == ("poison", 2, "failed 2")
        assert (two.event.id, two.attempts, two.reason) == ("fine", 1, "not wanted")
        assert (one.consumer, one.owner) == ("c", "ann")
        assert consumer.state().dead == 2
        assert consumer.state().behind == 0
        assert log.dead_letters(reader=BOB) == []
        assert len(log.dead_letters(limit=1)) == 1

        consumer.revive(one.event.sequence)
        (revived,) = consumer.take(wait=2)
        assert (revived.event.id, revived.attempt) == ("poison", 1)
        consumer.done(revived)
        assert [letter.event.id for letter in log.dead_letters()] == ["fine"]
        with pytest.raises(NotFound):
            consumer.revive(one.event.sequence)

    def test_consumers_belong_to_their_readers(self, log: LogEngine):
        log.append([ping("a")])
        for reader in (ANN, BOB):
            (taken,) = log.consume("c", after=0, reader=reader).take(wait=2)
            assert taken.event.id == "a"
        assert [state.owner for state in log.consumers(reader=ANN)] == ["ann"]
        assert sorted(state.owner for state in log.consumers(reader=ROOT)) == ["ann", "bob"]
        assert sorted(state.owner for state in log.consumers()) == ["ann", "bob"]
        log.forget("c", reader=ANN)
        with pytest.raises(NotFound):
            log.forget("c", reader=ANN)
        assert [state.owner for state in log.consumers()] == ["bob"]
        fresh = log.consume("c", after=0, reader=ANN)
        assert [each.event.id for each in take_all(self, fresh)] == ["a"]

    def test_a_changed_filter_counts_from_now_on(self, log: LogEngine):
        log.consume("c", where=EventFilter(type="a"), after=0)
        log.append([ping("1", type="a"), ping("2", type="b")])
        consumer = log.consume("c", where=EventFilter(type="b"))
        assert consumer.state().where == EventFilter(type="b")
        log.append([ping("3", type="a"), ping("4", type="b")])
        assert [each.event.id for each in take_all(self, consumer)][-1] == "4"
        assert "3" not in [each.event.id for each in take_all(self, consumer)]

    def test_a_consumer_needs_a_name_a_lease_and_attempts(self, log: LogEngine):
        for field, given_ in {
            "name": {"name": "a b"},
            "lease": {"name": "c", "lease": 0.0},
            "attempts": {"name": "c", "attempts": 0},
        }.items():
            with pytest.raises(BadRequest) as caught:
                log.consume(**given_)  # pyright: ignore[reportArgumentType]
            assert caught.value.field == field
        assert log.consumers() == []

    def test_opening_again_changes_only_what_is_said(self, log: LogEngine):
        log.consume("c", where=EventFilter(type="a"), lease=5.0, attempts=2)
        for given_, lease, attempts, type_ in [
            ({}, 5.0, 2, "a"),
            ({"lease": 7.0}, 7.0, 2, "a"),
            ({"attempts": 9, "where": EventFilter(type="b")}, 7.0, 9, "b"),
        ]:
            state = log.consume("c", **given_).state()
            assert (state.lease, state.attempts, state.where.type) == (lease, attempts, type_)
        assert len(log.consumers()) == 1

    def test_a_waiting_taker_is_woken(self, log: LogEngine):
        consumer = log.consume("c")
        threading.Timer(0.2, log.append, [[ping("a")]]).start()
        began = time.monotonic()
        (taken,) = consumer.take(wait=10)
        assert taken.event.id == "a"
        assert time.monotonic() - began < 3

    def test_updates_of_one_key_all_come_in_order(self, log: LogEngine):
        consumer = log.consume("c", where=EventFilter(subject="/stations/1"))
        for n in range(0, 200, 20):
            log.append([ping(subject="/stations/1", data={"n": m}) for m in range(n, n + 20)])
        found = take_all(self, consumer, 7)
        assert [each.event.data["n"] for each in found] == list(range(200))
        consumer.done(*found)
        assert consumer.state().behind == 0

    def test_a_handler_that_fails_now_and_then_ends_with_all_done(self, log: LogEngine):
        log.append([ping(f"{n}", data={"poison": n % 25 == 7}) for n in range(50)])
        consumer = log.consume("c", after=0, attempts=3)
        done: list[str] = []
        calls = 0
        while taken := consumer.take(5, wait=silence(self)):
            for each in taken:
                calls += 1
                if each.event.data["poison"] or calls % 10 == 0:
                    consumer.again(each, reason="it failed")
                else:
                    done.append(each.event.id)
                    consumer.done(each)
        poison = {str(n) for n in range(50) if n % 25 == 7}
        assert sorted(done) == sorted({str(n) for n in range(50)} - poison)
        assert {letter.event.id for letter in log.dead_letters("c")} == poison
        assert {letter.attempts for letter in log.dead_letters("c")} == {3}

    # Retention

    def test_trimming_keeps_what_is_to_be_kept(self, log: LogEngine):
        numbers = log.append([ping(f"{n}", data={"n": n}, bbox="1,1,2,2") for n in range(20)])
        trimmed = log.trim(Retention(events=5))
        assert (trimmed.first, trimmed.removed, trimmed.held_by) == (numbers[15], 15, ())
        assert log.first() == numbers[15]
        assert ids(log.read()) == [f"{n}" for n in range(15, 20)]
        assert log.read(where=EventFilter(bbox=(0, 0, 3, 3), where={"n": 3})) == []
        with pytest.raises(Gone, match=str(numbers[15])):
            log.read(after=numbers[3])
        with pytest.raises(Gone):
            log.follow(after=numbers[3])
        assert len(log.read(after=numbers[14])) == 5
        assert log.trim(Retention()).removed == 0
        assert log.append([ping()])[0] > numbers[-1]

    def test_trimming_by_size_and_by_age(self, log: LogEngine):
        log.append([ping(f"{n}", data="x" * 1000) for n in range(20)])
        trimmed = log.trim(Retention(bytes=10_000))
        assert 5 <= len(log.read()) <= 10
        assert trimmed.removed == 20 - len(log.read())
        assert log.trim(Retention(age=3600)).removed == 0
        time.sleep(0.3)
        log.append([ping("new")])
        log.trim(Retention(age=0.2))
        assert ids(log.read()) == ["new"]

    def test_trimming_never_cuts_what_a_consumer_has_to_do(self, log: LogEngine):
        numbers = log.append([ping(f"{n}", type="ab"[n % 2]) for n in range(10)])
        consumer = log.consume("slow", where=EventFilter(type="b"), after=0, reader=ANN)
        taken = consumer.take(2, wait=2)
        trimmed = log.trim(Retention(events=1))
        assert trimmed.held_by == ("ann/slow",)
        assert log.first() <= numbers[1]
        consumer.done(*taken)
        log.trim(Retention(events=1))
        assert numbers[3] < log.first() <= numbers[5]
        forced = log.trim(Retention(events=1), force=True)
        assert forced.held_by == ("ann/slow",)
        assert log.first() == numbers[9]
        assert [each.event.id for each in take_all(self, consumer)] == ["9"]

    def test_dead_letters_outlive_trimming(self, log: LogEngine):
        (first, *_) = log.append([ping(f"{n}", data={"n": n}) for n in range(5)])
        consumer = log.consume("c", after=0)
        taken = consumer.take(5, wait=2)
        consumer.give_up(taken[0], "no")
        consumer.done(*taken[1:])
        assert log.trim(Retention(events=1)).held_by == ()
        (letter,) = log.dead_letters("c")
        assert (letter.event.sequence, letter.event.data) == (first, {"n": 0})
        consumer.revive(first)
        (again,) = consumer.take(wait=2)
        assert again.event.data == {"n": 0}
        consumer.done(again)
