"""Rules through a whole hub: a user's functions and programs run on his own cluster."""

from typing import Any

import pytest

pytestmark = [pytest.mark.hub, pytest.mark.slow, pytest.mark.timeout(300)]

CODE = """
import time
import boathouse as bh

def twice(event, lake):
    return {"twice": 2 * event.data["n"], "by": lake.user, "last": lake.log.last() > 0}

kind = "org.example.hub-test"
bh.on(kind, where={"step": "function"}).dask(twice, name="twice")
bh.on(kind, where={"step": "program"}).command(["echo", "got {subject}"], name="echo")
heard = []

@bh.on(kind, where={"step": "here"}, name="here")
def listen(event):
    heard.append(event.data["n"])

bh.notify(kind, data={"step": "function", "n": 21})
bh.notify(kind, subject="/a/b", data={"step": "program", "n": 1})
bh.notify(kind, data={"step": "here", "n": 3})
end = time.monotonic() + 150
while time.monotonic() < end:
    done = {name: [d for d in bh.rules().history(name)] for name in ("twice", "echo")}
    if heard and all(d and d[0].state in ("done", "dead") for d in done.values()):
        break
    time.sleep(0.3)
listen.stop()
for name, found in sorted(done.items()):
    print(name, found[0].state, found[0].result, found[0].error)
print("heard", heard)
for name in done:
    bh.rules().delete(name)
"""


def test_functions_programs_and_listeners_of_a_user(running_hub: Any) -> None:
    visitor = running_hub.visit(running_hub.name, running_hub.password)
    said = visitor.run(CODE, seconds=200)
    assert "'twice': 42" in said, said
    assert f"'by': '{running_hub.name}'" in said, said
    assert "got /a/b" in said, said
    assert "heard [3]" in said, said
