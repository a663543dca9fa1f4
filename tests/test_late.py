"""The network's answer comes after a message counts as uncertain: what the request's record says then.

The lane, the engine and the store are the daemon's own, in this process, so that the driver's patience can be short.
"""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.clock import Clock
from daemon.config import Modem
from daemon.core.model import Channel, Step
from daemon.engine import Engine, Policy
from daemon.lanes.sms import SmsLane
from daemon.pins import Pins
from daemon.store import SqliteStore
from drivers.serial import Driver, Options
from drivers.simulated_modem import SimulatedModem
from tests.core.story import request
from tests.drivers.test_serial import FAST

SLOW_S = 1.2  # FAST gives an answer half of that
OVER = {"delivered", "failed", "refused"}


async def story(store: SqliteStore, modem: SimulatedModem, *, resend: bool) -> list[str]:
    """What the history says of the one delivery of a request, up to its end."""
    engine = Engine(store, Clock(), Pins(b"k" * 32), Policy(resend={"sim1": resend}))
    driver = Driver("sim1", Options(port=modem.port), FAST)
    lane = engine.lanes[Channel.SMS] = SmsLane(engine, [(driver, Modem("sim1"))], lambda _, pin: f"Acme code: {pin}.")
    lane.open()
    try:
        now = engine.clock.now()
        await engine.start(replace(request(steps=(Step(Channel.SMS, 300),)), created_at=now))
        async with asyncio.timeout(20):
            while not OVER & {line.kind for line in store.reading.history(0, 100)}:
                await engine.wait_for_news(1.0)
    finally:
        await lane.close()
    return [line.kind for line in store.reading.history(0, 100) if line.step == 0 and line.kind != "event"]


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
    tmp_path: Path, *, resend: bool, error: int | None, expected: list[str], arrived: int
) -> None:
    store = SqliteStore(tmp_path / "pinwheel.db")
    store.open()
    with SimulatedModem(tmp_path / "modem", network_s=SLOW_S, report_s=0.05) as modem:
        if error is not None:
            modem.refuse(error)
        assert asyncio.run(story(store, modem, resend=resend)) == expected
        assert len(modem.accepted) == arrived
    store.close()
