"""What the benchmarks ask of pyaviso 1.0.2: run with the Python of an environment of its own.

``aviso_peer.py PORT notify COUNT``  notifications a second, one after the other
``aviso_peer.py PORT listen COUNT``  prints, for each notification, when its function was called
``aviso_peer.py PORT pace COUNT``    one notification each 0.4 s, each with its time
``aviso_peer.py PORT replay COUNT``  seconds to hear of COUNT notifications of the past
"""

import logging
import os
import sys
import threading
import time
from datetime import datetime, timedelta

from pyaviso import user_config
from pyaviso.notification_manager import NotificationManager

POLLING_SECONDS = 1


def configuration(port: int) -> user_config.UserConfig:
    engine = {
        "host": "127.0.0.1",
        "port": port,
        "type": "etcd_rest",
        "polling_interval": POLLING_SECONDS,
        "timeout": 30,
        "https": False,
        "catchup": False,
    }
    return user_config.UserConfig(
        notification_engine=engine,
        configuration_engine=engine,
        auth_type="none",
        schema_parser="generic",
        remote_schema=False,
        quiet=True,
    )


def flight(number: int) -> dict[str, str]:
    return {
        "event": "flight",
        "date": "20260101",
        "country": "italy",
        "airport": "fco",
        "number": f"az{number:010d}",
        "payload": f"{time.time():.6f}",
    }


def listeners(heard) -> dict[str, list]:
    trigger = {"type": "function", "function": heard}
    request = {"country": "italy"}
    return {"listeners": [{"event": "flight", "request": request, "triggers": [trigger]}]}


def main(port: int, what: str, count: int) -> None:
    logging.disable(logging.CRITICAL)
    aviso, config = NotificationManager(), configuration(port)
    if what in ("notify", "pace"):
        begun = time.perf_counter()
        base = int(time.time() * 1000) % 10**10
        for number in range(count):
            aviso.notify(flight(base + number), config=config)
            if what == "pace":
                time.sleep(0.4)
        print(count / (time.perf_counter() - begun), flush=True)
        return
    seen: list[float] = []
    done = threading.Event()
    begun = time.perf_counter()

    def heard(notification: dict) -> None:
        seen.append(time.time() - float(notification["payload"]))
        if len(seen) >= count:
            done.set()

    past = datetime.utcnow() - timedelta(hours=6)
    options = {"from_date": past} if what == "replay" else {"now": True}
    threading.Thread(
        target=aviso.listen,
        kwargs={"listeners": listeners(heard), "config": config, **options},
        daemon=True,
    ).start()
    time.sleep(0 if what == "replay" else 2)
    print("ready", flush=True)
    done.wait(60)
    if what == "replay":
        print(len(seen), time.perf_counter() - begun, flush=True)
    else:
        print(*seen, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
