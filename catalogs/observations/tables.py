"""The tables of observations, the same in SQLite and PostgreSQL."""

import sqlalchemy as sa

METADATA = sa.MetaData()

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _numbered(name: str) -> sa.Column[int]:
    return sa.Column(name, _NUMBER, primary_key=True, autoincrement=True)


# Grows by one with every change of a network or station, so that every process knows when
# what it remembers of them is old.
REGISTER = sa.Table(
    "register",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)

NETWORKS = sa.Table(
    "networks",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

STATIONS = sa.Table(
    "stations",
    METADATA,
    _numbered("number"),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("network", sa.Text, nullable=False, index=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

# One line of observations: a variable of a station.
SERIES = sa.Table(
    "series",
    METADATA,
    _numbered("number"),
    sa.Column("station", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.UniqueConstraint("station", "name"),
)

# In one network a variable has one unit, because there it becomes one array.
QUANTITIES = sa.Table(
    "quantities",
    METADATA,
    sa.Column("network", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("units", sa.Text, nullable=False),
)

# What counts now.  ``time`` and ``issued`` are microseconds since 1970; ``issued`` says when
# the value was made known: the highest counts.  ``revision`` says how many values came.
OBSERVATIONS = sa.Table(
    "observations",
    METADATA,
    sa.Column("series", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("time", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("value", sa.Double),
    sa.Column("issued", sa.BigInteger, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)

# What counted before, or came after something newer.
REVISIONS = sa.Table(
    "revisions",
    METADATA,
    sa.Column("series", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("time", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("value", sa.Double),
    sa.Column("issued", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Days of a network that its cube does not show yet as the table does.
MARKS = sa.Table(
    "marks",
    METADATA,
    _numbered("number"),
    sa.Column("network", sa.Text, nullable=False, index=True),
    sa.Column("day", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

# Events that the log has not taken yet; a row holds those of one transaction.
OUTBOX = sa.Table(
    "outbox",
    METADATA,
    _numbered("position"),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("refused", sa.Text),
    sqlite_autoincrement=True,
)

COMMANDS = sa.Table(
    "commands",
    METADATA,
    _numbered("number"),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("station", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("key", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("expires", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("station", "owner", "key"),
    sa.Index("commands_of", "station", "state", "number"),
    sa.Index("commands_waiting", "state", "expires"),
    sqlite_autoincrement=True,
)
