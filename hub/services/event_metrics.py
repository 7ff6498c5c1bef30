"""What Prometheus asks the event service: requests, latencies, streams, how far consumers are."""

import asyncio
from collections.abc import Iterator

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from ...catalogs.events.log import LogEngine
from .application import reader_of
from .event_rights import METRICS, require
from .streams import Broadcast, Subscriber

# From a write in memory to a disk that stalls, in seconds.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The figures of one service.

    Parameters
    ----------
    log : LogEngine
        The lake's log.
    broadcast : Broadcast
        Its streams.

    Attributes
    ----------
    appended : Counter
        Events that were taken, the repeated ones included.
    """

    def __init__(self, log: LogEngine, broadcast: Broadcast) -> None:
        # Of its own: a process may serve several logs, and does in tests.
        self._registry = CollectorRegistry()
        self.appended = Counter(
            "boathouse_events_appended",
            "Events that requests brought and that are on disk",
            registry=self._registry,
        )
        self._requests = Counter(
            "boathouse_events_requests", "Answers", ["handler", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "boathouse_events_request_seconds",
            "Seconds until an answer was sent; what POST events took is on disk by then",
            ["handler"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._registry.register(_Now(log, broadcast))

    async def show(self, request: Request) -> Response:
        """``GET metrics``, for a token with the scope."""
        require(await reader_of(request), METRICS)
        text = await asyncio.to_thread(generate_latest, self._registry)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    def observe(self, handler: str, status: int, seconds: float) -> None:
        """Count one answer; a stream's seconds say how long it was open, so they do not count."""
        self._requests.labels(handler, str(status)).inc()
        if handler != "stream":
            self._seconds.labels(handler).observe(seconds)


class _Now(Collector):
    """What is read when somebody asks."""

    def __init__(self, log: LogEngine, broadcast: Broadcast) -> None:
        self._log = log
        self._broadcast = broadcast

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges."""
        streams = [
            each for each in list(self._broadcast.subscribers) if isinstance(each, Subscriber)
        ]
        waiting = sum(each.sink.waiting() for each in streams)
        yield _gauge("subscribers", "Open streams", len(streams))
        behind = sum(not each.live for each in streams)
        yield _gauge("subscribers_behind", "Streams that are read from the log", behind)
        yield _gauge("subscriber_bytes", "Bytes that clients have not taken yet", waiting)
        yield _gauge("first_sequence", "The lowest number that is kept", self._log.first())
        yield _gauge("last_sequence", "The highest number", self._log.last())
        labels = ("owner", "consumer")
        lag = GaugeMetricFamily("boathouse_events_consumer_lag", "Events to do", labels=labels)
        leased = GaugeMetricFamily("boathouse_events_consumer_leased", "Under way", labels=labels)
        dead = GaugeMetricFamily("boathouse_events_consumer_dead", "Dead letters", labels=labels)
        for state in self._log.consumers():
            names = (state.owner, state.name)
            lag.add_metric(names, state.behind)
            leased.add_metric(names, state.leased)
            dead.add_metric(names, state.dead)
        yield from (lag, leased, dead)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"boathouse_events_{name}", text, value=value)
