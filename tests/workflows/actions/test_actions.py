"""What performers do: real programs, a real web server, a real Dask cluster, real queues."""

import http.server
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from boathouse.catalogs.errors import BadRequest, NotFound, Unavailable
from boathouse.catalogs.events.event import Event
from boathouse.workflows.actions.cluster import OwnersCluster
from boathouse.workflows.actions.command import (
    LONGEST_OUTPUT,
    CommandFailed,
    CommandOrder,
    run_command,
)
from boathouse.workflows.actions.function import FunctionFailed
from boathouse.workflows.actions.performers import Performers, make_performers
from boathouse.workflows.deliveries import Delivery, Later, Refused
from boathouse.workflows.executor import LocalExecutor
from boathouse.workflows.functions import FunctionStore, pack_function
from boathouse.workflows.rules.model import (
    Action,
    CommandAction,
    FunctionAction,
    NotebookAction,
    NotifyAction,
    OperateAction,
    PostAction,
)

EVENT = Event(type="org.example.ping", source="/me", id="one", sequence=7, data={"n": 3})
OTHER = Event(type="org.example.ping", source="/me", id="two", sequence=8, data={"n": 4})


def delivery(action: Action, **more: Any) -> Delivery:
    made: dict[str, Any] = {"id": "d1", "idempotency": "ann/r//me/one", "attempts": 1, **more}
    return Delivery(rule="my rule", owner="ann", kind="compute", action=action, **made)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[FunctionStore]:
    opened = FunctionStore(folder / "functions.sqlite")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def performers(folder: Path, store: FunctionStore) -> Iterator[Performers]:
    executor = LocalExecutor(folder, ledger=folder / "automation.sqlite")
    made = make_performers(executor, store, lake=folder, hosts=["127.0.0.1"])
    yield made
    made.close()
    executor.close()


def order(*words: str, timeout: float = 20.0) -> CommandOrder:
    return CommandOrder(
        words=words, timeout=timeout, events=b'{"id":"one"}', key="k/1", lake="/the/lake"
    )


def test_a_command_is_words_and_no_shell() -> None:
    end = run_command(order("printf", "%s|", "a b", "$HOME", "; false", "`id`"))
    assert (end.code, end.output) == (0, "a b|$HOME|; false|`id`|")
    assert run_command(order("cat")).output == '{"id":"one"}', "the event is its input"
    told = run_command(order("sh", "-c", "echo $BOATHOUSE_KEY $DASK_BOATHOUSE__LAKE; pwd"))
    assert told.output.split() == ["k/1", "/the/lake", str(Path.home())]


def test_how_commands_fail() -> None:
    end = run_command(order("sh", "-c", "echo out; echo bad >&2; exit 3"))
    assert (end.code, end.output) == (3, "out\nbad")
    missing = run_command(order("no-such-program-at-all"))
    assert missing.code is None
    assert "no-such-program-at-all cannot be started" in missing.error
    assert run_command(order("sh", "-c", "kill -9 $$")).code == -signal.SIGKILL


def test_a_command_that_takes_too_long_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    begun = time.monotonic()
    script = f"sleep 60 & echo $! > {tmp_path}/child; echo begun; sleep 60"
    end = run_command(order("sh", "-c", script, timeout=0.5))
    assert time.monotonic() - begun < 5
    assert (end.code, end.output) == (None, "begun")
    assert "killed after 0.5 s" in end.error
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _lives(child):
        time.sleep(0.02)
    assert not _lives(child)


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except OSError:
        return False


def test_only_the_end_of_much_output_is_kept() -> None:
    end = run_command(order("sh", "-c", "yes | head -c 3000000; echo last"))
    assert end.code == 0
    assert len(end.output) <= LONGEST_OUTPUT
    assert end.output.endswith("last")


def test_a_command_on_the_owners_cluster(performers: Performers) -> None:
    done = performers.perform(delivery(CommandAction(words=("cat",))), [EVENT])
    assert done.result["code"] == 0
    assert msgspec.json.decode(done.result["output"], type=Event) == EVENT
    batch = performers.perform(delivery(CommandAction(words=("cat",)), id="d2"), [EVENT, OTHER])
    assert msgspec.json.decode(batch.result["output"], type=list[Event]) == [EVENT, OTHER]
    with pytest.raises(CommandFailed, match="exit code 4") as failed:
        performers.perform(
            delivery(CommandAction(words=("sh", "-c", "echo why; exit 4")), id="d3"), [EVENT]
        )
    assert "why" in str(failed.value)
    with pytest.raises(BadRequest, match="would choose what runs") as chosen:
        performers.check(CommandAction(words=("{subject}", "x")), owner="ann")
    assert chosen.value.field == "words"
    performers.check(CommandAction(words=("cat", "{subject}")), owner="ann")
    with pytest.raises(BadRequest, match="timeout"):
        performers.check(CommandAction(words=("cat",), timeout=0), owner="ann")


def deploy(store: FunctionStore, function: Callable[..., Any], **more: Any) -> FunctionAction:
    kept = store.save(pack_function(function, **more), owner="ann")
    return FunctionAction(name=kept.name, digest=kept.digest)


