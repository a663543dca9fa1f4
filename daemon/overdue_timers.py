"""Timers that are overdue: they became due while nobody looked, as the daemon was stopped or the machine slept.

They are no burst: whatever ends a request goes out in small steps, whatever begins a delivery no faster than its lane
sends them.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from functools import partial

from daemon.clock import Clock
from daemon.core.commands import Decision
from daemon.core.milliseconds import Ms
from daemon.core.model import Channel
from daemon.store.contract import Damaged, Due, Overdue, Reading
from daemon.store.store import STORE_AGAIN_S, Store

STEP, PAUSE_S = 25, 0.02  # of what is overdue, beside the traffic
CROWD, LOOK_S = 10, 0.1  # deliveries that wait in a lane: then no overdue one is added; until it is looked at again

KINDS = (None, *Channel)  # of what is overdue: what ends a request, and deliveries

FireTimer = Callable[[int], "asyncio.Future[Decision]"]
"""Is given the row id of a request whose timer may be due."""


class OverdueTimers:
    """waiting: how many deliveries wait in the lane of a channel."""

    def __init__(self, store: Store, clock: Clock, fire: FireTimer, waiting: Callable[[Channel], int]) -> None:
        self._store = store
        self._clock = clock
        self._fire = fire
        self._waiting = waiting
        self._wanted = {kind: asyncio.Event() for kind in KINDS}
        self._until = Ms(0)

    def begin(self, until: Ms) -> None:
        """What is due before that may not have fired: fire it, once `run` is called."""
        self._until = until
        for wanted in self._wanted.values():
            wanted.set()

    async def run(self) -> None:
        """Fire what is overdue, each kind by itself, until cancelled."""
        async with asyncio.TaskGroup() as together:
            for kind in KINDS:
                together.create_task(self._catch_up_on(kind))

    async def _catch_up_on(self, channel: Channel | None) -> None:
        while True:
            await self._wanted[channel].wait()
            self._wanted[channel].clear()
            await self.catch_up(channel)

    async def catch_up(self, channel: Channel | None) -> None:
        """Fire what is overdue and begins a delivery of a channel, no faster than its devices take them; None: what
        ends a request."""
        place = Due(Ms(0), 0)
        while page := await self._store.read_patiently(partial(_overdue, after=place, until=self._until)):
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

    async def _step(self, rows: Collection[int]) -> None:
        """Fire a few; until that is in the rows."""
        if not rows:
            return
        await asyncio.wait([self._fire(row) for row in rows])
        while self._store.broken:  # each is fired again by whoever fires it
            await asyncio.sleep(STORE_AGAIN_S)
        await asyncio.sleep(PAUSE_S)


def _overdue(reading: Reading, after: Due, until: Ms) -> list[Overdue]:
    """The next ones. Of a request that is damaged only the timer is known: it counts as one that ends its request."""
    with contextlib.suppress(Damaged):
        return reading.overdue(after, until, STEP)
    with contextlib.suppress(Damaged):
        return reading.overdue(after, until, 1)
    return [Overdue(due, None, due.at) for due in reading.due(after, until, 1)]
