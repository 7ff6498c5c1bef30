"""``boathouse notify | listen | replay``: the event log in a terminal."""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from ..catalogs.errors import BadEvent
from ..catalogs.events.conditions import read_conditions, read_value
from ..catalogs.events.event import Event, EventFilter
from ..catalogs.events.wire import STRUCTURED, decode_request, encode_numbered
from .cli_lake import event_log, face
from .cli_output import hint, say, wants_json, when_text, width

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d|w)")
_TIME = "ISO 8601, or how long ago: 90min, 2h, 7d"


def add(commands: Any, lake: argparse.ArgumentParser, listing: argparse.ArgumentParser) -> None:
    """Add the commands."""
    notify = commands.add_parser("notify", parents=[lake], help="append events to the log")
    notify.add_argument("type", nargs="?", default="", help="such as org.example.ping")
    for name, text in (
        ("collection", "the collection that it concerns"),
        ("source", "where it happened (default: you)"),
        ("subject", "the thing that it is about"),
        ("datatime", "the time of the data, RFC 3339"),
        ("bbox", "WEST,SOUTH,EAST,NORTH in degrees"),
        ("dataref", "where the data lie"),
        ("partitionkey", "what belongs together"),
        ("expirytime", "after this nobody need care, RFC 3339"),
        ("id", "your own name for it: the same source and id again change nothing"),
    ):
        notify.add_argument(f"--{name}", default="", help=text)
    notify.add_argument("--access", default="private", help="private, public or group:NAME")
    notify.add_argument("--data", type=json_value, help="JSON")
    notify.add_argument(
        "-x", "--extension", action="append", default=[], metavar="NAME=VALUE",
        help="a further attribute of CloudEvents; may be given several times",
    )  # fmt: skip
    notify.add_argument("--file", help="many events, one JSON object a line; - for the input")
    notify.set_defaults(command=_notify)

    which = filter_options()
    listen = commands.add_parser(
        "listen", parents=[lake, listing, which], help="print events as they come"
    )
    listen.add_argument("--after", type=int, help="begin after this sequence number")
    listen.add_argument("--since", default="", type=when, help=f"begin here: {_TIME}")
    listen.add_argument("--consumer", default="", metavar="NAME", help="go on where it stopped")
    listen.add_argument("--count", type=int, default=0, help="stop after so many")
    listen.add_argument("--timeout", type=float, help="stop after so many seconds of silence")
    listen.set_defaults(command=_listen)

    replay = commands.add_parser(
        "replay", parents=[lake, listing, which], help="print events of the past"
    )
    replay.add_argument("--since", default="0", type=when, help=f"{_TIME}; or after this number")
    replay.add_argument("--until", default="", type=when, help=f"{_TIME}; or up to this number")
    replay.set_defaults(command=_replay)


def filter_options() -> argparse.ArgumentParser:
    """The options that pick events."""
    parser = argparse.ArgumentParser(add_help=False)
    which = parser.add_argument_group("which events")
    which.add_argument("--type", action="append", default=[], help="exact, or org.example.*")
    which.add_argument("--collection", default="", help="exact")
    which.add_argument("--source", default="", help="exact")
    which.add_argument("--subject", default="", help="exact, or a beginning and *")
    which.add_argument("--data-since", default="", type=when, help=f"time of the data: {_TIME}")
    which.add_argument("--data-until", default="", type=when, help=f"time of the data: {_TIME}")
    which.add_argument("--bbox", default="", metavar="WEST,SOUTH,EAST,NORTH", help="degrees")
    which.add_argument("--area", metavar="GEOJSON", help="a file, or the text itself")
    which.add_argument(
        "--where", action="append", default=[], metavar="CONDITION",
        help="a field: 'cloud_cover<20', 'param in 2t,10u', 'data.a.b exists'; several: all",
    )  # fmt: skip
    which.add_argument("--filter", metavar="JSON", help="a whole filter, as rules have it")
    return parser


def conditions(given: argparse.Namespace) -> dict[str, Any]:
    """What the options say, as keywords of ``bh.listen``."""
    where: Any = read_conditions(given.where)
    if given.filter:
        if where:
            raise BadEvent("Give --where or --filter, not both.", field="filter")
        where = whole_filter(given.filter)
    return {
        "type": given.type[0] if len(given.type) == 1 else tuple(given.type),
        "collection": given.collection,
        "source": given.source,
        "subject": given.subject,
        "data_since": given.data_since,
        "data_until": given.data_until,
        "bbox": given.bbox,
        "area": None if given.area is None else read_area(given.area),
        "where": where,
    }


def whole_filter(text: str) -> EventFilter:
    """An EventFilter from JSON; raises ``BadEvent``."""
    from ..catalogs.errors import from_decoding

    try:
        return msgspec.json.decode(text, type=EventFilter).validated()
    except msgspec.DecodeError as error:
        raise from_decoding(error, BadEvent) from error


