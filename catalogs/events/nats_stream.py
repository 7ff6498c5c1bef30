"""The two streams of a NATS cluster that hold an event log, and the subjects of their messages."""

import hashlib
import secrets
import time
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from ..errors import BadRequest
from .event import Event, EventFilter
from .moments import moment
from .nats_connection import Fetched, Found, Lost, NatsConnection, Refused
from .wire import STRUCTURED

# The most messages of a batch that a server stores all or none.
LARGEST_BATCH = 1000
# The most messages and bytes of one answer.
PAGE = 1000
PAGE_BYTES = 8_000_000
# Longer names stand in subjects as their digest.
LONGEST_TOKEN = 200
REPLICAS = 3
# "wrong last sequence", "maximum messages per subject exceeded", "no message found".
WRONG_LAST = 10071
NOT_STORED = 10077
NO_MESSAGE = 10037
_NO_STREAM = 10059
_NO_PEERS = 10005


class StreamState(NamedTuple):
    """What a stream holds; ``first`` is one above ``last`` when it is empty."""

    first: int
    last: int
    messages: int
    bytes: int


class Outgoing(NamedTuple):
    """A message to store, under the condition that its subject's last number is ``expected``.

    ``at`` is the subject that the condition looks at, with wildcards perhaps.
    """

    subject: str
    body: bytes
    expected: int | None = None
    at: str = ""


class _State(msgspec.Struct):
    first_seq: int
    last_seq: int
    messages: int
    bytes: int


class _Info(msgspec.Struct):
    state: _State
    config: dict[str, Any]


class _Ack(msgspec.Struct):
    seq: int


class _Message(msgspec.Struct):
    subject: str
    seq: int
    time: str
    data: bytes = b""


class _Got(msgspec.Struct):
    message: _Message


