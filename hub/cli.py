"""The command line: ``boathouse up`` and thin commands over what a notebook can do."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from ..catalogs.errors import BoathouseError
from . import cli_events, cli_hub, cli_lake, cli_rules, cli_work

Command = Callable[[argparse.Namespace], int | None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; an error is one line and exit code 1.

    Examples
    --------
    >>> main(["user", "add", "No Name", "--lake", "/tmp/none"])  # doctest: +SKIP
    1
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    command: Command | None = given.command
    if command is None:
        parser.print_help()
        return 2
    try:
        return command(given) or 0
    except BrokenPipeError:
        # Somebody read enough, as `head` does; stdout must not complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (BoathouseError, OSError) as error:
        sys.stderr.write(f"boathouse: {' '.join(str(error).split())}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="boathouse",
        description="A workplace on a data lake. Notebooks: import boathouse as bh.",
    )
    parser.set_defaults(command=None, lake=None, json=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    lake, listing = cli_lake.options(), cli_lake.listing_options()
    cli_hub.add(commands, lake)
    cli_events.add(commands, lake, listing)
    cli_rules.add(commands, lake, listing)
    cli_work.add(commands, lake)
    return parser
