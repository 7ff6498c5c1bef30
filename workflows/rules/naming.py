"""The names of rules, and ids that derive from what they stand for."""

import re
from hashlib import blake2b
from urllib.parse import quote
from uuid import uuid4

from ...catalogs.errors import BadRequest

_NAME = re.compile(r"[\w][\w .:-]{0,99}")


def job_id(*parts: object) -> str:
    """A job's or delivery's id: the same parts give the same id for ever; none give a new one.

    Examples
    --------
    >>> job_id("ann", "key") == job_id("ann", "key")
    True
    """
    if not parts:
        return uuid4().hex[:20]
    text = "\0".join(str(part) for part in parts)
    return blake2b(text.encode(), digest_size=10).hexdigest()


def source_of(owner: str, rule: str) -> str:
    """The source of events that tell of a rule: a URI reference, whatever its name.

    Examples
    --------
    >>> source_of("ann", "mean on sst")
    '/rules/ann/mean%20on%20sst'
    """
    return f"/rules/{quote(owner, safe='')}/{quote(rule, safe='')}"


def check_name(name: str) -> None:
    """Raise ``BadRequest`` when a rule or schedule cannot have this name."""
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"{name!r} cannot be a name: use up to 100 letters, digits, blanks and . : - _, "
            "beginning with a letter or digit.",
            field="name",
        )
