"""``boathouse up | demo | user | kernel``: what whoever runs a Boathouse needs."""

import argparse
from pathlib import Path
from typing import Any

from ..catalogs.errors import BadRequest
from .cli_output import say, say_table
from .layout import DEFAULT_PORT, STATE
from .plans import PLANS


def add(commands: Any, lake: argparse.ArgumentParser) -> None:
    """Add the commands."""
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
    new = user.add_parser("add", parents=[lake], help="make a user; prints the password once")
    new.add_argument("name")
    new.add_argument("--plan", default="explorer", choices=sorted(PLANS))
    new.add_argument("--admin", action="store_true")
    new.set_defaults(command=_user_add)
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


def _up(given: argparse.Namespace) -> int:
    from .up import up

    demo = not given.no_demo
    replay = demo and not given.no_replay
    return up(Path(given.lake or "lake"), port=given.port, replay=replay, demo=demo)


def _demo(given: argparse.Namespace) -> None:
    from ..catalogs.demo import build_demo
    from ..catalogs.lake import open_lake

    build_demo(open_lake(given.lake or "lake", user="boathouse"), progress=say)


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
    say(f"user      {given.name}\npassword  {password}\nIt is shown only now.")


def _user_password(given: argparse.Namespace) -> None:
    password = _users(given).renew(given.name)
    say(f"user      {given.name}\npassword  {password}\nIt is shown only now.")


def _user_list(given: argparse.Namespace) -> None:
    rows = [
        (name, user.plan, "admin" if user.admin else "")
        for name, user in sorted(_users(given).all().items())
    ]
    say_table(("USER", "PLAN", "ROLE"), rows, empty="No users yet: boathouse user add NAME")


def _kernel_install(given: argparse.Namespace) -> None:
    from ..kernels.kernelspec import install_kernel

    say(f"The Boathouse kernel is in {install_kernel(given.prefix)}")
