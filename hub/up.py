"""``boathouse up``: makes the lake, starts the hub, waits until it works, and ends it again."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import IO

import httpx
import psutil

from .. import __version__
from ..catalogs.errors import BoathouseError, Conflict, Unavailable
from ..catalogs.lake import open_lake
from ..kernels.kernelspec import install_kernel
from .children import tied
from .layout import HOST, Layout, free_port, is_free, write_private
from .users import Users

# What tells that a part works: its path, and the answers that mean yes.
HEALTH = {
    "hub": ("hub/health", {200}),
    "events": ("services/events/health", {200}),
    "catalog": ("services/catalog/health", {200}),
    "automation": ("services/automation/health", {200}),
    "extract": ("services/extract/health", {200}),
    "observations": ("services/observations/health", {200}),
    "dashboard": ("services/dashboard/health", {200}),
    "dask-gateway": ("services/dask-gateway/api/health", {200}),
}
START_SECONDS = 120.0
STOP_SECONDS = 40.0
_LOG_BYTES = 5_000_000
LOG_LINES = 20
Say = Callable[[str], None]


class Stopped(BaseException):
    """Ctrl-C or SIGTERM came."""


def up(lake: Path, *, port: int, replay: bool = True, demo: bool = True) -> int:
    """Start a hub on a lake and stay until Ctrl-C; returns the exit code.

    Parameters
    ----------
    lake : Path
        The lake's folder; made and filled with the demo's data when it is new.
    port : int
        The public port; 0 for a free one.
    replay : bool
        Whether the demo's replay clock feeds the fresh pool.
    demo : bool
        Whether to build the demo's data.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    os.umask(0o077)  # the lake and its secrets are for this account only
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - begun:5.1f} s] {text}", flush=True)

    if port and not is_free(port):
        print(f"Port {port} is in use. Try: make up PORT={free_port()}", file=sys.stderr)
        return 2
    layout = Layout(lake=lake.expanduser().resolve(), port=port or free_port()).prepared()
    hub: subprocess.Popen[bytes] | None = None
    try:
        with _sole(layout, say) as lock:
            first = _ready(layout, say, demo=demo)
            say("starting the hub and its services")
            hub = _start(layout, lock, replay=replay)
            wait_until_healthy(layout.address, _wanted(), hub, say)
            _welcome(layout, first, say)
            code = hub.wait()
            print(f"The hub ended with code {code}; {_log(layout)} says why.", file=sys.stderr)
            return 1
    except Stopped:
        return 0
    except BoathouseError as error:
        print(f"boathouse: {error}", file=sys.stderr)
        if hub is not None:
            _show_log(layout)
        return 1
    finally:
        if hub is not None:
            _end(hub, say)


def wait_until_healthy(
    address: str,
    parts: list[str],
    hub: "subprocess.Popen[bytes] | None" = None,
    say: Say = lambda text: None,
    *,
    seconds: float = START_SECONDS,
) -> None:
    """Wait until the hub and its services answer; raises ``Unavailable`` when one does not."""
    end = time.monotonic() + seconds
    missing = [part for part in HEALTH if part in {"hub", *parts}]
    with httpx.Client(base_url=address, timeout=5, trust_env=False) as client:
        while missing and time.monotonic() < end:
            if hub is not None and hub.poll() is not None:
                raise Unavailable(f"The hub ended with code {hub.returncode}; see its log.")
            for part in list(missing):
                if _healthy(client, part):
                    missing.remove(part)
                    say(f"{part} answers")
            time.sleep(0.25)
    if missing:
        raise Unavailable(
            f"No answer from {', '.join(missing)} after {seconds:.0f} s; see the log."
        )


def _healthy(client: httpx.Client, part: str) -> bool:
    path, good = HEALTH[part]
    try:
        return client.get(path).status_code in good
    except httpx.TransportError:
        return False


def _stop(_number: int, _frame: object) -> None:
    raise Stopped


def _wanted() -> list[str]:
    chosen = [name for name in os.environ.get("BOATHOUSE_SERVICES", "").split(",") if name]
    return chosen or list(HEALTH)


