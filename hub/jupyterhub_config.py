"""The hub of one machine: who may do what, the users' servers, and the services.

``boathouse up`` runs it; so does ``jupyterhub -f hub/jupyterhub_config.py``.  Environment:

BOATHOUSE_LAKE            the lake's folder (default ./lake)
BOATHOUSE_PORT            the public port (default 8000)
BOATHOUSE_SERVICES        comma list of the services to start (default: all)
BOATHOUSE_REPLAY          empty: no replay clock
BOATHOUSE_REPLAY_SECONDS  seconds between the steps of the demo's replay clock
BOATHOUSE_OBSERVATIONS    a postgresql:// URL of the observations (default: a file of the lake)
BOATHOUSE_COMPACTION_SECONDS  seconds between two compactions of observations into cubes
BOATHOUSE_CLUSTER_IDLE    seconds after which an idle Dask cluster ends
BOATHOUSE_SERVER_IDLE     seconds after which an idle server ends
BOATHOUSE_EVENTS          the event log's engine (default: a file in the lake; see the service)
BOATHOUSE_EVENTS_KEEP_DAYS, BOATHOUSE_EVENTS_KEEP_MB
                          what the event log keeps (default: everything)
BOATHOUSE_EVENTS_COLLECTIONS
                          comma list of collections to which a token may be narrowed that
                          publishes events
BOATHOUSE_METRICS_USERS   comma list of users who may read the event service's metrics
BOATHOUSE_WEBHOOK_HOSTS   comma list of hosts to which events may be posted though they are
                          private or speak plain http
"""

import base64
import os
import secrets
import sys
from importlib.resources import files
from pathlib import Path

from boathouse.hub.children import tied
from boathouse.hub.identity import LocalAuthenticator
from boathouse.hub.layout import layout_from_environment
from boathouse.hub.proxy import QuickTraefikProxy
from boathouse.hub.spawner import QuickLocalSpawner

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - traitlets puts it here

HERE = Path(str(files("boathouse.hub")))
layout = layout_from_environment()

# Services find `traefik` and users find `jupyter` in the environment of this Python.
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
os.environ["PATH"] = PATH
# Whatever the hub, its services and the servers make is for this account only.
os.umask(0o077)

# --- Addresses, state, proxy -------------------------------------------------------------
c.JupyterHub.bind_url = layout.address
c.JupyterHub.hub_bind_url = layout.internal("hub")
c.JupyterHub.db_url = f"sqlite:///{layout.state / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(layout.state / "cookie_secret")
c.JupyterHub.cleanup_servers = True  # nothing outlives the hub

c.JupyterHub.proxy_class = QuickTraefikProxy
c.TraefikProxy.should_start = True
c.TraefikProxy.traefik_api_url = layout.internal("proxy-api")
c.TraefikProxy.traefik_api_username = "boathouse"
c.TraefikProxy.traefik_api_password = secrets.token_urlsafe(24)
c.TraefikProxy.static_config_file = str(layout.state / "traefik.toml")
c.TraefikFileProviderProxy.dynamic_config_file = str(layout.state / "traefik-routes.toml")

# --- Who you are -------------------------------------------------------------------------
# For an OpenID Connect provider take oauthenticator's GenericOAuthenticator with manage_groups:
# the groups that it claims become plans the same way.
c.JupyterHub.authenticator_class = LocalAuthenticator
c.LocalAuthenticator.state = str(layout.state)

# --- Pages -------------------------------------------------------------------------------
c.JupyterHub.template_paths = [str(HERE / "templates")]
c.JupyterHub.logo_file = str(HERE / "static" / "logo.svg")

# --- What only some tokens may -----------------------------------------------------------
# The hub's scopes have no filter for collections, so a narrower right has a name of its own.
# A collection whose name cannot stand in a scope (capitals, dots) has none.
PUBLISH = "custom:events:publish"
METRICS = "custom:events:metrics"
COLLECTIONS = os.environ.get("BOATHOUSE_EVENTS_COLLECTIONS", "").split(",")
NARROWED = {f"{PUBLISH}:{name.strip()}": name.strip() for name in COLLECTIONS if name.strip()}
c.JupyterHub.custom_scopes = {
    PUBLISH: {"description": "Publish events", "subscopes": [*NARROWED]},
    **{
        scope: {"description": f"Publish events about the collection {name}"}
        for scope, name in NARROWED.items()
    },
    METRICS: {"description": "Read the event service's metrics"},
}

# --- Users' servers ----------------------------------------------------------------------
GATEWAY = {
    "DASK_GATEWAY__ADDRESS": f"{layout.address}services/dask-gateway/",
    "DASK_GATEWAY__PUBLIC_ADDRESS": f"{layout.address}services/dask-gateway/",
    "DASK_GATEWAY__PROXY_ADDRESS": f"gateway://127.0.0.1:{layout.ports['gateway']}",
    "DASK_GATEWAY__AUTH__TYPE": "jupyterhub",
}
KERNEL = {
    "DASK_BOATHOUSE__LAKE": str(layout.lake),
    "DASK_BOATHOUSE__ADDRESS": layout.address,
}
# What every user may reach, and what the token in his kernel may.
SERVICES_OF_USERS = [
    f"access:services!service={name}"
    for name in (
        "events",
        "catalog",
        "automation",
        "extract",
        "observations",
        "dashboard",
        "dask-gateway",
    )
]
ABOUT_MYSELF = ["read:users:name!user", "read:users:groups!user"]

