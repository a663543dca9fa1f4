"""What the engine does once it is durable: lanes, timers, accounts of SIMs, the log, and what insists."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from daemon.clock import Clock
from daemon.core.commands import (
    AddNote,
    Begin,
    Cancel,
    ChargeTest,
    Check,
    Fire,
    Next,
    Policy,
    RefundTest,
    Report,
    SetMeta,
    Settle,
    Start,
)
from daemon.core.milliseconds import Ms, in_seconds
from daemon.core.milliseconds import seconds as s
from daemon.core.model import Attempt, AttemptState, Channel, Request, Status, Verdict
from daemon.core.outcomes import Accepted, Outcome, Unknown, WrongCode
from daemon.core.ownership import Caller
from daemon.core.quota import Limits, Quota
from daemon.engine import Engine, Job, event_id
from daemon.lanes.no_device import NoDevice
from daemon.lanes.window import SWEPT
from daemon.pins import Pins
from daemon.store.contract import FIRST, StoreUnusable
from daemon.store.store import Store
from tests.daemon.conftest import LATE_S, Hand
from tests.daemon.core.story import request, started
from tests.daemon.store.writes import insert, locked, run

ID, OTHER = "0190" * 8, "0191" * 8
NOBODY = Caller()


@dataclass
class Lane:
    """Keeps what it gets."""

    left: Callable[[], Iterable[Job]]
    jobs: list[Job] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def recover(self) -> None:
        self.jobs += self.left()

    def put(self, job: Job) -> None:
        self.jobs.append(job)

    @property
    def waiting(self) -> int:
        return len(self.jobs)

    def stop(self, request_id: str) -> None:
        self.stopped.append(request_id)


def left(store: Store, channel: Channel) -> list[Job]:
    """What waits for a device of this channel."""
    return [Job(request, place.step, place.not_after) for place, request in store.reading.waiting(channel, FIRST, 999)]


class World:
    """An engine on a store, with a lane of each kind."""

    def __init__(self, store: Store, hand: Hand, policy: Policy | None = None) -> None:
        clock = Clock(_wall=hand.at, _monotonic=hand.at)
        self.engine = Engine(store, clock, Pins(b"k" * 32), policy or Policy())
        self.sms, self.calls = (Lane(partial(left, store, channel)) for channel in (Channel.SMS, Channel.TTS))
        self.engine.lanes = {Channel.SMS: self.sms, Channel.TTS: self.calls}
        self.store, self.hand = store, hand

    async def start(self, request_id: str = ID, workflow: int = 1, number: str = "447700900123") -> None:
        new = replace(request(workflow), id=request_id, number=number)
        assert (await self.engine.do(Start(NOBODY, new))).outcome == Accepted()

    async def settled(self) -> None:
        """All that was submitted so far is durable."""
        await self.store.turn()

    def request(self, request_id: str = ID) -> Request:
        found = self.store.reading.request(request_id)
        assert found is not None
        return found[1]

    def attempt(self, request_id: str = ID, step: int = 0) -> Attempt:
        found = self.request(request_id).attempt(step)
        assert found is not None
        return found

    def notes(self, request_id: str = ID) -> list[tuple[str, str]]:
        return [(line.kind, line.detail) for line in self.store.reading.history(0, 100, request_id)]


def steps(jobs: Sequence[Job]) -> list[tuple[str, int]]:
    return [(job.request_id, job.step) for job in jobs]


# --- what is not there ----------------------------------------------------------------------------------------


def test_a_command_on_a_request_that_is_not_there_changes_nothing(store: Store, hand: Hand) -> None:
    async def main() -> None:
        world = World(store, hand)
        for ask in (Check(NOBODY, ID, "0000"), Cancel(NOBODY, ID), Next(NOBODY, ID)):
            assert (await world.engine.do(ask)).outcome == Unknown()
        for news in (Begin(ID, 0, "sim1"), Settle(ID, 0, Verdict.TAKEN, "sim1"), Fire(999)):
            assert not (await world.engine.do(news)).changed
        await world.start(OTHER)
        assert await world.engine.find(NOBODY, [ID, OTHER], lambda found, _: found.id) == [OTHER]

    asyncio.run(main())


# --- lanes ----------------------------------------------------------------------------------------------------


def test_a_delivery_goes_to_the_lane_of_its_channel_with_its_deadline(store: Store, hand: Hand) -> None:
    async def main() -> None:
        world = World(store, hand)
        await world.start()
        assert (steps(world.sms.jobs), world.calls.jobs) == ([(ID, 0)], [])
        [job] = world.sms.jobs
        assert (job.number, job.not_after) == ("447700900123", world.attempt().not_after)
        assert "447700900123" not in repr(job)
        await world.engine.do(Next(NOBODY, ID))
        assert (steps(world.sms.jobs), steps(world.calls.jobs)) == ([(ID, 0)], [(ID, 1)])
        assert (world.sms.stopped, world.calls.stopped) == ([], [])

    asyncio.run(main())


def test_every_lane_stops_when_a_request_is_over(store: Store, hand: Hand) -> None:
    async def main() -> None:
        world = World(store, hand)
        await world.start()
        hand.at += 31
        assert (await world.engine.do(Cancel(NOBODY, ID))).outcome == Accepted()
        assert (world.sms.stopped, world.calls.stopped) == ([ID], [ID])

    asyncio.run(main())


@pytest.mark.parametrize(("workflow", "why"), [(6, "no modem is configured"), (7, "no voice driver is configured")])
def test_where_there_is_no_lane_the_delivery_is_given_up(store: Store, hand: Hand, workflow: int, why: str) -> None:
    async def main() -> None:
        world = World(store, hand)
        world.engine.lanes = {channel: NoDevice(world.engine, channel) for channel in Channel}
        await world.start(workflow=workflow)
        await world.settled()
        assert (world.attempt().state, world.attempt().detail) == (AttemptState.REFUSED, why)

    asyncio.run(main())


def test_however_much_the_last_run_left_without_a_device_is_refused_beside_the_start(store: Store, hand: Hand) -> None:
    """All of it used to be handled before the first request could be served."""
    rows = [replace(started(request(7)), id=f"{number:032x}") for number in range(2 * SWEPT + 1)]
    run(store, *map(insert, rows))

    async def main() -> None:
        world = World(store, hand)
        world.engine.lanes = {channel: NoDevice(world.engine, channel) for channel in Channel}
        world.engine.recover()
        assert store.reading.count_waiting(Channel.TTS) == len(rows)  # nothing was done before it went on
        async with asyncio.timeout(20):
            while store.reading.count_waiting(Channel.TTS):
                await world.engine.wait_for_news(0.1)

    asyncio.run(main())


# --- after a start --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resend", "state"), [({"sim1": False}, AttemptState.UNCERTAIN), ({"sim1": True}, AttemptState.REQUEUED)]
)
def test_what_the_last_run_left_is_put_back(
    store: Store, hand: Hand, resend: dict[str, bool], state: AttemptState
) -> None:
    async def main() -> None:
        before = World(store, hand)
        await before.start(ID)
        await before.start(OTHER, number="447700900124")
        await before.engine.do(Begin(ID, 0, "sim1"))
        after = World(store, hand, Policy(resend=resend))
        after.engine.recover()
        await after.settled()
        assert after.attempt(ID).state is state
        assert ("the daemon stopped meanwhile" in after.attempt(ID).detail) or after.attempt(ID).tries == 1
        again = [(ID, 0)] if state is AttemptState.REQUEUED else []
        assert steps(after.sms.jobs) == [(OTHER, 0), *again]

    asyncio.run(main())


def test_timers_of_the_last_run_fire(store: Store, hand: Hand) -> None:
    async def main() -> None:
        await World(store, hand).start()
        after = World(store, hand)
        due = after.request().due_at
        assert due is not None
        after.engine.recover()
        hand.at = in_seconds(due) - 0.001
        await after.engine.timers.turn()
        await after.settled()
        assert after.request().step == 1
        hand.at = in_seconds(due) + LATE_S
        await after.engine.timers.turn()
        await after.settled()
        assert (after.request().step, steps(after.calls.jobs)) == (2, [(ID, 1)])

    asyncio.run(main())


# --- accounts of SIMs -----------------------------------------------------------------------------------------


def test_an_account_is_what_the_rows_say(store: Store, hand: Hand) -> None:
    async def main() -> None:
        world = World(store, hand)
        world.engine.quotas = {"sim1": Quota(Limits())}

        def counted() -> tuple[int, int]:
            at = world.engine.clock.now()
            return world.engine.quotas["sim1"].used(at).day, len(store.reading.sent_by("sim1", Ms(0)))

        await world.start()
        await world.engine.do(Begin(ID, 0, "sim1"))
        assert counted() == (1, 1)
        await world.engine.do(Settle(ID, 0, Verdict.TAKEN, "sim1", "7", parts=3))
        assert counted() == (3, 3)
        await world.engine.do(ChargeTest("sim1", "447700900199"))
        assert counted() == (4, 4)
        await world.engine.do(RefundTest("sim1", "447700900199"))
        assert counted() == (3, 3)
        await world.engine.do(ChargeTest("another", "447700900199"))
        assert counted() == (3, 3)
        assert len(store.reading.sent_by("another", Ms(0))) == 1

    asyncio.run(main())


# --- reports, notes, settings ---------------------------------------------------------------------------------


def test_a_report_is_for_the_message_with_its_reference(store: Store, hand: Hand) -> None:
    async def main() -> None:
        world = World(store, hand)
        for request_id, number, reference in ((ID, "447700900123", "7"), (OTHER, "447700900124", "8")):
            await world.start(request_id, number=number)
            await world.engine.do(Begin(request_id, 0, "sim1"))
            await world.engine.do(Settle(request_id, 0, Verdict.TAKEN, "sim1", reference))
        for number, reference, device in (
            ("447700900124", "9", "sim1"),
            ("447700900124", "8", "sim2"),
            ("447700900199", "8", "sim1"),
        ):
            decision = await world.engine.do(Report(number, reference, device, Ms(0), True, ""))
            assert not decision.changed
        await world.engine.do(Report("447700900124", "8", "sim1", Ms(0), True, "network says so"))
        assert [world.attempt(each).state for each in (ID, OTHER)] == [AttemptState.SENT, AttemptState.DELIVERED]
        assert world.notes(OTHER)[-1] == ("delivered", "network says so")

    asyncio.run(main())


def test_what_happens_is_in_the_history_of_its_request(store: Store, hand: Hand) -> None:
    async def main() -> None:
        world = World(store, hand)
        await world.start()
        await world.engine.do(Begin(ID, 0, "sim1"))
        await world.engine.do(AddNote(ID, 0, "seen", "by somebody"))
        await world.engine.do(AddNote("", None, "incoming", "hello"))
        assert world.notes() == [
            ("started", "workflow 1, en-gb"),
            ("event", "sms A"),
            ("sending", "sim1"),
            ("seen", "by somebody"),
        ]
        assert [line.kind for line in store.reading.history(0, 100)][-1] == "incoming"
        assert {line.at for line in store.reading.history(0, 100)} == {s(hand.at)}
        await world.engine.do(SetMeta("duty of modem sim1", "paused"))
        assert store.reading.meta("duty of modem sim1") == "paused"

    asyncio.run(main())


def test_events_are_logged_with_a_masked_number_and_notes_are_not(
    store: Store, hand: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        world = World(store, hand)
        await world.start()
        await world.engine.do(AddNote(ID, 0, "seen", "by somebody"))

    with caplog.at_level(logging.INFO, "pinwheel.engine"):
        asyncio.run(main())
    assert [record.getMessage() for record in caplog.records] == [
        f"request={ID} number=4477******23 kind=event step=0 detail='sms A'"
    ]


def test_the_lines_of_a_batch_are_logged_together_before_anybody_is_answered(
    store: Store, hand: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    """A crash behind an answer loses no line; there used to be a record for each, which cost half of an answer."""
    logged: list[str] = []

    async def main() -> None:
        world = World(store, hand)
        starting = [
            world.engine.do(Start(NOBODY, replace(request(1), id=name, number=f"4477009001{place}")))
            for place, name in enumerate((ID, OTHER), 23)
        ]
        starting[0].add_done_callback(lambda _: logged.extend(record.getMessage() for record in caplog.records))
        await asyncio.gather(*starting)

    with caplog.at_level(logging.INFO, "pinwheel.engine"):
        asyncio.run(main())
    assert [text.splitlines() for text in logged] == [
        [
            f"request={ID} number=4477******23 kind=event step=0 detail='sms A'",
            f"request={OTHER} number=4477******24 kind=event step=0 detail='sms A'",
        ]
    ]


def test_nothing_is_made_of_a_line_that_is_not_logged(
    store: Store, hand: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        await World(store, hand).start()

    with caplog.at_level(logging.WARNING, "pinwheel.engine"):
        asyncio.run(main())
    assert not caplog.records


def test_a_code_whose_key_was_lost_is_wrong_and_who_watches_sees_it_with_its_time(store: Store, hand: Hand) -> None:
    async def main() -> None:
        world, seen = World(store, hand), list[tuple[Outcome, Ms]]()
        world.engine.watchers.append(lambda decision, at: seen.append((decision.outcome, at)))
        new = replace(request(1), id=ID, sealed_pin=Pins(b"j" * 32).seal(ID, "Abc123"))
        await world.engine.do(Start(NOBODY, new))
        await world.engine.do(Check(NOBODY, ID, "Abc123"))
        await world.settled()
        assert [outcome for outcome, _ in seen] == [Accepted(), WrongCode()]
        assert all(isinstance(at, int) and at >= world.request().created_at for _, at in seen)

    asyncio.run(main())


def test_a_check_is_stored_with_its_time_and_its_result(store: Store, hand: Hand) -> None:
    async def main() -> None:
        world = World(store, hand)
        await world.start()
        pin = world.engine.pins.of(world.request(), 1)
        wrong = "0000" if pin != "0000" else "0001"
        assert (await world.engine.do(Check(NOBODY, ID, wrong, "192.0.2.1"))).outcome == WrongCode()
        hand.at += 1
        assert (await world.engine.do(Check(NOBODY, ID, pin, "192.0.2.2"))).outcome == Accepted()
        checks = [(check.at, check.valid, check.ip_address) for check in store.reading.checks(ID)]
        assert checks == [(s(hand.at - 1), False, "192.0.2.1"), (s(hand.at), True, "192.0.2.2")]
        assert world.request().status is Status.SUCCESS

    asyncio.run(main())


def test_the_id_of_an_event_is_the_same_every_time() -> None:
    assert event_id("0190", 1) == "fef4850b74c13da6d667aab791497997"
    assert len({event_id(ID, 1), event_id(ID, 2), event_id(OTHER, 1)}) == 3


# --- news -----------------------------------------------------------------------------------------------------


def test_whoever_waits_learns_that_something_was_committed(store: Store, hand: Hand) -> None:
    async def main() -> None:
        world = World(store, hand)
        news = world.engine.news
        waiting = asyncio.create_task(world.engine.wait_for_news(60))
        await asyncio.sleep(0)
        await world.start()
        await asyncio.wait_for(waiting, 10)
        assert news.is_set()
        assert not world.engine.news.is_set()
        await world.engine.wait_for_news(60, news)  # it was before: at once
        await world.engine.wait_for_news(0.01)  # nothing comes: until the time is over

    asyncio.run(main())


# --- a store that cannot be used ------------------------------------------------------------------------------


def test_what_a_device_has_done_is_stored_later_and_what_is_asked_fails(
    tmp_path: Path, store: Store, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.engine.STORE_AGAIN_S", 0.01)

    async def main() -> None:
        world = World(store, hand)
        await world.start()
        await world.engine.do(Begin(ID, 0, "sim1"))
        with locked(tmp_path, store):
            with pytest.raises(StoreUnusable):
                await world.engine.do(Settle(ID, 0, Verdict.TAKEN, "sim1", "7"))
            with pytest.raises(StoreUnusable):
                await world.engine.do(Next(NOBODY, ID))
        async with asyncio.timeout(20):
            while world.attempt().state is not AttemptState.SENT:
                await world.engine.wait_for_news(0.05)
        assert world.request().step == 1

    asyncio.run(main())
