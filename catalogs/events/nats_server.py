"""A NATS server for one machine: started on a folder, synced always, ended with its starter."""

import fcntl
import logging
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import msgspec

from ..errors import BadRequest, Unavailable
from .nats_connection import OLDEST_SERVER

logger = logging.getLogger(__name__)

START_SECONDS = 15.0
PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
SHORT_SECONDS = 1.0
# Ends the server when whoever started it is gone, however that came: its end of the pipe closes.
_WATCH = """
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
{ read -r _ <&3; kill -TERM "$server"; } 2>/dev/null &
watch=$!
echo "$server" > "$BOATHOUSE_NATS_PID"
wait "$server"
status=$?
kill "$watch" 2>/dev/null
exit "$status"
"""


class Address(msgspec.Struct):
    """How processes of this user reach the server of a folder; ``owner`` started it."""

    port: int
    user: str
    password: str
    owner: int

    @property
    def url(self) -> str:
        """The server's address, without what is secret."""
        return f"nats://127.0.0.1:{self.port}"


class LocalServer:
    """The NATS server of a folder: started here, or found running there.

    It listens on this machine only, to those who can read the folder.  One that we started is
    started again when it dies, and ends with this process.

    Parameters
    ----------
    folder : path
        Where its data lie; made with mode 0700 when missing.

    Raises
    ------
    BadRequest
        When there is no nats-server of version 2.12 or later.
    Unavailable
        When it does not start.

    Examples
    --------
    >>> server = LocalServer("lake/.boathouse/nats")  # doctest: +SKIP
    >>> server.address.url  # doctest: +SKIP
    'nats://127.0.0.1:40123'
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).resolve()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._closing = threading.Event()
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._supervisor: threading.Thread | None = None
        self._program = ""
        end = time.monotonic() + START_SECONDS
        while not self._own():
            found = self._found()
            if found is not None:
                self.address = found
                return
            if time.monotonic() > end:
                raise Unavailable(
                    f"Another process starts or ends the NATS server of {self.folder}."
                )
            time.sleep(PAUSE_SECONDS)
        try:
            self._program = find_server()
            self.address = self._start_first()
        except BaseException:
            self._release()
            raise
        self._supervisor = threading.Thread(target=self._supervise, name="nats-server", daemon=True)
        self._supervisor.start()

    @property
    def pid(self) -> int:
        """The server's process; 0 when another process started it."""
        path = self.folder / "server.pid"
        return int(path.read_text()) if self._process is not None and path.exists() else 0

    def close(self) -> None:
        """End the server when it was started here."""
        self._closing.set()
        self._end()
        if self._supervisor is not None:
            self._supervisor.join()
        self._release()

    def _own(self) -> bool:
        # The lock goes with whoever has it, so it is never left behind; the server has it too,
        # so that there are never two on one folder.
        descriptor = os.open(self.folder / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
        file = os.fdopen(descriptor, "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._lock = file
        return True

    def _release(self) -> None:
        if self._lock is not None:
            (self.folder / "server.json").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def _found(self) -> Address | None:
        """The server that another process of this machine runs on the folder."""
        try:
            address = msgspec.json.decode((self.folder / "server.json").read_bytes(), type=Address)
        except (OSError, msgspec.DecodeError):
            return None
        # One whose owner is gone is about to end.
        return address if _lives(address.owner) and _listens(address.port) else None

    def _start_first(self) -> Address:
        last = ""
        for _ in range(3):
            address = Address(_free_port(), "boathouse", secrets.token_urlsafe(24), os.getpid())
            self._write(address)
            self._process = self._start()
            end = time.monotonic() + START_SECONDS
            while self._process.poll() is None and time.monotonic() < end:
                if _listens(address.port):
                    _write_private(self.folder / "server.json", msgspec.json.encode(address))
                    return address
                time.sleep(0.02)
            self._end()
            last = self._said()
        raise Unavailable(f"The NATS server of {self.folder} does not start: {last}")

    def _write(self, address: Address) -> None:
        lines = [
            f'listen: "127.0.0.1:{address.port}"',
            "max_payload: 8MB",
            f'authorization {{ user: "{address.user}", password: "{address.password}" }}',
            # What was acknowledged is on disk.
            f'jetstream {{ store_dir: "{self.folder / "data"}", sync_interval: always }}',
            f'log_file: "{self.folder / "server.log"}"',
            "logfile_size_limit: 1MB",
            "logfile_max_num: 2",
        ]
        _write_private(self.folder / "server.conf", "\n".join(lines).encode())

    def _start(self) -> "subprocess.Popen[bytes]":
        if self._lock is None:
            raise Unavailable(f"The NATS server of {self.folder} was closed.")
        command = [self._program, "-c", str(self.folder / "server.conf")]
        return subprocess.Popen(
            ["sh", "-c", _WATCH, "nats-server", *command],
            env={**os.environ, "BOATHOUSE_NATS_PID": str(self.folder / "server.pid")},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[self._lock.fileno()],
            start_new_session=True,  # Ctrl-C comes to us alone
        )

    def _supervise(self) -> None:
        pause = PAUSE_SECONDS
        while not self._closing.is_set():
            process, began = self._process, time.monotonic()
            if process is None:
                return
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
            # One that ends at once is not started again at once.
            short = time.monotonic() - began < SHORT_SECONDS
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS) if short else PAUSE_SECONDS
            if self._closing.wait(pause):
                return
            logger.warning("The NATS server of %s ended; it is started again", self.folder)
            self._process = self._start()
            if self._closing.is_set():
                self._end()

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _said(self) -> str:
        try:
            lines = (self.folder / "server.log").read_text(errors="replace").splitlines()
        except OSError:
            return "it says nothing."
        return " ".join(lines[-2:])


def find_server() -> str:
    """The nats-server to start: the one on PATH when it is new enough, else the pinned one.

    Raises
    ------
    BadRequest
        When there is none.
    """
    pinned = Path(sys.executable).parent / "nats-server"
    for found in (shutil.which("nats-server"), str(pinned)):
        if found and Path(found).exists() and _version(found) >= OLDEST_SERVER:
            return found
    raise BadRequest(
        "There is no nats-server of version 2.12 or later: pip install 'boathouse[nats]'.",
        field="place",
    )


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"v(\d+)\.(\d+)", said.stdout)
    return tuple(map(int, found.groups())) if found else (0,)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def _write_private(path: Path, text: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
    beside.replace(path)
