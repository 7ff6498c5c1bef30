"""Functions from notebooks that stay: kept by content hash, run only on their owner's workers."""

import hashlib
import importlib.metadata
import inspect
import pickletools
import re
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from ..catalogs.errors import BadRequest, Conflict, NotFound, PlanExceeded
from ..catalogs.sqlite import open_database, transaction
from ..catalogs.times import now_text

# A function that is larger carries data along, which belongs into the lake.
LARGEST_CODE = 4_000_000
FUNCTIONS_OF_A_USER = 200
# How many versions of one name are kept; rules of older ones were replaced long ago.
VERSIONS_KEPT = 20

SCHEMA = """
create table if not exists codes(digest text primary key, code blob not null) without rowid;
create table if not exists functions(
    owner text not null, name text not null, version integer not null, digest text not null,
    withdrawn integer not null default 0, body blob not null,
    primary key(owner, name, version)) without rowid;
"""
_NAME = re.compile(r"[\w][\w .:-]{0,99}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class DeployedFunction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A function as it is kept: bytes that only a worker of its owner ever loads.

    Attributes
    ----------
    name : str
        Its name among those of its owner.
    digest : str
        SHA-256 of ``code``, in hexadecimal.
    python : str
        The minor version that it was deployed from, such as ``"3.12"``: bytecode of another
        one does not run.
    modules : dict
        The packages that it names, with their versions.
    batch : bool
        Whether it takes a list of events; else one event.
    code : bytes
        As cloudpickle wrote it; empty in lists.
    title : str
        The first line of its docstring.
    owner, version, created
        Filled by who keeps it.
    """

    name: str
    digest: str
    python: str
    modules: dict[str, str] = {}
    batch: bool = False
    code: bytes = b""
    title: str = ""
    owner: str = ""
    version: int = 0
    created: str = ""

    def __repr__(self) -> str:
        return f"<Function {self.name} version {self.version} {self.digest[:12]}>"


def python_here() -> str:
    """This Python's minor version, such as ``"3.12"``."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def pack_function(
    function: Callable[..., Any], *, name: str = "", batch: bool = False
) -> DeployedFunction:
    """Write a function down with all that it needs and what it was made with.

    Parameters
    ----------
    function : callable
        Called with one event (or a list of them); a parameter that is called ``lake`` gets
        the lake, opened with the owner's rights.
    name : str, optional
        Its name; by default the function's own.
    batch : bool, optional
        Whether it takes a list of events.

    Raises
    ------
    BadRequest
        When it holds what cannot be sent, such as an open file or a lake, or is too large.

    Examples
    --------
    >>> pack_function(lambda event: event.id, name="echo").python == python_here()
    True
    """
    import cloudpickle

    chosen = name or getattr(function, "__name__", "")
    try:
        with _by_value(function):
            code: bytes = cloudpickle.dumps(function, protocol=5)
    # What fails in somebody's __reduce__ may be any exception.
    except Exception as error:
        raise BadRequest(
            f"{chosen} cannot be deployed, since it holds what cannot be sent: {error}. Open "
            "files, lakes and clients inside of the function.",
            field="function",
        ) from error
    title = (inspect.getdoc(function) or "").partition("\n")[0]
    packed = DeployedFunction(
        name=chosen,
        digest=hashlib.sha256(code).hexdigest(),
        python=python_here(),
        modules=_modules_in(code),
        batch=batch,
        code=code,
        title=title[:200],
    )
    check_function(packed)
    return packed


def check_function(function: DeployedFunction) -> None:
    """Raise ``BadRequest`` when a function cannot be kept; its bytes are not loaded for that."""
    if not _NAME.fullmatch(function.name):
        raise BadRequest(
            f"{function.name!r} cannot be the name of a function; give one with name=, of up to "
            "100 letters, digits, blanks and . : - _.",
            field="name",
        )
    if len(function.code) > LARGEST_CODE:
        raise BadRequest(
            f"{function.name} has {len(function.code) / 1e6:.1f} MB; at most "
            f"{LARGEST_CODE / 1e6:.0f} MB fit. Publish the data that it carries, and open it in "
            "the function.",
            field="code",
        )
    if not re.fullmatch(r"3\.\d{1,3}", function.python):
        raise BadRequest(
            f"{function.python!r} is no Python version such as '3.12'.", field="python"
        )
    if not function.code or hashlib.sha256(function.code).hexdigest() != function.digest:
        raise BadRequest("The digest is not that of the code.", field="digest")


