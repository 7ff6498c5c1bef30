"""Where a hub keeps its state, and at which ports its parts listen."""

import errno
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

STATE = ".boathouse"
DEFAULT_PORT = 8000
HOST = "127.0.0.1"

# Below the kernel's range for outgoing connections, so that none of those takes a port
# while its service is restarting.
_PORTS = range(20_000, 32_000)
PARTS = (
    "hub",
    "proxy-api",
    "gateway",
    "gateway-api",
    "events",
    "catalog",
    "automation",
    "extract",
    "observations",
    "dashboard",
)


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """The folders, ports and addresses of one hub.

    Attributes
    ----------
    lake : Path
        The lake's folder, absolute.
    port : int
        The public port.
    ports : dict
        Port of each internal part, by its name in ``PARTS``.

    Examples
    --------
    >>> Layout(lake=Path("/srv/lake"), port=8000).address
    'http://127.0.0.1:8000/'
    """

    lake: Path
    port: int
    ports: dict[str, int] = {}

    @property
    def address(self) -> str:
        """The public base URL, with a trailing slash."""
        return f"http://{HOST}:{self.port}/"

    @property
    def state(self) -> Path:
        """The folder of all state, mode 0700."""
        return self.lake / STATE

    @property
    def logs(self) -> Path:
        """The folder of logs."""
        return self.state / "logs"

    @property
    def homes(self) -> Path:
        """The folder of the users' homes."""
        return self.state / "homes"

    def internal(self, part: str) -> str:
        """The address of an internal part, without a trailing slash."""
        return f"http://{HOST}:{self.ports[part]}"

    def prepared(self) -> "Layout":
        """Make the folders, closed to other accounts, and return the layout itself."""
        for folder in (self.state, self.logs, self.homes):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
        return self

    def secret(self, name: str, make: Callable[[], str]) -> str:
        """A text that is made once and kept in the state folder with mode 0600."""
        path = self.state / name
        if not path.exists():
            write_private(path, make().encode())
        return path.read_text(encoding="utf-8")


def layout_from_environment() -> Layout:
    """The layout that ``boathouse up`` asked for, with free internal ports.

    Reads ``BOATHOUSE_LAKE`` (default ``./lake``) and ``BOATHOUSE_PORT`` (default 8000).
    Internal ports stay the same from start to start while they are free, so that what
    survived a crash still finds its partners.
    """
    lake = Path(os.environ.get("BOATHOUSE_LAKE", "lake")).expanduser().resolve()
    port = int(os.environ.get("BOATHOUSE_PORT", DEFAULT_PORT))
    layout = Layout(lake=lake, port=port or free_port()).prepared()
    remembered = layout.state / "ports.json"
    old: dict[str, int] = {}
    if remembered.exists():
        old = msgspec.json.decode(remembered.read_bytes(), type=dict[str, int])
    ports: dict[str, int] = {}
    for part in PARTS:
        taken = {*ports.values(), layout.port}
        keep = old.get(part, 0)
        ports[part] = keep if keep and keep not in taken and is_free(keep) else free_port(taken)
    write_private(remembered, msgspec.json.encode(ports))
    return msgspec.structs.replace(layout, ports=ports)


def is_free(port: int) -> bool:
    """Whether a server could listen at the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def free_port(taken: set[int] | None = None) -> int:
    """A port at which nobody listens, other than those ``taken``."""
    while True:
        port = secrets.choice(_PORTS)
        if port not in (taken or ()) and is_free(port):
            return port


def write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step; nobody but its owner can ever read it."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
