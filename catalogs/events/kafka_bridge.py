"""Carries events between the log and Kafka topics: at least once there, exactly once here."""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import quote

import msgspec

from ..access import PRIVATE, PUBLIC, Reader
from ..errors import BadEvent, BoathouseError, Conflict, Unavailable
from .consumer import Taken
from .event import Event, EventFilter
from .kafka import Mode, decode_message, encode_message, require_kafka
from .log import EventLog
from .wire import encode_event

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, Producer

logger = logging.getLogger(__name__)

# What takes the place of a message that is no event: nothing of a topic is dropped silently.
REFUSED = "org.boathouse.kafka.refused"
BATCH = 500
# What is at hand is taken together: so long is waited for more after the first message.
GATHER_SECONDS = 0.02
# A lease is longer than a message may be under way, so that nobody else sends it meanwhile.
LEASE_SECONDS = 60.0
DELIVERY_SECONDS = 30.0
GRACE_SECONDS = 5.0
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
# Sees what everybody may see.
EVERYBODY = Reader(name="")

Settings = Mapping[str, Any]


class _Bridge(ABC):
    """What both directions share: a loop that goes on whatever happens."""

    @abstractmethod
    def step(self, wait: float = 1.0) -> int:
        """Carry what is at hand; return how many messages that were."""

    def run(self, stop: threading.Event) -> None:
        """Carry events until ``stop`` is set; what fails is tried again, ever more slowly."""
        pause = FIRST_PAUSE
        while not stop.is_set():
            try:
                self.step()
                pause = FIRST_PAUSE
            except BoathouseError as error:
                logger.warning("The Kafka bridge waits %.1f s: %s", pause, error)
                stop.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)


