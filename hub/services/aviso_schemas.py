"""The schema registry over HTTP: everybody reads it, administrators set it."""

from typing import Any

import msgspec
import yaml
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...catalogs.errors import BadRequest, Forbidden
from ...catalogs.events.schema import Policy, SchemaRegistry, read_yaml
from .application import body_as, json_response, reader_of


class SchemaRoutes:
    """The paths of a registry.

    ``GET schemas`` says which types have a schema and how strict the registry is, ``PUT
    schemas`` sets the latter (``{"strict": true, "types": {"org.example.*": "open"}}``);
    ``GET``, ``PUT`` and ``DELETE schemas/{type}`` are one type's schema: JSON, or YAML with the
    content type ``application/yaml``.

    Parameters
    ----------
    registry : SchemaRegistry
        The registry.
    """

    def __init__(self, registry: SchemaRegistry) -> None:
        self.registry = registry

    def routes(self) -> list[Route]:
        """The paths, below the service's prefix."""
        return [
            Route("/schemas", self.index),
            Route("/schemas", self.set_policy, methods=["PUT"]),
            Route("/schemas/{type}", self.get),
            Route("/schemas/{type}", self.put, methods=["PUT"]),
            Route("/schemas/{type}", self.delete, methods=["DELETE"]),
        ]

    async def index(self, _request: Request) -> Response:
        """Which types have a schema."""
        return json_response({"types": self.registry.types(), "policy": self.registry.policy})

    async def set_policy(self, request: Request) -> Response:
        """How strict the registry is."""
        await _check_admin(request)
        self.registry.set_policy(await body_as(request, Policy))
        return await self.index(request)

    async def get(self, request: Request) -> Response:
        """One type's schema."""
        return json_response(self.registry.document(request.path_params["type"]))

    async def put(self, request: Request) -> Response:
        """Set one type's schema."""
        await _check_admin(request)
        document = await _document(request)
        if not isinstance(document, dict):
            raise BadRequest("A schema is an object.", field="schema")
        self.registry.put(request.path_params["type"], document)
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        """Drop one type's schema."""
        await _check_admin(request)
        self.registry.remove(request.path_params["type"])
        return Response(status_code=204)


async def _check_admin(request: Request) -> None:
    if not (await reader_of(request)).admin:
        raise Forbidden("Schemas are set by administrators.")


async def _document(request: Request) -> Any:
    body = await request.body()
    try:
        if "yaml" in request.headers.get("content-type", ""):
            return read_yaml(body.decode())
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise BadRequest(f"The schema cannot be read: {error}.", field="schema") from error
