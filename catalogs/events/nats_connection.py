"""One connection to a NATS cluster, in a loop and a thread of its own, that outlives failures."""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from ..errors import BadRequest, BoathouseError, StorageFull, Unavailable

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

logger = logging.getLogger(__name__)

# The oldest server with batches that are stored all or none.
OLDEST_SERVER = (2, 12)
# How long one try may take, in seconds; a request to a leader that died is never answered.
TRY_SECONDS = 1.0
LONGEST_TRY_SECONDS = 5.0
PAUSE_SECONDS = 0.05
# What a server says that has no leader yet, or loses it, or lost part of a batch: try again.
_PASSING = frozenset({10008, 10009, 10118, 10163, 10176, 10194, 10202, 10210})
_FULL = frozenset({10023, 10028, 10047})

T = TypeVar("T")


class Lost(Exception):
    """No answer: whether the request was carried out is not known."""


class Refused(Exception):
    """A server's answer that says no.

    Parameters
    ----------
    code : int
        The server's number of the error.
    text : str
        What it says.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{text} ({code})")
        self.code = code
        self.text = text


class Found(NamedTuple):
    """A message of a stream; ``time`` is when it was stored, RFC 3339.

    One that was asked for without headers has its body only.
    """

    subject: str
    sequence: int
    time: str
    body: bytes


class Fetched(NamedTuple):
    """Messages, how many more there are, and the number of the last of these."""

    found: list[Found]
    pending: int
    last: int


class _Failure(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Answer(msgspec.Struct):
    error: _Failure | None = None


def require_nats() -> None:
    """Say what to install when the client is missing."""
    try:
        import nats.aio.client  # noqa: F401 # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise BadRequest(
            "An event log on NATS needs an extra: pip install 'boathouse[nats]'.", field="place"
        ) from error


class NatsConnection:
    """A connection to a NATS cluster.

    Parameters
    ----------
    servers : sequence of str
        Addresses, ``nats://host:port`` or ``tls://host:port``; any of the cluster will do.
    credentials : Path, optional
        A file with the user's key, as NATS clusters with accounts give it.
    patience : float, optional
        For so many seconds a request is repeated while no server answers.

    Raises
    ------
    Unavailable
        When no server can be reached.
    BadRequest
        When the extra ``nats`` is not installed, or the server is too old.
    """

    def __init__(
        self,
        servers: Sequence[str],
        *,
        user: str = "",
        password: str = "",
        credentials: Path | None = None,
        patience: float = 15.0,
    ) -> None:
        require_nats()
        self.patience = patience
        self._servers = list(servers)
        self._options: dict[str, Any] = {"user": user, "password": password} if user else {}
        if credentials is not None:
            self._options["user_credentials"] = str(credentials)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="nats", daemon=True)
        self._thread.start()
        self._closed = False
        self._said_unavailable = False
        try:
            self._client = self.run(self._connect())
            self.check_version()
        except BaseException:
            self.close()
            raise

    @property
    def clustered(self) -> bool:
        """Whether the server is one of several."""
        return bool(self._client._server_info.get("cluster"))

    @property
    def largest(self) -> int:
        """The most bytes of a message."""
        return self._client.max_payload

    def check_version(self) -> None:
        """Refuse a server that cannot store a batch all or none."""
        version = str(self._client._server_info.get("version", "0"))
        numbers = tuple(int(each) for each in version.split("-")[0].split(".")[:2])
        if numbers < OLDEST_SERVER:
            raise BadRequest(
                f"The NATS server is {version}; an event log needs 2.12 or later, which stores "
                "batches all or none.",
                field="place",
            )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry out a coroutine in the connection's loop; called from any other thread."""
        return self.submit(work).result()

    def submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """As :meth:`run`, but without waiting."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call_soon(self, function: Callable[..., object], *values: Any) -> None:
        """Call a function in the connection's loop."""
        self._loop.call_soon_threadsafe(function, *values)

    async def patiently(self, attempt: Callable[[float], Awaitable[T]]) -> T:
        """Repeat a request that no server answers, for as long as the patience lasts.

        Parameters
        ----------
        attempt : callable
            Makes the request; takes the seconds that it may take.  It may be carried out more
            than once.

        Raises
        ------
        Unavailable
            When the patience is over, or the connection is closed.
        Refused
            When the server says no.
        """
        end = time.monotonic() + self.patience
        seconds = TRY_SECONDS
        while True:
            if self._closed:
                raise Unavailable("The event log is closed.")
            try:
                return await attempt(min(seconds, max(end - time.monotonic(), PAUSE_SECONDS)))
            except Lost as error:
                if time.monotonic() >= end:
                    raise Unavailable(
                        f"No NATS server answers at {', '.join(self._servers)}: {error}."
                    ) from error
            seconds = min(seconds * 1.5, LONGEST_TRY_SECONDS)
            await asyncio.sleep(PAUSE_SECONDS)

    async def ask(self, subject: str, request: Any, seconds: float) -> bytes:
        """One request to the server's own interface, as JSON; raises Lost or Refused."""
        body = b"" if request is None else msgspec.json.encode(request)
        return await self.publish(subject, body, {}, seconds)

    async def publish(
        self, subject: str, body: bytes, headers: Mapping[str, str], seconds: float
    ) -> bytes:
        """Send a message and wait for the server's word; raises Lost or Refused."""
        from nats.errors import Error

        try:
            message = await self._client.request(
                subject, body, timeout=seconds, headers=dict(headers) or None
            )
        except (Error, TimeoutError, OSError) as error:
            raise Lost(str(error) or type(error).__name__) from error
        return checked(message.data)

    async def send(self, subject: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a message and wait for nothing; raises Lost."""
        from nats.errors import Error

        try:
            await self._client.publish(subject, body, headers=dict(headers))
        except (Error, OSError) as error:
            raise Lost(str(error) or type(error).__name__) from error

    async def fetch(self, stream: str, query: Mapping[str, Any], seconds: float) -> Fetched:
        """Messages of a stream; raises Lost.  ``seconds`` is the longest silence."""
        from nats.errors import Error

        found: list[Found] = []
        answer: asyncio.Future[Fetched] = self._loop.create_future()
        heard = time.monotonic()

        async def take(message: "Msg") -> None:
            nonlocal heard
            heard = time.monotonic()
            if answer.done():
                return
            headers: Mapping[str, str] = message.headers or {}
            if "Nats-Sequence" in headers:
                found.append(_found(headers, message.data))
            elif not headers:
                found.append(Found("", 0, "", message.data))
            elif headers.get("Status") in ("204", "404"):
                pending = int(headers.get("Nats-Num-Pending", "0"))
                answer.set_result(
                    Fetched(found, pending, int(headers.get("Nats-Last-Sequence", "0")))
                )
            else:
                answer.set_exception(Lost(" ".join(headers.values())))

        inbox = self._client.new_inbox()
        try:
            subscription = await self._client.subscribe(inbox, cb=take)
            try:
                text = msgspec.json.encode(query)
                await self._client.publish(f"$JS.API.DIRECT.GET.{stream}", text, reply=inbox)
                while not (
                    await asyncio.wait({answer}, timeout=heard + seconds - time.monotonic())
                )[0]:
                    if time.monotonic() >= heard + seconds:
                        raise Lost("no answer")
                return answer.result()
            finally:
                await subscription.unsubscribe()
        except (Error, OSError) as error:
            raise Lost(str(error) or type(error).__name__) from error

    async def listen(self, subject: str, callback: Callable[[int], None]) -> None:
        """Call ``callback`` in the loop with the number of each message that is stored.

        ``subject`` is where a stream republishes its messages.
        """

        async def take(message: "Msg") -> None:
            callback(int((message.headers or {}).get("Nats-Sequence", "0")))

        await self._client.subscribe(subject, cb=take)
        await self._client.flush()

    def close(self) -> None:
        """End the connection and its thread."""
        if self._closed:
            return
        self._closed = True
        if hasattr(self, "_client"):
            self.run(self._end())
        self.call_soon(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        await self._client.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _connect(self) -> "Client":
        from nats.errors import Error

        client = _make_client()
        try:
            async with asyncio.timeout(self.patience):
                await client.connect(
                    self._servers,
                    name="boathouse",
                    connect_timeout=2,
                    reconnect_time_wait=0.1,  # pyright: ignore[reportArgumentType] - any number
                    max_reconnect_attempts=-1,
                    ping_interval=5,
                    max_outstanding_pings=2,
                    error_cb=self._note,
                    disconnected_cb=_nothing,
                    **self._options,
                )
        except (Error, TimeoutError, OSError) as error:
            raise Unavailable(
                f"No NATS server can be reached at {', '.join(self._servers)}."
            ) from error
        return client

    async def _note(self, error: Exception) -> None:
        if not self._closed:
            logger.info("NATS: %s", str(error) or type(error).__name__)


def checked(answer: bytes) -> bytes:
    """A server's answer that is no error; raises Lost for what passes, else Refused."""
    if b'"error"' not in answer[:200] and answer:
        return answer
    failure = msgspec.json.decode(answer, type=_Answer).error if answer else None
    if failure is None:
        return answer
    # Without a number it is that the service is not there.
    if failure.err_code in _PASSING or (failure.code == 503 and not failure.err_code):
        raise Lost(failure.description)
    raise Refused(failure.err_code, failure.description)


def explain(error: Refused) -> BoathouseError | None:
    """What a user is told; None for what is nobody's but ours."""
    if error.code in _FULL or "maximum bytes" in error.text or "no space" in error.text:
        return StorageFull(
            "The cluster's disk is full: not all events were stored. Free some room, and send "
            "them again; none is stored twice."
        )
    return None


def _make_client() -> "Client":
    from nats.aio.client import Client

    class QuickClient(Client):
        """Reads headers, of which each message has ten, with fewer steps."""

        @staticmethod
        def _parse_header_lines(raw: bytes) -> dict[str, str]:
            lines = (line.partition(":") for line in raw.decode("utf-8", "replace").split("\r\n"))
            return {name: value.strip() for name, colon, value in lines if colon}

    return QuickClient()


def _found(headers: Mapping[str, str], body: bytes) -> Found:
    return Found(
        headers["Nats-Subject"], int(headers["Nats-Sequence"]), headers["Nats-Time-Stamp"], body
    )


async def _nothing() -> None:
    pass
