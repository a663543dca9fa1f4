"""An answer that comes late, and a database that cannot be written for a while: what the record says in the end.

The lane, the engine and the store are the daemon's own, in this process, so that the driver's patience can be short.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from daemon.clock import Clock
from daemon.config import Modem
from daemon.core.commands import Begin, Policy, Start
from daemon.core.milliseconds import DAY
from daemon.core.milliseconds import seconds as s
from daemon.core.missing_reports import Reporting
from daemon.core.model import AttemptState, Channel, Request, Step
from daemon.core.ownership import Caller
from daemon.engine import Engine
from daemon.lanes.sms import ModemSlot, SmsLane, SmsText
from daemon.lanes.snapshots import Duty
from daemon.pins import Pins
from daemon.store.condition import Condition
from daemon.store.store import Store
from drivers import DeviceState, DriverError, Sms, SmsDriver, Uncertain
from drivers.figures import ModemCounts
from drivers.serial.driver import Driver
from drivers.serial.options import Options
from drivers.simulated.dialect import Dialect
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.pdus import deliver, status_report
from tests.daemon.conftest import Hand
from tests.daemon.core.story import request
from tests.daemon.lanes.timed import TimedLane, TimedModem, by_hand
from tests.daemon.lanes.waiting import until
from tests.daemon.store.damage import spoil
from tests.daemon.store.writes import connection, hold, locked
from tests.drivers.serial.driving import FAST
from tests.gateway import until as until_blocking

SLOW_S = 1.2  # FAST gives an answer half of that
OVER = {"delivered", "failed", "refused"}
NUMBER = "447700900123"


def plain(_: Request, pin: str) -> str:
    return f"Acme code: {pin}."


@asynccontextmanager
async def running(
    store: Store,
    modem: SimulatedModem,
    *,
    resend: bool = False,
    text: SmsText = plain,
    listen_s: float = FAST.listen,
) -> AsyncIterator[Engine]:
    engine = Engine(store, Clock(), Pins(b"k" * 32), Policy(resend={"sim1": resend}))
    driver = Driver("sim1", Options(port=modem.port), replace(FAST, listen=listen_s))
    lane = engine.lanes[Channel.SMS] = SmsLane(engine, [(driver, Modem("sim1", monthly_recipients=99))], text)
    lane.open()
    try:
        await until(lambda: lane.pool.slots[0].ready or lane.pool.slots[0].duty is Duty.DRAINED)
        yield engine
    finally:
        await lane.close()


def in_state(driver: SmsDriver, state: DeviceState) -> bool:
    return driver.status().state is state


def lane_of(engine: Engine) -> tuple[SmsLane, ModemSlot]:
    lane = engine.lanes[Channel.SMS]
    assert isinstance(lane, SmsLane)
    return lane, lane.pool.slots[0]


def state(engine: Engine, request_id: str) -> str:
    found = engine.store.reading.request(request_id)
    assert found is not None
    return found[1].attempts[0].state


async def counted(engine: Engine) -> tuple[int, int]:
    """Messages of today: in memory, and in the database; in both, what has been committed."""
    await engine.store.turn()  # what the database has committed, this thread may not know yet
    return counted_now(engine)


def counted_now(engine: Engine) -> tuple[int, int]:
    slot = lane_of(engine)[1]
    return slot.quota.used(engine.clock.now()).day, len(engine.store.reading.sent_by("sim1", s(0)))


async def start(engine: Engine, number: str) -> str:
    """A request of one SMS."""
    plan = request(steps=(Step(Channel.SMS, s(300)),))
    new = replace(plan, created_at=engine.clock.now(), id=f"{int(number):032x}", number=number)
    await engine.do(Start(Caller(), new))
    return new.id


async def lost(engine: Engine, modem: SimulatedModem, *, accepted: bool) -> str:
    """A request whose SMS is never answered by the modem, nor reported; whether it was sent."""
    modem.lose_answer(accepted)
    request_id = await start(engine, "447700900186")
    await until(lambda: state(engine, request_id) == "uncertain" and lane_of(engine)[1].ready)
    return request_id


async def told(engine: Engine, request_id: str) -> list[str]:
    """What the history says of the delivery of a request, up to its end."""
    kinds: list[str] = []
    async with asyncio.timeout(20):
        while not OVER & set(kinds):
            await engine.wait_for_news(0.2)
            kinds = [line.kind for line in engine.store.reading.history(0, 100, request_id)]
    return [kind for kind in kinds if kind not in ("started", "event")]


@pytest.mark.parametrize(
    ("resend", "error", "expected", "arrived"),
    [
        (False, None, ["sending", "uncertain", "sent", "delivered"], 1),
        (True, None, ["sending", "uncertain", "sent", "delivered"], 1),  # what waited to go out again does not
        (False, 350, ["sending", "uncertain", "failed"], 0),
        (True, 350, ["sending", "uncertain", "sending", "uncertain", "sent", "delivered"], 1),
    ],
)
def test_a_late_answer_corrects_the_record_and_nothing_goes_out_twice(
    tmp_path: Path, store: Store, *, resend: bool, error: int | None, expected: list[str], arrived: int
) -> None:
    async def story(modem: SimulatedModem) -> list[str]:
        async with running(store, modem, resend=resend) as engine:
            return await told(engine, await start(engine, NUMBER))

    with SimulatedModem(tmp_path / "modem", network_s=SLOW_S, report_s=0.05) as modem:
        if error is not None:
            modem.refuse(error)
        assert asyncio.run(story(modem)) == expected
        assert len(modem.accepted) == arrived


def test_a_database_that_cannot_be_written_for_a_while_loses_no_message_and_no_answer(
    tmp_path: Path, store: Store
) -> None:
    async def story(modem: SimulatedModem) -> list[list[str]]:
        async with running(store, modem) as engine:
            requests = [await start(engine, number) for number in (NUMBER, "447700900145")]
            await until(lambda: modem.commands["+CMGS"])  # the first is on the wire, the second waits
            with locked(tmp_path, store):
                await until(lambda: modem.accepted and store.broken)
            return [await told(engine, each) for each in requests]

    with SimulatedModem(tmp_path / "modem", network_s=0.3, report_s=0.05) as modem:
        told_of = asyncio.run(story(modem))
        assert [(kinds[0], kinds[-1]) for kinds in told_of] == [("sending", "delivered")] * 2
        assert [number for number, _ in modem.accepted] == [NUMBER, "447700900145"]


def test_a_message_whose_row_is_damaged_holds_up_none_behind_it(tmp_path: Path, store: Store) -> None:
    """There used to be a try of it once a second, before all others, as long as its PIN was valid."""
    numbers = [f"44770090{place:04}" for place in range(200, 300)]  # more than one page of them

    async def story(modem: SimulatedModem) -> None:
        async with running(store, modem) as engine:
            lane, slot = lane_of(engine)
            await lane.pool.set_duty(slot.name, Duty.PAUSED)
            for number in numbers:
                await start(engine, number)
            await store.between(store.database.empty_log)
            await store.between(lambda: connection(store).execute("PRAGMA shrink_memory"))
            spoil(tmp_path / "pinwheel.db", "attempt")
            await lane.pool.set_duty(slot.name, Duty.WORKING)
            await until(lambda: modem.accepted)
        assert store.condition == Condition(damaged=True)

    with SimulatedModem(tmp_path / "modem", network_s=0.05) as modem:
        asyncio.run(story(modem))
        assert modem.accepted[0][0] in numbers[1:]


@pytest.mark.parametrize("resend", [True, False])
def test_a_late_answer_is_heard_also_while_the_daemon_is_busy(tmp_path: Path, store: Store, *, resend: bool) -> None:
    async def story(modem: SimulatedModem) -> str:
        async with running(store, modem, resend=resend) as engine:
            driver = lane_of(engine)[1].driver
            sent = await start(engine, "447700900186")  # has no report
            await until(lambda: modem.sending)
            for next_state in (DeviceState.WAITING, DeviceState.READY):  # it gives up, and hears the answer
                until_blocking(partial(in_state, driver, next_state), next_state)  # the loop turns for nobody else
            await until(lambda: state(engine, sent) == "sent")
            modem.network_s = 0.05
            after = await start(engine, "447700900286")  # behind the first, if that were to go out again
            await until(lambda: state(engine, after) == "sent")
            return state(engine, sent)

    with SimulatedModem(tmp_path / "modem", network_s=FAST.answer + 0.2) as modem:
        assert asyncio.run(story(modem)) == "sent"
        assert [number for number, _ in modem.accepted] == ["447700900186", "447700900286"]


@pytest.mark.parametrize(("length", "end", "parts"), [(20, "sent", 1), (200, "uncertain", 2)], ids=["short", "long"])
def test_what_a_modem_had_when_the_daemon_was_killed_may_be_answered_late(
    tmp_path: Path, store: Store, length: int, end: str, parts: int
) -> None:
    """Nobody knew it any more, so that its answer was the next message's; and two parts counted as one SMS."""

    async def killed(modem: SimulatedModem) -> str:
        engine = Engine(store, Clock(1.0), Pins(b"k" * 32), Policy())
        engine.lanes[Channel.SMS] = lane = SmsLane(engine, [], plain)
        request_id = await start(engine, "447700900186")  # has no report
        await lane.close()
        await engine.do(Begin(request_id, 0, "sim1"))
        driver = Driver("sim1", Options(port=modem.port), FAST)
        driver.open(lambda _: Future())
        await until(lambda: driver.status().state is DeviceState.READY)
        modem.stall(True)
        driver.send(Sms("447700900186", "x", 300))
        await until(lambda: modem.sending)
        await asyncio.to_thread(driver.close)
        return request_id

    async def story(modem: SimulatedModem) -> tuple[str, tuple[int, int]]:
        left = await killed(modem)
        async with running(store, modem, text=lambda _, pin: pin.ljust(length, "x"), listen_s=30.0) as engine:
            engine.recover()
            await until(lambda: state(engine, left) == "uncertain")
            modem.stall(False)
            await until(lambda: modem.accepted and state(engine, left) == end)
            return await told_end(engine, await start(engine, NUMBER)), await counted(engine)

    async def told_end(engine: Engine, request_id: str) -> str:
        await until(lambda: state(engine, request_id) == "sent")
        return state(engine, request_id)

    eager = Dialect(multitasking=True)
    with SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=60.0, dialect=eager) as modem:
        assert asyncio.run(story(modem)) == ("sent", (2 * parts, 2 * parts))