class NatsStream:
    """One stream.

    Parameters
    ----------
    connection : NatsConnection
        To its cluster.
    name : str
        The stream's.
    settings : dict
        Its configuration, beside what all streams of a log have.
    replicas : int, optional
        On so many servers; by default 3 on a cluster and 1 on a single server.
    """

    def __init__(
        self,
        connection: NatsConnection,
        name: str,
        settings: dict[str, Any],
        *,
        replicas: int | None = None,
    ) -> None:
        self.connection = connection
        self.name = name
        self.settings = settings
        self._all: str = settings["subjects"][0]
        self.replicas = replicas or (REPLICAS if connection.clustered else 1)

    def open(self) -> None:
        """Make the stream where it is missing, or take it as it is.

        Raises
        ------
        Unavailable
            When the cluster has too few servers at the moment.
        BadRequest
            When a stream of this name is something else.
        """
        self.connection.run(self._open())

    def state(self) -> StreamState:
        """What it holds, as its leader knows it."""
        return self.connection.run(self.state_soon())

    async def state_soon(self) -> StreamState:
        """As :meth:`state`, in the connection's loop."""
        answer = await self._ask("STREAM.INFO", None)
        state = msgspec.json.decode(answer, type=_Info).state
        return StreamState(state.first_seq, state.last_seq, state.messages, state.bytes)

    def page(
        self, after: int, subject: str = "", limit: int = PAGE, *, since: str = ""
    ) -> tuple[list[Found], bool]:
        """Messages above a number, and whether these are all there are.

        Parameters
        ----------
        after : int
            Only messages above it; not looked at when ``since`` is given.
        subject : str, optional
            With wildcards perhaps; by default all, of which the bodies and numbers are given.
        limit : int, optional
            The most messages.
        since : str, optional
            RFC 3339; only messages that were stored at this time or later.
        """
        query: dict[str, Any] = {"batch": min(limit, PAGE), "max_bytes": PAGE_BYTES}
        query |= {"start_time": since} if since else {"seq": after + 1}
        if subject or since:
            query["next_by_subj"] = subject or self._all
            fetched = self._fetch(query)
        else:
            # Headers are most of a message; numbers without gaps can do without.
            fetched = _numbered(self._fetch(query | {"no_hdr": True}), after) or self._fetch(query)
        found = fetched.found
        if fetched.pending or self.replicas == 1 or since:
            return found, not fetched.pending
        # Any replica answers, and may be behind; only the leader knows that nothing follows.
        following = self.next(found[-1].sequence if found else after, subject or self._all)
        return ([*found, following], False) if following else (found, True)

    def next(self, after: int, subject: str) -> Found | None:
        """The first message above a number, as the leader knows it."""
        return self._get_now({"seq": after + 1, "next_by_subj": subject})

    def exactly(self, number: int) -> Found | None:
        """The message of a number, as the leader knows it."""
        return self._get_now({"seq": number})

    def before(self, time_: str) -> int:
        """The number of the last message that was stored before a time, RFC 3339."""
        while True:
            state = self.state()
            found, _ = self.page(0, limit=1, since=time_)
            if found:
                return found[0].sequence - 1
            last = self.latest(self._all)
            if last is None or moment(last.time) < moment(time_):
                return state.last
            time.sleep(0.01)  # the replica that answered is behind

    def latest(self, subject: str) -> Found | None:
        """The last message of a subject, as the leader knows it."""
        return self._get_now({"last_by_subj": subject})

    async def known(self, subjects: Sequence[str]) -> dict[str, int]:
        """The numbers of those messages that there are, by the last part of their subjects."""
        query = {"multi_last": list(subjects), "batch": LARGEST_BATCH}

        fetched = await self._fetch_soon(query)
        return {each.subject.rpartition(".")[2]: each.sequence for each in fetched.found}

    async def store(self, message: Outgoing, seconds: float) -> int:
        """Store one message; return its number.  Raises Lost or Refused."""
        answer = await self.connection.publish(
            message.subject, message.body, _headers(message), seconds
        )
        return msgspec.json.decode(answer, type=_Ack).seq

    async def store_batch(self, messages: Sequence[Outgoing], seconds: float) -> int:
        """Store up to 1,000 messages, all or none; return the number of the last."""
        if len(messages) == 1:
            return await self.store(messages[0], seconds)
        batch = secrets.token_hex(16)
        for number, message in enumerate(messages[:-1], 1):
            headers = _headers(message)
            headers["Nats-Batch-Id"] = batch
            headers["Nats-Batch-Sequence"] = str(number)
            await self.connection.send(message.subject, message.body, headers)
        headers = _headers(messages[-1])
        headers["Nats-Batch-Id"] = batch
        headers["Nats-Batch-Sequence"] = str(len(messages))
        headers["Nats-Batch-Commit"] = "1"
        answer = await self.connection.publish(
            messages[-1].subject, messages[-1].body, headers, seconds
        )
        return msgspec.json.decode(answer, type=_Ack).seq

    def purge(self, *, below: int = 0, subject: str = "") -> None:
        """Remove the messages below a number, or those of a subject."""
        request: dict[str, Any] = {"seq": below} if below else {"filter": subject}
        self.connection.run(self._ask("STREAM.PURGE", request))

    async def get(self, query: dict[str, Any]) -> Found | None:
        """One message, as the leader knows it; in the connection's loop."""
        try:
            answer = await self._ask("STREAM.MSG.GET", query)
        except Refused as error:
            if error.code == NO_MESSAGE:
                return None
            raise
        message = msgspec.json.decode(answer, type=_Got).message
        return Found(message.subject, message.seq, message.time, message.data)

    async def _ask(self, what: str, request: Any) -> bytes:
        async def ask(seconds: float) -> bytes:
            return await self.connection.ask(f"$JS.API.{what}.{self.name}", request, seconds)

        return await self.connection.patiently(ask)

    def _fetch(self, query: dict[str, Any]) -> Fetched:
        return self.connection.run(self._fetch_soon(query))

    async def _fetch_soon(self, query: dict[str, Any]) -> Fetched:
        async def ask(seconds: float) -> Fetched:
            return await self.connection.fetch(self.name, query, seconds)

        return await self.connection.patiently(ask)

    def _get_now(self, query: dict[str, Any]) -> Found | None:
        return self.connection.run(self.get(query))

    async def _open(self) -> None:
        try:
            answer = await self._ask("STREAM.INFO", None)
        except Refused as error:
            if error.code != _NO_STREAM:
                raise
            answer = await self._create()
        config = msgspec.json.decode(answer, type=_Info).config
        if config.get("subjects") != self.settings["subjects"]:
            raise BadRequest(
                f"The NATS stream {self.name} is no event log; choose another name.",
                field="place",
            )
        self.replicas = int(config["num_replicas"])

    async def _create(self) -> bytes:
        config: dict[str, Any] = {
            "name": self.name,
            "storage": "file",
            "num_replicas": self.replicas,
            "allow_direct": True,
            "allow_atomic": True,
            **self.settings,
        }

        async def ask(seconds: float) -> bytes:
            try:
                return await self.connection.ask(
                    f"$JS.API.STREAM.CREATE.{self.name}", config, seconds
                )
            except Refused as error:
                if error.code == _NO_PEERS:
                    raise Lost(f"the cluster has not {self.replicas} servers") from error
                raise

        return await self.connection.patiently(ask)


