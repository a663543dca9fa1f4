"""Until when a connection is waited for: with a clock in the hand."""

import asyncio
from collections.abc import Callable
from typing import cast

from daemon.api.connection_deadline import Deadline


class Timer:
    def __init__(self, at: float, then: Callable[[], None]) -> None:
        self.at, self.then, self.cancelled = at, then, False

    def when(self) -> float:
        return self.at

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """What a deadline asks of an event loop."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, then: Callable[[], None]) -> Timer:
        self.timers.append(Timer(at, then))
        return self.timers[-1]

    def pass_to(self, now: float) -> None:
        self.now = now
        for timer in [each for each in self.timers if each.at <= now and not each.cancelled]:
            self.timers.remove(timer)
            timer.then()


def begun() -> tuple[Loop, Deadline, list[str]]:
    loop = Loop()
    return loop, Deadline(cast(asyncio.AbstractEventLoop, loop)), []


def test_it_passes_once_and_not_early() -> None:
    loop, deadline, passed = begun()
    deadline.set(15, lambda: passed.append("late"))
    loop.pass_to(114.9)
    assert deadline.runs
    assert not passed
    loop.pass_to(115)
    loop.pass_to(500)
    assert passed == ["late"]
    assert not deadline.runs


def test_one_that_moves_on_sets_no_timer_until_the_first_ends() -> None:
    """There used to be two timers a request, which were set and cancelled."""
    loop, deadline, passed = begun()
    for request in range(100):
        loop.now = 100.0 + request / 10
        deadline.set(75, lambda: passed.append("idle"))
        deadline.clear()
    deadline.set(75, lambda: passed.append("idle"))
    assert len(loop.timers) == 1
    loop.pass_to(175)
    assert not passed
    loop.pass_to(loop.timers[0].at)
    assert passed == ["idle"]


def test_a_shorter_one_is_kept_to_though_a_longer_one_was_set_before() -> None:
    loop, deadline, passed = begun()
    deadline.set(75, lambda: passed.append("idle"))
    deadline.set(15, lambda: passed.append("late"))
    loop.pass_to(115)
    assert passed == ["late"]


def test_one_that_was_cleared_or_ended_passes_never() -> None:
    loop, deadline, passed = begun()
    deadline.set(15, lambda: passed.append("late"))
    deadline.clear()
    loop.pass_to(200)
    deadline.set(15, lambda: passed.append("late"))
    deadline.end()
    deadline.end()
    loop.pass_to(300)
    assert not passed
    assert not [each for each in loop.timers if not each.cancelled]