def _log(layout: Layout) -> Path:
    return layout.logs / "hub.log"


def _show_log(layout: Layout) -> None:
    """Print the end of the hub's log: what went wrong is there."""
    lines = _log(layout).read_text(encoding="utf-8", errors="replace").splitlines()
    print("\n".join([f"The end of {_log(layout)}:", *lines[-LOG_LINES:]]), file=sys.stderr)


def _runs(holder: int) -> bool:
    """Whether a process is one of ours: its number may have gone to another since."""
    try:
        return any("boathouse" in word for word in psutil.Process(holder).cmdline())
    except (psutil.Error, ValueError):
        return False


@contextmanager
def _sole(layout: Layout, say: Say) -> Generator[IO[str]]:
    """Hold the lake's lock; the hub inherits it, so that it lasts until the hub has ended."""
    with (layout.state / "up.lock").open("a+") as lock:
        end = time.monotonic() + STOP_SECONDS
        while not _locked(lock):
            lock.seek(0)
            holder = int(lock.read() or 0)
            if _runs(holder) or time.monotonic() > end:
                raise Conflict(
                    f"Another hub runs on {layout.lake}; stop it, or choose another lake (LAKE=)."
                )
            say("waiting for an earlier hub on this lake to end")
            time.sleep(1)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _ready(layout: Layout, say: Say, *, demo: bool) -> tuple[str, str]:
    """Make what a hub needs: data, kernel, first user."""
    if demo:
        _build_demo(layout, say)
    install_kernel()
    return Users(layout.state).first()


def _build_demo(layout: Layout, say: Say) -> None:
    """Build the demo's data once for each version; a warm start must not wait for xarray."""
    mark = layout.state / "demo"
    if mark.exists() and mark.read_text(encoding="utf-8") == __version__:
        return
    from ..catalogs.demo import build_demo

    lake = open_lake(layout.lake, user="boathouse")
    try:
        build_demo(lake, progress=say)
    finally:
        lake.close()
    write_private(mark, __version__.encode())


def _start(layout: Layout, lock: IO[str], *, replay: bool) -> "subprocess.Popen[bytes]":
    path = _log(layout)
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_suffix(".1.log"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            tied(
                sys.executable,
                "-m",
                "boathouse.hub.server",
                "-f",
                str(files("boathouse.hub") / "jupyterhub_config.py"),
            ),
            env={
                **os.environ,
                "BOATHOUSE_LAKE": str(layout.lake),
                "BOATHOUSE_PORT": str(layout.port),
                "BOATHOUSE_REPLAY": "1" if replay else "",
            },
            cwd=layout.state,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            pass_fds=[lock.fileno()],
            start_new_session=True,  # Ctrl-C comes to us alone, and we end the hub in order
        )
    finally:
        os.close(descriptor)


def _end(hub: "subprocess.Popen[bytes]", say: Say) -> None:
    """End the hub, which ends all that it started; its death would end the rest as well."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if hub.poll() is None:
        say("ending the hub and all that it started")
        hub.terminate()
    try:
        hub.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        hub.kill()
        hub.wait()
    say("ended")


def _welcome(layout: Layout, first: tuple[str, str], say: Say) -> None:
    name, password = first
    user, where = f"{_command()} user", f" --lake {layout.lake}"
    renew = f"(not kept; {user} password {name}{where} makes a new one)"
    say("ready")
    print(
        f"""
  Boathouse is at  {layout.address}
  user             {name}
  password         {password or renew}

  First: log in, open tutorials/01-first-look.ipynb, and run its cells.
  The dashboard is at {layout.address}services/dashboard/
  More users: {user} add NAME{where}

  This is the local mode, for people who trust each other: all servers run under your own
  account and listen on {HOST} only. Log: {_log(layout)}
  Ctrl-C ends everything.
""",
        flush=True,
    )


def _command() -> str:
    """How a shell in this folder calls the command line."""
    beside = Path(sys.executable).with_name("boathouse")
    if not beside.exists() or shutil.which("boathouse") == str(beside):
        return "boathouse"
    here = Path.cwd()
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)
