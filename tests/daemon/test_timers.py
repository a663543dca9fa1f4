"""The timers on a store: none is lost, and those that became due during an outage do not fire all at once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from daemon.clock import Clock
from daemon.core.commands import AddNote, Decision, Fire
from daemon.core.milliseconds import Ms, in_seconds, seconds
from daemon.core.model import Channel
from daemon.store.condition import Condition
from daemon.store.contract import Damaged
from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.sqlite.reading import SqliteReading
from daemon.store.store import Store
from daemon.timers import Timers
from tests.daemon.conftest import Hand
from tests.daemon.store.damage import spoil
from tests.daemon.store.writes import connection
from tests.daemon.test_engine_acting import World, left

CROWD = 10
MANY = 3 * CROWD
Asked = Callable[[Any, str], object]
TWO_EVENTS, ONE_EVENT = 5, 6  # workflows: SMS, then a call; an SMS


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.overdue_timers.PAUSE_S", 0.0)
    monkeypatch.setattr("daemon.overdue_timers.LOOK_S", 0.001)


async def outage(store: Store, hand: Hand, workflow: int, seconds: float) -> World:
    """A daemon that begins so long after many requests were started."""
    before = World(store, hand)
    for number in range(MANY):
        await before.start(f"{number:032x}", workflow, f"4477009{number:05}")
    hand.at += seconds
    after = World(store, hand)
    after.engine.timers.recover()
    return after


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not done():
            await asyncio.sleep(0.001)


def test_calls_that_are_overdue_wait_until_the_lane_has_room(store: Store, hand: Hand) -> None:
    """There used to be a burst: all that an outage had left went out at once."""

    async def main() -> None:
        world = await outage(store, hand, TWO_EVENTS, 200)
        calls = world.calls.jobs
        running = asyncio.create_task(world.engine.timers.run())
        await until(lambda: len(calls) == CROWD)
        for begun in range(CROWD + 1, MANY + 1):
            calls.pop()
            await until(lambda: len(calls) == CROWD)
            steps = [store.reading.request(f"{number:032x}") for number in range(MANY)]
            assert sum(found is not None and found[1].step == 2 for found in steps) == begun
        running.cancel()

    asyncio.run(main())


@pytest.mark.parametrize("workflow", [TWO_EVENTS, ONE_EVENT])
def test_what_ends_requests_waits_for_no_lane(store: Store, hand: Hand, workflow: int) -> None:
    """Also what would have begun a delivery, in time."""

    async def main() -> None:
        world = await outage(store, hand, workflow, 3600)
        for channel, lane in ((Channel.SMS, world.sms), (Channel.TTS, world.calls)):
            lane.jobs += [*left(store, Channel.SMS)][:CROWD]
            assert world.engine.lanes[channel].waiting == CROWD
        await world.engine.timers.overdue.catch_up(None)
        assert store.reading.live() == 0

    asyncio.run(main())


def test_a_request_that_is_over_while_it_waits_for_room_in_a_lane_ends(store: Store, hand: Hand) -> None:
    """This used to be checked before the wait only: a lane that stayed full kept the request in progress."""

    async def main() -> None:
        world = await outage(store, hand, TWO_EVENTS, 200)
        world.calls.jobs += [*left(store, Channel.SMS)][:CROWD]
        steps = iter([3600.0])

        def waiting(channel: Channel) -> int:
            hand.at += next(steps, 0.0)
            return world.engine.lanes[channel].waiting

        timers = Timers(store, world.engine.clock, lambda row: world.engine.do(Fire(row)), waiting)
        timers.recover()
        async with asyncio.timeout(20):
            await timers.overdue.catch_up(Channel.TTS)
        assert store.reading.live() == 0
        assert world.engine.lanes[Channel.TTS].waiting == CROWD

    asyncio.run(main())


@pytest.mark.parametrize(
    ("part", "asked"), [("check_request", SqliteReading.checks), ("request", SqliteReading.request)]
)
def test_what_is_overdue_goes_on_beside_what_is_damaged(tmp_path: Path, hand: Hand, part: str, asked: Asked) -> None:
    """There used to be one word for a full disk and a damaged file: after one damaged page nothing overdue fired."""
    store, again = (Store(SqliteDatabase(tmp_path / "p.db")) for _ in range(2))

    async def main() -> None:
        store.open()
        await outage(store, hand, ONE_EVENT, 3600)
        store.close()
        spoil(tmp_path / "p.db", part)
        again.open()
        after = World(again, hand)
        after.engine.timers.recover()
        with pytest.raises(Damaged):
            asked(again.reading, f"{0:032x}")
        async with asyncio.timeout(20):
            await after.engine.timers.overdue.catch_up(None)
        assert again.condition == Condition(damaged=True)
        assert again.reading.live() in (range(1, MANY) if part == "request" else [0])

    asyncio.run(main())
    again.close()


def test_what_meets_damage_is_given_again_after_a_while_but_a_timer_is_not(
    tmp_path: Path, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There used to be each of them once a second for ever: a million timers would have been too many."""
    monkeypatch.setattr("daemon.engine.DAMAGED_AGAIN_S", 0.0)
    store, again = (Store(SqliteDatabase(tmp_path / "p.db")) for _ in range(2))
    tries: list[str] = []

    async def main() -> None:
        store.open()
        await World(store, hand).start(workflow=ONE_EVENT)
        store.close()
        spoil(tmp_path / "p.db", "history")
        again.open()
        hand.at += 3600
        engine = World(again, hand).engine
        connection(again).set_trace_callback(lambda sql: tries.append(sql) if sql.startswith("BEGIN") else None)
        with pytest.raises(Damaged):
            await engine.do(Fire(1))
        await again.turn()
        assert len(tries) == 1
        with pytest.raises(Damaged):
            await engine.do(AddNote("", None, "incoming", "x", insist=True))
        await until(lambda: len(tries) > 3)

    asyncio.run(main())
    again.close()