def test_what_a_modem_had_not_answered_when_the_daemon_was_stopped_may_be_answered_late(
    tmp_path: Path, store: Store
) -> None:
    """Only what was under way used to be known in the next run: an older answer was the next message's."""
    unreported = "447700900186"

    async def stopped(modem: SimulatedModem) -> str:
        async with running(store, modem, listen_s=30.0) as engine:
            modem.stall(True)
            left = await start(engine, unreported)
            await until(lambda: state(engine, left) == "uncertain")
        return left

    async def story(modem: SimulatedModem) -> None:
        left = await stopped(modem)
        async with running(store, modem, listen_s=30.0) as engine:
            engine.recover()
            modem.stall(False)
            await until(lambda: state(engine, left) == "sent")
            after = await start(engine, NUMBER)
            await until(lambda: state(engine, after) == "sent")
            assert await counted(engine) == (2, 2)

    eager = Dialect(multitasking=True)
    with SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=60.0, dialect=eager) as modem:
        asyncio.run(story(modem))
        assert [number for number, _ in modem.accepted] == [unreported, NUMBER]


def test_a_driver_that_a_reload_has_made_knows_what_its_modem_has_not_answered(tmp_path: Path, store: Store) -> None:
    async def story(modem: SimulatedModem) -> None:
        async with running(store, modem, listen_s=30.0) as engine:
            lane, old = lane_of(engine)
            modem.stall(True)
            left = await start(engine, "447700900186")  # has no report
            await until(lambda: state(engine, left) == "uncertain")
            options = Options(port=modem.port, baudrate=9600)
            other = Driver("sim1", options, replace(FAST, listen=30.0))
            lane.pool.prepare([Modem("sim1", options=options)], lambda _: other)()
            await until(lambda: lane.pool.slots and lane.pool.slots[0] is not old and lane.pool.slots[0].ready)
            modem.stall(False)
            await until(lambda: state(engine, left) == "sent")

    eager = Dialect(multitasking=True)
    with SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=60.0, dialect=eager) as modem:
        asyncio.run(story(modem))


