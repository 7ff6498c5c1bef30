"""Listening with loops, functions and consumers: what is handed over, and what comes again."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from boathouse.catalogs.events import listening
from boathouse.catalogs.events.event import Event
from boathouse.catalogs.events.notices import listen, notify, notify_many
from boathouse.catalogs.lake import Lake


def until(true: Callable[[], object], what: str, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error is followed by a short pause, and a stop is heard quickly."""
    monkeypatch.setattr(listening, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(listening, "SLICE_SECONDS", 0.1)


class TestCallback:
    def test_is_called_with_each_event_until_stopped(self, lake: Lake):
        got: list[Any] = []
        with listen("n", callback=lambda event: got.append(event.data), lake=lake) as watching:
            notify_many([{"type": "n", "data": n} for n in range(20)], lake=lake)
            notify("other", lake=lake)
            until(lambda: len(got) == 20, "twenty calls")
            assert watching.alive
        notify("n", data="late", lake=lake)
        time.sleep(0.25)
        assert got == list(range(20))
        assert watching.handled == 20
        assert not watching.alive

    def test_goes_on_after_an_error(self, lake: Lake, caplog: pytest.LogCaptureFixture):
        got: list[int] = []

        def react(event: Event) -> None:
            got.append(10 // event.data)

        with listen("n", callback=react, lake=lake) as watching:
            notify_many([{"type": "n", "data": n} for n in (5, 0, 2)], lake=lake)
            until(lambda: watching.handled == 2, "two calls")
        assert got == [2, 5]
        assert watching.failed == 1
        assert isinstance(watching.error, ZeroDivisionError)
        assert "1 failed" in repr(watching)
        assert "ZeroDivisionError" in caplog.text

    def test_may_stop_itself(self, lake: Lake):
        got: list[int] = []

        def react(event: Event) -> None:
            got.append(event.sequence)
            watching.stop()

        watching = listen(callback=react, after=0, lake=lake)
        notify_many([{"type": "n"}] * 3, lake=lake)
        until(lambda: not watching.alive, "the stop")
        time.sleep(0.2)
        assert got == [1]

    def test_stop_waits_for_the_call_that_is_under_way(self, lake: Lake):
        entered, ended = threading.Event(), threading.Event()

        def react(_event: Event) -> None:
            entered.set()
            time.sleep(0.2)
            ended.set()

        watching = listen(callback=react, lake=lake)
        notify("n", lake=lake)
        assert entered.wait(5)
        watching.stop()
        assert ended.is_set()


class TestAsync:
    def test_events_come_to_an_asynchronous_loop(self, lake: Lake):
        async def main() -> list[Any]:
            heard = listen("n", lake=lake)
            notify_many([{"type": "n", "data": n} for n in range(5)], lake=lake)
            got: list[Any] = []
            async for event in heard:
                got.append(event.data)
                if len(got) == 5:
                    heard.stop()
            return got

        assert asyncio.run(main()) == [0, 1, 2, 3, 4]

    def test_whoever_gives_up_waiting_loses_nothing(self, lake: Lake):
        async def main() -> int:
            with listen("n", lake=lake) as heard:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(heard), 0.05)
                sent = notify("n", lake=lake)
                got = await asyncio.wait_for(anext(heard), 5)
                assert got == sent
                return got.sequence

        assert asyncio.run(main()) == 1

    def test_a_stop_ends_the_wait_at_once(self, lake: Lake):
        async def main() -> list[Event]:
            heard = listen(lake=lake)
            asyncio.get_running_loop().call_later(0.05, heard.stop)
            return [event async for event in heard]

        began = time.monotonic()
        assert asyncio.run(main()) == []
        assert time.monotonic() - began < 2

    def test_a_silence_ends_it(self, lake: Lake):
        async def main() -> list[int]:
            return [event.sequence async for event in listen(after=0, timeout=0.1, lake=lake)]

        notify("n", lake=lake)
        assert asyncio.run(main()) == [1]

    def test_a_process_that_still_listens_can_end(self, lake: Lake):
        code = f"""
import asyncio
from boathouse.catalogs.events.notices import listen
async def main():
    heard = listen(lake={str(lake.root)!r})
    try:
        await asyncio.wait_for(anext(heard), 0.1)
    except TimeoutError:
        print("gave up")
asyncio.run(main())
"""
        ended = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=20
        )
        assert (ended.returncode, ended.stdout) == (0, "gave up\n"), ended.stderr


