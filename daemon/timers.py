"""The timers of all requests: the wheel, turned by the clock."""

import asyncio
from collections.abc import Callable

from daemon.clock import Clock
from daemon.core.milliseconds import Ms, seconds
from daemon.core.wheel import Wheel
from daemon.store.contract import StoreUnusable
from daemon.store.store import STORE_AGAIN_S, Store

IDLE = seconds(60)  # how long the wheel sleeps at the most, by the clock: less than half a revolution of it


class Timers:
    """Rows are the truth, the wheel has hints. fire: called with the row id of a request whose timer may be due."""

    def __init__(self, store: Store, clock: Clock, fire: Callable[[int], object]) -> None:
        self._store = store
        self._clock = clock
        self._fire = fire
        self._wheel = Wheel(clock.now())
        self._asleep_until = Ms(0)
        self._wake = asyncio.Event()

    def recover(self) -> None:
        """Load the timers of the last run, those that are overdue too. It holds up whoever asks: for the start."""
        since = Ms(0)
        while self._wheel.half_empty(self._clock.now()):
            _, until = self._wheel.extend()
            self._load(self._store.reading.due(since, until))
            since = until

    def set(self, due_at: Ms, row: int) -> None:
        self._wheel.set(due_at, row)
        if due_at < self._asleep_until:
            self._wake.set()

    async def run(self) -> None:
        """Turn the wheel until cancelled."""
        while True:
            self._asleep_until = await self.turn()
            await self._sleep(self._clock.real_s(self._asleep_until - self._clock.now()))

    async def turn(self) -> Ms:
        """Fire what is due by now; returns when to turn the wheel again."""
        now = self._clock.now()
        rows = self._wheel.expire(now)
        while self._wheel.half_empty(now):
            since, until = self._wheel.extend()
            self._load(await self._due(since, until))
            rows += self._wheel.expire(now)
        for row in rows:
            self._fire(row)
        return self._wheel.next(now + IDLE)

    async def _due(self, since: Ms, until: Ms) -> list[tuple[Ms, int]]:
        """The timers of a time that the wheel has come to; asked for until the store can be read."""
        while True:
            try:
                return await self._store.read(lambda reading: reading.due(since, until))
            except StoreUnusable:  # PostgreSQL is away, and nothing could be fired now
                await asyncio.sleep(STORE_AGAIN_S)

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            try:
                await asyncio.wait_for(self._wake.wait(), seconds)
            except TimeoutError:
                return
        self._wake.clear()

    def _load(self, timers: list[tuple[Ms, int]]) -> None:
        for due_at, row in timers:
            self._wheel.set(due_at, row)
