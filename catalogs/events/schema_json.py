"""The JSON Schema of the data of one event type."""

from collections.abc import Mapping
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from ..errors import BadEvent, BadRequest
from .event import Event


class JsonSchema:
    """A JSON Schema that an event's data must fulfil.

    An event that names another ``dataschema`` than the schema's ``$id`` is refused; one that
    names none gets it.  References to other documents are not followed.

    Parameters
    ----------
    document : mapping
        The schema.

    Raises
    ------
    BadRequest
        When it is no JSON Schema.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = dict(document)
        self.id: str = str(document.get("$id", ""))
        kind = validator_for(self.document, default=Draft202012Validator)
        try:
            kind.check_schema(self.document)
        except SchemaError as error:
            raise BadRequest(
                f"This is no JSON Schema: {error.message}.", field=_path("schema", error.path)
            ) from error
        # An empty registry: a schema must not make the log fetch things from the network.
        self._validator = kind(
            self.document, registry=Registry(), format_checker=kind.FORMAT_CHECKER
        )

    def check(self, event: Event) -> Event:
        """The event itself; raises ``BadEvent`` naming the part of its data that is wrong."""
        if event.dataschema and self.id and event.dataschema != self.id:
            raise BadEvent(
                f"Events of type {event.type!r} have the dataschema {self.id!r}.",
                field="dataschema",
            )
        try:
            error = best_match(self._validator.iter_errors(event.data))
        except Unresolvable as unknown:
            raise BadEvent(
                f"The schema of {event.type!r} refers to {unknown.ref!r}, which it does not hold; "
                "references elsewhere are not followed.",
                field="dataschema",
            ) from unknown
        if error is not None:
            place = _path("data", error.absolute_path)
            raise BadEvent(f"{place}: {error.message[:300]}.", field=place)
        if self.id and not event.dataschema:
            return msgspec.structs.replace(event, dataschema=self.id)
        return event


def _path(start: str, steps: Any) -> str:
    return ".".join((start, *(str(step) for step in steps)))
