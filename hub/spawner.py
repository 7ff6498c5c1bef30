"""Starts a user's Jupyter server as a process of this machine, quickly."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from jupyterhub.spawner import SimpleLocalProcessSpawner

from .children import tied

# Between looks at whether the server answers yet, in seconds.
_LOOK = 0.1


class QuickLocalSpawner(SimpleLocalProcessSpawner):
    """A server for each user, all under the hub's own account: for trusted users.

    ``start`` returns as soon as the port answers (the hub's own wait backs off to steps of
    five seconds) and fails at once when the process has ended (the hub's own wait would sit
    out ``http_timeout``).  The server ends with the hub, even when the hub is killed.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        if not self.cmd or self.cmd == ["jupyterhub-singleuser"]:
            self.cmd = tied(sys.executable, "-m", "boathouse.hub.singleuser")

    def get_args(self) -> list[str]:
        """The hub's arguments; root needs one more, or the server refuses to start."""
        return [*super().get_args(), *(["--allow-root"] if os.geteuid() == 0 else [])]

    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        """Start in the user's home, which :meth:`start` has made."""
        del name
        home = self.home_dir
        return lambda: os.chdir(home)

    async def start(self) -> tuple[str, int]:
        """Start the server and wait until it answers; returns host and port."""
        prepare_home(Path(self.home_dir))
        host, port = await super().start()
        deadline = asyncio.get_running_loop().time() + self.start_timeout
        while asyncio.get_running_loop().time() < deadline:
            code = await self.poll()
            if code is not None:
                raise RuntimeError(
                    f"The server of {self.user.name} ended with code {code} before it "
                    "answered; the hub's log says why."
                )
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(_LOOK)
                continue
            writer.close()
            break
        return host, port


def prepare_home(home: Path) -> None:
    """Make a home and put the tutorials in it; a file that is there already is left alone."""
    folder = home / "tutorials"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True)
    with as_file(files("boathouse.notebooks") / "tutorials") as tutorials:
        for tutorial in tutorials.glob("*.ipynb"):
            if not (folder / tutorial.name).exists():
                shutil.copy(tutorial, folder / tutorial.name)
