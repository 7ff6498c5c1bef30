"""The NATS engine does what every engine of the event log must do."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from boathouse.catalogs.events.nats import NatsEventLog
from boathouse.catalogs.events.nats_server import LocalServer

from .event_log_conformance import EventLogConformance

_names = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """One server for all tests of this file; each test has a log of its own on it."""
    # In memory where there is such a folder: nothing here cuts the power, and syncs take long.
    memory = Path("/dev/shm")
    folder = memory if memory.is_dir() else tmp_path_factory.mktemp("nats")
    with TemporaryDirectory(dir=folder) as place:
        started = LocalServer(place)
        yield started
        started.close()


class TestNats(EventLogConformance):
    @pytest.fixture
    def log(self, server: LocalServer) -> Iterator[NatsEventLog]:
        address = server.address
        opened = NatsEventLog(
            [address.url],
            name=f"log{next(_names)}",
            user=address.user,
            password=address.password,
        )
        yield opened
        opened.close()
