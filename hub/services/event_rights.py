"""Who may publish what: the scope that a token needs, and in whose name an event stands."""

import msgspec

from ...catalogs.access import Reader
from ...catalogs.errors import Forbidden
from ...catalogs.events.event import Event

PUBLISH = "custom:events:publish"
METRICS = "custom:events:metrics"
# Of what only the services tell: collections, jobs, and what became of rules.
SERVICES = ("/collections/", "/jobs/", "/rules/")


def signed(event: Event, reader: Reader) -> Event:
    """The event in the reader's name.

    Parameters
    ----------
    event : Event
        What somebody wants to publish.
    reader : Reader
        Who it is.

    Raises
    ------
    Forbidden
        When the token lacks the scope (the text names it), or when the source is somebody
        else's (``field`` is ``"source"``).

    Examples
    --------
    >>> signed(Event(type="org.example.ping", source="/me"), Reader(name="ann")).owner
    'ann'
    """
    if not reader.may(PUBLISH, event.collection):
        about = f" for the collection {event.collection!r}" if event.collection else ""
        raise Forbidden(f"To publish events{about} the token needs the scope {PUBLISH!r}.")
    if reader.admin:
        # Services speak for users; but nobody would see a private event without an owner.
        return event if event.owner else msgspec.structs.replace(event, owner=reader.name)
    # What the services say, and what another user says, nobody else can say first:
    # (source, id) names an event for ever.
    source = event.source
    own = f"/users/{reader.name}"
    others = source.startswith("/users/") and source != own and not source.startswith(f"{own}/")
    if others or source.startswith(SERVICES):
        raise Forbidden(
            f"source {source!r} is not yours to use; {own!r} is, and any other URI.",
            field="source",
        )
    return msgspec.structs.replace(event, owner=reader.name)


def require(reader: Reader, scope: str) -> None:
    """Raise ``Forbidden`` naming the scope when the token lacks it."""
    if not reader.may(scope):
        raise Forbidden(f"This needs a token with the scope {scope!r}.")
