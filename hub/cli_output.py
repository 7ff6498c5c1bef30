"""What commands print: tables for people, JSON lines for programs."""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from .tables import format_table

T = TypeVar("T")


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def hint(text: str) -> None:
    """Print a line that a program which reads the output does not see."""
    sys.stderr.write(f"{text}\n")


def say_json(thing: Any) -> None:
    """Print a thing as one line of JSON."""
    say(msgspec.json.encode(thing).decode())


def wants_json(given: argparse.Namespace) -> bool:
    """Whether JSON lines are wanted: with ``--json``, and in a pipe."""
    return given.json or not sys.stdout.isatty()


def width() -> int:
    """Columns of the terminal; 0 for whole lines, as in a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def say_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print rows; when there are none, a pipe gets nothing and a person a hint."""
    if not rows:
        hint(empty)
        return
    say(format_table(headings, rows, width=width()))


def say_things(
    given: argparse.Namespace,
    things: Iterable[T],
    columns: dict[str, Callable[[T], str]],
    *,
    empty: str,
) -> None:
    """Print things as a table, or each as a line of JSON.

    Parameters
    ----------
    given : Namespace
        With ``json``.
    things : iterable
        Anything that msgspec can encode.
    columns : dict
        Heading to a function that makes the cell.
    empty : str
        What a person is told when there is none.
    """
    if not wants_json(given):
        rows = [[cell(thing) for cell in columns.values()] for thing in things]
        say_table(list(columns), rows, empty=empty)
        return
    for thing in things:
        say_json(thing)


def when_text(time: str) -> str:
    """An RFC 3339 time as people read it, to the second.

    Examples
    --------
    >>> when_text("2026-01-31T06:00:00.125Z")
    '2026-01-31 06:00:00'
    """
    return time[:19].replace("T", " ")
