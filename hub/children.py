"""Processes that end with the one that started them, even when that one is killed."""

import os
import shutil


def tied(*command: str | os.PathLike[str]) -> list[str]:
    """Return ``command`` so that its process gets SIGTERM when its parent ends.

    An orphan would keep its port and a token that the next hub does not know.  Needs
    ``setpriv`` (util-linux); without it the command is returned as it is, and a killed
    parent leaves children behind.
    """
    setpriv = shutil.which("setpriv")
    words = [os.fspath(word) for word in command]
    return [setpriv, "--pdeathsig", "TERM", "--", *words] if setpriv else words
