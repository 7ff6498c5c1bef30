"""The command line: ``boathouse up`` and thin commands over what a notebook can do."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from ..catalogs.errors import BadRequest, BoathouseError
from .layout import DEFAULT_PORT, STATE
from .plans import PLANS
from .tables import format_table

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
        print(f"boathouse: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="boathouse",
        description="A workplace on a data lake. Notebooks: import boathouse as bh.",
    )
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    lake = argparse.ArgumentParser(add_help=False)
    lake.add_argument("--lake", help="the lake's folder (default: what the configuration says)")
    _add_hub(commands, lake)
    _add_events(commands, lake)
    _add_work(commands, lake)
    return parser


def _add_hub(commands: Any, lake: argparse.ArgumentParser) -> None:
    up = commands.add_parser("up", parents=[lake], help="start Boathouse on this machine")
    up.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 for a free one")
    up.add_argument("--no-replay", action="store_true", help="without the demo's replay clock")
    up.add_argument("--no-demo", action="store_true", help="without the demo's data and clock")
    up.set_defaults(command=_up)

    demo = commands.add_parser("demo", parents=[lake], help="fill a lake with the demo's data")
    demo.set_defaults(command=_demo)

    user = commands.add_parser("user", help="who may log in").add_subparsers(
        required=True, metavar="COMMAND"
    )
    add = user.add_parser("add", parents=[lake], help="make a user; prints the password once")
    add.add_argument("name")
    add.add_argument("--plan", default="explorer", choices=sorted(PLANS))
    add.add_argument("--admin", action="store_true")
    add.set_defaults(command=_user_add)
    renew = user.add_parser("password", parents=[lake], help="make a new password")
    renew.add_argument("name")
    renew.set_defaults(command=_user_password)
    user.add_parser("list", parents=[lake], help="all users").set_defaults(command=_user_list)

    kernel = commands.add_parser("kernel", help="the Jupyter kernel").add_subparsers(
        required=True, metavar="COMMAND"
    )
    install = kernel.add_parser("install", help="make Jupyter know the Boathouse kernel")
    install.add_argument("--prefix", type=Path, help="environment (default: this Python's)")
    install.set_defaults(command=_kernel_install)


def _add_events(commands: Any, lake: argparse.ArgumentParser) -> None:
    notify = commands.add_parser("notify", parents=[lake], help="append an event to the log")
    notify.add_argument("type")
    notify.add_argument("--collection", default="")
    notify.add_argument("--source", default="")
    notify.add_argument("--subject", default="")
    notify.add_argument("--data", type=_json, help="JSON")
    notify.set_defaults(command=_notify)

    for name, text in (("listen", "print events as they come"), ("replay", "print old events")):
        command = commands.add_parser(name, parents=[lake], help=text)
        command.add_argument("--type", default="")
        command.add_argument("--collection", default="")
        command.set_defaults(command=_listen if name == "listen" else _replay)
        if name == "replay":
            command.add_argument("--since", default="0", help="RFC 3339 time, or sequence number")


def _add_work(commands: Any, lake: argparse.ArgumentParser) -> None:
    commands.add_parser("catalog", parents=[lake], help="what the lake holds").set_defaults(
        command=_catalog
    )
    run = commands.add_parser("run", parents=[lake], help="run a recipe")
    run.add_argument("recipe")
    run.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="VALUE is JSON or text")
    run.add_argument("--wait", action="store_true", help="until the job has ended")
    run.set_defaults(command=_run)
    for name, command in (("jobs", _jobs), ("rules", _rules)):
        commands.add_parser(name, parents=[lake], help=f"your {name}").set_defaults(command=command)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error


# --- the hub -----------------------------------------------------------------------------
def _up(given: argparse.Namespace) -> int:
    from .up import up

    demo = not given.no_demo
    replay = demo and not given.no_replay
    return up(Path(given.lake or "lake"), port=given.port, replay=replay, demo=demo)


def _demo(given: argparse.Namespace) -> None:
    from ..catalogs.demo import build_demo
    from ..catalogs.lake import open_lake

    build_demo(open_lake(given.lake or "lake", user="boathouse"), progress=print)


def _users(given: argparse.Namespace) -> Any:
    from .users import Users

    state = Path(given.lake or "lake").expanduser().resolve() / STATE
    if not state.is_dir():
        raise BadRequest(
            f"There is no lake in {state.parent}; start it first with 'boathouse up', or say "
            "where it is with --lake.",
            field="lake",
        )
    return Users(state)


def _user_add(given: argparse.Namespace) -> None:
    password = _users(given).add(given.name, plan=given.plan, admin=given.admin)
    print(f"user      {given.name}\npassword  {password}\nIt is shown only now.")


def _user_password(given: argparse.Namespace) -> None:
    password = _users(given).renew(given.name)
    print(f"user      {given.name}\npassword  {password}\nIt is shown only now.")


def _user_list(given: argparse.Namespace) -> None:
    rows = [
        (name, user.plan, "admin" if user.admin else "")
        for name, user in sorted(_users(given).all().items())
    ]
    _list(("USER", "PLAN", "ROLE"), rows, empty="No users yet: boathouse user add NAME")


def _kernel_install(given: argparse.Namespace) -> None:
    from ..kernels.kernelspec import install_kernel

    print(f"The Boathouse kernel is in {install_kernel(given.prefix)}")


# --- what a notebook can do --------------------------------------------------------------
def _face(given: argparse.Namespace) -> Any:
    """The notebook face, with ``--lake`` as its default lake."""
    if given.lake:
        os.environ["DASK_BOATHOUSE__LAKE"] = str(Path(given.lake).expanduser().resolve())
        # A lake that is named is opened here, not through a hub.
        os.environ.pop("DASK_BOATHOUSE__ADDRESS", None)
    return import_module("boathouse")


def _show(thing: Any) -> None:
    print(msgspec.json.encode(thing).decode(), flush=True)


def _list(headings: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print rows; when there are none, a pipe gets nothing and a person a hint."""
    if not rows:
        print(empty, file=sys.stderr)
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    print(format_table(headings, rows, width=width))