def read_area(text: str) -> Any:
    """GeoJSON from a file or a text; raises ``BadEvent``."""
    try:
        if not text.lstrip().startswith(("{", "[")):
            text = Path(text).expanduser().read_text(encoding="utf-8")
        return json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadEvent(f"area is no GeoJSON: {error}.", field="area") from error


def when(text: str) -> str:
    """A time, a number as it is, or how long ago as a time.

    Examples
    --------
    >>> when("2026-01-31"), when("17"), when("2h")[-1]
    ('2026-01-31', '17', 'Z')
    """
    if found := _AGO.fullmatch(text.strip()):
        ago = timedelta(seconds=float(found[1]) * _UNITS[found[2]])
        return (datetime.now(UTC) - ago).isoformat(timespec="milliseconds")[:-6] + "Z"
    return text


def json_value(text: str) -> Any:
    """JSON, for argparse."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error


def event_line(event: Event) -> str:
    """An event in one line that fits the terminal.

    Examples
    --------
    >>> event_line(Event(type="a.b", source="/s", time="2026-01-31T06:00:00Z", sequence=7))
    '       7  2026-01-31 06:00:00  a.b'
    """
    from ..kernels.event_table.rows import place_of

    line = (
        f"{event.sequence:8}  {when_text(event.time)}  {event.type:36}  {event.collection:14}  "
        f"{event.subject}  {place_of(event)}"
    ).rstrip()
    line = " ".join(line.splitlines())
    room = width()
    return f"{line[: room - 1]}…" if room and len(line) > room else line


# --- the commands ------------------------------------------------------------------------
def _notify(given: argparse.Namespace) -> None:
    bh = face(given)
    if given.file:
        if given.type:
            raise BadEvent("Give a type or --file, not both.", field="file")
        for event in bh.notify_many(list(_lines(given.file))):
            _say_event(event)
        return
    if not given.type:
        raise BadEvent("An event needs a type, such as org.example.ping.", field="type")
    names = (
        "source", "collection", "subject", "datatime", "bbox", "dataref", "partitionkey",
        "expirytime", "id", "access", "data",
    )  # fmt: skip
    extensions: dict[str, Any] = {}
    for each in given.extension:
        name, mark, value = each.partition("=")
        if not mark:
            raise BadEvent(f"{each!r} is no NAME=VALUE.", field="extension")
        plain = read_value(value)
        extensions[name] = plain if isinstance(plain, int) else value
    attributes = {name: getattr(given, name) for name in names}
    _say_event(bh.notify(given.type, **attributes, extensions=extensions))


def _lines(name: str) -> Iterator[Event | dict[str, Any]]:
    """Events as ``bh.notify`` takes them, or as CloudEvents JSON, which ``replay`` prints."""
    text = sys.stdin.read() if name == "-" else Path(name).expanduser().read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except json.JSONDecodeError as error:
            raise BadEvent(f"Line {number} is no JSON: {error}.", field="file") from error
        if not isinstance(document, dict):
            raise BadEvent(f"Line {number} is no JSON object.", field="file")
        if "specversion" not in document:
            yield document
            continue
        (event,) = decode_request({"content-type": STRUCTURED}, line.encode())
        # Whose it is, is not for a file to say.
        yield msgspec.structs.replace(event, owner="")


def _listen(given: argparse.Namespace) -> None:
    from ..catalogs.events.listening import ConsumerSource, Source
    from ..catalogs.events.notices import filter_of

    where = filter_of(**conditions(given), since=given.since)
    log = event_log(given)
    after = 0 if given.after is None and given.since else given.after
    if given.consumer:
        asked = None if where == EventFilter() else where  # none leaves it as it is
        consumer = log.consume(given.consumer, where=asked, after=after)
        source: Source = ConsumerSource(log, consumer, given.timeout)
    else:
        source = Source(log, where, after, given.timeout)
    shown = 0

    def show(event: Event) -> None:
        nonlocal shown
        _show(given, event)
        shown += 1
        if shown == given.count:
            source.stopping.set()

    if not wants_json(given):
        hint("Listening; Ctrl-C ends it.")
    # A consumer's event is done when it has been written, and not before.
    source.call(show)


def _replay(given: argparse.Namespace) -> None:
    since, until = (_number_or_time(text) for text in (given.since, given.until))
    with suppress(KeyboardInterrupt):
        for event in face(given).replay(since, until, **conditions(given)):
            _show(given, event)


def _number_or_time(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _show(given: argparse.Namespace, event: Event) -> None:
    if wants_json(given):
        _say_event(event)
    else:
        say(event_line(event))


def _say_event(event: Event) -> None:
    # As CloudEvents has it: extensions stand beside the other attributes.
    say(encode_numbered(event).decode())