def test_an_order_that_waited_for_a_reload_is_for_the_modem_that_is_there_then(tmp_path: Path, store: Store) -> None:
    """It used to open the replaced driver again, which kept the port from the new one until the daemon's end."""

    async def story(modem: SimulatedModem) -> None:
        async with running(store, modem) as engine:
            lane, old = lane_of(engine)
            modem.stall(True)
            await start(engine, NUMBER)
            await until(lambda: modem.sending)
            options = Options(port=modem.port, baudrate=9600)
            lane.pool.prepare([Modem("sim1", options=options)], lambda _: Driver("sim1", options, FAST))()
            await asyncio.sleep(0)  # the reload waits for the message, and the order for the reload
            paused = asyncio.ensure_future(lane.pool.set_duty("sim1", Duty.PAUSED))
            modem.stall(False)
            await paused
            slot = lane.pool.slot("sim1")
            assert slot is not old
            assert (sum(slot.record.durations.counts), slot.record.outcomes) == (1, {"sent": 1})  # it goes on counting
            assert slot.record.earlier == old.driver.status().counts != ModemCounts()
            assert slot.duty is Duty.PAUSED
            await until(lambda: slot.driver.status().state is DeviceState.READY)
            assert old.driver.status().state is DeviceState.CLOSED

    with SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=60.0) as modem:
        asyncio.run(story(modem))


