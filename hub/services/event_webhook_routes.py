"""Webhook subscriptions over HTTP: who wants events posted says where, and is asked first."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...catalogs.access import Reader
from ...catalogs.errors import BadRequest, Unavailable
from ...catalogs.events.event import EventFilter
from ...catalogs.events.log import check_place
from ...catalogs.events.webhooks import check_url
from .application import body_as, json_response, reader_of
from .event_consumers import RESERVED
from .event_posting import LEASE, PostOffice
from .event_webhooks import Subscription

_LONGEST_NAME = 100
_LONGEST_SECRET = 1000
_MOST_ATTEMPTS = 100
# One user may have so many.
MOST_OF_ONE = 100


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``PUT webhooks/NAME`` takes.

    Attributes
    ----------
    url : str
        Where events are posted.
    filter : EventFilter
        Which.
    secret : str, optional
        Signs deliveries; when it is not given, what was set before stays.
    after : int, optional
        With a new one: the last event that is not wanted; from now on when not given.
    attempts : int
        After so many an event becomes a dead letter.
    """

    url: str
    filter: EventFilter = EventFilter()
    secret: str | None = None
    after: int | None = None
    attempts: int = 10


class WebhookRoutes:
    """The handlers of webhook subscriptions.

    Parameters
    ----------
    post : PostOffice
        Delivers them.
    """

    def __init__(self, post: PostOffice) -> None:
        self._post = post
        # Two requests about the same name must not cross while the receiver is asked.
        self._one_at_a_time = asyncio.Lock()

    def routes(self) -> list[Route]:
        """The paths, relative to the service's prefix."""
        return [
            Route("/webhooks", self.list),
            Route("/webhooks/{name}", self.save, methods=["PUT"]),
            Route("/webhooks/{name}", self.one),
            Route("/webhooks/{name}", self.remove, methods=["DELETE"]),
        ]

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Deliver while the service runs."""
        self._post.start()
        try:
            yield
        finally:
            await self._post.stop()

    async def list(self, request: Request) -> Response:
        """``GET webhooks``: the asker's."""
        reader = await reader_of(request)
        mine = self._post.subscriptions.of(reader.name)
        return json_response([await self._shown(each) for each in mine])

    async def one(self, request: Request) -> Response:
        """``GET webhooks/NAME``."""
        reader = await reader_of(request)
        known = self._post.subscriptions.one(reader.name, request.path_params["name"])
        return json_response(await self._shown(known))

    async def save(self, request: Request) -> Response:
        """``PUT webhooks/NAME``: ask the receiver, then deliver."""
        reader, name = await reader_of(request), request.path_params["name"]
        wish = await body_as(request, Wish)
        await self._check(reader, name, wish)
        async with self._one_at_a_time:
            subscription = self._wanted(reader, name, wish)
            hook = self._post.hook_of(subscription)
            try:
                spacing = await self._post.in_thread(hook.handshake)
            except Unavailable as error:
                # Not of ours: whoever repeats the request in a second gains nothing.
                raise BadRequest(error.detail, field="url") from error
            subscription = msgspec.structs.replace(subscription, spacing=spacing)
            self._post.recall(subscription)
            # The place in the log is there before anybody is told that it is.
            await self._post.in_thread(
                lambda: self._post.log.consume(
                    RESERVED + name,
                    where=subscription.where,
                    after=wish.after,
                    reader=subscription.reader,
                    lease=LEASE,
                    attempts=subscription.attempts,
                )
            )
            await self._post.in_thread(lambda: self._post.subscriptions.save(subscription))
            self._post.send_out(subscription)
        return json_response(await self._shown(subscription))

    async def remove(self, request: Request) -> Response:
        """``DELETE webhooks/NAME``."""
        reader, name = await reader_of(request), request.path_params["name"]
        async with self._one_at_a_time:
            known = self._post.subscriptions.one(reader.name, name)
            self._post.recall(known)
            await self._post.forget(known)
            await self._post.in_thread(lambda: self._post.subscriptions.remove(reader.name, name))
        return Response(status_code=204)

    async def _check(self, reader: Reader, name: str, wish: Wish) -> None:
        if not (name.isprintable() and len(name) <= _LONGEST_NAME):
            raise BadRequest(f"name must be 1 to {_LONGEST_NAME} characters.", field="name")
        if len(wish.secret or "") > _LONGEST_SECRET:
            raise BadRequest(f"secret has more than {_LONGEST_SECRET} characters.", field="secret")
        if not 1 <= wish.attempts <= _MOST_ATTEMPTS:
            raise BadRequest(f"attempts must be from 1 to {_MOST_ATTEMPTS}.", field="attempts")
        if wish.after is not None:
            check_place(self._post.log, wish.after)
        wish.filter.validated()
        mine = self._post.subscriptions.of(reader.name)
        if len(mine) >= MOST_OF_ONE and all(each.name != name for each in mine):
            raise BadRequest(f"You have {MOST_OF_ONE} webhooks; delete one first.", field="name")
        # Looking the host up may take a while.
        await self._post.in_thread(lambda: check_url(wish.url, allow=self._post.allow))

    def _wanted(self, reader: Reader, name: str, wish: Wish) -> Subscription:
        mine = {each.name: each for each in self._post.subscriptions.of(reader.name)}
        secret = wish.secret
        if secret is None:
            secret = mine[name].secret if name in mine else ""
        return Subscription(
            name=name,
            owner=reader.name,
            groups=reader.groups,
            admin=reader.admin,
            url=wish.url,
            secret=secret,
            where=wish.filter,
            attempts=wish.attempts,
        )

    async def _shown(self, subscription: Subscription) -> dict[str, Any]:
        place = await self._post.place(subscription)
        return {
            "name": subscription.name,
            "url": subscription.url,
            "filter": subscription.where,
            "signed": bool(subscription.secret),
            "attempts": subscription.attempts,
            "state": subscription.state,
            "created": subscription.created,
            "consumer": RESERVED + subscription.name,
            "cursor": place.cursor if place else None,
            "behind": place.behind if place else None,
            "dead": place.dead if place else None,
            **msgspec.to_builtins(self._post.posted(subscription)),
        }
