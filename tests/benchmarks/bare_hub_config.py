"""A stock JupyterHub with traefik for a proxy: the peer of our own hub."""

import os
from pathlib import Path

c = get_config()  # noqa: F821
state = Path(os.environ["BARE_STATE"])
port = int(os.environ["BARE_PORT"])
c.JupyterHub.bind_url = f"http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{os.environ['BARE_HUB_PORT']}"
c.JupyterHub.proxy_class = "traefik_file"
c.TraefikProxy.traefik_api_url = f"http://127.0.0.1:{os.environ['BARE_TRAEFIK_PORT']}"
c.TraefikProxy.traefik_api_username = "bare"
c.TraefikProxy.traefik_api_password = os.environ["BARE_PASSWORD"]
c.TraefikFileProviderProxy.dynamic_config_file = str(state / "dynamic.toml")
c.TraefikProxy.static_config_file = str(state / "static.toml")
c.JupyterHub.db_url = f"sqlite:///{state}/hub.sqlite"
c.JupyterHub.cookie_secret_file = str(state / "cookie_secret")
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = os.environ["BARE_PASSWORD"]
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = str(state / "homes" / "{username}")
c.Spawner.default_url = "/lab"
if os.geteuid() == 0:
    c.Spawner.args = ["--allow-root"]