def test_what_a_modem_that_was_drained_at_the_start_owes_is_known_once_it_is_resumed(
    tmp_path: Path, store: Store
) -> None:
    unreported = "447700900186"

    async def story(modem: SimulatedModem) -> None:
        async with running(store, modem, listen_s=30.0) as engine:
            lane, _ = lane_of(engine)
            modem.stall(True)
            left = await start(engine, unreported)
            await until(lambda: state(engine, left) == "uncertain")
            await lane.pool.set_duty("sim1", Duty.DRAINED)
        async with running(store, modem, listen_s=30.0) as engine:
            lane, slot = lane_of(engine)
            await until(lambda: slot.duty is Duty.DRAINED)
            await lane.pool.set_duty("sim1", Duty.WORKING)
            await until(lambda: slot.ready)
            modem.stall(False)
            await until(lambda: state(engine, left) == "sent")

    eager = Dialect(multitasking=True)
    with SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=60.0, dialect=eager) as modem:
        asyncio.run(story(modem))


def test_a_report_after_a_restart_makes_way_for_the_next_message(tmp_path: Path, store: Store) -> None:
    """The next one used to be uncertain, and the modem to send nothing for 180 s, if it had no report of its own."""

    async def story(modem: SimulatedModem) -> None:
        async with running(store, modem, listen_s=30.0) as engine:
            modem.lose_answer(True)
            left = await start(engine, NUMBER)
            await until(lambda: state(engine, left) == "uncertain")
        async with running(store, modem, listen_s=30.0) as engine:
            pdu = status_report(0, NUMBER, 0)
            modem.say(f"+CDS: {len(pdu) - 1}\r\n{pdu.hex().upper()}")
            await until(lambda: state(engine, left) == "delivered")
            after = await start(engine, "447700900186")  # has no report
            await until(lambda: state(engine, after) in ("sent", "uncertain"))
            assert state(engine, after) == "sent"

    with SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=60.0) as modem:
        asyncio.run(story(modem))


def no_phrases(_: Request, __: str) -> str:
    raise LookupError("no phrases for this locale")


@pytest.mark.parametrize(("key", "text"), [(b"o" * 32, plain), (b"k" * 32, no_phrases)], ids=["key", "language"])
def test_a_daemon_starts_though_what_a_modem_had_cannot_be_written_any_more(
    tmp_path: Path, store: Store, key: bytes, text: SmsText
) -> None:
    """There used to be an exception at this start and at all others: the message never came to an end."""

    async def main() -> None:
        before = Engine(store, Clock(1.0), Pins(b"k" * 32), Policy())
        before.lanes[Channel.SMS] = SmsLane(before, [], plain)
        plan = replace(request(steps=(Step(Channel.SMS, s(300)),)), created_at=before.clock.now(), number=NUMBER)
        await before.do(Start(Caller(), replace(plan, sealed_pin=before.pins.seal(plan.id, "4711"))))
        await before.do(Begin(plan.id, 0, "sim1"))
        after = Engine(store, Clock(1.0), Pins(key), Policy())
        driver = Driver("sim1", Options(port=str(tmp_path / "unplugged")), FAST)
        lane = after.lanes[Channel.SMS] = SmsLane(after, [(driver, Modem("sim1"))], text)
        lane.open()
        after.recover()
        await until(lambda: state(after, plan.id) == "uncertain")
        await lane.close()

    asyncio.run(main())


