"""Who asks, and what of the lake they may see."""

import msgspec

PUBLIC = "public"
PRIVATE = "private"


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """The person or service that asks.

    Parameters
    ----------
    name : str
        The hub's user name (or service name).
    groups : tuple of str
        The hub groups of the user.
    admin : bool
        True for the lake's services and administrators, who see everything.
    scopes : tuple of str, optional
        What the token may do (the hub's custom scopes); None where nothing limits it, as in
        a process that opened the lake itself.

    Examples
    --------
    >>> Reader(name="ann").may_see("bob", "private")
    False
    """

    name: str
    groups: tuple[str, ...] = ()
    admin: bool = False
    scopes: tuple[str, ...] | None = None

    def may(self, scope: str, collection: str = "") -> bool:
        """Whether the token may do what ``scope`` names, to this collection.

        Parameters
        ----------
        scope : str
            Such as ``"custom:events:publish"``.
        collection : str, optional
            A token may be narrowed to one: ``custom:events:publish!collection=sst``, or
            ``custom:events:publish:sst`` where scopes have no filters, as in JupyterHub.

        Examples
        --------
        >>> station = Reader(name="station", scopes=("custom:events:publish:sst",))
        >>> station.may("custom:events:publish", "sst"), station.may("custom:events:publish")
        (True, False)
        """
        if self.scopes is None or scope in self.scopes:
            return True
        narrow = (f"{scope}!collection={collection}", f"{scope}:{collection}")
        return bool(collection) and any(each in self.scopes for each in narrow)

    def may_see(self, owner: str, access: str) -> bool:
        """Whether a thing of ``owner`` with this ``access`` is visible to the reader.

        Parameters
        ----------
        owner : str
            The user name of the thing's owner.
        access : str
            ``"public"`` (everybody who is logged in), ``"private"`` (the owner only),
            or ``"group:NAME"`` (members of that hub group, and the owner).
        """
        if self.admin or access == PUBLIC or owner == self.name:
            return True
        return access.startswith("group:") and access.removeprefix("group:") in self.groups


def is_access(text: str) -> bool:
    """Whether ``text`` is a valid access level."""
    return text in (PUBLIC, PRIVATE) or (text.startswith("group:") and len(text) > len("group:"))
