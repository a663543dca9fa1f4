"""What the log says of devices."""

import asyncio
import logging

import pytest

from daemon.clock import Clock
from daemon.core import flapping
from daemon.lanes.state_log import StateLog
from drivers import DeviceState, TrunkStatus


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().partition("state=")[2] for record in caplog.records]


def test_a_state_is_logged_when_it_changes_and_not_each_time_it_is_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    """There used to be the same line two or three times in the journal of each start."""
    caplog.set_level(logging.INFO)
    states = StateLog("voice", "pyvoip", Clock())
    starting, ready = TrunkStatus(DeviceState.STARTING), TrunkStatus(DeviceState.READY)
    for status in (starting, starting, ready, ready, TrunkStatus(DeviceState.WAITING, "a"), ready):
        states.see(status)
    assert said(caplog) == ["starting detail=''", "ready detail=''", "waiting detail='a'", "ready detail=''"]


@pytest.mark.usefixtures("hand")
def test_the_state_that_stays_after_many_changes_is_logged_with_their_count(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A modem whose registration came and went ten times a second used to fill the journal."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(flapping, "EVERY_S", 0.05)

    async def story() -> None:
        states = StateLog("modem", "sim1", Clock())  # the time stands, but for the pause before the last line
        for _ in range(500):
            states.see(TrunkStatus(DeviceState.WAITING, "searching"))
            states.see(TrunkStatus(DeviceState.READY))
        while len(caplog.records) <= flapping.AT_ONCE:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(story(), 10))
    assert said(caplog)[-2:] == ["ready detail=''", f"ready detail='' unlogged_changes={999 - flapping.AT_ONCE}"]
    assert caplog.records[-1].levelno == logging.WARNING
