"""The timers of all requests: the wheel, turned by the clock; and those that are overdue, a few at a time.

What became due while nobody looked (the daemon was stopped, or the machine slept) is no burst: whatever ends a request
goes out in small steps, whatever begins a delivery no faster than its lane gets rid of them.
"""

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import TypeVar

from daemon.clock import Clock
from daemon.core.commands import Decision
from daemon.core.milliseconds import Ms, seconds
from daemon.core.model import Channel
from daemon.core.wheel import Wheel
from daemon.store.contract import Due, Overdue, Reading, StoreUnusable
from daemon.store.store import STORE_AGAIN_S, Store

T = TypeVar("T")
IDLE = seconds(60)  # how long the wheel sleeps at the most, by the clock: less than half a revolution of it
PAGE = 500  # timers that are read at a time: the loop has them in the wheel within a millisecond
LATE_S = 2.0  # of the first timer that is due: above it the loop or the machine stood still
STEP, PAUSE_S = 25, 0.02  # of what is overdue, beside the traffic
CROWD, LOOK_S = 10, 0.1  # deliveries that wait in a lane: then no overdue one is added; until it is looked at again

KINDS = (None, *Channel)  # of what is overdue: what ends a request, and deliveries

Fire = Callable[[int], "asyncio.Future[Decision]"]
"""Is given the row id of a request whose timer may be due."""


class Timers:
    """Rows are the truth, the wheel has hints. waiting: how many deliveries wait in the lane of a channel."""

    def __init__(self, store: Store, clock: Clock, fire: Fire, waiting: Callable[[Channel], int]) -> None:
        self._store = store
        self._clock = clock
        self._fire = fire
        self._waiting = waiting
        self._wheel = Wheel(clock.now())
        self._asleep_until = Ms(0)
        self._wake = asyncio.Event()
        self._behind = {kind: asyncio.Event() for kind in KINDS}
        self._behind_until = self._wheel.edge  # what is due before that may not have fired

    def recover(self) -> None:
        """Fire what became due before this start, once `run` is called."""
        self._fall_behind()

    def set(self, due_at: Ms, row: int) -> None:
        self._wheel.set(due_at, row)
        if due_at < self._asleep_until:
            self._wake.set()

    async def run(self) -> None:
        """Turn the wheel, and fire what is overdue, until cancelled."""
        async with asyncio.TaskGroup() as together:
            together.create_task(self._turn_on())
            for kind in KINDS:
                together.create_task(self._catch_up_on(kind))

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
            self._fall_behind()
        for row in self._wheel.expire(now):
            self._fire(row)

    def _fall_behind(self) -> None:
        self._behind_until = self._wheel.edge
        for behind in self._behind.values():
            behind.set()

    async def _load(self, since: Ms, until: Ms) -> None:
        place = Due(since, 0)
        while page := await self._read(partial(_due, after=place, until=until)):
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

    # --- what is overdue ---

    async def catch_up(self, channel: Channel | None) -> None:
        """Fire what is overdue and begins a delivery of a channel, no faster than its devices take them; None: what
        ends a request."""
        place = Due(Ms(0), 0)
        while page := await self._read(partial(_overdue, after=place, until=self._behind_until)):
            place = page[-1].due
            if channel is None:
                await self._step([timer.due.row for timer in page if timer.channel is None or self._is_over(timer)])
                continue
            for timer in page:
                if timer.channel is channel:
                    await self._room(timer, channel)
                    await self._step([timer.due.row])

    async def _room(self, timer: Overdue, channel: Channel) -> None:
        """Until its delivery may be added to the lane; a request that is over meanwhile waits for no lane."""
        while self._waiting(channel) >= CROWD and not self._is_over(timer):
            await asyncio.sleep(LOOK_S)

    def _is_over(self, timer: Overdue) -> bool:
        return timer.over <= self._clock.now()

    async def _catch_up_on(self, channel: Channel | None) -> None:
        while True:
            await self._behind[channel].wait()
            self._behind[channel].clear()
            await self.catch_up(channel)

    async def _step(self, rows: Collection[int]) -> None:
        """Fire a few; until that is in the rows."""
        if not rows:
            return
        await asyncio.wait([self._fire(row) for row in rows])
        while self._store.broken:  # each is fired again by whoever fires it
            await asyncio.sleep(STORE_AGAIN_S)
        await asyncio.sleep(PAUSE_S)

    async def _read(self, query: Callable[[Reading], T]) -> T:
        """What the store says; asked until it can be read."""
        while True:
            try:
                return await self._store.read(query)
            except StoreUnusable:  # PostgreSQL is away, and nothing could be fired now
                await asyncio.sleep(STORE_AGAIN_S)


def _due(reading: Reading, after: Due, until: Ms) -> list[Due]:
    return reading.due(after, until, PAGE)


def _overdue(reading: Reading, after: Due, until: Ms) -> list[Overdue]:
    return reading.overdue(after, until, STEP)
