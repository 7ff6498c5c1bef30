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

    Examples
    --------
    >>> Reader(name="ann").may_see("bob", "private")
    False
    """

    name: str
    groups: tuple[str, ...] = ()
    admin: bool = False

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
