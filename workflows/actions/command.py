"""Runs a program on a worker of the owner's cluster: a list of words, never a shell."""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec

from ...catalogs.errors import BadRequest
from ...catalogs.events.event import Event
from ...catalogs.events.wire import encode_batch, encode_numbered
from ...catalogs.lake import Connection
from ..deliveries import Delivery, Performed, Performer
from ..rules.model import Action, CommandAction
from ..rules.templates import places
from .cluster import OwnersCluster

# What is kept of what it says, in bytes: the end, where errors are.
LONGEST_OUTPUT = 8_000
LONGEST_TIMEOUT = 24 * 3600.0
# How long its output is waited for after its end: a program that it left behind may hold it open.
DRAIN_SECONDS = 1.0


class CommandFailed(RuntimeError):
    """A program ended with another code than 0, took too long, or could not be started."""


class CommandOrder(msgspec.Struct, frozen=True, kw_only=True):
    """All that a worker must know to run a program.

    Attributes
    ----------
    words : tuple of str
        The program and its arguments.
    timeout : float
        Seconds after which it and all that it has started are killed.
    events : bytes
        JSON for its input: the event, or a list of those of a batch.
    key : str
        Its idempotency key, in ``BOATHOUSE_KEY``.
    lake : str
        The lake's folder.
    connection : Connection or None
        The hub and a token of the owner, so that the program may speak to the lake.
    """

    words: tuple[str, ...]
    timeout: float
    events: bytes
    key: str
    lake: str
    connection: Connection | None = None

    def __repr__(self) -> str:
        return f"CommandOrder({self.words[0]!r})"


class CommandEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How a program ended.

    Attributes
    ----------
    code : int or None
        The exit code; minus the signal's number when it was killed, None when it took too long
        or could not be started.
    output : str
        The end of what it wrote to both its outputs.
    error : str
        Why it was not started or not waited for; else empty.
    """

    code: int | None
    output: str = ""
    error: str = ""


class CommandPerformer(Performer):
    """Runs commands; exit code 0 is success, everything else is tried again.

    Parameters
    ----------
    cluster : OwnersCluster
        Where they run.
    lake : Path
        The lake's folder.
    """

    def __init__(self, cluster: OwnersCluster, lake: Path) -> None:
        self._cluster = cluster
        self._lake = lake

    def perform(self, delivery: Delivery, events: Sequence[Event]) -> Performed:
        """Run it and keep the end of its output; raises :class:`CommandFailed`."""
        action = delivery.action
        assert isinstance(action, CommandAction)
        order = CommandOrder(
            words=action.words,
            timeout=action.timeout,
            events=_written(events),
            key=delivery.idempotency,
            lake=str(self._lake),
            connection=self._cluster.connection(delivery.owner),
        )
        end = self._cluster.call(delivery, run_command, order)
        if end.error or end.code:
            said = end.error or f"It ended with exit code {end.code}."
            raise CommandFailed(f"{said}\n{end.output}".strip())
        return Performed(result={"code": 0, "output": end.output})

    def check(self, action: Action, *, owner: str) -> None:
        """Raise ``BadRequest`` when an event could choose the program, or the time is wrong."""
        assert isinstance(action, CommandAction)
        if not action.words or not action.words[0]:
            raise BadRequest("A command needs a program.", field="words")
        if list(places(action.words[0])):
            raise BadRequest(
                f"The program {action.words[0]!r} must not depend on the event: whoever sends "
                "events would choose what runs in your name.",
                field="words",
            )
        if not 0 < action.timeout <= LONGEST_TIMEOUT:
            raise BadRequest(
                f"timeout must be above 0 and at most {LONGEST_TIMEOUT:g} s.", field="timeout"
            )


def run_command(order: CommandOrder) -> CommandEnd:
    """Run a program on this machine, in the home folder as cron does; never raises for it."""
    with tempfile.TemporaryFile() as given:
        given.write(order.events + b"\n")
        given.seek(0)
        try:
            process = subprocess.Popen(
                order.words,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=_home(),
                env=_environment(order),
                # A group of its own, so that what it starts can be ended with it.
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return CommandEnd(code=None, error=f"{order.words[0]} cannot be started: {error}")
    assert process.stdout is not None
    kept = bytearray()
    reader = threading.Thread(target=_keep_tail, args=(process.stdout, kept), daemon=True)
    reader.start()
    error = ""
    try:
        code: int | None = process.wait(timeout=order.timeout)
    except subprocess.TimeoutExpired:
        code, error = None, f"It was killed after {order.timeout:g} s."
    _kill_group(process)
    reader.join(DRAIN_SECONDS)
    output = bytes(kept).decode("utf-8", "replace").strip()
    return CommandEnd(code=code, output=output, error=error)


def _keep_tail(stream: IO[bytes], kept: bytearray) -> None:
    with contextlib.suppress(OSError, ValueError), stream:
        while piece := stream.read1(65_536):  # pyright: ignore[reportAttributeAccessIssue]
            kept.extend(piece)
            del kept[:-LONGEST_OUTPUT]


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """End what the program has left behind, and itself when it still runs."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _home() -> str:
    home = Path.home()
    return str(home if home.is_dir() else Path("/"))


def _environment(order: CommandOrder) -> dict[str, str]:
    environment = {
        **os.environ,
        "BOATHOUSE_KEY": order.key,
        "DASK_BOATHOUSE__LAKE": order.lake,
    }
    for name in ("DASK_BOATHOUSE__ADDRESS", "JUPYTERHUB_API_TOKEN", "JUPYTERHUB_USER"):
        environment.pop(name, None)
    if order.connection:
        environment |= {
            "DASK_BOATHOUSE__ADDRESS": order.connection.address,
            "JUPYTERHUB_API_TOKEN": order.connection.token,
            "JUPYTERHUB_USER": order.connection.user,
        }
    return environment


def _written(events: Sequence[Event]) -> bytes:
    """One event as CloudEvents JSON, several as a batch."""
    texts = [encode_numbered(event) for event in events]
    return texts[0] if len(texts) == 1 else encode_batch(texts)
