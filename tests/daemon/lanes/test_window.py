"""A lane keeps a few hundred messages, the first to die; the others wait in the store."""

import asyncio
from dataclasses import replace

from daemon.clock import Clock
from daemon.core.commands import GiveUp, Policy
from daemon.core.held_recipients import Holds
from daemon.core.milliseconds import Ms, in_seconds
from daemon.core.milliseconds import seconds as s
from daemon.core.model import Channel, Request, Verdict
from daemon.core.next_delivery import Backlog, QueuedMessage
from daemon.engine import Engine, Job
from daemon.lanes.window import LEAST, MOST, PAGE, Window
from daemon.pins import Pins
from daemon.store.contract import FIRST
from daemon.store.store import Store
from tests.daemon.core.story import request, started
from tests.daemon.lanes.waiting import until
from tests.daemon.store.writes import insert, run

DIES = s(1000)


def waiting(number: int, dies: Ms = DIES) -> Request:
    plain = started(request(1))
    return replace(plain, id=f"{number:032x}", attempts=(replace(plain.attempts[0], not_after=dies),))


def job(number: int, dies: Ms = DIES) -> Job:
    return Job(waiting(number, dies), 0, dies)


class Lane:
    """What the window works on. late: what was dropped."""

    def __init__(self, store: Store) -> None:
        self.engine = Engine(store, Clock(), Pins(b"k" * 32), Policy())
        self.backlog: Backlog[Job] = Backlog(0, Holds())
        self.late: list[int] = []
        self.alive_from = s(10)
        self.window = Window(self.engine, Channel.SMS, self.backlog, self._insert, lambda: None)

    def _insert(self, job: Job) -> None:
        number = int(job.request_id, 16)
        if job.not_after < self.alive_from:
            self.late.append(number)
            self.engine.do(GiveUp(job.request_id, 0, Verdict.WITHDRAWN, "too late"))
        else:
            self.backlog.put(QueuedMessage(in_seconds(job.not_after), 1, job.number, job))

    @property
    def numbers(self) -> list[int]:
        return [int(message.job.request_id, 16) for message in self.backlog]


def test_what_the_last_run_left_comes_in_pages_each_message_once_and_the_first_to_die_first(store: Store) -> None:
    """There used to be a copy of each in memory: 435 MB for a million, and two minutes until the daemon was on duty."""
    count = 2 * PAGE + 50
    run(store, *(insert(waiting(number, DIES + s(count - number))) for number in range(count)))

    async def main() -> list[int]:
        lane, sent = Lane(store), list[int]()
        lane.window.recover(lane.alive_from)
        while len(sent) < count:
            await until(lambda: len(lane.backlog))
            assert len(lane.backlog) <= PAGE
            assert len(lane.window) == count - len(sent)
            sent += lane.numbers
            for message in lane.backlog.cut(0):
                await lane.engine.do(GiveUp(message.job.request_id, 0, Verdict.FAILED, "sent"))
            lane.window.refill()
        await until(lambda: not len(lane.window))
        lane.window.close()
        return sent

    assert asyncio.run(main()) == list(reversed(range(count)))


def test_what_is_too_late_at_a_start_is_dropped_and_delays_nothing(store: Store) -> None:
    run(store, *(insert(waiting(number, s(1))) for number in range(250)), insert(waiting(250)))

    async def main() -> None:
        lane = Lane(store)
        lane.window.recover(lane.alive_from)
        await until(lambda: len(lane.late) == 250)
        assert lane.numbers == [250]
        await store.turn()
        assert len(lane.window) == 1

    asyncio.run(main())
    assert store.reading.counts() == {"IN PROGRESS": 251}
    assert [place.row for place, _ in store.reading.waiting(Channel.SMS, FIRST, 9)] == [251]


def test_a_lane_that_gets_too_many_lets_go_of_those_with_the_most_time_left(store: Store) -> None:
    count = MOST + 1
    run(store, *(insert(waiting(number, DIES + s(number))) for number in range(count)))

    async def main() -> None:
        lane = Lane(store)
        for number in range(count):
            lane.window.put(job(number, DIES + s(number)))
        assert lane.numbers == list(range(PAGE))
        assert len(lane.window) == count
        lane.window.put(job(count, DIES + s(count)))  # its row is enough
        lane.window.put(job(count + 1, s(500)))
        assert lane.numbers == [count + 1, *range(PAGE)]
        assert len(lane.window) == count + 2

    asyncio.run(main())


def test_what_comes_while_a_page_is_read_is_not_lost_and_not_doubled(store: Store) -> None:
    run(store, *(insert(waiting(number)) for number in range(LEAST)))

    async def main() -> None:
        lane = Lane(store)
        lane.window.recover(lane.alive_from)
        lane.window.put(job(7))  # which the page has
        lane.window.put(job(LEAST, s(2000)))  # which it has not
        assert len(lane.window) == 2
        await until(lambda: len(lane.backlog) > 1)
        assert lane.numbers == list(range(LEAST + 1))
        assert len(lane.window) == LEAST + 1

    asyncio.run(main())