def _numbered(fetched: Fetched, after: int) -> Fetched | None:
    """Numbers for messages without headers; None when some were left out between them."""
    found = fetched.found
    if all(each.sequence for each in found):
        return fetched  # a server that gives headers whatever is asked
    if fetched.last != after + len(found):
        return None
    return fetched._replace(
        found=[each._replace(sequence=after + place) for place, each in enumerate(found, 1)]
    )


def event_stream(connection: NatsConnection, name: str, replicas: int | None) -> NatsStream:
    """The stream of the events themselves, which only grows, and never twice by one key."""
    settings = {
        "subjects": [f"{name}.events.>"],
        "max_msgs_per_subject": 1,
        "discard": "new",
        "discard_new_per_subject": True,
        # Says to whoever listens that an event is stored, by its headers alone.
        "republish": {
            "src": f"{name}.events.>",
            "dest": f"{name}.stored.>",
            "headers_only": True,
        },
    }
    return NatsStream(connection, f"{name}-events", settings, replicas=replicas)


def state_stream(connection: NatsConnection, name: str, replicas: int | None) -> NatsStream:
    """The stream of what consumers are at: the last message of each subject counts."""
    settings = {"subjects": [f"{name}.state.>"], "max_msgs_per_subject": 1}
    return NatsStream(connection, f"{name}-state", settings, replicas=replicas)


def key_of(event: Event) -> str:
    """What names an event for ever, as part of a subject."""
    return digest(event.source, event.id)


def digest(*texts: str) -> str:
    """A name that no other texts have."""
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=16).hexdigest()


def subject_of(name: str, event: Event, key: str) -> str:
    """The subject of an event: its type, its collection and its key."""
    return f"{name}.events.{token(event.type)}.{token(event.collection)}.{key}"


def subject_for(name: str, where: EventFilter | None) -> str:
    """The subject, with wildcards, of all events that a filter can pick; empty for any.

    Examples
    --------
    >>> subject_for("lake", EventFilter(type="org.example.ping"))
    'lake.events.org/example/ping.*.*'
    """
    type_ = where.type if where else ""
    if where and not type_ and len(where.types) == 1:
        type_ = where.types[0]
    exact = bool(type_) and not type_.endswith(".*")
    kinds = token(type_) if exact else "*"
    collections = token(where.collection) if where and where.collection else "*"
    return f"{name}.events.{kinds}.{collections}.*" if (kinds, collections) != ("*", "*") else ""


def token(text: str) -> str:
    """A text as one part of a subject; dots, which part subjects, are slashes in it.

    Examples
    --------
    >>> token("org.example.ping"), token("a b*"), token("")
    ('org/example/ping', 'a%20b%2A', '-')
    """
    if not text:
        return "-"
    if text == "-":
        return "%2D"
    quoted = quote(text, safe="").replace("~", "%7E").replace(".", "/")
    return quoted if len(quoted) <= LONGEST_TOKEN else f"~{digest(text)}"


def _headers(message: Outgoing) -> dict[str, str]:
    headers = {"Content-Type": STRUCTURED}
    if message.expected is not None:
        headers["Nats-Expected-Last-Subject-Sequence"] = str(message.expected)
        if message.at:
            headers["Nats-Expected-Last-Subject-Sequence-Subject"] = message.at
    return headers
