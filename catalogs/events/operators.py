"""Conditions on one field of an event: equal, in a set, in a range, by its beginning."""

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from ..errors import BadEvent

LONGEST_NAME = 255
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def equal(value: Any, wanted: Any) -> bool:
    """Whether two JSON values are the same: 1 and 1.0 are, 1 and true and "1" are not."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return value == wanted


def holds(conditions: Mapping[str, Any], field: Callable[[str], Any]) -> bool:
    """Whether each condition holds for what ``field`` gives for its name (None: absent)."""
    for name, condition in conditions.items():
        value = field(name)
        if isinstance(condition, dict):
            operators = cast("dict[str, Any]", condition)
            for operator, operand in operators.items():
                if not _OPERATORS[operator](value, operand):
                    return False
        elif not equal(value, condition):
            return False
    return True


def check_conditions(conditions: Any, field: str = "where") -> None:
    """Raise ``BadEvent`` naming the field whose condition is none."""
    if not isinstance(conditions, Mapping):
        raise BadEvent(f"{field} must be an object of fields.", field=field)
    for name, condition in cast("Mapping[Any, Any]", conditions).items():
        check_text(name, field)
        place = f"{field}.{name}"
        if not 0 < len(name) <= LONGEST_NAME:
            raise BadEvent(f"{field} names a field by 1 to {LONGEST_NAME} letters.", field=field)
        if not isinstance(condition, dict):
            _check_scalar(condition, place)
            continue
        if not condition:
            raise BadEvent(f"{place} says nothing; give for example {{'eq': 1}}.", field=place)
        for operator, operand in cast("dict[Any, Any]", condition).items():
            check = _CHECKS.get(operator)
            if check is None:
                known = ", ".join(_CHECKS)
                raise BadEvent(
                    f"{place}: there is no operator {operator!r:.40}; there are {known}.",
                    field=place,
                )
            check(operand, f"{place}.{operator}")


def comparable(value: Any, wanted: Any) -> bool:
    """Whether two values have an order: both numbers or both texts."""
    return (isinstance(value, str) and isinstance(wanted, str)) or (
        is_number(value) and is_number(wanted)
    )


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _between(value: Any, wanted: Any) -> bool:
    low, high = wanted
    return comparable(value, low) and comparable(value, high) and low <= value <= high


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": equal,
    "ne": lambda value, wanted: not equal(value, wanted),
    "in": lambda value, wanted: any(equal(value, each) for each in wanted),
    "gt": lambda value, wanted: comparable(value, wanted) and value > wanted,
    "gte": lambda value, wanted: comparable(value, wanted) and value >= wanted,
    "lt": lambda value, wanted: comparable(value, wanted) and value < wanted,
    "lte": lambda value, wanted: comparable(value, wanted) and value <= wanted,
    "between": _between,
    "prefix": lambda value, wanted: isinstance(value, str) and value.startswith(wanted),
    "suffix": lambda value, wanted: isinstance(value, str) and value.endswith(wanted),
    "exists": lambda value, wanted: (value is not None) is wanted,
}


def _check_scalar(operand: Any, place: str) -> None:
    if isinstance(operand, str):
        check_text(operand, place)
    elif not isinstance(operand, int | float) or operand != operand:
        raise BadEvent(f"{place} must be a text, a number or a boolean.", field=place)


def _check_ordered(operand: Any, place: str) -> None:
    if isinstance(operand, bool):
        raise BadEvent(f"{place} must be a number or a text.", field=place)
    _check_scalar(operand, place)


def _check_several(operand: Any, place: str) -> None:
    if not isinstance(operand, list | tuple):
        raise BadEvent(f"{place} must be a list.", field=place)
    for each in cast("list[Any]", operand):
        _check_scalar(each, place)


def _check_pair(operand: Any, place: str) -> None:
    if (
        not isinstance(operand, list | tuple)
        or len(cast("list[Any]", operand)) != 2
        or not comparable(operand[0], operand[1])
    ):
        raise BadEvent(f"{place} must be two numbers or two texts.", field=place)
    for each in cast("list[Any]", operand):
        _check_scalar(each, place)


def check_text(operand: Any, place: str) -> None:
    """Raise ``BadEvent`` when it is no text, or one that no event can hold."""
    if not isinstance(operand, str):
        raise BadEvent(f"{place} must be a text, not {operand!r:.60}.", field=place)
    if _SURROGATE.search(operand):
        raise BadEvent(f"{place} holds half a character.", field=place)


def _check_flag(operand: Any, place: str) -> None:
    if not isinstance(operand, bool):
        raise BadEvent(f"{place} must be true or false.", field=place)


_CHECKS: dict[str, Callable[[Any, str], None]] = {
    "eq": _check_scalar,
    "ne": _check_scalar,
    "in": _check_several,
    "gt": _check_ordered,
    "gte": _check_ordered,
    "lt": _check_ordered,
    "lte": _check_ordered,
    "between": _check_pair,
    "prefix": check_text,
    "suffix": check_text,
    "exists": _check_flag,
}