def _notify(given: argparse.Namespace) -> None:
    _show(
        _face(given).notify(
            given.type,
            source=given.source,
            collection=given.collection,
            subject=given.subject,
            data=given.data,
        )
    )


def _listen(given: argparse.Namespace) -> None:
    for event in _face(given).listen(type=given.type, collection=given.collection):
        _show(event)


def _replay(given: argparse.Namespace) -> None:
    since = int(given.since) if given.since.isdigit() else given.since
    for event in _face(given).replay(since, type=given.type, collection=given.collection):
        _show(event)


def _catalog(given: argparse.Namespace) -> None:
    from ..catalogs.lake import open_lake

    _face(given)
    from ..kernels import session as session  # binds the default lake

    rows = [(each.id, each.kind, each.title) for each in open_lake().store.collections()]
    _list(("DATASET", "KIND", "TITLE"), rows, empty="An empty lake: boathouse demo fills it.")


def _run(given: argparse.Namespace) -> int:
    parameters: dict[str, Any] = {}
    for each in given.parameters:
        name, mark, value = each.partition("=")
        if not mark:
            raise BadRequest(f"{each!r} is no NAME=VALUE.", field="parameters")
        try:
            parameters[name] = json.loads(value)
        except json.JSONDecodeError:
            parameters[name] = value
    job = _face(given).run(given.recipe, **parameters)
    if given.wait:
        job.wait()
    print(f"{job.id}  {job.state}  {job.message}".rstrip())
    return 1 if job.state in ("failed", "dismissed") else 0


def _jobs(given: argparse.Namespace) -> None:
    rows = [
        (job.id, job.state, f"{job.cells_done}/{job.cells_total}", job.recipe, job.message)
        for job in _face(given).jobs()
    ]
    hint = "No jobs yet: boathouse run RECIPE NAME=VALUE ..."
    _list(("JOB", "STATE", "CELLS", "RECIPE", "MESSAGE"), rows, empty=hint)


def _rules(given: argparse.Namespace) -> None:
    rows = [
        (rule.name, rule.where.type, rule.where.collection or "any", rule.recipe)
        for rule in _face(given).rules()
    ]
    hint = "No rules yet: tutorial 03-when-this-arrives makes one."
    _list(("RULE", "WHEN", "DATASET", "RUNS"), rows, empty=hint)