def test_a_late_refusal_is_not_counted_for_the_quota(tmp_path: Path, store: Store) -> None:
    async def story(modem: SimulatedModem) -> list[tuple[int, int]]:
        async with running(store, modem) as engine:
            sent = await start(engine, NUMBER)
            await until(lambda: state(engine, sent) == "uncertain")
            before = await counted(engine)
            await told(engine, sent)
            return [before, await counted(engine)]

    with SimulatedModem(tmp_path / "modem", network_s=SLOW_S) as modem:
        modem.refuse(350)
        assert asyncio.run(story(modem)) == [(1, 1), (0, 0)]


def test_a_late_refusal_waits_until_its_message_is_known_as_uncertain(tmp_path: Path, store: Store) -> None:
    disk = threading.Event()

    async def story(modem: SimulatedModem) -> tuple[str, tuple[int, int]]:
        async with running(store, modem) as engine:
            _, slot = lane_of(engine)
            sent = await start(engine, NUMBER)
            await until(lambda: modem.sending)
            slow = hold(store, disk)
            await until(lambda: not slot.ready)
            await until(lambda: slot.ready)  # it has told all
            assert state(engine, sent) == "sending"
            disk.set()
            await slow
            await told(engine, sent)
            return state(engine, sent), await counted(engine)

    with SimulatedModem(tmp_path / "modem", network_s=SLOW_S) as modem:
        modem.refuse(350)
        assert asyncio.run(story(modem)) == ("failed", (0, 0))


def test_a_refused_test_is_given_back_once_the_database_can_be_written(tmp_path: Path, store: Store) -> None:
    async def story(modem: SimulatedModem) -> None:
        async with running(store, modem) as engine:
            lane, slot = lane_of(engine)
            test = asyncio.ensure_future(lane.tests.send(slot, "447700900180", 0))
            await until(lambda: modem.sending)
            with locked(tmp_path, store):
                with pytest.raises(DriverError):
                    await test
                await until(lambda: store.broken)
            await until(lambda: counted_now(engine) == (0, 0))

    with SimulatedModem(tmp_path / "modem", network_s=0.3) as modem:
        asyncio.run(story(modem))


def test_what_may_have_gone_out_counts_for_a_month(tmp_path: Path, store: Store) -> None:
    async def story(modem: SimulatedModem) -> None:
        async with running(store, modem) as engine:
            lane, slot = lane_of(engine)
            await lost(engine, modem, accepted=True)
            assert await counted(engine) == (1, 1)
            modem.lose_answer(False)
            with pytest.raises(Uncertain):
                await lane.tests.send(slot, "447700900186", 0)
            assert await counted(engine) == (2, 2)

    weeks_ago = Clock().now() - s(20 * 24 * 3600)
    with SimulatedModem(tmp_path / "modem", network_s=0.05) as modem:
        asyncio.run(story(modem))
        connection(store).execute("UPDATE sent SET at_ms = ?", (weeks_ago,))

        async def later() -> None:
            async with running(store, modem) as engine:
                slot = lane_of(engine)[1]
                await until(lambda: slot.ready)
                sent = await start(engine, NUMBER)
                await until(lambda: state(engine, sent) in ("sent", "delivered"))
                assert len(engine.store.reading.sent_by("sim1", s(0))) == 3
                used = slot.quota.used(engine.clock.now())
                assert (used.day, used.recipients) == (1, 2)

        asyncio.run(later())


def test_the_report_of_a_request_counts_although_a_test_was_refused(tmp_path: Path, store: Store) -> None:
    async def story(modem: SimulatedModem) -> None:
        async with running(store, modem) as engine:
            lane, slot = lane_of(engine)
            sent = await start(engine, NUMBER)
            await until(lambda: state(engine, sent) == "sent")
            modem.refuse(21)
            with pytest.raises(DriverError):
                await lane.tests.send(slot, NUMBER, 0)  # the report comes meanwhile
            await until(lambda: state(engine, sent) == "delivered")

    with SimulatedModem(tmp_path / "modem", network_s=0.4, report_s=0.2) as modem:
        asyncio.run(story(modem))


def test_the_late_answer_to_a_test_is_no_requests(tmp_path: Path, store: Store) -> None:
    async def story(modem: SimulatedModem) -> None:
        async with running(store, modem) as engine:
            lane, slot = lane_of(engine)
            unsent = await lost(engine, modem, accepted=False)
            modem.network_s = SLOW_S
            with pytest.raises(Uncertain):
                await lane.tests.send(slot, "447700900286", 0)
            await until(lambda: slot.ready)
            assert state(engine, unsent) == "uncertain"

    with SimulatedModem(tmp_path / "modem", network_s=0.05) as modem:
        asyncio.run(story(modem))
        assert [number for number, _ in modem.accepted] == ["447700900286"]


