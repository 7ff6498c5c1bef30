"""The users of a hub in local mode: names, plans and password hashes in one private file."""

import fcntl
import os
import re
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ..catalogs.errors import BadRequest, Conflict, NotFound
from .layout import write_private
from .plans import PLANS

FIRST_USER = "skipper"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
# No letters and digits that look alike; 16 of 54 signs are 92 bits.
_ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class User(msgspec.Struct, frozen=True, kw_only=True):
    """One user: the argon2 hash of the password, the plan, and whether he administers."""

    hash: str
    plan: str = "explorer"
    admin: bool = False


class Users:
    """The users in ``users.json`` of a state folder (mode 0600).

    Parameters
    ----------
    state : Path
        The lake's state folder.

    Examples
    --------
    >>> import tempfile
    >>> users = Users(Path(tempfile.mkdtemp()))
    >>> password = users.add("ann", plan="scaler")
    >>> users.check("ann", password), users.check("ann", "guess")
    (True, False)
    """

    def __init__(self, state: Path) -> None:
        self._file = state / "users.json"
        self._first = state / "password"
        self._lock = state / "users.lock"
        self._hasher = PasswordHasher()

    @cached_property
    def _nobody(self) -> str:
        """Checked in place of an unknown user's hash, so that the answer takes as long."""
        return self._hasher.hash(secrets.token_hex(16))

    def all(self) -> dict[str, User]:
        """Every user by name."""
        if not self._file.exists():
            return {}
        return msgspec.json.decode(self._file.read_bytes(), type=dict[str, User])

    def check(self, name: str, password: str) -> bool:
        """Whether the password is right; takes as long for an unknown name."""
        user = self.all().get(name)
        try:
            self._hasher.verify(user.hash if user else self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return user is not None

    def add(self, name: str, *, plan: str = "explorer", admin: bool = False) -> str:
        """Make a user and return the generated password, which is kept for the first user only.

        Raises
        ------
        BadRequest
            When the name or the plan is not valid.
        Conflict
            When there is such a user already.
        """
        if not _NAME.fullmatch(name):
            raise BadRequest(
                f"{name!r} is no user name: use lower-case letters, digits and hyphens, "
                "a letter first, at most 32.",
                field="name",
            )
        if plan not in PLANS:
            raise BadRequest(f"No plan {plan!r}; there are {', '.join(PLANS)}.", field="plan")
        with self._locked():
            users = self.all()
            if name in users:
                raise Conflict(f"There is a user {name!r} already.", field="name")
            return self._save(users, name, User(hash="", plan=plan, admin=admin))

    def renew(self, name: str) -> str:
        """Give a user a new generated password and return it; raises ``NotFound``."""
        with self._locked():
            users = self.all()
            if name not in users:
                raise NotFound(f"There is no user {name!r}.", field="name")
            return self._save(users, name, users[name])

    def first(self) -> tuple[str, str]:
        """The first user's name and password; made at the first call.

        The password is kept in ``password`` (mode 0600), so that a later start can show it
        again.  It is an empty text when somebody has taken that file away.
        """
        if not self.all():
            self.add(FIRST_USER, plan="scaler", admin=True)
        name = next(iter(self.all()))
        return name, self._first.read_text(encoding="utf-8") if self._first.exists() else ""

    def _save(self, users: dict[str, User], name: str, user: User) -> str:
        password = "".join(secrets.choice(_ALPHABET) for _ in range(16))
        fresh = msgspec.structs.replace(user, hash=self._hasher.hash(password))
        write_private(self._file, msgspec.json.encode({**users, name: fresh}))
        if not users or (name == next(iter(users)) and self._first.exists()):
            write_private(self._first, password.encode())
        return password

    @contextmanager
    def _locked(self) -> Generator[None]:
        with os.fdopen(os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
