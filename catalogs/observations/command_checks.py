"""What a command must be to be queued, and what the world is told of it."""

from typing import Any

import msgspec

from ..access import PRIVATE, Reader
from ..errors import BadRequest, Forbidden
from ..events.event import Event
from .commands import ENDED, Command
from .stations import Station

EVENT = "org.boathouse.command."
LONGEST_LIFE = 366 * 86_400.0
LARGEST = 100_000
LONGEST_KEY = 10_000


def asker_of(owner: str, reader: Reader | None) -> Reader | None:
    """In whose name a command is queued; raises ``Forbidden`` when a user names another."""
    if not owner or (reader is not None and reader.name == owner):
        return reader
    if reader is not None and not reader.admin:
        raise Forbidden(f"You are {reader.name!r}, not {owner!r}.", field="owner")
    return Reader(name=owner)


def check_command(
    station: Station, command: str, parameters: dict[str, Any], expires: float, key: str
) -> None:
    """Raise ``BadRequest`` when a station does not know a command, or a parameter is wrong."""
    if command not in station.commands:
        known = ", ".join(sorted(station.commands)) or "none"
        raise BadRequest(
            f"{station.id!r} has no command {command[:80]!r}; it knows {known}.", field="command"
        )
    if not 0 < expires <= LONGEST_LIFE:
        raise BadRequest("expires is the seconds to wait, above 0 to a year.", field="expires")
    if len(key) > LONGEST_KEY:
        raise BadRequest(f"A key has at most {LONGEST_KEY:,} characters.", field="key")
    if len(msgspec.json.encode(parameters)) > LARGEST:
        raise BadRequest(f"parameters have at most {LARGEST:,} bytes.", field="parameters")
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(station.commands[command]).iter_errors(parameters))
    if error is not None:
        place = ".".join(["parameters", *map(str, error.absolute_path)])
        raise BadRequest(f"{place} of {command!r}: {error.message[:300]}.", field=place)


def event_of(command: Command, network: str) -> Event:
    """What the owner of a command is told when it comes to a state."""
    return Event(
        type=EVENT + ("queued" if command.state == "waiting" else command.state),
        source=f"/collections/{network}/stations/{command.station}/commands",
        id=f"{command.id}-{command.state}",
        subject=f"/stations/{command.station}/commands/{command.id}",
        owner=command.owner,
        access=PRIVATE,
        data=msgspec.to_builtins(command) | {"ended": command.state in ENDED},
    )