def test_a_text_that_cannot_be_made_fails_its_message_alone(tmp_path: Path, store: Store) -> None:
    def text(request: Request, pin: str) -> str:
        if request.number == NUMBER:
            raise LookupError("a defect")
        return plain(request, pin)

    async def story(modem: SimulatedModem) -> None:
        async with running(store, modem, text=text) as engine:
            bad = await start(engine, NUMBER)
            await until(lambda: state(engine, bad) == AttemptState.FAILED and not lane_of(engine)[1].under_way)
            assert await counted(engine) == (0, 0)
            lane_of(engine)[1].resting.works()
            good = await start(engine, "447700900145")
            await until(lambda: state(engine, good) == AttemptState.DELIVERED)

    with SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=0.05) as modem:
        asyncio.run(story(modem))


def test_what_comes_while_nothing_can_be_written_is_recorded_later(tmp_path: Path, store: Store) -> None:
    async def story(modem: SimulatedModem) -> None:
        async with running(store, modem):
            with locked(tmp_path, store):
                pdu = deliver("447700900999", "by the line")
                modem.say(f"+CMT: ,{len(pdu) - 1}\r\n{pdu.hex().upper()}")
                modem.receive("447700900999", "by the SIM")
                await until(lambda: store.broken and modem.commands["+CMGR"])
                looks = modem.commands["+CSQ"]
                await until(lambda: modem.commands["+CSQ"] >= looks + 2)  # the driver goes on with its other work
                assert modem.commands["+CMGD"] == 0
            await until(lambda: sum(line.kind == "incoming" for line in store.reading.history(0, 9)) == 2)
            await until(lambda: modem.commands["+CMGD"] == 1)

    with SimulatedModem(tmp_path / "modem", network_s=0.05) as modem:
        asyncio.run(story(modem))


