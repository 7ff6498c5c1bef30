"""The log behind the hub does what every engine does: reading, following, consumers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from boathouse.catalogs.access import Reader
from boathouse.catalogs.events.event import Event
from boathouse.catalogs.events.log import Consumer, ConsumerState, DeadLetter, EventLog
from boathouse.catalogs.events.remote import HttpEventLog

from ..catalogs.event_log_conformance import EventLogConformance
from .event_service import Service


class Doors(EventLog):
    """Asks with the token of whoever is named; with a service's when nobody is."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def _as(self, reader: Reader | None) -> HttpEventLog:
        name = reader.name if reader else "catalog"
        return self._service.log_of("catalog" if name == "root" else name)

    def append(self, events: Sequence[Event]) -> list[int]:
        return self._as(None).append(events)

    def read(self, *, reader: Reader | None = None, **more: Any) -> list[Event]:
        return self._as(reader).read(**more)

    def last(self) -> int:
        return self._as(None).last()

    def first(self) -> int:
        return self._as(None).first()

    def follow(self, *, reader: Reader | None = None, **more: Any) -> Iterator[Event]:
        return self._as(reader).follow(**more)

    def consume(self, name: str, *, reader: Reader | None = None, **more: Any) -> Consumer:
        return self._as(reader).consume(name, **more)

    def consumers(self, *, reader: Reader | None = None) -> list[ConsumerState]:
        return self._as(reader).consumers()

    def forget(self, name: str, *, reader: Reader | None = None) -> None:
        self._as(reader).forget(name)

    def dead_letters(
        self, consumer: str = "", *, reader: Reader | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        return self._as(reader).dead_letters(consumer, limit=limit)

    def close(self) -> None:
        pass


class TestOverHttp:
    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[EventLog]:
        service = Service(tmp_path / "events.sqlite", state=tmp_path)
        service.start()
        yield Doors(service)
        service.stop()


# What needs an engine in its own process (rows, subscribers, trimming) is left out, and so is
# what only asks the same filters again.
for _name in (
    "test_numbers_rise_and_events_come_back_whole",
    "test_an_empty_log_is_empty",
    "test_source_and_id_name_an_event_for_ever",
    "test_pages_join_without_gap_or_overlap",
    "test_a_place_past_the_end_is_refused",
    "test_filters_that_are_none_are_refused_by_name",
    "test_places_are_exact_and_know_the_antimeridian",
    "test_following_begins_at_the_call_and_replays_from_a_place",
    "test_expired_events_are_kept_but_nobody_is_told",
    "test_a_consumer_goes_on_where_it_was",
    "test_what_is_leased_belongs_to_one",
    "test_a_lease_that_ends_is_anothers",
    "test_a_lease_can_be_extended",
    "test_again_comes_again_later",
    "test_what_fails_too_often_is_a_dead_letter",
    "test_consumers_belong_to_their_readers",
    "test_a_changed_filter_counts_from_now_on",
    "test_a_consumer_needs_a_name_a_lease_and_attempts",
    "test_a_waiting_taker_is_woken",
    "test_updates_of_one_key_all_come_in_order",
    "test_a_handler_that_fails_now_and_then_ends_with_all_done",
):
    setattr(TestOverHttp, _name, getattr(EventLogConformance, _name))
