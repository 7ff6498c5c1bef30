"""The one family of errors that Boathouse raises at its users.

::

    BoathouseError            anything below; becomes an HTTP 4xx, is shown to a user
    ├── NotFound              also KeyError; no such thing, or not for you (404)
    ├── BadRequest            also ValueError; an argument of the wrong kind (400)
    │   ├── BadShape          a shape that does not fit the cube
    │   ├── BadEvent          an event or filter that is not valid
    │   ├── BadStep           data that breaks a pool's contract
    │   └── BadParameter      a recipe's parameter of the wrong type
    ├── Unauthenticated       also PermissionError; no token, or one that is not known (401)
    ├── Forbidden             also PermissionError; you may see but not do it (403)
    ├── Conflict              it is already there, or somebody was faster (409)
    ├── Gone                  it was there, and is kept no longer (410)
    ├── PlanExceeded          more than your plan allows (429)
    ├── Busy                  too much at once; try again in a moment (429)
    ├── Unavailable           also ConnectionError; a service does not answer (503)
    ├── StorageFull           also OSError; no room on the lake's disk (507)
    └── JobFailed             also RuntimeError; a notebook ended with an error (422)

A ``ShapeWarning`` says that a shape gets less than it asks for.

Only these reach a user with their text.  Everything else is a defect: it is logged
whole and the user sees a reference number.  Over HTTP an error is an RFC 9457 problem:
``{"type": "bad-step", "title": ..., "status": 400, "detail": ..., "field": ...}``.
"""

import re
from typing import Any, ClassVar


class BoathouseError(Exception):
    """Base of all errors that a user can mend.

    Parameters
    ----------
    detail : str
        What is wrong and how to mend it, in one or two sentences.
    field : str, optional
        The argument, parameter or attribute that is wrong.
    """

    status: ClassVar[int] = 400

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field

    def __str__(self) -> str:
        return self.detail

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.detail, self.field)

    @classmethod
    def kind(cls) -> str:
        """The error's name in HTTP problems: the class name in kebab case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

    def problem(self) -> dict[str, Any]:
        """The error as an RFC 9457 problem document."""
        document: dict[str, Any] = {
            "type": self.kind(),
            "title": type(self).__name__,
            "status": self.status,
            "detail": self.detail,
        }
        if self.field is not None:
            document["field"] = self.field
        return document


def _rebuild(cls: type[BoathouseError], detail: str, field: str | None) -> BoathouseError:
    return cls(detail, field=field)


class NotFound(BoathouseError, KeyError):
    """No such thing; also what is hidden from the asker."""

    status = 404


class BadRequest(BoathouseError, ValueError):
    """An argument of the wrong kind."""

    status = 400


class BadShape(BadRequest):
    """A shape that does not fit the cube."""


class BadEvent(BadRequest):
    """An event or an event filter that is not valid."""


class BadStep(BadRequest):
    """Data that breaks a pool's contract."""


class BadParameter(BadRequest):
    """A recipe's parameter that is unknown, missing or of the wrong type."""


class Unauthenticated(BoathouseError, PermissionError):
    """No token, or one that the hub does not know."""

    status = 401


class Forbidden(BoathouseError, PermissionError):
    """The asker may see the thing but not do this with it."""

    status = 403


class Conflict(BoathouseError):
    """The thing exists already, or an older attempt was overtaken."""

    status = 409


class Gone(BoathouseError):
    """What was there once and is kept no longer, such as an event below the retention."""

    status = 410


class PlanExceeded(BoathouseError):
    """More than the user's plan allows."""

    status = 429


class Busy(BoathouseError):
    """More comes in than can be stored: nothing of the request was taken.

    Attributes
    ----------
    retry_after : float
        Seconds after which to try again.
    """

    status = 429
    retry_after = 1.0


class Unavailable(BoathouseError, ConnectionError):
    """A service does not answer."""

    status = 503


class StorageFull(BoathouseError, OSError):
    """No room is left on the lake's disk."""

    status = 507


class JobFailed(BoathouseError, RuntimeError):
    """A notebook ended with an error."""

    status = 422


class ShapeWarning(UserWarning):
    """A shape holds no grid point, or reaches beyond the cube: less comes back than was asked."""


def from_problem(document: dict[str, Any]) -> BoathouseError:
    """Rebuild the error that a service sent as a problem document.

    Parameters
    ----------
    document : dict
        An RFC 9457 problem, as :meth:`BoathouseError.problem` makes it.

    Returns
    -------
    BoathouseError
        Of the class that ``type`` names, else a plain ``BoathouseError``.
    """
    classes = {cls.kind(): cls for cls in _family(BoathouseError)}
    cls = classes.get(str(document.get("type")), BoathouseError)
    return cls(str(document.get("detail", "the service refused")), field=document.get("field"))


def from_decoding(error: Exception, cls: type[BadRequest] = BadRequest) -> BadRequest:
    """Turn msgspec's complaint about a JSON text into an error that names the field.

    Parameters
    ----------
    error : msgspec.DecodeError or msgspec.ValidationError
        What the decoder raised.
    cls : type, optional
        The error to make.

    Examples
    --------
    >>> from_decoding(ValueError("Expected `str`, got `int` - at `$.type`")).field
    'type'
    """
    text = str(error)
    place = re.search(r" - at `(?:key in )?\$([^`]*)`", text)
    missing = re.search(r"(?:missing required|unknown) field `([^`]*)`", text)
    steps = [place[1] if place else "", missing[1] if missing else ""]
    field = ".".join(step.strip(".") for step in steps if step)
    return cls(f"The JSON is not valid: {text}.", field=field or None)


def _family(cls: type[BoathouseError]) -> list[type[BoathouseError]]:
    return [cls, *(member for child in cls.__subclasses__() for member in _family(child))]
