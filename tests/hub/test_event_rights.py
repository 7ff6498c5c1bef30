"""Who may publish: the scope that a token needs, and what the hub's answer makes of it."""

from collections.abc import Iterator

import pytest

from boathouse.catalogs.access import Reader
from boathouse.catalogs.errors import Forbidden

from .event_service import Service, ping

PUBLISH = "custom:events:publish"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("log") / "events.sqlite")
    made.start()
    yield made
    made.stop()


def test_a_token_without_the_scope_is_told_which(service: Service):
    before = service.log.last()
    with pytest.raises(Forbidden, match=PUBLISH):
        service.log_of("listener").append([ping("no")])
    assert service.log.last() == before
    assert service.ask("GET", "events", "listener").status_code == 200


def test_a_narrow_token_publishes_about_its_collection_only(service: Service):
    station = service.log_of("station")
    station.append([ping("yes", collection="sst")])
    for other in ("", "ssta", "ss"):
        with pytest.raises(Forbidden, match=PUBLISH):
            station.append([ping("no", collection=other)])
    # One that it may not keeps the whole batch out.
    before = service.log.last()
    with pytest.raises(Forbidden, match="'ice'"):
        station.append([ping("also", collection="sst"), ping("no", collection="ice")])
    assert service.log.last() == before


@pytest.mark.parametrize(
    ("scopes", "collection", "may"),
    [
        (None, "sst", True),
        ((PUBLISH,), "", True),
        ((PUBLISH,), "sst", True),
        ((f"{PUBLISH}!collection=sst",), "sst", True),
        ((f"{PUBLISH}!collection=sst",), "", False),
        ((f"{PUBLISH}:sst",), "sst", True),
        ((f"{PUBLISH}:",), "", False),
        ((f"{PUBLISH}!collection=",), "", False),
        (("custom:events:metrics",), "sst", False),
        ((), "sst", False),
    ],
)
def test_what_scopes_mean(scopes: tuple[str, ...] | None, collection: str, may: bool):
    assert Reader(name="x", scopes=scopes).may(PUBLISH, collection) is may
