"""Who you are in local mode: a name and a password that this machine knows."""

import asyncio
import os
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from traitlets import Float, Unicode, default

from .layout import STATE
from .users import Users


class LocalAuthenticator(Authenticator):
    """Checks passwords against the lake's ``users.json``; the plan becomes the hub group.

    ``boathouse user add NAME`` makes users; there is no default password.
    """

    state = Unicode(help="The lake's state folder.", config=True)
    delay = Float(0.5, help="Seconds that a wrong password waits, against guessing.", config=True)

    @default("state")
    def _default_state(self) -> str:
        return str(Path(os.environ.get("BOATHOUSE_LAKE", "lake")).resolve() / STATE)

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.manage_groups = True
        self.allow_all = True  # whoever has a right password
        self.users = Users(Path(self.state))

    async def authenticate(  # pyright: ignore[reportIncompatibleMethodOverride] - as documented
        self, handler: Any, data: Any
    ) -> dict[str, Any] | None:
        """The user's model, or None when name and password do not belong together."""
        name = self.normalize_username(str(data.get("username", "")).strip())
        password = str(data.get("password", ""))
        # Hashing takes some 50 ms on purpose; the hub's loop must not wait for it.
        if await asyncio.to_thread(self.users.check, name, password):
            return self._model(name)
        await asyncio.sleep(self.delay)
        return None

    async def refresh_user(  # pyright: ignore[reportIncompatibleMethodOverride] - as documented
        self, user: Any, handler: Any = None, **_: Any
    ) -> bool | dict[str, Any]:
        """Take over a changed plan, and log out who is no user any more."""
        return self._model(user.name) or False

    def _model(self, name: str) -> dict[str, Any] | None:
        user = self.users.all().get(name)
        return user and {"name": name, "admin": user.admin, "groups": [user.plan]}