class KafkaSource(_Bridge):
    """Events from Kafka topics into a log.

    Offsets are committed when the log has the events on disk; what comes again is known to
    the log.  A message that is no valid event is recorded as a private event of type
    ``org.boathouse.kafka.refused``, whose data say where it lies and what is wrong.

    Parameters
    ----------
    log : EventLog
        Where the events go.
    settings : mapping
        Of the Kafka client (librdkafka), at least ``bootstrap.servers``.
    topics : sequence of str
        Read from their beginnings by a new group.
    group : str, optional
        The consumer group that keeps the place.
    owner : str, optional
        Who owns what comes in, whatever it says itself.
    access : str, optional
        Who may see it, when it does not say so itself.

    Raises
    ------
    BadRequest
        When the extra ``kafka`` is not installed.

    Examples
    --------
    >>> settings = {"bootstrap.servers": "kafka:9092"}
    >>> source = KafkaSource(log, settings, ["observations"])  # doctest: +SKIP
    >>> source.run(threading.Event())  # doctest: +SKIP
    """

    def __init__(
        self,
        log: EventLog,
        settings: Settings,
        topics: Sequence[str],
        *,
        group: str = "boathouse",
        owner: str = "",
        access: str = PUBLIC,
    ) -> None:
        require_kafka()
        from confluent_kafka import Consumer

        self._log = log
        self._owner = owner
        self._access = access
        self._left: list[Message] = []
        self._consumer = Consumer(
            {
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                **settings,
                "group.id": group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
            }
        )
        self._consumer.subscribe(list(topics))

    def step(self, wait: float = 1.0) -> int:
        """Bring what is at hand into the log; return how many messages that were.

        Parameters
        ----------
        wait : float, optional
            Seconds to wait for the first message.

        Raises
        ------
        Unavailable, Busy, StorageFull
            When the log does not take it; the next step tries the same messages again.
        """
        messages = self._left = self._left or self._gather(wait)
        if not messages:
            return 0
        events = [self._event(message) for message in messages]
        try:
            self._log.append(events)
        except BadEvent:
            # One of them breaks its schema: one by one it shows which.
            for message, event in zip(messages, events, strict=True):
                self._append(message, event)
        self._left = []
        self._commit(messages)
        return len(messages)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _gather(self, wait: float) -> list["Message"]:
        first = self._consumer.poll(wait)
        if first is None:
            return []
        more = self._consumer.consume(BATCH - 1, GATHER_SECONDS)
        return [message for message in (first, *more) if _is_sound(message)]

    def _append(self, message: "Message", event: Event) -> None:
        try:
            self._log.append([event])
        except BadEvent as error:
            self._log.append([self._complaint(message, error)])

    def _event(self, message: "Message") -> Event:
        # A message gives its headers as a list, whatever else the client takes.
        headers = cast("list[tuple[str, bytes | str | None]]", message.headers() or [])
        try:
            event = decode_message(message.key(), message.value(), headers)
            access = self._access if event.access == PUBLIC else event.access
            event = msgspec.structs.replace(event, owner=self._owner, access=access)
            encode_event(event)
        except BadEvent as error:
            return self._complaint(message, error)
        return event

    def _complaint(self, message: "Message", error: BadEvent) -> Event:
        place = {
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
        }
        logger.warning("A Kafka message is no event: %s %s", place, error)
        return Event(
            type=REFUSED,
            source=f"/kafka/{quote(str(message.topic()))}",
            id=f"{message.partition()}/{message.offset()}",
            data={**place, "field": error.field, "reason": error.detail},
            owner=self._owner,
            access=PRIVATE,
        )

    def _commit(self, messages: Sequence["Message"]) -> None:
        from confluent_kafka import KafkaException, TopicPartition

        reached: dict[tuple[str, int], int] = {}
        for message in messages:
            place = (str(message.topic()), int(message.partition() or 0))
            reached[place] = max(reached.get(place, 0), int(message.offset() or 0) + 1)
        offsets = [TopicPartition(*place, offset) for place, offset in reached.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # Another reader has the partition now, and brings what the log knows already.
            logger.warning("Kafka does not take the place in a topic: %s", error)


class KafkaSink(_Bridge):
    """Events of a log into a Kafka topic, by a consumer of the log.

    An event is done when Kafka has acknowledged it.  Whoever dies in between sends it twice:
    its ``source`` and ``id`` say so.  Events of one ``partitionkey`` go to one partition.

    Parameters
    ----------
    log : EventLog
        Where the events come from.
    settings : mapping
        Of the Kafka client (librdkafka), at least ``bootstrap.servers``.
    topic : str
        Where they go.
    name : str, optional
        The consumer of the log, which keeps the place.
    where : EventFilter, optional
        Which events go; all by default, or what the consumer had before.
    after : int, optional
        Where a new consumer begins; what comes from now on by default.
    reader : Reader, optional
        Whose events go: by default those that everybody may see.
    mode : {'binary', 'structured'}, optional
        How events lie in messages.
    lease : float, optional
        After so many seconds another takes over what a bridge that died had begun.

    Raises
    ------
    BadRequest
        When the extra ``kafka`` is not installed.

    Examples
    --------
    >>> settings = {"bootstrap.servers": "kafka:9092"}
    >>> sink = KafkaSink(log, settings, "alerts", where=EventFilter(type="org.x"))  # doctest: +SKIP
    >>> sink.run(threading.Event())  # doctest: +SKIP
    """

    def __init__(
        self,
        log: EventLog,
        settings: Settings,
        topic: str,
        *,
        name: str = "kafka",
        where: EventFilter | None = None,
        after: int | None = None,
        reader: Reader = EVERYBODY,
        mode: Mode = "binary",
        lease: float = LEASE_SECONDS,
    ) -> None:
        require_kafka()
        self._topic = topic
        self._mode: Mode = mode
        self._consumer = log.consume(name, where=where, after=after, reader=reader, lease=lease)
        self._settings = {
            "message.timeout.ms": int(DELIVERY_SECONDS * 1000),
            "linger.ms": 5,
            **settings,
            # In order and once, as far as one producer can.
            "enable.idempotence": True,
        }
        self._broken = False
        self._producer = self._connect()

    def step(self, wait: float = 1.0) -> int:
        """Send what is at hand; return how many events Kafka has acknowledged.

        Parameters
        ----------
        wait : float, optional
            Seconds to wait for the first event.

        Raises
        ------
        Unavailable
            When Kafka did not acknowledge some; they come again.
        """
        taken = self._consumer.take(BATCH, wait=wait)
        failures = self._send(taken)
        sent = [each for each in taken if each.token not in failures]
        with suppress(Conflict):  # another has sent it too: it goes twice, but it goes
            self._consumer.done(*sent)
        for each in taken:
            failure = failures.get(each.token)
            if failure is None:
                continue
            with suppress(Conflict):
                if failure.final:
                    self._consumer.give_up(each, failure.reason)
                else:
                    # Given back, it counts as not delivered: Kafka may be away for long.
                    self._consumer.extend(each, 0)
        passing = [each.reason for each in failures.values() if not each.final]
        if passing:
            raise Unavailable(f"Kafka did not take {len(passing)} events: {passing[0]}.")
        return len(sent)

    def close(self) -> None:
        """Wait for what is under way."""
        self._producer.flush(DELIVERY_SECONDS)

    def _send(self, taken: Sequence[Taken]) -> dict[str, "_Failure"]:
        """Send events; return what became of those that were not acknowledged."""
        left = {each.token for each in taken}
        failures = {token: _Failure("no answer came", final=False) for token in left}

        def settle(token: str, error: "KafkaError | None") -> None:
            left.discard(token)
            if error is None:
                failures.pop(token, None)
            else:
                failures[token] = _Failure(error.str(), final=_is_final(error))
                self._broken = self._broken or error.fatal()

        for each in taken:
            self._produce(each, settle)
        end = time.monotonic() + DELIVERY_SECONDS + GRACE_SECONDS
        while left and time.monotonic() < end:
            self._producer.poll(0.1)
        if self._broken:
            self._producer = self._connect()
        return failures

    def _produce(self, taken: Taken, settle: "Callable[[str, KafkaError | None], None]") -> None:
        from confluent_kafka import KafkaException

        key, value, headers = encode_message(taken.event, self._mode)

        def delivered(error: "KafkaError | None", _: "Message") -> None:
            settle(taken.token, error)

        while True:
            try:
                self._producer.produce(
                    self._topic, value, key, headers=[*headers], on_delivery=delivered
                )
            except BufferError:
                self._producer.poll(0.1)  # the queue is full: let some go
            except KafkaException as error:
                settle(taken.token, error.args[0])
                return
            else:
                return

    def _connect(self) -> "Producer":
        from confluent_kafka import Producer

        self._broken = False
        return Producer(self._settings)


class _Failure(NamedTuple):
    reason: str
    final: bool


def _is_final(error: "KafkaError") -> bool:
    """Whether it is the message that Kafka does not take, now or later."""
    from confluent_kafka import KafkaError

    return error.code() in {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_TIMESTAMP,
    }


def _is_sound(message: "Message") -> bool:
    error = message.error()
    if error is None:
        return True
    if error.fatal():
        raise Unavailable(f"Kafka: {error.str()}.")
    logger.info("Kafka: %s", error.str())
    return False
