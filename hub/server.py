"""JupyterHub with its services started side by side and started again at once when they die."""

import asyncio
import signal
import ssl
import time
from importlib import import_module
from typing import Any

from jupyterhub.app import JupyterHub
from jupyterhub.services.service import Service

# Between looks at whether a service runs, in seconds.
LOOK = 0.3
# A service that dies soon after its start waits longer each time, up to this.
LONGEST_PAUSE = 15.0
# A service that has not ended after this is killed.
STOP_SECONDS = 20


class Boathouse(JupyterHub):
    """The hub's application.

    Upstream starts the services one after the other, gives up when one does not come, and
    looks every 30 s whether one has died.  Here they start together, the login page does not
    wait for them, and a service that dies is started again within a second, whatever it dies
    of.  Plain ``jupyterhub -f hub/jupyterhub_config.py`` works as well, upstream's way.
    """

    def init_services(self) -> None:
        """Make the services of the configuration, none of them started."""
        super().init_services()
        self._watches: list[asyncio.Future[None]] = []
        self._ending = False

    async def start_service(
        self, service_name: str, service: Service, ssl_context: ssl.SSLContext | None = None
    ) -> bool:
        """Start a service and do not wait until it answers; ``boathouse up`` does."""
        if not service.managed:
            return await super().start_service(service_name, service, ssl_context)
        await service.start()
        self._watches.append(asyncio.ensure_future(self._keep_running(service)))
        return True

    async def cleanup(self) -> None:
        """Stop everything that runs, all services at once, and start nothing again."""
        for watch in self._watches:
            watch.cancel()
        managed = [service for service in self._service_map.values() if service.managed]
        spawners = [service.spawner for service in managed if service.spawner]
        for spawner in spawners:
            # The gateway ends its clusters first, which takes a few seconds.
            spawner.term_timeout = STOP_SECONDS
        # SIGTERM: a SIGINT may be ignored, as it is in what a shell started with `&`.
        await asyncio.gather(*(spawner.stop(now=True) for spawner in spawners))
        await super().cleanup()

    async def shutdown_cancel_tasks(self, sig: signal.Signals | None = None) -> None:
        """End in order, and once: a parent that is killed may send its signal several times."""
        if not self._ending:
            self._ending = True
            await super().shutdown_cancel_tasks(sig)

    async def _keep_running(self, service: Service) -> None:
        pause = 0.0
        while True:
            # In place of the service's own look every 30 s.
            service.spawner.stop_polling()
            started = time.monotonic()
            while (code := await service.spawner.poll()) is None:
                await asyncio.sleep(LOOK)
            short = time.monotonic() - started < LONGEST_PAUSE
            pause = min(LONGEST_PAUSE, 2 * pause or 0.2) if short else 0.0
            self.log.error(
                "Service %s ended with code %s; starting it again in %.1f s",
                service.name,
                code,
                pause,
            )
            await asyncio.sleep(pause)
            await service.start()


def main(arguments: list[str] | None = None) -> Any:
    """Run the hub, as ``jupyterhub`` does."""
    return Boathouse.launch_instance(arguments)


if __name__ == "__main__":
    # Not the class of ``__main__``: the configuration must find the same one.
    import_module("boathouse.hub.server").main()
