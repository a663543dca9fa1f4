"""The timers of all requests: the wheel, turned by the clock. Those that are overdue are in `overdue_timers`."""

import asyncio
from collections.abc import Callable
from functools import partial

from daemon.clock import Clock
from daemon.core.milliseconds import Ms, seconds
from daemon.core.model import Channel
from daemon.core.wheel import Wheel
from daemon.overdue_timers import FireTimer, OverdueTimers
from daemon.store.contract import Due, Reading
from daemon.store.store import Store

IDLE = seconds(60)  # how long the wheel sleeps at most, by the clock: less than half a revolution of it
PAGE = 500  # timers that are read at a time: the loop has them in the wheel within a millisecond
LATE_S = 2.0  # of the first timer that is due: above it the loop or the machine stood still


class Timers:
    """Rows are the truth, the wheel has hints. waiting: how many deliveries wait in the lane of a channel."""

    def __init__(self, store: Store, clock: Clock, fire: FireTimer, waiting: Callable[[Channel], int]) -> None:
        self.overdue = OverdueTimers(store, clock, fire, waiting)
        self._store = store
        self._clock = clock
        self._fire = fire
        self._wheel = Wheel(clock.now())
        self._asleep_until = Ms(0)
        self._wake = asyncio.Event()

    def recover(self) -> None:
        """Fire what became due before this start, once `run` is called."""
        self.overdue.begin(self._wheel.edge)

    def set(self, due_at: Ms, row: int) -> None:
        self._wheel.set(due_at, row)
        if due_at < self._asleep_until:
            self._wake.set()

    async def run(self) -> None:
        """Turn the wheel, and fire what is overdue, until cancelled."""
        async with asyncio.TaskGroup() as together:
            together.create_task(self._turn_on())
            together.create_task(self.overdue.run())

    async def _turn_on(self) -> None:
        while True:
            self._asleep_until = await self.turn()
            await self._sleep(self._clock.real_s(self._asleep_until - self._clock.now()))

    async def turn(self) -> Ms:
        """Fire what is due by now; returns when to turn the wheel again."""
        self._fire_due()
        while self._wheel.half_empty(self._clock.now()):
            await self._load(*self._wheel.extend())
            self._fire_due()
        return self._wheel.next(self._clock.now() + IDLE)

    def _fire_due(self) -> None:
        now = self._clock.now()
        if self._clock.real_s(now - self._wheel.next(now)) > LATE_S:
            self._wheel = Wheel(now)
            self.overdue.begin(self._wheel.edge)
        for row in self._wheel.expire(now):
            self._fire(row)

    async def _load(self, since: Ms, until: Ms) -> None:
        place = Due(since, 0)
        while page := await self._store.read_patiently(partial(_due, after=place, until=until)):
            for place in page:
                self._wheel.set(*place)
            if len(page) < PAGE:
                return

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            try:
                await asyncio.wait_for(self._wake.wait(), seconds)
            except TimeoutError:
                return
        self._wake.clear()


def _due(reading: Reading, after: Due, until: Ms) -> list[Due]:
    return reading.due(after, until, PAGE)
