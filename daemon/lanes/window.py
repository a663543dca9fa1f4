"""The window: of what waits in a lane, those whose PINs expire first are in memory; the others wait in the store.

So a lane keeps a few hundred messages or calls, however many there are. What the last run left is looked at from the
first PIN on that can still arrive; what cannot is dropped beside it.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from daemon.core.milliseconds import Ms
from daemon.core.model import Channel
from daemon.core.next_delivery import Backlog
from daemon.engine import Engine, Job
from daemon.store.contract import FIRST, Place, Reading, StoreUnusable
from daemon.store.store import STORE_AGAIN_S

LEAST, PAGE, MOST = 100, 300, 600  # deliveries: below the least a page is read; above the most a part is dropped
SWEPT = 100  # deliveries that are dropped at a time

Page = tuple[list[Job], Place, int]


class Window:
    """Every method is for the event loop's thread.

    insert: puts a job into the backlog, or drops it where it is too late; look: called when there may be more to send.
    """

    def __init__(
        self,
        engine: Engine,
        channel: Channel,
        backlog: Backlog[Job],
        insert: Callable[[Job], None],
        look: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._channel = channel
        self._backlog = backlog
        self._insert = insert
        self._look = look
        self._end: Place | None = None  # where what is only in the store begins; None: nothing is
        self._beyond = 0  # those that are only in the store
        self._meanwhile: list[Job] = []  # came while a page was being read
        self._reading: asyncio.Task[None] | None = None
        self._sweeping: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """All that wait, as far as it is known."""
        return len(self._backlog) + len(self._meanwhile) + self._beyond

    def recover(self, alive_from: Ms) -> None:
        """Take over what the last run left; what expires before that time is dropped."""
        self._end = Place(alive_from, 0, 0)
        late = sweep(self._engine, self._channel, alive_from, self._insert)
        self._sweeping = asyncio.get_running_loop().create_task(late, name=f"{self._channel}-sweep")
        self.refill()

    def close(self) -> None:
        """Nothing is read any more."""
        self._end = None
        for task in (self._reading, self._sweeping):
            if task is not None:
                task.cancel()

    def put(self, job: Job) -> None:
        if self._reading is not None:
            self._meanwhile.append(job)  # whether the page has it is not known yet
        elif self._end is not None and job.not_after > self._end.not_after:
            self._beyond += 1  # its row is enough
        else:
            self._insert(job)
            self._narrow()

    def refill(self) -> None:
        """Read the next page when few are left."""
        if self._end is not None and self._reading is None and len(self._backlog) < LEAST:
            reading = self._read(self._end)
            self._reading = asyncio.get_running_loop().create_task(reading, name=f"{self._channel}-window")

    def _narrow(self) -> None:
        """Drop those that have the most time left: they can be read again."""
        if len(self._backlog) > MOST:
            gone = self._backlog.cut(PAGE)
            self._end = Place(min(message.job.not_after for message in gone), 0, 0)
            self._beyond += len(gone)

    async def _read(self, after: Place) -> None:
        try:
            jobs, self._end, waiting = await self._engine.store.read(partial(_page, self._channel, after=after))
            self._take(jobs, waiting)
        except StoreUnusable:
            await asyncio.sleep(STORE_AGAIN_S)
        finally:
            self._reading = None
            meanwhile, self._meanwhile = self._meanwhile, []
            for job in self._unknown(meanwhile):
                self.put(job)
        self._look()

    def _take(self, jobs: list[Job], waiting: int) -> None:
        for job in self._unknown(jobs):
            self._insert(job)
        if len(jobs) < PAGE:
            self._end = None
        self._beyond = 0 if self._end is None else max(waiting - len(self._backlog), 0)

    def _unknown(self, jobs: list[Job]) -> list[Job]:
        """Those that the backlog does not have."""
        known = {(message.job.request_id, message.job.step) for message in self._backlog}
        return [job for job in jobs if (job.request_id, job.step) not in known]


async def sweep(engine: Engine, channel: Channel, until: Ms, drop: Callable[[Job], None]) -> None:
    """Drop what the last run left and what has expired by that time, in small steps beside what goes on."""
    place = FIRST
    while True:
        try:
            page = await engine.store.read(partial(_late, channel, after=place, until=until))
            if not page:
                return
            for place, job in page:  # noqa: B007 - the last one is where the next page begins
                drop(job)
            await engine.store.turn()
        except StoreUnusable:
            await asyncio.sleep(STORE_AGAIN_S)


def _page(channel: Channel, reading: Reading, after: Place) -> tuple[list[Job], Place, int]:
    page = reading.waiting(channel, after, PAGE)
    jobs = [Job(request, place.step, place.not_after) for place, request in page]
    return jobs, page[-1][0] if page else after, reading.count_waiting(channel)


def _late(channel: Channel, reading: Reading, after: Place, until: Ms) -> list[tuple[Place, Job]]:
    page = reading.waiting(channel, after, SWEPT)
    return [(place, Job(request, place.step, place.not_after)) for place, request in page if place.not_after < until]
