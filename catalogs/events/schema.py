"""The schema registry: what events of a type must look like, from files or set over HTTP."""

import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import msgspec
import yaml

from ..access import Reader
from ..errors import BadEvent, BadRequest, Conflict, NotFound, from_decoding
from .event import Event
from .schema_aviso import PREFIX, AvisoSchema
from .schema_json import JsonSchema

Schema = AvisoSchema | JsonSchema
Mode = Literal["strict", "open"]

# What Boathouse itself says, and what its catalog says, needs no schema in a strict registry.
OWN_PREFIXES = ("org.boathouse.", "org.ogc.api.collection.item.")
_POLICY = "policy.yaml"
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")


class _Yaml(yaml.SafeLoader):
    """YAML as Aviso's server reads it: NO is Norway, and a date is a text."""

    yaml_implicit_resolvers = {
        first: [pair for pair in pairs if not pair[0].endswith((":bool", ":timestamp"))]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Yaml.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"true|false|True|False|TRUE|FALSE"), list("tTfF")
)


def read_yaml(text: str) -> Any:
    """What a YAML text says, by the rules of YAML 1.2.

    Examples
    --------
    >>> read_yaml("{country: NO, on: 2026-01-31}")
    {'country': 'NO', 'on': '2026-01-31'}
    """
    return yaml.load(text, Loader=_Yaml)  # noqa: S506 - a SafeLoader


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How strict the registry is.

    Attributes
    ----------
    strict : bool
        Whether a type without a schema is refused (our own types never are).
    types : dict
        Event type, or its beginning followed by ``*``, to "strict" or "open".  A type with a
        schema that is open takes what does not fit it, as it is; a type without one that is
        open is taken in a strict registry, and one that is strict is refused in an open one.
    """

    strict: bool = False
    types: dict[str, Mode] = msgspec.field(default_factory=dict[str, Mode])

    def mode(self, type: str) -> Mode | None:
        """What is said about a type; the longest beginning counts; None when nothing is."""
        exact = self.types.get(type)
        if exact is not None:
            return exact
        fitting = [name for name in self.types if name[-1:] == "*" and type.startswith(name[:-1])]
        return self.types[max(fitting, key=len)] if fitting else None


class SchemaRegistry:
    """The schemas of one lake's event types.

    Every ``.yaml`` file of the folder with a ``notification_schema`` holds Aviso schemas (a
    whole configuration of Aviso's server will do); a ``.json`` file is the JSON Schema of the
    data of the event type that it is named for.  A file named for its type goes before the same
    type in a larger file.

    Parameters
    ----------
    folder : path, optional
        Such as ``.boathouse/schemas`` of the lake; need not exist.

    Examples
    --------
    >>> registry = SchemaRegistry()
    >>> registry.put("org.example.reading", {"required": ["value"]})
    >>> registry.check(Event(type="org.example.reading", source="/me", data={}))
    Traceback (most recent call last):
    ...
    boathouse.catalogs.errors.BadEvent: data: 'value' is a required property.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self._lock = threading.Lock()
        self._schemas: dict[str, Schema] = {}
        self._files: dict[str, Path] = {}
        # Types that were looked up and are taken as they come: the way of nearly all events.
        self._free: set[str] = set()
        self.policy = Policy()
        self.load()

    def load(self) -> None:
        """Read the folder again; raises ``BadRequest`` naming the file and the field."""
        found = _Folder(self.folder)
        with self._lock:
            if self.folder is not None:
                self._schemas, self._files = found.schemas, found.files
                self.policy = found.policy
            self._free = set()

    def check(self, event: Event) -> Event:
        """The event as it may be stored, its keys in canonical form.

        Raises
        ------
        BadEvent
            ``field`` says where, such as ``data.identifier.date``.
        """
        if event.type in self._free:
            return event
        schema = self._schemas.get(event.type)
        if schema is None:
            return self._unknown(event)
        try:
            return schema.check(event)
        except BadEvent:
            if self.policy.mode(event.type) == "open":
                return event
            raise

    def document(self, type: str) -> dict[str, Any]:
        """The schema of a type as it was given; raises ``NotFound``."""
        schema = self._schemas.get(type)
        if schema is None:
            raise NotFound(f"There is no schema for events of type {type!r}.", field="type")
        return schema.document if isinstance(schema, JsonSchema) else msgspec.to_builtins(schema)

    def types(self) -> list[str]:
        """The CloudEvents types that have a schema."""
        return sorted(self._schemas)

    def aviso(self) -> dict[str, AvisoSchema]:
        """The Aviso schemas by Aviso's name of the event type."""
        return {
            type_.removeprefix(PREFIX): schema
            for type_, schema in sorted(self._schemas.items())
            if isinstance(schema, AvisoSchema)
        }

    def aviso_schema(self, event_type: str) -> AvisoSchema | None:
        """The schema of an Aviso event type, or None when it has none."""
        schema = self._schemas.get(PREFIX + event_type)
        return schema if isinstance(schema, AvisoSchema) else None

    def takes_unknown(self, type: str) -> bool:
        """Whether an event of a type without a schema is taken."""
        mode = self.policy.mode(type)
        if mode is not None:
            return mode == "open"
        if type.startswith(PREFIX):
            # As Aviso's server: whoever describes one event type wants all described.
            return not (self.policy.strict or any(t.startswith(PREFIX) for t in self._schemas))
        return not self.policy.strict or type.startswith(OWN_PREFIXES)

    def check_writer(self, event: Event, reader: Reader) -> None:
        """Raise ``Forbidden`` when the schema keeps the reader from writing such events."""
        schema = self._schemas.get(event.type)
        if isinstance(schema, AvisoSchema):
            schema.check_writer(event.type.removeprefix(PREFIX), reader)

    def may_read(self, type: str, reader: Reader) -> bool:
        """Whether the type's schema lets the reader see its events."""
        schema = self._schemas.get(type)
        return schema.may_read(reader) if isinstance(schema, AvisoSchema) else True

    def put(self, type: str, document: Mapping[str, Any]) -> None:
        """Set the schema of a type, for this registry and in its folder.

        Parameters
        ----------
        type : str
            The CloudEvents type; one that begins with ``int.ecmwf.aviso.`` gets an entry of
            Aviso's ``notification_schema``, any other the JSON Schema of its data.
        document : mapping
            The schema.

        Raises
        ------
        BadRequest
            When it is none.
        """
        document = _entry_of(type, document)
        schema = _schema_of(type, document)
        with self._lock:
            if self.folder is not None:
                path = self.folder / f"{type}{'.yaml' if type.startswith(PREFIX) else '.json'}"
                _write(path, _text_of(type, document))
                self._files[type] = path
            self._schemas = {**self._schemas, type: schema}
            self._free = set()

    def remove(self, type: str) -> None:
        """Drop the schema of a type; raises ``NotFound``, or ``Conflict`` when it is in a file
        with others."""
        self.document(type)
        with self._lock:
            path = self._files.pop(type, None)
            if path is not None:
                if path.stem != type:
                    self._files[type] = path
                    raise Conflict(f"The schema of {type!r} stands in {path.name}; edit that.")
                path.unlink(missing_ok=True)
            self._schemas = {one: known for one, known in self._schemas.items() if one != type}
            self._free = set()
        if self.folder is not None:
            self.load()  # a larger file may hold the type too

    def set_policy(self, policy: Policy) -> None:
        """Set how strict the registry is, for this registry and in its folder."""
        with self._lock:
            if self.folder is not None:
                _write(self.folder / _POLICY, yaml.safe_dump(msgspec.to_builtins(policy)))
            self.policy = policy
            self._free = set()

    def _unknown(self, event: Event) -> Event:
        if not self.takes_unknown(event.type):
            raise BadEvent(
                f"Events of type {event.type!r} have no schema here, and this log takes only "
                "types that have one.",
                field="type",
            )
        if len(self._free) < 10_000:
            self._free.add(event.type)
        return event


class _Folder:
    """What the files of a folder hold."""

    def __init__(self, folder: Path | None) -> None:
        self.schemas: dict[str, Schema] = {}
        self.files: dict[str, Path] = {}
        self.policy = Policy()
        self._strict_aviso: bool | None = None
        paths = sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []
        # A file named for its type comes last and wins.
        for path in sorted(paths, key=lambda path: path.name.startswith(PREFIX)):
            if path.suffix == ".json":
                self._add(path.stem, _read(path), path)
            elif path.name == _POLICY:
                self.policy = _policy_of(_read(path) or {})
            elif path.suffix in (".yaml", ".yml"):
                self._add_aviso(path)
        if self._strict_aviso is not None:
            mode: Mode = "strict" if self._strict_aviso else "open"
            types: dict[str, Mode] = {f"{PREFIX}*": mode, **self.policy.types}
            self.policy = msgspec.structs.replace(self.policy, types=types)

    def _add_aviso(self, path: Path) -> None:
        document = _read(path)
        entries = document.get("notification_schema") if isinstance(document, dict) else None
        if not isinstance(entries, dict):
            raise BadRequest(
                f"{path.name} has no 'notification_schema'; that is where Aviso's schemas are.",
                field="notification_schema",
            )
        strict = document.get("notification_schema_strict")
        if strict is not None:
            self._strict_aviso = bool(strict)
        for name, entry in entries.items():
            self._add(f"{PREFIX}{name}", entry, path)

    def _add(self, type_: str, document: Any, path: Path) -> None:
        known = self.files.get(type_)
        if known is not None and path.stem != type_:
            raise BadRequest(f"{path.name} and {known.name} both have a schema for {type_!r}.")
        try:
            self.schemas[type_] = _schema_of(type_, document)
        except BadRequest as error:
            raise BadRequest(f"{path.name}: {error.detail}", field=error.field) from error
        self.files[type_] = path


def _entry_of(type_: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a document says of a type: a whole file of Aviso's is as good as its entry."""
    if not type_.startswith(PREFIX):
        return document
    name = type_.removeprefix(PREFIX)
    found = document.get("notification_schema")
    if isinstance(found, Mapping):
        known = cast("Mapping[str, Any]", found)
        if name not in known:
            raise BadRequest(
                f"The file has no schema '{name}'; it has {', '.join(map(str, known)) or 'none'}.",
                field=f"notification_schema.{name}",
            )
        return known[name]
    if not document.keys() & set(AvisoSchema.__struct_fields__):
        raise BadRequest(
            f"The schema '{name}' says nothing: give identifier, with a handler for each key.",
            field=f"notification_schema.{name}.identifier",
        )
    return document


def _schema_of(type_: str, document: Any) -> Schema:
    if not _TYPE.fullmatch(type_):
        raise BadRequest(
            f"An event type is letters, digits, dots, dashes and underscores; {type_[:60]!r} is "
            "not.",
            field="type",
        )
    if not isinstance(document, Mapping):
        raise BadRequest(f"The schema of {type_!r} must be an object.", field="schema")
    if not type_.startswith(PREFIX):
        return JsonSchema(document)
    name = type_.removeprefix(PREFIX)
    try:
        return msgspec.convert(document, AvisoSchema).validated(name)
    except msgspec.ValidationError as error:
        mended = from_decoding(error)
        raise BadRequest(
            f"The schema '{name}' is not valid: {error}.",
            field=f"notification_schema.{name}.{mended.field}" if mended.field else None,
        ) from error


def _policy_of(document: Any) -> Policy:
    try:
        return msgspec.convert(document, Policy)
    except msgspec.ValidationError as error:
        raise from_decoding(error) from error


def _text_of(type_: str, document: Mapping[str, Any]) -> str:
    if not type_.startswith(PREFIX):
        return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
    entry = {"notification_schema": {type_.removeprefix(PREFIX): dict(document)}}
    return yaml.safe_dump(entry, sort_keys=False, allow_unicode=True)


def _read(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return msgspec.json.decode(text)
        return read_yaml(text)
    except (yaml.YAMLError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path.name} cannot be read: {error}.", field="schema") from error


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
