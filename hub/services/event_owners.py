"""What an absent owner may see: webhooks go on while nobody is logged in."""

import os
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import httpx
import msgspec

from ...catalogs.access import Reader
from ...catalogs.errors import Unavailable

LookUp = Callable[[str], Awaitable[Reader | None]]


class _Model(msgspec.Struct):
    name: str
    groups: tuple[str, ...] = ()
    admin: bool = False


def owners_by_hub() -> LookUp:
    """A function that asks the hub about a user or service, with this service's own token.

    It returns None when there is neither, and raises ``Unavailable`` when the hub does not
    say.  The token needs the scopes ``read:users:name``, ``read:users:groups`` and
    ``read:services:name``.
    """
    url = os.environ.get("JUPYTERHUB_API_URL", "").rstrip("/")
    headers = {"Authorization": f"token {os.environ.get('JUPYTERHUB_API_TOKEN', '')}"}

    async def ask(path: str) -> _Model | None:
        try:
            async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=10) as client:
                response = await client.get(f"{url}/{path}")
        except httpx.TransportError as error:
            raise Unavailable("The hub does not answer.") from error
        if response.status_code == 404:
            return None
        if not response.is_success:
            raise Unavailable(f"The hub answers {response.status_code}.")
        return msgspec.json.decode(response.content, type=_Model)

    async def look_up(name: str) -> Reader | None:
        user = await ask(f"users/{quote(name, safe='')}")
        if user:
            return Reader(name=user.name, groups=user.groups, admin=user.admin)
        service = await ask(f"services/{quote(name, safe='')}")
        return Reader(name=service.name, admin=True) if service else None

    return look_up