c.JupyterHub.spawner_class = QuickLocalSpawner
c.SimpleLocalProcessSpawner.home_dir_template = str(layout.homes / "{username}")
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 60
c.Spawner.environment = {
    **GATEWAY,
    **KERNEL,
    "PATH": PATH,
    # Server extensions that nobody here uses cost seconds at each start.
    "JUPYTER_CONFIG_PATH": str(HERE / "jupyter"),
    # Panel's scripts come from the kernel, not from a CDN: panes work with no internet.
    "PANEL_INLINE": "True",
}
c.Spawner.server_token_scopes = [
    "users:activity!user",
    "access:servers!server",
    *ABOUT_MYSELF,
    *SERVICES_OF_USERS,
    PUBLISH,
]

# --- Services ----------------------------------------------------------------------------
ENVIRONMENT = {
    "PATH": PATH,
    "BOATHOUSE_LAKE": str(layout.lake),
    "BOATHOUSE_ADDRESS": layout.address,
    "BOATHOUSE_REPLAY_SECONDS": os.environ.get("BOATHOUSE_REPLAY_SECONDS", "20"),
}


def given(*names):
    """Those settings of our own environment that a service reads, as far as they are set."""
    return {name: os.environ[name] for name in names if name in os.environ}


def service(name, *words, part=None, **more):
    """A service that runs ``python`` with these words; with a part it has a page or an API."""
    environment = {**ENVIRONMENT, **more.pop("environment", {})}
    described = {
        "name": name,
        "command": tied(sys.executable, *words),
        "environment": environment,
        "display": False,
        "timeout": 60,
        **more,
    }
    if part:
        described["url"] = layout.internal(part)
    return described


ENCRYPT_KEY = layout.secret(
    "gateway.key", lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
)
SERVICES = [
    service(
        "events",
        "-m",
        "boathouse.hub.services.events",
        part="events",
        environment=given(
            "BOATHOUSE_EVENTS",
            "BOATHOUSE_EVENTS_KEEP_DAYS",
            "BOATHOUSE_EVENTS_KEEP_MB",
            "BOATHOUSE_WEBHOOK_HOSTS",
        ),
    ),
    service("catalog", "-m", "boathouse.hub.services.catalog", part="catalog"),
    service(
        "automation",
        "-m",
        "boathouse.hub.services.automation",
        part="automation",
        environment={**GATEWAY, **KERNEL, **given("BOATHOUSE_WEBHOOK_HOSTS")},
    ),
    # Has no rights of its own: it asks the catalog and automation with the asker's token.
    service("extract", "-m", "boathouse.hub.services.extract", part="extract"),
    service(
        "observations",
        "-m",
        "boathouse.hub.services.observations",
        part="observations",
        environment=given("BOATHOUSE_OBSERVATIONS", "BOATHOUSE_COMPACTION_SECONDS"),
    ),
    service("replay", "-m", "boathouse.hub.services.replay"),
    service(
        "dashboard",
        "-m",
        "boathouse.hub.dashboard",
        part="dashboard",
        display=True,
        oauth_no_confirm=True,
        # What the dashboard may do in the name of who looks at it.
        oauth_client_allowed_scopes=[*ABOUT_MYSELF, *SERVICES_OF_USERS, PUBLISH],
    ),
    service(
        "dask-gateway",
        "-m",
        "dask_gateway_server",
        "-f",
        str(HERE / "dask_gateway_config.py"),
        part="gateway",
        environment={
            **KERNEL,
            "BOATHOUSE_GATEWAY_PORT": str(layout.ports["gateway"]),
            "BOATHOUSE_GATEWAY_API_PORT": str(layout.ports["gateway-api"]),
            "BOATHOUSE_CLUSTER_IDLE": os.environ.get("BOATHOUSE_CLUSTER_IDLE", "600"),
            "DASK_GATEWAY_ENCRYPT_KEYS": ENCRYPT_KEY,
        },
    ),
    service(
        "idle-culler",
        "-m",
        "jupyterhub_idle_culler",
        f"--timeout={os.environ.get('BOATHOUSE_SERVER_IDLE', '3600')}",
        "--cull-every=120",
    ),
]
wanted = [name for name in os.environ.get("BOATHOUSE_SERVICES", "").split(",") if name]
unwanted = set() if os.environ.get("BOATHOUSE_REPLAY", "1") else {"replay"}
c.JupyterHub.services = [
    each
    for each in SERVICES
    if (not wanted or each["name"] in wanted) and each["name"] not in unwanted
]

# --- What each may do --------------------------------------------------------------------
running = {each["name"] for each in c.JupyterHub.services}
LAKE_SERVICES = [
    *(
        f"access:services!service={name}"
        for name in ("events", "catalog", "automation", "observations")
    ),
    PUBLISH,
]
ROLES_OF_SERVICES = {
    # Makes short-lived tokens, narrowed to a user, to run jobs in the user's name.
    "automation": [
        "tokens",
        "list:users",
        "read:users:name",
        "read:users:groups",
        "access:services!service=dask-gateway",
        *LAKE_SERVICES,
    ],
    "catalog": LAKE_SERVICES,
    # Records cubes in the name of their networks' owners, and tells of what came in.
    "observations": LAKE_SERVICES,
    # Posts to webhooks what their owners may see, also while they are away.
    "events": ["read:users:name", "read:users:groups", "read:services:name"],
    "replay": LAKE_SERVICES,
    "dashboard": LAKE_SERVICES,
    "idle-culler": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
}
c.JupyterHub.load_roles = [
    {"name": "user", "scopes": ["self", *SERVICES_OF_USERS, PUBLISH]},
    # Such a user makes a token for Prometheus on the hub's token page.
    {
        "name": "metrics",
        "scopes": [METRICS, "access:services!service=events"],
        "users": [
            name for name in os.environ.get("BOATHOUSE_METRICS_USERS", "").split(",") if name
        ],
    },
    *(
        {"name": f"{name}-service", "services": [name], "scopes": scopes}
        for name, scopes in ROLES_OF_SERVICES.items()
        if name in running
    ),
]
