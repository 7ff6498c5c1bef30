"""``python -m boathouse.hub.dashboard``: the dashboard as a service that the hub manages."""

import logging
import os
import secrets
from urllib.parse import urlsplit

from ...catalogs.lake import Connection, connect_lake
from .feed import Follower
from .identity import HubGate
from .page import Site
from .server import Dashboard, make_server
from .session import Session, Visitor, hub_session


def main() -> None:
    """Serve at the address that the hub gave in the environment, until the process ends.

    Reads ``JUPYTERHUB_*``, ``BOATHOUSE_ADDRESS`` (the hub's base URL) and ``BOATHOUSE_LAKE``.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(levelname).1s %(asctime)s %(name)s] %(message)s"
    )
    for chatty in ("httpx", "bokeh", "tornado.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    address, root = os.environ["BOATHOUSE_ADDRESS"], os.environ["BOATHOUSE_LAKE"]
    own = Connection(
        address=address,
        token=os.environ["JUPYTERHUB_API_TOKEN"],
        user=os.environ.get("JUPYTERHUB_SERVICE_NAME", "dashboard"),
    )
    follower = Follower(connect_lake(root, own).log)
    gate = HubGate(secret=secrets.token_urlsafe(32))

    def open_session(visitor: Visitor) -> Session:
        return hub_session(visitor, root=root, address=address)

    hub = gate.hub.hub_prefix
    site = Site(home=hub + "home", lab=hub + "user-redirect/lab", logout=hub + "logout")
    url = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    dashboard = Dashboard(gate=gate, open_session=open_session, follower=follower, site=site)
    server = make_server(
        dashboard,
        address=url.hostname or "127.0.0.1",
        port=url.port or 0,
        patterns=[(r"/oauth_callback", gate.callback_handler())],
    )
    follower.start()
    dashboard.warm()
    server.start()
    server.io_loop.start()


if __name__ == "__main__":
    main()
