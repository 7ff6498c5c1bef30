"""Stations and instruments: where they are, what they measure, and who may speak for them."""

import math
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from ..access import PRIVATE, Reader, is_access
from ..errors import BadRequest
from ..records import check_name

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_STANDARD_NAME = re.compile(r"[a-z][a-z0-9_]*(?: [a-z_]+)?|")
# Names that the cube of a network needs for itself, or that mean something in a CSV header.
RESERVED = frozenset({"time", "station", "station_name", "lat", "lon", "height"}) | frozenset(
    {"variable", "value", "values", "units", "issued"}
)
LONGEST = 500
MOST_VARIABLES = 200


class Variable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One quantity that a station measures.

    Attributes
    ----------
    units : str
        Units as UDUNITS writes them; ``"1"`` for a plain number.
    standard_name : str
        The CF standard name, such as ``air_temperature``.
    long_name : str
        What to call it in a picture.
    """

    units: str
    standard_name: str = ""
    long_name: str = ""


class Network(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stations whose observations are one collection of the catalog.

    Attributes
    ----------
    id : str
        The collection's name: lower-case letters, digits and hyphens.
    title, licence, description : str
        What the catalog says about the collection.
    owner, access : str
        Who sees the network and its cube.
    members : tuple of str
        Users and ``group:NAME`` who may add stations, beside the owner.
    """

    id: str
    title: str = ""
    licence: str = ""
    description: str = ""
    owner: str = ""
    access: str = PRIVATE
    members: tuple[str, ...] = ()

    def validated(self) -> "Network":
        """Return the network itself, or raise ``BadRequest`` naming the wrong field."""
        check_name(self.id, "network")
        _check_access(self.access)
        for field in ("title", "licence", "description"):
            _check_text(field, getattr(self, field))
        return self


class Station(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place or instrument that measures.

    Attributes
    ----------
    id : str
        Its name in the lake, such as ``wmo-10037``.
    network : str
        The network, and with it the collection, that it belongs to.
    lat, lon : float
        Degrees north and east; a longitude above 180 is brought below.
    height : float or None
        Metres above mean sea level.
    variables : dict
        What it measures, by name.
    name : str
        What people call it.
    owner : str
        Who registered it.
    access : str
        Who sees it and its observations: ``"private"``, ``"public"`` or ``"group:NAME"``.
    writers : tuple of str
        Users and ``group:NAME`` who may send its observations and fetch its commands, beside
        the owner: usually the user of the instrument's own token.
    operators : tuple of str
        Users and ``group:NAME`` who may send it commands, beside the owner.
    commands : dict
        The commands that it knows: name to a JSON Schema of the parameters (``{}`` allows
        any).
    properties : dict
        Whatever else is to be known, as JSON.
    created, updated : str
        RFC 3339; filled in when it is stored.

    Examples
    --------
    >>> Station(id="quay", network="harbour", lat=54.3, lon=190.0,
    ...         variables={"t": Variable(units="K")}).validated().lon
    -170.0
    """

    id: str
    network: str
    lat: float
    lon: float
    variables: dict[str, Variable]
    height: float | None = None
    name: str = ""
    owner: str = ""
    access: str = PRIVATE
    writers: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    commands: dict[str, dict[str, Any]] = {}
    properties: dict[str, Any] = {}
    created: str = ""
    updated: str = ""

    def may_be_seen(self, reader: Reader | None) -> bool:
        """Whether the reader sees the station and its observations."""
        return (
            reader is None
            or reader.may_see(self.owner, self.access)
            or _is_one_of(reader, self.writers)
            or _is_one_of(reader, self.operators)
        )

    def may_be_written(self, reader: Reader | None) -> bool:
        """Whether the reader may send observations of the station and fetch its commands."""
        return _owns(reader, self.owner) or _is_one_of(reader, self.writers)

    def may_be_operated(self, reader: Reader | None) -> bool:
        """Whether the reader may send commands to the station."""
        return _owns(reader, self.owner) or _is_one_of(reader, self.operators)

    def validated(self) -> "Station":
        """Return the station, its longitude within -180 to 180.

        Raises
        ------
        BadRequest
            Naming the field that is wrong.
        """
        if not _ID.fullmatch(self.id):
            raise BadRequest(
                f"{self.id[:80]!r} cannot name a station: use up to 64 letters, digits, '.', '_' "
                "and '-', such as 'wmo-10037'.",
                field="id",
            )
        check_name(self.network, "network")
        _check_access(self.access)
        _check_text("name", self.name)
        for field, value, low, high in (
            ("lat", self.lat, -90.0, 90.0),
            ("lon", self.lon, -180.0, 360.0),
            ("height", self.height or 0.0, -12_000.0, 100_000.0),
        ):
            if not (math.isfinite(value) and low <= value <= high):
                raise BadRequest(f"{field} {value} is not within {low} to {high}.", field=field)
        _check_variables(self.variables)
        _check_commands(self.commands)
        lon = self.lon - 360 if self.lon > 180 else self.lon
        return msgspec.structs.replace(self, lon=lon)


def may_join(network: Network, reader: Reader | None) -> bool:
    """Whether the reader may add stations to a network."""
    return _owns(reader, network.owner) or _is_one_of(reader, network.members)


def _owns(reader: Reader | None, owner: str) -> bool:
    return reader is None or reader.admin or reader.name == owner


def _is_one_of(reader: Reader | None, names: Iterable[str]) -> bool:
    if reader is None:
        return True
    mine = {reader.name, *(f"group:{group}" for group in reader.groups)}
    return not mine.isdisjoint(names)


def _check_access(access: str) -> None:
    if not is_access(access):
        raise BadRequest(
            f"access {access!r} is not 'public', 'private' or 'group:NAME'.", field="access"
        )


def _check_text(field: str, text: str) -> None:
    if len(text) > LONGEST or not text.isprintable():
        raise BadRequest(
            f"{field} must be at most {LONGEST} printable characters on one line.", field=field
        )


def _check_variables(variables: dict[str, Variable]) -> None:
    if not variables or len(variables) > MOST_VARIABLES:
        raise BadRequest(
            f"A station measures 1 to {MOST_VARIABLES} variables; this one {len(variables)}.",
            field="variables",
        )
    for name, variable in variables.items():
        field = f"variables.{name}"
        if not _VARIABLE.fullmatch(name) or name.lower() in RESERVED:
            raise BadRequest(
                f"{name!r} cannot name a variable: use letters, digits and '_', such as "
                f"'air_temperature', and none of {', '.join(sorted(RESERVED))}.",
                field=field,
            )
        if not variable.units.strip():
            raise BadRequest(
                f"{name!r} needs units ('1' for a plain number).", field=f"{field}.units"
            )
        if not _STANDARD_NAME.fullmatch(variable.standard_name):
            raise BadRequest(
                f"{variable.standard_name!r} is not a CF standard name, such as 'air_temperature'.",
                field=f"{field}.standard_name",
            )
        _check_text(f"{field}.units", variable.units)
        _check_text(f"{field}.long_name", variable.long_name)


def _check_commands(commands: dict[str, dict[str, Any]]) -> None:
    if not commands:
        return
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    for name, schema in commands.items():
        if not _ID.fullmatch(name):
            raise BadRequest(f"{name[:80]!r} cannot name a command.", field="commands")
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise BadRequest(
                f"The parameters of {name!r} are not a JSON Schema: {error.message[:200]}.",
                field=f"commands.{name}",
            ) from error
