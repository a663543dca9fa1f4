"""An answer that comes late, and a database that cannot be written for a while: what the record says in the end.

The lane, the engine and the store are the daemon's own, in this process, so that the driver's patience can be short.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.clock import Clock
from daemon.config import Modem
from daemon.core.model import Channel, Step
from daemon.engine import Engine, Policy
from daemon.lanes.sms import SmsLane
from daemon.pins import Pins
from daemon.sqlite import sqlite
from daemon.store import SqliteStore
from drivers.serial import Driver, Options
from drivers.simulated_modem import SimulatedModem
from tests.core.story import request
from tests.drivers.test_serial import FAST

SLOW_S = 1.2  # FAST gives an answer half of that
OVER = {"delivered", "failed", "refused"}
NUMBER = "447700900123"


@asynccontextmanager
async def running(store: SqliteStore, modem: SimulatedModem, *, resend: bool = False) -> AsyncIterator[Engine]:
    engine = Engine(store, Clock(), Pins(b"k" * 32), Policy(resend={"sim1": resend}))
    driver = Driver("sim1", Options(port=modem.port), FAST)
    lane = engine.lanes[Channel.SMS] = SmsLane(engine, [(driver, Modem("sim1"))], lambda _, pin: f"Acme code: {pin}.")
    lane.open()
    try:
        yield engine
    finally:
        await lane.close()


async def start(engine: Engine, number: str) -> str:
    """A request of one SMS."""
    new = replace(request(steps=(Step(Channel.SMS, 300),)), created_at=engine.clock.now(), id=number * 2, number=number)
    await engine.start(new)
    return new.id


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


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
    tmp_path: Path, store: SqliteStore, *, resend: bool, error: int | None, expected: list[str], arrived: int
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
    tmp_path: Path, store: SqliteStore
) -> None:
    async def story(modem: SimulatedModem) -> list[list[str]]:
        async with running(store, modem) as engine:
            requests = [await start(engine, number) for number in (NUMBER, "447700900145")]
            await until(lambda: modem.commands["+CMGS"])  # the first is on the wire, the second waits
            with closing(sqlite.connect(str(tmp_path / "pinwheel.db"), isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                await until(lambda: modem.accepted and store.broken)
            return [await told(engine, each) for each in requests]

    store._writer.execute("PRAGMA busy_timeout=0")
    with SimulatedModem(tmp_path / "modem", network_s=0.3, report_s=0.05) as modem:
        told_of = asyncio.run(story(modem))
        assert [(kinds[0], kinds[-1]) for kinds in told_of] == [("sending", "delivered")] * 2
        assert [number for number, _ in modem.accepted] == [NUMBER, "447700900145"]