def test_a_report_that_the_sim_keeps_is_not_asked_ever_more_often(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(modem: SimulatedModem) -> tuple[int, int]:
        async with running(store, modem) as engine:
            sent = await start(engine, NUMBER)
            await until(lambda: state(engine, sent) == "sent")
            submit, submitted = store.submit, []

            def counting(*operation: Any) -> Any:
                submitted.append(operation)
                return submit(*operation)

            monkeypatch.setattr(store, "submit", counting)
            with locked(tmp_path, store):
                await until(lambda: modem.commands["+CMGL"] >= 8)
                counts = len(submitted), modem.commands["+CMGL"]
            await until(lambda: state(engine, sent) == "delivered")
            return counts

    with SimulatedModem(
        tmp_path / "modem", network_s=0.05, report_s=0.5, dialect=Dialect(stores_reports=True)
    ) as modem:
        submitted, looks = asyncio.run(story(modem))
    assert submitted <= looks + 1


def test_delivery_reports_that_stop_are_told_and_so_are_they_when_they_come_again(
    tmp_path: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Some sticks give what they say by themselves to another tty."""

    async def story(modem: SimulatedModem) -> list[tuple[str, ...]]:
        async with running(store, modem) as engine:
            slot = lane_of(engine)[1]
            slot.reporting = Reporting(within_s=0.0)
            told = []
            for place in range(12):
                sent = await start(engine, f"4477009001{place:02}86")  # has no report
                await until(partial(lambda sent: state(engine, sent) == "sent", sent))
                told.append(slot.remarks(time.monotonic()))
            await start(engine, NUMBER)
            await until(lambda: not slot.remarks(time.monotonic()))
            return told

    with SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=0.05) as modem:
        told = asyncio.run(story(modem))
    assert told[8] == ()
    assert told[11] == (
        "no delivery report in 12 messages: the network sends none, or the modem gives them to another port",
    )
    assert [record.message for record in caplog.records if "reports=" in record.message] == [
        f"modem=sim1 reports={told[9][0]!r}",
        "modem=sim1 reports='they come again'",
    ]


def test_no_recipient_shows_in_what_the_lane_knows_of_a_modem(tmp_path: Path, store: Store) -> None:
    async def story(modem: SimulatedModem) -> str:
        async with running(store, modem) as engine:
            await start(engine, "447700900181")
            await until(lambda: lane_of(engine)[1].deferred)
            return repr(lane_of(engine)[1])

    with SimulatedModem(tmp_path / "modem", network_s=0.05) as modem:
        assert "4477009" not in asyncio.run(story(modem))


def test_what_a_slow_disk_held_up_until_its_pin_was_dead_is_not_sent(store: Store, hand: Hand) -> None:
    """`sending` was decided in time, and durable too late."""
    disk, held, modem = threading.Event(), threading.Event(), TimedModem(1.0)

    async def main() -> None:
        lane = TimedLane(store, hand, modem)
        pool = lane.lane.pool
        await pool.set_duty("sim1", Duty.PAUSED)
        request_id = await lane.start(NUMBER, 60)
        await pool.set_duty("sim1", Duty.WORKING)  # which begins the message,
        slow = hold(store, disk, held)  # in one commit with this
        await asyncio.to_thread(held.wait, 20)
        hand.at += 60
        disk.set()
        await slow
        await lane.passes(5)
        attempt = lane.attempt(request_id)
        assert (attempt.state, attempt.device) == (AttemptState.DROPPED, "sim1")
        assert attempt.detail == "its PIN would have arrived too late: it had only 0 s left"
        assert await counted(lane.engine) == (0, 0)
        await lane.lane.close()

    by_hand(hand, main())
    assert modem.accepted == []


def test_a_message_is_settled_and_the_next_begun_in_one_commit(tmp_path: Path, store: Store) -> None:
    async def story(modem: SimulatedModem) -> int:
        async with running(store, modem) as engine:
            requests = [await start(engine, f"4477009001{ending}86") for ending in range(10, 20)]
            commits: list[str] = []
            connection(store).set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
            await until(lambda: all(state(engine, request) == "sent" for request in requests))
            return len(commits)

    with SimulatedModem(tmp_path / "modem", network_s=0.1) as modem:
        assert asyncio.run(story(modem)) <= 11


def test_a_report_is_not_a_tests_once_its_reference_means_a_request(tmp_path: Path, store: Store) -> None:
    async def story(modem: SimulatedModem) -> None:
        async with running(store, modem) as engine:
            lane, slot = lane_of(engine)
            tested = await lane.tests.send(slot, NUMBER, 5)
            modem.count_from(tested.references[0])
            sent = await start(engine, NUMBER)
            await until(lambda: state(engine, sent) == "delivered")

    with SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=0.1) as modem:
        asyncio.run(story(modem))


def test_what_a_clock_counted_that_was_ahead_is_not_counted_for_ever(tmp_path: Path, store: Store) -> None:
    async def story(modem: SimulatedModem) -> None:
        now = Clock().now()
        connection(store).execute("INSERT INTO sent VALUES ('sim1', ?, '447700900199')", (now + s(99 * 24 * 3600),))
        async with running(store, modem) as engine:
            quota = lane_of(engine)[1].quota
            assert (quota.used(engine.clock.now()).hour, quota.used(engine.clock.now() + DAY).hour) == (1, 0)

    with SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=0.05) as modem:
        asyncio.run(story(modem))


@pytest.mark.parametrize("away", [True, False])
def test_a_drained_modem_is_resumed_also_if_it_was_away(tmp_path: Path, store: Store, *, away: bool) -> None:
    async def story(modem: SimulatedModem) -> None:
        async with running(store, modem) as engine:
            lane, slot = lane_of(engine)
            if away:
                modem.unplug()
                await until(lambda: slot.driver.status().state is DeviceState.ABSENT)
            await lane.pool.set_duty("sim1", Duty.DRAINED)
            if away:
                modem.replug()
            assert slot.driver.status().state is DeviceState.CLOSED
            await lane.pool.set_duty("sim1", Duty.WORKING)
            await until(lambda: slot.ready)

    with SimulatedModem(tmp_path / "modem") as modem:
        asyncio.run(story(modem))


def test_a_modem_that_did_not_let_go_of_its_port_is_resumed_once_it_has(tmp_path: Path, store: Store) -> None:
    async def story(modem: SimulatedModem) -> None:
        async with running(store, modem) as engine:
            lane, slot = lane_of(engine)
            slot.driver.close()  # and what was resumed before that changed nothing
            await lane.pool.set_duty("sim1", Duty.WORKING)
            await until(lambda: slot.ready)

    with SimulatedModem(tmp_path / "modem") as modem:
        asyncio.run(story(modem))
