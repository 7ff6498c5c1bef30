"""Cuts the oldest events off a NATS log, and not below what is still to do."""

import time
from datetime import UTC, datetime

from ..errors import BadRequest
from .log import Retention, Trimmed
from .nats_consumers import Holder
from .nats_records import Record
from .nats_states import Records, Step
from .nats_stream import NatsStream, StreamState


def trim(
    log: Holder, stream: NatsStream, records: Records, retention: Retention, *, force: bool
) -> Trimmed:
    """Cut off what the retention does not keep.

    Parameters
    ----------
    log : NatsEventLog
        The log.
    stream : NatsStream
        Its events.
    records : Records
        Its consumers.
    retention : Retention
        What is kept.
    force : bool
        Whether consumers lose what they have not done.
    """
    if min(retention.age, retention.bytes, retention.events) < 0:
        raise BadRequest("A retention's limits are not negative.", field="retention")
    state = stream.state()
    if not state.messages:
        return Trimmed(first=0, removed=0)
    cut = _cut(stream, state, retention)
    held_by: list[str] = []
    allowed = cut
    for record in records.all() if cut > state.first else ():
        waits = _pending(log, record)
        if waits is not None and waits < cut:
            held_by.append(f"{record.owner}/{record.name}")
            allowed = min(allowed, waits)
    end = cut if force else allowed
    if end <= state.first:
        return Trimmed(first=state.first, removed=0, held_by=tuple(held_by))
    if force:
        for record in records.all():
            records.change(record.owner, record.name, lambda each: _lose(each, end))
    stream.purge(below=end)
    after = stream.state()
    return Trimmed(
        first=end,
        removed=state.messages - after.messages + after.last - state.last,
        held_by=tuple(held_by),
    )


def _lose(record: Record | None, end: int) -> Step[None]:
    if record is None or record.cursor >= end - 1:
        return Step(None, None)
    record.cut(end)
    return Step(None, record)


def _pending(log: Holder, record: Record) -> int | None:
    """The first event that a consumer has still to do; None when there is none."""
    held = record.held()
    if held is not None:
        return held
    # Who its reader is was not written down: what others may not see holds as well.
    rows, _ = log.scan(after=record.position, limit=1, where=record.where, reader=None)
    return rows[0].sequence if rows else None


def _cut(stream: NatsStream, state: StreamState, retention: Retention) -> int:
    """The lowest number that must be kept: the last event always is."""
    cut = state.first
    if retention.events:
        cut = max(cut, state.last - retention.events + 1)
    if retention.age:
        oldest = datetime.fromtimestamp(max(time.time() - retention.age, 0), UTC)
        cut = max(cut, stream.before(oldest.isoformat().replace("+00:00", "Z")) + 1)
    # What the stream counts is more than the JSON.
    if retention.bytes and state.bytes > retention.bytes:
        sizes: list[int] = []
        after, complete = state.first - 1, False
        while not complete:
            found, complete = stream.page(after)
            sizes += [len(each.body) for each in found if each.sequence <= state.last]
            after = found[-1].sequence if found else after
        total, place = sum(sizes), 0
        while place < len(sizes) and total > retention.bytes:
            total -= sizes[place]
            place += 1
        cut = max(cut, state.first + place)
    return min(cut, state.last)