def test_after_a_standstill_what_is_due_is_overdue(store: Store, hand: Hand) -> None:
    async def main() -> None:
        world = World(store, hand)
        await world.start(workflow=ONE_EVENT)
        await world.engine.timers.turn()
        due = world.request().due_at
        assert due is not None
        hand.at = in_seconds(due) + 60
        await world.engine.timers.turn()
        await world.settled()
        assert store.reading.live() == 1
        await world.engine.timers.overdue.catch_up(None)
        assert store.reading.live() == 0

    asyncio.run(main())


def test_a_timer_that_is_set_while_they_sleep_wakes_them(store: Store, hand: Hand) -> None:
    async def main() -> None:
        world = World(store, hand)
        running = asyncio.create_task(world.engine.timers.run())
        await world.start(workflow=ONE_EVENT)
        due = world.request().due_at
        assert due is not None
        hand.at = in_seconds(due)
        world.engine.timers.set(due - seconds(300), 999)  # nobody's
        await until(lambda: store.reading.live() == 0)
        running.cancel()

    asyncio.run(main())


def test_more_timers_than_are_read_at_a_time_all_fire(
    store: Store, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.timers.PAGE", 7)

    async def main() -> None:
        world = World(store, hand)
        for number in range(MANY):
            await world.start(f"{number:032x}", ONE_EVENT, f"4477009{number:05}")
        later = World(store, hand)
        due = world.request(f"{0:032x}").due_at
        assert due is not None
        await later.engine.timers.turn()
        hand.at = in_seconds(due) + 0.5
        await later.engine.timers.turn()
        await later.settled()
        assert store.reading.live() == 0

    asyncio.run(main())


@dataclass(frozen=True, slots=True)
class WatchedClock(Clock):
    """It keeps the spans for which the timers sleep, and by which they are late."""

    sleeps: list[Ms] = field(default_factory=list)

    def real_s(self, span: Ms) -> float:
        if span > Ms(0):
            self.sleeps.append(span)
        return Clock.real_s(self, span)


@dataclass
class Alone:
    """Timers of no engine."""

    timers: Timers
    clock: WatchedClock
    fired: list[int]


def alone(store: Store, hand: Hand, story: Callable[[Alone], Awaitable[None]], speed: float = 1.0) -> None:
    async def main() -> None:
        clock = WatchedClock(speed, hand.at, hand.at, hand.at)
        fired: list[int] = []

        def fire(row: int) -> "asyncio.Future[Decision]":
            fired.append(row)
            done: asyncio.Future[Decision] = asyncio.Future()
            done.set_result(Decision())
            return done

        timers = Timers(store, clock, fire, lambda _: 0)
        running = asyncio.create_task(timers.run())
        await until(lambda: bool(clock.sleeps))
        await story(Alone(timers, clock, fired))
        assert not running.done()
        running.cancel()

    asyncio.run(main())


async def a_while() -> None:
    """As long as a few turns of the loop take."""
    for _ in range(50):
        await asyncio.sleep(0)


def test_they_sleep_a_minute_or_until_the_next_timer_and_no_turn_more(store: Store, hand: Hand) -> None:
    async def story(world: Alone) -> None:
        soon = world.clock.now() + Ms(500)
        world.timers.set(world.clock.now() + seconds(90), 1)
        await a_while()
        assert world.clock.sleeps == [seconds(60)]
        world.timers.set(soon, 2)
        await a_while()
        assert world.clock.sleeps == [seconds(60), Ms(500)]
        hand.at += 0.5
        world.timers.set(soon - Ms(100), 3)
        await until(lambda: world.clock.sleeps[-1] == seconds(60))
        assert world.fired == [3, 2]

    alone(store, hand, story)


def test_they_turn_again_after_their_sleep(store: Store, hand: Hand) -> None:
    async def story(world: Alone) -> None:
        await until(lambda: len(world.clock.sleeps) > 3)

    alone(store, hand, story, speed=1e5)


def test_two_seconds_late_is_in_time_and_more_is_a_standstill(store: Store, hand: Hand) -> None:
    async def story(world: Alone) -> None:
        world.timers.set(world.clock.now() + seconds(40), 1)
        hand.at += 42
        await world.timers.turn()
        assert world.fired == [1]
        world.timers.set(world.clock.now() + seconds(40), 2)
        hand.at += 42.1
        await world.timers.turn()
        assert world.fired == [1]  # its row is looked for among what is overdue

    alone(store, hand, story)


def test_what_is_overdue_is_looked_for_once(store: Store, hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Any] = []
    read = store.read_patiently

    def spy(query: "partial[Any]") -> Awaitable[Any]:
        looks.append(query)
        return read(query)

    async def story(world: Alone) -> None:
        loaded = len(looks)
        world.timers.recover()
        await until(lambda: len(looks) == loaded + 3)
        await read(lambda _: None)
        await a_while()
        assert len(looks) == loaded + 3  # for what ends requests, for messages and for calls

    monkeypatch.setattr(store, "read_patiently", spy)
    alone(store, hand, story)