def test_a_deployed_function_on_the_owners_cluster(
    performers: Performers, store: FunctionStore, folder: Path
) -> None:
    def where(event: Event, lake: Any) -> dict[str, Any]:
        from distributed import get_worker

        return {"n": event.data["n"], "lake": str(lake.root), "worker": get_worker().id}

    action = deploy(store, where)
    performers.check(action, owner="ann")
    value = performers.perform(delivery(action), [EVENT]).result["value"]
    assert (value["n"], value["lake"]) == (3, str(folder))
    assert value["worker"]

    several = deploy(store, lambda events: [each.id for each in events], name="ids", batch=True)
    assert performers.perform(delivery(several, id="d4"), [EVENT, OTHER]).result == {
        "value": ["one", "two"]
    }
    assert performers.perform(delivery(several, id="d5"), [EVENT]).result == {"value": ["one"]}
    odd = deploy(store, lambda event: object(), name="odd")
    assert performers.perform(delivery(odd, id="d6"), [EVENT]).result == {}


def test_how_deployed_functions_fail(performers: Performers, store: FunctionStore) -> None:
    def fails(event: Event) -> None:
        raise ValueError(f"no {event.id}")

    action = deploy(store, fails)
    with pytest.raises(FunctionFailed, match=r"ValueError: no one \(line \d+ of fails\)"):
        performers.perform(delivery(action, id="d7"), [EVENT])
    older = msgspec.structs.replace(pack_function(fails, name="older"), python="3.2")
    kept = store.save(older, owner="ann")
    with pytest.raises(Refused, match=r"Python 3\.2"):
        performers.perform(
            delivery(FunctionAction(name="older", digest=kept.digest), id="d8"), [EVENT]
        )
    with pytest.raises(NotFound):
        performers.check(action, owner="bob")
    store.withdraw("ann", "fails")
    with pytest.raises(NotFound, match="withdrawn"):
        performers.check(action, owner="ann")
    with pytest.raises(Refused, match="withdrawn"):
        performers.perform(delivery(action, id="d9"), [EVENT])


def test_who_waits_for_a_cluster_can_be_stopped(folder: Path) -> None:
    executor = LocalExecutor(folder, ledger=folder / "automation.sqlite")
    cluster = OwnersCluster(executor)
    raised: list[BaseException] = []

    def call() -> None:
        try:
            cluster.call(delivery(CommandAction(words=("x",)), id="slow"), time.sleep, 1.5)
        except Unavailable as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.5)
    cluster.close()
    thread.join(10)
    executor.close()
    assert "tried again" in str(raised[0])


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted; answers with what is asked of it."""

    answers: list[tuple[int, dict[str, str]]] = []
    got: list[tuple[dict[str, str], Any]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.got.append((headers, msgspec.json.decode(body)))
        status, more = self.answers.pop(0) if self.answers else (200, {})
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[tuple[type[Receiver], str]]:
    Receiver.answers, Receiver.got = [], []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Receiver, f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    thread.join()
    server.server_close()


def test_posts_carry_key_and_signature(
    performers: Performers, receiver: tuple[type[Receiver], str]
) -> None:
    kept, url = receiver
    done = performers.perform(delivery(PostAction(url=url, secret="s3cret")), [EVENT])
    assert done.result == {"status": 200, "sent": 1}
    headers, body = kept.got[0]
    assert (body["id"], body["data"]) == ("one", {"n": 3})
    assert headers["idempotency-key"] == "ann/r//me/one"
    assert headers["webhook-signature"].startswith("v1,")

    performers.perform(delivery(PostAction(url=url), id="b"), [EVENT, OTHER])
    keys = [headers["idempotency-key"] for headers, _body in kept.got[1:]]
    assert keys == ["b/0", "b/1"], "each event of a batch has its own"


def test_what_the_other_side_says_decides_on_another_attempt(
    performers: Performers, receiver: tuple[type[Receiver], str]
) -> None:
    kept, url = receiver
    action = delivery(PostAction(url=url))
    kept.answers[:] = [(503, {"Retry-After": "7"}), (404, {}), (410, {})]
    with pytest.raises(Later) as later:
        performers.perform(action, [EVENT])
    assert later.value.after == 7
    for _ in ("not found", "gone"):
        with pytest.raises(Refused):
            performers.perform(action, [EVENT])
    assert len(kept.got) == 3
    with pytest.raises(BadRequest) as private:
        performers.check(PostAction(url="https://10.0.0.1/hook"), owner="ann")
    assert private.value.field == "url"
    performers.check(PostAction(url=url), owner="ann")


def test_notifying_makes_an_event_in_the_owners_name(performers: Performers) -> None:
    action = NotifyAction(type="org.example.storm", data={"n": 1}, access="private")
    performers.check(action, owner="ann")
    (event,) = performers.perform(delivery(action), [EVENT]).events
    assert (event.type, event.source, event.owner) == (
        "org.example.storm",
        "/rules/ann/my%20rule",
        "ann",
    )
    assert event.access == "private"
    for wrong in (
        NotifyAction(type="org.boathouse.job.update"),
        NotifyAction(type=""),
        NotifyAction(type="a b"),
        NotifyAction(type="a", access="everybody"),
    ):
        with pytest.raises(BadRequest):
            performers.check(wrong, owner="ann")


def test_what_nobody_does_is_refused(performers: Performers) -> None:
    operate = OperateAction(station="mast", command="stop")
    with pytest.raises(BadRequest, match="'operate'"):
        performers.check(operate, owner="ann")
    with pytest.raises(Refused, match="'operate'"):
        performers.perform(delivery(operate), [EVENT])
    with pytest.raises(Refused, match="'notebook'"):
        performers.perform(delivery(NotebookAction(recipe="mean")), [EVENT])


def test_nothing_of_the_service_reaches_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "JUPYTERHUB_API_TOKEN", "of-the-service")
    assert run_command(order("sh", "-c", "echo [$JUPYTERHUB_API_TOKEN]")).output == "[]"