class TestConsumer:
    def numbers(self, lake: Lake, name: str = "mine") -> list[int]:
        return [event.sequence for event in listen(consumer=name, timeout=0.05, lake=lake)]

    def state(self, lake: Lake) -> Any:
        (state,) = lake.log.consumers()
        return state

    def test_goes_on_where_the_loop_stopped(self, lake: Lake):
        notify("before", lake=lake)
        assert self.numbers(lake) == []
        notify_many([{"type": "n"}] * 4, lake=lake)
        heard = listen(consumer="mine", lake=lake)
        assert [next(heard).sequence, next(heard).sequence] == [2, 3]
        del (
            heard
        )  # as when the kernel ends; the third was not asked for, so its work may not be done
        assert self.numbers(lake) == [3, 4, 5]
        assert self.numbers(lake) == []
        assert (self.state(lake).cursor, self.state(lake).leased) == (5, 0)

    def test_a_call_that_returns_is_done_and_one_that_fails_comes_again(self, lake: Lake):
        tried: list[int] = []

        def react(event: Event) -> None:
            tried.append(event.data)
            if event.data % 5 == 0 and tried.count(event.data) < 3:
                raise RuntimeError("not now")

        watching = listen(consumer="mine", callback=react, after=0, lake=lake)
        notify_many([{"type": "n", "data": n} for n in range(10)], lake=lake)
        until(lambda: watching.handled == 10, "all ten")
        until(lambda: self.state(lake).behind == 0, "the last to be done")
        watching.stop()
        assert sorted(tried) == sorted([*range(10), 0, 0, 5, 5])
        assert watching.failed == 4

    def test_what_fails_for_ever_is_a_dead_letter(self, lake: Lake, caplog: Any):
        def react(event: Event) -> None:
            if event.data == "poison":
                raise ValueError("this cannot be eaten")

        watching = listen(consumer="mine", callback=react, after=0, attempts=2, lake=lake)
        notify_many([{"type": "n", "data": data} for data in ("a", "poison", "b")], lake=lake)
        until(lambda: lake.log.dead_letters("mine"), "a dead letter")
        until(lambda: self.state(lake).behind == 0, "the rest")
        watching.stop()
        (letter,) = lake.log.dead_letters("mine")
        assert (letter.event.data, letter.attempts) == ("poison", 2)
        assert letter.reason == "ValueError: this cannot be eaten"
        assert (watching.handled, watching.failed) == (2, 2)

    def test_long_work_keeps_its_lease(self, lake: Lake):
        got: list[int] = []

        def react(event: Event) -> None:
            time.sleep(0.9)
            got.append(event.sequence)

        options: Any = {"consumer": "mine", "callback": react, "lease": 0.3, "lake": lake}
        first, second = listen(after=0, **options), listen(**options)
        notify_many([{"type": "n"}] * 2, lake=lake)
        until(lambda: self.state(lake).cursor == 2, "both")
        first.stop(), second.stop()
        assert sorted(got) == [1, 2]

    def test_what_was_taken_and_not_begun_is_given_back(self, lake: Lake):
        watching = listen(
            consumer="mine", callback=lambda _event: watching.stop(), after=0, lake=lake
        )
        notify_many([{"type": "n"}] * 8, lake=lake)
        until(lambda: not watching.alive, "the stop")
        until(lambda: self.state(lake).leased == 0, "the others to be given back")
        assert self.numbers(lake) == [2, 3, 4, 5, 6, 7, 8]

    def test_conditions_are_kept_until_others_are_given(self, lake: Lake):
        list(listen("a", consumer="mine", timeout=0, lake=lake))
        notify_many([{"type": "a"}, {"type": "b"}], lake=lake)
        assert self.numbers(lake) == [1]
        list(listen("b", consumer="mine", timeout=0, lake=lake))
        notify_many([{"type": "a"}, {"type": "b"}], lake=lake)
        assert self.numbers(lake) == [4]

    def test_a_killed_process_repeats_only_what_it_had_begun(self, lake: Lake):
        list(listen(consumer="mine", lease=0.6, timeout=0, lake=lake))
        notify_many([{"type": "n"}] * 30, lake=lake)
        code = f"""
import time
from boathouse.catalogs.events.notices import listen
for event in listen(consumer="mine", lake={str(lake.root)!r}):
    print(event.sequence, flush=True)
    time.sleep(0.01 if event.sequence < 7 else 60)
"""
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            begun = [int(process.stdout.readline()) for _ in range(7)]
            process.kill()
        assert begun == [1, 2, 3, 4, 5, 6, 7]
        rest = [event.sequence for event in listen(consumer="mine", timeout=1.2, lake=lake)]
        # What the dead one had leased comes when its lease has ended.
        assert sorted(rest) == list(range(7, 31))
