"""One end of a benchmark in a process of its own: the event service, or a listener.

``event_process.py serve FILE PORT``     the service over a log, for anybody with a token
``event_process.py listen PORT COUNT``   prints how late COUNT events came, in seconds
"""

import sys
import time
from pathlib import Path

from boathouse.catalogs.access import Reader
from boathouse.catalogs.events.remote import HttpEventLog
from boathouse.catalogs.events.sqlite import SqliteEventLog
from boathouse.catalogs.lake import Connection
from boathouse.hub.services.application import Server
from boathouse.hub.services.events import build_application


async def anybody(token: str) -> Reader | None:
    return Reader(name=token)


def serve(path: Path, port: int) -> None:
    application = build_application(SqliteEventLog(path), anybody, "/services/events/")
    Server(application, port=port).run()


def listen(port: int, count: int) -> None:
    log = HttpEventLog(Connection(address=f"http://127.0.0.1:{port}/", token="ann", user="ann"))
    stream = log.follow(timeout=60)
    print("ready", flush=True)
    late: list[float] = []
    for event in stream:
        late.append(time.time() - event.data["sent"])
        if len(late) == count:
            break
    print(*late, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        listen(int(sys.argv[2]), int(sys.argv[3]))