class FunctionStore:
    """The functions of all users of a lake; their bytes are kept, never loaded.

    Parameters
    ----------
    path : Path
        The SQLite file; made when missing, for the owner's eyes only.

    Examples
    --------
    >>> import tempfile
    >>> store = FunctionStore(Path(tempfile.mkdtemp()) / "functions.sqlite")
    >>> store.save(pack_function(len, name="size"), owner="ann").version
    1
    >>> store.close()
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._database = open_database(path, SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def save(self, function: DeployedFunction, *, owner: str) -> DeployedFunction:
        """Keep a function as the next version of its name; the newest one again changes nothing.

        Raises
        ------
        BadRequest
            When it is too large, or its digest is not that of its code.
        PlanExceeded
            When the owner has too many functions.
        """
        check_function(function)
        with self._lock, transaction(self._database):
            newest = self._newest(owner, function.name)
            known = msgspec.structs.replace(function, code=b"", owner="", version=0, created="")
            if newest is not None:
                same = msgspec.structs.replace(newest[0], owner="", version=0, created="")
                if same == known and not newest[1]:
                    return newest[0]
            else:
                self._check_room(owner)
            kept = msgspec.structs.replace(
                known,
                owner=owner,
                version=newest[0].version + 1 if newest else 1,
                created=now_text(),
            )
            self._write(kept, function.code)
        return kept

    def functions(self, owner: str | None = None) -> list[DeployedFunction]:
        """The newest version of each function that is not withdrawn, without code, by name."""
        rows = self._rows(
            "select body, withdrawn, max(version) from functions "
            "where ? is null or owner=? group by owner, name order by name, owner",
            owner,
            owner,
        )
        return [_decoded(body) for body, withdrawn, _version in rows if not withdrawn]

    def find(self, owner: str, name: str, digest: str = "") -> DeployedFunction:
        """One function with its code, by default its newest version; raises ``NotFound``."""
        rows = self._rows(
            "select body, code from functions join codes using(digest) "
            "where owner=? and name=? and (?='' or digest=?) and not withdrawn "
            "order by version desc limit 1",
            owner,
            name,
            digest,
            digest,
        )
        if not rows:
            what = f"{name!r} ({digest[:12]})" if digest else repr(name)
            raise NotFound(
                f"There is no deployed function {what}; it was withdrawn or never deployed.",
                field="function",
            )
        return msgspec.structs.replace(_decoded(rows[0][0]), code=rows[0][1])

    def withdraw(self, owner: str, name: str) -> None:
        """Let all versions of a function run no more; raises ``NotFound``."""
        with self._lock, transaction(self._database):
            changed = self._database.execute(
                "update functions set withdrawn=1 where owner=? and name=? and not withdrawn",
                (owner, name),
            )
            if not changed.rowcount:
                raise NotFound(f"There is no deployed function {name!r}.", field="name")
            self._forget_codes()

    def _write(self, kept: DeployedFunction, code: bytes) -> None:
        self._database.execute("insert or ignore into codes values(?, ?)", (kept.digest, code))
        self._database.execute(
            "insert into functions values(?, ?, ?, ?, 0, ?)",
            (kept.owner, kept.name, kept.version, kept.digest, msgspec.json.encode(kept)),
        )
        self._database.execute(
            "delete from functions where owner=? and name=? and version<=?",
            (kept.owner, kept.name, kept.version - VERSIONS_KEPT),
        )
        self._forget_codes()

    def _forget_codes(self) -> None:
        self._database.execute(
            "delete from codes where digest not in "
            "(select digest from functions where not withdrawn)"
        )

    def _newest(self, owner: str, name: str) -> tuple[DeployedFunction, bool] | None:
        rows = self._rows(
            "select body, withdrawn from functions where owner=? and name=? "
            "order by version desc limit 1",
            owner,
            name,
        )
        return (_decoded(rows[0][0]), bool(rows[0][1])) if rows else None

    def _check_room(self, owner: str) -> None:
        (count,) = self._rows(
            "select count(distinct name) from functions where owner=? and not withdrawn", owner
        )[0]
        if count >= FUNCTIONS_OF_A_USER:
            raise PlanExceeded(
                f"You have {FUNCTIONS_OF_A_USER} deployed functions; withdraw some first."
            )

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._database.execute(query, values).fetchall()


def load_function(function: DeployedFunction) -> Callable[..., Any]:
    """Load a function from its bytes: only on a worker of its owner.

    Raises
    ------
    Conflict
        When this Python is not the one that it was deployed from.
    BadRequest
        When the bytes are not those that were deployed.
    """
    if function.python != python_here():
        raise Conflict(
            f"{function.name} was deployed from Python {function.python}, and this worker has "
            f"{python_here()}; deploy it again from a kernel of that version.",
            field="python",
        )
    check_function(function)
    import cloudpickle

    return cloudpickle.loads(function.code)


def differences(modules: dict[str, str]) -> str:
    """Which packages have other versions here than when the function was deployed."""
    other: list[str] = []
    for name, version in modules.items():
        try:
            here = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            here = "not here"
        if here != version:
            other.append(f"{name} {version} (here: {here})")
    return ", ".join(other)


def is_digest(text: str) -> bool:
    """Whether a text can be the digest of a function."""
    return bool(_DIGEST.fullmatch(text))


@contextmanager
def _by_value(function: Callable[..., Any]) -> Generator[None]:
    """Let a function of a module of the user's own travel whole: workers cannot import that."""
    import cloudpickle

    module = inspect.getmodule(function)
    place = getattr(module, "__file__", None)
    travels = (
        module is not None
        and module.__name__ != "__main__"
        and place is not None
        and not _is_installed(Path(place))
        and module.__name__ not in cloudpickle.list_registry_pickle_by_value()
    )
    if not travels:
        yield
        return
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def _is_installed(place: Path) -> bool:
    import sysconfig

    ours = Path(__file__).parents[1] / "workflows"
    folders = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
    return any(place.is_relative_to(folder) for folder in (*folders, ours))


def _modules_in(code: bytes) -> dict[str, str]:
    """The installed packages whose names occur in a pickle, with their versions.

    Nothing is loaded: names of modules are among its texts, those that the function imports
    when it runs too.
    """
    texts = {
        value.partition(".")[0]
        for _operation, value, _position in pickletools.genops(code)
        if isinstance(value, str) and value.isascii() and len(value) < 100
    }
    homes = importlib.metadata.packages_distributions()
    packages = {homes[text][0] for text in texts if text in homes and text in sys.modules}
    return {name: importlib.metadata.version(name) for name in sorted(packages)}


def _decoded(body: bytes) -> DeployedFunction:
    return msgspec.json.decode(body, type=DeployedFunction)
