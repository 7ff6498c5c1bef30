"""Which indexes of the SQLite tables narrow a filter, and what of it SQL answers exactly."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .event import RESERVED, EventFilter, moment
from .keys import UNLISTED, KeyValue, after_prefix, key_value
from .operators import is_number
from .places import boxes_of, prepared

# The first stretch of the log in which places are looked for; each next one is twice as long.
STRETCH = 4096
# SQLite joins at most 500 selections.
MOST_PARTS = 250
_COLUMNS = frozenset({"type", "source", "subject", "collection"})
# These may be left out of the partial indexes, and must be asked for with the same words.
_PARTIAL = {"subject": " AND subject <> ''", "collection": " AND collection <> ''"}
_RANGES = {"gt": "value >= ?", "gte": "value >= ?", "lt": "value <= ?", "lte": "value <= ?"}

Value = int | float | str | bytes
Part = tuple[str, tuple[Value, ...]]


class Index(NamedTuple):
    """One way to the numbers of all rows that can match.

    Attributes
    ----------
    parts : list
        Selections of numbers, together all of them; each takes its values, ``after`` and ``end``.
    ordered : bool
        Whether they come in order without sorting.
    places : bool
        Whether it is the one of places, which is asked stretch by stretch.
    direct : str
        The name of the SQLite index, when rows can be read along it in order.
    column : str
        Its column.
    """

    parts: list[Part]
    ordered: bool
    places: bool = False
    direct: str = ""
    column: str = ""

    def numbers(self, connection: sqlite3.Connection, after: int, end: int) -> Iterator[int]:
        """The numbers above ``after`` and below ``end``, in order, each once."""
        if self.places:
            yield from self._stretches(connection, after, end)
            return
        statement, values = self.statement(after, end)
        previous = -1
        for (number,) in connection.execute(statement, values):
            if number != previous:
                yield number
            previous = number

    def statement(self, after: int, end: int) -> tuple[str, list[Value]]:
        """Gives the numbers in order; one may come more than once."""
        union = " UNION ALL ".join(text for text, _ in self.parts)
        return f"{union} ORDER BY 1", self._values(after, end)

    def probe(self, after: int, end: int, most: int) -> tuple[str, list[Value]]:
        """Counts the numbers, up to ``most``."""
        union = " UNION ALL ".join(text for text, _ in self.parts)
        statement = f"SELECT count(*) FROM (SELECT * FROM ({union}) LIMIT ?)"  # noqa: S608 - our own words
        return statement, [*self._values(after, end), most]

    def _values(self, after: int, end: int) -> list[Value]:
        return [value for _, values in self.parts for value in (*values, after, end)]

    def _stretches(self, connection: sqlite3.Connection, after: int, end: int) -> Iterator[int]:
        stretch = STRETCH
        while after < end - 1:
            until = min(after + stretch, end - 1)
            statement, values = self.statement(after, until + 1)
            found = {row[0] for row in connection.execute(statement, values)}
            # Its numbers have 32 bits: near the ends others may have come with them.
            yield from sorted(each for each in found if after < each <= until)
            after, stretch = until, stretch * 2


class Indexes(NamedTuple):
    """What the tables know of a filter.

    Attributes
    ----------
    conditions, values : list
        Conditions on rows, as SQL; all must hold.
    indexes : list of Index
        Any of them narrows.
    exact : bool
        Whether the conditions say all that the filter says.
    """

    conditions: list[str]
    values: list[Any]
    indexes: list[Index]
    exact: bool


def indexes_of(where: EventFilter) -> Indexes:
    """What the tables know of a filter that was checked."""
    found = Indexes([], [], [], True)
    for add in (_add_names, _add_times):
        add(found, where)
    _add_places(found, where)
    _add_fields(found, where)
    exact = not (where.where or where.bbox or where.area or where.not_ or where.any)
    for each in where.all:
        inner = indexes_of(each)
        found.conditions.extend(inner.conditions)
        found.values.extend(inner.values)
        found.indexes.extend(inner.indexes)
        exact = exact and inner.exact
    if where.any:
        found.indexes.extend(_any(where.any))
    return found._replace(exact=exact)


def _add_names(found: Indexes, where: EventFilter) -> None:
    for column in ("subject", "source", "collection"):
        wanted: str = getattr(where, column)
        if column == "subject" and wanted.endswith("*"):
            _add_alternatives(found, column, [(wanted[:-1], True)])
        elif wanted:
            _add_alternatives(found, column, [(wanted, False)])
    for types in (where.types, (where.type,) if where.type else ()):
        if types:
            pairs = [(each[:-1], True) if each.endswith(".*") else (each, False) for each in types]
            _add_alternatives(found, "type", sorted(set(pairs)))


def _add_alternatives(found: Indexes, column: str, wanted: Sequence[tuple[str, bool]]) -> None:
    """A column is one of these texts, or begins with one of them."""
    conditions: list[str] = []
    values: list[Value] = []
    parts: list[Part] = []
    for text, is_prefix in wanted:
        if is_prefix:
            # "+": only the statement that is meant to may go along the index.
            condition, given = "+{0} >= ? AND +{0} < ?", (text, after_prefix(text))
        else:
            condition, given = "+{0} = ?", (text,)
        condition = condition.format(column)
        conditions.append(condition)
        values += given
        parts.append((_numbers(column, condition), given))
    found.conditions.append(
        conditions[0] if len(conditions) == 1 else f"({' OR '.join(conditions)})"
    )
    found.values.extend(values)
    simple = len(wanted) == 1 and not wanted[0][1]
    ordered = not any(is_prefix for _, is_prefix in wanted)
    if ("", True) in wanted:
        return  # everything begins so
    direct = f"events_{column}" if simple else ""
    if simple and column in _PARTIAL:
        found.conditions[-1] += _PARTIAL[column]
    found.indexes.append(Index(parts, ordered, direct=direct, column=column))


def _numbers(column: str, condition: str) -> str:
    plain = condition.replace("+", "") + _PARTIAL.get(column, "")
    name = "data" if column == "data_moment" else column
    return (
        f"SELECT sequence FROM events INDEXED BY events_{name} WHERE {plain} "  # noqa: S608
        "AND sequence > ? AND sequence < ?"
    )


def _add_times(found: Indexes, where: EventFilter) -> None:
    for column, since, until in (
        ("moment", where.since, where.until),
        ("data_moment", where.data_since, where.data_until),
    ):
        tests = [(">=", since)] if since else []
        tests += [("<", until)] if until else []
        if not tests:
            continue
        condition = " AND ".join(f"+{column} {sign} ?" for sign, _ in tests)
        values = tuple(moment(text) for _, text in tests)
        found.conditions.append(condition)
        found.values.extend(values)
        if column == "data_moment":
            found.indexes.append(Index([(_numbers(column, condition), values)], ordered=False))


def _add_places(found: Indexes, where: EventFilter) -> None:
    for area in (where.bbox, where.area):
        if not area:
            continue
        parts: list[Part] = []
        for west, south, east, north in boxes_of(prepared(area)):
            test = "west <= ? AND east >= ? AND south <= ? AND north >= ?"
            # The stretch is looked for as a box too; 32-bit numbers make it a little larger.
            text = (
                f"SELECT id >> 1 FROM event_places WHERE {test} "  # noqa: S608 - our own words
                "AND high > ? AND low < ?"
            )
            parts.append((text, (east, west, north, south)))
        found.indexes.append(Index(parts, ordered=True, places=True))


def _add_fields(found: Indexes, where: EventFilter) -> None:
    for name, condition in where.where.items():
        operators = condition if isinstance(condition, dict) else {"eq": condition}
        if name in _COLUMNS:
            wanted = operators.get("eq")
            if isinstance(wanted, str) and wanted:
                _add_alternatives(found, name, [(wanted, False)])
        elif name not in RESERVED and "." not in name:
            for operator, operand in operators.items():
                index = _key_index(name, operator, operand)
                if index is not None:
                    found.indexes.append(index)


def _key_index(name: str, operator: str, operand: Any) -> Index | None:
    """The way along the keys to events whose field fulfils a condition; None: there is none."""
    if operator in ("eq", "in"):
        several = operand if operator == "in" else [operand]
        values = {key_value(each) for each in several}
        if len(values) >= MOST_PARTS:
            return None
        return _along_keys(name, [("value = ?", (each,)) for each in values], ordered=True)
    if operator in _RANGES:
        bounds: tuple[KeyValue, ...] = (key_value(operand),)
        return _along_keys(name, [(_typed(_RANGES[operator], operand), bounds)], ordered=False)
    if operator == "between":
        low, high = operand
        test = _typed("value >= ? AND value <= ?", low)
        return _along_keys(name, [(test, (key_value(low), key_value(high)))], ordered=False)
    if operator == "prefix" and operand:
        start = str(key_value(operand))
        bounds = (start, after_prefix(start))
        return _along_keys(name, [("value >= ? AND value < ?", bounds)], ordered=False)
    return None


def _typed(test: str, operand: Any) -> str:
    """A range of numbers ends before the texts, and one of texts before the booleans."""
    if is_number(operand):
        return test if "<" in test else f"{test} AND value < ''"
    return f"{test} AND value < x''" if "<" not in test else f"{test} AND value >= ''"


def _along_keys(name: str, tests: Sequence[Part], *, ordered: bool) -> Index:
    parts: list[Part] = []
    # Events with too many fields are not under their names.
    for key, test, values in [
        *((name, test, values) for test, values in tests),
        (UNLISTED[0], "value = ?", (UNLISTED[1],)),
    ]:
        text = (
            f"SELECT sequence FROM event_keys WHERE name = ? AND {test} "  # noqa: S608
            "AND sequence > ? AND sequence < ?"
        )
        parts.append((text, (key, *values)))
    return Index(parts, ordered)


def _any(alternatives: Sequence[EventFilter]) -> list[Index]:
    """One way to whatever any of several filters can match, when each has one in order."""
    parts: list[Part] = []
    for each in alternatives:
        ordered = [index for index in indexes_of(each).indexes if index.ordered]
        plain = [index for index in ordered if not index.places]
        if not plain:
            return []
        parts += plain[0].parts
    return [Index(parts, ordered=True)] if len(parts) <= MOST_PARTS else []
